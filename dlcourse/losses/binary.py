"""Losses for a target that is one of two classes, one number for each yes-or-no question.

Of each: the first argument is floating point, of any shape; the target has the same shape, and if
it is of integers or booleans, takes the first one's dtype. The result is a 0-d value, or with
reduction="none" has that shape. Keras's functions of these names take the mean over the last axis
and leave the others; its classes take the mean over all elements, as reduction="mean" does here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.losses.arguments import check_elements, like, pair
from dlcourse.losses.reduction import reduce_losses
from dlcourse.ops import Value


def binary_cross_entropy(probabilities: Any, target: Any, *, reduction: str = "mean") -> Value:
    """-(target * log(p) + (1 - target) * log(1 - p)) of a probability p, in nats.

    Each logarithm counts as -100 where it is less, so that the loss stays finite at p = 0 and
    p = 1. The gradient there is (p - target) / 1e-12: zero if p is the target, else huge. It is
    safer to keep the logits, for `binary_cross_entropy_with_logits`, which is exact everywhere.

    Args:
        probabilities: Any shape, floating point, from 0 to 1.
        target: The same shape, from 0 to 1: classes 0 and 1, or probabilities.
        reduction: "mean" over all elements, "sum" or "none".

    Raises:
        TypeError: The probabilities are not floating point.
        ValueError: The shapes differ, a known element is outside 0 .. 1, or the reduction has
            another name.

    Source: torch.nn.functional.binary_cross_entropy. keras.losses.BinaryCrossentropy clips p to
    1e-7 .. 1 - 1e-7 instead, so its loss is at most 16.1 and its gradient beyond is 0.
    """
    loss = "binary_cross_entropy"
    probabilities, target = pair(loss, "probabilities", probabilities, target)
    check_elements(
        loss,
        probabilities,
        _is_probability,
        "probabilities from 0 to 1 (logits go to binary_cross_entropy_with_logits)",
    )
    check_elements(loss, target, _is_probability, "targets from 0 to 1")
    return reduce_losses(loss, ops.binary_cross_entropy(probabilities, target), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, *, pos_weight: Any = None, reduction: str = "mean"
) -> Value:
    """binary_cross_entropy of sigmoid(logits), without overflow or loss of digits, in nats.

    pos_weight * target * softplus(-logits) + (1 - target) * softplus(logits), since
    -log(sigmoid(x)) = softplus(-x). The gradient is sigmoid(logits) - target if there are no
    weights.

    Args:
        logits: Any shape, floating point: the log-odds, no sigmoid applied.
        target: The same shape, from 0 to 1: classes 0 and 1, or probabilities.
        pos_weight: What the positive class counts; it broadcasts to the shape of the logits. The
            mean divides by the number of elements all the same.
        reduction: "mean" over all elements, "sum" or "none".

    Raises:
        TypeError: The logits are not floating point.
        ValueError: The shapes do not fit, a known target is outside 0 .. 1, or the reduction has
            another name.

    Source: torch.nn.functional.binary_cross_entropy_with_logits,
    keras.losses.BinaryCrossentropy(from_logits=True); Keras's default is from_logits=False.
    """
    loss = "binary_cross_entropy_with_logits"
    logits, target = pair(loss, "logits", logits, target)
    check_elements(loss, target, _is_probability, "targets from 0 to 1")
    positive = target * ops.softplus(-logits)
    if pos_weight is not None:
        positive = positive * _weight_of_positives(logits, pos_weight)
    return reduce_losses(loss, positive + (1 - target) * ops.softplus(logits), reduction)


def _weight_of_positives(logits: Value, pos_weight: Any) -> Value:
    weight = like(logits, pos_weight)
    try:
        fits = np.broadcast_shapes(weight.shape, logits.shape) == logits.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            "binary_cross_entropy_with_logits: invalid shapes\n"
            "  Expect: pos_weight broadcasts to the shape of the logits\n"
            f"  Actual: {weight.shape} against {logits.shape}"
        )
    return weight


def focal(
    logits: Any,
    target: Any,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    reduction: str = "mean",
) -> Value:
    """Binary cross-entropy times (1 - p_t) ** gamma: what is right already counts less. In nats.

    p_t is the probability of the target, p = sigmoid(logits) for class 1 and 1 - p for class 0.
    gamma = 0 gives binary_cross_entropy_with_logits.

    Args:
        logits: Any shape, floating point: the log-odds, no sigmoid applied.
        target: The same shape, from 0 to 1; between them p_t = p * target + (1 - p) * (1 - target).
        gamma: Not negative.
        alpha: From 0 to 1: class 1 counts alpha and class 0 counts 1 - alpha; None: both count 1.
        reduction: "mean" over all elements, "sum" or "none".

    Raises:
        TypeError: The logits are not floating point.
        ValueError: The shapes differ, a known target, gamma or alpha is out of range, or the
            reduction has another name.

    Source: Lin et al., Focal loss for dense object detection (2017), arXiv:1708.02002, whose alpha
    is 0.25; torchvision.ops.sigmoid_focal_loss, where alpha=-1 is None here.
    keras.losses.BinaryFocalCrossentropy takes probabilities by default, clips them to
    1e-7 .. 1 - 1e-7, and applies its alpha only with apply_class_balancing=True.
    """
    if not gamma >= 0:
        raise ValueError(f"focal: expected gamma >= 0, got {gamma}")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"focal: expected alpha from 0 to 1, or None, got {alpha}")
    logits, target = pair("focal", "logits", logits, target)
    losses = binary_cross_entropy_with_logits(logits, target, reduction="none")
    miss = target * ops.sigmoid(-logits) + (1 - target) * ops.sigmoid(logits)  # 1 - p_t, exactly
    # The slope of a power below 1 is infinite at 0.
    losses = losses * ops.maximum(miss, float(np.finfo(logits.dtype).tiny)) ** gamma
    if alpha is not None:
        losses = losses * (alpha * target + (1 - alpha) * (1 - target))
    return reduce_losses("focal", losses, reduction)


def hinge(scores: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean") -> Value:
    """max(0, margin - target * scores), in the unit of the scores: 0 once right by the margin.

    Args:
        scores: Any shape, floating point; positive means class 1.
        target: The same shape, -1 or 1.
        margin: In the unit of the scores.
        reduction: "mean" over all elements, "sum" or "none".

    Raises:
        TypeError: The scores are not floating point.
        ValueError: The shapes differ, a known target is neither -1 nor 1, or the reduction has
            another name.

    Source: Cortes & Vapnik, Support-vector networks (1995), doi:10.1007/BF00994018;
    keras.losses.Hinge, which takes targets 0 and 1 as -1 and 1. PyTorch's hinge_embedding_loss is
    another loss: its target 1 pulls the score towards 0.
    """
    return reduce_losses("hinge", _shortfall("hinge", scores, target, margin), reduction)


def squared_hinge(
    scores: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Value:
    """max(0, margin - target * scores) ** 2: hinge without the kink, in its unit squared.

    Args, Raises: as for hinge.

    Source: keras.losses.SquaredHinge, which takes targets 0 and 1 as -1 and 1.
    """
    shortfall = _shortfall("squared_hinge", scores, target, margin)
    return reduce_losses("squared_hinge", ops.square(shortfall), reduction)


def _shortfall(loss: str, scores: Any, target: Any, margin: float) -> Value:
    """By how much a score misses the margin, or 0."""
    scores, target = pair(loss, "scores", scores, target)
    check_elements(
        loss, target, lambda t: abs(t) == 1, "targets -1 or 1 (for classes 0 and 1: 2 * target - 1)"
    )
    return ops.relu(margin - target * scores)


def _is_probability(x: Any) -> Any:
    return (x >= 0) & (x <= 1)
