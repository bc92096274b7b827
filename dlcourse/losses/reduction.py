"""From the losses of the examples to the one number that is minimised."""

from __future__ import annotations

from collections.abc import Callable

from dlcourse import ops
from dlcourse.ops import Value

_REDUCTIONS: dict[str, Callable[[Value], Value]] = {
    "mean": ops.mean,
    "sum": ops.sum,
    "none": lambda losses: losses,
}


def sum_over(losses: Value, divisor: Value) -> Value:
    """The sum of the losses over a divisor; of float16, the sum may be too large for it."""
    return in_dtype_of(losses, ops.sum(ops.widened(losses)) / divisor)


def in_dtype_of(x: Value, result: Value) -> Value:
    """``result`` in the dtype of ``x``: what was calculated in float32 for float16."""
    return result if result.dtype == x.dtype else ops.astype(result, dtype=x.dtype)


def reduce_losses(loss: str, losses: Value, reduction: str, weights: Value = None) -> Value:
    """The mean of the losses, their sum, or the losses themselves.

    Args:
        loss: The function's name, for the error.
        losses: Any shape, already multiplied by the weights if there are any.
        reduction: "mean", "sum" or "none". Keras's name for the mean is "sum_over_batch_size".
        weights: The shape of the losses. The mean divides by their sum, not by their number.

    Raises:
        ValueError: Another reduction.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{loss}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    if weights is not None and reduction == "mean":
        return sum_over(losses, ops.sum(ops.widened(weights)))
    return _REDUCTIONS[reduction](losses)
