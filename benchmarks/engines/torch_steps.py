"""PyTorch: eager, and the whole step (forward, backward, update) given to torch.compile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import pairwise
from typing import Any

# A cache from an earlier run would hide what the first call costs.
os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="torchinductor-")
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"

import torch

from benchmarks.engines import Engine, Step, UnavailableError
from benchmarks.problems import Problem

torch.set_num_threads(1)

LOSSES: dict[str, Callable[..., Any]] = {
    "mse": torch.nn.functional.mse_loss,
    "cross_entropy": torch.nn.functional.cross_entropy,
}


def build(problem: Problem) -> torch.nn.Sequential:
    """The model with its start weights."""
    layers: list[torch.nn.Module] = []
    for n, m in pairwise(problem.sizes):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    for p, value in zip(model.parameters(), problem.start(), strict=True):
        p.data = torch.tensor(value)
    return model


def eager(problem: Problem) -> Step:
    model, loss_of = build(problem), LOSSES[problem.loss]
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.lr, momentum=problem.momentum)
    inputs, targets = map(torch.tensor, problem.data())

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def compiled(problem: Problem) -> Step:
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UnavailableError(f"it needs a C++ compiler, and there is no {compiler}")
    model, loss_of = build(problem), LOSSES[problem.loss]
    lr, momentum = problem.lr, problem.momentum
    inputs, targets = map(torch.tensor, problem.data())

    def loss(parameters: dict[str, Any], x: Any, y: Any) -> Any:
        return loss_of(torch.func.functional_call(model, parameters, (x,)), y)

    @torch.compile
    def move(parameters: dict[str, Any], velocity: dict[str, Any], x: Any, y: Any) -> Any:
        gradients, value = torch.func.grad_and_value(loss)(parameters, x, y)
        if momentum:
            velocity = {k: momentum * velocity[k] + g for k, g in gradients.items()}
        else:
            velocity = gradients
        return {k: p - lr * velocity[k] for k, p in parameters.items()}, velocity, value

    parameters = {k: p.detach() for k, p in model.named_parameters()}
    velocity = {k: torch.zeros_like(p) for k, p in parameters.items()}

    def step() -> float:
        nonlocal parameters, velocity
        parameters, velocity, value = move(parameters, velocity, inputs, targets)
        return float(value.item())

    return step


ENGINES: dict[str, Engine] = {"PyTorch, eager": eager, "PyTorch, torch.compile": compiled}
