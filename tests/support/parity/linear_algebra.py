"""Products of vectors, matrices and batches of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from dlcourse import ops
from parity.case import Case, in_torch, inf, nan, normal


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


# Subscripts, and the shapes of the operands.
EINSUMS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij->ij", [(2, 3)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ij->j", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iji->j", [(2, 3, 2)]),
    ("iij->j", [(2, 2, 3)]),
    ("iii->i", [(3, 3, 3)]),
    ("iii->", [(3, 3, 3)]),
    ("->", [()]),
    (",->", [(), ()]),
    ("i,->i", [(3,), ()]),
    ("i,i->", [(3,), (3,)]),
    ("i,i->i", [(3,), (3,)]),
    ("i,j->ij", [(3,), (2,)]),
    ("i,j->ji", [(3,), (2,)]),
    ("i,j->", [(3,), (2,)]),
    ("i,j->j", [(3,), (2,)]),
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij, kj -> ik", [(2, 3), (4, 3)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,k->k", [(2, 3), (4,)]),
    ("ii,i->", [(3, 3), (3,)]),
    ("ii,jj->", [(3, 3), (2, 2)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("a,ab,b->", [(2,), (2, 3), (3,)]),
    ("i,i,i->i", [(3,), (3,), (3,)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
    ("...ij,...jk", [(5, 1, 2, 3), (4, 3, 2)]),
    ("...i->...", [(2, 3, 4)]),
    ("...i->i...", [(2, 3, 4)]),
    ("i...->...", [(3,)]),
    ("...ii->...i", [(2, 3, 3)]),
    ("...->", [(2, 3)]),
    ("...i,i->", [(2, 3), (3,)]),
    ("i...,...", [(2, 3), (3,)]),
    ("ij,ij->ij", [(1, 3), (2, 3)]),
    ("ij,i->j", [(5, 3), (1,)]),
    ("ij,jk->ik", [(0, 3), (3, 2)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    ("i->", [(0,)]),
]


def einsum_cases() -> list[Case]:
    return [
        Case(
            "einsum",
            f"{subscripts} {shapes}",
            partial(ops.einsum, subscripts),
            partial(torch.einsum, subscripts),
            tuple(normal(shape, i) for i, shape in enumerate(shapes)),
        )
        for subscripts, shapes in EINSUMS
    ]


def triangle_cases() -> list[Case]:
    inputs = [
        (normal(shape), k) for shape in [(3, 3), (2, 4), (2, 3, 2), (0, 3)] for k in (-1, 0, 2)
    ]
    inputs.append((np.array([[1.0, inf], [nan, 2.0]]), 0))
    return [
        Case(
            n,
            f"{i} {x.shape} k={k}",
            partial(ops.PRIMITIVES[n], k=k),
            partial(in_torch(n), diagonal=k),
            (x,),
            smooth=bool(np.isfinite(x).all()),
        )
        for n in ("tril", "triu")
        for i, (x, k) in enumerate(inputs)
    ]


CASES = [*matmul_cases(), *linear_cases(), *einsum_cases(), *triangle_cases()]
