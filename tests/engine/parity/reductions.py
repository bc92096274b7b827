"""Reductions over an axis, and the softmax family."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from dlcourse import ops
from parity.case import Case, corner, in_torch, inf, nan, normal

AXES: list[tuple[tuple[int, ...], Any]] = [
    ((), None),
    ((), 0),
    ((3,), None),
    ((3,), 0),
    ((1,), -1),
    ((2, 3, 4), None),
    ((2, 3, 4), 1),
    ((2, 3, 4), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, 0)),
    ((2, 3, 4), (0, 1, 2)),
    ((2, 1, 4), 1),
    ((2, 1, 4), (1, -1)),
    ((0, 3), 1),
    ((2, 0, 3), (0, 2)),
]
AXES_OF_NO_LENGTH: list[tuple[tuple[int, ...], Any]] = [((0,), None), ((0, 3), 0), ((2, 0), (0, 1))]


def dims(a: torch.Tensor, axis: Any) -> Any:
    """What torch calls axis; None means every axis, which some of torch's functions want listed."""
    return (tuple(range(a.ndim)) or 0) if axis is None else axis


def reduction_cases() -> list[Case]:
    cases = []
    for n in ["sum", "mean", "max", "min", "logsumexp"]:
        for shape, axis in AXES + (AXES_OF_NO_LENGTH if n == "sum" else []):
            if n == "mean" and shape == () and axis is not None:
                continue  # np.mean refuses an axis there, the other reductions do not
            for keepdims in (False, True):
                kwargs = {"axis": axis, "keepdims": keepdims}
                cases.append(
                    Case(
                        n,
                        f"{shape} axis={axis}" + " keepdims" * keepdims,
                        lambda a, n=n, kwargs=kwargs: ops.PRIMITIVES[n](a, **kwargs),
                        lambda a, n=n, axis=axis, keepdims=keepdims: in_torch(n)(
                            a, dim=dims(a, axis), keepdim=keepdims
                        ),
                        (normal(shape),),
                    )
                )
    for n in ("softmax", "log_softmax"):
        for shape, axis in [
            ((), -1),
            ((3,), 0),
            ((1,), 0),
            ((2, 3), 0),
            ((2, 3), -1),
            ((2, 3, 4), 1),
            ((2, 1), 1),
            ((0, 3), 1),
            ((0, 3), 0),
            ((2, 0), -1),
        ]:
            cases.append(
                Case(
                    n,
                    f"{shape} axis={axis}",
                    lambda a, n=n, axis=axis: ops.PRIMITIVES[n](a, axis=axis),
                    lambda a, n=n, axis=axis: in_torch(n)(a, dim=axis),
                    (normal(shape),),
                )
            )
    return cases


def corner_cases() -> list[Case]:
    """Ties, overflow, no elements."""
    huge, hidden = [1e4, -1e4, 1e4], [1.0, -inf, 2.0]
    tied = [[1.0, 1.0, 0.0], [-2.0, -2.0, -2.0], [0.0, 5.0, 0.0]]
    cases = [corner("mean", "no elements", ops.mean, torch.mean, np.zeros(0))]
    for n in ("softmax", "log_softmax", "logsumexp"):
        along_0 = partial(ops.PRIMITIVES[n], axis=0), partial(in_torch(n), dim=0)
        cases.append(corner(n, "huge", *along_0, huge))
        cases.append(corner(n, "-inf", *along_0, hidden))
    cases.append(corner("logsumexp", "no elements", *along_0, np.zeros((0, 3))))
    for n in ("max", "min"):
        along_1 = partial(ops.PRIMITIVES[n], axis=1), partial(in_torch(n), dim=1)
        cases.append(corner(n, "ties", *along_1, tied))
        cases.append(corner(n, "nan", ops.PRIMITIVES[n], in_torch(n), [1.0, nan]))
    return cases


CASES = [*reduction_cases(), *corner_cases()]
