"""Elementwise operations: arithmetic, functions, comparisons, choices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from dlcourse import ops
from parity.case import Case, away_from_zero, corner, in_torch, inf, nan, normal, positive

SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0, 3)]
PAIRS = [
    ((), ()),
    ((), (3,)),
    ((2, 3), ()),
    ((2, 3), (2, 3)),
    ((2, 1), (1, 3)),
    ((3,), (2, 3)),
    ((2, 3), (1,)),
    ((4, 1, 3), (2, 1)),
    ((1, 1), (3,)),
    ((0, 3), (3,)),
    ((1,), (0,)),
    ((2, 1), (2, 0)),
]


UNARY = {
    normal: "negative square exp expm1 sin cos tan arctan sinh cosh tanh erf erfc sigmoid",
    positive: "sqrt rsqrt log log1p",
    away_from_zero: "reciprocal relu abs sign",
}
NO_DERIVATIVE = "logical_not isnan isfinite"


def unary_cases() -> list[Case]:
    cases = [
        Case(n, f"{s}", ops.PRIMITIVES[n], in_torch(n), (draw(s),))
        for draw, names in UNARY.items()
        for n in names.split()
        for s in SHAPES
    ]
    for n in NO_DERIVATIVE.split():
        for s in SHAPES:
            x = np.round(normal(s))
            cases.append(Case(n, f"{s}", ops.PRIMITIVES[n], in_torch(n), (x,), smooth=False))
    for n in ("floor", "ceil", "round"):
        for s in SHAPES:
            between = np.round(normal(s)) + 0.3
            cases.append(Case(n, f"{s}", ops.PRIMITIVES[n], in_torch(n), (between,)))
    return cases


# The name in the table, a label, and the function in each library.
ACTIVATIONS: list[tuple[str, str, Any, Any]] = [
    ("softplus", "", ops.softplus, partial(functional.softplus, threshold=50)),
    ("silu", "", ops.silu, functional.silu),
    ("gelu", "", ops.gelu, functional.gelu),
    (
        "gelu",
        "tanh ",
        partial(ops.gelu, approximate="tanh"),
        partial(functional.gelu, approximate="tanh"),
    ),
    ("elu", "", ops.elu, functional.elu),
    ("elu", "alpha=0.3 ", partial(ops.elu, alpha=0.3), partial(functional.elu, alpha=0.3)),
    ("leaky_relu", "", ops.leaky_relu, functional.leaky_relu),
    (
        "leaky_relu",
        "slope=2 ",
        partial(ops.leaky_relu, negative_slope=2),
        partial(functional.leaky_relu, negative_slope=2),
    ),
    ("clip", "", partial(ops.clip, low=-0.5, high=0.5), partial(torch.clip, min=-0.5, max=0.5)),
    ("clip", "low ", partial(ops.clip, low=-1), partial(torch.clip, min=-1)),
    ("clip", "high ", partial(ops.clip, high=0.7), partial(torch.clip, max=0.7)),
]


def activation_cases() -> list[Case]:
    """Functions with parameters: at random points, in the tails, and where the pieces meet."""
    tails = [-1e4, -800.0, -40.0, -5.0, -1.0, 1.0, 5.0, 40.0, 800.0, 1e4]
    seams = [-1.0, -0.5, -0.0, 0.0, 0.5, 0.7, nan]
    cases = []
    for op, label, ours, theirs in ACTIVATIONS:
        cases += [Case(op, f"{label}{s}", ours, theirs, (away_from_zero(s),)) for s in SHAPES]
        cases.append(corner(op, f"{label}tails", ours, theirs, tails))
        cases.append(corner(op, f"{label}seams", ours, theirs, seams))
    for op, label, ours, theirs in ACTIVATIONS:
        if op in ("elu", "leaky_relu", "clip", "softplus"):
            cases.append(corner(op, f"{label}infinite", ours, theirs, [-inf, inf]))
    return cases


def quotient_or_zero_cases() -> list[Case]:
    """Not at b = 0, where PyTorch's formula has the derivative 0, see test_kinks."""

    def theirs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.where(b == 0, 0, a / torch.where(b == 0, 1, b))

    op = "divide_or_zero"
    return [
        *(
            Case(op, f"{a}{b}", ops.divide_or_zero, theirs, (normal(a, 1), away_from_zero(b, 2)))
            for a, b in PAIRS
        ),
    ]


