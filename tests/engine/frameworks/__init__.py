"""Graphs that PyTorch and TensorFlow recorded compute the same numbers in dlcourse."""
