"""The table of primitives: for each operation its value and its derivative rules.

A row reads ``name = primitive("name", kernel, meaning, a=rule, b=rule)``:

- ``kernel`` computes the value from raw NumPy arrays (the longer ones are in `kernels`);
- there is one rule for each array argument, in order and under its name. ``g`` is the gradient
  of the loss with respect to the result ``y``; the rule returns the gradient with respect to its
  argument, a vector-Jacobian product. ``None`` marks an argument that has no derivative.

Rules are written with the operations of this table and with operators, never with ``np``. So the
same rule runs on raw arrays (fast backward), on Tensors (derivatives of derivatives) and on Symbols
(a static graph). Each argument has a rule of its own, so that a gradient nobody asked for is not
computed.

A rule may ignore broadcasting: whoever drives the rules passes each result through
:func:`unbroadcast`, the one place where broadcasting is undone.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse.ops import convolution, kernels
from dlcourse.ops.primitive import Axis, Primitive, elementwise, primitive

# --- Shapes -----------------------------------------------------------------------------------


def kept_shape(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    """The shape after a reduction over ``axis`` with ``keepdims=True``."""
    if axis is None:
        return (1,) * len(shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    reduced = {a % len(shape) for a in axes} if shape else set()
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def reduced_count(shape: Sequence[int], axis: Axis) -> int:
    """How many elements a reduction over ``axis`` combines into one; 1 also for no elements."""
    if axis is None:
        return math.prod(shape) or 1
    kept = kept_shape(shape, axis)
    return math.prod(n for n, k in zip(shape, kept, strict=True) if k != n) or 1


def restore_axes(g: Any, a: Any, axis: Axis) -> Any:
    """``g``, the gradient of a reduction of ``a``, in a shape that broadcasts against ``a``.

    Each reduced axis is back at length 1; without any axis left, it broadcasts as it is.
    """
    return g if axis is None else reshape(g, shape=kept_shape(a.shape, axis))


def expand_dims(a: Any, axis: int) -> Any:
    """``a`` with a new axis of length 1 at position ``axis`` of the result."""
    ndim = len(a.shape) + 1
    if not -ndim <= axis < ndim:
        raise IndexError(f"expand_dims: expected -{ndim} <= axis < {ndim}, got axis={axis}")
    position = axis % ndim
    return reshape(a, shape=(*a.shape[:position], 1, *a.shape[position:]))


def squeeze(a: Any, axis: int) -> Any:
    """``a`` without its axis ``axis``, which must have length 1."""
    ndim = len(a.shape)
    if not -ndim <= axis < ndim or a.shape[axis] != 1:
        raise ValueError(f"squeeze: expected an axis of length 1, got axis={axis} of {a.shape}")
    position = axis % ndim
    return reshape(a, shape=(*a.shape[:position], *a.shape[position + 1 :]))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``g`` over the axes along which an argument of shape ``shape`` was broadcast.

    An argument that was copied along an axis receives the sum of the gradients of its copies.

    Raises:
        ValueError: ``shape`` does not broadcast to ``g.shape``; then a derivative rule is wrong.
    """
    if g.shape == shape:
        return g
    extra = len(g.shape) - len(shape)
    if extra > 0 and g.shape[extra:] == shape:
        return sum(g, axis=tuple(range(extra)))
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        raise ValueError(f"a gradient of shape {g.shape} cannot belong to a value of shape {shape}")
    stretched = tuple(i for i, n in enumerate(shape, start=extra) if n == 1 and g.shape[i] != 1)
    total = sum(g, axis=(*range(extra), *stretched))
    return total if total.shape == shape else reshape(total, shape=shape)


# --- Rules that are more than one line --------------------------------------------------------


def _matrix_transpose(a: Any) -> Any:
    n = len(a.shape)
    return transpose(a, axes=(*range(n - 2), n - 1, n - 2))


def _matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * b
    if len(a.shape) == 1:
        return squeeze(matmul(b, expand_dims(g, -1)), -1)
    return matmul(g, _matrix_transpose(b))


def _matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * a
    if len(a.shape) == 1:
        return expand_dims(a, -1) * expand_dims(g, -2)
    return matmul(_matrix_transpose(a), g)


