"""The values of convolution and pooling, on raw arrays with any number of spatial axes.

A window slides over the spatial axes, which come last. Each place within the window, a tap, meets
the elements of one strided view of the padded array while the window takes its positions. The
kernels loop over the few taps; what happens at all positions, for all channels and the whole batch,
is one NumPy call. A convolution copies these views into a matrix and is then one matrix product
(im2col).

Source: Chellapilla, Puri & Simard, High performance convolutional neural networks for document
processing (2006); Dumoulin & Visin, A guide to convolution arithmetic for deep learning (2016),
https://arxiv.org/abs/1603.07285.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from dlcourse.ops.precision import in_float32
from dlcourse.ops.primitive import Array

EachAxis: TypeAlias = int | Sequence[int]  # one integer for all spatial axes, or one for each
Padding: TypeAlias = EachAxis | str


@dataclass(frozen=True)
class Window:
    """How a window slides: for each spatial axis its size, its steps, and where it may stand."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]  # how many elements are added before and after
    positions: tuple[int, ...]

    @cached_property
    def taps(self) -> list[tuple[Any, ...]]:
        """For each place within the window, the index of what it meets in the padded array."""
        found: list[tuple[Any, ...]] = []
        for tap in np.ndindex(self.size):
            starts = [t * d for t, d in zip(tap, self.dilation, strict=True)]
            met = [
                slice(start, start + (n - 1) * step + 1, step)
                for start, n, step in zip(starts, self.positions, self.stride, strict=True)
            ]
            found.append((..., *met))
        return found

    def padded_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        first = len(shape) - len(self.size)
        grown = [n + sum(pad) for n, pad in zip(shape[first:], self.pads, strict=True)]
        return (*shape[:first], *grown)

    def inner(self, padded: Array) -> Array:
        """The part of the padded array that is not padding, as a view."""
        first = padded.ndim - len(self.size)
        ends: list[Any] = [
            slice(before, n - after)
            for n, (before, after) in zip(padded.shape[first:], self.pads, strict=True)
        ]
        return padded[..., *ends]

    def pad(self, a: Array, fill: Any = 0) -> Array:
        if not any(map(any, self.pads)):
            return a
        padded = np.full(self.padded_shape(a.shape), fill, a.dtype)
        self.inner(padded)[...] = a
        return padded


