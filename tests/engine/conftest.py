"""One thread for PyTorch: the tensors are tiny, and the machine may run other tests too."""

import torch

torch.set_num_threads(1)
