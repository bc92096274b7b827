"""Schedules: learning rates that change from step to step.

A schedule is a pure function of the step number, ``rate(lr, step)``, and an object that writes its
values into the groups of an optimizer. Its ``step()`` is called after that of the optimizer, once a
batch or once an epoch, as its numbers are meant.

Source: torch.optim.lr_scheduler, whose names, arguments and values these are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from dlcourse.optimizers.base import Optimizer


class Schedule(ABC):
    """Sets the learning rate of each group to ``rate(lr, step)``.

    Here lr is the group's learning rate when the schedule is made, and step counts the calls of
    ``step()``. Making it sets the rate of step 0.

    Args:
        optimizer: The optimizer whose groups are set.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._apply()

    @abstractmethod
    def rate(self, lr: float, step: int) -> float:
        """The learning rate of step number ``step`` = 0, 1, ...; the group began with ``lr``."""

    def step(self) -> None:
        """Go on to the next learning rate."""
        self.last_epoch += 1
        self._apply()

    def _apply(self) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(lr, self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, beside the arguments and the optimizer's state dict."""
        return {"base_lrs": list(self.base_lrs), "last_epoch": self.last_epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the schedule stood that gave ``state_dict``, and set its learning rates."""
        _load(self, state_dict)
        self._apply()


class StepLR(Schedule):
    """lr * gamma ** (step // step_size): a drop every step_size steps.

    Args:
        optimizer: As of Schedule.
        step_size: How many steps lie between two drops.
        gamma: The factor of a drop.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        _check(step_size >= 1, "StepLR", "step_size >= 1", step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return lr * self.gamma ** (step // self.step_size)


class MultiStepLR(Schedule):
    """lr * gamma ** (the number of milestones reached): a drop at each of the given steps.

    Args:
        optimizer: As of Schedule.
        milestones: The steps at which the rate drops.
        gamma: The factor of a drop.
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return lr * self.gamma ** bisect_right(self.milestones, step)


class ExponentialLR(Schedule):
    """lr * gamma ** step.

    Args:
        optimizer: As of Schedule.
        gamma: The factor of each step.
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return lr * self.gamma**step


class CosineAnnealingLR(Schedule):
    """Half a period of a cosine in T_max steps, from lr down to eta_min (and then up again).

        eta_min + (lr - eta_min) * (1 + cos(pi * step / T_max)) / 2

    Args:
        optimizer: As of Schedule.
        T_max: The steps of half a period.
        eta_min: The lowest rate.

    Source: Loshchilov and Hutter (2017), SGDR, https://arxiv.org/abs/1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        _check(T_max >= 1, "CosineAnnealingLR", "T_max >= 1", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return _cosine(lr, self.eta_min, step / self.T_max)


class LinearLR(Schedule):
    """Warm-up: a straight line from lr * start_factor to lr * end_factor in total_iters steps.

    Args:
        optimizer: As of Schedule.
        start_factor, end_factor: The first and the last multiple of lr.
        total_iters: In how many steps.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        _check(0 < start_factor <= 1, "LinearLR", "0 < start_factor <= 1", start_factor)
        _check(0 <= end_factor <= 1, "LinearLR", "0 <= end_factor <= 1", end_factor)
        _check(total_iters >= 1, "LinearLR", "total_iters >= 1", total_iters)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        share = min(step, self.total_iters) / self.total_iters
        return lr * _line(self.start_factor, self.end_factor, share)


class _Phase(NamedTuple):
    """A stretch of a one-cycle schedule."""

    end: float  # its last step
    rate_factors: tuple[float, float]  # the learning rates at its two ends, over max_lr
    momenta: tuple[float, float]


class OneCycleLR(Schedule):
    """Up to max_lr and down to almost 0; the momentum goes the other way.

    From max_lr / div_factor to max_lr in the first pct_start of the steps, then down to
    max_lr / div_factor / final_div_factor. With three_phase it comes down the way it went up, and
    then goes on to the end. The optimizer's own lr does not matter.

    Args:
        optimizer: The optimizer whose groups are set.
        max_lr: The highest learning rate, or one for each group.
        total_steps: The number of steps; or give epochs and steps_per_epoch.
        pct_start: The share of the steps in which the rate rises, from 0 to 1.
        anneal_strategy: "cos" or "linear", the form of rise and fall.
        cycle_momentum: Set the momentum too (the first beta where the optimizer has betas), from
            max_momentum to base_momentum and back.

    Raises:
        ValueError: A setting is out of its range, the optimizer has no momentum to set, or
            ``step()`` was called more than total_steps times.

    Source: Smith and Topin (2017), Super-convergence, https://arxiv.org/abs/1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR: expected total_steps, or both epochs and steps_per_epoch"
                )
            total_steps = epochs * steps_per_epoch
        _check(total_steps >= 1, "OneCycleLR", "total_steps >= 1", total_steps)
        _check(0 <= pct_start <= 1, "OneCycleLR", "0 <= pct_start <= 1", pct_start)
        forms = {"cos": _cosine, "linear": _line}
        _check(
            anneal_strategy in forms,
            "OneCycleLR",
            'anneal_strategy "cos" or "linear"',
            anneal_strategy,
        )
        _check(
            not cycle_momentum or not {"momentum", "betas"}.isdisjoint(optimizer.defaults),
            "OneCycleLR",
            "an optimizer with momentum or betas, or cycle_momentum=False",
            type(optimizer).__name__,
        )
        self.total_steps = total_steps
        self.cycle_momentum = cycle_momentum
        self._form = forms[anneal_strategy]
        first, last = 1 / div_factor, 1 / div_factor / final_div_factor
        up = _Phase(pct_start * total_steps - 1, (first, 1.0), (max_momentum, base_momentum))
        down = _Phase(total_steps - 1, (1.0, last), (base_momentum, max_momentum))
        if three_phase:
            turn = 2 * pct_start * total_steps - 2
            down_again = _Phase(turn, (1.0, first), (base_momentum, max_momentum))
            out = _Phase(total_steps - 1, (first, last), (max_momentum, max_momentum))
            self._phases = [up, down_again, out]
        else:
            self._phases = [up, down]
        for group, lr in zip(
            optimizer.param_groups, _per_group("max_lr", max_lr, optimizer), strict=True
        ):
            group["lr"] = lr
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        phase, share = self._phase(step)
        first, last = phase.rate_factors
        return self._form(lr * first, lr * last, share)

    def momentum(self, step: int) -> float:
        """The momentum of step number ``step`` = 0, 1, ..."""
        phase, share = self._phase(step)
        return self._form(*phase.momenta, share)

    def _phase(self, step: int) -> tuple[_Phase, float]:
        """The phase that a step falls in, and the share of the phase that is over."""
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: expected at most total_steps={self.total_steps} calls of step(), "
                f"this is number {step}"
            )
        index = bisect_left([phase.end for phase in self._phases[:-1]], step)
        phase = self._phases[index]
        begin = self._phases[index - 1].end if index else 0.0
        return phase, (step - begin) / (phase.end - begin) if phase.end != begin else 1.0

    def _apply(self) -> None:
        super()._apply()
        if not self.cycle_momentum:
            return
        momentum = self.momentum(self.last_epoch)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


class ReduceLROnPlateau:
    """Multiply the learning rate by factor when a measured number has stopped to improve.

    It depends on what is measured, so it is no function of the step: ``step(metric)``.

    Args:
        optimizer: The optimizer whose groups are set.
        mode: "min" if lower is better, "max" if higher.
        factor: What lr is multiplied by, < 1.
        patience: How many steps in a row without improvement are borne.
        threshold: How much better counts as better: a share of the best ("rel") or an amount.
        threshold_mode: "rel" or "abs".
        cooldown: How many steps after a reduction are not counted.
        min_lr: The lowest learning rate, or one for each group.
        eps: A reduction by less is not made.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = type(self).__name__
        _check(mode in ("min", "max"), name, 'mode "min" or "max"', mode)
        _check(factor < 1, name, "factor < 1", factor)
        _check(
            threshold_mode in ("rel", "abs"), name, 'threshold_mode "rel" or "abs"', threshold_mode
        )
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = _per_group("min_lr", min_lr, optimizer)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def step(self, metric: Any) -> None:
        """Take note of the measured number, and reduce the learning rates if it is time.

        Args:
            metric: A number, or a Tensor or array of one element.
        """
        value = float(metric)
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(group["lr"] * self.factor, lowest)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bar = self.best * (1 + sign * self.threshold)
        else:
            bar = self.best + sign * self.threshold
        return value > bar if self.mode == "max" else value < bar

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, beside the arguments and the optimizer's state dict."""
        return {
            name: getattr(self, name) for name in ("best", "num_bad_epochs", "cooldown_counter")
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the schedule stood that gave ``state_dict``."""
        _load(self, state_dict)


def _line(start: float, end: float, share: float) -> float:
    """From start to end in a straight line."""
    return start + (end - start) * share


def _cosine(start: float, end: float, share: float) -> float:
    """From start to end along half a period of a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _per_group(name: str, value: float | Sequence[float], optimizer: Optimizer) -> list[float]:
    count = len(optimizer.param_groups)
    if not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"expected one {name} for each of {count} groups, got {len(value)}")
    return list(value)


def _load(schedule: Schedule | ReduceLROnPlateau, state_dict: Mapping[str, Any]) -> None:
    expected = schedule.state_dict()
    lengths = [len(s.get("base_lrs", [])) for s in (state_dict, expected)]
    if state_dict.keys() != expected.keys() or lengths[0] != lengths[1]:
        raise ValueError(
            f"{type(schedule).__name__}: expected a state dict with {', '.join(expected)} "
            f"(for {lengths[1]} groups); got {dict(state_dict)}"
        )
    for name, value in state_dict.items():
        setattr(schedule, name, value)


def _check(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")
