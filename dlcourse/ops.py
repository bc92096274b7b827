"""The table of primitives: for each operation its value and its derivative rules.

A row reads ``name = primitive("name", kernel, meaning, a=rule, b=rule)``:

- ``kernel`` computes the value from raw NumPy arrays;
- there is one rule for each array argument, in order and under its name. ``g`` is the gradient
  of the loss with respect to the result ``y``; the rule returns the gradient with respect to its
  argument, a vector-Jacobian product. ``None`` marks an argument that has no derivative.

Rules are written with the operations of this table and with operators, never with ``np``. So the
same rule runs on raw arrays (fast backward), on Tensors (derivatives of derivatives) and on
whatever else implements ``apply_primitive`` (a tracer that builds a static graph). Each argument
has a rule of its own, so that a gradient nobody asked for is not computed.

A rule may ignore broadcasting: whoever drives the rules passes each result through
:func:`unbroadcast`, the one place where broadcasting is undone.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Axis: TypeAlias = int | tuple[int, ...] | None
# A rule's arguments are arrays, Tensors or symbols, all with NumPy's operators; no narrower type
# says that.
Rule: TypeAlias = Callable[..., Any]


class Primitive:
    """One row of the table: an operation with its value and its derivative rules.

    Calling it computes on raw arrays, unless an argument's type has a method
    ``apply_primitive(primitive, arguments, parameters)``: then that one decides. Parameters such
    as ``axis`` come after the array arguments, by position or by name.

    Attributes:
        arguments: The names of the array arguments.
        parameters: The names of the parameters that are not arrays.
        rules: For each array argument its derivative rule, or None.
    """

    __slots__ = ("_known", "arguments", "kernel", "meaning", "name", "parameters", "rules")

    def __init__(
        self,
        name: str,
        kernel: Callable[..., Any],
        meaning: str,
        rules: Mapping[str, Rule | None],
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.meaning = meaning
        self.arguments = tuple(rules)
        self.rules = tuple(rules.values())
        rule = next(filter(None, self.rules), None)
        names = inspect.signature(rule).parameters if rule else ()
        self.parameters = tuple(n for n in names if n not in ("g", "y", *self.arguments))
        self._known = frozenset(self.parameters)

    def __call__(self, *arguments: Any, **parameters: Any) -> Any:
        if len(arguments) != len(self.arguments) or not parameters.keys() <= self._known:
            arguments, parameters = self._bind(arguments, parameters)
        for argument in arguments:
            apply = getattr(argument, "apply_primitive", None)
            if apply is not None:
                return apply(self, arguments, parameters)
        return self.kernel(*arguments, **parameters)

    def _bind(
        self, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The array arguments, and all parameters by name."""
        names = (*self.arguments, *self.parameters)
        given = dict(zip(names, arguments, strict=False))
        named = given.keys() | parameters.keys()
        fits = len(arguments) <= len(names) and {*self.arguments} <= named <= {*names}
        if not fits or given.keys() & parameters.keys():
            raise TypeError(
                f"{self.name}: expected {self.name}({', '.join(names)}), got {len(arguments)} "
                f"arguments by position and {list(parameters) or 'none'} by name"
            )
        given |= parameters
        return tuple(given.pop(n) for n in self.arguments), given

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join((*self.arguments, *self.parameters))})>"


PRIMITIVES: dict[str, Primitive] = {}


def primitive(
    name: str, kernel: Callable[..., Any], meaning: str, **rules: Rule | None
) -> Primitive:
    """Enter an operation into the table and return it."""
    if name in PRIMITIVES:
        raise ValueError(f"primitive {name!r} is already in the table; choose another name")
    PRIMITIVES[name] = Primitive(name, kernel, meaning, rules)
    return PRIMITIVES[name]


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
    kept = kept_shape(shape, axis)
    return math.prod(n for n, k in zip(shape, kept, strict=True) if k != n) or 1


