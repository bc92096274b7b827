"""Products of vectors, matrices and batches of them."""

from __future__ import annotations

import torch

from dlcourse import ops
from parity.case import Case, normal


def matmul_cases() -> list[Case]:
    shapes = [
        ((3,), (3,)),
        ((1,), (1,)),
        ((0,), (0,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((1, 3), (3, 1)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 2)),
        ((2, 5, 2, 3), (3,)),
        ((3,), (2, 5, 3, 2)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((1, 2, 3), (5, 3, 4)),
        ((5, 2, 3), (1, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((2, 1, 2, 3), (1, 4, 3, 1)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((0, 2, 3), (3, 4)),
        ((2, 0, 3), (3,)),
    ]
    return [
        Case("matmul", f"{a}{b}", ops.matmul, torch.matmul, (normal(a, 1), normal(b, 2)))
        for a, b in shapes
    ]


def linear_cases() -> list[Case]:
    return [
        Case(
            "linear",
            f"{x}",
            ops.linear,
            torch.nn.functional.linear,
            (normal(x, 1), normal((4, 3), 2), normal((4,), 3)),
        )
        for x in [(3,), (2, 3), (1, 3), (5, 2, 3), (0, 3), (2, 0, 3)]
    ]


CASES = [*matmul_cases(), *linear_cases()]
