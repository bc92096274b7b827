"""The same elements in other shapes, orders and dtypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dlcourse import ops
from parity.case import Case, normal


def shape_cases() -> list[Case]:
    cases = []
    for shape, to in [
        ((2, 3), (3, 2)),
        ((2, 3), (6,)),
        ((2, 3), (-1,)),
        ((2, 3), (3, -1)),
        ((), (1, 1)),
        ((1,), ()),
        ((0, 3), (3, 0)),
        ((2, 3), (1, 2, 1, 3)),
    ]:
        cases.append(
            Case(
                "reshape",
                f"{shape} to {to}",
                lambda a, to=to: ops.reshape(a, to),
                lambda a, to=to: torch.reshape(a, to),
                (normal(shape),),
            )
        )
    for shape, axes in [
        ((), None),
        ((3,), None),
        ((2, 3), None),
        ((2, 3, 4), None),
        ((2, 3, 4), (1, 2, 0)),
        ((2, 3, 4), (-1, 0, -2)),
        ((2, 3, 4), (0, 2, 1)),
        ((0, 3), (1, 0)),
        ((3,), (0,)),
        ((2, 3, 4, 5), (3, 1, 0, 2)),
    ]:
        cases.append(
            Case(
                "transpose",
                f"{shape} by {axes}",
                lambda a, axes=axes: ops.transpose(a, axes),
                lambda a, axes=axes: a.permute(axes or tuple(reversed(range(a.ndim)))),
                (normal(shape),),
            )
        )
    for shape, to in [
        ((), ()),
        ((), (2, 3)),
        ((3,), (2, 3)),
        ((2, 1), (2, 3)),
        ((1, 1), (4, 2, 3)),
        ((1,), (0,)),
        ((3,), (0, 3)),
        ((2, 3), (2, 3)),
    ]:
        cases.append(
            Case(
                "broadcast_to",
                f"{shape} to {to}",
                lambda a, to=to: ops.broadcast_to(a, to),
                lambda a, to=to: torch.broadcast_to(a, to),
                (normal(shape),),
            )
        )
    cases.append(
        Case(
            "bitcast",
            "signed as unsigned",
            lambda a: ops.bitcast(a, np.uint64),
            lambda a: a.view(torch.uint64),
            (np.array([0, 1, -1, -2]),),
            smooth=False,
        )
    )
    cases.append(
        Case(
            "stop_gradient",
            "a matrix",
            ops.stop_gradient,
            lambda a: a.detach(),
            (normal((2, 3)),),
            smooth=False,
        )
    )
    cases.append(
        Case(
            "astype",
            "to the same dtype",
            lambda a: ops.astype(a, a.dtype),
            lambda a: a.clone(),
            (normal((2, 3)),),
        )
    )
    return cases


def joining_cases() -> list[Case]:
    cases = [
        Case(
            "concatenate",
            f"{shapes} axis={axis}",
            lambda *arrays, axis=axis: ops.concatenate(arrays, axis=axis),
            lambda *arrays, axis=axis: torch.cat(arrays, axis),
            tuple(normal(shape, i) for i, shape in enumerate(shapes)),
        )
        for shapes, axis in [
            ([(2,)], 0),
            ([(2,), (3,)], 0),
            ([(2,), (0,), (1,)], -1),
            ([(2, 3), (1, 3)], 0),
            ([(2, 3), (2, 1), (2, 2)], 1),
            ([(2, 3, 4), (2, 1, 4)], -2),
            ([(0, 3), (0, 3)], 0),
        ]
    ]
    for shape, axis in [((), 0), ((), -1), ((3,), 0), ((3,), 1), ((2, 3), -2), ((0, 3), 1)]:
        cases.append(
            Case(
                "concatenate",
                f"stack {shape} axis={axis}",
                lambda *arrays, axis=axis: ops.stack(arrays, axis=axis),
                lambda *arrays, axis=axis: torch.stack(arrays, axis),
                tuple(normal(shape, i) for i in range(3)),
            )
        )
    return cases


# The operation, what it is called with, the same in torch, and shapes.
REARRANGEMENTS: list[tuple[str, str, Any, Any, list[tuple[int, ...]]]] = [
    ("pad", "nothing", partial(ops.pad, pad_width=0), lambda a: a.clone(), [()]),
    (
        "pad",
        "1 0",
        partial(ops.pad, pad_width=((1, 0),)),
        lambda a: functional.pad(a, (1, 0)),
        [(3,), (0,)],
    ),
    (
        "pad",
        "both sides of all",
        partial(ops.pad, pad_width=2),
        lambda a: functional.pad(a, (2, 2) * 2),
        [(2, 3)],
    ),
    (
        "pad",
        "with a value",
        partial(ops.pad, pad_width=((0, 0), (1, 2), (0, 3)), value=1.5),
        lambda a: functional.pad(a, (0, 3, 1, 2, 0, 0), value=1.5),
        [(2, 3, 4), (2, 0, 4)],
    ),
    ("flip", "all", ops.flip, lambda a: a.flip(tuple(range(a.ndim))), [(), (3,), (2, 3), (0, 3)]),
    ("flip", "1", partial(ops.flip, axis=1), lambda a: a.flip(1), [(2, 3), (2, 3, 4)]),
    ("flip", "(0, -1)", partial(ops.flip, axis=(0, -1)), lambda a: a.flip(0, -1), [(2, 3, 4)]),
    ("roll", "flat", partial(ops.roll, shift=2), lambda a: a.roll(2), [(5,), (2, 3), (0,)]),
    ("roll", "-1 along 1", partial(ops.roll, shift=-1, axis=1), lambda a: a.roll(-1, 1), [(2, 3)]),
    (
        "roll",
        "two axes",
        partial(ops.roll, shift=(1, -2), axis=(0, 1)),
        lambda a: a.roll((1, -2), (0, 1)),
        [(3, 4), (3, 4, 2)],
    ),
    ("tile", "2", partial(ops.tile, reps=2), lambda a: a.tile(2), [(), (3,), (2, 3)]),
    (
        "tile",
        "(2, 3)",
        partial(ops.tile, reps=(2, 3)),
        lambda a: a.tile(2, 3),
        [(3,), (2, 4), (5, 2, 2)],
    ),
    ("tile", "(2, 0)", partial(ops.tile, reps=(2, 0)), lambda a: a.tile(2, 0), [(2, 3)]),
    (
        "repeat",
        "2 along 0",
        partial(ops.repeat, repeats=2, axis=0),
        lambda a: a.repeat_interleave(2, 0),
        [(3,), (2, 3), (0, 2)],
    ),
    (
        "repeat",
        "3 along -2",
        partial(ops.repeat, repeats=3, axis=-2),
        lambda a: a.repeat_interleave(3, -2),
        [(2, 3), (2, 3, 4)],
    ),
    (
        "transpose",
        "swapaxes",
        lambda a: ops.swapaxes(a, 0, -1),
        lambda a: a.swapaxes(0, -1),
        [(2, 3, 4)],
    ),
    (
        "transpose",
        "moveaxis",
        lambda a: ops.moveaxis(a, 0, -1),
        lambda a: a.moveaxis(0, -1),
        [(2, 3, 4)],
    ),
    (
        "transpose",
        "moveaxis of two",
        lambda a: ops.moveaxis(a, (0, 2), (1, 0)),
        lambda a: a.moveaxis((0, 2), (1, 0)),
        [(2, 3, 4), (2, 3, 4, 5)],
    ),
    (
        "getitem",
        "the second of three parts",
        lambda a: ops.split(a, 3, axis=1)[1],
        lambda a: a.tensor_split(3, 1)[1],
        [(2, 6), (2, 3, 4)],
    ),
    (
        "getitem",
        "the last part, cut at 1 and 4",
        lambda a: ops.split(a, [1, 4])[-1],
        lambda a: a.tensor_split([1, 4])[-1],
        [(6,), (5, 2)],
    ),
]


def rearrangement_cases() -> list[Case]:
    return [
        Case(op, f"{label} {shape}", ours, theirs, (normal(shape),))
        for op, label, ours, theirs, shapes in REARRANGEMENTS
        for shape in shapes
    ]


CASES = [*shape_cases(), *joining_cases(), *rearrangement_cases()]
