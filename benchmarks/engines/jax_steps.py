"""JAX: the whole step in jax.jit."""

from __future__ import annotations

import os
from typing import Any

os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 "
    + os.environ.get("XLA_FLAGS", "")
)
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp

from benchmarks.engines import Engine, Step
from benchmarks.problems import Problem


def jit(problem: Problem) -> Step:
    lr, momentum = problem.lr, problem.momentum
    x, y = map(jnp.asarray, problem.data())

    def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
        for i in range(0, len(parameters), 2):
            x = (jax.nn.relu(x) if i else x) @ parameters[i].T + parameters[i + 1]
        if problem.loss == "mse":
            return jnp.mean((x - y) ** 2)
        log_p = jax.nn.log_softmax(x)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def move(parameters: list[Any], velocity: list[Any], x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        velocity = [momentum * v + g for v, g in zip(velocity, gradients, strict=True)]
        parameters = [p - lr * v for p, v in zip(parameters, velocity, strict=True)]
        return parameters, velocity, loss

    parameters = [jnp.asarray(p) for p in problem.start()]
    velocity = [jnp.zeros_like(p) for p in parameters]

    def step() -> float:
        nonlocal parameters, velocity
        parameters, velocity, loss = move(parameters, velocity, x, y)
        return float(loss)

    return step


ENGINES: dict[str, Engine] = {"JAX, jax.jit": jit}
