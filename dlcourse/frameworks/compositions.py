"""What both frameworks have as one operation and dlcourse writes with several.

The gradient operations of a framework are the derivative rules of our own table: `rule` looks one
up, so that ``ReluGrad(g, y)`` is ``rule(ops.relu, "a")(g, y, None)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.ops import Array, Primitive
from dlcourse.ops.primitive import Rule

# Klambauer et al., Self-normalizing neural networks (2017), equation 14.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def rule(op: Primitive, argument: str) -> Rule:
    """The vector-Jacobian product of ``op`` for one of its arguments.

    Raises:
        ValueError: It has no derivative for that argument.
    """
    found = dict(zip(op.arguments, op.rules, strict=True)).get(argument)
    if found is None:
        raise ValueError(f"{op.name} has no derivative rule for {argument!r}")
    return found


def known_ints(values: Any) -> tuple[int, ...]:
    """The numbers of a shape or of axes, which must be known when the graph is read."""
    if not isinstance(values, np.ndarray | np.generic):
        raise TypeError(
            "expected a shape or axes that are known when the graph is read, got a value that is "
            "computed from the inputs"
        )
    return tuple(np.ravel(values).tolist())


def known_int(value: Any) -> int:
    (number,) = known_ints(value)
    return number


def along(vector: Any, axis: int, ndim: int) -> Any:
    """A vector that broadcasts along the given axis of an array with ``ndim`` axes."""
    return ops.reshape(vector, shape=tuple(-1 if i == axis else 1 for i in range(ndim)))


def at(axis: int, place: Any, ndim: int) -> tuple[Any, ...]:
    """The index that has ``place`` in one axis and takes all of the others."""
    return (*(slice(None),) * (axis % ndim), place)


def labelled(labels: Any, classes: int, axis: int) -> Any:
    """Booleans of the labels' shape with a further axis: True at the label's place along it.

    A label outside 0 .. classes - 1 is True nowhere.
    """
    numbers = along(np.arange(classes), axis % (len(labels.shape) + 1), len(labels.shape) + 1)
    return ops.equal(ops.expand_dims(labels, axis), numbers)


def take(a: Any, indices: Sequence[Any], axis: int = 0) -> Any:
    """``a`` at integer arrays of indices, which may be computed, for axes from ``axis`` on."""
    k = len(indices)
    place = _row_numbers(indices, a.shape[axis : axis + k])
    rows = ops.moveaxis(a, tuple(range(axis, axis + k)), tuple(range(k)))
    rows = ops.reshape(rows, shape=(math.prod(rows.shape[:k]), *rows.shape[k:]))
    n = len(place.shape)
    found = ops.embedding(rows, place)
    return ops.moveaxis(found, tuple(range(n)), tuple(range(axis, axis + n)))


def put(values: Any, indices: Sequence[Any], axis: int, shape: Sequence[int]) -> Any:
    """The transpose of `take`: zeros of the given shape with the values added at the indices."""
    k = len(indices)
    lengths = shape[axis : axis + k]
    place = _row_numbers(indices, lengths)
    n = len(place.shape)
    whole = (*shape[:axis], *place.shape, *shape[axis + k :])
    values = ops.broadcast_to(values, shape=whole)
    rows = ops.moveaxis(values, tuple(range(axis, axis + n)), tuple(range(n)))
    added = ops.add_rows(rows, place, count=math.prod(lengths))
    added = ops.reshape(added, shape=(*lengths, *added.shape[1:]))
    return ops.moveaxis(added, tuple(range(k)), tuple(range(axis, axis + k)))


def overwritten(a: Any, added: Any, count: Any) -> Any:
    """``a`` where ``count`` is 0, else ``added / count``: what is set twice becomes the mean."""
    return ops.where(ops.greater(count, 0), added / ops.maximum(count, 1), a)


def _row_numbers(indices: Sequence[Any], lengths: Sequence[int]) -> Any:
    """The place of each element in the axes of these lengths, flattened; negatives from the end."""
    number: Any = 0
    for index, length in zip(indices, lengths, strict=True):
        number = number * length + ops.where(ops.less(index, 0), index + length, index)
    return number


def moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and variance (divided by the count) over the axes, which stay at length 1."""
    return ops.mean(x, axis=axes, keepdims=True), ops.var(x, axis=axes, keepdims=True)


def standardize_gradient(g: Any, x: Any, mean: Any, scale: Any, axes: tuple[int, ...]) -> Any:
    """The gradient of ``y = (x - mean) * scale`` where mean and scale are x's own, over ``axes``.

    Args:
        g: The gradient with respect to y.
        scale: 1 / sqrt(variance + epsilon).

    Source: Ioffe & Szegedy, Batch normalization (2015), section 3.
    """
    y = (x - mean) * scale
    return scale * (
        g - ops.mean(g, axis=axes, keepdims=True) - y * ops.mean(g * y, axis=axes, keepdims=True)
    )