def _rows(a: Any) -> Any:
    """``a`` as a matrix, one row for each index of the leading axes."""
    n = len(a.shape)
    return a if n == 2 else reshape(a, shape=(math.prod(a.shape[:-1]), a.shape[-1]))


def _power_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    # a ** 0 is 1 everywhere, so its derivative is 0, also at a = 0, where a ** (0 - 1) is infinite.
    if isinstance(b, int | float):
        return g * 0 if b == 0 else g * b * a ** (b - 1)
    return g * b * a ** where(equal(a, 0) * equal(b, 0), 1, b - 1)


def _power_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    # 0 ** b is 0 for every b > 0, so its derivative is 0, although log(0) is infinite.
    base_or_one = where(equal(a, 0), where(greater_equal(b, 0), 1, a), a)
    return g * y * log(base_or_one)


def _share_among_extremes(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    # Elements that tie for the extreme share the gradient equally, as in torch.amax and TensorFlow.
    extreme = a == restore_axes(y, a, axis)
    return extreme * restore_axes(g, a, axis) / sum(extreme, axis=axis, keepdims=True)


def _part(g: Any, i: int, arrays: Sequence[Any], axis: int) -> Any:
    """The part of ``g`` along ``axis`` where array number ``i`` lies."""
    start = builtins.sum(a.shape[axis] for a in arrays[:i])
    place = (slice(None),) * (axis % len(g.shape))
    return getitem(g, index=(*place, slice(start, start + arrays[i].shape[axis])))


def _masked_bits(c: Any, a: Any, b: Any) -> Any:
    """``where(c, a, 0)`` as a product of a's bits with the condition, see kernels.where."""
    value, other = (a, b) if isinstance(b, int | float) else (b, a)
    if not isinstance(other, int | float) or other != 0 or not hasattr(value, "dtype"):
        return None
    if value.dtype.char not in "fd" or c.dtype.kind != "b":
        return None
    mask = c if value is a else equal(c, False)
    return bitcast(
        bitcast(value, dtype=kernels.INTEGER_OF[value.dtype.char]) * mask, dtype=value.dtype
    )


def _sum_as_product(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """A sum down the columns of a matrix as a product with ones, see kernels.sum."""
    if axis not in (0, (0,)) or keepdims or len(a.shape) != 2 or a.dtype.char not in "fd":
        return None
    return matmul(np.ones(a.shape[0], a.dtype), a)


def _inverse_permutation(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    if axes is None:
        return None
    order = [0] * len(axes)
    for position, axis in enumerate(axes):
        order[axis] = position
    return tuple(order)


def _standardize_a(g: Any, y: Any, a: Any, axis: Axis = -1, eps: float = 1e-5) -> Any:
    over = {"axis": axis, "keepdims": True}
    deviation = sqrt(mean(square(a - mean(a, **over)), **over) + eps)
    return (g - mean(g, **over) - y * mean(g * y, **over)) / deviation


# --- The table --------------------------------------------------------------------------------
# fmt: off
# Arithmetic
add = elementwise("add", np.add, "a + b",
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: g)
subtract = elementwise("subtract", np.subtract, "a - b",
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: -g)
multiply = elementwise("multiply", np.multiply, "a * b",
    a=lambda g, y, a, b: g * b,
    b=lambda g, y, a, b: g * a)
divide = elementwise("divide", np.true_divide, "a / b",
    a=lambda g, y, a, b: g / b,
    b=lambda g, y, a, b: -g * y / b)
negative = elementwise("negative", np.negative, "-a",
    a=lambda g, y, a: -g)
power = elementwise("power", operator.pow, "a ** b",
    a=_power_a,
    b=_power_b)

# Elementwise functions
square = elementwise("square", np.square, "a ** 2",
    a=lambda g, y, a: g * 2 * a)
sqrt = elementwise("sqrt", np.sqrt, "the square root",
    a=lambda g, y, a: g / (2 * y))
exp = elementwise("exp", np.exp, "e ** a",
    a=lambda g, y, a: g * y)
log = elementwise("log", np.log, "the natural logarithm",
    a=lambda g, y, a: g / a)
sin = elementwise("sin", np.sin, "the sine of a, in radians",
    a=lambda g, y, a: g * cos(a))
cos: Primitive = elementwise("cos", np.cos, "the cosine of a, in radians",
    a=lambda g, y, a: -g * sin(a))
tanh = elementwise("tanh", np.tanh, "the hyperbolic tangent",
    a=lambda g, y, a: g * (1 - y * y))
sigmoid = elementwise("sigmoid", kernels.sigmoid, "1 / (1 + exp(-a))",
    a=lambda g, y, a: g * y * (1 - y))
relu = elementwise("relu", lambda a, out=None: np.maximum(a, 0, out=out),
    "max(a, 0); its derivative at 0 is taken as 0",
    expand=lambda a: maximum(a, 0),
    a=lambda g, y, a: where(y != 0, g, 0))
abs = elementwise("abs", np.abs, "the absolute value; its derivative at 0 is taken as 0",
    a=lambda g, y, a: g * sign(a))
sign: Primitive = elementwise("sign", np.sign, "-1, 0 or 1",
    a=lambda g, y, a: g * 0)

# Comparisons have no derivative
equal: Primitive = elementwise("equal", np.equal, "a == b", a=None, b=None)
not_equal: Primitive = elementwise("not_equal", np.not_equal, "a != b", a=None, b=None)
less = elementwise("less", np.less, "a < b", a=None, b=None)
less_equal = elementwise("less_equal", np.less_equal, "a <= b", a=None, b=None)
greater = elementwise("greater", np.greater, "a > b", a=None, b=None)
greater_equal: Primitive = elementwise("greater_equal", np.greater_equal, "a >= b", a=None, b=None)

# Choices; where a and b tie, each receives half
where: Primitive = elementwise("where", kernels.where,
    "a where the condition c holds, else b",
    expand=_masked_bits,
    c=None,
    a=lambda g, y, c, a, b: where(c, g, 0),
    b=lambda g, y, c, a, b: where(c, 0, g))
maximum: Primitive = elementwise("maximum", np.maximum, "the larger of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)))
minimum = elementwise("minimum", np.minimum, "the smaller of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)))

# Reductions
sum = primitive("sum", kernels.sum, "the sum over axis",
    expand=_sum_as_product,
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis), shape=a.shape))
mean = primitive("mean", kernels.mean, "the mean over axis",
    expand=lambda a, axis=None, keepdims=False:
        sum(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis),
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis) / reduced_count(a.shape, axis), shape=a.shape))
max = primitive("max", kernels.max, "the largest element over axis; ties share the gradient",
    a=_share_among_extremes)
min = primitive("min", kernels.min, "the smallest element over axis; ties share the gradient",
    a=_share_among_extremes)
logsumexp = primitive("logsumexp", kernels.logsumexp,
    "log(sum(exp(a))) over axis, without overflow",
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * exp(a - restore_axes(where(y == -np.inf, 0, y), a, axis)))
softmax = primitive("softmax", kernels.softmax, "exp(a) / sum(exp(a)) along axis, without overflow",
    a=lambda g, y, a, axis=-1: y * (g - sum(g * y, axis=axis, keepdims=True)))
log_softmax = primitive("log_softmax", kernels.log_softmax,
    "log(softmax(a)) along axis, without overflow",
    a=lambda g, y, a, axis=-1: g - exp(y) * sum(g, axis=axis, keepdims=True))

# Linear algebra
matmul: Primitive = primitive("matmul", kernels.matmul,
    "a @ b, vectors and batches as in np.matmul",
    a=_matmul_a,
    b=_matmul_b)
linear = primitive("linear", kernels.linear, "x @ weight.T + bias, with weight (out, in)",
    expand=lambda x, weight, bias: matmul(x, transpose(weight)) + bias,
    x=lambda g, y, x, weight, bias: matmul(g, weight),
    weight=lambda g, y, x, weight, bias: matmul(_rows(g).T, _rows(x)),
    bias=lambda g, y, x, weight, bias: g)

# Shapes, indexing, dtype
reshape: Primitive = primitive("reshape", kernels.reshape, "the same elements in another shape",
    a=lambda g, y, a, shape: reshape(g, shape=a.shape))
transpose: Primitive = primitive("transpose", kernels.transpose, "the axes reversed, or reordered",
    a=lambda g, y, a, axes=None: transpose(g, axes=_inverse_permutation(axes)))
broadcast_to: Primitive = primitive("broadcast_to", kernels.broadcast_to,
    "a, repeated to fill shape",
    a=lambda g, y, a, shape: g)
concatenate: Primitive = primitive("concatenate", kernels.concatenate,
    "arrays joined along axis",
    each=lambda i, g, y, *arrays, axis=0: _part(g, i, arrays, axis))
getitem: Primitive = primitive("getitem", kernels.getitem,
    "a[index], with every index that NumPy has",
    a=lambda g, y, a, index: scatter_add(g, index=index, shape=a.shape))
scatter_add: Primitive = primitive("scatter_add", kernels.scatter_add,
    "zeros of the given shape with a added at index; repeated indices add up",
    a=lambda g, y, a, index, shape: getitem(g, index=index))
bitcast: Primitive = primitive("bitcast", kernels.bitcast,
    "the bits of a read as another dtype of the same size",
    a=None)
astype = primitive("astype", kernels.astype, "a in another dtype",
    a=lambda g, y, a, dtype: g)

# Networks; `how` stands for the parameters of a window: stride, padding, and what else there is
conv: Primitive = primitive("conv", convolution.conv,
    "convolution of x (N, C, ...) with weight (O, C / groups, ...), the kernel not flipped",
    x=lambda g, y, x, weight, **how: conv_input(g, weight, shape=x.shape, **how),
    weight=lambda g, y, x, weight, **how: conv_weight(x, g, shape=weight.shape, **how))
conv_input: Primitive = primitive("conv_input", convolution.conv_input,
    "the transpose of conv: what the gradient a at its result gives at its input of that shape",
    a=lambda g, y, a, weight, shape, **how: conv(g, weight, **how),
    weight=lambda g, y, a, weight, shape, **how: conv_weight(g, a, shape=weight.shape, **how))
conv_weight: Primitive = primitive("conv_weight", convolution.conv_weight,
    "what the gradient a at the result of conv gives at its weight of that shape",
    x=lambda g, y, x, a, shape, **how: conv_input(a, g, shape=x.shape, **how),
    a=lambda g, y, x, a, shape, **how: conv(x, g, **how))
max_pool = primitive("max_pool", convolution.max_pool,
    "the largest element in each window; the first of those that tie receives the gradient",
    a=lambda g, y, a, **how: reshape(
        add_rows(g, max_pool_indices(a, **how), count=math.prod(a.shape)), shape=a.shape))
max_pool_indices: Primitive = primitive("max_pool_indices", convolution.max_pool_indices,
    "where, in a.reshape(-1), max_pool finds the element of each window", a=None)
sum_pool: Primitive = primitive("sum_pool", convolution.sum_pool, "the sum over each window",
    a=lambda g, y, a, **how: sum_pool_input(g, shape=a.shape, **how))
sum_pool_input: Primitive = primitive("sum_pool_input", convolution.sum_pool_input,
    "the transpose of sum_pool: each element of a is added at all places of its window",
    a=lambda g, y, a, shape, **how: sum_pool(g, **how))
embedding: Primitive = primitive("embedding", kernels.embedding, "weight[indices], row by row",
    weight=lambda g, y, weight, indices: add_rows(g, indices, count=weight.shape[0]),
    indices=None)
add_rows: Primitive = primitive("add_rows", kernels.add_rows,
    "count rows of zeros, with the rows of a added at indices; repeated indices add up",
    a=lambda g, y, a, indices, count: embedding(g, indices),
    indices=None)
dropout_mask = primitive("dropout_mask", kernels.dropout_mask,
    "0 with probability rate, else 1 / (1 - rate), for each element of a; drawn at each run",
    a=None, pure=False)
standardize = primitive("standardize", kernels.standardize,
    "(a - mean) / sqrt(variance + eps), both over axis",
    a=_standardize_a)
# fmt: on
