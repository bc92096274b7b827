"""Elementwise operations, reductions, products and losses of TensorFlow.

A function has the inputs of the operation by position, its attributes by name.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops.
"""

# ruff: noqa: ARG001 (a function has every input of the operation, used or not)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks import compositions
from dlcourse.frameworks.compositions import (
    SELU_ALPHA,
    SELU_SCALE,
    accumulated,
    along,
    at,
    known_int,
    known_ints,
    labelled,
    moments,
    rule,
    standardize_gradient,
)

# --- Linear algebra ---------------------------------------------------------------------------


def _transposed(a: Any, flag: bool) -> Any:
    n = len(a.shape)
    return ops.transpose(a, axes=(*range(n - 2), n - 1, n - 2)) if flag else a


def _matmul(a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    return ops.matmul(_transposed(a, transpose_a), _transposed(b, transpose_b))


def _batch_matmul(a: Any, b: Any, *, adj_x: bool, adj_y: bool) -> Any:
    return ops.matmul(_transposed(a, adj_x), _transposed(b, adj_y))


def _channel_axis(data_format: str, ndim: int) -> int:
    return 1 if data_format.startswith("NC") else ndim - 1


def _bias_add(a: Any, bias: Any, *, data_format: str) -> Any:
    axis = _channel_axis(data_format, len(a.shape))
    return a + (bias if axis == len(a.shape) - 1 else along(bias, axis, len(a.shape)))


def _bias_add_grad(g: Any, *, data_format: str) -> Any:
    channels = _channel_axis(data_format, len(g.shape))
    return ops.sum(g, axis=tuple(i for i in range(len(g.shape)) if i != channels))


# --- Losses -----------------------------------------------------------------------------------


def _sparse_cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    """The losses, and their gradient with respect to the logits."""
    there = labelled(labels, logits.shape[-1], -1)
    losses = -ops.sum(ops.where(there, ops.log_softmax(logits), 0), axis=-1)
    return losses, ops.softmax(logits) - there


def _cross_entropy(logits: Any, labels: Any) -> tuple[Any, Any]:
    losses = -ops.sum(labels * ops.log_softmax(logits), axis=-1)
    return losses, ops.softmax(logits) - labels


# --- Normalisation ----------------------------------------------------------------------------


def _check_channels_last(data_format: str) -> None:
    if data_format not in ("NHWC", "NDHWC"):
        raise ValueError(f"expected images with channels last, got {data_format}")


def _batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *, epsilon: float,
    exponential_avg_factor: float, data_format: str, is_training: bool,
) -> tuple[Any, Any, Any, Any, Any, Any]:  # fmt: skip
    """The result, the next running mean and variance, and three values for the gradient."""
    _check_channels_last(data_format)
    axes = tuple(range(len(x.shape) - 1))
    saved_mean, saved_variance = mean, variance
    if is_training:
        saved_mean, saved_variance = (ops.reshape(a, shape=(-1,)) for a in moments(x, axes))
        n = x.shape[0] if len(axes) == 0 else int(np.prod(x.shape[:-1]))
        unbiased = saved_variance * (n / max(n - 1, 1))
        f = exponential_avg_factor
        mean = saved_mean if f == 1 else mean * (1 - f) + saved_mean * f
        variance = unbiased if f == 1 else variance * (1 - f) + unbiased * f
    y = (x - saved_mean) * (ops.rsqrt(saved_variance + epsilon) * scale) + offset
    return y, mean, variance, saved_mean, saved_variance, np.zeros(0, np.float32)


