"""Schedules without a formula: one after another, several as one, one that waits for a plateau."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dlcourse.optimizers.base import Optimizer
from dlcourse.optimizers.schedules import LRScheduler, Schedule, check, check_state, per_group


class SequentialLR(LRScheduler):
    """One schedule after another: the next one begins at each of the milestones.

    The first begins with the groups' initial rates, and so does each at its milestone (but
    MultiplicativeLR, which goes on from the rate that it finds).

    Args:
        optimizer: The optimizer of all the schedules.
        schedules: In their order, each a Schedule.
        milestones: The steps at which the second, the third, ... takes over; one less than there
            are schedules.

    Raises:
        TypeError: One is no Schedule; such as ReduceLROnPlateau, which must be told a number.
        ValueError: A schedule is of another optimizer, or the milestones are not as many.

    Source: torch.optim.lr_scheduler.SequentialLR.
    """

    def __init__(
        self, optimizer: Optimizer, schedules: Sequence[Schedule], milestones: Sequence[int]
    ) -> None:
        super().__init__(optimizer)
        self.schedules = _checked("SequentialLR", schedules, optimizer)
        self.milestones = list(milestones)
        check(
            len(self.milestones) == len(self.schedules) - 1,
            "SequentialLR",
            f"{len(self.schedules) - 1} milestones for {len(self.schedules)} schedules",
            self.milestones,
        )
        check(
            self.milestones == sorted(self.milestones),
            "SequentialLR",
            "milestones in ascending order",
            self.milestones,
        )
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._active().begin()

    def _active(self) -> Schedule:
        return self.schedules[bisect_right(self.milestones, self.last_epoch)]

    def step(self) -> None:
        self.last_epoch += 1
        if self.last_epoch in self.milestones:
            self._active().restart()
        else:
            self._active().step()

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.last_epoch, "schedules": _states(self.schedules)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        check_state(self, state_dict)
        _load_states(self, state_dict["schedules"])
        self.last_epoch = state_dict["last_epoch"]


class ChainedScheduler(LRScheduler):
    """Several schedules as one, whose rates are multiplied: ``step()`` calls that of each.

    Args:
        schedules: In the order in which they step, each a Schedule of the same optimizer.

    Raises:
        TypeError: One is no Schedule; such as ReduceLROnPlateau, which must be told a number.
        ValueError: There is none, or they are of different optimizers.

    Source: torch.optim.lr_scheduler.ChainedScheduler.
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        check(len(schedules) > 0, "ChainedScheduler", "at least one schedule", schedules)
        super().__init__(schedules[0].optimizer)
        self.schedules = _checked("ChainedScheduler", schedules, self.optimizer)

    def step(self) -> None:
        self.last_epoch += 1
        for schedule in self.schedules:
            schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.last_epoch, "schedules": _states(self.schedules)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        check_state(self, state_dict)
        _load_states(self, state_dict["schedules"])
        self.last_epoch = state_dict["last_epoch"]


def _checked(name: str, schedules: Sequence[Any], optimizer: Optimizer) -> list[Schedule]:
    for i, schedule in enumerate(schedules):
        if not isinstance(schedule, Schedule):
            raise TypeError(
                f"{name}: expected each schedule to be a Schedule, number {i} is "
                f"{type(schedule).__name__}"
            )
        if schedule.optimizer is not optimizer:
            raise ValueError(
                f"{name}: expected schedules of one optimizer, that of number {i}, "
                f"{type(schedule).__name__}, is another"
            )
    return list(schedules)


def _states(schedules: Sequence[Schedule]) -> list[dict[str, Any]]:
    return [schedule.state_dict() for schedule in schedules]


def _load_states(
    owner: SequentialLR | ChainedScheduler, states: Sequence[Mapping[str, Any]]
) -> None:
    check(
        len(states) == len(owner.schedules),
        type(owner).__name__,
        f"the state of {len(owner.schedules)} schedules",
        len(states),
    )
    for schedule, state in zip(owner.schedules, states, strict=True):
        schedule.load_state_dict(state)


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
        check(mode in ("min", "max"), name, 'mode "min" or "max"', mode)
        check(factor < 1, name, "factor < 1", factor)
        check(
            threshold_mode in ("rel", "abs"), name, 'threshold_mode "rel" or "abs"', threshold_mode
        )
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = per_group("min_lr", min_lr, optimizer)
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
        check_state(self, state_dict)
        for name, value in state_dict.items():
            setattr(self, name, value)
