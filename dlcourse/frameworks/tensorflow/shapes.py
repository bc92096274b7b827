"""Shapes, parts and indices of TensorFlow.

A function has the inputs of the operation by position, its attributes by name.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

# ruff: noqa: ARG001 (a function has every input of the operation, used or not)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import (
    at,
    diagonal_index,
    known_int,
    known_ints,
    labelled,
    overwritten,
    padded_places,
    put,
    replaced,
    take,
)
from dlcourse.ops import Array


def _one_or_all(values: list[Any]) -> Any:
    """As the results of an operation: one alone is no list."""
    return values[0] if len(values) == 1 else values


# --- Shapes -----------------------------------------------------------------------------------


def _squeeze(a: Any, *, squeeze_dims: Sequence[int]) -> Any:
    ndim = len(a.shape)
    chosen = {i % ndim for i in squeeze_dims} or {i for i, n in enumerate(a.shape) if n == 1}
    return ops.reshape(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in chosen))


def _strided_index(
    begin: Any, end: Any, strides: Any, begin_mask: int, end_mask: int, ellipsis_mask: int,
    new_axis_mask: int, shrink_axis_mask: int,
) -> tuple[Any, ...]:  # fmt: skip
    """The Python index that tf.strided_slice encodes in its masks, one bit an axis."""
    index: list[Any] = []
    for i, (start, stop, step) in enumerate(
        zip(known_ints(begin), known_ints(end), known_ints(strides), strict=True)
    ):
        bit = 1 << i
        if ellipsis_mask & bit:
            index.append(...)
        elif new_axis_mask & bit:
            index.append(None)
        elif shrink_axis_mask & bit:
            index.append(start)
        else:
            index.append(
                slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step)
            )
    return tuple(index)


def _strided_slice(
    a: Any, begin: Any, end: Any, strides: Any, *, begin_mask: int, end_mask: int,
    ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int,
) -> Any:  # fmt: skip
    masks = (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return a[_strided_index(begin, end, strides, *masks)]


def _strided_slice_grad(
    shape: Any, begin: Any, end: Any, strides: Any, g: Any, *, begin_mask: int, end_mask: int,
    ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int,
) -> Any:  # fmt: skip
    masks = (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    index = _strided_index(begin, end, strides, *masks)
    return ops.scatter_add(g, index=index, shape=known_ints(shape))


def _slice(a: Any, begin: Any, size: Any) -> Any:
    pairs = zip(known_ints(begin), known_ints(size), strict=True)
    return a[tuple(slice(i, None if n == -1 else i + n) for i, n in pairs)]


def _split(a: Any, sizes: Any, axis: Any) -> Any:
    lengths, line = list(known_ints(sizes)), known_int(axis)
    if -1 in lengths:  # what the others leave
        lengths[lengths.index(-1)] = a.shape[line] - sum(lengths) - 1
    return _one_or_all(ops.split(a, np.cumsum(lengths)[:-1].tolist(), axis=line))


def _unpack(a: Any, *, axis: int, num: int) -> Any:
    parts = [a[at(axis, i, len(a.shape))] for i in range(num)]
    return _one_or_all(parts)


def _pad(a: Any, widths: Any, value: Any = 0) -> Any:
    pairs = tuple(zip(known_ints(widths)[::2], known_ints(widths)[1::2], strict=True))
    return ops.pad(a, pad_width=pairs, value=np.asarray(value).item())


def _broadcast_gradient_args(a: Any, b: Any) -> tuple[Array, Array]:
    """The axes over which to sum the gradients of two broadcast arguments of these shapes."""
    shapes = [known_ints(a), known_ints(b)]
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(s)) + s for s in shapes]
    result = np.broadcast_shapes(*padded)
    return tuple(
        np.array([i for i in range(ndim) if p[i] == 1 and (result[i] != 1 or i < ndim - len(s))])
        for p, s in zip(padded, shapes, strict=True)
    )  # type: ignore[return-value]


def _concat_offset(axis: Any, *shapes: Any) -> list[Array]:
    """Where each array begins in the concatenation of arrays of these shapes."""
    lengths = [known_ints(shape)[known_int(axis)] for shape in shapes]
    starts = np.cumsum([0, *lengths[:-1]])
    unit = np.eye(len(known_ints(shapes[0])), dtype=int)[known_int(axis)]
    return [unit * start for start in starts]


def _mirrored(widths: Any, mode: str, lengths: Sequence[int]) -> list[Any]:
    """For each axis the places that a padding by reflection takes its elements from."""
    numbers = known_ints(widths)
    kind = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}[mode]
    pairs = zip(numbers[::2], numbers[1::2], lengths, strict=True)
    return [padded_places(n, (before, after), kind) for before, after, n in pairs]


def _mirror_pad(a: Any, widths: Any, *, mode: str) -> Any:
    return a[np.ix_(*_mirrored(widths, mode, a.shape))]


def _mirror_pad_grad(g: Any, widths: Any, *, mode: str) -> Any:
    numbers = known_ints(widths)
    lengths = [n - i - j for n, i, j in zip(g.shape, numbers[::2], numbers[1::2], strict=True)]
    index = np.ix_(*_mirrored(widths, mode, lengths))
    return ops.scatter_add(g, index=index, shape=tuple(lengths))


def _space_to_depth(a: Any, *, block_size: int, data_format: str) -> Any:
    _check_channels_last(data_format)
    n, height, width, channels = a.shape
    b = block_size
    a = ops.reshape(a, shape=(n, height // b, b, width // b, b, channels))
    a = ops.transpose(a, axes=(0, 1, 3, 2, 4, 5))
    return ops.reshape(a, shape=(n, height // b, width // b, b * b * channels))


def _depth_to_space(a: Any, *, block_size: int, data_format: str) -> Any:
    _check_channels_last(data_format)
    n, height, width, channels = a.shape
    b = block_size
    a = ops.reshape(a, shape=(n, height, width, b, b, channels // (b * b)))
    a = ops.transpose(a, axes=(0, 1, 3, 2, 4, 5))
    return ops.reshape(a, shape=(n, height * b, width * b, channels // (b * b)))


def _check_channels_last(data_format: str) -> None:
    if data_format != "NHWC":
        raise ValueError(f"expected images with channels last (NHWC), got {data_format}")


# --- Matrices ---------------------------------------------------------------------------------


def _band_part(a: Any, lower: Any, upper: Any) -> Any:
    """The diagonals from ``lower`` below to ``upper`` above the main one; negative means all."""
    below, above = known_int(lower), known_int(upper)
    a = a if below < 0 else ops.triu(a, k=-below)
    return a if above < 0 else ops.tril(a, k=above)


def _one_diagonal(k: Any) -> int:
    numbers = set(known_ints(k))
    if len(numbers) != 1:
        raise ValueError(f"dlcourse reads one diagonal at a time, got those from {sorted(numbers)}")
    return numbers.pop()


def _diag_part(a: Any, k: Any, padding: Any, *, align: str) -> Any:
    return a[(..., *diagonal_index(a.shape, _one_diagonal(k)))]


def _diag(a: Any, k: Any, rows: Any, columns: Any, padding: Any, *, align: str) -> Any:
    offset = _one_diagonal(k)
    n = a.shape[-1] + abs(offset)
    height = n if known_int(rows) == -1 else known_int(rows)
    width = n if known_int(columns) == -1 else known_int(columns)
    index = (..., *diagonal_index((height, width), offset))
    blank = ops.broadcast_to(padding, shape=(*a.shape[:-1], height, width))
    return replaced(blank, a, index)


def _set_diag(a: Any, diagonal: Any, k: Any, *, align: str) -> Any:
    return replaced(a, diagonal, (..., *diagonal_index(a.shape, _one_diagonal(k))))


def _tensor_diag_part(a: Any) -> Any:
    lengths = a.shape[: len(a.shape) // 2]
    n = math.prod(lengths)
    diagonal = ops.reshape(a, shape=(n, n))[diagonal_index((n, n), 0)]
    return ops.reshape(diagonal, shape=lengths)


def _tensor_diag(a: Any) -> Any:
    n = math.prod(a.shape)
    flat = ops.reshape(a, shape=(n,))
    matrix = ops.scatter_add(flat, index=diagonal_index((n, n), 0), shape=(n, n))
    return ops.reshape(matrix, shape=(*a.shape, *a.shape))


def _list_difference(a: Any, b: Any) -> tuple[Array, Array]:
    """The numbers of ``a`` that are not in ``b``, and their places."""
    places = [i for i, n in enumerate(known_ints(a)) if n not in known_ints(b)]
    return a[places], np.array(places, int)


# --- Indices ----------------------------------------------------------------------------------


def _gather(a: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    """``a`` at indices along an axis; the first ``batch_dims`` axes of both belong together."""
    line = known_int(axis) % len(a.shape)
    b = batch_dims + len(indices.shape) if batch_dims < 0 else batch_dims
    between, new = line - b, len(indices.shape) - b
    grid = np.ogrid[tuple(slice(n) for n in indices.shape)][:b]
    found = take(ops.moveaxis(a, line, b), [*grid, indices], 0)
    return ops.moveaxis(found, range(b, b + new), range(line, line + new)) if between else found


def _columns(indices: Any) -> list[Any]:
    """The last axis of indices, (..., k), as k arrays."""
    return [indices[..., i] for i in range(indices.shape[-1])]


def _scatter_nd(indices: Any, values: Any, shape: Any) -> Any:
    return put(values, _columns(indices), 0, known_ints(shape))


def _tensor_scatter_add(a: Any, indices: Any, values: Any) -> Any:
    return a + put(values, _columns(indices), 0, a.shape)


def _tensor_scatter_update(a: Any, indices: Any, values: Any) -> Any:
    columns = _columns(indices)
    count = put(np.ones(values.shape), columns, 0, a.shape)
    return overwritten(a, put(values, columns, 0, a.shape), count)


def _one_hot(labels: Any, depth: Any, on: Any, off: Any, *, axis: int) -> Any:
    return ops.where(labelled(labels, known_int(depth), axis), on, off)


def _topk(a: Any, k: Any, *, sorted: bool) -> tuple[Any, Any]:
    order = ops.argsort(-a, axis=-1)[..., : known_int(k)]
    return ops.take_along_axis(a, order, axis=-1), order


def _dynamic_stitch(*indices_and_parts: Any) -> Any:
    """The arrays joined, each row at the place that its index says; a later array wins."""
    n = len(indices_and_parts) // 2
    sources = {}
    for indices, part in zip(indices_and_parts[:n], indices_and_parts[n:], strict=True):
        places = known_ints(indices)
        rows = ops.reshape(part, shape=(len(places), *part.shape[len(indices.shape) :]))
        sources.update({place: rows[k] for k, place in enumerate(places)})
    if set(sources) != set(range(len(sources))):
        raise ValueError(f"expected a row for each place, got those for {sorted(sources)}")
    return ops.stack([sources[place] for place in range(len(sources))])


# --- The table --------------------------------------------------------------------------------

TABLE: dict[str, Callable[..., Any]] = {
    # Shapes
    "Reshape": lambda a, shape: ops.reshape(a, shape=known_ints(shape)),
    "Transpose": lambda a, axes: ops.transpose(a, axes=known_ints(axes)),
    "ExpandDims": lambda a, axis: ops.expand_dims(a, known_int(axis)),
    "Squeeze": _squeeze,
    "BroadcastTo": lambda a, shape: ops.broadcast_to(a, shape=known_ints(shape)),
    "Tile": lambda a, multiples: ops.tile(a, known_ints(multiples)),
    "ConcatV2": lambda *a: ops.concatenate(a[:-1], axis=known_int(a[-1])),
    "Pack": lambda *arrays, axis: ops.stack(arrays, axis=axis),
    "Unpack": _unpack,
    "Split": lambda axis, a, *, num_split: _one_or_all(
        ops.split(a, num_split, axis=known_int(axis))),
    "SplitV": _split,
    "StridedSlice": _strided_slice, "StridedSliceGrad": _strided_slice_grad, "Slice": _slice,
    "Roll": lambda a, shift, axis: ops.roll(a, known_ints(shift), axis=known_ints(axis)),
    "MirrorPad": _mirror_pad, "MirrorPadGrad": _mirror_pad_grad,
    "SpaceToDepth": _space_to_depth, "DepthToSpace": _depth_to_space,
    "Pad": _pad, "PadV2": _pad, "ReverseV2": lambda a, axis: ops.flip(a, axis=known_ints(axis)),
    # Matrices
    "MatrixBandPart": _band_part, "MatrixDiagPartV3": _diag_part, "MatrixDiagV3": _diag,
    "MatrixSetDiagV3": _set_diag, "DiagPart": _tensor_diag_part, "Diag": _tensor_diag,
    # Indices
    "GatherV2": _gather, "GatherNd": lambda a, indices: take(a, _columns(indices)),
    "OneHot": _one_hot, "TopKV2": _topk, "ScatterNd": _scatter_nd,
    "DynamicStitch": _dynamic_stitch,
    "TensorScatterAdd": _tensor_scatter_add, "TensorScatterUpdate": _tensor_scatter_update,
    "ResourceGatherNd": lambda a, indices: take(a, _columns(indices)),
    "ResourceGather": lambda a, indices, *, batch_dims:
        _gather(a, indices, np.array(0), batch_dims=batch_dims),
    "UnsortedSegmentSum": lambda a, rows, count: ops.add_rows(a, rows, count=known_int(count)),
    # Constants, shapes as values
    "Shape": lambda a: np.array(a.shape, int),
    "ShapeN": lambda *arrays: _one_or_all([np.array(a.shape, int) for a in arrays]),
    "LinSpace": lambda start, end, n: np.linspace(start, end, known_int(n)),
    "BroadcastArgs": lambda a, b:
        np.array(np.broadcast_shapes(known_ints(a), known_ints(b)), int),
    "Size": lambda a: np.array(np.prod(a.shape, dtype=int)),
    "Rank": lambda a: np.array(len(a.shape)),
    "Fill": lambda shape, value: ops.broadcast_to(value, shape=known_ints(shape)),
    "OnesLike": lambda a: np.ones(a.shape, a.dtype),
    "Range": lambda start, end, step: np.arange(known_int(start), known_int(end), known_int(step)),
    "BroadcastGradientArgs": _broadcast_gradient_args,
    "ListDiff": _list_difference,
    "ConcatOffset": _concat_offset,
    "InvertPermutation": lambda a: np.argsort(known_ints(a)),
}  # fmt: skip
