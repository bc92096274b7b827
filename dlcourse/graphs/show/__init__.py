"""A graph as text that reads as code, and as a picture."""
