"""A small exact deep-learning engine to read whole: tensors, derivatives and graphs of both kinds.

The engine imports NumPy alone. Its parts above the operations and the derivatives are packages of
their own (graphs, losses, optimizers, nn); the tools of the course (figures, grading, the command
line) are separate and are not imported from here.
"""

from numpy import float16, float32, float64, int32, int64, uint8

from dlcourse import autodiff
from dlcourse.autodiff import *  # noqa: F403
from dlcourse.ops import PRIMITIVES, functions, networks, torch_names
from dlcourse.ops.functions import *  # noqa: F403
from dlcourse.ops.networks import *  # noqa: F403
from dlcourse.ops.table import *  # noqa: F403
from dlcourse.ops.torch_names import *  # noqa: F403

# An operation that is entered in the table is exported without another edit.
__all__ = [*autodiff.__all__, *functions.__all__, *networks.__all__, *torch_names.__all__]
__all__ += ["float16", "float32", "float64", "int32", "int64", "uint8"]
__all__ += [name for name in PRIMITIVES if name not in __all__]
