"""Loss functions: how far a prediction is from the truth, as one number to minimise."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor, raw_value
from dlcourse.ops import Array


def mse(prediction: Tensor, target: Any) -> Tensor:
    """Mean squared error: the mean over all elements of (prediction - target) ** 2.

    Args:
        prediction: Any shape, floating point.
        target: The same shape, a Tensor or array.

    Returns:
        A 0-d Tensor, in the unit of the target squared.

    Raises:
        ValueError: The shapes differ. Broadcasting (N, 1) against (N,) would compare each
            prediction with each target, N * N pairs, and train something else.

    Source: torch.nn.functional.mse_loss.
    """
    shape = np.shape(raw_value(target))
    if prediction.shape != shape:
        raise ValueError(
            "mse: invalid shapes\n  Expect: prediction.shape == target.shape\n"
            f"  Actual: {prediction.shape} != {shape}\n"
            "  Reshape one of them, for example target.reshape(prediction.shape)."
        )
    error: Tensor = prediction - target
    return error.square().mean()


def cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """Mean over the examples of -log(softmax(logits)[label]), computed without overflow.

    Args:
        logits: Shape (N, C), floating point: unnormalised log-probabilities, no softmax applied.
        labels: Shape (N,), integers from 0 to C - 1.

    Returns:
        A 0-d Tensor, in nats.

    Raises:
        TypeError: The labels are not integers.
        ValueError: The shapes do not fit, or a label is outside 0 .. C - 1.

    Source: torch.nn.functional.cross_entropy.
    """
    classes = _checked_labels(logits, np.asarray(raw_value(labels)))
    log_probabilities = logits.log_softmax(axis=1)
    return -log_probabilities[np.arange(len(classes)), classes].mean()


def _checked_labels(logits: Tensor, labels: Array) -> Array:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "cross_entropy: invalid shapes\n  Expect: logits (N, C) and labels (N,)\n"
            f"  Actual: logits {logits.shape} and labels {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: expected integer labels (class numbers), got dtype {labels.dtype}"
        )
    count = logits.shape[1]
    outside = labels[(labels < 0) | (labels >= count)]
    if outside.size:
        raise ValueError(
            f"cross_entropy: expected labels from 0 to {count - 1}, since the logits have {count} "
            f"classes; got {outside[0]}"
        )
    return labels
