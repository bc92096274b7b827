"""A setting at the limit of its range is taken, and one beyond it is refused by name."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from dlcourse import Tensor, optimizers
from dlcourse.optimizers import OneCycleLR, Optimizer

# For each setting values at the limits, and values just beyond.
SETTINGS: dict[str, tuple[list[Any], list[Any]]] = {
    "lr": ([0.0], [-1e-9, float("nan")]),
    "momentum": ([0.0], [-1e-9]),
    "weight_decay": ([0.0], [-1e-9]),
    "lr_decay": ([0.0], [-1e-9]),
    "momentum_decay": ([0.0], [-1e-9]),
    "initial_accumulator_value": ([0.0], [-1e-9]),
    "eps": ([0.0], [-1e-9]),
    "alpha": ([0.0, 1.0], [-1e-9, 1 + 1e-9]),
    "rho": ([0.0, 1.0], [-1e-9, 1 + 1e-9]),
    "betas": ([(0.0, 0.0)], [(-1e-9, 0.9), (0.9, -1e-9), (1.0, 0.9), (0.9, 1.0), (0.9,)]),
    "max_iter": ([1], [0]),
    "max_eval": ([1], [0]),
    "history_size": ([1], [0]),
}
OPTIMIZERS = [
    kind
    for name in optimizers.__all__
    if isinstance(kind := getattr(optimizers, name), type)
    and issubclass(kind, Optimizer)
    and not inspect.isabstract(kind)
]


def made(kind: type[Any], **settings: Any) -> Any:
    return kind([Tensor(1.0, requires_grad=True)], **{"lr": 0.1, **settings})


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_settings_of_an_optimizer(setting: str) -> None:
    good, bad = SETTINGS[setting]
    takers = [kind for kind in OPTIMIZERS if setting in made(kind).defaults]
    assert takers
    for kind in takers:
        for value in good:
            assert made(kind, **{setting: value}).param_groups[0][setting] == value
        for value in bad:
            with pytest.raises(
                ValueError, match=rf"^{kind.__name__}: expected .*{setting.rstrip('s')}"
            ):
                made(kind, **{setting: value})


# The same of the arguments of a schedule; its other arguments.
SCHEDULES: list[tuple[str, str, list[Any], list[Any], dict[str, Any]]] = [
    ("StepLR", "step_size", [1], [0], {}),
    ("ConstantLR", "factor", [1.0, 1e-9], [0.0, 1 + 1e-9], {}),
    ("ConstantLR", "total_iters", [1], [0], {}),
    ("LinearLR", "start_factor", [1.0, 1e-9], [0.0, 1 + 1e-9], {}),
    ("LinearLR", "end_factor", [1.0, 0.0], [-1e-9, 1 + 1e-9], {}),
    ("LinearLR", "total_iters", [1], [0], {}),
    ("PolynomialLR", "total_iters", [1], [0], {}),
    ("PolynomialLR", "power", [1e-9], [0.0], {}),
    ("CosineAnnealingLR", "T_max", [1], [0], {}),
    ("OneCycleLR", "total_steps", [1], [0], {"max_lr": 1.0}),
    ("OneCycleLR", "pct_start", [0.0, 1.0], [-1e-9, 1 + 1e-9], {"max_lr": 1.0, "total_steps": 9}),
    ("OneCycleLR", "anneal_strategy", ["cos", "linear"], ["x"], {"max_lr": 1.0, "total_steps": 9}),
    ("ReduceLROnPlateau", "factor", [1 - 1e-9], [1.0], {}),
    ("ReduceLROnPlateau", "mode", ["min", "max"], ["x"], {}),
    ("ReduceLROnPlateau", "threshold_mode", ["rel", "abs"], ["x"], {}),
]


@pytest.mark.parametrize(
    ("name", "setting", "good", "bad", "others"),
    SCHEDULES,
    ids=lambda x: x if type(x) is str else "",
)
def test_the_settings_of_a_schedule(
    name: str, setting: str, good: list[Any], bad: list[Any], others: dict[str, Any]
) -> None:
    def schedule(value: Any) -> Any:
        optimizer = made(optimizers.SGD, momentum=0.9)
        return getattr(optimizers, name)(optimizer, **{setting: value}, **others)

    for value in good:
        schedule(value)
    for value in bad:
        with pytest.raises(ValueError, match=rf"^{name}: expected .*{setting}"):
            schedule(value)


def test_one_cycle_names_itself_when_an_optimizer_has_no_momentum() -> None:
    with pytest.raises(ValueError, match=r"^OneCycleLR: expected an optimizer with momentum"):
        OneCycleLR(made(optimizers.Adagrad), 1.0, 9)
    OneCycleLR(made(optimizers.Adagrad), 1.0, 9, cycle_momentum=False)


def test_a_program_of_schedules_names_itself() -> None:
    sgd = made(optimizers.SGD)
    first, second = (optimizers.ExponentialLR(sgd, gamma=0.5) for _ in range(2))
    for wrong, text in (([], "1 milestones for 2"), ([1, 2], "1 milestones for 2")):
        with pytest.raises(ValueError, match=f"^SequentialLR: expected {text} schedules"):
            optimizers.SequentialLR(sgd, [first, second], wrong)
    third = optimizers.ExponentialLR(sgd, gamma=0.5)
    with pytest.raises(ValueError, match=r"^SequentialLR: expected milestones in ascending order"):
        optimizers.SequentialLR(sgd, [first, second, third], [2, 1])
    optimizers.SequentialLR(sgd, [first, second, third], [2, 2])
    with pytest.raises(ValueError, match=r"^ChainedScheduler: expected at least one schedule"):
        optimizers.ChainedScheduler([])
    with pytest.raises(TypeError, match=r"^SequentialLR: .* number 1 is float"):
        optimizers.SequentialLR(sgd, [first, 0.5], [1])
    with pytest.raises(TypeError, match=r"^ChainedScheduler: .* number 1 is float"):
        optimizers.ChainedScheduler([first, 0.5])


@pytest.mark.parametrize("form", ["torch", "keras"])
def test_adamw_takes_its_decay_out_of_the_quotient(form: Any) -> None:
    w = Tensor([1.0], requires_grad=True)
    w.grad = Tensor([0.0])
    optimizers.AdamW([w], lr=0.1, weight_decay=0.5, form=form).step()
    assert w.data.tolist() == [0.95]


def test_an_option_that_is_a_numpy_scalar_leaves_a_float32_parameter_float32() -> None:
    w = Tensor(np.float32([1.0]), requires_grad=True)
    w.grad = Tensor(np.float32([1.0]))
    optimizer = optimizers.SGD([w], lr=np.float64(0.1))
    optimizer.step()
    assert w.data.dtype == np.float32
    assert type(optimizer.param_groups[0]["lr"]) is float
