"""Losses for a target that is one of C classes, or a distribution over them.

The scores of the classes lie along axis 1: shape (N, C) with labels (N,), or (N, C, d1, ...) with
labels (N, d1, ...) if each example has several (the pixels of a picture); or (C,) for one example,
with a label of shape (). Labels are integers from 0 to C - 1. Another one is an error where the
labels are known; those that are an input of a static graph are not looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import raw_value
from dlcourse.losses.arguments import floating, is_known, like, pair
from dlcourse.losses.reduction import reduce_losses, sum_over
from dlcourse.ops import Value


def cross_entropy(
    logits: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Value:
    """-log(softmax(logits)[label]), computed without overflow, in nats.

    With a target that is a distribution q over the classes: -sum(q * log(softmax(logits))). With
    ``weight`` w, each term counts w of its class. With ``label_smoothing`` s, q is (1 - s) * q +
    s / C. The gradient is softmax(logits) - q if there are no weights.

    Args:
        logits: Shape (N, C), (N, C, d1, ...) or (C,), floating point: unnormalised
            log-probabilities, no softmax applied.
        target: Labels of shape (N,), (N, d1, ...) or (), integers from 0 to C - 1; or, in the shape
            of the logits, one-hot vectors or distributions (soft labels).
        weight: Shape (C,): what each class counts.
        ignore_index: A label that counts nothing; None if there is none. For labels only.
        label_smoothing: From 0 to 1.
        reduction: "mean", "sum" or "none". With labels the mean divides by the sum of the weights
            of those that are not ignored (nan if there is none); with distributions by the number
            of examples, N * d1 * ...

    Returns:
        A 0-d value, or with reduction="none" the shape of the labels.

    Raises:
        TypeError: The logits are not floating point, or the labels not integers.
        ValueError: The shapes do not fit, a known label is outside 0 .. C - 1, the label smoothing
            outside 0 .. 1, or the reduction has another name.

    Source: torch.nn.functional.cross_entropy; Szegedy et al. (2016), arXiv:1512.00567, for label
    smoothing. keras.losses.SparseCategoricalCrossentropy (labels, `ignore_class`) and
    CategoricalCrossentropy (distributions) take probabilities unless from_logits=True, along the
    last axis, and clip them to 1e-7 .. 1 - 1e-7. Their mean with weights divides by the number of
    examples, and is 0 if every label is ignored.
    """
    loss = "cross_entropy"
    logits, target = floating(loss, "logits", logits), ops.as_value(target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{loss}: expected label_smoothing from 0 to 1, got {label_smoothing}")
    weight = _class_weights(loss, weight, logits)
    axis = _class_axis(logits)
    if not _is_distribution(target, logits):
        target, ignored = _checked_labels(loss, "logits", logits, target, ignore_index)
        log_p = ops.log_softmax(logits, axis=axis)
        return _of_labels(loss, log_p, target, weight, ignored, label_smoothing, reduction)
    if ignore_index is not None and ignore_index >= 0:
        raise ValueError(
            f"{loss}: ignore_index={ignore_index} is for labels; the target is a distribution"
        )
    target = like(logits, target)
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / logits.shape[axis]
    terms = target * ops.log_softmax(logits, axis=axis)
    if weight is not None:
        terms = terms * _along(axis, weight, logits.ndim)
    return reduce_losses(loss, -ops.sum(terms, axis=axis), reduction)


def nll(
    log_probabilities: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
) -> Value:
    """-log_probabilities[label]: cross_entropy after a log_softmax, in nats.

    Args:
        log_probabilities: Shape (N, C), (N, C, d1, ...) or (C,), floating point.
        labels: Shape (N,), (N, d1, ...) or (), integers from 0 to C - 1.
        weight, ignore_index, reduction: As for cross_entropy.

    Returns, Raises: as for cross_entropy.

    Source: torch.nn.functional.nll_loss.
    """
    log_p = floating("nll", "log_probabilities", log_probabilities)
    labels = ops.as_value(labels)
    weight = _class_weights("nll", weight, log_p)
    labels, ignored = _checked_labels("nll", "log_probabilities", log_p, labels, ignore_index)
    return _of_labels("nll", log_p, labels, weight, ignored, 0.0, reduction)


def _of_labels(
    loss: str,
    log_p: Value,
    labels: Value,
    weight: Value,
    ignore_index: int | None,
    smoothing: float,
    reduction: str,
) -> Value:
    """The reduced negative log-probability of the labels; ``ignore_index`` None: all count."""
    axis = _class_axis(log_p)
    counts = None if ignore_index is None else labels != ignore_index
    if counts is not None:
        labels = labels * counts  # an ignored label may be no class; 0 is one
    losses = -_of_class(log_p, labels, axis)
    weights = None if weight is None else _weight_of(weight, labels)
    if weights is not None:
        losses = losses * weights
    if smoothing:
        terms = log_p if weight is None else log_p * _along(axis, weight, log_p.ndim)
        even = -ops.mean(terms, axis=axis)
        losses = (1 - smoothing) * losses + smoothing * even
    if counts is not None:
        losses = ops.where(counts, losses, 0)
        weights = ops.astype(counts, dtype=log_p.dtype) if weights is None else weights * counts
    return reduce_losses(loss, losses, reduction, weights)


def kl_div(
    log_probabilities: Any, target: Any, *, log_target: bool = False, reduction: str = "mean"
) -> Value:
    """target * (log(target) - log_probabilities): its sum is the Kullback-Leibler divergence.

    That of the target P from the prediction Q, D(P || Q), in nats. A class to which P gives 0
    contributes 0.

    Args:
        log_probabilities: log Q. Any shape, floating point; (N, C) for "batchmean".
        target: The same shape: P, or log P with log_target=True.
        log_target: Whether the target is a log-probability, which keeps digits of small ones.
        reduction: "mean" over all elements, which is the divergence divided by the number of
            classes; "batchmean", the sum divided by N, the mean divergence of an example; "sum" or
            "none".

    Returns:
        A 0-d value, or with reduction="none" the shape of the target.

    Raises:
        TypeError: The log-probabilities are not floating point.
        ValueError: The shapes differ, or the reduction has another name.

    Source: Kullback & Leibler (1951), doi:10.1214/aoms/1177729694; torch.nn.functional.kl_div,
    which gives nan where both P and Q are 0, or log P is -inf. keras.losses.KLDivergence takes
    probabilities (target first), clips both to 1e-7 .. 1, and divides as "batchmean".
    """
    log_q, target = pair("kl_div", "log_probabilities", log_probabilities, target)
    p = ops.exp(target) if log_target else target
    absent = p == 0
    log_p = ops.where(absent, 0, target) if log_target else ops.log(ops.where(absent, 1, target))
    losses = p * (log_p - ops.where(absent, 0, log_q))
    if reduction == "batchmean":
        return sum_over(losses, log_q.shape[0] if log_q.shape else 1)
    return reduce_losses("kl_div", losses, reduction)


def multi_margin(
    scores: Any,
    labels: Any,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> Value:
    """The multi-class hinge: each wrong class should score lower than the label, by the margin.

    The sum over the wrong classes i of max(0, margin - scores[label] + scores[i]) ** p, divided by
    the number of classes C.

    Args:
        scores: Shape (N, C) or (C,), floating point.
        labels: Shape (N,) or (), integers from 0 to C - 1.
        p: 1, or 2 for the squared hinge.
        margin: In the unit of the scores.
        weight: Shape (C,): what an example of each class counts. The mean divides by N all the
            same.
        reduction: "mean" over the examples, "sum" or "none".

    Returns:
        A 0-d value, in the unit of the scores to the power p, or with reduction="none" the shape of
        the labels.

    Raises:
        TypeError: The scores are not floating point, or the labels not integers.
        ValueError: The shapes do not fit, a known label is outside 0 .. C - 1, p is neither 1 nor
            2, or the reduction has another name.

    Source: Weston & Watkins, Multi-class support vector machines (1999);
    torch.nn.functional.multi_margin_loss. keras.losses.CategoricalHinge counts only the worst wrong
    class (Crammer & Singer, 2001), and sets the scores of all others to 0 first.
    """
    loss = "multi_margin"
    if p not in (1, 2):
        raise ValueError(f"{loss}: expected p = 1 or 2, got {p}")
    scores, labels = floating(loss, "scores", scores), ops.as_value(labels)
    if scores.ndim > 2:
        raise ValueError(f"{loss}: expected scores (N, C) or (C,), got {scores.shape}")
    weight = _class_weights(loss, weight, scores)
    labels, _ = _checked_labels(loss, "scores", scores, labels, None)
    axis = _class_axis(scores)
    classes = scores.shape[axis]
    column = ops.expand_dims(labels, axis)
    shortfall = ops.relu(margin - ops.take_along_axis(scores, column, axis=axis) + scores)
    wrong = column != np.arange(classes)
    losses = ops.mean(ops.where(wrong, shortfall**p, 0), axis=axis)
    if weight is not None:
        losses = losses * _weight_of(weight, labels)
    return reduce_losses(loss, losses, reduction)


# --- Labels and weights of classes ------------------------------------------------------------


def _is_distribution(target: Value, logits: Value) -> bool:
    # One-hot vectors may be integers; but C integers beside logits (C,) are meant as labels.
    least = 1 if target.dtype.kind == "f" else 2
    return bool(target.shape == logits.shape and logits.ndim >= least)


def _class_axis(scores: Value) -> int:
    return 0 if scores.ndim == 1 else 1


def _of_class(scores: Value, labels: Value, axis: int) -> Value:
    """The score of each label's class, in the shape of the labels."""
    column = ops.expand_dims(labels, axis)
    return ops.squeeze(ops.take_along_axis(scores, column, axis=axis), axis)


