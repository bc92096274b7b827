"""The values of the operations that are more than one NumPy call, on raw arrays.

``out``, where a kernel has it, is an array of the result's shape and dtype to write into. Names are
those of the table, so this module is imported as a whole, never by name.
"""

from __future__ import annotations

import builtins
import math
from functools import lru_cache
from typing import Any

import numpy as np

from dlcourse.ops import fast
from dlcourse.ops.error_function import normal_cdf
from dlcourse.ops.precision import in_float32, in_float64, in_floating_point
from dlcourse.ops.primitive import Array, Axis

# --- Elementwise --------------------------------------------------------------------------------


def relu(a: Array, out: Array | None = None) -> Any:
    return np.maximum(a, fast.ZEROS.get(a.dtype.char, 0), out=out)


@in_floating_point
def sigmoid(a: Array) -> Array:
    # exp of a non-positive number cannot overflow, and no digit is lost in either tail.
    decay = np.exp(-np.abs(a))
    y: Array = np.maximum(decay, np.greater_equal(a, 0)) / (1 + decay)
    return y


def divide_or_zero(a: Any, b: Any) -> Any:
    is_zero = np.equal(b, 0)
    return np.where(is_zero, 0, np.true_divide(a, np.where(is_zero, 1, b)))


def rsqrt(a: Array, out: Array | None = None) -> Any:
    return np.reciprocal(np.sqrt(a, out=out), out=out)


@in_floating_point
def softplus(a: Array) -> Any:
    # exp of a non-positive number cannot overflow, and log1p keeps the digits of a small one.
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


