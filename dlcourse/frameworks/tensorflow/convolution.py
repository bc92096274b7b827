"""TensorFlow's convolutions and poolings of images.

TensorFlow has images as (batch, height, width, channels) and kernels as (height, width, in, out);
dlcourse, as PyTorch, has (batch, channels, height, width) and (out, in, height, width). ``padding``
"SAME" and "VALID" mean the same in both. Volumes have one axis more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import known_ints, rule, window_counts


def _first(image: Any) -> Any:
    """The channels after the batch axis."""
    return ops.moveaxis(image, -1, 1)


def _last(image: Any) -> Any:
    """The channels as the last axis."""
    return ops.moveaxis(image, 1, -1)


def _how(padding: str, strides: Sequence[int], data_format: str) -> dict[str, Any]:
    if data_format not in ("NHWC", "NDHWC") or padding == "EXPLICIT":
        raise ValueError(
            "expected images (batch, height, width, channels) and padding 'SAME' or 'VALID', got "
            f"data_format={data_format!r}, padding={padding!r}"
        )
    return {"padding": padding.lower(), "stride": tuple(strides[1:-1])}


# --- Convolution ------------------------------------------------------------------------------


def _convolution(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with TensorFlow's attributes of a convolution in place of ours."""

    def layer(*arguments: Any, padding: str, strides: Any, dilations: Any, data_format: str) -> Any:
        how = _how(padding, strides, data_format) | {"dilation": tuple(dilations[1:-1])}
        return f(*arguments, **how)

    return layer


def _kernel(weight: Any) -> Any:
    """(height, width, in, out) as (out, in, height, width)."""
    return ops.moveaxis(weight, (-1, -2), (0, 1))


def _conv(x: Any, weight: Any, **how: Any) -> Any:
    groups = x.shape[-1] // weight.shape[-2]
    return _last(ops.conv(_first(x), _kernel(weight), groups=groups, **how))


def _conv_input(shape: Any, weight: Any, g: Any, **how: Any) -> Any:
    """The gradient with respect to the images, which have the given shape."""
    n, *lengths, channels = known_ints(shape)
    groups = channels // weight.shape[-2]
    size = (n, channels, *lengths)
    return _last(ops.conv_input(_first(g), _kernel(weight), shape=size, groups=groups, **how))


def _conv_filter(x: Any, shape: Any, g: Any, **how: Any) -> Any:
    """The gradient with respect to the kernels, which have the given shape."""
    *lengths, inner, outer = known_ints(shape)
    how["groups"] = x.shape[-1] // inner
    dw = ops.conv_weight(_first(x), _first(g), shape=(outer, inner, *lengths), **how)
    return ops.moveaxis(dw, (0, 1), (-1, -2))


