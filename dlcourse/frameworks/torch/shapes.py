"""PyTorch's operations that move elements by known places, and its constants.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import at, diagonal_index, padded_places, replaced
from dlcourse.frameworks.torch.rows import Rows, cast, overloads, same

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


# --- Padding ----------------------------------------------------------------------------------

PADDINGS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's names


def _pairs(pad: Sequence[int]) -> list[tuple[int, int]]:
    """How much is added before and after the last axes; aten has the last axis first."""
    return [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]


def _pad(a: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    pairs = _pairs(pad)
    first = len(a.shape) - len(pairs)
    if mode != "constant":
        for axis, pair in enumerate(pairs, first):
            source = padded_places(a.shape[axis], pair, PADDINGS[mode])
            a = a[at(axis, source, len(a.shape))]
        return a
    kept = [slice(max(-i, 0), n - max(-j, 0)) for (i, j), n in
            zip(pairs, a.shape[first:], strict=True)]  # fmt: skip
    widths = ((0, 0),) * first + tuple((max(i, 0), max(j, 0)) for i, j in pairs)
    return ops.pad(a[(..., *kept)], pad_width=widths, value=value or 0)


def _padding(mode: str) -> Callable[..., Any]:
    return lambda a, pad: _pad(a, pad, mode)


def _padding_backward(mode: str) -> Callable[..., Any]:
    """The gradient: each element of g is added where the padding took its value from."""

    def backward(g: Any, a: Any, pad: Sequence[int]) -> Any:
        pairs = _pairs(pad)
        for axis, pair in enumerate(pairs, len(a.shape) - len(pairs)):
            source = padded_places(a.shape[axis], pair, PADDINGS[mode])
            shape = (*g.shape[:axis], a.shape[axis], *g.shape[axis + 1 :])
            g = ops.scatter_add(g, index=at(axis, source, len(shape)), shape=shape)
        return g

    return backward


# --- Diagonals, windows, pixels ---------------------------------------------------------------


def _diagonal(a: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    a = ops.moveaxis(a, (dim1, dim2), (-2, -1))
    return a[(..., *diagonal_index(a.shape, offset))]


def _diagonal_backward(
    g: Any, size: Sequence[int], offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Any:
    shape = [n for i, n in enumerate(size) if i not in (dim1 % len(size), dim2 % len(size))]
    shape += [size[dim1], size[dim2]]
    index = (..., *diagonal_index(shape, offset))
    return ops.moveaxis(ops.scatter_add(g, index=index, shape=tuple(shape)), (-2, -1), (dim1, dim2))


def _diag_embed(a: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    n = a.shape[-1] + abs(offset)
    index = (..., *diagonal_index((n, n), offset))
    made = ops.scatter_add(a, index=index, shape=(*a.shape[:-1], n, n))
    return ops.moveaxis(made, (-2, -1), (dim1, dim2))


def _diagonal_scatter(a: Any, part: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    moved = ops.moveaxis(a, (dim1, dim2), (-2, -1))
    index = (..., *diagonal_index(moved.shape, offset))
    return ops.moveaxis(replaced(moved, part, index), (-2, -1), (dim1, dim2))


def _unfold_index(length: int, size: int, step: int) -> Any:
    return np.arange(0, length - size + 1, step)[:, None] + np.arange(size)


def _unfold(a: Any, dim: int, size: int, step: int) -> Any:
    """Windows along an axis; their elements lie along a new last axis."""
    axis = dim % len(a.shape)
    windows = a[at(axis, _unfold_index(a.shape[axis], size, step), len(a.shape))]
    return ops.moveaxis(windows, axis + 1, -1)


def _unfold_backward(g: Any, shape: Sequence[int], dim: int, size: int, step: int) -> Any:
    axis = dim % len(shape)
    index = at(axis, _unfold_index(shape[axis], size, step), len(shape))
    return ops.scatter_add(ops.moveaxis(g, -1, axis + 1), index=index, shape=tuple(shape))


def _pixel_shuffle(a: Any, r: int) -> Any:
    *batch, channels, h, w = a.shape
    n = len(batch)
    a = ops.reshape(a, shape=(*batch, channels // (r * r), r, r, h, w))
    a = ops.transpose(a, axes=(*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return ops.reshape(a, shape=(*batch, channels // (r * r), h * r, w * r))


def _pixel_unshuffle(a: Any, r: int) -> Any:
    *batch, channels, h, w = a.shape
    n = len(batch)
    a = ops.reshape(a, shape=(*batch, channels, h // r, r, w // r, r))
    a = ops.transpose(a, axes=(*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return ops.reshape(a, shape=(*batch, channels * r * r, h // r, w // r))


def _channel_shuffle(a: Any, groups: int) -> Any:
    n, channels, *rest = a.shape
    grouped = ops.reshape(a, shape=(n, groups, channels // groups, *rest))
    return ops.reshape(ops.swapaxes(grouped, 1, 2), shape=a.shape)


def _rot90(a: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    for _ in range(k % 4):
        a = ops.flip(ops.swapaxes(a, *dims), axis=dims[0])
    return a


def _block_diag(arrays: Sequence[Any]) -> Any:
    matrices = [a if len(a.shape) == 2 else ops.reshape(a, shape=(1, -1)) for a in arrays]
    width, at_column, rows = sum(m.shape[1] for m in matrices), 0, []
    for m in matrices:
        after = width - at_column - m.shape[1]
        rows.append(ops.pad(m, pad_width=((0, 0), (at_column, after))))
        at_column += m.shape[1]
    return ops.concatenate(rows, axis=0)


# --- Constants --------------------------------------------------------------------------------


def _full(shape: Sequence[int], value: Any, dtype: Any = np.float32) -> Any:
    return np.full(tuple(shape), value, dtype)


def _zeros(size: Sequence[int], *, dtype: Any = np.float32) -> Any:
    return _full(size, 0, dtype)


def _full_like(value: Any) -> Callable[..., Any]:
    return lambda a, *, dtype=None: _full(a.shape, value, dtype or a.dtype)


def _new(value: Any) -> Callable[..., Any]:
    return lambda a, size, *, dtype=None: _full(size, value, dtype or a.dtype)


def _linspace(start: float, end: float, steps: int, *, dtype: Any = np.float32) -> Any:
    return np.linspace(start, end, steps).astype(dtype)


def _logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = np.float32
) -> Any:
    return (base ** np.linspace(start, end, steps)).astype(dtype)


def _eye(n: int, m: int | None = None, *, dtype: Any = np.float32) -> Any:
    return np.eye(n, m, dtype=dtype)


# --- The table --------------------------------------------------------------------------------


def _reshape(a: Any, size: Sequence[int]) -> Any:
    return ops.reshape(a, shape=tuple(size))


TABLE: Rows = {
    "getitem": lambda values, i: values[i],
    **overloads("default", {
        # Shapes
        "t": ops.transpose, "numpy_T": ops.transpose,
        "permute": lambda a, dims: ops.transpose(a, axes=tuple(dims)),
        "view": _reshape, "reshape": _reshape, "_unsafe_view": _reshape,
        "view_as": lambda a, b: _reshape(a, b.shape),
        "expand": expand, "expand_as": lambda a, b: expand(a, b.shape),
        "broadcast_tensors": broadcast_tensors,
        "unsqueeze": ops.expand_dims, "squeeze": squeeze,
        # Parts and joins
        "cat": lambda arrays, dim=0: ops.concatenate(
            [a for a in arrays if a.shape != (0,)] or arrays[:1], axis=dim),
        "stack": lambda arrays, dim=0: ops.stack(arrays, axis=dim),
        "split_with_sizes": split, "chunk": chunk, "block_diag": _block_diag,
        "repeat": lambda a, repeats: ops.tile(a, tuple(repeats)),
        "tril": ops.tril, "triu": ops.triu,
        "select_backward": lambda g, size, dim, i:
            ops.scatter_add(g, index=at(dim, i, len(size)), shape=tuple(size)),
        "slice_backward": lambda g, size, *where:
            ops.scatter_add(g, index=slice_index(size, *where), shape=tuple(size)),
        "select_scatter": lambda a, part, dim, i: replaced(a, part, at(dim, i, len(a.shape))),
        "slice_scatter": lambda a, part, *where:
            replaced(a, part, slice_index(a.shape, *where)),
        "copy": lambda a, source: ops.broadcast_to(source, shape=a.shape),
        "diagonal": _diagonal, "diagonal_copy": _diagonal, "diag_embed": _diag_embed,
        "diagonal_backward": _diagonal_backward, "diagonal_scatter": _diagonal_scatter,
        "trace": lambda a: ops.sum(_diagonal(a)),
        "unfold": _unfold, "unfold_backward": _unfold_backward,
        # Order
        "flip": lambda a, dims: ops.flip(a, axis=tuple(dims)), "rot90": _rot90,
        "roll": lambda a, shifts, dims=(): ops.roll(a, tuple(shifts), axis=tuple(dims)) if dims
            else ops.roll(a, *shifts),
        "pixel_shuffle": _pixel_shuffle, "pixel_unshuffle": _pixel_unshuffle,
        "channel_shuffle": _channel_shuffle,
        # Padding
        "pad": _pad, "constant_pad_nd": lambda a, pad, value=0: _pad(a, pad, value=value),
        **{f"{name}_pad{k}d": _padding(mode)
            for name, mode in (("reflection", "reflect"), ("replication", "replicate"))
            for k in (1, 2, 3)},
        **{f"{name}_pad{k}d_backward": _padding_backward(mode)
            for name, mode in (("reflection", "reflect"), ("replication", "replicate"))
            for k in (1, 2, 3)},
        # The same values
        "clone": same, "detach": same, "alias": same, "contiguous": same, "lift_fresh_copy": same,
        "_to_copy": lambda a, *, dtype=None: cast(a, dtype),
        "type_as": lambda a, b: cast(a, b.dtype),
        # Constants
        "full": lambda size, value, *, dtype=np.float32: _full(size, value, dtype),
        "full_like": lambda a, value, *, dtype=None: _full(a.shape, value, dtype or a.dtype),
        "zeros": _zeros,
        "ones": lambda size, *, dtype=np.float32: _full(size, 1, dtype),
        "zeros_like": _full_like(0), "_efficientzerotensor": _zeros,
        "empty_permuted": lambda size, order, *, dtype=np.float32: _full(size, 0, dtype),
        "ones_like": _full_like(1), "empty_like": _full_like(0),
        "new_zeros": _new(0), "new_ones": _new(1), "new_empty": _new(0),
        "new_full": lambda a, size, value, *, dtype=None: _full(size, value, dtype or a.dtype),
        "scalar_tensor": lambda value, *, dtype=np.float32: np.asarray(value, dtype),
        "arange": lambda end, *, dtype=None: np.arange(end, dtype=dtype),
        "tril_indices": lambda row, col, offset=0: np.array(np.tril_indices(row, offset, col)),
        "triu_indices": lambda row, col, offset=0: np.array(np.triu_indices(row, offset, col)),
        "linspace": _linspace, "logspace": _logspace, "eye": _eye,
    }),
    **overloads("int", {"transpose": swap, "select": select, "unbind": unbind}),
    **overloads("Tensor", {
        "slice": lambda a, *where: a[slice_index(a.shape, *where)],
        "split": split, "unsafe_split": split,
    }),
    **overloads("dim dims", {"squeeze": squeeze}),
    "aten.unsafe_split_with_sizes.default": split,
    "aten.unsafe_chunk.default": chunk,
    "aten.flatten.using_ints": flatten,
    "aten.to.dtype": lambda a, dtype, *how: cast(a, dtype),
    "aten.to.device": lambda a, device, dtype, *how: cast(a, dtype),
    "aten.to.other": lambda a, b, *how: cast(a, b.dtype),
    "aten.to.dtype_layout": lambda a, *, dtype=None: cast(a, dtype),
    "aten.arange.start": lambda start, end, *, dtype=None: np.arange(start, end, dtype=dtype),
    "aten.arange.start_step":
        lambda start, end, step=1, *, dtype=None: np.arange(start, end, step, dtype=dtype),
    "aten.eye.m": _eye,
    "aten.fill.Scalar": lambda a, value: _full(a.shape, value, a.dtype),
    "aten.fill.Tensor": lambda a, value: ops.broadcast_to(value, shape=a.shape),
    "aten.empty.memory_format": lambda size, *, dtype=np.float32: _full(size, 0, dtype),
}  # fmt: skip
