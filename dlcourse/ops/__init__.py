"""The operations: `table` has one entry for each, `kernels` the values that take more than a line.

The names of the table are the package's: ``ops.exp`` is the primitive ``exp``. `functions`,
`networks` and `torch_names` are written with the table's operations.
"""

from dlcourse.ops import functions as functions
from dlcourse.ops import networks as networks
from dlcourse.ops import torch_names as torch_names
from dlcourse.ops.functions import *  # noqa: F403
from dlcourse.ops.networks import *  # noqa: F403
from dlcourse.ops.primitive import PRIMITIVES as PRIMITIVES
from dlcourse.ops.primitive import Array as Array
from dlcourse.ops.primitive import Axis as Axis
from dlcourse.ops.primitive import Primitive as Primitive
from dlcourse.ops.primitive import Value as Value
from dlcourse.ops.primitive import as_value as as_value
from dlcourse.ops.primitive import primitive as primitive
from dlcourse.ops.rules import unbroadcast as unbroadcast
from dlcourse.ops.rules import widened as widened
from dlcourse.ops.table import *  # noqa: F403 (each operation under its own name)
from dlcourse.ops.torch_names import *  # noqa: F403
