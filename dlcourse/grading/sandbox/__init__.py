"""Where student code runs: the confinement, the program inside of it, and what it reports."""
