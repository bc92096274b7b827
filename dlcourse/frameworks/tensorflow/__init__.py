"""TensorFlow: the reader of its graphs, and its operations in terms of dlcourse's, by subject."""