def _weight_of(weight: Value, labels: Value) -> Value:
    """The weight of each label's class, in the shape of the labels."""
    chosen = ops.take_along_axis(weight, ops.reshape(labels, shape=(-1,)), axis=0)
    return ops.reshape(chosen, shape=labels.shape)


def _along(axis: int, weight: Value, ndim: int) -> Value:
    """``weight``, shape (C,), so that it lies along ``axis`` of a value with ``ndim`` axes."""
    return ops.reshape(weight, shape=tuple(-1 if i == axis else 1 for i in range(ndim)))


def _class_weights(loss: str, weight: Any, scores: Value) -> Value:
    if weight is None:
        return None
    weight = like(scores, weight)
    expected = scores.shape[_class_axis(scores)] if scores.shape else 0
    if weight.shape != (expected,):
        raise ValueError(
            f"{loss}: invalid shapes\n  Expect: a weight for each class, shape ({expected},)\n"
            f"  Actual: {weight.shape}"
        )
    return weight


def _checked_labels(
    loss: str, name: str, scores: Value, labels: Value, ignore_index: int | None
) -> tuple[Value, int | None]:
    """The labels, and ``ignore_index``: None if it is known that no label is ignored."""
    axis = _class_axis(scores)
    if not scores.shape or labels.shape != scores.shape[:axis] + scores.shape[axis + 1 :]:
        raise ValueError(
            f"{loss}: invalid shapes\n"
            f"  Expect: {name} (N, C) and labels (N,), or (N, C, d1, ...) and (N, d1, ...)\n"
            f"  Actual: {name} {scores.shape} and labels {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{loss}: expected integer labels (class numbers), got dtype {labels.dtype}"
        )
    if not is_known(labels):
        return labels, ignore_index
    count, known = scores.shape[axis], np.asarray(raw_value(labels))
    outside = known[(known < 0) | (known >= count)]
    if not outside.size and ignore_index not in range(count):
        return labels, None
    wrong = outside[outside != ignore_index]
    if wrong.size:
        raise ValueError(
            f"{loss}: expected labels from 0 to {count - 1}, since the {name} have {count} "
            f"classes; got {wrong[0]}"
        )
    return labels, ignore_index