def both_where(call: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return partial(call, ops.where), partial(call, torch.where)


def whole_part(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.div(a, b, rounding_mode="floor")


ARITHMETIC = "add subtract multiply divide power maximum minimum arctan2 hypot remainder"
COMPARISONS = "equal not_equal less less_equal greater greater_equal logical_and logical_or"


def binary_cases() -> list[Case]:
    names = ARITHMETIC.split()
    cases = []
    for n in names:
        draw_a = positive if n == "power" else normal
        draw_b = away_from_zero if n == "divide" else normal
        for a, b in PAIRS:
            inputs = (draw_a(a, 1), draw_b(b, 2))
            cases.append(Case(n, f"{a}{b}", ops.PRIMITIVES[n], in_torch(n), inputs))
    for a, b in PAIRS:
        inputs = (normal(a, 1), away_from_zero(b, 2))
        cases.append(Case("floor_divide", f"{a}{b}", ops.floor_divide, whole_part, inputs))
    for n in COMPARISONS.split():
        for a, b in PAIRS:
            inputs = (np.round(normal(a, 1)), np.round(normal(b, 2)))
            cases.append(Case(n, f"{a}{b}", ops.PRIMITIVES[n], in_torch(n), inputs, smooth=False))
    for c, a, b in [
        ((), (), ()),
        ((2, 3), (2, 3), (2, 3)),
        ((3,), (2, 1), ()),
        ((2, 1), (3,), (1, 1)),
        ((0,), (1,), ()),
        ((2, 3), (), ()),
    ]:
        inputs = (normal(c) > 0, normal(a, 1), normal(b, 2))
        cases.append(Case("where", f"{c}{a}{b}", ops.where, torch.where, inputs))
    condition, x = np.array([True, False, True]), np.array([1.5, inf, -2.0])
    for zero in (0, 0.0):
        cases += [
            corner(
                "where",
                f"else {zero}",
                *both_where(lambda w, c, a, z=zero: w(c, a, z)),
                condition,
                x,
            ),
            corner(
                "where",
                f"{zero} else",
                *both_where(lambda w, c, a, z=zero: w(c, z, a)),
                condition,
                x,
            ),
        ]
    return cases


def corner_cases() -> list[Case]:
    """Where a formula in the textbook's form fails: ties, poles, overflow."""
    tails = [-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4]
    tied_a, tied_b = [1.0, 2.0, 3.0, -0.0], [1.0, 3.0, 2.0, 0.0]
    bases = [0.0, 0.0, 0.0, 0.0, -2.0, -2.0, -1.5, -2.0, 3.0, 1e-3]
    exponents = [0.0, 1.0, 2.0, 3.0, 2.0, 3.0, -1.0, 0.0, 0.0, 0.5]
    tiny, halves = [-1e-20, 0.0, 1e-20], [-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.0, inf, nan]
    axes = [1.0, -1.0, 0.0, -2.0]
    signs = [7.5, -7.5, 7.5, -7.5, 6.0, -6.0], [2.0, 2.0, -2.0, -2.0, 3.0, 3.0]
    column, row = [[0.0], [-2.0]], [0.0, 1.0, 2.0]
    return [
        *(corner(n, "tails", ops.PRIMITIVES[n], in_torch(n), tails) for n in ("sigmoid", "tanh")),
        *(corner(n, "tails", ops.PRIMITIVES[n], in_torch(n), tails) for n in ("exp", "expm1")),
        *(corner(n, "tails", ops.PRIMITIVES[n], in_torch(n), tails) for n in ("erf", "erfc")),
        *(corner(n, "tails", ops.PRIMITIVES[n], in_torch(n), tails) for n in ("sinh", "cosh")),
        *(corner(n, "tiny", ops.PRIMITIVES[n], in_torch(n), tiny) for n in ("expm1", "log1p")),
        corner("log1p", "at -1", ops.log1p, torch.log1p, [-1.0, 0.0, inf]),
        corner("rsqrt", "at zero", ops.rsqrt, torch.rsqrt, [0.0, 1e-300, inf]),
        corner("reciprocal", "at zero", ops.reciprocal, torch.reciprocal, [0.0, -0.0, inf]),
        corner("arctan", "tails", ops.arctan, torch.arctan, [-inf, -1e200, 0.0, inf]),
        corner("arctan2", "on the axes", ops.arctan2, torch.arctan2, [0.0, -0.0, 1.0, 0.0], axes),
        corner("hypot", "at zero", ops.hypot, torch.hypot, [0.0, 3.0, 0.0], [0.0, 0.0, -2.0]),
        *(
            corner(n, "halves", ops.PRIMITIVES[n], in_torch(n), halves)
            for n in ("floor", "ceil", "round")
        ),
        *(
            corner(n, "nan, inf", ops.PRIMITIVES[n], in_torch(n), [nan, inf, -inf, 0.0])
            for n in NO_DERIVATIVE.split()
        ),
        corner("relu", "at zero", ops.relu, torch.relu, [-1.0, 0.0, -0.0, 2.0, inf, nan]),
        corner("abs", "at zero", ops.abs, torch.abs, [-1.0, 0.0, -0.0, 2.0, -inf]),
        corner("sign", "at zero", ops.sign, torch.sign, [-1.0, 0.0, 2.0]),
        corner("log", "at zero", ops.log, torch.log, [0.0, 1e-300, inf]),
        corner("sqrt", "at zero", ops.sqrt, torch.sqrt, [0.0, 1e-300, inf]),
        corner("divide", "by zero", ops.divide, torch.divide, [1.0, -1.0], [0.0, 0.0]),
        corner("remainder", "signs", ops.remainder, torch.remainder, *signs),
        corner("floor_divide", "signs", ops.floor_divide, whole_part, *signs),
        corner("remainder", "by zero", ops.remainder, torch.remainder, [1.0, -1.0], [0.0, 0.0]),
        corner("maximum", "ties", ops.maximum, torch.maximum, tied_a, tied_b),
        corner("minimum", "ties", ops.minimum, torch.minimum, tied_a, tied_b),
        corner("maximum", "nan", ops.maximum, torch.maximum, [nan, 1.0], [1.0, nan]),
        corner("maximum", "inf", ops.maximum, torch.maximum, [inf, 1.0], [inf, -inf]),
        corner("power", "corners", ops.power, torch.pow, bases, exponents, second=False),
        corner("power", "0 ** -1", ops.power, torch.pow, [0.0, 0.0], [-1.0, -2.0]),
        corner("power", "broadcast corners", ops.power, torch.pow, column, row, second=False),
        corner(
            "where",
            "nan not taken",
            lambda c, a, b: ops.where(c, a.log(), b * 2),
            lambda c, a, b: torch.where(c, a.log(), b * 2),
            [True, False],
            [2.0, -1.0],
            [nan, 3.0],
        ),
    ]


def scalar_exponent_cases() -> list[Case]:
    """x ** n and n ** x with a Python number, at zero and at negative numbers too."""
    cases = []
    x = np.array([0.0, 2.0, 0.5, 3.0])
    whole = np.array([0.0, -2.0, -0.5, 3.0])
    for n in (0, 1, 2, 3, 0.0, 1.0, 2.0):
        cases.append(
            Case("power", f"x ** {n!r}", lambda x, n=n: x**n, lambda x, n=n: x**n, (whole,), False)
        )
    for n in (-1, -2, 0.5, -0.5, 1.5):
        cases.append(
            Case("power", f"x ** {n!r}", lambda x, n=n: x**n, lambda x, n=n: x**n, (x[1:],))
        )
    for n in (1, 2, 0.5, 0):
        cases.append(
            Case(
                "power",
                f"{n!r} ** x",
                lambda x, n=n: n**x,
                lambda x, n=n: n**x,
                (x,),
                n != 0,
                n != 0,
            )
        )
    return cases


CASES = [
    *unary_cases(),
    *activation_cases(),
    *binary_cases(),
    *corner_cases(),
    *scalar_exponent_cases(),
    *quotient_or_zero_cases(),
]
