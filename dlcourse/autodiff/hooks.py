"""Hooks: functions that see a tensor's gradient in a sweep, and may replace it.

Source: torch.Tensor.register_hook
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dlcourse.autodiff.node import tick
from dlcourse.ops.failures import users_line

Hook: TypeAlias = Callable[[Any], Any]  # from a Tensor, the gradient, to another or None


class HookHandle:
    """What `Tensor.register_hook` returns; ``remove()`` takes the hook away again."""

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self._hooks, self._key = hooks, tick()
        hooks[self._key] = hook

    def remove(self) -> None:
        """Do not call the hook any more; a second time does nothing."""
        self._hooks.pop(self._key, None)


def run_hooks(tensor: Any, g: Any) -> Any:
    """The gradient ``g`` of ``tensor``, an array or a Tensor, as the hooks leave it; of its type.

    Raises:
        TypeError: A hook returns something else than None or a Tensor.
        RuntimeError: What it returns has another shape.
    """
    is_raw = isinstance(g, np.ndarray | np.generic)
    current = type(tensor).wrap(g) if is_raw else g
    for hook in list((tensor.hooks or {}).values()):
        returned = hook(current)
        if returned is None:
            continue
        if not isinstance(returned, type(tensor)):
            raise TypeError(
                "register_hook: expected the hook to return None or a Tensor, got "
                f"{type(returned).__name__}\n  at {users_line()}"
            )
        if returned.shape != tensor.shape:
            raise RuntimeError(
                f"register_hook: expected the hook to return a gradient of shape {tensor.shape}, "
                f"got {returned.shape}\n  at {users_line()}"
            )
        current = returned
    if not is_raw:
        return current
    return current.data if current.data is g else np.array(current.data, dtype=tensor.dtype)
