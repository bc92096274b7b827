"""Whether operations on Tensors record the graph, in this thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any


class _Mode(threading.local):
    """Each thread has its own."""

    def __init__(self) -> None:
        self.recording = True
        self.anomaly = False  # whether `detect_anomaly` is on
        self.in_rule = False  # then, whether a derivative rule is running
        # Called with (operation, arguments, result) after each operation on Tensors.
        self.observers: tuple[Callable[[Any, tuple[Any, ...], Any], None], ...] = ()
        self.outer: list[bool] = []  # what held around each context that was entered


mode = _Mode()


class Recording(contextlib.ContextDecorator):
    """A context, or a decorator, that sets whether operations record the graph."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        mode.outer.append(mode.recording)
        mode.recording = self.enabled

    def __exit__(self, *_error: object) -> None:
        mode.recording = mode.outer.pop()


def no_grad() -> Recording:
    """A context, or a decorator, in which operations record no graph (as torch.no_grad)."""
    return Recording(False)


def enable_grad() -> Recording:
    """A context, or a decorator, that records again inside no_grad (as torch.enable_grad)."""
    return Recording(True)


def is_recording() -> bool:
    """Whether operations record the graph now, in this thread (as torch.is_grad_enabled)."""
    return mode.recording
