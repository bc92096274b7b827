"""Grades notebooks: hidden checks run in a sandbox, marks are decided outside it."""