def window_counts(shape: Sequence[int], dtype: Any, **how: Any) -> Any:
    """How many elements of an image, padding not counted, each window of a pooling holds."""
    return ops.sum_pool(np.ones(shape[-len(how["kernel_size"]) :], dtype), **how)


def padded_places(length: int, widths: tuple[int, int], mode: Any) -> Array:
    """Where a padding takes its elements from; ``mode`` as for numpy.pad."""
    return np.asarray(np.pad(np.arange(length), widths, mode))


def replaced(a: Any, part: Any, index: tuple[Any, ...]) -> Any:
    """``a`` with ``part`` at the index."""
    mask = np.zeros(a.shape, bool)
    mask[index] = True
    part = ops.broadcast_to(part, shape=np.empty(a.shape, bool)[index].shape)
    return ops.where(mask, ops.scatter_add(part, index=index, shape=a.shape), a)


def diagonal_index(shape: Sequence[int], offset: int) -> tuple[Any, Any]:
    """The rows and columns of a diagonal of matrices of the shape (..., n, m)."""
    n, m = shape[-2:]
    row, column = max(-offset, 0), max(offset, 0)
    places = np.arange(max(min(n - row, m - column), 0))
    return places + row, places + column


# --- Functions that both frameworks have as an operation ----------------------------------------


def trunc(a: Any) -> Any:
    return ops.sign(a) * ops.floor(ops.abs(a))


def remainder(a: Any, b: Any) -> Any:
    """What is left of ``a`` after division by ``b``; it has the sign of ``b``."""
    size = ops.abs(b)
    rest = a - ops.floor(ops.divide(a, size)) * size
    # The quotient is rounded, so that the rest may be just outside of 0 <= rest < size.
    rest = ops.where(ops.less(rest, 0), rest + size, rest)
    rest = ops.where(ops.greater_equal(rest, size), rest - size, rest)
    negative = ops.logical_and(ops.less(b, 0), ops.not_equal(rest, 0))
    return ops.where(negative, rest - size, rest)


def fmod(a: Any, b: Any) -> Any:
    """What is left of ``a`` after division by ``b``; it has the sign of ``a``."""
    return ops.sign(a) * remainder(ops.abs(a), ops.abs(b))


def asin(a: Any) -> Any:
    return ops.arctan2(a, ops.sqrt((1 - a) * (1 + a)))


def acos(a: Any) -> Any:
    return ops.arctan2(ops.sqrt((1 - a) * (1 + a)), a)


def asinh(a: Any) -> Any:
    sign = ops.where(ops.less(a, 0), -1, 1)
    size = a * sign
    square = size * size
    return sign * ops.log1p(size + square / (1 + ops.sqrt(square + 1)))


def acosh(a: Any) -> Any:
    above = a - 1
    return ops.log1p(above + ops.sqrt(above * (above + 2)))


def atanh(a: Any) -> Any:
    return ops.log1p(2 * a / (1 - a)) / 2


def sinc(a: Any) -> Any:
    """sin(pi a) / (pi a)."""
    angle = ops.where(ops.equal(a, 0), 1, a * math.pi)
    return ops.where(ops.equal(a, 0), 1, ops.sin(angle) / angle)


def logit(p: Any) -> Any:
    return ops.log(p / (1 - p))


def xlogy(a: Any, b: Any) -> Any:
    """a log(b), 0 where a is 0."""
    return a * ops.log(ops.where(ops.equal(a, 0), 1, b))


def logaddexp(a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)), without overflow."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    return ops.logsumexp(ops.stack([ops.broadcast_to(x, shape=shape) for x in (a, b)]), axis=0)


def signbit(a: Any) -> Any:
    return ops.less(ops.arctan2(a, -1.0), 0)  # the angle of -0.0 is -pi


def isinf(a: Any) -> Any:
    return ops.equal(ops.abs(a), np.inf)


def logical_xor(a: Any, b: Any) -> Any:
    return ops.not_equal(ops.not_equal(a, 0), ops.not_equal(b, 0))


def fmax(a: Any, b: Any) -> Any:
    """The larger of two numbers, of a number and nan the number."""
    return ops.where(ops.isnan(a), b, ops.where(ops.isnan(b), a, ops.maximum(a, b)))


def fmin(a: Any, b: Any) -> Any:
    return ops.where(ops.isnan(a), b, ops.where(ops.isnan(b), a, ops.minimum(a, b)))


def accumulated(op: Callable[[Any, Any], Any], a: Any, axis: int) -> Any:
    """``op`` over the first 1, 2, ... elements along an axis, for an ``op`` that is associative.

    Each round doubles how many elements are joined, so that n take log2(n) rounds.

    Source: Hillis & Steele, Data parallel algorithms (1986).
    """
    ndim, length, step = len(a.shape), a.shape[axis] if a.shape else 1, 1
    while step < length:
        first = a[at(axis, slice(step), ndim)]
        joined = op(a[at(axis, slice(length - step), ndim)], a[at(axis, slice(step, None), ndim)])
        a = ops.concatenate([first, joined], axis=axis)
        step *= 2
    return a
