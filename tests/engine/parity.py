"""The table of cases in which an operation of dlcourse must agree with PyTorch.

A case names a primitive, the same function in both libraries, and example inputs. Floating point
inputs are differentiated; booleans and integers are constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import dlcourse as dl
from dlcourse import Tensor, ops


@dataclass(frozen=True)
class Case:
    """One comparison.

    `smooth` says that differences approximate the derivative at the inputs; `second` that PyTorch
    has a second derivative there (at some poles it gives nan, although one exists).
    """

    op: str
    label: str
    ours: Callable[..., Tensor]
    theirs: Callable[..., torch.Tensor]
    inputs: tuple[np.ndarray, ...]
    smooth: bool = True
    second: bool = True

    def __str__(self) -> str:
        return f"{self.op}-{self.label}"


def normal(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Standard normal numbers, the same ones for the same shape and seed."""
    return np.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


def positive(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Numbers of at least 0.5."""
    return np.abs(normal(shape, seed)) + 0.5


def away_from_zero(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Numbers of either sign whose absolute value is at least 0.1."""
    x = normal(shape, seed)
    return x + np.where(x < 0, -0.1, 0.1)


def our_tensors(inputs: Sequence[np.ndarray]) -> list[Tensor]:
    return [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]


def their_tensors(inputs: Sequence[np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]


# --- Elementwise ------------------------------------------------------------------------------

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
TORCH_NAMES = {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "power": "pow",
    "max": "amax",
    "min": "amin",
    "transpose": "permute",
}


def in_torch(name: str) -> Callable[..., torch.Tensor]:
    return getattr(torch, TORCH_NAMES.get(name, name))


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


inf, nan = math.inf, math.nan


def corner_cases() -> list[Case]:
    """Where a formula in the textbook's form fails: ties, poles, overflow."""
    tails = np.array([-1e4, -800.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0, 1e4])
    tied_a, tied_b = np.array([1.0, 2.0, 3.0, -0.0]), np.array([1.0, 3.0, 2.0, 0.0])
    bases = np.array([0.0, 0.0, 0.0, 0.0, -2.0, -2.0, -1.5, -2.0, 3.0, 1e-3])
    exponents = np.array([0.0, 1.0, 2.0, 3.0, 2.0, 3.0, -1.0, 0.0, 0.0, 0.5])
    table: list[tuple[str, str, Any, Any, tuple[Any, ...]]] = [
        ("sigmoid", "tails", ops.sigmoid, torch.sigmoid, (tails,)),
        ("tanh", "tails", ops.tanh, torch.tanh, (tails,)),
        ("exp", "tails", ops.exp, torch.exp, (tails,)),
        ("relu", "at zero", ops.relu, torch.relu, (np.array([-1.0, 0.0, -0.0, 2.0, inf, nan]),)),
        ("abs", "at zero", ops.abs, torch.abs, (np.array([-1.0, 0.0, -0.0, 2.0, -inf]),)),
        ("sign", "at zero", ops.sign, torch.sign, (np.array([-1.0, 0.0, 2.0]),)),
        ("log", "at zero", ops.log, torch.log, (np.array([0.0, 1e-300, inf]),)),
        ("sqrt", "at zero", ops.sqrt, torch.sqrt, (np.array([0.0, 1e-300, inf]),)),
        ("divide", "by zero", ops.divide, torch.divide, (np.array([1.0, -1.0]), np.zeros(2))),
        ("maximum", "ties", ops.maximum, torch.maximum, (tied_a, tied_b)),
        ("minimum", "ties", ops.minimum, torch.minimum, (tied_a, tied_b)),
        (
            "maximum",
            "nan",
            ops.maximum,
            torch.maximum,
            (np.array([nan, 1.0]), np.array([1.0, nan])),
        ),
        (
            "maximum",
            "inf",
            ops.maximum,
            torch.maximum,
            (np.array([inf, 1.0]), np.array([inf, -inf])),
        ),
        ("power", "corners", ops.power, torch.pow, (bases, exponents)),
        ("power", "0 ** -1", ops.power, torch.pow, (np.zeros(2), np.array([-1.0, -2.0]))),
        (
            "power",
            "broadcast corners",
            ops.power,
            torch.pow,
            (np.array([[0.0], [-2.0]]), np.array([0.0, 1.0, 2.0])),
        ),
        (
            "where",
            "nan not taken",
            lambda c, a, b: ops.where(c, a.log(), b * 2),
            lambda c, a, b: torch.where(c, a.log(), b * 2),
            (np.array([True, False]), np.array([2.0, -1.0]), np.array([nan, 3.0])),
        ),
        (
            "softmax",
            "huge",
            ops.softmax,
            lambda a: torch.softmax(a, -1),
            (np.array([1e4, -1e4, 1e4]),),
        ),
        (
            "softmax",
            "-inf",
            ops.softmax,
            lambda a: torch.softmax(a, -1),
            (np.array([1.0, -inf, 2.0]),),
        ),
        (
            "log_softmax",
            "huge",
            ops.log_softmax,
            lambda a: torch.log_softmax(a, -1),
            (np.array([1e4, -1e4, 1.0]),),
        ),
        (
            "logsumexp",
            "huge",
            ops.logsumexp,
            lambda a: torch.logsumexp(a, 0),
            (np.array([1e4, -1e4, 1e4]),),
        ),
        (
            "logsumexp",
            "-inf",
            ops.logsumexp,
            lambda a: torch.logsumexp(a, 0),
            (np.array([1.0, -inf, 2.0]),),
        ),
        (
            "logsumexp",
            "no elements",
            lambda a: ops.logsumexp(a, axis=0),
            lambda a: torch.logsumexp(a, 0),
            (np.zeros((0, 3)),),
        ),
        ("mean", "no elements", ops.mean, torch.mean, (np.zeros(0),)),
        *(
            (
                n,
                "ties",
                lambda a, n=n: ops.PRIMITIVES[n](a, axis=1),
                lambda a, n=n: in_torch(n)(a, dim=1),
                (np.array([[1.0, 1.0, 0.0], [-2.0, -2.0, -2.0], [0.0, 5.0, 0.0]]),),
            )
            for n in ("max", "min")
        ),
        *(
            (n, "nan", ops.PRIMITIVES[n], in_torch(n), (np.array([1.0, nan]),))
            for n in ("max", "min")
        ),
    ]
    no_second = {"corners", "broadcast corners"}
    return [Case(*row, smooth=False, second=row[1] not in no_second) for row in table]


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


# --- Reductions -------------------------------------------------------------------------------

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


# --- Linear algebra, shapes, indexing ---------------------------------------------------------


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
                lambda a, index=index, shape=shape: dl.scatter_add(a, index=index, shape=shape),
                add_into_zeros,
                (np.asarray(normal(np.shape(np.zeros(shape)[index]))),),
            )
        )
    return cases


CASES: list[Case] = [
    *unary_cases(),
    *binary_cases(),
    *corner_cases(),
    *scalar_exponent_cases(),
    *reduction_cases(),
    *matmul_cases(),
    *shape_cases(),
    *indexing_cases(),
]
