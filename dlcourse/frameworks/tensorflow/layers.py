"""TensorFlow's convolutions and poolings of images.

TensorFlow has images as (batch, height, width, channels) and kernels as (height, width, in, out);
dlcourse, as PyTorch, has (batch, channels, height, width) and (out, in, height, width). ``padding``
"SAME" and "VALID" mean the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.formulas import known_ints, rule, window_counts


def _channels_first(image: Any) -> Any:
    return ops.transpose(image, axes=(0, 3, 1, 2))


def _channels_last(image: Any) -> Any:
    return ops.transpose(image, axes=(0, 2, 3, 1))


def _how(padding: str, strides: Sequence[int], data_format: str) -> dict[str, Any]:
    if data_format != "NHWC" or padding == "EXPLICIT":
        raise ValueError(
            "expected images (batch, height, width, channels) and padding 'SAME' or 'VALID', got "
            f"data_format={data_format!r}, padding={padding!r}"
        )
    return {"padding": padding.lower(), "stride": tuple(strides[1:3])}


# --- Convolution ------------------------------------------------------------------------------


def _kernel(weight: Any) -> Any:
    return ops.transpose(weight, axes=(3, 2, 0, 1))


def conv2d(
    x: Any, weight: Any, *, padding: str, strides: Any, dilations: Any, data_format: str
) -> Any:
    how = _how(padding, strides, data_format) | {"dilation": tuple(dilations[1:3])}
    groups = x.shape[3] // weight.shape[2]
    y = ops.conv(_channels_first(x), _kernel(weight), groups=groups, **how)
    return _channels_last(y)


def conv2d_input(
    shape: Any,
    weight: Any,
    g: Any,
    *,
    padding: str,
    strides: Any,
    dilations: Any,
    data_format: str,
) -> Any:
    """The gradient with respect to the images, which have the given shape."""
    how = _how(padding, strides, data_format) | {"dilation": tuple(dilations[1:3])}
    n, height, width, channels = known_ints(shape)
    groups = channels // weight.shape[2]
    size = (n, channels, height, width)
    dx = ops.conv_input(_channels_first(g), _kernel(weight), shape=size, groups=groups, **how)
    return _channels_last(dx)


def conv2d_filter(
    x: Any,
    shape: Any,
    g: Any,
    *,
    padding: str,
    strides: Any,
    dilations: Any,
    data_format: str,
) -> Any:
    """The gradient with respect to the kernels, which have the given shape."""
    how = _how(padding, strides, data_format) | {"dilation": tuple(dilations[1:3])}
    height, width, inner, outer = known_ints(shape)
    groups = x.shape[3] // inner
    size = (outer, inner, height, width)
    dw = ops.conv_weight(_channels_first(x), _channels_first(g), shape=size, groups=groups, **how)
    return ops.transpose(dw, axes=(2, 3, 1, 0))


def _depthwise_kernel(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape, for conv2d, of kernels (height, width, channels, results of each channel)."""
    height, width, channels, each = shape
    return height, width, 1, channels * each


def depthwise(
    x: Any, weight: Any, *, padding: str, strides: Any, dilations: Any, data_format: str
) -> Any:
    weight = ops.reshape(weight, shape=_depthwise_kernel(weight.shape))
    return conv2d(
        x, weight, padding=padding, strides=strides, dilations=dilations, data_format=data_format
    )


def depthwise_input(
    shape: Any,
    weight: Any,
    g: Any,
    *,
    padding: str,
    strides: Any,
    dilations: Any,
    data_format: str,
) -> Any:
    weight = ops.reshape(weight, shape=_depthwise_kernel(weight.shape))
    return conv2d_input(
        shape, weight, g, padding=padding, strides=strides, dilations=dilations,
        data_format=data_format,
    )  # fmt: skip


def depthwise_filter(
    x: Any,
    shape: Any,
    g: Any,
    *,
    padding: str,
    strides: Any,
    dilations: Any,
    data_format: str,
) -> Any:
    size = np.array(_depthwise_kernel(known_ints(shape)))
    dw = conv2d_filter(
        x, size, g, padding=padding, strides=strides, dilations=dilations, data_format=data_format
    )
    return ops.reshape(dw, shape=known_ints(shape))


# TensorFlow writes a dilated convolution as one without dilation, for each remainder of the place
# divided by the dilation apart: the remainders become examples of the batch.


def space_to_batch(a: Any, block: Any, paddings: Any) -> Any:
    blocks, widths = known_ints(block), known_ints(paddings)
    k, rest = len(blocks), len(a.shape) - len(known_ints(block)) - 1
    pairs = ((0, 0), *zip(widths[::2], widths[1::2], strict=True), *[(0, 0)] * rest)
    a = ops.pad(a, pad_width=pairs)
    counts = [n // b for n, b in zip(a.shape[1 : k + 1], blocks, strict=True)]
    split = [n for pair in zip(counts, blocks, strict=True) for n in pair]
    a = ops.reshape(a, shape=(a.shape[0], *split, *a.shape[k + 1 :]))
    a = ops.moveaxis(a, tuple(range(2, 2 * k + 1, 2)), tuple(range(k)))
    return ops.reshape(a, shape=(-1, *counts, *a.shape[2 * k + 1 :]))


def batch_to_space(a: Any, block: Any, crops: Any) -> Any:
    blocks, widths = known_ints(block), known_ints(crops)
    k = len(blocks)
    a = ops.reshape(a, shape=(*blocks, -1, *a.shape[1:]))
    a = ops.moveaxis(a, tuple(range(k)), tuple(range(2, 2 * k + 1, 2)))
    lengths = [a.shape[1 + 2 * i] * b for i, b in enumerate(blocks)]
    a = ops.reshape(a, shape=(a.shape[0], *lengths, *a.shape[2 * k + 1 :]))
    ends = zip(widths[::2], widths[1::2], lengths, strict=True)
    return a[(slice(None), *(slice(before, n - after) for before, after, n in ends))]


# --- Pooling ----------------------------------------------------------------------------------


def _window(ksize: Any, padding: str, strides: Any, data_format: str) -> dict[str, Any]:
    return _how(padding, strides, data_format) | {"kernel_size": tuple(ksize[1:3])}


def max_pool(a: Any, *, ksize: Any, padding: str, strides: Any, data_format: str) -> Any:
    how = _window(ksize, padding, strides, data_format)
    return _channels_last(ops.max_pool(_channels_first(a), **how))


def max_pool_grad(
    a: Any, y: Any, g: Any, *, ksize: Any, padding: str, strides: Any, data_format: str
) -> Any:
    how = _window(ksize, padding, strides, data_format)
    vjp = rule(ops.max_pool, "a")
    return _channels_last(vjp(_channels_first(g), _channels_first(y), _channels_first(a), **how))


def avg_pool(a: Any, *, ksize: Any, padding: str, strides: Any, data_format: str) -> Any:
    how = _window(ksize, padding, strides, data_format)
    images = _channels_first(a)
    return _channels_last(ops.sum_pool(images, **how) / window_counts(images.shape, a.dtype, **how))


def avg_pool_grad(
    shape: Any, g: Any, *, ksize: Any, padding: str, strides: Any, data_format: str
) -> Any:
    how = _window(ksize, padding, strides, data_format)
    n, height, width, channels = known_ints(shape)
    size = (n, channels, height, width)
    share = _channels_first(g) / window_counts(size, g.dtype, **how)
    return _channels_last(ops.sum_pool_input(share, shape=size, **how))
