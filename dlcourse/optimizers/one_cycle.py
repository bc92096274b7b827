"""The one-cycle schedule: a learning rate that rises and falls, and a momentum that does not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, NamedTuple

from dlcourse.optimizers.base import Optimizer
from dlcourse.optimizers.schedules import Schedule, check, cosine, line, per_group


class _Phase(NamedTuple):
    """A stretch of a one-cycle schedule."""

    end: float  # its last step
    rate_factors: tuple[float, float]  # the learning rates at its two ends, over the first one
    momenta: tuple[float, float]


class OneCycleLR(Schedule):
    """Up to max_lr and down to almost 0; the momentum goes the other way.

    From max_lr / div_factor to max_lr in the first pct_start of the steps, then down to
    max_lr / div_factor / final_div_factor. With three_phase it comes down the way it went up, and
    then goes on to the end. The optimizer's own lr does not matter: the groups then begin with
    max_lr / div_factor. It sets rate and momentum, whatever another schedule has made of them.

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
        check(total_steps >= 1, "OneCycleLR", "total_steps >= 1", total_steps)
        check(0 <= pct_start <= 1, "OneCycleLR", "0 <= pct_start <= 1", pct_start)
        forms = {"cos": cosine, "linear": line}
        check(
            anneal_strategy in forms,
            "OneCycleLR",
            'anneal_strategy "cos" or "linear"',
            anneal_strategy,
        )
        check(
            not cycle_momentum or not {"momentum", "betas"}.isdisjoint(optimizer.defaults),
            "OneCycleLR",
            "an optimizer with momentum or betas, or cycle_momentum=False",
            type(optimizer).__name__,
        )
        self.total_steps = total_steps
        self.cycle_momentum = cycle_momentum
        self._form = forms[anneal_strategy]
        peak, last = div_factor, 1 / final_div_factor
        up = _Phase(pct_start * total_steps - 1, (1.0, peak), (max_momentum, base_momentum))
        down = _Phase(total_steps - 1, (peak, last), (base_momentum, max_momentum))
        if three_phase:
            turn = 2 * pct_start * total_steps - 2
            down_again = _Phase(turn, (peak, 1.0), (base_momentum, max_momentum))
            out = _Phase(total_steps - 1, (1.0, last), (max_momentum, max_momentum))
            self._phases = [up, down_again, out]
        else:
            self._phases = [up, down]
        for group, lr in zip(
            optimizer.param_groups, per_group("max_lr", max_lr, optimizer), strict=True
        ):
            group["lr"] = group["initial_lr"] = lr / div_factor
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

    def next_rate(self, now: float, lr: float, step: int) -> float:
        return self.rate(lr, step)

    def _set_rates(self, rates: Sequence[float]) -> None:
        super()._set_rates(rates)
        if not self.cycle_momentum:
            return
        momentum = self.momentum(self.last_epoch)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
