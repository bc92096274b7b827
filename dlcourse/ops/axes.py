"""Axes that are out of range, said in one way for arrays, Tensors and Symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.exceptions import AxisError


def position(name: str, axis: int, ndim: int) -> int:
    """``axis`` counted from the front.

    Args:
        name: The operation, for the error.
        axis: From -ndim to ndim - 1.
        ndim: How many axes there are.

    Raises:
        numpy.exceptions.AxisError: It is out of range; this is an IndexError and a ValueError.
    """
    if not -ndim <= axis < ndim:
        raise AxisError(f"{name}: {_expected(ndim)}, got axis={axis}")
    return axis % ndim


def axis_problem(arguments: Sequence[Any], parameters: Mapping[str, Any]) -> str | None:
    """What is wrong with the parameter ``axis`` or ``axes`` of a failed operation, if anything is.

    The axes are those of the first argument.

    Args:
        arguments: The operation's array arguments.
        parameters: Its other arguments, by name.
    """
    ndim = len(getattr(arguments[0], "shape", ())) if arguments else 0
    for name in ("axis", "axes"):
        given = parameters.get(name)
        each = given if isinstance(given, tuple | list) else (given,)
        if any(axis is not None and not -ndim <= axis < ndim for axis in each):
            return f"{_expected(ndim)}, got {name}={given}"
    return None


def _expected(ndim: int) -> str:
    return f"expected -{ndim} <= axis < {ndim}" if ndim else "expected no axis for the shape ()"
