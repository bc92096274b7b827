"""What is kept: the gradebook, the CSV, files that are written whole or not at all."""
