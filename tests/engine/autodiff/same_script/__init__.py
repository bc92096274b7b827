"""Programs that PyTorch and dlcourse run alike, by subject."""