def slide(
    lengths: Sequence[int],
    size: Sequence[int],
    stride: EachAxis,
    padding: Padding,
    dilation: EachAxis = 1,
) -> Window:
    """The window of the given size over spatial axes of the given lengths."""
    count = len(size)
    strides = each_axis("stride", stride, count, least=1)
    dilations = each_axis("dilation", dilation, count, least=1)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilations, strict=True)]
    if padding == "same":
        # As many positions as strides begin in the array; the odd element is added at the end.
        needed = [
            max((-(-n // s) - 1) * s + span - n, 0)
            for n, s, span in zip(lengths, strides, spans, strict=True)
        ]
        pads = [(total // 2, total - total // 2) for total in needed]
    elif isinstance(padding, str) and padding != "valid":
        raise ValueError(f"expected padding 'same', 'valid' or integers, got {padding!r}")
    else:
        each = each_axis("padding", 0 if padding == "valid" else padding, count, least=0)
        pads = [(p, p) for p in each]
    padded = [n + sum(pad) for n, pad in zip(lengths, pads, strict=True)]
    if any(span > n for span, n in zip(spans, padded, strict=True)):
        raise ValueError(
            f"expected a window that fits into the padded axes, got a window that spans "
            f"{tuple(spans)} (dilation included) and axes of {tuple(padded)} (padding included)"
        )
    positions = [(n - span) // s + 1 for n, span, s in zip(padded, spans, strides, strict=True)]
    return Window(tuple(size), strides, dilations, tuple(pads), tuple(positions))


def each_axis(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """``value`` for each of ``count`` spatial axes."""
    integer = int | np.integer
    values = (value,) * count if isinstance(value, integer) else tuple(np.atleast_1d(value))
    if len(values) != count or any(not isinstance(v, integer) or v < least for v in values):
        raise ValueError(
            f"expected {name} to be an integer of at least {least}, or one for each of "
            f"{count} spatial axes, got {value!r}"
        )
    return tuple(map(int, values))


# --- Convolution --------------------------------------------------------------------------------
# x is (batch, channels, *spatial), weight (out channels, channels / groups, *size) and y
# (batch, out channels, *positions). The three kernels are the three derivatives of the trilinear
# form sum(conv(x, weight) * a), so each is the derivative rule of the others.


@in_float32
def conv(
    x: Array,
    weight: Array,
    stride: EachAxis = 1,
    padding: Padding = 0,
    dilation: EachAxis = 1,
    groups: int = 1,
) -> Array:
    window = _window(x.shape, weight.shape, stride, padding, dilation, groups)
    y = np.matmul(_kernels(weight, groups), _columns(x, window, groups))
    channels_first = y.reshape(len(weight), len(x), *window.positions)
    return np.ascontiguousarray(channels_first.swapaxes(0, 1))


@in_float32
def conv_input(
    a: Array,
    weight: Array,
    shape: Sequence[int],
    stride: EachAxis = 1,
    padding: Padding = 0,
    dilation: EachAxis = 1,
    groups: int = 1,
) -> Array:
    window = _window(shape, weight.shape, stride, padding, dilation, groups)
    _check_result("a", a, (shape[0], len(weight), *window.positions))
    columns = np.matmul(_kernels(weight, groups).swapaxes(1, 2), _rows(a, groups))
    met = columns.reshape(shape[1], len(window.taps), shape[0], *window.positions)
    padded = np.zeros(window.padded_shape(shape), met.dtype)
    channels_first = padded.swapaxes(0, 1)
    for i, tap in enumerate(window.taps):
        channels_first[tap] += met[:, i]
    return np.ascontiguousarray(window.inner(padded))


@in_float32
def conv_weight(
    x: Array,
    a: Array,
    shape: Sequence[int],
    stride: EachAxis = 1,
    padding: Padding = 0,
    dilation: EachAxis = 1,
    groups: int = 1,
) -> Array:
    window = _window(x.shape, shape, stride, padding, dilation, groups)
    _check_result("a", a, (len(x), shape[0], *window.positions))
    product = np.matmul(_rows(a, groups), _columns(x, window, groups).swapaxes(1, 2))
    gradient: Array = product.reshape(tuple(shape))
    return gradient


def _window(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: EachAxis,
    padding: Padding,
    dilation: EachAxis,
    groups: int,
) -> Window:
    """The window of a convolution, after a check that its shapes fit together."""
    if len(x_shape) < 3 or len(x_shape) != len(weight_shape):
        raise ValueError(
            "expected x (batch, channels, *spatial) and weight (out channels, channels / groups, "
            f"*size) with as many axes, got shapes {tuple(x_shape)} and {tuple(weight_shape)}"
        )
    channels, out_channels = x_shape[1], weight_shape[0]
    if groups < 1 or channels % groups or out_channels % groups:
        raise ValueError(
            f"expected groups to divide the channels of x, {channels}, and of the result, "
            f"{out_channels}, got groups={groups}"
        )
    if channels != weight_shape[1] * groups:
        raise ValueError(
            f"expected x.shape[1] == weight.shape[1] * groups, got {channels} channels and "
            f"{weight_shape[1]} * {groups}"
        )
    return slide(x_shape[2:], weight_shape[2:], stride, padding, dilation)


def _check_result(name: str, a: Array, shape: tuple[int, ...]) -> None:
    if a.shape != shape:
        raise ValueError(
            f"expected {name} to have the shape of the convolution's result, {shape}, got {a.shape}"
        )


def _kernels(weight: Array, groups: int) -> Array:
    """(groups, out channels of a group, taps of all its channels)"""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


def _rows(a: Array, groups: int) -> Array:
    """(groups, channels of a group, positions in the whole batch)"""
    batch, channels, *positions = a.shape
    shape = (groups, channels // groups, batch * math.prod(positions))
    return a.swapaxes(0, 1).reshape(shape)


def _columns(x: Array, window: Window, groups: int) -> Array:
    """(groups, taps of all channels of a group, positions in the whole batch)"""
    batch, channels = x.shape[:2]
    met = np.empty((channels, len(window.taps), batch, *window.positions), x.dtype)
    channels_first = window.pad(x).swapaxes(0, 1)
    for i, tap in enumerate(window.taps):
        met[:, i] = channels_first[tap]
    rows = channels // groups * len(window.taps)
    return met.reshape(groups, rows, batch * math.prod(window.positions))


# --- Pooling ------------------------------------------------------------------------------------
# The last len(kernel_size) axes are pooled; the stride is kernel_size unless it is given.


def max_pool(
    a: Array, kernel_size: Sequence[int], stride: EachAxis | None = None, padding: Padding = 0
) -> Array:
    window = _pool_window(a.shape, kernel_size, stride, padding)
    padded = window.pad(a, _lowest(a.dtype))
    y = np.full((*a.shape[: -len(kernel_size)], *window.positions), _lowest(a.dtype), a.dtype)
    for tap in window.taps:
        np.maximum(y, padded[tap], out=y)
    return y


def max_pool_indices(
    a: Array, kernel_size: Sequence[int], stride: EachAxis | None = None, padding: Padding = 0
) -> Array:
    window = _pool_window(a.shape, kernel_size, stride, padding)
    largest = max_pool(a, kernel_size, stride, padding)
    padded = window.pad(a, _lowest(a.dtype))
    missed = np.ones(largest.shape, bool)
    misses = np.zeros(largest.shape, int)  # how many taps come before the one that finds it
    for tap in window.taps:
        met = padded[tap].copy()  # a copy is compared faster than a strided view
        missed &= ~((met == largest) | (met != met))  # a nan is the largest
        misses += missed
    axes = len(window.size)
    images, length = math.prod(a.shape[:-axes]), math.prod(a.shape[-axes:])
    positions = math.prod(window.positions)
    # Where all elements are -inf, padding may be found; the element at the edge stands for it.
    index = np.pad(np.arange(length).reshape(a.shape[-axes:]), window.pads, mode="edge")
    met_index = np.stack([index[tap] for tap in window.taps]).reshape(-1, positions)
    found = met_index[misses.reshape(images, positions), np.arange(positions)]
    return (found + length * np.arange(images)[:, np.newaxis]).reshape(largest.shape)


@in_float32
def sum_pool(
    a: Array, kernel_size: Sequence[int], stride: EachAxis | None = None, padding: Padding = 0
) -> Array:
    window = _pool_window(a.shape, kernel_size, stride, padding)
    padded = window.pad(a)
    dtype = np.add.reduce(a[..., 0:0], axis=-1).dtype  # small integers are added in larger ones
    y = np.zeros((*a.shape[: -len(kernel_size)], *window.positions), dtype)
    for tap in window.taps:
        y += padded[tap]
    return y


@in_float32
def sum_pool_input(
    a: Array,
    shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: EachAxis | None = None,
    padding: Padding = 0,
) -> Array:
    window = _pool_window(shape, kernel_size, stride, padding)
    padded = np.zeros(window.padded_shape(shape), a.dtype)
    for tap in window.taps:
        padded[tap] += a
    return np.ascontiguousarray(window.inner(padded))


def _pool_window(
    shape: Sequence[int], kernel_size: Sequence[int], stride: EachAxis | None, padding: Padding
) -> Window:
    """The window of a pooling; each position has at least one element that is not padding."""
    sizes = each_axis("kernel_size", kernel_size, len(kernel_size), least=1)
    if len(shape) < len(sizes):
        raise ValueError(f"expected at least {len(sizes)} axes to pool over, got {tuple(shape)}")
    lengths = shape[-len(sizes) :]
    window = slide(lengths, sizes, sizes if stride is None else stride, padding)
    if 0 in lengths:
        raise ValueError(f"expected an element along each axis to pool over, got {tuple(shape)}")
    if any(2 * before > k for k, (before, _) in zip(sizes, window.pads, strict=True)):
        raise ValueError(
            f"expected padding of at most half of kernel_size {sizes}, got {padding!r}"
        )
    return window


def _lowest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
