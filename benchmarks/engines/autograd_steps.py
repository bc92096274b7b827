"""HIPS autograd: a tape over NumPy, with the update written by hand."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from benchmarks.engines import Engine, Step
from benchmarks.problems import Problem


def dynamic(problem: Problem) -> Step:
    x, y = problem.data()
    rows = np.arange(problem.batch)
    lr, momentum = np.float32(problem.lr), np.float32(problem.momentum)

    def loss_of(parameters: list[Any]) -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = anp.dot(anp.maximum(h, 0) if i else h, parameters[i].T) + parameters[i + 1]
        if problem.loss == "mse":
            return anp.mean((h - y) ** 2)
        shifted = h - anp.max(h, axis=1, keepdims=True)
        log_p = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
        return -anp.mean(log_p[rows, y])

    gradient = value_and_grad(loss_of)
    parameters = problem.start()
    velocities = [np.zeros_like(p) for p in parameters]

    def step() -> float:
        loss, gradients = gradient(parameters)
        for p, v, g in zip(parameters, velocities, gradients, strict=True):
            np.multiply(v, momentum, out=v)
            np.add(v, g, out=v, casting="same_kind")
            np.subtract(p, lr * v, out=p)
        return float(loss)

    return step


ENGINES: dict[str, Engine] = {"HIPS autograd": dynamic}
