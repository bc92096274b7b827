"""What an argument is by default in PyTorch, it is here, unless a docstring says otherwise."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.init

from dlcourse import losses, nn, optimizers
from dlcourse.nn import Linear
from dlcourse.ops.primitive import PRIMITIVES, Primitive

# On purpose: layers are of float64, batches come first, an activation has a name.
OURS = {
    "dtype": np.float64,
    "batch_first": True,
    "activation": "relu",
    "modules": (),  # of ModuleList
}


def defaults(thing: Callable[..., Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:  # a function written in C++
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def pairs(ours: Any, theirs: Any) -> list[Any]:
    """What both have under one name and with some defaults in common."""
    found = []
    for name in dir(ours):
        a, b = getattr(ours, name), getattr(theirs, name, None)
        is_public = not name.startswith("_") and (inspect.isclass(a) or inspect.isfunction(a))
        if is_public and callable(b) and defaults(a).keys() & defaults(b).keys():
            found.append(pytest.param(a, b, id=f"{ours.__name__.rpartition('.')[2]}.{name}"))
    return found


PAIRS = [
    *pairs(nn, torch.nn),
    *pairs(nn.init, torch.nn.init),
    *pairs(losses, torch.nn.functional),
    *pairs(optimizers, torch.optim.lr_scheduler),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_defaults_are_pytorchs(ours: Any, theirs: Any) -> None:
    here, there = defaults(ours), defaults(theirs)
    shared = here.keys() & there.keys()
    different = {name: here[name] for name in shared if here[name] != there[name]}
    assert different == {name: OURS[name] for name in different}


OPTIMIZERS = sorted(
    name
    for name in dir(optimizers)
    if hasattr(torch.optim, name) and inspect.isclass(getattr(optimizers, name))
)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n not in ("Optimizer", "lr_scheduler")])
def test_the_options_of_an_optimizer_are_pytorchs(name: str) -> None:
    needs_lr = {"lr": 0.1} if name == "SGD" else {}
    model = Linear(2, 1)
    ours = getattr(optimizers, name)(model.parameters(), **needs_lr).defaults
    theirs = getattr(torch.optim, name)(torch.nn.Linear(2, 1).parameters(), **needs_lr).defaults
    shared = ours.keys() & theirs.keys()
    assert {"lr"} <= shared
    assert {n: ours[n] for n in shared} == {n: theirs[n] for n in shared}


def rules_of(op: Primitive) -> list[Callable[..., Any]]:
    return [rule for rule in (*op.rules, op.each) if inspect.isfunction(rule)]


@pytest.mark.parametrize("name", [name for name, op in PRIMITIVES.items() if rules_of(op)])
def test_a_parameter_has_one_default_in_an_operation_and_in_its_rules(name: str) -> None:
    op = PRIMITIVES[name]
    kernel = defaults(op.kernel)
    for rule in rules_of(op):
        own = {k: v for k, v in defaults(rule).items() if k in kernel}
        assert own == {k: kernel[k] for k in own}


def test_the_package_works_without_docstrings() -> None:
    """`python -OO` takes them away."""
    program = "from dlcourse import nn; print(nn.MSELoss()([1.0], [3.0]))"
    run = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("4.0\n", "")
