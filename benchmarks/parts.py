"""Where the time of a step goes: the phases of the dynamic step, the lines of the compiled one."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks.engines import dlcourse_steps, torch_steps
from benchmarks.problems import PROBLEMS, Problem
from dlcourse import Tensor
from dlcourse.training.compiled_step import CompiledStep

PHASES = ("forward", "loss", "backward", "update")
SECONDS = 2.0
LINE = re.compile(r"\s+(?:\w+ = )?(\w+)\(")


def measure(console: Console) -> dict[str, Any]:
    """By problem: "phases" (by engine, by phase) and "lines" (by NumPy function), in seconds."""
    return {
        problem.name: {
            "phases": {
                "dlcourse, dynamic": phases_of_dlcourse(problem),
                "PyTorch, eager": phases_of_torch(problem),
            },
            "lines": lines_of(dlcourse_steps.compile_problem(problem), *problem.data()),
        }
        for problem in track(list(PROBLEMS.values()), "parts", console=console)
    }


def phases_of_dlcourse(problem: Problem) -> dict[str, float]:
    model, loss_of, optimizer = dlcourse_steps.build(problem)
    return _phases(model, loss_of, optimizer, *map(Tensor, problem.data()))


def phases_of_torch(problem: Problem) -> dict[str, float]:
    model = torch_steps.build(problem)
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.lr, momentum=problem.momentum)
    loss_of = torch_steps.LOSSES[problem.loss]
    return _phases(model, loss_of, optimizer, *map(torch.tensor, problem.data()))


def _phases(model: Any, loss_of: Any, optimizer: Any, x: Any, y: Any) -> dict[str, float]:
    """Both have one interface, so that the same step is timed."""

    def step(tick: Callable[[], None]) -> None:
        tick()
        outputs = model(x)
        tick()
        loss = loss_of(outputs, y)
        tick()
        loss.backward()
        tick()
        optimizer.step()
        optimizer.zero_grad()
        tick()

    return dict(zip(PHASES, _between_ticks(step), strict=True))


def lines_of(step: CompiledStep, *batch: Any) -> dict[str, dict[str, float]]:
    """For each function that the compiled source calls: how often, and the seconds together."""
    compiled = step.compiled
    text, functions = [], []
    for line in compiled.source.splitlines():
        text.append(line)
        call = LINE.match(line)
        if line.startswith("def "):
            text.append("    tick()")
        elif call:
            functions.append(call.group(1).rstrip("_"))
            text.append("    tick()")
    namespace = dict(compiled._run.__globals__)
    # A learning rate of 0: the parameters stand still.
    rest = [np.zeros(x.shape, x.dtype) for x in compiled.inputs[len(batch) :]]

    def run(tick: Callable[[], None]) -> None:
        namespace["tick"] = tick
        namespace[compiled.graph.name](*batch, *rest)

    exec("\n".join(text), namespace)  # noqa: S102, the compiled function with ticks between
    found: dict[str, dict[str, float]] = {}
    for function, seconds in zip(functions, _between_ticks(run), strict=True):
        entry = found.setdefault(function, {"calls": 0, "seconds": 0.0})
        entry["calls"] += 1
        entry["seconds"] += seconds
    return found


def _between_ticks(step: Callable[[Callable[[], None]], None]) -> list[float]:
    """The median seconds between each two ticks of a step, without what a tick takes itself."""
    runs: list[list[float]] = []
    end = time.process_time() + SECONDS
    while len(runs) < 10 or time.process_time() < end:
        ticks: list[float] = []
        step(lambda: ticks.append(time.process_time()))  # noqa: B023, called in this round only
        runs.append([after - before for before, after in pairwise(ticks)])
    own = _cost_of_a_tick()
    return [max(statistics.median(times) - own, 0.0) for times in zip(*runs, strict=True)]


def _cost_of_a_tick() -> float:
    ticks: list[float] = []
    tick = lambda: ticks.append(time.process_time())  # noqa: E731, as the steps have it
    for _ in range(1000):
        tick()
    return statistics.median(b - a for a, b in pairwise(ticks))
