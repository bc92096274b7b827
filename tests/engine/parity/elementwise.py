"""Elementwise operations: arithmetic, functions, comparisons, choices."""

from __future__ import annotations

import numpy as np
import torch

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


def unary_cases() -> list[Case]:
    domain = {
        "sqrt": positive,
        "log": positive,
        "abs": away_from_zero,
        "relu": away_from_zero,
        "sign": away_from_zero,
    }
    names = [
        "negative",
        "square",
        "sqrt",
        "exp",
        "log",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "relu",
        "abs",
        "sign",
    ]
    return [
        Case(n, str(s), ops.PRIMITIVES[n], in_torch(n), (domain.get(n, normal)(s),))
        for n in names
        for s in SHAPES
    ]


def binary_cases() -> list[Case]:
    names = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]
    cases = []
    for n in names:
        draw_a = positive if n == "power" else normal
        draw_b = away_from_zero if n == "divide" else normal
        for a, b in PAIRS:
            inputs = (draw_a(a, 1), draw_b(b, 2))
            cases.append(Case(n, f"{a}{b}", ops.PRIMITIVES[n], in_torch(n), inputs))
    for n in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]:
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
    return cases


def corner_cases() -> list[Case]:
    """Where a formula in the textbook's form fails: ties, poles, overflow."""
    tails = [-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4]
    tied_a, tied_b = [1.0, 2.0, 3.0, -0.0], [1.0, 3.0, 2.0, 0.0]
    bases = [0.0, 0.0, 0.0, 0.0, -2.0, -2.0, -1.5, -2.0, 3.0, 1e-3]
    exponents = [0.0, 1.0, 2.0, 3.0, 2.0, 3.0, -1.0, 0.0, 0.0, 0.5]
    column, row = [[0.0], [-2.0]], [0.0, 1.0, 2.0]
    return [
        *(corner(n, "tails", ops.PRIMITIVES[n], in_torch(n), tails) for n in ("sigmoid", "tanh")),
        corner("exp", "tails", ops.exp, torch.exp, tails),
        corner("relu", "at zero", ops.relu, torch.relu, [-1.0, 0.0, -0.0, 2.0, inf, nan]),
        corner("abs", "at zero", ops.abs, torch.abs, [-1.0, 0.0, -0.0, 2.0, -inf]),
        corner("sign", "at zero", ops.sign, torch.sign, [-1.0, 0.0, 2.0]),
        corner("log", "at zero", ops.log, torch.log, [0.0, 1e-300, inf]),
        corner("sqrt", "at zero", ops.sqrt, torch.sqrt, [0.0, 1e-300, inf]),
        corner("divide", "by zero", ops.divide, torch.divide, [1.0, -1.0], [0.0, 0.0]),
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


CASES = [*unary_cases(), *binary_cases(), *corner_cases(), *scalar_exponent_cases()]