def _batch_norm_grad(
    g: Any, x: Any, scale: Any, mean: Any, variance: Any, unused: Any, *, epsilon: float,
    data_format: str, is_training: bool,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """The gradients with respect to x, scale and offset, and two empty arrays."""
    _check_channels_last(data_format)
    axes = tuple(range(len(x.shape) - 1))
    factor = ops.rsqrt(variance + epsilon)
    weighted = g * scale
    dx = weighted * factor
    if is_training:
        dx = standardize_gradient(weighted, x, mean, factor, axes)
    dscale = ops.sum(g * (x - mean) * factor, axis=axes)
    empty = np.zeros(0, np.float32)
    return dx, dscale, ops.sum(g, axis=axes), empty, empty


# --- Along an axis ----------------------------------------------------------------------------


def _cumulative(op: Callable[[Any, int], Any], neutral: float) -> Callable[..., Any]:
    """The running results of ``op`` along an axis, from either end, with or without itself."""

    def running(a: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
        line, ndim = known_int(axis), len(a.shape)
        y = op(ops.flip(a, axis=line) if reverse else a, line)
        if exclusive:
            first = np.full(tuple(1 if i == line % ndim else n for i, n in enumerate(a.shape)),
                            neutral, a.dtype)  # fmt: skip
            y = ops.concatenate([first, y[at(line, slice(0, -1), ndim)]], axis=line)
        return ops.flip(y, axis=line) if reverse else y

    return running


# --- The table --------------------------------------------------------------------------------


def _reduction(op: Any) -> Callable[..., Any]:
    return lambda a, axis, *, keep_dims: op(a, axis=known_ints(axis), keepdims=keep_dims)


TABLE: dict[str, Callable[..., Any]] = {
    # Elementwise
    "AddV2": ops.add, "Add": ops.add, "Sub": ops.subtract, "Mul": ops.multiply,
    "RealDiv": ops.divide, "Div": ops.divide, "Pow": ops.power, "Neg": ops.negative,
    "DivNoNan": lambda a, b:
        ops.where(ops.equal(b, 0), 0, a / ops.where(ops.equal(b, 0), 1, b)),
    "SquaredDifference": lambda a, b: ops.square(a - b),
    **{name: getattr(ops, name.lower()) for name in (
        "Abs", "Ceil", "Cos", "Cosh", "Erf", "Erfc", "Exp", "Expm1", "Floor", "Log", "Log1p",
        "Maximum", "Minimum", "Reciprocal", "Relu", "Rsqrt", "Sigmoid", "Sign", "Sin", "Sinh",
        "Softplus", "Sqrt", "Square", "Tan", "Tanh",
    )},
    "Atan": ops.arctan, "Atan2": ops.arctan2, "Elu": ops.elu, "Rint": ops.round, "Round": ops.round,
    "LeakyRelu": lambda a, *, alpha: ops.leaky_relu(a, negative_slope=alpha),
    "Relu6": lambda a: ops.clip(a, low=0, high=6),
    "Selu": lambda a: ops.elu(a, alpha=SELU_ALPHA) * SELU_SCALE,
    "IsFinite": ops.isfinite, "IsNan": ops.isnan,
    "FloorDiv": lambda a, b: ops.floor(ops.divide(a, b)), "FloorMod": compositions.remainder,
    "TruncateDiv": lambda a, b: compositions.trunc(ops.divide(a, b)), "Mod": compositions.fmod,
    "TruncateMod": compositions.fmod, "Inv": ops.reciprocal, "IsInf": compositions.isinf,
    **{name: getattr(compositions, name.lower()) for name in (
        "Acos", "Acosh", "Asin", "Asinh", "Atanh", "Xlogy",
    )},
    "Xdivy": lambda a, b: ops.where(ops.equal(a, 0), 0, a / ops.where(ops.equal(a, 0), 1, b)),
    "Xlog1py": lambda a, b: a * ops.log1p(ops.where(ops.equal(a, 0), 0, b)),
    "MulNoNan": lambda a, b: ops.where(ops.equal(b, 0), 0, ops.where(ops.equal(b, 0), 0, a) * b),
    "Softsign": lambda a: a / (1 + ops.abs(a)),
    "ClipByValue": lambda a, low, high: ops.minimum(ops.maximum(a, low), high),
    # Their gradients, by our rules
    "ReluGrad": lambda g, y: rule(ops.relu, "a")(g, y, None),
    "Relu6Grad": lambda g, y: ops.where(ops.greater(y, 0) * ops.less(y, 6), g, 0),
    "TanhGrad": lambda y, g: rule(ops.tanh, "a")(g, y, None),
    "SigmoidGrad": lambda y, g: rule(ops.sigmoid, "a")(g, y, None),
    "SoftplusGrad": lambda g, a: rule(ops.softplus, "a")(g, None, a),
    "EluGrad": lambda g, y: ops.where(ops.less(y, 0), g * (y + 1), g),
    "SeluGrad": lambda g, y:
        ops.where(ops.less(y, 0), g * (y + SELU_SCALE * SELU_ALPHA), g * SELU_SCALE),
    "LeakyReluGrad": lambda g, a, *, alpha:
        rule(ops.leaky_relu, "a")(g, None, a, negative_slope=alpha),
    "SoftsignGrad": lambda g, a: g / ops.square(1 + ops.abs(a)),
    "SqrtGrad": lambda y, g: rule(ops.sqrt, "a")(g, y, None),
    "RsqrtGrad": lambda y, g: g * y * y * y * -0.5,
    "ReciprocalGrad": lambda y, g: -g * y * y,
    # Comparisons and choices
    "Equal": ops.equal, "NotEqual": ops.not_equal, "Less": ops.less, "LessEqual": ops.less_equal,
    "Greater": ops.greater, "GreaterEqual": ops.greater_equal,
    "LogicalAnd": ops.logical_and, "LogicalOr": ops.logical_or, "LogicalNot": ops.logical_not,
    "SelectV2": ops.where, "Select": ops.where,
    "ApproximateEqual": lambda a, b, *, tolerance: ops.less(ops.abs(a - b), tolerance),
    # Reductions
    "Sum": _reduction(ops.sum), "Mean": _reduction(ops.mean), "Max": _reduction(ops.max),
    "Min": _reduction(ops.min), "Prod": _reduction(ops.prod),
    "ArgMax": lambda a, axis: ops.argmax(a, axis=known_int(axis)),
    "ArgMin": lambda a, axis: ops.argmin(a, axis=known_int(axis)),
    "EuclideanNorm": _reduction(ops.norm),
    "Cumsum": _cumulative(lambda a, axis: ops.cumsum(a, axis=axis), 0),
    "Cumprod": _cumulative(lambda a, axis: accumulated(ops.multiply, a, axis), 1),
    "CumulativeLogsumexp": _cumulative(
        lambda a, axis: accumulated(compositions.logaddexp, a, axis), -np.inf),
    "All": _reduction(ops.min), "Any": _reduction(ops.max),
    "L2Loss": lambda a: ops.sum(ops.square(a)) / 2,
    "Softmax": ops.softmax, "LogSoftmax": ops.log_softmax,
    # Linear algebra
    "MatMul": _matmul, "BatchMatMulV2": _batch_matmul, "BatchMatMul": _batch_matmul,
    "BatchMatMulV3": _batch_matmul,
    "Einsum": lambda *arrays, equation: ops.einsum(equation, *arrays),
    "BiasAdd": _bias_add, "BiasAddGrad": _bias_add_grad,
    # Normalisation
    "FusedBatchNormV3": _batch_norm, "FusedBatchNormGradV3": _batch_norm_grad,
    # Losses
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
}  # fmt: skip
