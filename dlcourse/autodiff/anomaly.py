"""Anomaly mode: stop at the operation in which a NaN appears, and name the user's line.

Without it a NaN spreads through all that depends on it, and shows up far from where it arose.

Source: torch.autograd.set_detect_anomaly,
https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from dlcourse.autodiff.node import Node
from dlcourse.autodiff.recording import F, ModeContext, mode
from dlcourse.ops import Primitive
from dlcourse.ops.failures import users_line


class _DetectAnomaly(ModeContext):
    def __enter__(self) -> None:
        mode.anomaly += 1
        mode.observers = (*mode.observers, _check_forward)

    def __exit__(self, *_error: object) -> None:
        mode.anomaly -= 1
        observers = list(mode.observers)
        observers.remove(_check_forward)
        mode.observers = tuple(observers)


@overload
def detect_anomaly(function: None = None) -> ModeContext: ...
@overload
def detect_anomaly(function: F) -> F: ...
def detect_anomaly(function: F | None = None) -> ModeContext | F:
    """A context in which each operation, forward and backward, is checked for a NaN it makes.

    Only an operation whose own inputs have none is blamed. It is slow: for finding a fault.

    Args:
        function: What is decorated, as for no_grad.

    Raises (inside the context):
        FloatingPointError: Names the operation, and the line of the program that called it.
    """
    return _DetectAnomaly() if function is None else _DetectAnomaly()(function)


def _has_nan(x: Any) -> bool:
    array = np.asarray(x.data if isinstance(x, Node) else x)  # type: ignore[attr-defined]
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def _check_forward(op: Primitive, arguments: tuple[Any, ...], result: Node) -> None:
    """Note where ``result`` was computed, and refuse a NaN that its arguments do not explain."""
    result.line = users_line()
    if not mode.in_rule and _has_nan(result) and not any(map(_has_nan, arguments)):
        raise FloatingPointError(
            f"{op.name}: the result has a NaN, and the arguments have none\n  at {result.line}"
        )


def checked_rule(
    node: Node, rule: Callable[..., Any], g: Any, y: Any, arguments: Sequence[Any]
) -> Any:
    """What ``rule``, one of ``node``'s, makes of the gradient ``g``, unless it makes a NaN.

    The operations inside the rule are not blamed: ``node`` is.
    """
    outer, mode.in_rule = mode.in_rule, True
    try:
        part = rule(g, y, *arguments, **node.parameters)
    finally:
        mode.in_rule = outer
    if _has_nan(part) and not _has_nan(g):
        line = node.line or "(computed outside detect_anomaly)"
        raise FloatingPointError(
            f"{node.operation_name()}: its derivative has a NaN, and the gradient that arrived has "
            f"none\n  forward at {line}"
        )
    return part
