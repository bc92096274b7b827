"""From a graph to a function: passes, a plan of the memory, and the text that NumPy runs."""
