"""A small exact deep-learning engine to read whole: tensors, dynamic graphs, reverse mode.

It imports NumPy alone. The tools of the course (figures, grading, the command line) are separate
modules and are not imported from here.
"""

from dlcourse.autodiff import Tensor, enable_grad, gradients, no_grad
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
from dlcourse.transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

__all__ = [
    "Tensor", "abs", "astype", "broadcast_to", "cos", "enable_grad", "equal", "exp",
    "expand_dims", "grad", "gradcheck", "gradients", "greater", "greater_equal", "hessian", "hvp",
    "jacobian", "jvp", "less", "less_equal", "log", "log_softmax", "logsumexp", "matmul", "max",
    "maximum", "mean", "min", "minimum", "no_grad", "not_equal", "power", "relu", "reshape",
    "scatter_add", "sigmoid", "sign", "sin", "softmax", "sqrt", "square", "squeeze",
    "stop_gradient", "sum", "tanh", "transpose", "value_and_grad", "vjp", "where",
]  # fmt: skip
