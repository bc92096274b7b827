"""What a module prints as: its name and settings, and below it the modules that it consists of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from dlcourse.autodiff import Tensor


def described(module: Any) -> str:
    """A module and its submodules, nested, each with the name of its attribute.

    Source: torch.nn.Module.__repr__.
    """
    head, settings = type(module).__name__, module.extra_repr()
    children = [
        f"({name}): {described(child)}".replace("\n", "\n  ")
        for name, child in module._children()
        if hasattr(child, "extra_repr")  # a module, not a tensor or a number
    ]
    if not children:
        return f"{head}({settings})"
    return f"{head}({settings}\n  " + "\n  ".join(children) + "\n)"


def settings_of(module: Any) -> str:
    """The arguments with which a module was made, as far as it keeps them as attributes.

    Those that have their default value are left out.
    """
    shown = []
    for parameter in _parameters(type(module)):
        if parameter.name not in vars(module):
            continue
        value = vars(module)[parameter.name]
        if type(parameter.default) is bool and (value is None or isinstance(value, Tensor)):
            value = value is not None  # such as a bias, which the argument asked for
        if not _is_plain(value):
            continue
        if parameter.default is parameter.empty or value != parameter.default:
            shown.append(f"{parameter.name}={value!r}")
    return ", ".join(shown)


def _parameters(kind: type) -> Iterator[inspect.Parameter]:
    """The arguments of a class; in the place of ``**options``, those of the class above it."""
    seen: set[str] = set()
    for i, cls in enumerate(kind.__mro__):
        if "__init__" not in vars(cls) or cls is object:
            continue
        passed_on = False
        for parameter in list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                passed_on = i + 1 < len(kind.__mro__)
            elif parameter.name not in seen:
                seen.add(parameter.name)
                yield parameter
        if not passed_on:
            return


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
