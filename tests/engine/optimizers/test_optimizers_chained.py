"""Several schedules of one optimizer change its rates as those of PyTorch do, step by step."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse import Tensor, nn, optimizers
from dlcourse.losses import mse
from dlcourse.optimizers import SGD
from dlcourse.training.compiled_step import compile_step

THEIRS = torch.optim.lr_scheduler
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch wants optimizer.step()
STEPS = 14


class Plan(NamedTuple):
    """A schedule of both libraries."""

    name: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.arguments.items())})"


PLANS = {
    "step": Plan("StepLR", {"step_size": 3, "gamma": 0.5}),
    "multi-step": Plan("MultiStepLR", {"milestones": [0, 2, 5, 5], "gamma": 0.3}),
    "exponential": Plan("ExponentialLR", {"gamma": 0.9}),
    "constant": Plan("ConstantLR", {"factor": 0.25, "total_iters": 4}),
    "linear": Plan("LinearLR", {"start_factor": 0.1, "total_iters": 4}),
    "linear to 0": Plan("LinearLR", {"start_factor": 0.5, "end_factor": 0.0, "total_iters": 6}),
    "polynomial": Plan("PolynomialLR", {"total_iters": 9, "power": 2.0}),
    "cosine": Plan("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    "cosine of one step": Plan("CosineAnnealingLR", {"T_max": 1}),
    "any function": Plan("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
    "factors": Plan("MultiplicativeLR", {"lr_lambda": lambda step: 0.8 + 0.01 * step}),
    "one cycle": Plan("OneCycleLR", {"max_lr": [0.4, 0.1], "total_steps": 20}),
}


def optimizers_of_both() -> tuple[SGD, torch.optim.SGD]:
    """With two groups of different learning rates."""
    a, b = (Tensor(1.0, requires_grad=True) for _ in range(2))
    c, d = (torch.ones(1, requires_grad=True) for _ in range(2))
    return (
        SGD([{"params": [a]}, {"params": [b], "lr": 0.03}], lr=0.2, momentum=0.7),
        torch.optim.SGD([{"params": [c]}, {"params": [d], "lr": 0.03}], lr=0.2, momentum=0.7),
    )


def made(plans, mine, theirs) -> tuple[list[Any], list[Any]]:
    return (
        [getattr(optimizers, plan.name)(mine, **plan.arguments) for plan in plans],
        [getattr(THEIRS, plan.name)(theirs, **plan.arguments) for plan in plans],
    )


def settings_of(optimizer) -> list[list[float]]:
    return [[group["lr"], group["momentum"]] for group in optimizer.param_groups]


def compare(mine, theirs, ours, others, steps=STEPS) -> None:
    """Step all schedules, and compare the rates after each round."""
    for step in range(steps):
        np.testing.assert_allclose(
            settings_of(mine), settings_of(theirs), rtol=1e-10, atol=1e-15, err_msg=f"step {step}"
        )
        for schedule in (*ours, *others):
            schedule.step()


@pytest.mark.parametrize("second", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("first", PLANS.values(), ids=PLANS)
def test_two_schedules_that_step_in_turn_multiply_their_factors(first, second) -> None:
    mine, theirs = optimizers_of_both()
    compare(mine, theirs, *made([first, second], mine, theirs))


def test_a_warm_up_before_a_decay_reaches_the_rate_that_pytorch_reaches() -> None:
    optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
    schedules = [
        optimizers.LinearLR(optimizer, 0.1, total_iters=4),
        optimizers.ExponentialLR(optimizer, 0.9),
    ]
    for _ in range(6):
        for schedule in schedules:
            schedule.step()
    assert optimizer.lr == pytest.approx(0.9**6)


def test_chained_schedules_step_as_one() -> None:
    plans = [PLANS[name] for name in ("linear", "exponential", "step")]
    mine, theirs = optimizers_of_both()
    ours, others = made(plans, mine, theirs)
    chained = optimizers.ChainedScheduler(ours)
    compare(mine, theirs, [chained], [THEIRS.ChainedScheduler(others, theirs)])
    assert chained.last_epoch == STEPS
    assert chained.get_last_lr() == [group["lr"] for group in mine.param_groups]


@pytest.mark.parametrize("second", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("first", PLANS.values(), ids=PLANS)
def test_one_schedule_follows_another_at_its_milestone(first, second) -> None:
    mine, theirs = optimizers_of_both()
    ours, others = made([first, second], mine, theirs)
    compare(
        mine, theirs,
        [optimizers.SequentialLR(mine, ours, [5])], [THEIRS.SequentialLR(theirs, others, [5])],
    )  # fmt: skip


@pytest.mark.parametrize("milestones", [[2, 7], [0, 3], [3, 3], [1, 2]])
def test_several_schedules_follow_one_another_beside_another_one(milestones) -> None:
    mine, theirs = optimizers_of_both()
    plans = [PLANS[name] for name in ("linear", "cosine", "polynomial", "exponential")]
    (*ours, beside), (*others, their_beside) = made(plans, mine, theirs)
    compare(
        mine, theirs,
        [optimizers.SequentialLR(mine, ours, milestones), beside],
        [THEIRS.SequentialLR(theirs, others, milestones), their_beside],
    )  # fmt: skip


factors = st.floats(0.1, 1.0)
counts = st.integers(1, 8)
any_plan = st.one_of(
    st.builds(lambda n, g: Plan("StepLR", {"step_size": n, "gamma": g}), counts, factors),
    st.builds(
        lambda m, g: Plan("MultiStepLR", {"milestones": m, "gamma": g}),
        st.lists(st.integers(0, 12), max_size=4), factors,
    ),
    st.builds(lambda g: Plan("ExponentialLR", {"gamma": g}), st.floats(0.5, 1.1)),
    st.builds(lambda f, n: Plan("ConstantLR", {"factor": f, "total_iters": n}), factors, counts),
    st.builds(
        lambda a, b, n: Plan("LinearLR", {"start_factor": a, "end_factor": b, "total_iters": n}),
        factors, st.floats(0.0, 1.0), counts,
    ),
    st.builds(
        lambda n, p: Plan("PolynomialLR", {"total_iters": n, "power": p}), counts,
        st.floats(0.5, 3.0),
    ),
    st.builds(
        lambda n, e: Plan("CosineAnnealingLR", {"T_max": n, "eta_min": e}), counts,
        st.floats(0.0, 0.02),
    ),
    st.builds(lambda a: Plan("LambdaLR", {"lr_lambda": lambda step: a + step}), factors),
    st.builds(lambda a: Plan("MultiplicativeLR", {"lr_lambda": lambda _: a}), factors),
)  # fmt: skip


@given(st.lists(any_plan, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_schedules_with_any_arguments_work_together_as_in_pytorch(plans, random) -> None:
    mine, theirs = optimizers_of_both()
    ours, others = made(plans, mine, theirs)
    for step in range(STEPS):
        np.testing.assert_allclose(
            settings_of(mine), settings_of(theirs), rtol=1e-9, atol=1e-14, err_msg=f"step {step}"
        )
        for i in random.sample(range(len(plans)), random.randint(0, len(plans))):
            ours[i].step()
            others[i].step()


# --- State ----------------------------------------------------------------------------------------


def chain(optimizer: SGD) -> list[Any]:
    plans = [plan for name, plan in PLANS.items() if name != "any function"]
    return [getattr(optimizers, plan.name)(optimizer, **plan.arguments) for plan in plans]


def sequence(optimizer: SGD) -> list[Any]:
    plans = [PLANS[name] for name in ("linear", "cosine", "factors")]
    schedules = [getattr(optimizers, plan.name)(optimizer, **plan.arguments) for plan in plans]
    return [optimizers.SequentialLR(optimizer, schedules, [3, 8])]


def together(optimizer: SGD) -> list[Any]:
    return [optimizers.ChainedScheduler(chain(optimizer)[:4])]


@pytest.mark.parametrize("optimizer_too", [True, False])
@pytest.mark.parametrize("make", [chain, sequence, together])
def test_schedules_go_on_from_their_state_dicts(make, optimizer_too) -> None:
    (whole, _), (first, _), (second, _) = (optimizers_of_both() for _ in range(3))
    of_whole, of_first, of_second = make(whole), make(first), make(second)
    for step in range(STEPS):
        for schedule in of_whole:
            schedule.step()
        for schedule in of_first if step < 6 else of_second:
            schedule.step()
        if step == 5:
            if optimizer_too:
                second.load_state_dict(first.state_dict())
            states = [schedule.state_dict() for schedule in of_first]
            for schedule, state in reversed(list(zip(of_second, states, strict=True))):
                schedule.load_state_dict(state)
    assert settings_of(second) == settings_of(whole)
    assert [s.state_dict() for s in of_second] == [s.state_dict() for s in of_whole]


@pytest.mark.parametrize("saved_has_a_schedule", [True, False])
def test_a_state_dict_fits_an_optimizer_with_or_without_a_schedule(saved_has_a_schedule) -> None:
    (first, _), (second, _) = optimizers_of_both(), optimizers_of_both()
    optimizers.ConstantLR(first if saved_has_a_schedule else second, 0.5)
    second.load_state_dict(first.state_dict())
    assert settings_of(second) == settings_of(first)


def test_a_compiled_step_takes_the_rate_of_chained_schedules() -> None:
    x, y = np.ones((4, 2)), np.zeros((4, 1))
    models = [nn.Linear(2, 1, rng=np.random.default_rng(0)) for _ in range(2)]
    moving = [SGD(model.parameters(), lr=0.1) for model in models]
    step = compile_step(models[0], mse, moving[0], x, y)
    schedules = [
        schedule
        for o in moving
        for schedule in (optimizers.LinearLR(o, 0.1), optimizers.ExponentialLR(o, 0.9))
    ]
    for _ in range(5):
        step(x, y)
        moving[1].zero_grad()
        mse(models[1](x), y).backward()
        moving[1].step()
        for schedule in schedules:
            schedule.step()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


# --- What does not fit ----------------------------------------------------------------------------

sgd, _ = optimizers_of_both()
another, _ = optimizers_of_both()
exponential, cosine = optimizers.ExponentialLR(sgd, 0.9), optimizers.CosineAnnealingLR(sgd, 3)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: optimizers.SequentialLR(sgd, [exponential, cosine], [1, 2]), ValueError,
            "SequentialLR: expected 1 milestones for 2 schedules, got [1, 2]",
        ),
        (
            lambda: optimizers.SequentialLR(sgd, [exponential, cosine, cosine], [2, 1]), ValueError,
            "SequentialLR: expected milestones in ascending order, got [2, 1]",
        ),
        (
            lambda: optimizers.SequentialLR(another, [exponential, cosine], [1]), ValueError,
            "SequentialLR: expected schedules of one optimizer, that of number 0, ExponentialLR,",
        ),
        (
            lambda: optimizers.SequentialLR(
                sgd, [exponential, optimizers.ReduceLROnPlateau(sgd)], [1]
            ),
            TypeError, "expected each schedule to be a Schedule, number 1 is ReduceLROnPlateau",
        ),
        (
            lambda: optimizers.ChainedScheduler([]), ValueError,
            "ChainedScheduler: expected at least one schedule, got []",
        ),
        (
            lambda: optimizers.ChainedScheduler([optimizers.ExponentialLR(another, 0.9), cosine]),
            ValueError, "ChainedScheduler: expected schedules of one optimizer, that of number 1",
        ),
        (
            lambda: optimizers.ChainedScheduler([cosine]).load_state_dict(
                {"last_epoch": 1, "schedules": []}
            ),
            ValueError, "ChainedScheduler: expected the state of 1 schedules, got 0",
        ),
        (
            lambda: optimizers.SequentialLR(sgd, [exponential, cosine], [1]).load_state_dict({}),
            ValueError, "expected a state dict with last_epoch, schedules; got {}",
        ),
    ],
)  # fmt: skip
def test_schedules_that_do_not_fit_together_are_an_error(make, error, text) -> None:
    with pytest.raises(error, match=re.escape(text)):
        make()
