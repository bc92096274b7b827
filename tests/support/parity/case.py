"""A case: one comparison of an operation with the same function in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch

from dlcourse import Tensor

inf, nan = math.inf, math.nan


@dataclass(frozen=True)
class Case:
    """One comparison.

    `smooth` says that differences approximate the derivative at the inputs; `second` that PyTorch
    has a second derivative there (at some poles it gives nan, although one exists).
    """

    op: str
    label: str
    ours: Callable[..., Tensor]
    theirs: Callable[..., torch.Tensor]
    inputs: tuple[np.ndarray, ...]
    smooth: bool = True
    second: bool = True

    def __str__(self) -> str:
        return f"{self.op}-{self.label}"


def normal(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Standard normal numbers, the same ones for the same shape and seed."""
    return np.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


def positive(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Numbers of at least 0.5."""
    return np.abs(normal(shape, seed)) + 0.5


def away_from_zero(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Numbers of either sign whose absolute value is at least 0.1."""
    x = normal(shape, seed)
    return x + np.where(x < 0, -0.1, 0.1)


def our_tensors(inputs: Sequence[np.ndarray]) -> list[Tensor]:
    return [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]


def their_tensors(inputs: Sequence[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]


TORCH_NAMES = {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "power": "pow",
    "max": "amax",
    "min": "amin",
    "norm": "linalg.vector_norm",
}


def in_torch(name: str) -> Callable[..., torch.Tensor]:
    return attrgetter(TORCH_NAMES.get(name, name))(torch)


def corner(
    op: str,
    label: str,
    ours: Callable[..., Tensor],
    theirs: Callable[..., torch.Tensor],
    *inputs: Any,
    second: bool = True,
) -> Case:
    """A case at points where differences do not approximate the derivative."""
    return Case(op, label, ours, theirs, tuple(map(np.array, inputs)), smooth=False, second=second)
