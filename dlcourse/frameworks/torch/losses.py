"""PyTorch's losses, and the gradients that it has as one operation.

The arguments are those of the aten schema.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import along, labelled
from dlcourse.frameworks.torch.rows import Rows, overloads

MEAN, SUM = 1, 2  # how aten numbers the reductions of a loss; 0 is none


def reduced(loss: Any, reduction: int) -> Any:
    return {MEAN: ops.mean, SUM: ops.sum}.get(reduction, lambda a: a)(loss)


def each_share(g: Any, a: Any, reduction: int) -> Any:
    """The gradient of each element's loss, for the gradient g of the reduced loss."""
    return g / math.prod(a.shape) if reduction == MEAN else g


def mse(a: Any, b: Any, reduction: int = MEAN) -> Any:
    return reduced(ops.square(a - b), reduction)


def mse_backward(g: Any, a: Any, b: Any, reduction: int) -> Any:
    return each_share(g, a, reduction) * 2 * (a - b)


def mae(a: Any, b: Any, reduction: int = MEAN) -> Any:
    return reduced(ops.abs(a - b), reduction)


def _class_weights(target: Any, logp: Any, weight: Any, ignored: int) -> tuple[Any, Any]:
    """Where each example's class is, and its weight there, 0 elsewhere; none if it is ignored."""
    axis = min(len(logp.shape) - 1, 1)
    there = labelled(target, logp.shape[axis], axis)
    if 0 <= ignored < logp.shape[axis]:
        there = ops.logical_and(there, ops.expand_dims(ops.not_equal(target, ignored), axis))
    weights = ops.astype(there, dtype=logp.dtype)
    return there, weights if weight is None else weights * along(weight, axis, len(logp.shape))


def nll(
    logp: Any, target: Any, weight: Any = None, reduction: int = MEAN, ignored: int = -100
) -> tuple[Any, Any]:
    """The loss and the sum of the weights."""
    there, weights = _class_weights(target, logp, weight, ignored)
    losses = -ops.sum(ops.where(there, logp * weights, 0), axis=min(len(logp.shape) - 1, 1))
    if reduction not in (MEAN, SUM):
        return losses, np.zeros((), logp.dtype)
    loss, count = ops.sum(losses), ops.sum(weights)
    return loss / count if reduction == MEAN else loss, count


def nll_backward(
    g: Any, logp: Any, target: Any, weight: Any, reduction: int, ignored: int, count: Any
) -> Any:
    _, weights = _class_weights(target, logp, weight, ignored)
    if reduction == MEAN:
        return -weights * (g / count)
    return -weights * (g if reduction == SUM else ops.expand_dims(g, min(len(logp.shape) - 1, 1)))


def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    reduction: int = MEAN,
    ignored: int = -100,
    smoothing: float = 0.0,
) -> Any:
    axis = min(len(logits.shape) - 1, 1)
    classes = logits.shape[axis]
    logp = ops.log_softmax(logits, axis=axis)
    if target.dtype.kind != "f" and not smoothing:
        return nll(logp, target, weight, reduction, ignored)[0]
    if target.dtype.kind == "f":
        probabilities = target * (1 - smoothing) + smoothing / classes
        count: Any = math.prod(logp.shape) // classes
    else:
        there, weights = _class_weights(target, logp, weight, ignored)
        there = ops.astype(there, dtype=logp.dtype)
        uniform = ops.sum(there, axis=axis, keepdims=True) / classes
        probabilities = there * (1 - smoothing) + uniform * smoothing
        count = ops.sum(weights)
    weighted = logp if weight is None else logp * along(weight, axis, len(logp.shape))
    losses = -ops.sum(weighted * probabilities, axis=axis)
    return ops.sum(losses) / count if reduction == MEAN else reduced(losses, reduction)


def binary_cross_entropy(p: Any, target: Any, weight: Any = None, reduction: int = MEAN) -> Any:
    # As in PyTorch, a logarithm is at least -100.
    log_p, log_q = ops.maximum(ops.log(p), -100), ops.maximum(ops.log1p(-p), -100)
    losses = -(target * log_p + (1 - target) * log_q)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_backward(
    g: Any, p: Any, target: Any, weight: Any = None, reduction: int = MEAN
) -> Any:
    slope = (p - target) / ops.maximum((1 - p) * p, 1e-12)
    return each_share(g, p, reduction) * (slope if weight is None else slope * weight)


def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, positive: Any = None, reduction: int = MEAN
) -> Any:
    # log(1 + exp(-x)) is softplus(-x), the loss of the class 1.
    loss_of_one = ops.softplus(-x)
    if positive is not None:
        loss_of_one = loss_of_one * ((positive - 1) * target + 1)
    losses = (1 - target) * x + loss_of_one
    return reduced(losses if weight is None else losses * weight, reduction)


def huber(a: Any, b: Any, reduction: int = MEAN, delta: float = 1.0) -> Any:
    size = ops.abs(a - b)
    losses = ops.where(
        ops.less_equal(size, delta), ops.square(size) / 2, (size - delta / 2) * delta
    )
    return reduced(losses, reduction)


def huber_backward(g: Any, a: Any, b: Any, reduction: int, delta: float) -> Any:
    return each_share(g, a, reduction) * ops.clip(a - b, low=-delta, high=delta)


def smooth_l1(a: Any, b: Any, reduction: int = MEAN, beta: float = 1.0) -> Any:
    if beta == 0:
        return mae(a, b, reduction)
    return huber(a, b, reduction, beta) / beta


def smooth_l1_backward(g: Any, a: Any, b: Any, reduction: int, beta: float) -> Any:
    if beta == 0:
        return each_share(g, a, reduction) * ops.sign(a - b)
    return huber_backward(g, a, b, reduction, beta) / beta


TABLE: Rows = overloads("default", {
    "nll_loss_forward": nll, "nll_loss2d_forward": nll,
    "nll_loss": lambda *how: nll(*how)[0], "nll_loss_nd": lambda *how: nll(*how)[0],
    "nll_loss_backward": nll_backward, "nll_loss2d_backward": nll_backward,
    "cross_entropy_loss": cross_entropy,
    "mse_loss": mse, "mse_loss_backward": mse_backward, "l1_loss": mae,
    "huber_loss": huber, "huber_loss_backward": huber_backward,
    "smooth_l1_loss": smooth_l1, "smooth_l1_loss_backward": smooth_l1_backward,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_backward": binary_cross_entropy_backward,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
})  # fmt: skip
