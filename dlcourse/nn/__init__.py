"""Neural networks: functions with parameters, and what belongs to them.

- ``module``: Module, and calls with other values in place of its parameters
- ``containers``: Sequential, ModuleList, ModuleDict, Identity
- ``layers``: Linear, convolutions, Embedding, Flatten, Dropout
- ``pooling``: windows of the input, of a given size or a given number
- ``activations``: ReLU and others, as modules
- ``normalisation``: over examples, layers, groups of channels
- ``recurrent``: RNN, GRU, LSTM
- ``attention``: in one head and in several, and the layer of a transformer
- ``losses``: loss functions as modules
- ``hooks``, ``describing``: functions that watch a module, and what it prints as
- ``init``: initial values
- ``saving``, ``safetensors``: state dicts and checkpoints as files
- ``exchange``: weights from and for PyTorch and Keras

Names, shapes and the names in a state dict are those of torch.nn.
"""

from dlcourse.nn import init as init
from dlcourse.nn.activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from dlcourse.nn.attention import (
    MultiheadAttention,
    TransformerEncoderLayer,
    scaled_dot_product_attention,
)
from dlcourse.nn.containers import Identity, ModuleDict, ModuleList, Sequential
from dlcourse.nn.layers import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    Linear,
)
from dlcourse.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    Loss,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    SmoothL1Loss,
    TripletMarginLoss,
)
from dlcourse.nn.module import Module, functional_call, functional_call_with_buffers
from dlcourse.nn.normalisation import (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    LayerNorm,
)
from dlcourse.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    MaxPool1d,
    MaxPool2d,
)
from dlcourse.nn.recurrent import GRU, LSTM, RNN

__all__ = [
    "ELU", "GELU", "GRU", "LSTM", "RNN", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d", "BCELoss",
    "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "Conv1d", "Conv2d", "ConvTranspose1d",
    "ConvTranspose2d", "CosineEmbeddingLoss", "CrossEntropyLoss", "Dropout", "Embedding",
    "Flatten", "GroupNorm", "HuberLoss", "Identity", "InstanceNorm1d", "InstanceNorm2d",
    "KLDivLoss", "L1Loss", "LayerNorm", "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax",
    "Loss", "MSELoss", "MaxPool1d", "MaxPool2d", "Mish", "Module", "ModuleDict", "ModuleList",
    "MultiMarginLoss", "MultiheadAttention", "NLLLoss", "PReLU", "ReLU", "Sequential", "SiLU",
    "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Tanh", "TransformerEncoderLayer",
    "TripletMarginLoss", "functional_call", "functional_call_with_buffers", "init",
    "scaled_dot_product_attention",
]  # fmt: skip
