"""Neural networks: functions with parameters, and what belongs to them.

- ``module``: Module, and calls with other values in place of its parameters
- ``layers``: Linear, convolutions and pooling, Embedding, Flatten, Dropout, Sequential
- ``activations``: ReLU and others, as modules
- ``normalisation``: LayerNorm, BatchNorm1d, BatchNorm2d
- ``recurrent``: RNN, GRU, LSTM
- ``init``: initial values
- ``saving``, ``safetensors``: state dicts as files
- ``exchange``: weights from and for PyTorch and Keras

Names, shapes and the names in a state dict are those of torch.nn.
"""

from dlcourse.nn import init as init
from dlcourse.nn.activations import GELU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from dlcourse.nn.layers import (
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Dropout,
    Embedding,
    Flatten,
    Linear,
    MaxPool1d,
    MaxPool2d,
    Sequential,
)
from dlcourse.nn.module import Module, functional_call, functional_call_with_buffers
from dlcourse.nn.normalisation import BatchNorm1d, BatchNorm2d, LayerNorm
from dlcourse.nn.recurrent import GRU, LSTM, RNN

__all__ = [
    "GELU", "GRU", "LSTM", "RNN", "AvgPool1d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Conv1d",
    "Conv2d", "Dropout", "Embedding", "Flatten", "LayerNorm", "Linear", "MaxPool1d", "MaxPool2d",
    "Module", "ReLU", "Sequential", "SiLU", "Sigmoid", "Softmax", "Tanh", "functional_call",
    "functional_call_with_buffers", "init",
]  # fmt: skip
