"""What has another name, or no name, in NumPy: the same functions under PyTorch's names."""

from __future__ import annotations

import math
from typing import Any

from dlcourse.ops import table
from dlcourse.ops.axes import position
from dlcourse.ops.axis_names import takes_dim
from dlcourse.ops.functions import expand_dims, squeeze
from dlcourse.ops.primitive import Axis
from dlcourse.ops.rules import slice_along

__all__ = [
    "amax", "amin", "cat", "chunk", "clamp", "expand", "flatten", "masked_fill", "mm", "permute",
    "pow", "unbind", "unsqueeze",
]  # fmt: skip

cat, mm, pow = table.concatenate, table.matmul, table.power


@takes_dim
def amax(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest elements over ``axis`` without their indices: `max` with ``axis=``.

    Args:
        a: Any shape.
        axis, keepdims: As for max.
    """
    return table.max(a, axis=axis, keepdims=keepdims)


@takes_dim
def amin(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest elements over ``axis`` without their indices: `min` with ``axis=``.

    Args:
        a: Any shape.
        axis, keepdims: As for min.
    """
    return table.min(a, axis=axis, keepdims=keepdims)


def clamp(a: Any, min: Any = None, max: Any = None) -> Any:
    """``a``, but not below ``min`` nor above ``max``: `clip` under PyTorch's names.

    Args:
        a: Any shape.
        min, max: Numbers or arrays; None is no bound.
    """
    return table.clip(a, low=min, high=max)


def permute(a: Any, dims: tuple[int, ...]) -> Any:
    """``a`` with its axes in the order ``dims``: `transpose` with an order.

    Args:
        a: Any shape.
        dims: Each axis once.
    """
    return table.transpose(a, axes=tuple(dims))


def unsqueeze(a: Any, dim: int) -> Any:
    """``a`` with a new axis of length 1: `expand_dims`.

    Args:
        a: Any shape.
        dim: The position of the new axis in the result.
    """
    return expand_dims(a, dim)


def flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """``a`` with the axes from ``start_dim`` to ``end_dim`` as one.

    Args:
        a: Any shape; shape () becomes (1,).
        start_dim, end_dim: The first and the last of the axes.

    Raises:
        ValueError: There are no such axes, or they are in the other order.
    """
    shape = a.shape or (1,)
    first, last = (position("flatten", dim, len(shape)) for dim in (start_dim, end_dim))
    if first > last:
        raise ValueError(
            f"flatten: expected the first axis first, got start_dim={start_dim}, "
            f"end_dim={end_dim} for an array of shape {a.shape}"
        )
    length = math.prod(shape[first : last + 1])
    return table.reshape(a, shape=(*shape[:first], length, *shape[last + 1 :]))


def expand(a: Any, shape: tuple[int, ...]) -> Any:
    """``a`` repeated to fill ``shape``: `broadcast_to`, where -1 keeps an axis' length.

    Args:
        a: Any shape that broadcasts to the given one.
        shape: The lengths of the axes.
    """
    new = len(shape) - len(a.shape)
    kept = [a.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(shape)]
    return table.broadcast_to(a, shape=tuple(kept))


def chunk(a: Any, chunks: int, dim: int = 0) -> list[Any]:
    """At most ``chunks`` parts of ``a`` along an axis, all of one length but the last.

    Args:
        a: At least one axis.
        chunks: How many.
        dim: Along which axis.

    Raises:
        ValueError: ``chunks`` is not positive, or there is no such axis.
    """
    n = a.shape[position("chunk", dim, len(a.shape))]
    if chunks < 1:
        raise ValueError(f"chunk: expected at least one part, got chunks={chunks}")
    length = max(1, math.ceil(n / chunks))
    starts = range(0, max(n, 1), length)
    return [slice_along(a, dim, start, min(start + length, n)) for start in starts]


def unbind(a: Any, dim: int = 0) -> tuple[Any, ...]:
    """The parts of ``a`` along an axis, which they do not have any more.

    Args:
        a: At least one axis.
        dim: Which axis.

    Raises:
        ValueError: There is no such axis.
    """
    n = a.shape[position("unbind", dim, len(a.shape))]
    return tuple(squeeze(slice_along(a, dim, i, i + 1), dim) for i in range(n))


def masked_fill(a: Any, mask: Any, value: Any) -> Any:
    """``a``, with ``value`` where ``mask`` is true.

    Args:
        a: Any shape.
        mask: Booleans that broadcast against ``a``.
        value: A number, or an array of shape ().
    """
    return table.where(mask, value, a)