def restore_axes(g: Any, a: Any, axis: Axis) -> Any:
    """``g``, the gradient of a reduction of ``a``, with each reduced axis back at length 1."""
    return reshape(g, shape=kept_shape(a.shape, axis))


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
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        raise ValueError(f"a gradient of shape {g.shape} cannot belong to a value of shape {shape}")
    stretched = tuple(i for i, n in enumerate(shape, start=extra) if n == 1 and g.shape[i] != 1)
    return reshape(sum(g, axis=(*range(extra), *stretched)), shape=shape)


# --- Kernels that are more than one NumPy call ------------------------------------------------


def _sigmoid(a: Array) -> Array:
    # exp of a non-positive number cannot overflow, and no digit is lost in either tail.
    decay = np.exp(-np.abs(a))
    y: Array = np.where(np.greater_equal(a, 0), 1, decay) / (1 + decay)
    return y


def _logsumexp(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    largest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):  # the sum over no elements, or of exp(-inf), is log(0)
        y: Array = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return y if keepdims else np.squeeze(y, axis=axis)


def _softmax(a: Array, axis: int = -1) -> Array:
    e = np.exp(a - np.max(a, axis=axis, keepdims=True, initial=-np.inf))
    y: Array = e / np.sum(e, axis=axis, keepdims=True)
    return y


def _log_softmax(a: Array, axis: int = -1) -> Array:
    # Not a - logsumexp(a): beside a large maximum that would lose the digits of the logarithm.
    shifted = a - np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    y: Array = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return y


def _reshape(a: Array, shape: int | tuple[int, ...]) -> Array:
    return np.reshape(a, shape)  # by position: the argument's name is another one in NumPy 2.0


def _getitem(a: Array, index: Any) -> Any:
    return a[index]


