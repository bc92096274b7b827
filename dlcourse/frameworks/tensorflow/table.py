"""TensorFlow's operations in terms of dlcourse's: inputs by position, attributes by name.

Where TensorFlow computes with shapes (Shape, StridedSlice, Pack, ...), the values are NumPy arrays,
since the shapes are known, and the operations compute at once.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

# ruff: noqa: ARG005 (a function has every input of the operation, used or not)

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.tensorflow import layers
from dlcourse.frameworks.formulas import (
    SELU_ALPHA,
    SELU_SCALE,
    along,
    at,
    known_int,
    known_ints,
    labelled,
    rule,
    take,
)
from dlcourse.ops import Array

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


def _split(a: Any, sizes: Any, axis: Any) -> list[Any]:
    return ops.split(a, np.cumsum(known_ints(sizes))[:-1].tolist(), axis=known_int(axis))


def _unpack(a: Any, *, axis: int, num: int) -> Any:
    parts = [a[at(axis, i, len(a.shape))] for i in range(num)]
    return parts if num > 1 else parts[0]


def _cumsum(a: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    line = known_int(axis)
    y = ops.flip(a, axis=line) if reverse else a
    y = ops.cumsum(y, axis=line) - (y if exclusive else 0)
    return ops.flip(y, axis=line) if reverse else y


def _pad(a: Any, widths: Any, value: Any = 0) -> Any:
    pairs = tuple(zip(known_ints(widths)[::2], known_ints(widths)[1::2], strict=True))
    return ops.pad(a, pad_width=pairs, value=np.asarray(value).item())


def _gather(a: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    if batch_dims:
        raise ValueError(f"GatherV2 of dlcourse has no batch_dims, got {batch_dims}")
    return take(a, [indices], known_int(axis) % len(a.shape))


def _one_hot(labels: Any, depth: Any, on: Any, off: Any, *, axis: int) -> Any:
    return ops.where(labelled(labels, known_int(depth), axis), on, off)


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


# --- Linear algebra ---------------------------------------------------------------------------


def _transposed(a: Any, flag: bool) -> Any:
    n = len(a.shape)
    return ops.transpose(a, axes=(*range(n - 2), n - 1, n - 2)) if flag else a


def _matmul(a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    return ops.matmul(_transposed(a, transpose_a), _transposed(b, transpose_b))


def _batch_matmul(a: Any, b: Any, *, adj_x: bool, adj_y: bool) -> Any:
    return ops.matmul(_transposed(a, adj_x), _transposed(b, adj_y))


def _channel_axis(data_format: str, ndim: int) -> int:
    return 1 if data_format.startswith("NC") else ndim - 1


def _bias_add(a: Any, bias: Any, *, data_format: str) -> Any:
    axis = _channel_axis(data_format, len(a.shape))
    return a + (bias if axis == len(a.shape) - 1 else along(bias, axis, len(a.shape)))


def _bias_add_grad(g: Any, *, data_format: str) -> Any:
    channels = _channel_axis(data_format, len(g.shape))
    return ops.sum(g, axis=tuple(i for i in range(len(g.shape)) if i != channels))


# --- Losses -----------------------------------------------------------------------------------


def _sparse_cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    """The losses, and their gradient with respect to the logits."""
    there = labelled(labels, logits.shape[-1], -1)
    losses = -ops.sum(ops.where(there, ops.log_softmax(logits), 0), axis=-1)
    return losses, ops.softmax(logits) - there


def _cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    losses = -ops.sum(labels * ops.log_softmax(logits), axis=-1)
    return losses, ops.softmax(logits) - labels


# --- The table --------------------------------------------------------------------------------


def _reduction(op: Any) -> Callable[..., Any]:
    return lambda a, axis, *, keep_dims: op(a, axis=known_ints(axis), keepdims=keep_dims)


def _same(a: Any) -> Any:
    return a


TABLE: dict[str, Callable[..., Any]] = {
    # Elementwise
    "AddV2": ops.add, "Add": ops.add, "Sub": ops.subtract, "Mul": ops.multiply,
    "RealDiv": ops.divide, "Div": ops.divide, "Pow": ops.power, "Neg": ops.negative,
    "AddN": lambda *terms: functools.reduce(ops.add, terms),
    "DivNoNan": lambda a, b:
        ops.where(ops.equal(b, 0), 0, a / ops.where(ops.equal(b, 0), 1, b)),
    "SquaredDifference": lambda a, b: ops.square(a - b),
    **{name: getattr(ops, name.lower()) for name in (
        "Abs", "Ceil", "Cos", "Cosh", "Erf", "Erfc", "Exp", "Expm1", "Floor", "Log", "Log1p",
        "Maximum", "Minimum", "Reciprocal", "Relu", "Rsqrt", "Sigmoid", "Sign", "Sin", "Sinh",
        "Softplus", "Sqrt", "Square", "Tan", "Tanh",
    )},
    "Atan": ops.arctan, "Atan2": ops.arctan2, "Elu": ops.elu, "Rint": ops.round, "Round": ops.round,
    "LeakyRelu": lambda a, *, alpha: ops.leaky_relu(a, negative_slope=alpha),
    "Relu6": lambda a: ops.clip(a, low=0, high=6),
    "Selu": lambda a: ops.elu(a, alpha=SELU_ALPHA) * SELU_SCALE,
    "IsFinite": ops.isfinite, "IsNan": ops.isnan,
    "FloorDiv": lambda a, b: a // b, "FloorMod": lambda a, b: a % b,
    # Their gradients, by our rules
    "ReluGrad": lambda g, y: rule(ops.relu, "a")(g, y, None),
    "Relu6Grad": lambda g, y: ops.where(ops.greater(y, 0) * ops.less(y, 6), g, 0),
    "TanhGrad": lambda y, g: rule(ops.tanh, "a")(g, y, None),
    "SigmoidGrad": lambda y, g: rule(ops.sigmoid, "a")(g, y, None),
    "SoftplusGrad": lambda g, a: rule(ops.softplus, "a")(g, None, a),
    "EluGrad": lambda g, y: ops.where(ops.less(y, 0), g * (y + 1), g),
    "SeluGrad": lambda g, y:
        ops.where(ops.less(y, 0), g * (y + SELU_SCALE * SELU_ALPHA), g * SELU_SCALE),
    "LeakyReluGrad": lambda g, a, *, alpha:
        rule(ops.leaky_relu, "a")(g, None, a, negative_slope=alpha),
    "SqrtGrad": lambda y, g: rule(ops.sqrt, "a")(g, y, None),
    "RsqrtGrad": lambda y, g: g * y * y * y * -0.5,
    "ReciprocalGrad": lambda y, g: -g * y * y,
    # Comparisons and choices
    "Equal": ops.equal, "NotEqual": ops.not_equal, "Less": ops.less, "LessEqual": ops.less_equal,
    "Greater": ops.greater, "GreaterEqual": ops.greater_equal,
    "LogicalAnd": ops.logical_and, "LogicalOr": ops.logical_or, "LogicalNot": ops.logical_not,
    "SelectV2": ops.where,
    # Reductions
    "Sum": _reduction(ops.sum), "Mean": _reduction(ops.mean), "Max": _reduction(ops.max),
    "Min": _reduction(ops.min), "Prod": _reduction(ops.prod),
    "ArgMax": lambda a, axis: ops.argmax(a, axis=known_int(axis)),
    "ArgMin": lambda a, axis: ops.argmin(a, axis=known_int(axis)),
    "Cumsum": _cumsum,
    "All": _reduction(ops.min), "Any": _reduction(ops.max),
    "L2Loss": lambda a: ops.sum(ops.square(a)) / 2,
    "Softmax": ops.softmax, "LogSoftmax": ops.log_softmax,
    # Linear algebra
    "MatMul": _matmul, "BatchMatMulV2": _batch_matmul, "BatchMatMul": _batch_matmul,
    "Einsum": lambda *arrays, equation: ops.einsum(equation, *arrays),
    "BiasAdd": _bias_add, "BiasAddGrad": _bias_add_grad,
    # Losses
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
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
    "Split": lambda axis, a, *, num_split: ops.split(a, num_split, axis=known_int(axis)),
    "SplitV": _split,
    "StridedSlice": _strided_slice, "StridedSliceGrad": _strided_slice_grad, "Slice": _slice,
    "Pad": _pad, "PadV2": _pad, "ReverseV2": lambda a, axis: ops.flip(a, axis=known_ints(axis)),
    # Indices
    "GatherV2": _gather, "OneHot": _one_hot,
    "ResourceGather": lambda a, indices, *, batch_dims:
        _gather(a, indices, np.array(0), batch_dims=batch_dims),
    "UnsortedSegmentSum": lambda a, rows, count: ops.add_rows(a, rows, count=known_int(count)),
    # Layers
    "Conv2D": layers.conv2d, "Conv2DBackpropInput": layers.conv2d_input,
    "Conv2DBackpropFilter": layers.conv2d_filter,
    "DepthwiseConv2dNative": layers.depthwise,
    "DepthwiseConv2dNativeBackpropInput": layers.depthwise_input,
    "DepthwiseConv2dNativeBackpropFilter": layers.depthwise_filter,
    "SpaceToBatchND": layers.space_to_batch, "BatchToSpaceND": layers.batch_to_space,
    "MaxPool": layers.max_pool, "MaxPoolGrad": layers.max_pool_grad,
    "AvgPool": layers.avg_pool, "AvgPoolGrad": layers.avg_pool_grad,
    # Constants, shapes as values
    "Shape": lambda a: np.array(a.shape, int), "ShapeN": lambda *a: [np.array(b.shape) for b in a],
    "Size": lambda a: np.array(np.prod(a.shape, dtype=int)),
    "Rank": lambda a: np.array(len(a.shape)),
    "Fill": lambda shape, value: ops.broadcast_to(value, shape=known_ints(shape)),
    "ZerosLike": lambda a: np.zeros(a.shape, a.dtype),
    "OnesLike": lambda a: np.ones(a.shape, a.dtype),
    "Range": lambda start, end, step: np.arange(known_int(start), known_int(end), known_int(step)),
    "BroadcastGradientArgs": _broadcast_gradient_args,
    "ConcatOffset": _concat_offset,
    "InvertPermutation": lambda a: np.argsort(known_ints(a)),
    # The same values; the dtype is the one that TensorFlow recorded
    "Identity": _same, "IdentityN": lambda *a: a if len(a) > 1 else a[0], "StopGradient": _same,
    "PreventGradient": _same, "Cast": _same, "EnsureShape": _same,
    # Variables: an assignment's result is the next value
    "ReadVariableOp": _same,
    "AssignVariableOp": lambda v, new: new,
    "AssignAddVariableOp": lambda v, d: v + d,
    "AssignSubVariableOp": lambda v, d: v - d,
    "ResourceScatterAdd": lambda v, rows, d: v + ops.add_rows(d, rows, count=v.shape[0]),
    "ResourceScatterSub": lambda v, rows, d: v - ops.add_rows(d, rows, count=v.shape[0]),
    "ResourceApplyGradientDescent": lambda v, rate, g: v - rate * g,
}  # fmt: skip
