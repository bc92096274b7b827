"""Modules: functions with parameters, found in their attributes by name."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlcourse.autodiff import Tensor, no_grad
from dlcourse.autodiff.hooks import HookHandle
from dlcourse.nn.describing import described, settings_of
from dlcourse.nn.hooks import Hook, ModuleHooks
from dlcourse.ops import Array, Value

if TYPE_CHECKING:
    from typing import Self


class IncompatibleKeys(NamedTuple):
    """The names that a state dict lacks, and those that the module lacks."""

    missing: list[str]
    unexpected: list[str]


class Module(ABC):
    """A function with parameters, buffers and submodules, which are its attributes.

    A subclass stores them as attributes (or in lists, tuples and dicts that are attributes) and
    defines ``forward``, written with ``dlcourse.ops``. A Tensor that requires a gradient is a
    parameter; any other Tensor is a buffer: part of the state, but not learned by gradients.

    Attributes:
        training: Whether the module behaves as in training, which matters to Dropout and
            batch normalisation; set by ``train()`` and ``eval()``.

    Source: torch.nn.Module.
    """

    training: bool = True
    _hooks: ModuleHooks | None = None
    _frozen: _Frozen | None = None

    @abstractmethod
    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The function's value."""

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if self._hooks is None:
            return self.forward(*inputs, **options)
        return self._hooks.call(self, inputs, options)

    def register_forward_pre_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, inputs)`` before each call of the module.

        Args:
            hook: May return other inputs, a tuple or a single one; else None.

        Returns:
            A handle, whose ``remove()`` takes the hook away again.

        Source: torch.nn.Module.register_forward_pre_hook.
        """
        self._hooks = self._hooks or ModuleHooks()
        return HookHandle(self._hooks.before, hook)

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(module, inputs, result)`` after each call of the module.

        Args:
            hook: May return another result; else None.

        Returns:
            A handle, whose ``remove()`` takes the hook away again.

        Source: torch.nn.Module.register_forward_hook.
        """
        self._hooks = self._hooks or ModuleHooks()
        return HookHandle(self._hooks.after, hook)

    # --- What it consists of --------------------------------------------------------------------

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Pairs such as ("0.weight", tensor), in the order in which the attributes were set.

        A parameter that is reached in several ways is listed once, under its first name.
        """
        return ((n, t) for n, t in _once(self._tensors(prefix)) if t.requires_grad)

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """As ``named_parameters``, the Tensors that require no gradient."""
        return ((n, t) for n, t in _once(self._tensors(prefix)) if not t.requires_grad)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module, under the name ``prefix``, and all modules in it, each once."""
        return _once(self._modules(prefix))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one (or in lists and dicts there), each once."""
        return _once((n, child) for n, child in self._children() if isinstance(child, Module))

    def parameters(self) -> list[Tensor]:
        """Each parameter once, in the order of ``named_parameters``."""
        return [p for _, p in self.named_parameters()]

    def buffers(self) -> list[Tensor]:
        """Each buffer once, in the order of ``named_buffers``."""
        return [b for _, b in self.named_buffers()]

    def modules(self) -> list[Module]:
        """This module and all modules in it, each once, in the order of ``named_modules``."""
        return [module for _, module in self.named_modules()]

    def children(self) -> list[Module]:
        """The modules of ``named_children``."""
        return [child for _, child in self.named_children()]

    def count_params(self) -> int:
        """How many numbers there are to learn: the elements of all parameters.

        Source: keras.Model.count_params.
        """
        return sum(p.size for p in self.parameters())

    def extra_repr(self) -> str:
        """What ``repr`` shows beside the name: the arguments that are attributes of their names."""
        return settings_of(self)

    def __repr__(self) -> str:
        return described(self)

    def _tensors(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """All Tensors under all their names."""
        for name, value in self._children():
            if isinstance(value, Module):
                yield from value._tensors(f"{prefix}{name}.")
            elif isinstance(value, Tensor):
                yield f"{prefix}{name}", value

    def _modules(self, name: str) -> Iterator[tuple[str, Module]]:
        yield name, self
        for child, value in self._children():
            if isinstance(value, Module):
                yield from value._modules(f"{name}.{child}" if name else child)

    def _children(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            yield from _items(name, value)

    # --- Mode and gradients ---------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Behave as in training, or not, here and in all submodules; returns self."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Behave as in use: no dropout, the running statistics; returns self."""
        return self.train(False)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` with this module and each submodule; returns self."""
        for _, module in self.named_modules():
            function(module)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters, or thaw those that this method has frozen; returns self.

        A frozen parameter counts as a buffer until it is thawed: it stays in the state dict, gets
        no gradient, and is none of the ``parameters()`` that an optimizer is given.

        Args:
            requires_grad: False to freeze, True to thaw.

        Source: ``torch.nn.Module.requires_grad_``, where a frozen parameter stays among the
        parameters.
        """
        for _, module in self.named_modules():
            own = [t for _, t in module._children() if isinstance(t, Tensor)]
            known = module._frozen.tensors if module._frozen else []
            if requires_grad:
                for tensor in known:
                    tensor.requires_grad = True
                module._frozen = None
                continue
            module._frozen = _Frozen([*known, *(t for t in own if t.requires_grad)])
            for tensor in module._frozen.tensors:
                tensor.requires_grad = False
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.zero_grad()

    # --- State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers, by name.

        A Tensor that is reached in several ways is there under each of its names, as in PyTorch.
        """
        return {name: tensor.data.copy() for name, tensor in self._tensors("")}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Overwrite the parameters and buffers, in place, with those of ``state``.

        Args:
            state: Arrays, or what np.asarray takes (the state_dict of a PyTorch module), by name.
                Numbers are converted to the dtypes of the module.
            strict: Whether the names must be exactly the module's. If not, those that both have
                are loaded.

        Returns:
            The names that only one of them has.

        Raises:
            ValueError: Names, shapes or dtypes do not fit; the text lists all that do not. Then
                nothing has changed.
        """
        own = dict(self._tensors(""))
        keys = IncompatibleKeys(
            [name for name in own if name not in state], [name for name in state if name not in own]
        )
        arrays = {name: np.asarray(state[name]) for name in own if name in state}
        problems = [f"missing: {name} {own[name].shape}" for name in keys.missing if strict]
        problems += [f"unexpected: {name}" for name in keys.unexpected if strict]
        for name, array in arrays.items():
            problems += _mismatches(name, own[name], array)
        if problems:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state does not fit this module\n  "
                + "\n  ".join(problems)
            )
        with no_grad():
            for name, array in arrays.items():
                own[name].copy_(array)
        return keys

    def update_buffers(self, **values: Value) -> None:
        """Give buffers their next values; for the ``forward`` of a module that keeps statistics.

        Raises:
            RuntimeError: The value is a Symbol of a static graph and the buffer is not, so that
                the update would not be part of the graph.
        """
        for name, value in values.items():
            is_symbol = hasattr(value, "apply_primitive") and not isinstance(value, Tensor)
            if is_symbol and isinstance(getattr(self, name), Tensor):
                raise RuntimeError(
                    f"{type(self).__name__}: in a static graph the next value of {name} must be "
                    "an output.\n  Trace functional_call_with_buffers(model, values, x), with the "
                    "model's buffers among the values, or call model.eval() first."
                )
            setattr(self, name, value)


# --- Calls with other values ----------------------------------------------------------------------


def functional_call(module: Module, values: Mapping[str, Value], *inputs: Value) -> Any:
    """``module(*inputs)`` with ``values`` in place of parameters and buffers of these names.

    With Symbols as values and inputs the call is traced; with Tensors of another training step it
    is differentiated towards those. Afterwards, also after an error, the module is as it was, but
    for buffers that were not among the values and that the call has updated.

    Args:
        module: The module.
        values: By name, as in ``named_parameters`` and ``named_buffers``; of a Tensor that is used
            in several places, one name is enough. What is not named stays.
        inputs: The arguments of ``module``.

    Raises:
        KeyError: The module has no parameter or buffer of a name.
        ValueError: A value has another shape.

    Source: torch.func.functional_call.
    """
    with _replaced(module, values):
        return module(*inputs)


def functional_call_with_buffers(
    module: Module, values: Mapping[str, Value], *inputs: Value
) -> tuple[Any, dict[str, Value]]:
    """As functional_call, and the next values of the buffers; the module itself stays as it was.

    Returns:
        The module's value, and by name those buffers that the call has updated, such as the
        running statistics of batch normalisation.

    Source: flax.linen's ``apply(variables, x, mutable=["batch_stats"])``.
    """
    before = {**dict(module.named_buffers()), **values}
    places = [
        (f"{path}.{name}" if path else name, owner, name)
        for path, owner in module.named_modules()
        for name, value in vars(owner).items()
        if isinstance(value, Tensor) and not value.requires_grad
    ]
    with _replaced(module, before):
        placed = {path: getattr(owner, name) for path, owner, name in places}
        y = module(*inputs)
        after = {path: getattr(owner, name) for path, owner, name in places}
    return y, {path: value for path, value in after.items() if value is not placed[path]}


@contextmanager
def _replaced(module: Module, values: Mapping[str, Value]) -> Iterator[None]:
    """A context in which the Tensors of the given names are the given values."""
    own = dict(module._tensors(""))
    for name, value in values.items():
        if name not in own:
            raise KeyError(
                f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}; "
                f"it has {', '.join(own) or 'none'}"
            )
        if np.shape(value) != own[name].shape:
            raise ValueError(
                f"functional_call: expected {name} of shape {own[name].shape}, "
                f"got {np.shape(value)}"
            )
    instead = {id(own[name]): value for name, value in values.items()}
    saved = []
    try:
        for _, owner in list(module.named_modules()):
            for name, value in list(vars(owner).items()):
                new = _substituted(value, instead)
                if new is not value or id(value) in instead:
                    saved.append((owner, name, value))
                    setattr(owner, name, new)
        yield
    finally:
        for owner, name, value in saved:
            setattr(owner, name, value)


def _substituted(value: Any, instead: Mapping[int, Value]) -> Any:
    """``value`` with Tensors, also those in lists, tuples and dicts, replaced by their id."""
    if isinstance(value, Tensor):
        return instead.get(id(value), value)
    if isinstance(value, dict):
        items = {key: _substituted(item, instead) for key, item in value.items()}
        return value if all(items[key] is value[key] for key in value) else items
    if type(value) in (list, tuple):
        parts = [_substituted(item, instead) for item in value]
        return value if all(map(operator.is_, parts, value)) else type(value)(parts)
    return value


def _items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """``value`` under its name, or if it is a list, tuple or dict, its items under theirs."""
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _items(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _items(f"{name}.{key}", item)
    else:
        yield name, value


def _once(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


class _Frozen:
    """The parameters that a module has frozen, where a search for its parameters finds none."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors


def _mismatches(name: str, tensor: Tensor, array: Array) -> list[str]:
    """What keeps ``array`` from being the value of ``tensor``, in words."""
    if array.shape != tensor.shape:
        return [f"shape of {name}: expected {tensor.shape}, got {array.shape}"]
    if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        return [f"dtype of {name}: expected {tensor.dtype}, got {array.dtype}"]
    return []
