"""The two networks: their sizes, data and start weights, the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Problem:
    """One training step to be timed: a chain of linear layers with ReLU in between, and SGD.

    Attributes:
        name: A word for files and options.
        title: What the reader sees.
        sizes: Features of the input and of each layer's result.
        batch: Examples in the batch, which is the same in every step.
        loss: "mse", or "cross_entropy" of integer labels; the mean over the batch.
        lr, momentum: The settings of SGD.
        goals: The ratios that `dlcourse` should not exceed, by the name of its engine.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    batch: int
    loss: Literal["mse", "cross_entropy"]
    lr: float
    momentum: float = 0.0
    goals: Mapping[str, float] = field(default_factory=dict)

    def data(self) -> tuple[Array, NDArray[np.generic]]:
        """Inputs (batch, first size); targets (batch, last size), or labels (batch,) of int64."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.batch, self.sizes[0])).astype("f4")
        if self.loss == "cross_entropy":
            return x, rng.integers(self.sizes[-1], size=self.batch)
        return x, np.sin(x.sum(axis=1, keepdims=True))

    def start(self) -> list[Array]:
        """Weight (out, in) and bias (out,) of each layer, in order."""
        rng = np.random.default_rng(1)
        return [
            rng.uniform(-(n**-0.5), n**-0.5, shape).astype("f4")
            for n, m in pairwise(self.sizes)
            for shape in ((m, n), (m,))
        ]


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            name="article",
            title="10-10-10-1 ReLU, batch 100, mean squared error, SGD",
            sizes=(10, 10, 10, 1),
            batch=100,
            loss="mse",
            lr=0.05,
            goals={"dlcourse, dynamic": 3.0, "dlcourse, compiled": 0.9},
        ),
        Problem(
            name="digits",
            title="784-256-128-10 ReLU, batch 128, cross-entropy, SGD with momentum 0.9",
            sizes=(784, 256, 128, 10),
            batch=128,
            loss="cross_entropy",
            lr=0.01,
            momentum=0.9,
            goals={"dlcourse, dynamic": 1.25, "dlcourse, compiled": 1.0},
        ),
    )
}
