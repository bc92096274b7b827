"""The operations that losses are made of."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from dlcourse import ops
from parity.case import Case, corner, normal
from parity.elementwise import PAIRS, SHAPES


def probabilities(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, *shape]).uniform(0.05, 0.95, shape))


def torch_log_cosh(a: torch.Tensor) -> torch.Tensor:
    return torch.logaddexp(a, -a) - np.log(2)


def torch_binary_cross_entropy(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    p, t = torch.broadcast_tensors(p, t)
    return functional.binary_cross_entropy(p, t, reduction="none")


CASES: list[Case] = [
    *(Case("log_cosh", f"{s}", ops.log_cosh, torch_log_cosh, (normal(s),)) for s in SHAPES),
    corner(
        "log_cosh",
        "tails",
        ops.log_cosh,
        torch_log_cosh,
        [-1e4, -800.0, 0.0, 40.0, 1e4],
        second=False,
    ),
    *(
        Case(
            "binary_cross_entropy",
            f"{p}{t}",
            ops.binary_cross_entropy,
            torch_binary_cross_entropy,
            (probabilities(p, 1), probabilities(t, 2)),
        )
        for p, t in PAIRS
    ),
]
