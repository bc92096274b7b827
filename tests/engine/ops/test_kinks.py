"""First and second derivatives where an operation has a kink, in three ways.

Where a function is smooth, they are those of mathematics. Where it is not, they follow the
convention that the table states and book/reference/operations.md explains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import dlcourse as dl
from dlcourse import Tensor, graphs
from dlcourse.graphs.gradient import gradients_of

inf, nan = np.inf, np.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at poles

Function = Callable[[Any], Any]
UNDEFINED = [[nan, nan], [nan, nan]]
NOTHING = [[0.0, 0.0], [0.0, 0.0]]
UNIT = [[1.0, 0.0], [0.0, 1.0]]
ZERO, TIE = [0.0, 0.0], [3.0, 3.0]

# A point, the gradient and the matrix of second derivatives there.
SMOOTH: dict[str, tuple[Function, list[float], list[float], Any]] = {
    "x ** 2": (lambda x: (x**2).sum(), ZERO, [0, 0], np.multiply(2, UNIT)),
    "x ** 3": (lambda x: (x**3).sum(), ZERO, [0, 0], NOTHING),
    "x ** 1": (lambda x: (x**1).sum(), ZERO, [1, 1], NOTHING),
    "x ** 0": (lambda x: (x**0).sum(), ZERO, [0, 0], NOTHING),
    "x ** [2, 3]": (lambda x: (x ** np.array([2, 3])).sum(), ZERO, [0, 0], [[2, 0], [0, 0]]),
    "x ** uint8": (lambda x: (x ** np.uint8([0, 1])).sum(), ZERO, [0, 1], NOTHING),
    "prod": (dl.prod, ZERO, [0, 0], [[0, 1], [1, 0]]),
    "prod of three": (lambda x: dl.prod(x) * x.sum(), ZERO, [0, 0], NOTHING),
    "softplus": (lambda x: dl.softplus(x).sum(), ZERO, [0.5, 0.5], np.multiply(0.25, UNIT)),
    "silu": (lambda x: dl.silu(x).sum(), ZERO, [0.5, 0.5], np.multiply(0.5, UNIT)),
    "log_cosh": (lambda x: dl.log_cosh(x).sum(), ZERO, [0, 0], UNIT),
    "var": (dl.var, TIE, [0, 0], [[0.5, -0.5], [-0.5, 0.5]]),
    "norm, elsewhere": (dl.norm, [3.0, 4.0], [0.6, 0.8], [[0.128, -0.096], [-0.096, 0.072]]),
    "norm ** 2, elsewhere": (lambda x: dl.norm(x) ** 2, [3.0, 4.0], [6, 8], np.multiply(2, UNIT)),
}
CONVENTIONS: dict[str, tuple[Function, list[float], list[float], Any]] = {
    # The second derivative grows beyond all limits towards the point: nan, also of a function of
    # it that is smooth.
    "norm": (dl.norm, ZERO, [0, 0], UNDEFINED),
    "norm ** 2": (lambda x: dl.norm(x) ** 2, ZERO, [0, 0], UNDEFINED),
    "norm * norm": (lambda x: dl.norm(x) * dl.norm(x), ZERO, [0, 0], UNDEFINED),
    "std": (dl.std, TIE, [0, 0], UNDEFINED),
    "std ** 2": (lambda x: dl.std(x) ** 2, TIE, [0, 0], UNDEFINED),
    "hypot": (lambda x: dl.hypot(x[0], x[1]), ZERO, [nan, nan], UNDEFINED),
    "sqrt": (lambda x: dl.sqrt(x).sum(), ZERO, [inf, inf], [[-inf, nan], [nan, -inf]]),
    "x ** 1.5": (lambda x: (x**1.5).sum(), ZERO, [0, 0], [[inf, nan], [nan, inf]]),
    # It is the same on both sides, or taken as one of the sides': what the table states.
    "abs": (lambda x: dl.abs(x).sum(), ZERO, [0, 0], NOTHING),
    "abs ** 2": (lambda x: (dl.abs(x) ** 2).sum(), ZERO, [0, 0], NOTHING),
    "x * abs": (lambda x: (x * dl.abs(x)).sum(), ZERO, [0, 0], NOTHING),
    "relu": (lambda x: dl.relu(x).sum(), ZERO, [0, 0], NOTHING),
    "relu ** 2": (lambda x: (dl.relu(x) ** 2).sum(), ZERO, [0, 0], NOTHING),
    "leaky_relu": (lambda x: dl.leaky_relu(x, negative_slope=0.5).sum(), ZERO, [0.5, 0.5], NOTHING),
    "elu": (lambda x: dl.elu(x).sum(), ZERO, [1, 1], NOTHING),
    "clip": (lambda x: (dl.clip(x, low=0, high=3) ** 2).sum(), TIE, [6, 6], np.multiply(2, UNIT)),
    "maximum": (lambda x: dl.maximum(x[0], x[1]) ** 2, TIE, [3, 3], np.full((2, 2), 0.5)),
    "max": (lambda x: dl.max(x) ** 2, TIE, [3, 3], np.full((2, 2), 0.5)),
    "logsumexp": (dl.logsumexp, [-inf, -inf], [0, 0], NOTHING),
}
EVERY = {**SMOOTH, **CONVENTIONS}
every_function = pytest.mark.parametrize("name", EVERY)


def unit_vectors(x: np.ndarray) -> list[np.ndarray]:
    return list(np.eye(len(x)))


@every_function
def test_the_gradient_is_the_one_stated(name: str) -> None:
    f, point, gradient, _ = EVERY[name]
    np.testing.assert_allclose(dl.grad(f)(np.array(point)).data, gradient, rtol=1e-14)


@every_function
def test_reverse_over_reverse(name: str) -> None:
    f, point, _, hessian = EVERY[name]
    found = dl.hessian(f)(np.array(point)).data
    np.testing.assert_allclose(found, hessian, rtol=1e-12, atol=1e-15)


@every_function
def test_the_directional_derivative_of_the_gradient(name: str) -> None:
    f, point, _, hessian = EVERY[name]
    x = np.array(point)
    columns = [dl.jvp(dl.grad(f), (x,), (e,))[1].data for e in unit_vectors(x)]
    np.testing.assert_allclose(np.stack(columns, 1), hessian, rtol=1e-12, atol=1e-15)


@every_function
def test_a_compiled_graph_of_the_second_derivative(name: str) -> None:
    f, point, _, hessian = EVERY[name]

    def row(x: Any, e: Any) -> Any:
        (gradient,) = gradients_of(f(x), [x])
        return gradients_of((gradient * e).sum(), [x])[0]

    x = np.array(point)
    compiled = graphs.compile(graphs.trace(row, x, x))
    rows = [compiled(x, e)[0] for e in unit_vectors(x)]
    np.testing.assert_allclose(rows, hessian, rtol=1e-12, atol=1e-15)


IN_PYTORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "norm": torch.linalg.vector_norm,
    "norm ** 2": lambda x: torch.linalg.vector_norm(x) ** 2,
    "hypot": lambda x: torch.hypot(x[0], x[1]),
    "sqrt": lambda x: x.sqrt().sum(),
    "x ** 1.5": lambda x: (x**1.5).sum(),
    "abs": lambda x: x.abs().sum(),
    "abs ** 2": lambda x: (x.abs() ** 2).sum(),
    "x * abs": lambda x: (x * x.abs()).sum(),
    "relu": lambda x: x.relu().sum(),
    "relu ** 2": lambda x: (x.relu() ** 2).sum(),
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.5).sum(),
    "elu": lambda x: functional.elu(x).sum(),
    "clip": lambda x: (x.clip(0, 3) ** 2).sum(),
    "maximum": lambda x: torch.maximum(x[0], x[1]) ** 2,
    "max": lambda x: torch.amax(x, 0) ** 2,
}


def test_pytorch_has_another_convention_for_few() -> None:
    # PyTorch: 0 for the second derivatives of std at equal elements, nan for logsumexp of -inf.
    assert set(CONVENTIONS) - set(IN_PYTORCH) == {"norm * norm", "std", "std ** 2", "logsumexp"}
    x = torch.tensor(TIE, dtype=torch.float64)
    second = torch.autograd.functional.hessian(lambda x: x.std(correction=0) ** 2, x)
    np.testing.assert_array_equal(second, NOTHING)


@pytest.mark.parametrize("name", IN_PYTORCH)
def test_the_convention_is_pytorchs(name: str) -> None:
    _, point, gradient, hessian = EVERY[name]
    x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(IN_PYTORCH[name](x), x)
    np.testing.assert_allclose(first, gradient, rtol=1e-14)
    second = torch.autograd.functional.hessian(IN_PYTORCH[name], x.detach())
    np.testing.assert_allclose(second, hessian, rtol=1e-12)


def test_the_first_derivative_at_a_kink_raises_no_warning() -> None:
    with np.errstate(all="raise"):
        for f in (dl.norm, dl.std):
            x = Tensor(ZERO, requires_grad=True)
            f(x).backward()
            np.testing.assert_array_equal(x.grad.data, ZERO)


def test_a_norm_of_zero_spoils_the_second_derivatives_of_its_own_row_alone() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    rows = dl.hvp(lambda x: dl.norm(x, axis=1).sum(), (x,), (np.ones((2, 2)),))[0].data
    np.testing.assert_array_equal(np.isnan(rows), [[True, True], [False, False]])


def test_a_quotient_by_zero_is_zero_and_its_derivative_is_not_finite() -> None:
    a, b = Tensor([0.0, 1.0, 3.0], requires_grad=True), Tensor([0.0, -0.0, 2.0], requires_grad=True)
    y = dl.divide_or_zero(a, b)
    np.testing.assert_array_equal(y.data, [0, 0, 1.5])
    y.sum().backward()
    np.testing.assert_array_equal(a.grad.data, [inf, -inf, 0.5])
    np.testing.assert_array_equal(b.grad.data, [nan, nan, -0.75])
