"""Losses for a target that is a number: they grow with the error, prediction - target.

Of each: the prediction is floating point, of any shape; the target has the same shape, and if it
is of integers, takes the prediction's dtype. The result is a 0-d value, or with reduction="none"
has the shape of the prediction. Another shape raises ValueError, a prediction of integers
TypeError.

Keras's functions of these names take the mean over the last axis and leave the others; its classes
take the mean over all elements, as reduction="mean" does here.
"""

from __future__ import annotations

from typing import Any

from dlcourse import ops
from dlcourse.losses.arguments import pair
from dlcourse.losses.reduction import reduce_losses
from dlcourse.ops import Value


def mse(prediction: Any, target: Any, *, reduction: str = "mean") -> Value:
    """Squared error, (prediction - target) ** 2, in the unit of the target squared.

    Args:
        prediction: Any shape, floating point.
        target: The same shape.
        reduction: "mean" over all elements, "sum" or "none".

    Raises:
        TypeError: The prediction is not floating point.
        ValueError: The shapes differ, or the reduction has another name.

    Source: torch.nn.functional.mse_loss, keras.losses.MeanSquaredError.
    """
    prediction, target = pair("mse", "prediction", prediction, target)
    return reduce_losses("mse", ops.square(prediction - target), reduction)


def mae(prediction: Any, target: Any, *, reduction: str = "mean") -> Value:
    """Absolute error, abs(prediction - target), in the unit of the target; gradient 0 at 0.

    Args, Raises: as for mse.

    Source: torch.nn.functional.l1_loss, keras.losses.MeanAbsoluteError.
    """
    prediction, target = pair("mae", "prediction", prediction, target)
    return reduce_losses("mae", ops.abs(prediction - target), reduction)


def huber(prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean") -> Value:
    """Half the squared error up to ``delta``, beyond it a straight line of slope ``delta``.

    0.5 * error ** 2 where abs(error) <= delta, else delta * (abs(error) - 0.5 * delta): in the
    unit of the target squared. The gradient is the error, clipped to +-delta.

    Args:
        prediction, target, reduction: As for mse.
        delta: Positive, in the unit of the target.

    Raises: as mse; ValueError also if delta is not positive.

    Source: Huber, Robust estimation of a location parameter (1964), doi:10.1214/aoms/1177703732;
    torch.nn.functional.huber_loss, keras.losses.Huber. Both scale it in this way.
    """
    if not delta > 0:
        raise ValueError(f"huber: expected delta > 0, got {delta}")
    prediction, target = pair("huber", "prediction", prediction, target)
    return reduce_losses("huber", _huber(prediction - target, delta), reduction)


def smooth_l1(prediction: Any, target: Any, *, beta: float = 1.0, reduction: str = "mean") -> Value:
    """Huber's loss divided by its ``beta``, so that the straight lines have slope 1.

    0.5 * error ** 2 / beta where abs(error) <= beta, else abs(error) - 0.5 * beta, in the unit of
    the target. With beta = 0 it is the absolute error.

    Args:
        prediction, target, reduction: As for mse.
        beta: Not negative, in the unit of the target.

    Raises: as mse; ValueError also if beta is negative.

    Source: Girshick, Fast R-CNN (2015), arXiv:1504.08083; torch.nn.functional.smooth_l1_loss.
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1: expected beta >= 0, got {beta}")
    prediction, target = pair("smooth_l1", "prediction", prediction, target)
    error = prediction - target
    return reduce_losses(
        "smooth_l1", _huber(error, beta) / beta if beta else ops.abs(error), reduction
    )


def _huber(error: Value, delta: float) -> Value:
    # With c the clipped error: error ** 2 / 2 if c is the error, delta * (abs(error) - delta / 2)
    # if it is +-delta. Nothing overflows that is not used.
    clipped = ops.clip(error, -delta, delta)
    return clipped * (error - 0.5 * clipped)


def log_cosh(prediction: Any, target: Any, *, reduction: str = "mean") -> Value:
    """log(cosh(error)): about error ** 2 / 2 near 0, abs(error) - log(2) far away.

    It has no overflow, and its gradient is tanh(error).

    Args, Raises: as for mse.

    Source: keras.losses.LogCosh. Keras adds softplus(-2 * error) - log(2) to the error, which
    leaves no digit of an error below 1e-8 (1e-4 in float32).
    """
    prediction, target = pair("log_cosh", "prediction", prediction, target)
    return reduce_losses("log_cosh", ops.log_cosh(prediction - target), reduction)
