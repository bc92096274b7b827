"""The same values with less work: what `kernels` and compiled graphs use where shapes allow it.

Nothing here is needed to understand an operation.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlcourse.ops.primitive import Array, Axis, Value
from dlcourse.ops.primitive import operations as t

# A Python number beside an array is looked at in each call; an array of shape () is not.
ZEROS: dict[str, Any] = {"f": np.zeros((), np.float32), "d": np.zeros((), np.float64)}


# --- where(condition, a, 0): the bits of a times the condition -----------------------------------

# The integers of the same size.
INTEGER_OF: dict[str, np.dtype[Any]] = {
    "e": np.dtype("i2"),
    "f": np.dtype("i4"),
    "d": np.dtype("i8"),
}


def masked(c: Any, a: Any, b: Any, out: Array | None) -> Array | None:
    """``where(c, a, b)`` if one of a and b is the number 0 and the other an array, else None.

    The bits of a number times 0 are those of zero, also where the number is infinite or not one.
    np.where takes ten times as long where the condition has no pattern.
    """
    if type(b) is int and b == 0 and _can_be_masked(a, c):
        return _masked(a, c, out)
    if type(a) is int and a == 0 and _can_be_masked(b, c):
        return _masked(b, np.logical_not(c), out)
    return None


def _can_be_masked(a: Any, mask: Any) -> bool:
    is_float = type(a) is np.ndarray and a.dtype.char in INTEGER_OF
    return is_float and (mask if hasattr(mask, "dtype") else np.asarray(mask)).dtype.char == "?"


def _masked(a: Array, mask: Array, out: Array | None) -> Array:
    integer = INTEGER_OF[a.dtype.char]
    if out is not None:
        np.multiply(a.view(integer), mask, out=out.view(integer))
        return out
    y: Array = np.multiply(a.view(integer), mask).view(a.dtype)
    return y


def expand_where(c: Value, a: Value, b: Value) -> Value:
    """The same in a static graph, with operations of the table."""
    value, other = (a, b) if type(b) in (int, float) else (b, a)
    if type(other) not in (int, float) or other != 0 or not hasattr(value, "dtype"):
        return None
    if value.dtype.char not in "fd" or getattr(c, "dtype", None) != np.bool_:
        return None
    mask = c if value is a else t.logical_not(c)
    bits = t.bitcast(value, dtype=INTEGER_OF[value.dtype.char])
    return t.bitcast(bits * mask, dtype=value.dtype)


# --- Sums over the first axis ---------------------------------------------------------------------

# The rows of a block are added one after the other, so that the error grows with their number.
ROWS = 1024


@lru_cache(maxsize=64)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    return np.ones(n, dtype)


def sum_of_rows(a: Array, keepdims: bool, out: Any) -> Any:
    """The sum over axis 0 of an array of two axes or more, of float32 or float64.

    A product with ones takes a third of the time of a reduction. Many rows are added block by
    block, then the blocks' sums.
    """
    if len(a) > ROWS:
        return _sum_of_blocks(a, keepdims, out)
    if a.ndim == 2 and not keepdims:
        return np.dot(_ones(len(a), a.dtype), a, out=out)
    return np.add.reduce(a, axis=0, keepdims=keepdims, out=out)


def _sum_of_blocks(a: Array, keepdims: bool, out: Array | None) -> Any:
    count, rest = divmod(len(a), ROWS)
    rows = a.reshape(len(a), math.prod(a.shape[1:]))
    blocks = rows[: count * ROWS].reshape(count, ROWS, rows.shape[1])
    sums = np.matmul(_ones(ROWS, a.dtype), blocks)
    if rest:
        sums = np.concatenate([sums, np.dot(_ones(rest, a.dtype), rows[-rest:])[np.newaxis]])
    y = sum_of_rows(sums, False, None).reshape((1,) * keepdims + a.shape[1:])
    if out is None:
        return y
    np.copyto(out, y)
    return out


def expand_sum(a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """A sum down the columns of a matrix as a product with ones, in a static graph."""
    if axis not in (0, (0,)) or keepdims or len(a.shape) != 2 or a.shape[0] > ROWS:
        return None
    return t.matmul(np.ones(a.shape[0], a.dtype), a)


# --- The kernels of compiled text -----------------------------------------------------------------
# Each takes the Symbols of the arguments and the parameters, and returns a kernel or None.


def sum(a: Value, **parameters: Any) -> Any:
    """np.add.reduce, but for many rows. Without an axis it would reduce over the first alone."""
    has_many_rows = a.shape[:1] > (ROWS,)
    return np.add.reduce if "axis" in parameters and not has_many_rows else None


def largest(_a: Value, **parameters: Any) -> Any:
    return np.maximum.reduce if "axis" in parameters else None


def smallest(_a: Value, **parameters: Any) -> Any:
    return np.minimum.reduce if "axis" in parameters else None


def matmul(a: Value, b: Value) -> Any:
    return np.dot if all(np.ndim(x) in (1, 2) for x in (a, b)) else None


# --- A number as an array -------------------------------------------------------------------------


def repeated_number(a: Array, shape: tuple[int, ...]) -> Array:
    """An array of shape () in another shape, read only; np.broadcast_to takes seven times as long.

    The gradient of a mean or a sum is one.
    """
    y: Array = np.ndarray(shape, a.dtype, a, strides=(0,) * len(shape))
    y.flags.writeable = False
    return y
