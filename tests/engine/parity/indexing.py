"""Choosing elements, and adding into chosen places."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dlcourse import ops
from parity.case import Case, normal

# Index, and the same in torch where torch has no such index (a negative step).
INDICES: list[tuple[tuple[int, ...], Any, Any]] = [
    ((4,), 1, None),
    ((4,), -1, None),
    ((4,), np.int64(2), None),
    ((4, 3), 2, None),
    ((4, 3), (1, -2), None),
    ((4, 3), slice(1, 3), None),
    ((4, 3), slice(None, None, 2), None),
    ((4, 3), slice(4, 4), None),
    ((4, 3), (slice(None), 1), None),
    ((4, 3), slice(None, None, -1), lambda a: a.flip(0)),
    ((5,), slice(3, 0, -2), lambda a: a[[3, 1]]),
    ((4, 3), (slice(None, None, -2), slice(1, None)), lambda a: a[[3, 1]][:, 1:]),
    ((), (), None),
    ((), ..., None),
    ((), None, None),
    ((3,), None, None),
    ((3,), (slice(None), None), None),
    ((2, 3, 4), (..., 1), None),
    ((2, 3, 4), (1, ..., None, slice(0, 2)), None),
    ((4, 3), [0, 2], None),
    ((4, 3), np.array([0, 2, 2, -1, 0]), None),
    ((4,), np.array([[0, 0], [3, 0]]), None),
    ((4, 3), (np.array([0, 1, 1, 0]), np.array([2, 2, 2, 0])), None),
    ((4, 3), (np.array([[0], [1]]), np.array([2, 2, 0])), None),
    ((4, 3), (slice(None), np.array([1, 1])), None),
    ((4, 3), (np.array([1, 1]), slice(0, 2)), None),
    ((4, 3), (2, np.array([1, 1])), None),
    ((2, 3, 4), (np.array([0, 0]), slice(None), np.array([3, 3])), None),
    ((2, 3, 4), (np.array([0, 1]), None, np.array([2, 2])), None),
    ((2, 3, 4), (0, slice(None), np.array([1, 1, 2])), lambda a: a[0][:, [1, 1, 2]].T),
    ((2, 3, 4), (..., np.array([1, 1])), None),
    ((4, 3), np.array([], dtype=int), None),
    ((4,), np.array([True, False, True, False]), None),
    ((4,), np.zeros(4, dtype=bool), None),
    ((2, 3), np.array([[True, False, True], [False, False, True]]), None),
    ((4, 3), (np.array([True, False, True, False]), 1), None),
    ((4, 3), (slice(None), np.array([True, False, True])), None),
    ((2, 3, 4), (1, np.array([True, False, True]), slice(None, None, 2)), None),
    ((0, 3), slice(None), None),
]


def for_torch(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(for_torch, index))
    return torch.tensor(index) if isinstance(index, np.ndarray | np.generic) else index


def indexing_cases() -> list[Case]:
    cases = []
    for shape, index, instead in INDICES:
        label = f"{shape} at {index!r}".replace("\n", "")
        theirs = instead or (lambda a, index=index: a[for_torch(index)])
        cases.append(
            Case("getitem", label, lambda a, index=index: a[index], theirs, (normal(shape),))
        )

        def add_into_zeros(
            a: torch.Tensor, shape: tuple[int, ...] = shape, theirs: Any = theirs
        ) -> torch.Tensor:
            # The transpose of indexing: the vector-Jacobian product at zeros.
            x = torch.zeros(shape, dtype=a.dtype, requires_grad=True)
            return torch.autograd.grad(theirs(x), x, a, create_graph=True)[0]

        cases.append(
            Case(
                "scatter_add",
                label,
                lambda a, index=index, shape=shape: ops.scatter_add(a, index=index, shape=shape),
                add_into_zeros,
                (np.asarray(normal(np.shape(np.zeros(shape)[index]))),),
            )
        )
    return cases


CASES = [*indexing_cases()]
