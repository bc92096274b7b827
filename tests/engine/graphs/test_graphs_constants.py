"""What no_grad and stop_gradient make a constant of is one in a static graph too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor, no_grad, stop_gradient, vmap
from dlcourse.graphs import compile, from_json, function, gradient, to_json, trace
from dlcourse.graphs.compiler.passes import optimise

X = np.array([0.5, -1.25, 2.0])


def stopped(x: Any) -> Any:
    return (stop_gradient(x * x) * x).sum()


def detached(x: Any) -> Any:
    return ((x * x).detach() * x).sum()


@no_grad
def square(x: Any) -> Any:
    y = x * 1.0
    return y * x


def hidden(x: Any) -> Any:
    return (square(x) * x).sum()


def in_vmap(x: Any) -> Any:
    return vmap(lambda x: square(x) * x)(x).sum()


def in_a_gradient_of_examples(x: Any) -> Any:
    return vmap(dl.grad(lambda x: square(x) * x * x * 0.5))(x).sum()


FUNCTIONS = [stopped, detached, hidden, in_vmap]


def assert_slope_of_a_constant_square(found: Any) -> None:
    """The derivative of c x is c = x * x; without a constant it would be 3 x * x."""
    np.testing.assert_allclose(getattr(found, "data", found), X * X, rtol=1e-12)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_the_gradient_of_a_graph_takes_a_constant_for_one(f: Any) -> None:
    graph = gradient(trace(f, X), with_value=False)
    assert_slope_of_a_constant_square(graph.run(X)[0])
    assert_slope_of_a_constant_square(compile(graph)(X)[0])


@pytest.mark.parametrize("f", FUNCTIONS)
def test_it_stays_one_when_the_graph_is_rewritten_or_saved_first(f: Any) -> None:
    graph = trace(f, X)
    for other in (optimise(graph), from_json(to_json(graph))):
        assert_slope_of_a_constant_square(gradient(other, with_value=False).run(X)[0])


@pytest.mark.parametrize("f", FUNCTIONS)
def test_it_is_one_for_backward_through_a_function(f: Any) -> None:
    x = Tensor(X, requires_grad=True)
    function(f)(x).backward()
    assert_slope_of_a_constant_square(x.grad)


def test_it_is_one_for_derivatives_within_the_graph() -> None:
    x = Tensor(X, requires_grad=True)
    y = function(in_a_gradient_of_examples)(x)
    np.testing.assert_allclose(y.data, (X * X * X).sum(), rtol=1e-12)
    y.backward()
    assert_slope_of_a_constant_square(x.grad)


def test_a_second_derivative_takes_it_for_one() -> None:
    slopes = gradient(trace(stopped, X), with_value=False)
    again = gradient(trace(lambda x: slopes.run(x)[0].sum(), X), with_value=False)
    np.testing.assert_array_equal(again.run(X)[0], np.zeros(3))


def test_no_grad_around_a_trace_freezes_nothing() -> None:
    f = function(lambda x: (x * x).sum())
    with no_grad():
        assert not f(Tensor(X, requires_grad=True)).requires_grad
        slopes = gradient(trace(lambda x: (x * x).sum(), X), with_value=False)
    np.testing.assert_allclose(slopes.run(X)[0], 2 * X, rtol=1e-12)
    x = Tensor(X, requires_grad=True)
    f(x).backward()
    np.testing.assert_allclose(x.grad.data, 2 * X, rtol=1e-12)


def test_the_graph_shows_it_and_integers_need_none() -> None:
    @no_grad
    def f(x: Any) -> Any:
        return x + 1.0, x > 0.0

    names = [node.op.name for node in trace(f, X).nodes]
    assert names == ["add", "stop_gradient", "greater"]


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_what_is_no_real_number_cannot_stand_beside_a_symbol(value: Any) -> None:
    with pytest.raises(TypeError, match="add: expected numbers beside a Symbol, got ndarray"):
        trace(lambda x: x + value, np.ones(1))
