"""The same elements in other shapes, orders and dtypes."""

from __future__ import annotations

import torch

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
            "astype",
            "to the same dtype",
            lambda a: ops.astype(a, a.dtype),
            lambda a: a.clone(),
            (normal((2, 3)),),
        )
    )
    return cases


CASES = [*shape_cases()]
