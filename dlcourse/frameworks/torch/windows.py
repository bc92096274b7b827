"""PyTorch's convolutions and poolings, and the gradients that it has as one operation.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001 (a function has every argument of the schema, used or not)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import along, rule
from dlcourse.frameworks.torch.rows import Rows, overloads

# --- Convolution ------------------------------------------------------------------------------


def conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    if len(x.shape) < len(weight.shape):  # one example without a batch axis
        batch = ops.expand_dims(x, 0)
        return ops.squeeze(conv(batch, weight, bias, stride, padding, dilation, groups), 0)
    y = ops.conv(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y if bias is None else y + along(bias, 1, len(y.shape))


def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    if len(x.shape) < len(weight.shape):
        batch = ops.expand_dims(x, 0)
        rest = (bias, stride, padding, output_padding, groups, dilation)
        return ops.squeeze(conv_transpose(batch, weight, *rest), 0)
    axes = len(x.shape) - 2
    sizes = zip(
        x.shape[2:], weight.shape[2:],
        *(_each(how, axes) for how in (stride, padding, dilation, output_padding)), strict=True,
    )  # fmt: skip
    spatial = [(n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, d, extra in sizes]
    shape = (x.shape[0], weight.shape[1] * groups, *spatial)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = ops.conv_input(x, weight, shape=shape, **how)
    return y if bias is None else y + along(bias, 1, len(y.shape))


def convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    if not transposed:
        return conv(x, weight, bias, stride, padding, dilation, groups)
    return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)


def convolution_backward(
    g: Any,
    x: Any,
    weight: Any,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    """The gradients with respect to x, weight and bias."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    bias = ops.sum(g, axis=(0, *range(2, len(g.shape))))
    if transposed:
        return ops.conv(g, weight, **how), ops.conv_weight(g, x, shape=weight.shape, **how), bias
    dx = rule(ops.conv, "x")(g, None, x, weight, **how)
    return dx, rule(ops.conv, "weight")(g, None, x, weight, **how), bias


# --- Pooling ----------------------------------------------------------------------------------


