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
import string
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from dlcourse.ops import convolution, kernels
from dlcourse.ops.primitive import Axis, Primitive, elementwise, primitive

# --- Shapes -----------------------------------------------------------------------------------


def reduced_axes(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    """The axes that a reduction over ``axis`` removes, counted from the front."""
    if axis is None:
        return tuple(range(len(shape)))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % len(shape) for a in axes) if shape else ()


def kept_shape(shape: Sequence[int], axis: Axis) -> tuple[int, ...]:
    """The shape after a reduction over ``axis`` with ``keepdims=True``."""
    reduced = reduced_axes(shape, axis)
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def reduced_count(shape: Sequence[int], axis: Axis) -> int:
    """How many elements a reduction over ``axis`` combines into one."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[i] for i in reduced_axes(shape, axis))


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


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """``a`` with two axes exchanged."""
    order = list(range(len(a.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(a, axes=tuple(order))


def slice_along(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """The elements from ``start`` to ``stop`` along one axis."""
    place = (slice(None),) * (axis % len(a.shape))
    return getitem(a, index=(*place, slice(start, stop)))


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


def _matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * b
    if len(a.shape) == 1:
        return squeeze(matmul(b, expand_dims(g, -1)), -1)
    return matmul(g, swapaxes(b, -1, -2))


def _matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * a
    if len(a.shape) == 1:
        return expand_dims(a, -1) * expand_dims(g, -2)
    return matmul(swapaxes(a, -1, -2), g)


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


def _or_one(y: Any) -> Any:
    """``y`` with 1 in place of 0: a divisor for what shall be 0 where ``y`` is."""
    return where(equal(y, 0), 1, y)


def _prod_a(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    # Not y / a, which is lost where a is 0.
    reduced = reduced_axes(a.shape, axis)
    order = (*(i for i in range(len(a.shape)) if i not in reduced), *reduced)
    front = transpose(a, axes=order)
    kept = front.shape[: len(order) - len(reduced)]
    rows = reshape(front, shape=(*kept, reduced_count(a.shape, axis)))
    others = reshape(_product_of_others(rows), shape=front.shape)
    return restore_axes(g, a, axis) * transpose(others, axes=_inverse_permutation(order))


def _product_of_others(a: Any) -> Any:
    """For each element the product of all others along the last axis.

    Of a pair, each element is multiplied with its partner and with what the other pairs multiply
    to. The pairs are half as many, so the work is linear in the number of elements.
    """
    n = a.shape[-1]
    if n <= 1:
        return np.ones(a.shape, a.dtype)
    if n % 2:
        a = pad(a, pad_width=((0, 0),) * (len(a.shape) - 1) + ((0, 1),), value=1)
    even, odd = (
        getitem(a, index=(..., slice(0, None, 2))),
        getitem(a, index=(..., slice(1, None, 2))),
    )
    above = _product_of_others(even * odd)
    pairs = concatenate([expand_dims(above * odd, -1), expand_dims(above * even, -1)], axis=-1)
    return slice_along(reshape(pairs, shape=a.shape), -1, 0, n)


def _var_a(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    divisor = builtins.max(reduced_count(a.shape, axis) - ddof, 0)
    return restore_axes(2 * g, a, axis) * (a - mean(a, axis=axis, keepdims=True)) / divisor


def _silu_a(g: Any, y: Any, a: Any) -> Any:
    s = sigmoid(a)
    return g * (s + y * (1 - s))


def _gelu_a(g: Any, y: Any, a: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        density = exp(-a * a / 2) / math.sqrt(2 * math.pi)
        return g * (erfc(a * -math.sqrt(0.5)) / 2 + a * density)
    scale, cubic = kernels.GELU_SCALE, kernels.GELU_CUBIC
    t = tanh(scale * (a + cubic * a * a * a))
    return g * (1 + t + a * (1 - t * t) * scale * (1 + 3 * cubic * a * a)) / 2


def _einsum_operand(i: int, g: Any, y: Any, *operands: Any, subscripts: str) -> Any:
    # Operand i and the result change places. A letter that is then in no factor was summed away,
    # so its gradient is repeated: a factor of ones. A letter that occurs twice in the operand takes
    # a diagonal: it gets a second name and a factor that is 1 where both are equal.
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    factors = [
        (output, g),
        *zip(terms[:i] + terms[i + 1 :], operands[:i] + operands[i + 1 :], strict=True),
    ]
    lengths = dict(chain.from_iterable(zip(term, x.shape, strict=True) for term, x in factors))
    unused = (letter for letter in string.ascii_letters if letter not in subscripts)
    target = ""
    for letter, n in zip(terms[i], operands[i].shape, strict=True):
        name = letter
        if letter in target:
            name = next(unused)
            factors.append((letter + name, np.eye(n, dtype=g.dtype)))
        elif lengths.get(letter) != n:
            factors.append((letter, np.ones(n, g.dtype)))
        target += name
    names, values = zip(*factors, strict=True)
    return _einsum(values, subscripts=f"{','.join(names)}->{target}")


def _unpadded(shape: Sequence[int], pad_width: Any) -> tuple[slice, ...]:
    """The index of the original elements within the padded ones."""
    widths = np.broadcast_to(pad_width, (len(shape), 2)).tolist()
    return tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))


def _negated(shift: int | Sequence[int]) -> int | tuple[int, ...]:
    return tuple(-s for s in shift) if isinstance(shift, Sequence) else -shift


def _tile_a(g: Any, y: Any, a: Any, reps: int | Sequence[int]) -> Any:
    reps = tuple(reps) if isinstance(reps, Sequence) else (reps,)
    n = builtins.max(len(reps), len(a.shape))
    reps, lengths = (1,) * (n - len(reps)) + reps, (1,) * (n - len(a.shape)) + a.shape
    apart = reshape(g, shape=tuple(chain.from_iterable(zip(reps, lengths, strict=True))))
    return reshape(sum(apart, axis=tuple(range(0, 2 * n, 2))), shape=a.shape)


def _repeat_a(g: Any, y: Any, a: Any, repeats: int, axis: int) -> Any:
    position = axis % len(a.shape) + 1
    apart = (*a.shape[:position], repeats, *a.shape[position:])
    return sum(reshape(g, shape=apart), axis=position)


def _part(g: Any, i: int, arrays: Sequence[Any], axis: int) -> Any:
    """The part of ``g`` along ``axis`` where array number ``i`` lies."""
    start = builtins.sum(a.shape[axis] for a in arrays[:i])
    return slice_along(g, axis, start, start + arrays[i].shape[axis])


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


# --- Operations of more than one line, written with smaller ones -------------------------------


def _sigmoid(a: Any) -> Any:
    decay = exp(-abs(a))
    return maximum(decay, greater_equal(a, 0)) / (1 + decay)


def _softmax(a: Any, axis: int = -1) -> Any:
    if 0 in a.shape:  # no elements, so no maximum
        return a
    e = exp(a - max(a, axis=axis, keepdims=True))
    return e / sum(e, axis=axis, keepdims=True)


def _log_softmax(a: Any, axis: int = -1) -> Any:
    if 0 in a.shape:
        return a
    shifted = a - max(a, axis=axis, keepdims=True)
    return shifted - log(sum(exp(shifted), axis=axis, keepdims=True))


def _standardize(a: Any, axis: Axis = -1, eps: float = 1e-5) -> Any:
    centred = a - mean(a, axis=axis, keepdims=True)
    return centred / sqrt(mean(square(centred), axis=axis, keepdims=True) + eps)


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
reciprocal = elementwise("reciprocal", lambda a, out=None: np.true_divide(1, a, out=out), "1 / a",
    a=lambda g, y, a: -g * y * y)
power = elementwise("power", operator.pow, "a ** b",
    a=_power_a,
    b=_power_b)

# Powers, exponentials, logarithms
square = elementwise("square", np.square, "a ** 2",
    a=lambda g, y, a: g * 2 * a)
sqrt = elementwise("sqrt", np.sqrt, "the square root",
    a=lambda g, y, a: g / (2 * y))
rsqrt = elementwise("rsqrt", kernels.rsqrt, "1 / sqrt(a)",
    a=lambda g, y, a: g * y * y * y / -2)
exp = elementwise("exp", np.exp, "e ** a",
    a=lambda g, y, a: g * y)
expm1 = elementwise("expm1", np.expm1, "exp(a) - 1, exact also for small a",
    a=lambda g, y, a: g * (y + 1))
log = elementwise("log", np.log, "the natural logarithm",
    a=lambda g, y, a: g / a)
log1p = elementwise("log1p", np.log1p, "log(1 + a), exact also for small a",
    a=lambda g, y, a: g / (1 + a))

# Trigonometric and hyperbolic functions
sin = elementwise("sin", np.sin, "the sine of a, in radians",
    a=lambda g, y, a: g * cos(a))
cos: Primitive = elementwise("cos", np.cos, "the cosine of a, in radians",
    a=lambda g, y, a: -g * sin(a))
tan = elementwise("tan", np.tan, "the tangent of a, in radians",
    a=lambda g, y, a: g * (1 + y * y))
arctan = elementwise("arctan", np.arctan,
    "the angle in radians, within pi / 2 of 0, whose tangent is a",
    a=lambda g, y, a: g / (1 + a * a))
arctan2 = elementwise("arctan2", np.arctan2,
    "the angle in radians of the point with height a, width b",
    a=lambda g, y, a, b: g * b / (a * a + b * b),
    b=lambda g, y, a, b: -g * a / (a * a + b * b))
hypot = elementwise("hypot", np.hypot, "sqrt(a ** 2 + b ** 2), without overflow",
    a=lambda g, y, a, b: g * (a / y),
    b=lambda g, y, a, b: g * (b / y))
sinh = elementwise("sinh", np.sinh, "the hyperbolic sine",
    a=lambda g, y, a: g * cosh(a))
cosh: Primitive = elementwise("cosh", np.cosh, "the hyperbolic cosine",
    a=lambda g, y, a: g * sinh(a))
tanh = elementwise("tanh", np.tanh, "the hyperbolic tangent",
    a=lambda g, y, a: g * (1 - y * y))
erf = elementwise("erf", kernels.erf,
    "the error function, 2 / sqrt(pi) times the integral of exp(-t ** 2) from 0 to a",
    a=lambda g, y, a: g * (2 / math.sqrt(math.pi)) * exp(-a * a))
erfc: Primitive = elementwise("erfc", kernels.erfc, "1 - erf(a), exact also for large a",
    a=lambda g, y, a: g * (-2 / math.sqrt(math.pi)) * exp(-a * a))

# Activations
sigmoid = elementwise("sigmoid", kernels.sigmoid, "1 / (1 + exp(-a))",
    expand=_sigmoid,
    a=lambda g, y, a: g * y * (1 - y))
relu = elementwise("relu", lambda a, out=None: np.maximum(a, 0, out=out),
    "max(a, 0); its derivative at 0 is taken as 0",
    expand=lambda a: maximum(a, 0),
    a=lambda g, y, a: where(y != 0, g, 0))
leaky_relu = elementwise("leaky_relu", kernels.leaky_relu,
    "a where a > 0, else negative_slope * a",
    expand=lambda a, negative_slope=0.01: maximum(a, 0) + negative_slope * minimum(a, 0),
    a=lambda g, y, a, negative_slope=0.01: where(greater(a, 0), g, g * negative_slope))
elu = elementwise("elu", kernels.elu, "a where a > 0, else alpha * (exp(a) - 1)",
    expand=lambda a, alpha=1.0: maximum(a, 0) + alpha * expm1(minimum(a, 0)),
    a=lambda g, y, a, alpha=1.0:
        where(less_equal(a, 0), g * alpha * exp(where(less(a, 0), a, 0)), g))
softplus = elementwise("softplus", kernels.softplus, "log(1 + exp(a)), without overflow",
    expand=lambda a: maximum(a, 0) + log1p(exp(-abs(a))),
    a=lambda g, y, a: g * sigmoid(a))
silu = elementwise("silu", kernels.silu, "a * sigmoid(a)",
    expand=lambda a: a * sigmoid(a),
    a=_silu_a)
gelu = elementwise("gelu", kernels.gelu,
    "a * P(Z <= a) for a standard normal Z; approximate='tanh' for the formula with tanh",
    a=_gelu_a)

# Absolute value, limits, rounding
abs: Primitive = elementwise("abs", np.abs, "the absolute value; its derivative at 0 is taken as 0",
    a=lambda g, y, a: g * sign(a))
sign: Primitive = elementwise("sign", np.sign, "-1, 0 or 1",
    a=lambda g, y, a: g * 0)
clip = elementwise("clip", kernels.clip,
    "a, but not below low nor above high; the derivative at a limit is taken as 1",
    a=lambda g, y, a, low=None, high=None: where(equal(y, a), g, 0))
floor = elementwise("floor", np.floor, "the largest whole number <= a",
    a=lambda g, y, a: g * 0)
ceil = elementwise("ceil", np.ceil, "the smallest whole number >= a",
    a=lambda g, y, a: g * 0)
round = elementwise("round", np.rint, "the nearest whole number; halves go to the even one",
    a=lambda g, y, a: g * 0)

# Comparisons and logic have no derivative
equal: Primitive = elementwise("equal", np.equal, "a == b", a=None, b=None)
not_equal: Primitive = elementwise("not_equal", np.not_equal, "a != b", a=None, b=None)
less: Primitive = elementwise("less", np.less, "a < b", a=None, b=None)
less_equal: Primitive = elementwise("less_equal", np.less_equal, "a <= b", a=None, b=None)
greater: Primitive = elementwise("greater", np.greater, "a > b", a=None, b=None)
greater_equal: Primitive = elementwise("greater_equal", np.greater_equal, "a >= b", a=None, b=None)
logical_and = elementwise("logical_and", np.logical_and, "whether both are true (not 0)",
    a=None, b=None)
logical_or = elementwise("logical_or", np.logical_or, "whether at least one is true (not 0)",
    a=None, b=None)
logical_not = elementwise("logical_not", np.logical_not, "whether a is false (0)", a=None)
isnan = elementwise("isnan", np.isnan, "whether a is not a number", a=None)
isfinite = elementwise("isfinite", np.isfinite, "whether a is neither infinite nor nan", a=None)

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
minimum: Primitive = elementwise("minimum", np.minimum, "the smaller of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)))

# Reductions
sum = primitive("sum", kernels.sum, "the sum over axis",
    expand=_sum_as_product,
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis), shape=a.shape))
mean: Primitive = primitive("mean", kernels.mean, "the mean over axis",
    expand=lambda a, axis=None, keepdims=False:
        sum(a, axis=axis, keepdims=keepdims) / reduced_count(a.shape, axis),
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis) / (reduced_count(a.shape, axis) or 1), shape=a.shape))
prod = primitive("prod", kernels.prod, "the product over axis",
    a=_prod_a)
var = primitive("var", kernels.var,
    "the mean of (a - mean(a)) ** 2 over n elements of axis, with the divisor n - ddof",
    a=_var_a)
std = primitive("std", kernels.std, "sqrt(var(a)); its derivative at 0 is taken as 0",
    a=lambda g, y, a, axis=None, keepdims=False, ddof=0:
        _var_a(g / (2 * _or_one(y)), y, a, axis, keepdims, ddof))
norm = primitive("norm", kernels.norm,
    "the Euclidean norm, sqrt(sum(a ** 2)) over axis; its derivative at 0 is taken as 0",
    expand=lambda a, axis=None, keepdims=False: sqrt(sum(square(a), axis=axis, keepdims=keepdims)),
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * (a / restore_axes(_or_one(y), a, axis)))
max = primitive("max", kernels.max, "the largest element over axis; ties share the gradient",
    a=_share_among_extremes)
min = primitive("min", kernels.min, "the smallest element over axis; ties share the gradient",
    a=_share_among_extremes)
argmax = primitive("argmax", kernels.argmax,
    "the position of the first largest element along axis", a=None)
argmin = primitive("argmin", kernels.argmin,
    "the position of the first smallest element along axis", a=None)
logsumexp = primitive("logsumexp", kernels.logsumexp,
    "log(sum(exp(a))) over axis, without overflow",
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * exp(a - restore_axes(where(y == -np.inf, 0, y), a, axis)))

# Along an axis
softmax = primitive("softmax", kernels.softmax, "exp(a) / sum(exp(a)) along axis, without overflow",
    expand=_softmax,
    a=lambda g, y, a, axis=-1: y * (g - sum(g * y, axis=axis, keepdims=True)))
log_softmax = primitive("log_softmax", kernels.log_softmax,
    "log(softmax(a)) along axis, without overflow",
    expand=_log_softmax,
    a=lambda g, y, a, axis=-1: g - exp(y) * sum(g, axis=axis, keepdims=True))
cumsum: Primitive = primitive("cumsum", kernels.cumsum,
    "the sums of the first 1, 2, ... elements along axis",
    a=lambda g, y, a, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))
sort = primitive("sort", kernels.sort, "the elements in ascending order along axis",
    a=lambda g, y, a, axis=-1:
        scatter_add_along_axis(g, argsort(a, axis=axis), axis=axis, shape=a.shape))
argsort: Primitive = primitive("argsort", kernels.argsort,
    "the indices that sort a along axis; equal elements keep their order", a=None)

# Losses
log_cosh = elementwise("log_cosh", kernels.log_cosh, "log(cosh(a)), without overflow",
    a=lambda g, y, a: g * tanh(a))
binary_cross_entropy: Primitive = elementwise(
    "binary_cross_entropy", kernels.binary_cross_entropy,
    "-(t * log(p) + (1 - t) * log(1 - p)), each logarithm at least -100",
    p=lambda g, y, p, t: g * (p - t) / maximum(p * (1 - p), 1e-12),
    t=lambda g, y, p, t: g * (binary_cross_entropy(p, 1) - binary_cross_entropy(p, 0)))

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
_einsum: Primitive = primitive("einsum", kernels.einsum,  # ops.einsum calls it
    "the product of arrays whose axes have letters, summed over the letters not in the result",
    each=_einsum_operand)
tril: Primitive = primitive("tril", kernels.tril, "a with zeros above diagonal k of each matrix",
    a=lambda g, y, a, k=0: tril(g, k=k))
triu: Primitive = primitive("triu", kernels.triu, "a with zeros below diagonal k of each matrix",
    a=lambda g, y, a, k=0: triu(g, k=k))

# Shapes and order
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
pad: Primitive = primitive("pad", kernels.pad,
    "a between pad_width = ((before, after), ...) elements of the given value along each axis",
    a=lambda g, y, a, pad_width, value=0: getitem(g, index=_unpadded(a.shape, pad_width)))
flip: Primitive = primitive("flip", kernels.flip, "the elements in reverse order along axis",
    a=lambda g, y, a, axis=None: flip(g, axis=axis))
roll: Primitive = primitive("roll", kernels.roll,
    "the elements moved by shift along axis; those that leave at the end return at the start",
    a=lambda g, y, a, shift, axis=None: roll(g, shift=_negated(shift), axis=axis))
tile = primitive("tile", kernels.tile, "a laid side by side, reps[i] times along axis i",
    a=_tile_a)
repeat = primitive("repeat", kernels.repeat, "each element repeats times in a row along axis",
    a=_repeat_a)

# Indexing
getitem: Primitive = primitive("getitem", kernels.getitem,
    "a[index], with every index that NumPy has",
    a=lambda g, y, a, index: scatter_add(g, index=index, shape=a.shape))
scatter_add: Primitive = primitive("scatter_add", kernels.scatter_add,
    "zeros of the given shape with a added at index; repeated indices add up",
    a=lambda g, y, a, index, shape: getitem(g, index=index))
take_along_axis: Primitive = primitive("take_along_axis", kernels.take_along_axis,
    "of each line along axis the elements at indices, which may be computed",
    a=lambda g, y, a, indices, axis=-1:
        scatter_add_along_axis(g, indices, axis=axis, shape=a.shape),
    indices=None)
scatter_add_along_axis: Primitive = primitive(
    "scatter_add_along_axis", kernels.scatter_add_along_axis,
    "zeros of the given shape with a added at indices of each line along axis; repeats add up",
    a=lambda g, y, a, indices, shape, axis=-1: take_along_axis(g, indices, axis=axis),
    indices=None)

# dtype
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
    expand=_standardize,
    a=_standardize_a)
# fmt: on
