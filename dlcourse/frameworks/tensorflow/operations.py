"""TensorFlow's operations in terms of dlcourse's: inputs by position, attributes by name.

Where TensorFlow computes with shapes (Shape, StridedSlice, Pack, ...), the values are NumPy arrays,
since the shapes are known, and the operations compute at once.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

# ruff: noqa: ARG005 (a function has every input of the operation, used or not)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.tensorflow import control, convolution, elementwise, lists, shapes


def _same(a: Any) -> Any:
    return a


TABLE: dict[str, Callable[..., Any]] = {
    **elementwise.TABLE,
    **shapes.TABLE,
    **convolution.TABLE,
    **lists.TABLE,
    **control.TABLE,
    # The same values; the dtype is the one that TensorFlow recorded
    "Identity": _same, "IdentityN": lambda *a: a if len(a) > 1 else a[0], "StopGradient": _same,
    "PreventGradient": _same, "Cast": _same, "EnsureShape": _same, "Snapshot": _same,
    "CheckNumerics": _same,
    # Variables: an assignment's result is the next value
    "ReadVariableOp": _same, "VariableShape": lambda v: np.array(v.shape, int),
    "AssignVariableOp": lambda v, new: new,
    "AssignAddVariableOp": lambda v, d: v + d,
    "AssignSubVariableOp": lambda v, d: v - d,
    "ResourceScatterAdd": lambda v, rows, d: v + ops.add_rows(d, rows, count=v.shape[0]),
    "ResourceScatterSub": lambda v, rows, d: v - ops.add_rows(d, rows, count=v.shape[0]),
    "ResourceApplyGradientDescent": lambda v, rate, g: v - rate * g,
}  # fmt: skip
