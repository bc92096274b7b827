"""What optimizers share: parameter groups, the state and its dict, and how a rule is run."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.autodiff.versions import note_changes
from dlcourse.ops import Array, Value

Parameters: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]]
Closure: TypeAlias = Callable[[], Tensor]
Options: TypeAlias = Mapping[str, Any]
Slots: TypeAlias = dict[str, Value]  # what a rule remembers of a parameter, by name
Form: TypeAlias = Literal["torch", "keras"]

# For each option that has a range: what it must be, in words and as a test.
RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "lr": ("a learning rate lr >= 0", lambda x: x >= 0),
    "momentum": ("momentum >= 0", lambda x: x >= 0),
    "weight_decay": ("weight_decay >= 0", lambda x: x >= 0),
    "lr_decay": ("lr_decay >= 0", lambda x: x >= 0),
    "momentum_decay": ("momentum_decay >= 0", lambda x: x >= 0),
    "initial_accumulator_value": ("initial_accumulator_value >= 0", lambda x: x >= 0),
    "eps": ("eps >= 0", lambda x: x >= 0),
    "alpha": ("0 <= alpha <= 1", lambda x: 0 <= x <= 1),
    "rho": ("0 <= rho <= 1", lambda x: 0 <= x <= 1),
    "betas": (
        "two betas, each 0 <= beta < 1",
        lambda x: len(x) == 2 and all(0 <= b < 1 for b in x),
    ),
    "form": ('form="torch" or form="keras"', lambda x: x in ("torch", "keras")),
    "max_iter": ("max_iter >= 1", lambda x: x >= 1),
    "max_eval": ("max_eval >= 1", lambda x: x >= 1),
    "history_size": ("history_size >= 1", lambda x: x >= 1),
    "line_search_fn": (
        'line_search_fn="strong_wolfe" or None',
        lambda x: x in ("strong_wolfe", None),
    ),
}


class Optimizer(ABC):
    """Parameters in groups, each with its options; what is remembered of each parameter.

    Args:
        parameters: Tensors, or groups of them: dicts with the tensors under "params" and, under
            their names, the options in which the group differs from the arguments.
        defaults: The options of the subclass, for groups that do not give their own.

    Attributes:
        param_groups: For each group a dict of "params" and all options; they may be changed
            between steps, as in ``optimizer.param_groups[0]["lr"] = 0.1``.
        state: For each parameter that has moved, a dict of what is remembered of it.

    Raises:
        TypeError: A parameter is not a Tensor, or a group no dict.
        ValueError: There are no parameters; one does not require a gradient, or is listed twice;
            an option is unknown or out of its range.

    Source: torch.optim.Optimizer.
    """

    def __init__(self, parameters: Parameters, **defaults: Any) -> None:
        if isinstance(parameters, Tensor):
            raise TypeError(f"{self._name}: expected a list of parameters, got one Tensor")
        listed: list[Any] = list(parameters)
        if not listed:
            raise ValueError(f"{self._name}: expected parameters to optimise, got none")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        for group in listed if isinstance(listed[0], dict) else [{"params": listed}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimise further parameters, from the next step on: a dict as in ``param_groups``."""
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f'{self._name}: expected a group to be a dict with its tensors under "params", '
                f"got {type(group).__name__} {group!r}"
            )
        unknown = group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ValueError(
                f"{self._name}: a group has no option {min(unknown)!r}; its options are "
                f"{', '.join(self.defaults)}"
            )
        given = group["params"]
        params = [given] if isinstance(given, Tensor) else list(given)
        self._check_parameters(params)
        options = {
            name: _plain(group.get(name, default)) for name, default in self.defaults.items()
        }
        self._check_options(options)
        self.param_groups.append({"params": params, **options})

    def _check_parameters(self, params: list[Any]) -> None:
        known = set(self.parameters)
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: parameter {i} is no Tensor but {type(p).__name__}")
            if not (p.requires_grad and p.is_leaf):
                raise ValueError(
                    f"{self._name}: parameter {i} must be a leaf with requires_grad=True"
                )
            if p in known:
                raise ValueError(
                    f"{self._name}: a parameter is listed twice, and would move twice a step"
                )
            known.add(p)

    def _check_options(self, options: dict[str, Any]) -> None:
        """Refuse options out of their ranges."""
        for name, value in options.items():
            if name not in RANGES:
                continue
            expected, holds = RANGES[name]
            try:
                valid = holds(value)
            except TypeError:
                valid = False
            if not valid:
                raise ValueError(f"{self._name}: expected {expected}, got {value!r}")

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters of all groups, in order."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate that all groups share; setting it sets that of each group."""
        rates = {float(group["lr"]) for group in self.param_groups}
        if len(rates) > 1:
            raise ValueError(
                f"{self._name}: the groups have different learning rates, {sorted(rates)}; "
                'read param_groups[i]["lr"]'
            )
        return rates.pop()

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = float(value)

    def zero_grad(self) -> None:
        """Forget all gradients. Without it, ``backward`` adds to those of the last step."""
        for group in self.param_groups:
            for p in group["params"]:
                p.zero_grad()

    @abstractmethod
    def step(self, closure: Closure | None = None) -> Tensor | None:
        """Move each parameter that has a gradient, in place.

        Args:
            closure: Clears the gradients, computes the loss, calls ``backward`` and returns the
                loss; called before the move.

        Returns:
            The loss, or None without a closure.
        """

    def state_dict(self) -> dict[str, Any]:
        """A copy of the options and the state; with it, and the parameters, training can go on.

        Returns:
            A dict. Under "state" is, for the number of each parameter, what is remembered of it;
            under "param_groups" are the groups, with the numbers of their parameters as "params".
            Parameters are numbered as in ``parameters``. The layout is that of
            torch.optim.Optimizer.state_dict.
        """
        number = {p: i for i, p in enumerate(self.parameters)}
        groups = [g | {"params": [number[p] for p in g["params"]]} for g in self.param_groups]
        state = {number[p]: remembered for p, remembered in self.state.items()}
        return copy.deepcopy({"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the optimizer stood of which ``state_dict`` is a state dict.

        Raises:
            ValueError: It is no state dict, or that of an optimizer with other options, groups
                or parameters; then nothing has changed.
        """
        if state_dict.keys() != {"state", "param_groups"}:
            raise ValueError(
                f'{self._name}: expected a state dict with the keys "state" and "param_groups", '
                f"got {list(state_dict)}"
            )
        saved = copy.deepcopy(dict(state_dict))
        groups = saved["param_groups"]
        theirs = [len(group["params"]) for group in groups]
        ours = [len(group["params"]) for group in self.param_groups]
        if theirs != ours:
            raise ValueError(
                f"{self._name}: expected a state dict of groups of {ours} parameters, got {theirs}"
            )
        state = {}
        for mine, group in zip(self.param_groups, groups, strict=True):
            # A schedule notes in each group the rate with which it began.
            if group.keys() - {"initial_lr"} != mine.keys() - {"initial_lr"}:
                raise ValueError(
                    f"{self._name}: expected the groups of a state dict to have "
                    f"{', '.join(mine)}; got {', '.join(group)}"
                )
            self._check_options(group)
            for p, i in zip(mine["params"], group["params"], strict=True):
                if i in saved["state"]:
                    state[p] = self._checked_state(i, p, saved["state"][i], group)
        for mine, group in zip(self.param_groups, groups, strict=True):
            mine.update(group | {"params": mine["params"]})
        self.state = state

    @abstractmethod
    def _checked_state(
        self, i: int, p: Tensor, remembered: dict[str, Any], group: dict[str, Any]
    ) -> dict[str, Any]:
        """What a state dict has for parameter number ``i``, as the state of ``p``."""


class SharedOptions(TypedDict, total=False):
    """The options of every elementwise optimizer; see ElementwiseOptimizer."""

    weight_decay: float | None
    decoupled_weight_decay: bool | None
    maximize: bool
    form: Form


class ElementwiseOptimizer(Optimizer):
    """An optimizer whose step is a pure rule for each number of a parameter by itself.

    A subclass has the rule and the initial state. Its parameters may be moved one by one, as
    ``step`` does, or all at once as one long vector, as a compiled training step does.

    Args:
        parameters: As of any Optimizer.
        weight_decay: The strength w of a pull towards zero, >= 0.
        decoupled_weight_decay: False: g = g + w p, the gradient of an L2 penalty, which the rule
            then scales like any gradient. True: p = p - lr w p beside the rule. By default
            False in form "torch" and True in form "keras", as there.
        maximize: Move with the gradients, not against them.
        form: "torch" or "keras", whose formula and defaults to use where they differ.
        own: The options of the subclass's rule, with their defaults.

    Source of decoupled decay: Loshchilov and Hutter (2019), Decoupled weight decay regularization,
    https://arxiv.org/abs/1711.05101.
    """

    # For each form the defaults of the options that may be None.
    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {"torch": {}, "keras": {}}

    def __init__(
        self,
        parameters: Parameters,
        *,
        weight_decay: float | None = None,
        decoupled_weight_decay: bool | None = None,
        maximize: bool = False,
        form: Form = "torch",
        **own: Any,
    ) -> None:
        self._check_options({"form": form})
        given = {
            **own,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "form": form,
        }
        of_form = {
            "weight_decay": 0.0,
            "decoupled_weight_decay": form == "keras",
            **self.form_defaults[form],
        }
        chosen = {k: of_form.get(k) if v is None else v for k, v in given.items()}
        super().__init__(parameters, **chosen)

    @abstractmethod
    def initial_state(self, p: Array, h: Options) -> Slots:
        """The slots that the rule remembers from step to step, as they are before the first.

        Args:
            p: The values of the parameter.
            h: The options of its group.

        Returns:
            Arrays by name, of the shape of ``p`` or 0-d, all of its dtype.
        """

    @abstractmethod
    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        """What to subtract from a parameter, and its new slots; nothing is changed in place.

        It is written with operators and ``ops``, so that it runs on arrays and on the symbols of
        a static graph alike. Scalars (t, lr, what is made of them) take operators alone: a NumPy
        function of a Python number is a float64, which would widen a float32 array.

        Args:
            g: The gradient.
            state: The slots, named as in ``initial_state``.
            t: The number of this step, from 1: a Python number, or a 0-d array or symbol of the
                dtype of ``g``.
            h: The options of the group; ``h["lr"]`` is as ``t``, the others are plain.
        """

    def update(self, p: Value, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        """The rule, with weight decay and direction: what to subtract from ``p``, the new slots.

        Pure, elementwise, and for arrays and symbols alike. The arguments are those of ``rule``.
        """
        if h["maximize"]:
            g = -g
        decay = h["weight_decay"]
        if decay and not h["decoupled_weight_decay"]:
            g = g + decay * p
        delta, slots = self.rule(g, state, t, h)
        if decay and h["decoupled_weight_decay"]:
            delta = delta + h["lr"] * decay * p
        return delta, slots

    def step(self, closure: Closure | None = None) -> Tensor | None:
        loss = None if closure is None else closure()
        moved: list[Array] = []
        for group in self.param_groups:
            h, dtype = dict(group), None
            bare = not (group["weight_decay"] or group["maximize"])  # then update() is the rule
            for p in group["params"]:
                if p.grad is None:
                    continue
                data, g = p.data, p.grad.data
                if data.dtype is not dtype:
                    # An array in the dtype of the parameter: NumPy multiplies by it twice as fast
                    # as by a Python number, and a float64 rate does not widen a float32 array.
                    dtype = data.dtype
                    h["lr"] = np.asarray(group["lr"], dtype)
                state = self.state.get(p)
                if state is None:
                    state = self.state[p] = {"step": 0, **self.initial_state(data, group)}
                t = state["step"] = state["step"] + 1
                delta, slots = (
                    self.rule(g, state, t, h) if bare else self.update(data, g, state, t, h)
                )
                np.subtract(data, delta, data)
                moved.append(data)
                if slots:
                    state.update(slots)
        note_changes(moved, f"{self._name}.step()")
        return loss

    def _checked_state(
        self, i: int, p: Tensor, remembered: dict[str, Any], group: dict[str, Any]
    ) -> dict[str, Any]:
        slots = self.initial_state(p.data, group)
        if remembered.keys() != {"step", *slots}:
            raise ValueError(
                f"{self._name}: expected parameter {i} to have the state "
                f"{', '.join(('step', *slots))}; got {', '.join(remembered)}"
            )
        for name, slot in slots.items():
            if np.shape(remembered[name]) != slot.shape:
                raise ValueError(
                    f"{self._name}: expected {name} of parameter {i} to have shape {slot.shape}, "
                    f"got {np.shape(remembered[name])}"
                )
        arrays = {name: np.asarray(remembered[name], slot.dtype) for name, slot in slots.items()}
        return {"step": int(remembered["step"]), **arrays}


def _plain(option: Any) -> Any:
    """A NumPy scalar as a Python number, which leaves the dtype of a float32 array alone."""
    return option.item() if isinstance(option, np.generic) else option
