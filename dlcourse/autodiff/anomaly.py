"""Anomaly mode: stop at the operation in which a NaN appears, and name the user's line.

Without it a NaN spreads through all that depends on it, and shows up far from where it arose.

Source: torch.autograd.set_detect_anomaly,
https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dlcourse.autodiff.node import Node
from dlcourse.autodiff.recording import mode
from dlcourse.errors import users_line

# Where each Tensor that was computed in anomaly mode came from.
_lines: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """A context in which each operation, forward and backward, is checked for a NaN it makes.

    Only an operation whose own inputs have none is blamed. It is slow: for finding a fault.

    Raises (inside the context):
        FloatingPointError: Names the operation, and the line of the program that called it.
    """
    before = mode.anomaly
    mode.anomaly = True
    try:
        yield
    finally:
        mode.anomaly = before


def _has_nan(x: Any) -> bool:
    array = np.asarray(x.data if isinstance(x, Node) else x)  # type: ignore[attr-defined]
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def check_forward(result: Any, arguments: tuple[Any, ...], name: str) -> None:
    """Note where ``result`` was computed, and refuse a NaN that its arguments do not explain."""
    line = users_line()
    _lines[result] = line
    if _has_nan(result) and not any(map(_has_nan, arguments)):
        raise FloatingPointError(
            f"{name}: the result has a NaN, and the arguments have none\n  at {line}"
        )


def check_backward(node: Node, g: Any, part: Any) -> None:
    """Refuse a NaN in ``part``, what a rule of ``node`` made of the gradient ``g``."""
    if _has_nan(part) and not _has_nan(g):
        line = _lines.get(node, "(computed outside detect_anomaly)")
        raise FloatingPointError(
            f"{node.operation_name()}: its derivative has a NaN, and the gradient that arrived has "
            f"none\n  forward at {line}"
        )
