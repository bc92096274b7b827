"""Hooks of modules: functions that see what goes into a module and what comes out.

Source: torch.nn.Module.register_forward_hook
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Hook: TypeAlias = Callable[..., Any]


class ModuleHooks:
    """The hooks of one module, in the order in which they were registered.

    Attributes:
        before: Called with the module and the tuple of its inputs.
        after: Called with the module, the tuple of its inputs, and its result.
    """

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}

    def call(self, module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The module's value, where a hook may replace the inputs or the result."""
        for hook in list(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        result = module.forward(*inputs, **options)
        for hook in list(self.after.values()):
            changed = hook(module, inputs, result)
            if changed is not None:
                result = changed
        return result
