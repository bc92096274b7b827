"""PyTorch's operations in terms of dlcourse's: the arguments are those of the aten schema.

An operation that is not here is decomposed by PyTorch itself, if it can: see `reader`.

Source: https://docs.pytorch.org/docs/stable/torch.compiler_ir.html; the schema of an operation is
``torch.ops.aten.relu.default._schema``.
"""

from dlcourse.frameworks.torch import (
    attention,
    elementwise,
    indices,
    losses,
    normalization,
    reductions,
    shapes,
    windows,
)
from dlcourse.frameworks.torch.rows import Rows

TABLE: Rows = {
    **elementwise.TABLE,
    **reductions.TABLE,
    **shapes.TABLE,
    **indices.TABLE,
    **windows.TABLE,
    **normalization.TABLE,
    **attention.TABLE,
    **losses.TABLE,
}
