"""Choosing elements, and adding into chosen places."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from dlcourse import ops
from parity.case import Case, inf, nan, normal

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
        cases.append(
            Case(
                "add_at",
                label,
                lambda a, b, index=index: ops.add_at(a, b, index=index),
                lambda a, b, add_into_zeros=add_into_zeros: a + add_into_zeros(b),
                (normal(shape), np.asarray(normal(np.shape(np.zeros(shape)[index]), 1))),
            )
        )
    return cases


def along_axis_cases() -> list[Case]:
    draw = np.random.default_rng(0).integers
    cases = []
    for shape, indices, axis in [
        ((4,), draw(4, size=(6,)), 0),
        ((4,), draw(4, size=(0,)), 0),
        ((2, 3), draw(3, size=(2, 5)), 1),
        ((2, 3), draw(3, size=(2, 1)), -1),
        ((2, 3), draw(2, size=(4, 3)), 0),
        ((2, 3, 4), draw(3, size=(2, 2, 4)), 1),
        ((2, 3), draw(3, size=(1, 2)), 1),
        ((1, 3), draw(3, size=(4, 2)), 1),
        ((0, 3), np.zeros((0, 2), int), 1),
    ]:
        label = f"{shape} at {indices.shape} axis={axis}"
        cases.append(
            Case(
                "take_along_axis",
                label,
                partial(ops.take_along_axis, axis=axis),
                partial(torch.take_along_dim, dim=axis),
                (normal(shape), indices),
            )
        )
        lines = (*shape[:axis], indices.shape[axis], *shape[axis:][1:])
        if lines == indices.shape:  # torch.scatter_add does not broadcast
            cases.append(
                Case(
                    "scatter_add_along_axis",
                    label,
                    partial(ops.scatter_add_along_axis, axis=axis, shape=shape),
                    lambda a, i, axis=axis, shape=shape: torch.zeros(
                        shape, dtype=a.dtype
                    ).scatter_add(axis, i, a),
                    (normal(indices.shape), indices),
                )
            )
    return cases


def order_cases() -> list[Case]:
    shapes = [
        ((), -1),
        ((5,), 0),
        ((1,), 0),
        ((0,), 0),
        ((3, 4), 0),
        ((2, 3, 4), 1),
        ((2, 3, 4), -1),
    ]
    inputs = [(f"{shape} axis={axis}", normal(shape), axis) for shape, axis in shapes]
    inputs.append(("ties", np.array([2.0, 1.0, 2.0, 1.0, 1.0, 2.0]), 0))
    inputs.append(("nan", np.array([nan, 1.0, inf, -inf, 0.0]), 0))
    cases = []
    for label, x, axis in inputs:
        smooth = label not in ("ties", "nan")
        cases.append(
            Case(
                "sort",
                label,
                partial(ops.sort, axis=axis),
                lambda a, axis=axis: torch.sort(a, dim=axis, stable=True).values,
                (x,),
                smooth=smooth,
            )
        )
        cases.append(
            Case(
                "argsort",
                label,
                partial(ops.argsort, axis=axis),
                lambda a, axis=axis: torch.sort(a, dim=axis, stable=True).indices,
                (x,),
                smooth=False,
            )
        )
        for k, largest in [(0, True), (1, True), (3, True), (3, False)]:
            if x.ndim and k <= x.shape[axis] and smooth:
                cases.append(
                    Case(
                        "sort",
                        f"topk {k} {largest} {label}",
                        partial(ops.topk, k=k, axis=axis, largest=largest),
                        lambda a, k=k, axis=axis, largest=largest: (
                            torch.topk(a, k, axis, largest).values
                        ),
                        (x,),
                    )
                )
    return cases


def one_hot_cases() -> list[Case]:
    return [
        Case(
            "astype",
            f"one_hot {labels.shape}",
            lambda i, x: ops.one_hot(i, 4, x.dtype) * x,
            lambda i, x: torch.nn.functional.one_hot(i, 4).to(x.dtype) * x,
            (labels, normal((4,))),
        )
        for labels in (np.array(2), np.array([0, 3, 3]), np.array([[1, 2], [0, 0]]))
    ]


CASES = [*indexing_cases(), *along_axis_cases(), *order_cases(), *one_hot_cases()]
