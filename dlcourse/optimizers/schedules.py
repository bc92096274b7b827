"""Schedules: learning rates that are functions of the step number.

A schedule has a formula, ``rate(lr, step)``, and writes its values into the groups of an optimizer.
Its ``step()`` is called after that of the optimizer, once a batch or once an epoch, as its numbers
are meant. Several schedules of one optimizer work together: each scales the rate that it finds.

Source: torch.optim.lr_scheduler, whose names, arguments and values these are.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from dlcourse.optimizers.base import Optimizer

Factor: TypeAlias = Callable[[int], float]  # of the step number


class LRScheduler(ABC):
    """What changes the learning rates of an optimizer from step to step.

    Args:
        optimizer: The optimizer whose groups are set.

    Attributes:
        last_epoch: The number of calls of ``step()`` so far.

    Source: torch.optim.lr_scheduler.LRScheduler.
    """

    last_epoch = 0

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    @abstractmethod
    def step(self) -> None:
        """Go on to the next learning rate."""

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group, as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on, beside the arguments and the optimizer's state dict."""

    @abstractmethod
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the schedule stood that gave ``state_dict``, and set its learning rates.

        Raises:
            ValueError: It is not the state of such a schedule, or that of other groups.
        """


class Schedule(LRScheduler):
    """A learning rate with a formula: that of each group is ``rate(lr, step)``.

    Here lr is the rate with which the group began, before any schedule (its "initial_lr"), and step
    counts the calls of ``step()``. Making a schedule sets the rate of step 0.

    A second schedule of the same optimizer finds the rates that the first has set and scales those:
    its ``step()`` multiplies them by rate(lr, step) / rate(lr, step - 1). So the factors of both
    apply, as in PyTorch.

    Args:
        optimizer: The optimizer whose groups are set.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.begin()

    @abstractmethod
    def rate(self, lr: float, step: int) -> float:
        """The learning rate of step number ``step`` = 0, 1, ...; the group began with ``lr``."""

    def next_rate(self, now: float, lr: float, step: int) -> float:
        """What this schedule makes of a rate in step number ``step``.

        Args:
            now: The rate of the group, which other schedules may have changed.
            lr: The rate with which the group began.
            step: 0, 1, ...
        """
        if step == 0:
            return self.rate(now, 0)
        before, after = self.rate(lr, step - 1), self.rate(lr, step)
        if now == before:  # no other schedule is at work: the formula itself, free of rounding
            return after
        return now * (after / before) if before else now

    def step(self) -> None:
        self._go_to(self.last_epoch + 1)

    def _go_to(self, step: int) -> None:
        """Take step number ``step`` from the rates as they are."""
        self.last_epoch = step
        self._set_rates(self._next_rates(step))

    def _next_rates(self, step: int) -> list[float]:
        places = zip(self.get_last_lr(), self.base_lrs, strict=True)
        return [self.next_rate(now, lr, step) for now, lr in places]

    def begin(self) -> None:
        """Take step 0 from the rates as they are."""
        self._go_to(0)

    def restart(self) -> None:
        """Take step 0 from the rates with which the groups began."""
        self.last_epoch = 0
        self._set_rates([self.rate(lr, 0) for lr in self.base_lrs])

    def _set_rates(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        return {
            "base_lrs": list(self.base_lrs),
            "last_epoch": self.last_epoch,
            "last_lr": self.get_last_lr(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        check_state(self, state_dict)
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: expected the state of a schedule of {len(self.base_lrs)} "
                f"groups, got {len(state_dict['base_lrs'])}"
            )
        self.base_lrs = list(state_dict["base_lrs"])
        self.last_epoch = state_dict["last_epoch"]
        self._set_rates(state_dict["last_lr"])


class StepLR(Schedule):
    """lr * gamma ** (step // step_size): a drop every step_size steps.

    Args:
        optimizer: As of Schedule.
        step_size: How many steps lie between two drops.
        gamma: The factor of a drop.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        check(step_size >= 1, "StepLR", "step_size >= 1", step_size)
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


class ConstantLR(Schedule):
    """lr * factor before step total_iters, then lr.

    Args:
        optimizer: As of Schedule.
        factor: In (0, 1].
        total_iters: The number of steps with that factor.
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        check(0 < factor <= 1, "ConstantLR", "0 < factor <= 1", factor)
        check(total_iters >= 1, "ConstantLR", "total_iters >= 1", total_iters)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return lr * self.factor if step < self.total_iters else lr


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
        check(0 < start_factor <= 1, "LinearLR", "0 < start_factor <= 1", start_factor)
        check(0 <= end_factor <= 1, "LinearLR", "0 <= end_factor <= 1", end_factor)
        check(total_iters >= 1, "LinearLR", "total_iters >= 1", total_iters)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        share = min(step, self.total_iters) / self.total_iters
        return lr * line(self.start_factor, self.end_factor, share)


class PolynomialLR(Schedule):
    """lr * (1 - step / total_iters) ** power, and 0 from step total_iters on.

    Args:
        optimizer: As of Schedule.
        total_iters: In how many steps the rate falls to 0.
        power: 1 for a straight line.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        check(total_iters >= 1, "PolynomialLR", "total_iters >= 1", total_iters)
        check(power > 0, "PolynomialLR", "power > 0", power)
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        rest: float = (1 - min(step, self.total_iters) / self.total_iters) ** self.power
        return lr * rest


class CosineAnnealingLR(Schedule):
    """Half a period of a cosine in T_max steps, from lr down to eta_min (and then up again).

        eta_min + (lr - eta_min) * (1 + cos(pi * step / T_max)) / 2

    Beside another schedule it scales what the rate has above eta_min; on its way up from there, it
    begins with the step that it would take alone.

    Args:
        optimizer: As of Schedule.
        T_max: The steps of half a period.
        eta_min: The lowest rate.

    Source: Loshchilov and Hutter (2017), SGDR, https://arxiv.org/abs/1608.03983.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        check(T_max >= 1, "CosineAnnealingLR", "T_max >= 1", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        return cosine(lr, self.eta_min, step / self.T_max)

    def next_rate(self, now: float, lr: float, step: int) -> float:
        if step == 0 or now == self.rate(lr, step - 1):
            return self.rate(now if step == 0 else lr, step)
        if (step - 1) % (2 * self.T_max) == self.T_max:  # at the bottom, where there is no ratio
            return now + self.rate(lr, step) - self.eta_min
        ratio = self._height(step) / self._height(step - 1)
        return self.eta_min + (now - self.eta_min) * ratio

    def _height(self, step: int) -> float:
        """Where the cosine stands between eta_min (0) and lr (1)."""
        return cosine(1.0, 0.0, step / self.T_max)


class LambdaLR(Schedule):
    """lr * lr_lambda(step): any function of the step.

    It sets the rate, whatever another schedule has made of it before.

    Args:
        optimizer: As of Schedule.
        lr_lambda: The multiple of lr at step 0, 1, ...; or a list of such functions, one for each
            group. They are no part of the state dict.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor]) -> None:
        self.lr_lambdas = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        """As of Schedule; by the function of the first group."""
        factor: float = self.lr_lambdas[0](step)
        return lr * factor

    def _next_rates(self, step: int) -> list[float]:
        return [lr * f(step) for lr, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def restart(self) -> None:
        self.begin()


class MultiplicativeLR(Schedule):
    """The last rate times lr_lambda(step): a factor for each of the steps 1, 2, ...

    Args:
        optimizer: As of Schedule.
        lr_lambda: The factor of each step; or a list of such functions, one for each group. They
            are no part of the state dict.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor]) -> None:
        self.lr_lambdas = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer)

    def rate(self, lr: float, step: int) -> float:
        """As of Schedule; by the function of the first group."""
        factor: float = math.prod(self.lr_lambdas[0](i) for i in range(1, step + 1))
        return lr * factor

    def _next_rates(self, step: int) -> list[float]:
        return self._scaled(step) if step else self.get_last_lr()

    def restart(self) -> None:
        """Take step 0: the rates as they are times lr_lambda(0), as in PyTorch."""
        self.last_epoch = 0
        self._set_rates(self._scaled(0))

    def _scaled(self, step: int) -> list[float]:
        return [lr * f(step) for lr, f in zip(self.get_last_lr(), self.lr_lambdas, strict=True)]


# --- What schedules share -------------------------------------------------------------------------


def line(start: float, end: float, share: float) -> float:
    """From start to end in a straight line."""
    return start + (end - start) * share


def cosine(start: float, end: float, share: float) -> float:
    """From start to end along half a period of a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A list with a value for each group, made of one for all or of such a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"expected one {name} for each of {count} groups, got {len(value)}")
    return list(value)


def check_state(schedule: Any, state_dict: Mapping[str, Any]) -> None:
    """Refuse a state dict that has other keys than those of the schedule."""
    expected = schedule.state_dict()
    if state_dict.keys() != expected.keys():
        raise ValueError(
            f"{type(schedule).__name__}: expected a state dict with {', '.join(expected)}; "
            f"got {dict(state_dict)}"
        )


def check(holds: bool, name: str, expected: str, got: Any) -> None:
    """Raise ValueError unless a setting of the schedule ``name`` is in its range."""
    if not holds:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")
