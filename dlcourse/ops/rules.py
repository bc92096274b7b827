"""The derivative rules and expansions that take more than one line, and what the rules share.

As in the table, they are written with the table's operations (``t``), never with ``np``.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from dlcourse.ops import kernels
from dlcourse.ops.axes import position
from dlcourse.ops.primitive import Axis, as_value
from dlcourse.ops.primitive import operations as t

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
    return math.prod(shape[i] for i in reduced_axes(shape, axis))


def restore_axes(g: Any, a: Any, axis: Axis) -> Any:
    """``g``, the gradient of a reduction of ``a``, in a shape that broadcasts against ``a``.

    Each reduced axis is back at length 1; without any axis left, it broadcasts as it is.
    """
    return g if axis is None else t.reshape(g, shape=kept_shape(a.shape, axis))


def expand_dims(a: Any, axis: int) -> Any:
    """``a`` with a new axis of length 1 at position ``axis`` of the result."""
    a = as_value(a)
    i = position("expand_dims", axis, len(a.shape) + 1)
    return t.reshape(a, shape=(*a.shape[:i], 1, *a.shape[i:]))


def squeeze(a: Any, axis: Axis = None) -> Any:
    """``a`` without its axes ``axis``, which must have length 1; by default without all such."""
    a = as_value(a)
    shape, ndim = a.shape, len(a.shape)
    if axis is None:
        return t.reshape(a, shape=tuple(n for n in shape if n != 1))
    removed = {position("squeeze", i, ndim) for i in (axis if isinstance(axis, tuple) else (axis,))}
    if any(shape[i] != 1 for i in removed):
        raise ValueError(f"squeeze: expected an axis of length 1, got axis={axis} of {shape}")
    return t.reshape(a, shape=tuple(n for i, n in enumerate(shape) if i not in removed))


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """``a`` with ``axis1`` and ``axis2`` exchanged."""
    a = as_value(a)
    order = list(range(len(a.shape)))
    try:
        order[axis1], order[axis2] = order[axis2], order[axis1]
    except IndexError:
        for axis in (axis1, axis2):
            position("swapaxes", axis, len(order))  # says what is wrong
        raise
    return t.transpose(a, axes=tuple(order))


def slice_along(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """The elements from ``start`` to ``stop`` along one axis."""
    place = (slice(None),) * (axis % len(a.shape))
    return t.getitem(a, index=(*place, slice(start, stop)))


def widened(a: Any) -> Any:
    """``a``, in float32 if it is of float16, whose largest number is 65,504.

    For a rule that needs larger or smaller numbers on the way; the driver of the rules gives the
    gradient the dtype of the argument.
    """
    return t.astype(a, dtype=np.float32) if a.dtype.char == "e" else a


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
        return t.sum(g, axis=0 if extra == 1 else tuple(range(extra)))
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        raise ValueError(f"a gradient of shape {g.shape} cannot belong to a value of shape {shape}")
    stretched = tuple(i for i, n in enumerate(shape, start=extra) if n == 1 and g.shape[i] != 1)
    total = t.sum(g, axis=(*range(extra), *stretched))
    return total if total.shape == shape else t.reshape(total, shape=shape)


# --- Rules that are more than one line --------------------------------------------------------


def matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * b
    if len(a.shape) == 1:
        return squeeze(t.matmul(b, expand_dims(g, -1)), -1)
    return t.matmul(g, swapaxes(b, -1, -2))


def matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if len(b.shape) == 1:
        return expand_dims(g, -1) * a
    if len(a.shape) == 1:
        return expand_dims(a, -1) * expand_dims(g, -2)
    return t.matmul(swapaxes(a, -1, -2), g)


def rows(a: Any) -> Any:
    """``a`` as a matrix, one row for each index of the leading axes."""
    n = len(a.shape)
    return a if n == 2 else t.reshape(a, shape=(math.prod(a.shape[:-1]), a.shape[-1]))


def power_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    # a ** 0 is 1 everywhere, so its derivative is 0, also at a = 0, where a ** (0 - 1) is infinite.
    if isinstance(b, int | float):
        return g * 0 if b == 0 else g * b * a ** (b - 1)
    # Not b - 1: without a sign, 0 - 1 is 255.
    return g * b * a ** t.where(t.equal(a, 0) * t.equal(b, 0), 1, b - 1.0)


def power_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    # 0 ** b is 0 for every b > 0, so its derivative is 0, although log(0) is infinite.
    base_or_one = t.where(t.equal(a, 0), t.where(t.greater_equal(b, 0), 1, a), a)
    return g * y * t.log(base_or_one)


def share_among_extremes(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    # Elements that tie for the extreme share the gradient equally, as in torch.amax and TensorFlow.
    extreme = a == restore_axes(y, a, axis)
    return extreme * restore_axes(g, a, axis) / t.sum(extreme, axis=axis, keepdims=True)


def prod_a(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    # Not y / a, which is lost where a is 0.
    a = widened(a)
    reduced = reduced_axes(a.shape, axis)
    order = (*(i for i in range(len(a.shape)) if i not in reduced), *reduced)
    front = t.transpose(a, axes=order)
    kept = front.shape[: len(order) - len(reduced)]
    rows = t.reshape(front, shape=(*kept, reduced_count(a.shape, axis)))
    others = t.reshape(product_of_others(rows), shape=front.shape)
    return restore_axes(g, a, axis) * t.transpose(others, axes=inverse_permutation(order))


def product_of_others(a: Any) -> Any:
    """For each element the product of all others along the last axis.

    Of a pair, each element is multiplied with its partner and with what the other pairs multiply
    to. The pairs are half as many, so the work is linear in the number of elements.
    """
    n = a.shape[-1]
    if n <= 1:
        return np.ones(a.shape, a.dtype)
    if n % 2:
        a = t.pad(a, pad_width=((0, 0),) * (len(a.shape) - 1) + ((0, 1),), value=1)
    even, odd = (
        t.getitem(a, index=(..., slice(0, None, 2))),
        t.getitem(a, index=(..., slice(1, None, 2))),
    )
    above = product_of_others(even * odd)
    pairs = t.concatenate([expand_dims(above * odd, -1), expand_dims(above * even, -1)], axis=-1)
    return slice_along(t.reshape(pairs, shape=a.shape), -1, 0, n)


def var_a(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    g, a = widened(g), widened(a)
    divisor = max(reduced_count(a.shape, axis) - ddof, 0)
    return restore_axes(2 * g, a, axis) * (a - t.mean(a, axis=axis, keepdims=True)) / divisor


def std_a(g: Any, y: Any, a: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    g, y, a = widened(g), widened(y), widened(a)
    divisor = max(reduced_count(a.shape, axis) - ddof, 0)
    centred = a - t.mean(a, axis=axis, keepdims=True)
    return restore_axes(g, a, axis) * t.divide_or_zero(centred, restore_axes(y, a, axis)) / divisor


def softmax_a(g: Any, y: Any, a: Any, axis: int = -1) -> Any:
    g, y = widened(g), widened(y)
    return y * (g - t.sum(g * y, axis=axis, keepdims=True))


def log_softmax_a(g: Any, y: Any, a: Any, axis: int = -1) -> Any:
    g, y = widened(g), widened(y)
    return g - t.exp(y) * t.sum(g, axis=axis, keepdims=True)


def silu_a(g: Any, y: Any, a: Any) -> Any:
    s = t.sigmoid(a)
    return g * (s + y * (1 - s))


def gelu_a(g: Any, y: Any, a: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        density = t.exp(-a * a / 2) / math.sqrt(2 * math.pi)
        return g * (t.erfc(a * -math.sqrt(0.5)) / 2 + a * density)
    scale, cubic = kernels.GELU_SCALE, kernels.GELU_CUBIC
    h = t.tanh(scale * (a + cubic * a * a * a))
    return g * (1 + h + a * (1 - h * h) * scale * (1 + 3 * cubic * a * a)) / 2


def einsum_operand(i: int, g: Any, y: Any, *operands: Any, subscripts: str) -> Any:
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
    return t.einsum(values, subscripts=f"{','.join(names)}->{target}")


def unpadded(shape: Sequence[int], pad_width: Any) -> tuple[slice, ...]:
    """The index of the original elements within the padded ones."""
    widths = np.broadcast_to(pad_width, (len(shape), 2)).tolist()
    return tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))


def negated(shift: int | Sequence[int]) -> int | tuple[int, ...]:
    return tuple(-s for s in shift) if isinstance(shift, Sequence) else -shift


def tile_a(g: Any, y: Any, a: Any, reps: int | Sequence[int]) -> Any:
    reps = tuple(reps) if isinstance(reps, Sequence) else (reps,)
    n = max(len(reps), len(a.shape))
    reps, lengths = (1,) * (n - len(reps)) + reps, (1,) * (n - len(a.shape)) + a.shape
    apart = t.reshape(g, shape=tuple(chain.from_iterable(zip(reps, lengths, strict=True))))
    return t.reshape(t.sum(apart, axis=tuple(range(0, 2 * n, 2))), shape=a.shape)


def repeat_a(g: Any, y: Any, a: Any, repeats: int, axis: int) -> Any:
    position = axis % len(a.shape) + 1
    apart = (*a.shape[:position], repeats, *a.shape[position:])
    return t.sum(t.reshape(g, shape=apart), axis=position)


def part(g: Any, i: int, arrays: Sequence[Any], axis: int) -> Any:
    """The part of ``g`` along ``axis`` where array number ``i`` lies."""
    start = sum(a.shape[axis] for a in arrays[:i])
    return slice_along(g, axis, start, start + arrays[i].shape[axis])


def inverse_permutation(axes: Sequence[int] | None) -> tuple[int, ...] | None:
    if axes is None:
        return None
    order = [0] * len(axes)
    for i, axis in enumerate(axes):
        order[axis] = i
    return tuple(order)


def standardize_a(g: Any, y: Any, a: Any, axis: Axis = -1, eps: float = 1e-5) -> Any:
    over = {"axis": axis, "keepdims": True}
    if a.dtype.char == "e":  # the digits of float16 are too few for the difference below
        g, a = widened(g), widened(a)
        y = t.standardize(a, axis=axis, eps=eps)
    deviation = t.sqrt(t.mean(t.square(a - t.mean(a, **over)), **over) + eps)
    return (g - t.mean(g, **over) - y * t.mean(g * y, **over)) / deviation


# --- Operations of more than one line, written with smaller ones -------------------------------


def expand_sigmoid(a: Any) -> Any:
    decay = t.exp(-t.abs(a))
    return t.maximum(decay, t.greater_equal(a, 0)) / (1 + decay)


def expand_softmax(a: Any, axis: int = -1) -> Any:
    if 0 in a.shape:  # no elements, so no maximum
        return a
    e = t.exp(a - t.max(a, axis=axis, keepdims=True))
    return e / t.sum(e, axis=axis, keepdims=True)


def expand_log_softmax(a: Any, axis: int = -1) -> Any:
    if 0 in a.shape:
        return a
    shifted = a - t.max(a, axis=axis, keepdims=True)
    return shifted - t.log(t.sum(t.exp(shifted), axis=axis, keepdims=True))


def expand_standardize(a: Any, axis: Axis = -1, eps: float = 1e-5) -> Any:
    centred = a - t.mean(a, axis=axis, keepdims=True)
    return centred / t.sqrt(t.mean(t.square(centred), axis=axis, keepdims=True) + eps)
