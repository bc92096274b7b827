"""How time and memory grow with the depth of the network and with the batch.

Times are those of the processor: a long step would otherwise be charged for the programs that
interrupt it.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.engines import Step, dlcourse_steps
from benchmarks.problems import PROBLEMS, Array, Problem

WIDTH, SECONDS = 10, 1.0


class DeepProblem(Problem):
    """Weights that are identities: at any depth no number vanishes, which would cost time."""

    def start(self) -> list[Array]:
        return [
            parameter
            for n, m in pairwise(self.sizes)
            for parameter in (np.eye(m, n, dtype="f4"), np.zeros(m, "f4"))
        ]


def of_depth(layers: int) -> Problem:
    """``layers`` linear layers of the article's width, with its batch; they stand still."""
    sizes = (WIDTH,) * layers + (1,)
    return DeepProblem(f"{layers} layers", "", sizes, PROBLEMS["article"].batch, "mse", lr=0.0)


def of_batch(examples: int) -> Problem:
    return replace(PROBLEMS["article"], name=f"{examples} examples", batch=examples)


SERIES: dict[str, tuple[Callable[[int], Problem], tuple[int, ...]]] = {
    "depth": (of_depth, (10, 100, 1_000, 10_000)),
    "batch": (of_batch, (1_000, 10_000, 100_000, 1_000_000)),
}


def measure(console: Console) -> list[dict[str, Any]]:
    """A row for each size: seconds a step and bytes, in both of the engine's ways."""
    cases = [(series, size) for series, (_, sizes) in SERIES.items() for size in sizes]
    return [measure_one(series, size) for series, size in track(cases, "growth", console=console)]


def measure_one(series: str, size: int) -> dict[str, Any]:
    problem = SERIES[series][0](size)
    dynamic = dlcourse_steps.dynamic(problem)
    start = time.process_time()
    step = dlcourse_steps.compile_problem(problem)
    trace_and_compile = time.process_time() - start
    batch = problem.data()
    return {
        "series": series,
        "size": size,
        "dynamic_seconds": fastest(dynamic),
        "dynamic_bytes": peak_bytes(dynamic),
        "compiled_seconds": fastest(lambda: float(step(*batch))),
        "compiled_bytes": step.compiled.plan.nbytes,
        "trace_and_compile_seconds": trace_and_compile,
    }


def fastest(step: Step, seconds: float = SECONDS) -> float:
    """The seconds of the fastest of the steps that fit into ``seconds``, and at least of three."""
    times: list[float] = []
    end = time.process_time() + seconds
    while len(times) < 3 or time.process_time() < end:
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return min(times)


def peak_bytes(step: Step) -> int:
    """The largest memory, beyond what was there, that a step holds at one time."""
    step()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before
