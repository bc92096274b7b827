"""PyTorch's operations that move elements: shapes, parts, indices.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001 (a function has every argument of the schema, used or not)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.formulas import at, put, take

# --- Shapes -----------------------------------------------------------------------------------


def swap(a: Any, i: int, j: int) -> Any:
    return ops.swapaxes(a, i, j) if a.shape else a


def expand(a: Any, size: Sequence[int]) -> Any:
    extra = len(size) - len(a.shape)
    shape = tuple(a.shape[i - extra] if n == -1 else n for i, n in enumerate(size))
    return ops.broadcast_to(a, shape=shape)


def broadcast_tensors(arrays: Sequence[Any]) -> list[Any]:
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    return [ops.broadcast_to(a, shape=shape) for a in arrays]


def flatten(a: Any, start: int = 0, end: int = -1) -> Any:
    shape = a.shape or (1,)
    start, end = start % len(shape), end % len(shape)
    return ops.reshape(a, shape=(*shape[:start], -1, *shape[end + 1 :]))


def squeeze(a: Any, dim: int | Sequence[int] | None = None) -> Any:
    ndim = len(a.shape)
    chosen = range(ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    dropped = {i % ndim for i in chosen if a.shape[i] == 1} if ndim else set()
    return ops.reshape(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in dropped))


def select(a: Any, dim: int, i: int) -> Any:
    return a[at(dim, i, len(a.shape))]


def slice_index(
    shape: Sequence[int],
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> tuple[Any, ...]:
    return at(dim, slice(start, end, step), len(shape))


def split(a: Any, sizes: int | Sequence[int], dim: int = 0) -> list[Any]:
    """Parts of the given length (the last may be shorter), or of these lengths."""
    length = a.shape[dim]
    cuts = range(sizes, length, sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1].tolist()
    return ops.split(a, list(cuts), axis=dim)


def chunk(a: Any, chunks: int, dim: int = 0) -> list[Any]:
    return split(a, -(-a.shape[dim] // chunks), dim)


def unbind(a: Any, dim: int = 0) -> list[Any]:
    return [select(a, dim, i) for i in range(a.shape[dim])]


def replaced(a: Any, part: Any, index: tuple[Any, ...]) -> Any:
    """``a`` with ``part`` at the index."""
    mask = np.zeros(a.shape, bool)
    mask[index] = True
    return ops.where(mask, ops.scatter_add(part, index=index, shape=a.shape), a)


def pad(a: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    if mode != "constant":
        raise ValueError(f"pad of dlcourse fills with a constant, got mode {mode!r}")
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]  # aten: last axis first
    widths = ((0, 0),) * (len(a.shape) - len(pairs)) + tuple(pairs)
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError(f"pad of dlcourse adds elements, got {pad}")
    return ops.pad(a, pad_width=widths, value=value or 0)


# --- Indices ----------------------------------------------------------------------------------


def _used(indices: Sequence[Any]) -> tuple[int, list[Any]]:
    """The first axis that has an index (the others have None), and the indices from there on."""
    axes = [i for i, index in enumerate(indices) if index is not None]
    if axes != list(range(axes[0], axes[-1] + 1)):
        raise ValueError("dlcourse has arrays of indices for neighbouring axes only")
    return axes[0], [indices[i] for i in axes]


def index_by_arrays(a: Any, indices: Sequence[Any]) -> Any:
    axis, used = _used(indices)
    return take(a, used, axis)


def index_put(a: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    if not accumulate:
        raise ValueError("index_put of dlcourse adds to the elements, it does not replace them")
    axis, used = _used(indices)
    return a + put(values, used, axis, a.shape)


def gather(a: Any, dim: int, index: Any) -> Any:
    axis = dim % max(len(a.shape), 1)
    corner = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))
    return ops.take_along_axis(a[corner], index, axis=dim)


def scatter_add(a: Any, dim: int, index: Any, source: Any) -> Any:
    axis = dim % max(len(a.shape), 1)
    shape = tuple(a.shape[i] if i == axis else n for i, n in enumerate(index.shape))
    part = source[tuple(slice(n) for n in index.shape)]
    added = ops.scatter_add_along_axis(part, index, axis=dim, shape=shape)
    return a + ops.scatter_add(added, index=tuple(slice(n) for n in shape), shape=a.shape)


def sort(a: Any, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    if not descending:
        return ops.sort(a, axis=dim), ops.argsort(a, axis=dim)
    order = ops.argsort(-a, axis=dim)
    return ops.take_along_axis(a, order, axis=dim), order


def topk(a: Any, k: int, dim: int = -1, largest: bool = True, in_order: bool = True) -> list[Any]:
    return [part[slice_index(a.shape, dim, 0, k)] for part in sort(a, dim, largest)]