@in_floating_point
def gelu(a: Array, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return a * (1 + np.tanh(GELU_SCALE * (a + GELU_CUBIC * a * a * a))) / 2
    if approximate != "none":
        raise ValueError(f"expected approximate='none' or 'tanh', got {approximate!r}")
    # Not (1 + erf(a / sqrt(2))) / 2, which loses the digits of the lower tail.
    return a * normal_cdf(a)


# Hendrycks & Gimpel (2016), Gaussian error linear units, section 2.
GELU_SCALE, GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715


@in_floating_point
def silu(a: Array) -> Any:
    return a * sigmoid(a)


@in_floating_point
def elu(a: Array, alpha: float = 1.0) -> Any:
    return np.maximum(a, 0) + alpha * np.expm1(np.minimum(a, 0))


@in_floating_point
def leaky_relu(a: Array, negative_slope: float = 0.01) -> Any:
    return np.maximum(a, 0) + negative_slope * np.minimum(a, 0)


def clip(a: Array, low: Any = None, high: Any = None, out: Array | None = None) -> Any:
    if low is None and high is None:
        raise ValueError("expected a limit: low, high, or both")
    return np.clip(a, low, high, out=out)


def where(c: Any, a: Any, b: Any, out: Array | None = None) -> Any:
    if (y := fast.masked(c, a, b, out)) is not None:
        return y
    y = np.where(c, a, b)
    if out is None:
        return y
    np.copyto(out, y)
    return out


# --- Reductions ---------------------------------------------------------------------------------


def sum(a: Array, axis: Axis = None, keepdims: bool = False, out: Any = None) -> Any:
    if a.dtype.char not in "fd":
        return _sum(a, axis=axis, keepdims=keepdims, out=out)
    if a.ndim > 1 and (axis == 0 or axis == (0,)):
        return fast.sum_of_rows(a, keepdims, out)
    return np.add.reduce(a, axis=axis, keepdims=keepdims, out=out)


@in_float32
def _sum(a: Array, axis: Axis, keepdims: bool, out: Any = None) -> Any:
    return np.add.reduce(a, axis=axis, keepdims=keepdims, out=out)


@in_floating_point
def mean(a: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    total = sum(a, axis, keepdims)
    return total / _count(a, total)


def _count(a: Array, total: Any) -> int:
    """How many elements of ``a`` were combined into each element of ``total``."""
    return a.size // total.size if total.size else 1


@in_float32
def prod(a: Array, axis: Axis = None, keepdims: bool = False, out: Any = None) -> Any:
    return np.multiply.reduce(a, axis=axis, keepdims=keepdims, out=out)


@in_floating_point
def var(a: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    total = sum(np.square(a - mean(a, axis, keepdims=True)), axis, keepdims)
    return total / builtins.max(_count(a, total) - ddof, 0)


@in_floating_point
def std(a: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    return np.sqrt(var(a, axis, keepdims, ddof))


@in_floating_point
def norm(a: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.sqrt(sum(np.square(a), axis, keepdims))


@in_float64
def cumsum(a: Array, axis: int) -> Array:
    return np.cumsum(a, axis).reshape(a.shape)  # np.cumsum gives a 0-d array an axis


def max(a: Array, axis: Axis = None, keepdims: bool = False, out: Any = None) -> Any:
    return np.maximum.reduce(a, axis=axis, keepdims=keepdims, out=out)


def min(a: Array, axis: Axis = None, keepdims: bool = False, out: Any = None) -> Any:
    return np.minimum.reduce(a, axis=axis, keepdims=keepdims, out=out)


def any(a: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.any(a, axis=axis, keepdims=keepdims)


def all(a: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.all(a, axis=axis, keepdims=keepdims)


def argmax(a: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmax(a, axis=axis, keepdims=keepdims)


def argmin(a: Array, axis: int | None = None, keepdims: bool = False) -> Any:
    return np.argmin(a, axis=axis, keepdims=keepdims)


def _check_floating(a: Array) -> None:
    if a.dtype.kind != "f":
        raise TypeError(f"expected floating point numbers, got dtype {a.dtype}; use astype(float)")


@in_float32
def logsumexp(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    _check_floating(a)
    largest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):  # the sum over no elements, or of exp(-inf), is log(0)
        y: Array = np.log(np.sum(np.exp(a - largest), axis=axis, keepdims=True)) + largest
    return y if keepdims else np.squeeze(y, axis=axis)


@in_float32
def softmax(a: Array, axis: int = -1) -> Array:
    y: Array = np.exp(_below_maximum(a, axis))
    y /= np.add.reduce(y, axis=axis, keepdims=True)
    return y


@in_float32
def log_softmax(a: Array, axis: int = -1) -> Array:
    # Not a - logsumexp(a): beside a large maximum that would lose the digits of the logarithm.
    y = _below_maximum(a, axis)
    y -= np.log(np.add.reduce(np.exp(y), axis=axis, keepdims=True))
    return y


def _below_maximum(a: Array, axis: int) -> Array:
    _check_floating(a)
    below: Array = a - np.maximum.reduce(a, axis=axis, keepdims=True, initial=-np.inf)
    return below


# --- Losses --------------------------------------------------------------------------------------


@in_floating_point
def log_cosh(a: Array) -> Any:
    # Near 0, cosh(a) - 1 = 2 * sinh(a / 2) ** 2 keeps the digits; far away, cosh overflows.
    size = np.abs(a)
    near = np.log1p(2 * np.square(np.sinh(np.minimum(size, 1) / 2)))
    far = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    return np.where(size < 1, near, far)


@in_floating_point
def binary_cross_entropy(p: Array, t: Array) -> Any:
    with np.errstate(divide="ignore"):  # the logarithm of 0
        log_p, log_not_p = np.log(p), np.log1p(np.negative(p))
    return -(t * np.maximum(log_p, -100) + (1 - t) * np.maximum(log_not_p, -100))


# --- Linear algebra -----------------------------------------------------------------------------


def matmul(a: Any, b: Any, out: Array | None = None) -> Any:
    product = np.dot if getattr(a, "ndim", 0) == 2 == getattr(b, "ndim", 0) else np.matmul
    return product(a, b, out=out)  # np.dot does less work around the same product


def linear(x: Array, weight: Array, bias: Array, out: Array | None = None) -> Any:
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError(
            "expected weight (out, in) and bias (out,), got "
            f"weight {weight.shape} and bias {bias.shape}"
        )
    y = matmul(x, weight.T, out=out)
    return np.add(y, bias, out=y if y.dtype == bias.dtype and y.ndim else None)


@in_float32
def einsum(*arrays: Array, subscripts: str, out: Array | None = None) -> Any:
    # Two or more are multiplied pair by pair, as matrix products where they are ones.
    return np.einsum(subscripts, *arrays, out=out, optimize=len(arrays) > 1)


# --- Shapes, indexing, dtype ---------------------------------------------------------------------


def reshape(a: Array, shape: int | tuple[int, ...]) -> Array:
    return a.reshape(shape)


def transpose(a: Array, axes: tuple[int, ...] | None = None) -> Array:
    return a.transpose(axes)


def broadcast_to(a: Array, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(a, shape) if a.ndim else fast.repeated_number(a, shape)


def concatenate(*arrays: Array, axis: int = 0, out: Array | None = None) -> Array:
    return np.concatenate(arrays, axis=axis, out=out)


def pad(a: Array, pad_width: Any, value: float = 0) -> Array:
    return np.pad(a, pad_width, constant_values=value)


def flip(a: Array, axis: Axis = None) -> Array:
    return np.flip(a, axis) if a.ndim else a


def roll(a: Array, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    return np.roll(a, shift, axis)


def tile(a: Array, reps: int | tuple[int, ...]) -> Array:
    return np.tile(a, reps)


def repeat(a: Array, repeats: int, axis: int) -> Array:
    return np.repeat(a, repeats, axis)


def tril(a: Array, k: int = 0) -> Array:
    return np.tril(_matrices(a), k)


def triu(a: Array, k: int = 0) -> Array:
    return np.triu(_matrices(a), k)


def _matrices(a: Array) -> Array:
    if a.ndim < 2:
        raise ValueError(f"expected a matrix or a batch of matrices, got shape {a.shape}")
    return a


def sort(a: Array, axis: int = -1) -> Array:
    return np.sort(a, axis) if a.ndim else np.array(a)


def argsort(a: Array, axis: int = -1) -> Array:
    return np.argsort(a, axis, stable=True).reshape(a.shape)  # np.argsort gives 0-d an axis


def getitem(a: Array, index: Any) -> Any:
    return a[index]


def is_basic(index: Any) -> bool:
    """Whether ``index`` selects a view: integers, slices, None and ... alone."""
    parts = index if isinstance(index, tuple) else (index,)
    plain = (slice, np.integer)
    return builtins.all(
        p is None or p is ... or type(p) is int or isinstance(p, plain) for p in parts
    )


@in_float32
def scatter_add(a: Array, index: Any, shape: tuple[int, ...]) -> Array:
    y = np.zeros(shape, a.dtype)
    if is_basic(index):
        y[index] = a  # such an index names no element twice, and plain assignment is faster
    else:
        np.add.at(y, index, a)
    return y


def add_at(a: Any, b: Any, index: Any, out: Array | None = None) -> Array:
    y: Array = np.array(a) if out is None else out
    if out is not None and out is not a:
        np.copyto(out, a)
    if is_basic(index):
        y[index] += b
    else:
        np.add.at(y, index, b)
    return y


def take_along_axis(a: Array, indices: Array, axis: int = -1) -> Array:
    if a.ndim == 0:  # NumPy has no axis there, PyTorch one of length 1
        return take_along_axis(a.reshape(1), indices.reshape(1), axis).reshape(())
    y: Array = a[_places(a.shape, indices, axis)]
    return y


@in_float32
def scatter_add_along_axis(
    a: Array, indices: Array, axis: int = -1, *, shape: tuple[int, ...]
) -> Array:
    y = np.zeros(shape or (1,), a.dtype)
    places = _places(y.shape, np.atleast_1d(indices), axis)
    if indices.ndim and indices.shape[axis] == 1 and a.size * y.shape[axis] == y.size:
        y[places] = a  # one in each line, so none twice, and plain assignment is faster
    else:
        np.add.at(y, places, a)
    return y.reshape(shape)


def _places(shape: tuple[int, ...], indices: Array, axis: int) -> tuple[Array, ...]:
    """Where ``indices`` along ``axis`` point, line by line, in an array of ``shape``."""
    if indices.dtype.kind not in "iu" or indices.ndim != len(shape):
        raise IndexError(
            f"expected integers with {len(shape)} axes as indices, "
            f"got dtype {indices.dtype} and shape {indices.shape}"
        )
    places = list(_grid(shape))
    places[axis] = indices
    return tuple(places)


@lru_cache(maxsize=64)
def _grid(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """For each axis the positions along it, in a shape that broadcasts against the others."""
    return np.ix_(*map(np.arange, shape))


def astype(a: Array, dtype: Any) -> Array:
    return a.astype(dtype)


def bitcast(a: Array, dtype: Any) -> Array:
    return a.view(dtype)


# --- Networks -----------------------------------------------------------------------------------


def embedding(weight: Array, indices: Any) -> Any:
    _check_rows(indices, len(weight))
    return np.take(weight, indices, axis=0)  # a copy, also for a single row


@in_float32
def add_rows(a: Array, indices: Any, count: int) -> Array:
    _check_rows(indices, count)
    rest = a.shape[np.ndim(indices) :]
    y = np.zeros((count, *rest), a.dtype)
    if rest:  # np.add.at is several times faster on elements than on rows
        width = math.prod(rest)
        first = np.multiply(indices, width, dtype=np.intp)
        indices = first[..., np.newaxis] + np.arange(width)
    np.add.at(y.reshape(y.size), np.ravel(indices), np.ravel(a))
    return y


def _check_rows(indices: Any, count: int) -> None:
    if np.asarray(indices).dtype.kind not in "iu":
        raise TypeError(f"expected integers as indices, got dtype {np.asarray(indices).dtype}")
    if np.size(indices) and not 0 <= np.min(indices) <= np.max(indices) < count:
        raise IndexError(
            f"expected indices from 0 to {count - 1}, since there are {count} rows, "
            f"got indices from {np.min(indices)} to {np.max(indices)}"
        )


def dropout_mask(a: Array, rate: float, generator: np.random.Generator) -> Array:
    if not 0 <= rate < 1:
        raise ValueError(f"expected 0 <= rate < 1, got rate={rate!r}")
    if a.dtype.kind != "f":
        raise TypeError(f"expected floating point numbers, got dtype {a.dtype}")
    kept = generator.random(a.shape) >= rate
    mask: Array = np.multiply(kept, 1 / (1 - rate), dtype=a.dtype)
    return mask


@in_floating_point
def standardize(a: Array, axis: Axis = -1, eps: float = 1e-5) -> Array:
    centred = a - mean(a, axis, keepdims=True)
    y: Array = centred / np.sqrt(mean(np.square(centred), axis, keepdims=True) + eps)
    return y
