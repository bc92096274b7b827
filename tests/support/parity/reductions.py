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
    for n in ["sum", "mean", "max", "min", "logsumexp", "norm"]:
        for shape, axis in AXES + (AXES_OF_NO_LENGTH if n in ("sum", "norm") else []):
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


def prod_cases() -> list[Case]:
    """torch.prod takes one axis, or all of them."""
    zeros = np.array([[1.5, 0.0, 2.0, -3.0], [0.0, 2.0, 0.0, 1.0], [1.0, -1.0, 0.5, 2.0]])
    inputs = [(normal(shape), axis) for shape, axis in AXES if not isinstance(axis, tuple)]
    inputs += [(normal((n,)), 0) for n in range(9)]
    inputs += [(zeros, 0), (zeros, 1), (zeros, -1), (zeros, None), (normal((3, 0)), 1)]
    inputs += [(np.zeros(5), 0), (np.array([0.0]), 0)]
    return [
        Case(
            "prod",
            f"{i} {x.shape} axis={axis}" + " keepdims" * keepdims,
            partial(ops.prod, axis=axis, keepdims=keepdims),
            (lambda a: torch.prod(a))
            if axis is None
            else partial(torch.prod, dim=axis, keepdim=keepdims),
            (x,),
            smooth=bool(np.isfinite(x).all()),
        )
        for i, (x, axis) in enumerate(inputs)
        for keepdims in ([False] if axis is None else [False, True])
    ]


def variance_cases() -> list[Case]:
    cases = []
    for n in ("var", "std"):
        for shape, axis in [*AXES[1:], ((5, 1), 0), ((2, 0), 1)]:
            for ddof, keepdims in [(0, False), (1, True)]:
                label = f"{shape} axis={axis} ddof={ddof}" + " keepdims" * keepdims
                ours = partial(ops.PRIMITIVES[n], axis=axis, ddof=ddof, keepdims=keepdims)
                theirs = partial(getattr(torch, n), dim=axis, correction=ddof, keepdim=keepdims)
                single = (
                    np.prod([shape[i] for i in np.atleast_1d(axis or 0)]) <= 1 if shape else True
                )
                cases.append(
                    Case(
                        n,
                        label,
                        ours,
                        theirs,
                        (normal(shape),),
                        smooth=not single,
                        second=not single,
                    )
                )
    return cases


def positions_cases() -> list[Case]:
    inputs = [
        (normal((2, 3, 4)), None),
        (normal((2, 3, 4)), 1),
        (normal((2, 3, 4)), -1),
        (normal(()), None),
        (normal((0, 3)), 1),
        (np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), 1),
        (np.array([1.0, nan, 3.0, nan]), 0),
        (np.array([-inf, inf, -inf, inf]), 0),
    ]
    return [
        Case(
            n,
            f"{i} axis={axis}" + " keepdims" * keepdims,
            partial(ops.PRIMITIVES[n], axis=axis, keepdims=keepdims),
            partial(in_torch(n), dim=axis, keepdim=keepdims),
            (x,),
            smooth=False,
        )
        for n in ("argmax", "argmin")
        for i, (x, axis) in enumerate(inputs)
        for keepdims in (False, True)
    ]


def cumsum_cases() -> list[Case]:
    return [
        Case(
            "cumsum",
            f"{shape} axis={axis}",
            partial(ops.cumsum, axis=axis),
            partial(torch.cumsum, dim=axis),
            (normal(shape),),
        )
        for shape, axis in [
            ((), 0),
            ((3,), 0),
            ((1,), -1),
            ((2, 3, 4), 0),
            ((2, 3, 4), 1),
            ((2, 3, 4), -1),
            ((0, 3), 0),
            ((2, 0), 0),
        ]
    ]


def corner_cases() -> list[Case]:
    """Ties, overflow, no elements."""
    huge, hidden = [1e4, -1e4, 1e4], [1.0, -inf, 2.0]
    tied = [[1.0, 1.0, 0.0], [-2.0, -2.0, -2.0], [0.0, 5.0, 0.0]]
    cases = [corner("mean", "no elements", ops.mean, torch.mean, np.zeros(0))]
    for n in ("softmax", "log_softmax", "logsumexp"):
        along_0 = partial(ops.PRIMITIVES[n], axis=0), partial(in_torch(n), dim=0)
        cases.append(corner(n, "huge", *along_0, huge))
        cases.append(corner(n, "-inf", *along_0, hidden))
    zero_row = [[0.0, 0.0], [3.0, -4.0]]
    along_1 = partial(ops.norm, axis=1), partial(in_torch("norm"), dim=1)
    cases.append(corner("norm", "at zero", *along_1, zero_row, second=False))
    along_1 = partial(ops.std, axis=1), partial(torch.std, dim=1, correction=0)
    cases.append(
        corner("std", "of equal elements", *along_1, [[2.0, 2.0], [3.0, 4.0]], second=False)
    )
    cases.append(corner("logsumexp", "no elements", *along_0, np.zeros((0, 3))))
    for n in ("max", "min"):
        along_1 = partial(ops.PRIMITIVES[n], axis=1), partial(in_torch(n), dim=1)
        cases.append(corner(n, "ties", *along_1, tied))
        cases.append(corner(n, "nan", ops.PRIMITIVES[n], in_torch(n), [1.0, nan]))
    return cases


def truth_cases() -> list[Case]:
    cases = []
    for n in ("any", "all"):
        for shape, axis in AXES + AXES_OF_NO_LENGTH:
            x = np.round(normal(shape))
            cases.append(
                Case(
                    n,
                    f"{shape} axis={axis}",
                    lambda a, n=n, axis=axis: ops.PRIMITIVES[n](a, axis=axis),
                    lambda a, n=n, axis=axis: in_torch(n)(a, dim=dims(a, axis)),
                    (x,),
                    smooth=False,
                )
            )
        x = np.array([[nan, 0.0], [inf, 1.0]])
        cases.append(
            corner(
                n,
                "keepdims",
                lambda a, n=n: ops.PRIMITIVES[n](a, axis=1, keepdims=True),
                lambda a, n=n: in_torch(n)(a, dim=1, keepdim=True),
                x,
            )
        )
    return cases


CASES = [
    *reduction_cases(),
    *truth_cases(),
    *prod_cases(),
    *variance_cases(),
    *positions_cases(),
    *cumsum_cases(),
    *corner_cases(),
]
