"""Schedules give the learning rates of torch.optim.lr_scheduler at every step."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse import optimizers as ours
from dlcourse.optimizers import SGD, Adam, OneCycleLR, ReduceLROnPlateau

CYCLE = {"max_lr": 0.4, "total_steps": 60}
CASES = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.5}),
    "step, default": ("StepLR", {"step_size": 30}),
    "multi-step": ("MultiStepLR", {"milestones": [3, 20, 20, 41], "gamma": 0.3}),
    "exponential": ("ExponentialLR", {"gamma": 0.9}),
    "cosine": ("CosineAnnealingLR", {"T_max": 60}),
    "cosine, past its end": ("CosineAnnealingLR", {"T_max": 11, "eta_min": 0.02}),
    "warm-up": ("LinearLR", {"start_factor": 0.1, "total_iters": 25}),
    "warm-up, default": ("LinearLR", {}),
    "constant": ("ConstantLR", {"factor": 0.25, "total_iters": 9}),
    "constant, default": ("ConstantLR", {}),
    "polynomial": ("PolynomialLR", {"total_iters": 40, "power": 1.7}),
    "polynomial, default": ("PolynomialLR", {}),
    "any function": ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
    "a function a group": ("LambdaLR", {"lr_lambda": [lambda step: 0.9**step, lambda _: 0.5]}),
    "factors": ("MultiplicativeLR", {"lr_lambda": lambda step: 1 - 0.01 * step}),
    "a factor a group": ("MultiplicativeLR", {"lr_lambda": [lambda _: 0.9, lambda _: 0.95]}),
    "cool-down": ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 50}),
    "one cycle": ("OneCycleLR", CYCLE),
    "one cycle, of epochs": ("OneCycleLR", {"max_lr": 0.4, "epochs": 12, "steps_per_epoch": 5}),
    "one cycle, linear": ("OneCycleLR", {**CYCLE, "anneal_strategy": "linear", "pct_start": 0.41}),
    "one cycle, three phases": (
        "OneCycleLR",
        {**CYCLE, "three_phase": True, "div_factor": 10.0, "final_div_factor": 100.0},
    ),
    "one cycle, other momenta": (
        "OneCycleLR",
        {**CYCLE, "base_momentum": 0.5, "max_momentum": 0.9},
    ),
    "one cycle, down only": ("OneCycleLR", {**CYCLE, "pct_start": 0.0}),
    "one cycle, a rate a group": ("OneCycleLR", {**CYCLE, "max_lr": [0.4, 0.1]}),
}


def both(make_ours, make_theirs):
    """Optimizers of both libraries with two groups."""
    a, b = (Tensor(1.0, requires_grad=True) for _ in range(2))
    c, d = (torch.ones(1, requires_grad=True) for _ in range(2))
    return (
        make_ours([{"params": [a]}, {"params": [b], "lr": 0.03}]),
        make_theirs([{"params": [c]}, {"params": [d], "lr": 0.03}]),
    )


def settings_of(optimizer):
    """What a schedule may set: rates, momenta and betas."""
    return [
        [group["lr"], group.get("momentum", 0), *group.get("betas", ())]
        for group in optimizer.param_groups
    ]


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize(("name", "arguments"), CASES.values(), ids=CASES)
@pytest.mark.filterwarnings("ignore:Detected call of")  # PyTorch wants optimizer.step() first
def test_learning_rates_and_momenta_are_those_of_pytorch(name, arguments, optimizer) -> None:
    options = {"lr": 0.2} | ({"momentum": 0.7} if optimizer == "SGD" else {})
    mine, theirs = both(
        lambda p: getattr(ours, optimizer)(p, **options),
        lambda p: getattr(torch.optim, optimizer)(p, **options),
    )
    schedule = getattr(ours, name)(mine, **arguments)
    their_schedule = getattr(torch.optim.lr_scheduler, name)(theirs, **arguments)
    for step in range(60):
        np.testing.assert_allclose(
            settings_of(mine), settings_of(theirs), rtol=1e-11, atol=1e-13, err_msg=f"step {step}"
        )
        assert schedule.get_last_lr() == [group["lr"] for group in mine.param_groups]
        schedule.step()
        their_schedule.step()


METRICS = np.random.default_rng(0).normal(size=80) / 4 + np.r_[np.linspace(3, 1, 30), np.ones(50)]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"patience": 2, "factor": 0.5},
        {"patience": 0, "factor": 0.5, "cooldown": 3, "min_lr": 0.01},
        {"patience": 1, "threshold": 0.2, "threshold_mode": "abs"},
        {"patience": 1, "threshold": 0.2, "threshold_mode": "rel", "min_lr": [0.05, 0.001]},
        {"patience": 0, "eps": 0.02},
    ],
)
def test_a_plateau_reduces_the_learning_rate_when_pytorch_does(mode, arguments) -> None:
    mine, theirs = both(lambda p: SGD(p, lr=0.2), lambda p: torch.optim.SGD(p, lr=0.2))
    schedule = ReduceLROnPlateau(mine, mode, **arguments)
    their_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, mode, **arguments)
    rates = set()
    for step, metric in enumerate([*METRICS, np.nan, np.nan]):
        schedule.step(metric if step % 2 else Tensor(metric))
        their_schedule.step(metric)
        np.testing.assert_allclose(
            settings_of(mine), settings_of(theirs), rtol=1e-12, err_msg=f"step {step}"
        )
        rates.add(mine.param_groups[0]["lr"])
    assert len(rates) > 1


@pytest.mark.parametrize("first", [math.nan, math.inf, 1.0])
@pytest.mark.parametrize("patience", [0, 1])
def test_a_plateau_counts_bad_epochs_from_the_first_on(first: float, patience: int) -> None:
    """A nan is no better than nothing, and there is no cooldown before the first reduction."""
    mine, theirs = both(lambda p: SGD(p, lr=0.2), lambda p: torch.optim.SGD(p, lr=0.2))
    schedule = ReduceLROnPlateau(mine, patience=patience)
    their_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, patience=patience)
    for metric in [first, math.inf, 1.0, 2.0]:
        schedule.step(metric)
        their_schedule.step(metric)
        np.testing.assert_allclose(settings_of(mine), settings_of(theirs), rtol=1e-12)


def test_a_plateau_goes_on_from_its_state_dict() -> None:
    def make():
        optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
        return ReduceLROnPlateau(optimizer, patience=2, cooldown=2, factor=0.5)

    whole, first, second = make(), make(), make()
    for metric in METRICS:
        whole.step(metric)
    for metric in METRICS[:33]:
        first.step(metric)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    for metric in METRICS[33:]:
        second.step(metric)
    assert second.get_last_lr() == whole.get_last_lr()
    assert second.state_dict() == whole.state_dict()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: ours.CosineAnnealingLR(o, T_max=10),
        lambda o: ours.LambdaLR(o, lambda step: 1 / (1 + step)),
        lambda o: ours.MultiplicativeLR(o, lambda step: 1 / step),
        lambda o: OneCycleLR(o, 0.5, total_steps=11, cycle_momentum=False, div_factor=0.5),
    ],
)
def test_the_rate_of_any_step_can_be_asked_for(make) -> None:
    optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    rates = [schedule.rate(1.0, step) for step in range(11)]
    for rate in rates:
        assert optimizer.lr == pytest.approx(rate, rel=1e-12)
        schedule.step()


def test_a_cycle_that_is_over_cannot_go_on() -> None:
    schedule = OneCycleLR(SGD([parameter], lr=1.0, momentum=0.9), max_lr=1.0, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match=re.escape("at most total_steps=3 calls")):
        schedule.step()


parameter = Tensor(1.0, requires_grad=True)
sgd = SGD([parameter], lr=0.1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ours.StepLR(sgd, step_size=0), "StepLR: expected step_size >= 1, got 0"),
        (lambda: ours.CosineAnnealingLR(sgd, T_max=0), "T_max >= 1, got 0"),
        (lambda: ours.LinearLR(sgd, start_factor=0), "0 < start_factor <= 1, got 0"),
        (lambda: ours.LinearLR(sgd, end_factor=2), "0 <= end_factor <= 1, got 2"),
        (lambda: ours.LinearLR(sgd, total_iters=0), "total_iters >= 1, got 0"),
        (lambda: OneCycleLR(sgd, 1.0), "total_steps, or both epochs and steps_per_epoch"),
        (lambda: OneCycleLR(sgd, 1.0, 0), "total_steps >= 1, got 0"),
        (lambda: OneCycleLR(sgd, 1.0, 9, pct_start=2), "0 <= pct_start <= 1, got 2"),
        (
            lambda: OneCycleLR(sgd, 1.0, 9, anneal_strategy="step"),
            '"cos" or "linear", got \'step\'',
        ),
        (lambda: OneCycleLR(sgd, [1.0, 2.0], 9), "one max_lr for each of 1 groups, got 2"),
        (
            lambda: OneCycleLR(ours.Adagrad([parameter]), 1.0, 9),
            "momentum or betas, or cycle_momentum=False, got 'Adagrad'",
        ),
        (lambda: ReduceLROnPlateau(sgd, "best"), 'mode "min" or "max", got \'best\''),
        (lambda: ReduceLROnPlateau(sgd, factor=1.0), "factor < 1, got 1.0"),
        (lambda: ReduceLROnPlateau(sgd, threshold_mode="x"), '"rel" or "abs", got \'x\''),
        (
            lambda: ours.ExponentialLR(sgd, 0.9).load_state_dict({"last_epoch": 3}),
            "ExponentialLR: expected a state dict with base_lrs, last_epoch, last_lr; got",
        ),
        (
            lambda: ours.ExponentialLR(sgd, 0.9).load_state_dict(
                {"base_lrs": [1.0, 2.0], "last_epoch": 3, "last_lr": [1.0, 2.0]}
            ),
            "ExponentialLR: expected the state of a schedule of 1 groups, got 2",
        ),
        (lambda: ours.ConstantLR(sgd, factor=0), "ConstantLR: expected 0 < factor <= 1, got 0"),
        (lambda: ours.ConstantLR(sgd, total_iters=0), "ConstantLR: expected total_iters >= 1"),
        (lambda: ours.PolynomialLR(sgd, total_iters=0), "PolynomialLR: expected total_iters >= 1"),
        (lambda: ours.PolynomialLR(sgd, power=0), "PolynomialLR: expected power > 0, got 0"),
        (lambda: ours.LambdaLR(sgd, [abs, abs]), "one lr_lambda for each of 1 groups, got 2"),
    ],
)
def test_settings_that_make_no_sense_are_named(make, text) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_the_first_beta_follows_the_cycle() -> None:
    optimizer = Adam([parameter], betas=(0.8, 0.99))
    OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.99)


def test_a_restarted_schedule_begins_with_step_0_again() -> None:
    w = Tensor([1.0], requires_grad=True)
    optimizer = ours.SGD([w], lr=1.0)
    schedule = ours.ExponentialLR(optimizer, gamma=0.5)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == (3, 0.125)
    schedule.restart()
    assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == (0, 1.0)


def test_the_state_of_another_schedule_is_refused() -> None:
    optimizer = ours.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    chained = ours.ChainedScheduler([ours.ExponentialLR(optimizer, gamma=0.5)])
    state = chained.state_dict()
    chained.load_state_dict(state)
    for wrong in ({}, {**state, "more": 1}):
        with pytest.raises(ValueError, match="ChainedScheduler: expected a state dict with"):
            chained.load_state_dict(wrong)
    assert chained.last_epoch == state["last_epoch"]


@pytest.mark.parametrize("given", [{}, {"epochs": 2}, {"steps_per_epoch": 5}])
def test_one_cycle_needs_to_know_how_long_it_is(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="total_steps, or both epochs and steps_per_epoch"):
        OneCycleLR(SGD([parameter], lr=0.1, momentum=0.9), max_lr=1.0, **given)
