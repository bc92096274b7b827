"""A small exact deep-learning engine to read whole: tensors, dynamic graphs, reverse mode.

It imports NumPy alone. The tools of the course (figures, grading, the command line) are separate
modules and are not imported from here.
"""

from dlcourse.autodiff import Tensor, enable_grad, no_grad
from dlcourse.gradcheck import gradcheck
from dlcourse.ops import (
    abs,
    astype,
    broadcast_to,
    cos,
    equal,
    exp,
    expand_dims,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log_softmax,
    logsumexp,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    not_equal,
    power,
    relu,
    reshape,
    scatter_add,
    sigmoid,
    sign,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    sum,
    tanh,
    transpose,
    where,
)

__all__ = [
    "Tensor", "abs", "astype", "broadcast_to", "cos", "enable_grad", "equal", "exp", "expand_dims",
    "gradcheck", "greater", "greater_equal", "less", "less_equal", "log", "log_softmax",
    "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum", "no_grad", "not_equal",
    "power", "relu", "reshape", "scatter_add", "sigmoid", "sign", "sin", "softmax", "sqrt",
    "square", "squeeze", "sum", "tanh", "transpose", "where",
]  # fmt: skip
