"""A small exact deep-learning engine to read whole: tensors, dynamic graphs, reverse mode.

It imports NumPy alone. The tools of the course (figures, grading, the command line) are separate
modules and are not imported from here.
"""

from dlcourse.autodiff import (
    Tensor,
    detect_anomaly,
    enable_grad,
    grad,
    gradcheck,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    stop_gradient,
    value_and_grad,
    vjp,
)
from dlcourse.ops import PRIMITIVES, functions
from dlcourse.ops.functions import *  # noqa: F403
from dlcourse.ops.table import *  # noqa: F403

__all__ = [
    "Tensor",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
__all__ += functions.__all__
__all__ += (name for name in PRIMITIVES if name not in functions.__all__)