def _scatter_add(a: Array, index: Any, shape: tuple[int, ...]) -> Array:
    y = np.zeros(shape, a.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if all(p is None or p is ... or type(p) in (int, slice) for p in parts):
        y[index] = a  # such an index names no element twice, and plain assignment is faster
    else:
        np.add.at(y, index, a)
    return y


def _astype(a: Array, dtype: Any) -> Array:
    return a.astype(dtype)


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


def _inverse_permutation(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    if axes is None:
        return None
    order = [0] * len(axes)
    for position, axis in enumerate(axes):
        order[axis] = position
    return tuple(order)


# --- The table --------------------------------------------------------------------------------
# fmt: off
# Arithmetic
add = primitive("add", np.add, "a + b",
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: g)
subtract = primitive("subtract", np.subtract, "a - b",
    a=lambda g, y, a, b: g,
    b=lambda g, y, a, b: -g)
multiply = primitive("multiply", np.multiply, "a * b",
    a=lambda g, y, a, b: g * b,
    b=lambda g, y, a, b: g * a)
divide = primitive("divide", np.true_divide, "a / b",
    a=lambda g, y, a, b: g / b,
    b=lambda g, y, a, b: -g * y / b)
negative = primitive("negative", np.negative, "-a",
    a=lambda g, y, a: -g)
power = primitive("power", operator.pow, "a ** b",
    a=_power_a,
    b=_power_b)

# Elementwise functions
square = primitive("square", np.square, "a ** 2",
    a=lambda g, y, a: g * 2 * a)
sqrt = primitive("sqrt", np.sqrt, "the square root",
    a=lambda g, y, a: g / (2 * y))
exp = primitive("exp", np.exp, "e ** a",
    a=lambda g, y, a: g * y)
log = primitive("log", np.log, "the natural logarithm",
    a=lambda g, y, a: g / a)
sin = primitive("sin", np.sin, "the sine of a, in radians",
    a=lambda g, y, a: g * cos(a))
cos: Primitive = primitive("cos", np.cos, "the cosine of a, in radians",
    a=lambda g, y, a: -g * sin(a))
tanh = primitive("tanh", np.tanh, "the hyperbolic tangent",
    a=lambda g, y, a: g * (1 - y * y))
sigmoid = primitive("sigmoid", _sigmoid, "1 / (1 + exp(-a))",
    a=lambda g, y, a: g * y * (1 - y))
relu = primitive("relu", lambda a: np.maximum(a, 0), "max(a, 0); its derivative at 0 is taken as 0",
    a=lambda g, y, a: where(y <= 0, 0, g))
abs = primitive("abs", np.abs, "the absolute value; its derivative at 0 is taken as 0",
    a=lambda g, y, a: g * sign(a))
sign: Primitive = primitive("sign", np.sign, "-1, 0 or 1",
    a=lambda g, y, a: g * 0)

# Comparisons have no derivative
equal: Primitive = primitive("equal", np.equal, "a == b", a=None, b=None)
not_equal = primitive("not_equal", np.not_equal, "a != b", a=None, b=None)
less = primitive("less", np.less, "a < b", a=None, b=None)
less_equal = primitive("less_equal", np.less_equal, "a <= b", a=None, b=None)
greater = primitive("greater", np.greater, "a > b", a=None, b=None)
greater_equal: Primitive = primitive("greater_equal", np.greater_equal, "a >= b", a=None, b=None)

# Choices; where a and b tie, each receives half
where: Primitive = primitive("where", np.where, "a where the condition c holds, else b", c=None,
    a=lambda g, y, c, a, b: where(c, g, 0),
    b=lambda g, y, c, a, b: where(c, 0, g))
maximum = primitive("maximum", np.maximum, "the larger of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)))
minimum = primitive("minimum", np.minimum, "the smaller of a and b",
    a=lambda g, y, a, b: where(equal(a, b), g / 2, where(greater(a, b), 0, g)),
    b=lambda g, y, a, b: where(equal(a, b), g / 2, where(less(a, b), 0, g)))

# Reductions
sum = primitive("sum", np.sum, "the sum over axis",
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis), shape=a.shape))
mean = primitive("mean", np.mean, "the mean over axis",
    a=lambda g, y, a, axis=None, keepdims=False:
        broadcast_to(restore_axes(g, a, axis) / reduced_count(a.shape, axis), shape=a.shape))
max = primitive("max", np.max, "the largest element over axis; ties share the gradient",
    a=_share_among_extremes)
min = primitive("min", np.min, "the smallest element over axis; ties share the gradient",
    a=_share_among_extremes)
logsumexp = primitive("logsumexp", _logsumexp, "log(sum(exp(a))) over axis, without overflow",
    a=lambda g, y, a, axis=None, keepdims=False:
        restore_axes(g, a, axis) * exp(a - restore_axes(where(y == -np.inf, 0, y), a, axis)))
softmax = primitive("softmax", _softmax, "exp(a) / sum(exp(a)) along axis, without overflow",
    a=lambda g, y, a, axis=-1: y * (g - sum(g * y, axis=axis, keepdims=True)))
log_softmax = primitive("log_softmax", _log_softmax, "log(softmax(a)) along axis, without overflow",
    a=lambda g, y, a, axis=-1: g - exp(y) * sum(g, axis=axis, keepdims=True))

# Linear algebra
matmul: Primitive = primitive("matmul", np.matmul, "a @ b, vectors and batches as in np.matmul",
    a=_matmul_a,
    b=_matmul_b)

# Shapes, indexing, dtype
reshape: Primitive = primitive("reshape", _reshape, "the same elements in another shape",
    a=lambda g, y, a, shape: reshape(g, shape=a.shape))
transpose: Primitive = primitive("transpose", np.transpose, "the axes reversed, or reordered",
    a=lambda g, y, a, axes=None: transpose(g, axes=_inverse_permutation(axes)))
broadcast_to: Primitive = primitive("broadcast_to", np.broadcast_to, "a, repeated to fill shape",
    a=lambda g, y, a, shape: g)
getitem: Primitive = primitive("getitem", _getitem, "a[index], with every index that NumPy has",
    a=lambda g, y, a, index: scatter_add(g, index=index, shape=a.shape))
scatter_add: Primitive = primitive("scatter_add", _scatter_add,
    "zeros of the given shape with a added at index; repeated indices add up",
    a=lambda g, y, a, index, shape: getitem(g, index=index))
astype = primitive("astype", _astype, "a in another dtype",
    a=lambda g, y, a, dtype: g)
