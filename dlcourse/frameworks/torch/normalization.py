"""PyTorch's normalisations and dropout, and the gradients that it has as one operation.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001, ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import along, moments, standardize_gradient
from dlcourse.frameworks.torch.rows import Rows, overloads

# --- Batch normalisation ----------------------------------------------------------------------


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


# --- Layer and group normalisation ------------------------------------------------------------


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


def group_norm(
    x: Any, weight: Any, bias: Any, n: int, channels: int, inner: int, groups: int, epsilon: float
) -> tuple[Any, Any, Any]:
    """The result, the mean and 1 / deviation of each group of channels of each example."""
    grouped = ops.reshape(x, shape=(n, groups, -1))
    mean, variance = moments(grouped, (2,))
    scale = ops.rsqrt(variance + epsilon)
    y = ops.reshape((grouped - mean) * scale, shape=x.shape)
    y = _scale_and_shift(y, *_per_channel(len(x.shape), weight, bias))
    return y, *(ops.reshape(a, shape=(n, groups)) for a in (mean, scale))


def group_norm_backward(
    g: Any,
    x: Any,
    mean: Any,
    scale: Any,
    weight: Any,
    n: int,
    channels: int,
    inner: int,
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    """The gradients with respect to x, weight and bias."""
    (factor,) = _per_channel(len(x.shape), weight)
    shape = (n, groups, -1)
    weighted = ops.reshape(g if factor is None else g * factor, shape=shape)
    mean, scale = ops.expand_dims(mean, -1), ops.expand_dims(scale, -1)
    grouped = ops.reshape(x, shape=shape)
    dx = standardize_gradient(weighted, grouped, mean, scale, (2,))
    y = ops.reshape((grouped - mean) * scale, shape=x.shape)
    axes = (0, *range(2, len(x.shape)))
    return ops.reshape(dx, shape=x.shape), ops.sum(g * y, axis=axes), ops.sum(g, axis=axes)


# --- Dropout ----------------------------------------------------------------------------------


def no_dropout(x: Any, p: float, training: bool) -> Any:
    if training and p:
        raise ValueError(
            "dropout draws random numbers in training; read the graph of model.eval(), or of a "
            "model without it"
        )
    return x


# --- The table --------------------------------------------------------------------------------

TABLE: Rows = overloads("default", {
    "batch_norm": lambda *how: native_batch_norm(*how[:-1])[0],
    "native_batch_norm": native_batch_norm,
    "_native_batch_norm_legit_functional": batch_norm,
    "_native_batch_norm_legit_no_training": lambda x, w, b, mean, variance, *how:
        batch_norm(x, w, b, mean, variance, False, *how)[:3],
    "native_batch_norm_backward": batch_norm_backward,
    "layer_norm": lambda x, shape, w=None, b=None, epsilon=1e-5, cudnn=True:
        layer_norm(x, shape, w, b, epsilon)[0],
    "native_layer_norm": layer_norm, "native_layer_norm_backward": layer_norm_backward,
    "group_norm": lambda x, groups, w=None, b=None, epsilon=1e-5, cudnn=True:
        group_norm(
            x, w, b, x.shape[0], x.shape[1], math.prod(x.shape[2:]), groups, epsilon
        )[0],
    "native_group_norm": group_norm, "native_group_norm_backward": group_norm_backward,
    "dropout": no_dropout, "feature_dropout": no_dropout, "alpha_dropout": no_dropout,
    "feature_alpha_dropout": no_dropout,
    "native_dropout": lambda x, p, training:
        (no_dropout(x, p, training), np.ones(x.shape, bool)),
})  # fmt: skip
