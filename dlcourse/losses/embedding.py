"""Losses on embeddings: vectors that should be near each other where their objects are alike."""

from __future__ import annotations

import math
from typing import Any

from dlcourse import ops
from dlcourse.losses.arguments import check_elements, floating, like
from dlcourse.losses.reduction import in_dtype_of, reduce_losses
from dlcourse.ops import Value


def cosine_similarity(a: Any, b: Any, *, axis: int = 1, eps: float = 1e-8) -> Value:
    """The cosine of the angle between ``a`` and ``b``, from -1 to 1: a measure, not yet a loss.

    sum(a * b) / (max(norm(a), eps) * max(norm(b), eps)) along ``axis``. For a loss, take
    ``1 - cosine_similarity(a, b).mean()``.

    Args:
        a, b: Floating point, of one shape.
        axis: The axis along which a vector lies.
        eps: The least length that is divided by.

    Returns:
        The shape of a without the axis.

    Raises:
        TypeError: ``a`` is not floating point.
        ValueError: The shapes differ.

    Source: torch.nn.functional.cosine_similarity. keras.losses.CosineSimilarity is the negative
    mean of it, along the last axis.
    """
    a, b = _vectors("cosine_similarity", {"a": a, "b": b})
    # The larger of the squares first: sqrt has no derivative at the length 0.
    lengths = [ops.sqrt(ops.maximum(_dot(x, x, axis), eps * eps)) for x in (a, b)]
    return in_dtype_of(a, _dot(a, b, axis) / (lengths[0] * lengths[1]))


def cosine_embedding(
    a: Any, b: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Value:
    """1 - cos(a, b) where the target is 1 (alike), max(0, cos(a, b) - margin) where it is -1.

    cos(a, b) is sum(a * b) / sqrt((sum(a * a) + 1e-12) * (sum(b * b) + 1e-12)) along the last axis.

    Args:
        a, b: Shape (N, D) or (D,), floating point.
        target: Shape (N,) or (), of -1 and 1.
        margin: From -1 to 1; the cosine of a different pair may reach it free of charge.
        reduction: "mean" over the pairs, "sum" or "none".

    Returns:
        A 0-d value, a pure number, or with reduction="none" the shape of the target.

    Raises:
        TypeError: ``a`` is not floating point.
        ValueError: The shapes do not fit, a known target is neither -1 nor 1, or the reduction has
            another name.

    Source: torch.nn.functional.cosine_embedding_loss.
    """
    loss = "cosine_embedding"
    a, b = _vectors(loss, {"a": a, "b": b})
    target = ops.as_value(target)
    if a.ndim not in (1, 2) or target.shape != a.shape[:-1]:
        raise ValueError(
            f"{loss}: invalid shapes\n  Expect: a and b (N, D) with target (N,), or (D,) with ()\n"
            f"  Actual: a {a.shape} and target {target.shape}"
        )
    check_elements(loss, target, lambda t: abs(t) == 1, "targets -1 (different) or 1 (alike)")
    tiny = 1e-12
    cosine = _dot(a, b, -1) / ops.sqrt((_dot(a, a, -1) + tiny) * (_dot(b, b, -1) + tiny))
    losses = ops.where(target == 1, 1 - cosine, ops.relu(cosine - margin))
    return reduce_losses(loss, in_dtype_of(a, losses), reduction)


def triplet_margin(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Value:
    """max(0, margin + distance(anchor, positive) - distance(anchor, negative)).

    distance(a, b) is the p-norm of a - b + eps along the last axis; eps keeps it differentiable
    where a is b.

    Args:
        anchor, positive, negative: Shape (..., D), floating point, all three of one shape.
        margin: Positive: by how much the negative should be farther away, in the unit of distance.
        p: At least 1: 1 for the sum of absolute differences, 2 for Euclid's distance,
            math.inf for the largest difference.
        eps: Added to each difference.
        swap: Also use distance(positive, negative), if it is less than that from the anchor.
        reduction: "mean" over the triplets, "sum" or "none".

    Returns:
        A 0-d value, or with reduction="none" the shape of the anchor without its last axis.

    Raises:
        TypeError: The anchor is not floating point.
        ValueError: The shapes differ, margin or p is out of range, or the reduction has another
            name.

    Source: Schroff et al., FaceNet (2015), arXiv:1503.03832, which squares the distances; Balntas
    et al., Learning local feature descriptors with triplets (2016), for swap;
    torch.nn.functional.triplet_margin_loss.
    """
    if not margin > 0:
        raise ValueError(f"triplet_margin: expected margin > 0, got {margin}")
    if not p >= 1:
        raise ValueError(f"triplet_margin: expected p >= 1, got {p}")
    anchor, positive, negative = _vectors(
        "triplet_margin", {"anchor": anchor, "positive": positive, "negative": negative}
    )
    near = _norm(anchor - positive + eps, p)
    far = _norm(anchor - negative + eps, p)
    if swap:
        far = ops.minimum(far, _norm(positive - negative + eps, p))
    losses = in_dtype_of(anchor, ops.relu(margin + near - far))
    return reduce_losses("triplet_margin", losses, reduction)


def _vectors(loss: str, named: dict[str, Any]) -> list[Value]:
    """The arguments as floating point values of one shape, with at least one axis."""
    first, *others = named.items()
    a = floating(loss, *first)
    vectors = [a, *(like(a, x) for _, x in others)]
    if not a.shape or any(x.shape != a.shape for x in vectors):
        raise ValueError(
            f"{loss}: invalid shapes\n  Expect: {', '.join(named)} of one shape, vectors or more\n"
            f"  Actual: {', '.join(str(x.shape) for x in vectors)}"
        )
    return vectors


def _dot(a: Value, b: Value, axis: int) -> Value:
    return ops.sum(ops.widened(a) * ops.widened(b), axis=axis)


def _norm(a: Value, p: float) -> Value:
    a = ops.widened(a)
    if p == 1:
        return ops.sum(ops.abs(a), axis=-1)
    if p == 2:
        return ops.sqrt(ops.sum(ops.square(a), axis=-1))
    if p == math.inf:
        return ops.max(ops.abs(a), axis=-1)
    return ops.sum(ops.abs(a) ** p, axis=-1) ** (1 / p)
