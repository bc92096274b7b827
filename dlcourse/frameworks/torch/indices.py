"""PyTorch's operations with arrays of indices, which may be computed, and embeddings.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001, ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import overwritten, put, take
from dlcourse.frameworks.torch.rows import Rows, overloads

# --- Indices of several axes ------------------------------------------------------------------


def _arrays(indices: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """The axes that have an index, and the indices, with booleans as the places of True."""
    axes, arrays = [], []
    for i, index in enumerate(indices):
        if index is None:
            continue
        if index.dtype != bool:
            axes.append(i)
            arrays.append(index)
            continue
        if not isinstance(index, np.ndarray):
            raise ValueError(
                "an index of booleans that are computed gives an array of unknown length, and "
                "graphs of dlcourse have fixed shapes: use torch.where"
            )
        places = np.nonzero(index)
        axes += range(i, i + len(places))
        arrays += places
    return axes, arrays


def _neighbours_first(axes: Sequence[int]) -> bool:
    """Whether the axes with an index lie apart: those of the result then come first."""
    return list(axes) != list(range(axes[0], axes[-1] + 1))


def _index(a: Any, indices: Sequence[Any]) -> Any:
    axes, arrays = _arrays(indices)
    if _neighbours_first(axes):
        a, axes = ops.moveaxis(a, axes, range(len(axes))), list(range(len(axes)))
    return take(a, arrays, axes[0])


def _index_put(a: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    axes, arrays = _arrays(indices)
    k = range(len(axes))
    apart = _neighbours_first(axes)
    moved = ops.moveaxis(a, axes, k) if apart else a
    first = 0 if apart else axes[0]
    added = put(values, arrays, first, moved.shape)
    if accumulate:
        made = moved + added
    else:
        ones = np.ones(values.shape)
        made = overwritten(moved, added, put(ones, arrays, first, moved.shape))
    return ops.moveaxis(made, k, axes) if apart else made


# --- Indices along an axis --------------------------------------------------------------------


def _gather(a: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    axis = dim % max(len(a.shape), 1)
    corner = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))
    return ops.take_along_axis(a[corner], index, axis=dim)


def _placed(a: Any, dim: int, index: Any, source: Any) -> Any:
    """Zeros of the shape of ``a``, with the source added at the indices."""
    axis = dim % max(len(a.shape), 1)
    shape = tuple(a.shape[i] if i == axis else n for i, n in enumerate(index.shape))
    part = source[tuple(slice(n) for n in index.shape)]
    added = ops.scatter_add_along_axis(part, index, axis=dim, shape=shape)
    return ops.scatter_add(added, index=tuple(slice(n) for n in shape), shape=a.shape)


def _scatter_add(a: Any, dim: int, index: Any, source: Any) -> Any:
    return a + _placed(a, dim, index, source)


def _scatter(a: Any, dim: int, index: Any, source: Any) -> Any:
    if isinstance(source, bool | int | float) or not source.shape:
        source = ops.broadcast_to(np.asarray(source) if isinstance(source, bool | int | float)
                                  else source, shape=index.shape)  # fmt: skip
    count = _placed(a, dim, index, np.ones(index.shape))
    return overwritten(a, _placed(a, dim, index, source), count)


def _scatter_reduce(
    a: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:
    if reduce not in ("sum", "mean"):
        raise ValueError(f"scatter_reduce of dlcourse has sum and mean, got {reduce!r}")
    count = _placed(a, dim, index, np.ones(index.shape, source.dtype))
    total = _placed(a, dim, index, source)
    if include_self:
        total, count = total + a, count + 1
    if reduce == "mean":
        total = total / ops.maximum(count, 1)
    return ops.where(ops.greater(count, 0), total, a)


def _take(a: Any, index: Any) -> Any:
    return take(ops.reshape(a, shape=(-1,)), [index])


def _put(a: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    flat = _index_put(ops.reshape(a, shape=(-1,)), (index,), source, accumulate)
    return ops.reshape(flat, shape=a.shape)


def _index_fill(a: Any, dim: int, index: Any, value: Any) -> Any:
    before = (None,) * (dim % len(a.shape))
    return _index_put(a, (*before, index), np.asarray(value) if isinstance(value, int | float)
                      else value)  # fmt: skip


# --- Embeddings -------------------------------------------------------------------------------


def _embedding_backward(g: Any, indices: Any, rows: int, padding: int, by_frequency: bool) -> Any:
    if by_frequency:
        raise ValueError("embedding gradients divided by frequency are not in dlcourse")
    if padding >= 0:  # that row is never trained
        g = ops.where(ops.expand_dims(ops.equal(indices, padding), -1), 0, g)
    return ops.add_rows(g, indices, count=rows)


SUM, MEAN, MAX = 0, 1, 2  # how aten numbers the modes of a bag


def _bags(indices: Any, offsets: Any, includes_last: bool) -> tuple[Any, int]:
    """The bag of each index, and how many bags there are."""
    begins = ops.less_equal(ops.expand_dims(offsets, -1), np.arange(indices.shape[0]))
    return ops.sum(begins, axis=0) - 1, offsets.shape[0] - int(includes_last)


def _embedding_bag(
    weight: Any, indices: Any, offsets: Any, by_frequency: bool = False, mode: int = SUM,
    sparse: bool = False, factors: Any = None, includes_last: bool = False, padding: int = -1,
) -> tuple[Any, None, None, None]:  # fmt: skip
    """The sum, mean or maximum of the rows of each bag; what else PyTorch gives is not made."""
    bag, count = _bags(indices, offsets, includes_last)
    rows = ops.embedding(weight, indices)
    used = ops.not_equal(indices, padding)
    if mode == MAX:
        inside = ops.logical_and(ops.equal(np.arange(count)[:, None], bag), used)
        inside = ops.expand_dims(inside, -1)
        largest = ops.max(ops.where(inside, rows, -np.inf), axis=1)
        return ops.where(ops.equal(largest, -np.inf), 0, largest), None, None, None
    shares = ops.astype(used, dtype=weight.dtype)
    factors = shares if factors is None else factors * shares
    total = ops.add_rows(rows * ops.expand_dims(factors, -1), bag, count=count)
    if mode == MEAN:
        sizes = ops.maximum(ops.add_rows(shares, bag, count=count), 1)
        total = total / ops.expand_dims(sizes, -1)
    return total, None, None, None


def _embedding_bag_backward(
    g: Any, indices: Any, offsets: Any, bag: Any, sizes: Any, largest: Any, rows: int,
    by_frequency: bool, mode: int, sparse: bool, factors: Any, padding: int = -1,
) -> Any:  # fmt: skip
    if mode == MAX or by_frequency:
        raise ValueError(
            "gradients of a bag's maximum, or divided by frequency, are not in dlcourse"
        )
    bag, count = _bags(indices, offsets, includes_last=False)
    shares = ops.astype(ops.not_equal(indices, padding), dtype=g.dtype)
    if mode == MEAN:
        sizes = ops.maximum(ops.add_rows(shares, bag, count=count), 1)
        g = g / ops.expand_dims(sizes, -1)
    factors = shares if factors is None else factors * shares
    return ops.add_rows(ops.embedding(g, bag) * ops.expand_dims(factors, -1), indices, count=rows)


def _whole_embedding_bag(
    weight: Any, indices: Any, offsets: Any, by_frequency: bool = False, mode: int = SUM,
    sparse: bool = False, factors: Any = None, includes_last: bool = False,
    padding: int | None = None,
) -> tuple[Any, None, None, None]:  # fmt: skip
    padding = -1 if padding is None else padding % weight.shape[0]
    return _embedding_bag(
        weight, indices, offsets, by_frequency, mode, sparse, factors, includes_last, padding
    )


# --- The table --------------------------------------------------------------------------------

TABLE: Rows = {
    **overloads("default", {
        "index_select": lambda a, dim, index: take(a, [index], dim % len(a.shape)),
        "gather": _gather, "scatter_add": _scatter_add, "index_put": _index_put, "take": _take,
        "put": _put,
        "_unsafe_index_put": _index_put,
        "embedding": lambda weight, indices, *how: ops.embedding(weight, indices),
        "embedding_dense_backward": _embedding_backward,
        "_embedding_bag_backward": _embedding_bag_backward,
        "_embedding_bag": _embedding_bag, "_embedding_bag_forward_only": _embedding_bag,
    }),
    **overloads("Tensor", {"index": _index, "_unsafe_index": _index}),
    **overloads("src value", {"scatter": _scatter}),
    **overloads("int_Scalar int_Tensor", {"index_fill": _index_fill}),
    "aten.scatter_reduce.two": _scatter_reduce,
    "aten.embedding_bag.padding_idx": _whole_embedding_bag,
}  # fmt: skip
