"""Pooling: windows of an input, each replaced by its largest element or its mean."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.nn.module import Module
from dlcourse.ops import Array, Value
from dlcourse.ops.convolution import EachAxis, Padding

OutputSize: TypeAlias = int | Sequence[int | None] | None


class _Pool(Module):
    """What the poolings share: a window of ``kernel_size`` every ``stride`` elements.

    Args:
        kernel_size: The size of the window, an integer or one for each spatial axis.
        stride: By default kernel_size, so that windows do not overlap.
        padding: How many elements are added at both ends; they are never the largest, and count
            as zeros in a mean.
    """

    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, kernel_size: EachAxis, stride: EachAxis | None = None, padding: Padding = 0
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Value) -> Value:
        return type(self).pool(x, self.kernel_size, self.stride, self.padding)


class MaxPool1d(_Pool):
    """The largest element of each window over the last axis.

    The arguments are those of ``ops.max_pool1d``.

    Source: torch.nn.MaxPool1d.
    """

    pool = ops.max_pool1d


class MaxPool2d(_Pool):
    """The largest element of each window over the last two axes.

    The arguments are those of ``ops.max_pool2d``.

    Source: torch.nn.MaxPool2d.
    """

    pool = ops.max_pool2d


class AvgPool1d(_Pool):
    """The mean of each window over the last axis.

    The arguments are those of ``ops.avg_pool1d``.

    Source: torch.nn.AvgPool1d.
    """

    pool = ops.avg_pool1d


class AvgPool2d(_Pool):
    """The mean of each window over the last two axes.

    The arguments are those of ``ops.avg_pool2d``.

    Source: torch.nn.AvgPool2d.
    """

    pool = ops.avg_pool2d


class _AdaptivePool(Module):
    """What the adaptive poolings share; see AdaptiveAvgPool2d."""

    axes: ClassVar[int]

    def __init__(self, output_size: OutputSize) -> None:
        sizes = output_size if isinstance(output_size, Sequence) else (output_size,) * self.axes
        if len(sizes) != self.axes or any(n is not None and n < 1 for n in sizes):
            raise ValueError(
                f"{type(self).__name__}: expected an output_size >= 1 for each of {self.axes} "
                f"axes (or None), got {output_size!r}"
            )
        self.output_size = output_size
        self._sizes = tuple(sizes)

    def forward(self, x: Value) -> Value:
        lengths = x.shape[-self.axes :]
        if len(x.shape) not in (self.axes + 1, self.axes + 2) or 0 in lengths:
            raise ValueError(
                f"{type(self).__name__}: expected (N, C, {'L' if self.axes == 1 else 'H, W'}), "
                f"without a batch or with one, got shape {x.shape}"
            )
        pairs = zip(lengths, self._sizes, strict=True)
        return self.pool(x, [_windows(n, n if size is None else size) for n, size in pairs])

    @abstractmethod
    def pool(self, x: Value, windows: list[list[range]]) -> Value:
        """The result, from the windows along each of the last axes."""


def _windows(length: int, count: int) -> list[range]:
    """``count`` windows that cover an axis and overlap by at most one element."""
    return [range(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _gathered(x: Value, windows: list[list[range]], filler: Callable[[range], int]) -> Value:
    """The elements of each window along a new last axis.

    Windows that are smaller than the largest one are filled up with the element ``filler``.
    """
    n = len(windows)
    index: list[Any] = [...]
    for axis, along in enumerate(windows):
        size = max(map(len, along))
        places = np.array([[*w, *[filler(w)] * (size - len(w))] for w in along])
        shape = [1] * (2 * n)
        shape[axis], shape[n + axis] = places.shape
        index.append(places.reshape(shape))
    found = ops.getitem(x, index=tuple(index))
    return ops.reshape(found, shape=(*found.shape[:-n], math.prod(found.shape[-n:])))


class _AdaptiveMaxPool(_AdaptivePool):
    def pool(self, x: Value, windows: list[list[range]]) -> Value:
        found = _gathered(x, windows, filler=lambda window: window[-1])
        # The pooling gives the gradient to the first of those that tie.
        return ops.reshape(ops.max_pool1d(found, found.shape[-1]), shape=found.shape[:-1])


class _AdaptiveAvgPool(_AdaptivePool):
    def pool(self, x: Value, windows: list[list[range]]) -> Value:
        # Zeros at the end of each axis, with which the windows are filled up.
        before = [(0, 0)] * (len(x.shape) - self.axes)
        padded = ops.pad(x, pad_width=(*before, *[(0, 1)] * self.axes))
        found = _gathered(padded, windows, filler=lambda _: -1)
        return ops.sum(found, axis=-1) / _counts(windows).astype(x.dtype)


def _counts(windows: list[list[range]]) -> Array:
    """How many elements each window has."""
    counts = np.ones((), int)
    for along in windows:
        counts = np.multiply.outer(counts, [len(window) for window in along])
    return counts


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of windows over the last axis, as many as asked for; see AdaptiveAvgPool2d.

    Args:
        output_size: The length of the result.

    Source: torch.nn.AdaptiveAvgPool1d.
    """

    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of windows over the last two axes, as many as asked for.

    Of a picture (N, C, H, W) the result is ``(N, C, *output_size)``; an output size of 1 is the
    mean of each channel. Along an axis of length L in n parts, window i reaches from
    floor(i L / n) up to, and without, ceil((i + 1) L / n).

    Args:
        output_size: The height and width of the result, or one number for both; None for that of
            the input.

    Raises:
        ValueError: The output size or the shape does not fit.

    Source: torch.nn.AdaptiveAvgPool2d.
    """

    axes = 2


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of windows over the last axis; see AdaptiveAvgPool2d.

    Args:
        output_size: The length of the result.

    Source: torch.nn.AdaptiveMaxPool1d.
    """

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of windows over the last two axes; see AdaptiveAvgPool2d.

    Of elements that tie, the first receives the gradient. The arguments are those of
    AdaptiveAvgPool2d.

    Source: torch.nn.AdaptiveMaxPool2d.
    """

    axes = 2
