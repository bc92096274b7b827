"""What a loss is given, checked before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor, raw_value
from dlcourse.ops import Array, Value


def is_known(x: Value) -> bool:
    """Whether the elements of ``x`` can be looked at; those of a Symbol do not exist yet."""
    return isinstance(x, Tensor) or not hasattr(x, "apply_primitive")


def floating(loss: str, name: str, x: Any) -> Value:
    """``x`` as a value of floating point dtype."""
    x = ops.as_value(x)
    if x.dtype.kind != "f":
        raise TypeError(f"{loss}: expected floating point {name}, got dtype {x.dtype}")
    return x


def like(x: Value, target: Any) -> Value:
    """``target`` as a value of floating point dtype: if it has none, that of ``x``."""
    target = target if hasattr(target, "shape") else np.asarray(target, x.dtype)
    return target if target.dtype.kind == "f" else ops.astype(target, dtype=x.dtype)


def pair(loss: str, name: str, prediction: Any, target: Any) -> tuple[Value, Value]:
    """A prediction, called ``name``, and its target: floating point, of one shape.

    Broadcasting (N, 1) against (N,) would compare each prediction with each target, N * N pairs,
    and train something else. Integer and boolean targets take the dtype of the prediction.
    """
    prediction = floating(loss, name, prediction)
    target = like(prediction, target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"{loss}: invalid shapes\n  Expect: {name}.shape == target.shape\n"
            f"  Actual: {prediction.shape} != {target.shape}\n"
            f"  Reshape one of them, for example target.reshape({name}.shape)."
        )
    return prediction, target


def check_elements(
    loss: str, x: Value, allowed: Callable[[Array], Array], expectation: str
) -> None:
    """Raise ValueError if an element of ``x`` is known and not allowed."""
    if is_known(x):
        elements = np.asarray(raw_value(x))
        if not (fits := allowed(elements)).all():
            raise ValueError(f"{loss}: expected {expectation}; got {elements[~fits][0]}")
