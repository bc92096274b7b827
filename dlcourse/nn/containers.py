"""Modules that consist of modules, in a chain, a list or by name; and the one that does nothing."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, overload

from dlcourse.nn.module import Module
from dlcourse.ops import Value


class Identity(Module):
    """The input itself, whatever it is.

    Source: torch.nn.Identity.
    """

    def forward(self, x: Value) -> Value:
        return x


class ModuleList(Module):
    """Modules in a list, for a ``forward`` that calls them in its own way.

    It has an item by number, slices, ``len``, iteration, ``append``, ``extend`` and ``insert``. A
    plain list that is an attribute of a module is searched for parameters too; this one also
    prints, and takes ``train()`` or ``apply()`` by itself.

    Args:
        modules: The modules.

    Source: torch.nn.ModuleList.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._list: list[Module] = []
        self.extend(modules)

    def _children(self) -> Iterator[tuple[str, Any]]:
        yield from ((str(i), module) for i, module in enumerate(self._list))

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> ModuleList: ...
    def __getitem__(self, i: int | slice) -> Module | ModuleList:
        return type(self)(self._list[i]) if isinstance(i, slice) else self._list[i]

    def __setitem__(self, i: int, module: Module) -> None:
        self._list[i] = _checked(self, module)

    def __len__(self) -> int:
        return len(self._list)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._list)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end; returns self."""
        return self.extend([module])

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end; returns self."""
        self._list += [_checked(self, module) for module in modules]
        return self

    def insert(self, i: int, module: Module) -> None:
        """Put a module before number ``i``."""
        self._list.insert(i, _checked(self, module))

    def forward(self, *_inputs: Any, **_options: Any) -> Any:
        raise TypeError(
            "ModuleList is no function: call its modules one by one, or use Sequential for a chain"
        )


class ModuleDict(Module):
    """Modules by name, for a ``forward`` that chooses among them.

    It has ``keys``, ``values``, ``items``, ``update``, ``len`` and ``in``.

    Args:
        modules: The modules by name.

    Source: torch.nn.ModuleDict.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self._dict: dict[str, Module] = {}
        self.update(modules or {})

    def _children(self) -> Iterator[tuple[str, Any]]:
        yield from self._dict.items()

    def __getitem__(self, name: str) -> Module:
        return self._dict[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._dict[name] = _checked(self, module)

    def __delitem__(self, name: str) -> None:
        del self._dict[name]

    def __contains__(self, name: object) -> bool:
        return name in self._dict

    def __len__(self) -> int:
        return len(self._dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._dict.keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._dict.values()

    def items(self) -> ItemsView[str, Module]:
        """Pairs of name and module."""
        return self._dict.items()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules by name, or replace those of the same name."""
        for name, module in modules.items():
            self[name] = module

    def forward(self, *_inputs: Any, **_options: Any) -> Any:
        raise TypeError("ModuleDict is no function: call one of its modules, modules[name](x)")


class Sequential(Module):
    """The given modules one after another; item i is ``model[i]``, and a slice is a chain again.

    Args:
        modules: The modules.

    Source: torch.nn.Sequential.
    """

    def __init__(self, *modules: Module) -> None:
        self._chain = modules

    def _children(self) -> Iterator[tuple[str, Any]]:
        yield from ((str(i), module) for i, module in enumerate(self._chain))

    @overload
    def __getitem__(self, i: int) -> Module: ...
    @overload
    def __getitem__(self, i: slice) -> Sequential: ...
    def __getitem__(self, i: int | slice) -> Module | Sequential:
        return type(self)(*self._chain[i]) if isinstance(i, slice) else self._chain[i]

    def __len__(self) -> int:
        return len(self._chain)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._chain)

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns self."""
        self._chain = (*self._chain, _checked(self, module))
        return self

    def forward(self, x: Value) -> Value:
        for module in self._chain:
            x = module(x)
        return x


def _checked(owner: Module, module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{type(owner).__name__}: expected a Module, got {type(module).__name__}")
    return module
