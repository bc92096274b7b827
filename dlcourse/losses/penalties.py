"""Penalties on the size of the parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dlcourse import ops
from dlcourse.ops import Value


def l1_penalty(parameters: Iterable[Any], strength: float = 1.0) -> Value:
    """strength * the sum of abs(w) over all elements w of all parameters; gradient 0 at 0.

    Args:
        parameters: Floating point, of any shapes, such as ``model.parameters()``; or a single one.
        strength: Not negative, in the unit of the loss over that of the parameters.

    Returns:
        A 0-d value.

    Raises:
        ValueError: There are no parameters, or the strength is negative.

    Source: Tibshirani, Regression shrinkage and selection via the lasso (1996),
    doi:10.1111/j.2517-6161.1996.tb02080.x; keras.regularizers.L1.
    """
    return _penalty("l1_penalty", parameters, [(strength, ops.abs)])


def l2_penalty(parameters: Iterable[Any], strength: float = 1.0) -> Value:
    """strength * the sum of w ** 2 over all elements w of all parameters.

    Its gradient is 2 * strength * w: an optimizer's coupled ``weight_decay`` is 2 * strength.

    Args, Returns, Raises: as for l1_penalty.

    Source: Hoerl & Kennard, Ridge regression (1970), doi:10.1080/00401706.1970.10488634;
    keras.regularizers.L2, which has no factor 1/2 either.
    """
    return _penalty("l2_penalty", parameters, [(strength, ops.square)])


def elastic_net_penalty(
    parameters: Iterable[Any], l1_strength: float = 1.0, l2_strength: float = 1.0
) -> Value:
    """l1_penalty and l2_penalty together.

    Args, Returns, Raises: as for l1_penalty.

    Source: Zou & Hastie, Regularization and variable selection via the elastic net (2005),
    doi:10.1111/j.1467-9868.2005.00503.x; keras.regularizers.L1L2. scikit-learn's alpha and
    l1_ratio are l1_strength = alpha * l1_ratio and l2_strength = alpha * (1 - l1_ratio) / 2.
    """
    terms = [(l1_strength, ops.abs), (l2_strength, ops.square)]
    return _penalty("elastic_net_penalty", parameters, terms)


def _penalty(
    name: str, parameters: Iterable[Any], terms: Sequence[tuple[float, Callable[..., Any]]]
) -> Value:
    """The sum over terms of strength * measure(w), over all elements w of all parameters."""
    for strength, _ in terms:
        if not strength >= 0:
            raise ValueError(f"{name}: expected a strength >= 0, got {strength}")
    listed = [parameters] if hasattr(parameters, "shape") else list(parameters)
    if not listed:
        raise ValueError(
            f"{name}: expected parameters, got none. An iterator gives its elements only once: "
            "pass model.parameters() again."
        )
    parts = [
        strength * ops.sum(measure(ops.as_value(w))) for strength, measure in terms for w in listed
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