def _each(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each axis; aten writes a single number for all of them, too."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * (axes if len(numbers) == 1 else 1)


def _widths(
    lengths: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> list[tuple[int, int]]:
    """How many elements are added before and after each axis, so that whole windows cover it."""
    widths = []
    for n, k, s, p, d in zip(lengths, kernel, stride, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        count = (n + 2 * p - span) // s + 1
        if ceil and (n + 2 * p - span) % s and count * s < n + p:  # it begins inside
            count += 1
        widths.append((p, max((count - 1) * s + span - n - p, p)))
    return widths


def _pooling(axes: int) -> Rows:
    """The poolings of an image that has so many axes."""
    inner = tuple(range(-axes, 0))

    def max_pool(
        a: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> tuple[Any, Any]:  # fmt: skip
        """The largest elements, and their places in each image, flattened."""
        kernel = _each(kernel, axes)
        stride, padding, dilation = (_each(x, axes) for x in (stride or kernel, padding, dilation))
        widths = _widths(a.shape[-axes:], kernel, stride, padding, dilation, ceil_mode)
        windows = [
            np.arange(0, before + n + after - d * (k - 1), s)[:, None] + d * np.arange(k) - before
            for n, k, s, d, (before, after) in zip(
                a.shape[-axes:], kernel, stride, dilation, widths, strict=True
            )
        ]
        if set(dilation) == {1} and all(before == after for before, after in widths):
            how = {"kernel_size": kernel, "stride": stride, "padding": padding}
            places = ops.max_pool_indices(a, **how)
            first = math.prod(a.shape[-axes:]) * np.arange(math.prod(a.shape[:-axes]))
            return ops.max_pool(a, **how), places - first.reshape(*a.shape[:-axes], *[1] * axes)
        return _largest(a, windows)

    def max_pool_backward(g: Any, a: Any, *how: Any) -> Any:
        """The gradient is added at the places, which come last among the arguments."""
        places = how[-1]
        lines = (*a.shape[:-axes], -1)
        flat = ops.scatter_add_along_axis(
            ops.reshape(g, shape=lines), ops.reshape(places, shape=lines), axis=-1,
            shape=(*a.shape[:-axes], math.prod(a.shape[-axes:])),
        )  # fmt: skip
        return ops.reshape(flat, shape=a.shape)

    def how_averaged(
        shape: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, counted: bool,
        divisor: int | None,
    ) -> tuple[Any, dict[str, Any], Any]:  # fmt: skip
        """The widths of the padding, the parameters of sum_pool, and what its sums are over."""
        lengths, kernel = shape[-axes:], _each(kernel, axes)
        stride, padding = _each(stride or kernel, axes), _each(padding, axes)
        widths = _widths(lengths, kernel, stride, padding, (1,) * axes, ceil_mode)
        how = {"kernel_size": kernel, "stride": stride}
        outside = [(0, 0)] * (len(shape) - axes)
        if divisor is not None:
            return (*outside, *widths), how, divisor
        own = [(p, p) for p in padding] if counted else [(0, 0)] * axes  # counts as elements
        ones = np.ones([n + i + j for n, (i, j) in zip(lengths, own, strict=True)])
        rest = [(i - k, j - k) for (i, j), (k, _) in zip(widths, own, strict=True)]
        counts = ops.sum_pool(np.pad(ones, rest), **how)
        return (*outside, *widths), how, counts

    def avg_pool(
        a: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
        counted: bool = True, divisor: int | None = None,
    ) -> Any:  # fmt: skip
        widths, how, counts = how_averaged(
            a.shape, kernel, stride, padding, ceil_mode, counted, divisor
        )
        return ops.sum_pool(ops.pad(a, pad_width=widths), **how) / counts

    def avg_pool_backward(
        g: Any, a: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, counted: bool,
        divisor: int | None = None,
    ) -> Any:  # fmt: skip
        widths, how, counts = how_averaged(
            a.shape, kernel, stride, padding, ceil_mode, counted, divisor
        )
        shape = tuple(n + i + j for n, (i, j) in zip(a.shape, widths, strict=True))
        padded = ops.sum_pool_input(g / counts, shape=shape, **how)
        return padded[tuple(slice(i, i + n) for n, (i, _) in zip(a.shape, widths, strict=True))]

    def adaptive_avg_pool(a: Any, size: Any) -> Any:
        for axis, m in zip(inner, size, strict=True):
            a = _along_axis(a, _means(a.shape[axis], m, a.dtype), axis)
        return a

    def adaptive_avg_pool_backward(g: Any, a: Any) -> Any:
        for axis in inner:
            g = _along_axis(g, _means(a.shape[axis], g.shape[axis], a.dtype).T, axis)
        return g

    def adaptive_max_pool(a: Any, size: Any) -> tuple[Any, Any]:
        windows = [_adaptive(a.shape[axis], m) for axis, m in zip(inner, size, strict=True)]
        return _largest(a, windows)

    return {
        f"max_pool{axes}d": lambda *how: max_pool(*how)[0],
        f"max_pool{axes}d_with_indices": max_pool,
        f"max_pool{axes}d_with_indices_backward": max_pool_backward,
        f"adaptive_max_pool{axes}d": adaptive_max_pool,
        f"adaptive_max_pool{axes}d_backward": max_pool_backward,
        f"avg_pool{axes}d": avg_pool,
        f"avg_pool{axes}d_backward": avg_pool_backward,
        f"adaptive_avg_pool{axes}d": adaptive_avg_pool,
        f"_adaptive_avg_pool{axes}d": adaptive_avg_pool,
        f"_adaptive_avg_pool{axes}d_backward": adaptive_avg_pool_backward,
    }


def _largest(a: Any, windows: Sequence[Any]) -> tuple[Any, Any]:
    """The largest element of each window, and its place in the image, flattened.

    Args:
        a: (..., *lengths).
        windows: For each of the last axes the places of its windows, (count, size); those outside
            of the axis are left out.
    """
    axes, lengths = len(windows), a.shape[-len(windows) :]
    grids, inside, flat = [], np.array(True), np.array(0)
    for i, (places, n) in enumerate(zip(windows, lengths, strict=True)):
        shape = [1] * (2 * axes)
        shape[i], shape[axes + i] = places.shape
        grid = places.reshape(shape)
        inside = inside & (grid >= 0) & (grid < n)
        grids.append(np.clip(grid, 0, n - 1))
        flat = flat * n + grids[-1]
    values = ops.where(inside, a[(..., *grids)], -np.inf)
    count = inside.shape[:axes]
    values = ops.reshape(values, shape=(*a.shape[:-axes], *count, -1))
    chosen = ops.expand_dims(ops.argmax(values, axis=-1), -1)
    flat = np.broadcast_to(flat, inside.shape).reshape(*count, -1)
    flat = np.broadcast_to(flat, values.shape)
    places = ops.take_along_axis(flat, chosen, axis=-1)
    return ops.take_along_axis(values, chosen, axis=-1)[..., 0], places[..., 0]


def _adaptive(n: int, m: int) -> Any:
    """The m windows that cover an axis of length n, (m, size), with -1 after the shorter ones."""
    begins = [i * n // m for i in range(m)]
    ends = [-(-(i + 1) * n // m) for i in range(m)]
    size = max(end - begin for begin, end in zip(begins, ends, strict=True))
    places = np.array(begins)[:, None] + np.arange(size)
    return np.where(places < np.array(ends)[:, None], places, -1)


def _means(n: int, m: int, dtype: Any) -> Any:
    """The matrix (m, n) that takes the mean of each adaptive window."""
    inside = (_adaptive(n, m)[:, :, None] == np.arange(n)).any(axis=1)
    return (inside / inside.sum(axis=1, keepdims=True)).astype(dtype)


def _along_axis(a: Any, matrix: Any, axis: int) -> Any:
    """The matrix times each line of ``a`` along an axis."""
    return ops.swapaxes(ops.matmul(ops.swapaxes(a, axis, -1), matrix.T), axis, -1)


# --- The table --------------------------------------------------------------------------------

TABLE: Rows = {
    **overloads("default", {
        "conv1d": conv, "conv2d": conv, "conv3d": conv, "convolution": convolution,
        "convolution_backward": convolution_backward,
        **_pooling(1), **_pooling(2), **_pooling(3),
    }),
    **overloads("padding", {"conv1d": conv, "conv2d": conv, "conv3d": conv}),
    "aten.conv_transpose1d.default": conv_transpose, "aten.conv_transpose2d.input": conv_transpose,
    "aten.conv_transpose3d.input": conv_transpose,
}  # fmt: skip
