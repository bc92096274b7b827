"""PyTorch's operations of layers, and the gradients that it has as one operation.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001 (a function has every argument of the schema, used or not)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.formulas import (
    along,
    moments,
    rule,
    standardize_gradient,
    window_counts,
)

# --- Convolution and pooling ------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return ops.matmul(x, ops.transpose(weight)) if bias is None else ops.linear(x, weight, bias)


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
    transpose = {3: ops.conv_transpose1d, 4: ops.conv_transpose2d}[len(x.shape)]
    return transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)


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


def _window(kernel: Any, stride: Any, padding: Any, axes: int) -> dict[str, Any]:
    """The parameters of a pooling; aten repeats a single number, and has [] for no stride."""
    size = tuple(kernel) * (axes if len(kernel) == 1 else 1)
    return {"kernel_size": size, "stride": tuple(stride) or None, "padding": padding}


def _max_window(kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    if set(np.ravel(dilation)) != {1}:
        raise ValueError(f"max pooling of dlcourse has no dilation, got dilation={dilation}")
    return _window(kernel, stride, padding, axes=2)


def max_pool2d_with_indices(
    a: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Any, Any]:
    """The largest elements, and their places in each image, flattened."""
    how = _max_window(kernel, stride, padding, dilation)
    places = ops.max_pool_indices(a, **how)
    first = math.prod(a.shape[-2:]) * np.arange(math.prod(a.shape[:-2]))
    return ops.max_pool(a, **how), places - first.reshape(*a.shape[:-2], 1, 1)


def max_pool2d_with_indices_backward(
    g: Any,
    a: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Any,
) -> Any:
    how = _max_window(kernel, stride, padding, dilation)
    return rule(ops.max_pool, "a")(g, None, a, **how)


def _pooled_count(a: Any, how: Any, count_padding: bool, divisor: int | None) -> Any:
    if divisor is not None:
        return divisor
    if count_padding:
        return math.prod(how["kernel_size"])
    return window_counts(a.shape, a.dtype, **how)


def avg_pool2d(
    a: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> Any:
    how = _window(kernel, stride, padding, axes=2)
    return ops.sum_pool(a, **how) / _pooled_count(a, how, count_padding, divisor)


def avg_pool2d_backward(
    g: Any,
    a: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> Any:
    how = _window(kernel, stride, padding, axes=2)
    share = g / _pooled_count(a, how, count_padding, divisor)
    return rule(ops.sum_pool, "a")(share, None, a, **how)


def adaptive_avg_pool2d(a: Any, size: Sequence[int]) -> Any:
    lengths = a.shape[-2:]
    if any(n % m for n, m in zip(lengths, size, strict=True)):
        raise ValueError(
            f"adaptive pooling of dlcourse needs windows of one size, got {lengths} to {size}"
        )
    windows = tuple(n // m for n, m in zip(lengths, size, strict=True))
    return ops.sum_pool(a, kernel_size=windows) / math.prod(windows)


def embedding_backward(g: Any, indices: Any, rows: int, padding: int, by_frequency: bool) -> Any:
    if by_frequency:
        raise ValueError("embedding gradients divided by frequency are not in dlcourse")
    if padding >= 0:  # that row is never trained
        g = ops.where(ops.expand_dims(ops.equal(indices, padding), -1), 0, g)
    return ops.add_rows(g, indices, count=rows)


# --- Normalisation ----------------------------------------------------------------------------


def _scale_and_shift(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _per_channel(ndim: int, *vectors: Any) -> list[Any]:
    return [None if v is None else along(v, 1, ndim) for v in vectors]


def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_variance: Any,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Any, Any, Any, Any, Any]:
    """The result, the batch's mean and 1 / deviation, the running mean and variance."""
    ndim = len(x.shape)
    axes = (0, *range(2, ndim))
    weight, bias = _per_channel(ndim, weight, bias)
    if not training:
        mean, variance = _per_channel(ndim, running_mean, running_variance)
        y = _scale_and_shift((x - mean) * ops.rsqrt(variance + epsilon), weight, bias)
        empty = np.zeros(0, x.dtype)
        return y, empty, empty, running_mean, running_variance
    mean, variance = moments(x, axes)
    scale = ops.rsqrt(variance + epsilon)
    y = _scale_and_shift((x - mean) * scale, weight, bias)
    mean, variance, scale = (ops.reshape(a, shape=(-1,)) for a in (mean, variance, scale))
    if running_mean is not None:
        n = math.prod(x.shape[i] for i in axes)
        unbiased = variance * (n / max(n - 1, 1))
        running_mean = running_mean * (1 - momentum) + mean * momentum
        running_variance = running_variance * (1 - momentum) + unbiased * momentum
    return y, mean, scale, running_mean, running_variance


def native_batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *how: float
) -> tuple[Any, Any, Any]:
    if training and mean is not None:
        raise ValueError(
            "in training this operation overwrites its running statistics, which a graph of "
            "make_fx does not show; record the step with BatchNorm(..., track_running_stats=False)"
        )
    return batch_norm(x, weight, bias, mean, variance, training, *how)[:3]


def batch_norm_backward(
    g: Any,
    x: Any,
    weight: Any,
    running_mean: Any,
    running_variance: Any,
    mean: Any,
    scale: Any,
    training: bool,
    epsilon: float,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    """The gradients with respect to x, weight and bias."""
    ndim = len(x.shape)
    axes = (0, *range(2, ndim))
    if not training:
        mean, scale = running_mean, ops.rsqrt(running_variance + epsilon)
    mean, scale, weight = _per_channel(ndim, mean, scale, weight)
    weighted = g if weight is None else g * weight
    dx = standardize_gradient(weighted, x, mean, scale, axes) if training else weighted * scale
    return dx, ops.sum(g * (x - mean) * scale, axis=axes), ops.sum(g, axis=axes)


def layer_norm(
    x: Any, shape: Sequence[int], weight: Any = None, bias: Any = None, epsilon: float = 1e-5
) -> tuple[Any, Any, Any]:
    """The result, the mean and 1 / deviation of each example."""
    mean, variance = moments(x, tuple(range(-len(shape), 0)))
    scale = ops.rsqrt(variance + epsilon)
    return _scale_and_shift((x - mean) * scale, weight, bias), mean, scale


def layer_norm_backward(
    g: Any,
    x: Any,
    shape: Sequence[int],
    mean: Any,
    scale: Any,
    weight: Any,
    bias: Any,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    """The gradients with respect to x, weight and bias."""
    inner = tuple(range(-len(shape), 0))
    outer = tuple(range(len(x.shape) - len(shape)))
    weighted = g if weight is None else g * weight
    dx = standardize_gradient(weighted, x, mean, scale, inner)
    return dx, ops.sum(g * (x - mean) * scale, axis=outer), ops.sum(g, axis=outer)


def no_dropout(x: Any, p: float, training: bool) -> Any:
    if training and p:
        raise ValueError(
            "dropout draws random numbers in training; read the graph of model.eval(), or of a "
            "model without it"
        )
    return x
