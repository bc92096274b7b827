"""What is graded: the course, its assignments, and what students hand in."""
