"""The time of one training step of a small network, in four engines.

The network is the article's: 10-10-10-1 with ReLU, float32, a batch of 100, mean squared error and
plain SGD. It is so small that the cost of the engine itself shows, not that of the arithmetic.
NumPy written by hand, with every result in memory that is allocated once, counts as 1.0.

All engines start from the same weights, and must reach the same loss: a fast wrong step is refused.
Rounds are interleaved, so that a busy moment of the machine meets all engines.
"""

from __future__ import annotations

# ruff: noqa: E402, the number of threads must be set before NumPy and PyTorch are imported
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from dlcourse import Tensor
from dlcourse.losses import mse
from dlcourse.nn import Linear, ReLU, Sequential
from dlcourse.optimizers import SGD

Array = NDArray[np.float32]
Step = Callable[[], float]  # moves the weights once, returns the loss before the move

SIZES = (10, 10, 10, 1)
BATCH = 100
LR = np.float32(0.05)
AGREE_AFTER, AGREE_WITHIN = 20, 2e-4


def problem() -> tuple[Array, Array, list[Array]]:
    """Inputs (100, 10), targets (100, 1), and weight (out, in) and bias (out,) of each layer."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, SIZES[0]))
    y = np.sin(x.sum(axis=1, keepdims=True))
    parameters = []
    for n, m in pairwise(SIZES):
        parameters += [rng.uniform(-(n**-0.5), n**-0.5, s) for s in ((m, n), (m,))]
    return x.astype("f4"), y.astype("f4"), [p.astype("f4") for p in parameters]


def numpy_in_place() -> Step:
    x, y, (w1, b1, w2, b2, w3, b3) = problem()
    h1, h2 = np.empty((BATCH, 10), "f4"), np.empty((BATCH, 10), "f4")
    g1, g2 = np.empty_like(h1), np.empty_like(h2)
    on1, on2 = np.empty(h1.shape, bool), np.empty(h2.shape, bool)
    error, squares = np.empty((BATCH, 1), "f4"), np.empty((BATCH, 1), "f4")
    gradients = [np.empty_like(p) for p in (w1, b1, w2, b2, w3, b3)]
    v1, c1, v2, c2, v3, c3 = gradients

    def step() -> float:
        np.matmul(x, w1.T, out=h1)
        np.add(h1, b1, out=h1)
        np.maximum(h1, 0, out=h1)
        np.matmul(h1, w2.T, out=h2)
        np.add(h2, b2, out=h2)
        np.maximum(h2, 0, out=h2)
        np.matmul(h2, w3.T, out=error)
        np.add(error, b3, out=error)
        np.subtract(error, y, out=error)
        np.square(error, out=squares)
        loss = float(squares.mean())
        np.multiply(error, np.float32(2 / BATCH), out=error)
        np.matmul(error.T, h2, out=v3)
        np.add.reduce(error, axis=0, out=c3)
        np.matmul(error, w3, out=g2)
        np.greater(h2, 0, out=on2)
        np.multiply(g2, on2, out=g2)
        np.matmul(g2.T, h1, out=v2)
        np.add.reduce(g2, axis=0, out=c2)
        np.matmul(g2, w2, out=g1)
        np.greater(h1, 0, out=on1)
        np.multiply(g1, on1, out=g1)
        np.matmul(g1.T, x, out=v1)
        np.add.reduce(g1, axis=0, out=c1)
        for p, g in zip((w1, b1, w2, b2, w3, b3), gradients, strict=True):
            np.multiply(g, LR, out=g)
            np.subtract(p, g, out=p)
        return loss

    return step


def numpy_allocating() -> Step:
    x, y, parameters = problem()

    def step() -> float:
        w1, b1, w2, b2, w3, b3 = parameters
        h1 = np.maximum(x @ w1.T + b1, 0)
        h2 = np.maximum(h1 @ w2.T + b2, 0)
        error = h2 @ w3.T + b3 - y
        loss = float(np.mean(error**2))
        g3 = error * np.float32(2 / BATCH)
        g2 = (g3 @ w3) * (h2 > 0)
        g1 = (g2 @ w2) * (h1 > 0)
        gradients = [g1.T @ x, g1.sum(0), g2.T @ h1, g2.sum(0), g3.T @ h2, g3.sum(0)]
        for i, g in enumerate(gradients):
            parameters[i] = parameters[i] - LR * g
        return loss

    return step


def dlcourse_dynamic() -> Step:
    x, y, start = problem()
    layers = [Linear(n, m, dtype="f4") for n, m in pairwise(SIZES)]
    model = Sequential(layers[0], ReLU(), layers[1], ReLU(), layers[2])
    for p, value in zip(model.parameters(), start, strict=True):
        p.data[...] = value
    optimizer = SGD(model.parameters(), lr=float(LR))
    inputs, targets = Tensor(x), Tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = mse(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def pytorch_eager() -> Step:
    x, y, start = problem()
    layers = [torch.nn.Linear(n, m) for n, m in pairwise(SIZES)]
    relu = torch.nn.ReLU
    model = torch.nn.Sequential(layers[0], relu(), layers[1], relu(), layers[2])
    for p, value in zip(model.parameters(), start, strict=True):
        p.data = torch.tensor(value)
    optimizer = torch.optim.SGD(model.parameters(), lr=float(LR))
    inputs, targets = torch.tensor(x), torch.tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.item())

    return step


ENGINES: dict[str, Callable[[], Step]] = {
    "NumPy by hand, out=": numpy_in_place,
    "NumPy by hand, allocating": numpy_allocating,
    "dlcourse, dynamic graph": dlcourse_dynamic,
    "PyTorch, eager": pytorch_eager,
}


def check_agreement(engines: dict[str, Callable[[], Step]]) -> None:
    """Stop with an error if an engine's loss differs from the first engine's."""
    losses = {}
    for name, make in engines.items():
        step = make()
        losses[name] = [step() for _ in range(AGREE_AFTER)][-1]
    reference, *_ = losses.values()
    for name, loss in losses.items():
        if not abs(loss - reference) <= AGREE_WITHIN:
            raise SystemExit(
                f"{name}: the loss of step {AGREE_AFTER} is {loss:.6f}, expected {reference:.6f} "
                f"within {AGREE_WITHIN}; a wrong step is not timed"
            )


def measure(rounds: int, steps: int) -> dict[str, list[float]]:
    """For each engine the seconds a step takes, one number a round."""
    running = {name: make() for name, make in ENGINES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for step in running.values():
        for _ in range(steps):  # warm up
            step()
    for _ in range(rounds):
        for name, step in running.items():
            start = time.perf_counter()
            for _ in range(steps):
                step()
            seconds[name].append((time.perf_counter() - start) / steps)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training step in four engines.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=200, help="steps in a round")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/training_step.json"))
    options = parser.parse_args()

    torch.set_num_threads(1)
    check_agreement(ENGINES)
    seconds = measure(options.rounds, options.steps)
    unit = statistics.median(seconds["NumPy by hand, out="])
    table = Table(title=f"One training step, median of {options.rounds} rounds, one thread")
    for heading in ("engine", "microseconds", "quartiles", "ratio"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for name, times in seconds.items():
        low, median, high = statistics.quantiles(times, n=4)
        table.add_row(
            name,
            f"{median * 1e6:.0f}",
            f"{low * 1e6:.0f} to {high * 1e6:.0f}",
            f"{median / unit:.2f}",
        )
    Console().print(table)

    options.output.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "seconds_per_step": seconds,
    }
    options.output.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
