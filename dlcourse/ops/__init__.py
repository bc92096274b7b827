"""The operations: `table` has one entry for each, `kernels` the values that take more than a line.

The names of the table are the package's: ``ops.exp`` is the primitive ``exp``.
"""

from dlcourse.ops.networks import avg_pool1d as avg_pool1d
from dlcourse.ops.networks import avg_pool2d as avg_pool2d
from dlcourse.ops.networks import batch_norm as batch_norm
from dlcourse.ops.networks import conv1d as conv1d
from dlcourse.ops.networks import conv2d as conv2d
from dlcourse.ops.networks import conv_transpose1d as conv_transpose1d
from dlcourse.ops.networks import conv_transpose2d as conv_transpose2d
from dlcourse.ops.networks import dropout as dropout
from dlcourse.ops.networks import layer_norm as layer_norm
from dlcourse.ops.networks import max_pool1d as max_pool1d
from dlcourse.ops.networks import max_pool2d as max_pool2d
from dlcourse.ops.primitive import PRIMITIVES as PRIMITIVES
from dlcourse.ops.primitive import Array as Array
from dlcourse.ops.primitive import Axis as Axis
from dlcourse.ops.primitive import Primitive as Primitive
from dlcourse.ops.primitive import primitive as primitive
from dlcourse.ops.table import *  # noqa: F403 (each operation under its own name)