def _grouped(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape, for _conv, of kernels (height, width, channels, results of each channel)."""
    height, width, channels, each = shape
    return height, width, 1, channels * each


def _depthwise(x: Any, weight: Any, **how: Any) -> Any:
    return _conv(x, ops.reshape(weight, shape=_grouped(weight.shape)), **how)


def _depthwise_input(shape: Any, weight: Any, g: Any, **how: Any) -> Any:
    return _conv_input(shape, ops.reshape(weight, shape=_grouped(weight.shape)), g, **how)


def _depthwise_filter(x: Any, shape: Any, g: Any, **how: Any) -> Any:
    dw = _conv_filter(x, np.array(_grouped(known_ints(shape))), g, **how)
    return ops.reshape(dw, shape=known_ints(shape))


# TensorFlow writes a dilated convolution as one without dilation, for each remainder of the place
# divided by the dilation apart: the remainders become examples of the batch.


def _space_to_batch(a: Any, block: Any, paddings: Any) -> Any:
    blocks, widths = known_ints(block), known_ints(paddings)
    k, rest = len(blocks), len(a.shape) - len(known_ints(block)) - 1
    pairs = ((0, 0), *zip(widths[::2], widths[1::2], strict=True), *[(0, 0)] * rest)
    a = ops.pad(a, pad_width=pairs)
    counts = [n // b for n, b in zip(a.shape[1 : k + 1], blocks, strict=True)]
    split = [n for pair in zip(counts, blocks, strict=True) for n in pair]
    a = ops.reshape(a, shape=(a.shape[0], *split, *a.shape[k + 1 :]))
    a = ops.moveaxis(a, tuple(range(2, 2 * k + 1, 2)), tuple(range(k)))
    return ops.reshape(a, shape=(-1, *counts, *a.shape[2 * k + 1 :]))


def _batch_to_space(a: Any, block: Any, crops: Any) -> Any:
    blocks, widths = known_ints(block), known_ints(crops)
    k = len(blocks)
    a = ops.reshape(a, shape=(*blocks, -1, *a.shape[1:]))
    a = ops.moveaxis(a, tuple(range(k)), tuple(range(2, 2 * k + 1, 2)))
    lengths = [a.shape[1 + 2 * i] * b for i, b in enumerate(blocks)]
    a = ops.reshape(a, shape=(a.shape[0], *lengths, *a.shape[2 * k + 1 :]))
    ends = zip(widths[::2], widths[1::2], lengths, strict=True)
    return a[(slice(None), *(slice(before, n - after) for before, after, n in ends))]


# --- Pooling ----------------------------------------------------------------------------------


def _pooling(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with TensorFlow's attributes of a pooling in place of ours."""

    def layer(*arguments: Any, ksize: Any, padding: str, strides: Any, data_format: str) -> Any:
        how = _how(padding, strides, data_format) | {"kernel_size": tuple(ksize[1:-1])}
        return f(*arguments, **how)

    return layer


def _max_pool(a: Any, **how: Any) -> Any:
    return _last(ops.max_pool(_first(a), **how))


def _max_pool_grad(a: Any, y: Any, g: Any, **how: Any) -> Any:
    return _last(rule(ops.max_pool, "a")(_first(g), _first(y), _first(a), **how))


def _avg_pool(a: Any, **how: Any) -> Any:
    images = _first(a)
    return _last(ops.sum_pool(images, **how) / window_counts(images.shape, a.dtype, **how))


def _avg_pool_grad(shape: Any, g: Any, **how: Any) -> Any:
    n, *lengths, channels = known_ints(shape)
    size = (n, channels, *lengths)
    share = _first(g) / window_counts(size, g.dtype, **how)
    return _last(ops.sum_pool_input(share, shape=size, **how))


# --- The table --------------------------------------------------------------------------------

TABLE: dict[str, Callable[..., Any]] = {
    "Conv2D": _convolution(_conv), "Conv3D": _convolution(_conv),
    "Conv2DBackpropInput": _convolution(_conv_input),
    "Conv3DBackpropInputV2": _convolution(_conv_input),
    "Conv2DBackpropFilter": _convolution(_conv_filter),
    "Conv3DBackpropFilterV2": _convolution(_conv_filter),
    "DepthwiseConv2dNative": _convolution(_depthwise),
    "DepthwiseConv2dNativeBackpropInput": _convolution(_depthwise_input),
    "DepthwiseConv2dNativeBackpropFilter": _convolution(_depthwise_filter),
    "SpaceToBatchND": _space_to_batch, "BatchToSpaceND": _batch_to_space,
    "MaxPool": _pooling(_max_pool), "MaxPool3D": _pooling(_max_pool),
    "MaxPoolGrad": _pooling(_max_pool_grad), "MaxPool3DGrad": _pooling(_max_pool_grad),
    "AvgPool": _pooling(_avg_pool), "AvgPool3D": _pooling(_avg_pool),
    "AvgPoolGrad": _pooling(_avg_pool_grad), "AvgPool3DGrad": _pooling(_avg_pool_grad),
}  # fmt: skip
