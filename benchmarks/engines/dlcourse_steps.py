"""The course's own engine: the dynamic graph, and the whole step as one compiled function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from benchmarks.engines import Engine, Step
from benchmarks.problems import Problem
from dlcourse import Tensor
from dlcourse.losses import cross_entropy, mse
from dlcourse.nn import Linear, Module, ReLU, Sequential
from dlcourse.optimizers import SGD
from dlcourse.training.compiled_step import CompiledStep, compile_step

# No label is to be ignored here. The dynamic loss sees that in the labels; the compiled step, which
# takes them later, has to be told, or it would mask them.
LOSSES: dict[str, Callable[..., Any]] = {
    "mse": mse,
    "cross_entropy": partial(cross_entropy, ignore_index=None),
}


def build(problem: Problem) -> tuple[Module, Callable[..., Any], SGD]:
    """The model with its start weights, the loss, and the optimizer."""
    layers: list[Module] = []
    for n, m in pairwise(problem.sizes):
        layers += [Linear(n, m, dtype="f4"), ReLU()]
    model = Sequential(*layers[:-1])
    for p, value in zip(model.parameters(), problem.start(), strict=True):
        p.data[...] = value
    optimizer = SGD(model.parameters(), lr=problem.lr, momentum=problem.momentum)
    return model, LOSSES[problem.loss], optimizer


def dynamic(problem: Problem) -> Step:
    model, loss_of, optimizer = build(problem)
    inputs, targets = map(Tensor, problem.data())

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def compile_problem(problem: Problem) -> CompiledStep:
    return compile_step(*build(problem), *problem.data())


def compiled(problem: Problem) -> Step:
    compiled_step = compile_problem(problem)
    x, y = problem.data()
    return lambda: float(compiled_step(x, y))


ENGINES: dict[str, Engine] = {"dlcourse, dynamic": dynamic, "dlcourse, compiled": compiled}
