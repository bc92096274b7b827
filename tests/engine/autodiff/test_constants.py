"""What no_grad and stop_gradient make a constant is one for every derivative, also inside vmap."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import func

import dlcourse as dl
from dlcourse import Tensor, no_grad, vjp, vmap

X, W = np.array([0.5, -1.25, 2.0]), np.array([1.5, 0.75])
OURS = SimpleNamespace(
    grad=dl.grad, vmap=vmap, no_grad=dl.no_grad, enable_grad=dl.enable_grad, stop=dl.stop_gradient
)
THEIRS = SimpleNamespace(
    grad=func.grad,
    vmap=func.vmap,
    no_grad=torch.no_grad,
    enable_grad=torch.enable_grad,
    stop=lambda x: x.detach(),
)


def in_no_grad(x: Any, on: Any) -> Any:
    with on.no_grad():
        c = x * x
    return c * x


def in_enable_grad(x: Any, on: Any) -> Any:
    with on.no_grad(), on.enable_grad():
        c = x * x
    return c * x


def a_gradient_in_no_grad(x: Any, on: Any) -> Any:
    with on.no_grad():
        c = on.grad(lambda y: y * y * y * x)(x)
    return c * x


def an_outer_variable_in_no_grad(x: Any, on: Any) -> Any:
    def inner(y: Any) -> Any:
        with on.no_grad():
            c = x * y
        return c * y * y

    return on.grad(inner)(x)


def half_of_a_product(x: Any, on: Any) -> Any:
    return x * x * on.stop(x * x)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "no_grad": in_no_grad,
    "enable_grad within no_grad": in_enable_grad,
    "stop_gradient": half_of_a_product,
    "detach": lambda x, on: x.detach() * x * x,
    "a result of detach": lambda x, on: (x * x).detach(),
    "a gradient in no_grad": a_gradient_in_no_grad,
    "a gradient that is stopped": lambda x, on: on.stop(on.grad(lambda y: y * y * y)(x)) * x,
    "an outer variable in no_grad": an_outer_variable_in_no_grad,
    "an outer variable that is stopped": lambda x, on: on.grad(lambda y: on.stop(x * y) * y)(x),
    "an inner variable that is stopped": lambda x, on: on.grad(lambda y: x * y * on.stop(y))(x),
}
TRANSFORMS: dict[str, Callable[[Any, Any], Callable[[Any], Any]]] = {
    "grad": lambda f, on: on.grad(lambda x: f(x[0])),
    "vmap of grad": lambda f, on: on.vmap(on.grad(f)),
    "grad of vmap": lambda f, on: on.grad(lambda x: on.vmap(f)(x).sum()),
    "second derivatives": lambda f, on: on.vmap(on.grad(on.grad(f))),
    "grad of vmap of grad": lambda f, on: on.grad(lambda x: on.vmap(on.grad(f))(x).sum()),
    "vmap of grad of vmap": lambda f, on: on.vmap(
        on.grad(lambda x: on.vmap(lambda w: f(x * w))(on.weights).sum())
    ),
    "vmap of vmap of grad": lambda f, on: on.vmap(
        lambda x: on.vmap(lambda w: on.grad(lambda v: f(v * w))(x))(on.weights)
    ),
}
OURS.weights, THEIRS.weights = W, torch.tensor(W)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_constant_is_torchs(f: Any, transform: Any) -> None:
    found = transform(lambda x: f(x, OURS), OURS)(X)
    expected = transform(lambda x: f(x, THEIRS), THEIRS)(torch.tensor(X))
    np.testing.assert_allclose(found.data, expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_backward_through_vmap_takes_a_constant_for_one(f: Any) -> None:
    ours, theirs = Tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    y, expected = vmap(lambda x: f(x, OURS))(ours), func.vmap(lambda x: f(x, THEIRS))(theirs)
    assert y.requires_grad == expected.requires_grad
    if y.requires_grad:
        y.backward(np.ones(3))
        expected.sum().backward()
        np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_jvp_takes_a_constant_for_one() -> None:
    tangent = dl.jvp(lambda x: vmap(lambda x: dl.stop_gradient(x * x) * x)(x), (X,), (X,))[1]
    np.testing.assert_allclose(tangent.data, X**3, rtol=1e-12)
    tangent = vmap(lambda x: dl.jvp(lambda x: in_no_grad(x, OURS), (x,), (x,))[1])(X)
    np.testing.assert_allclose(tangent.data, X**3, rtol=1e-12)


def test_a_value_inside_vmap_says_whether_it_is_a_constant() -> None:
    seen = []

    def note(x: Any) -> Any:
        with no_grad():
            hidden = x * 2.0
        seen.append([(x * 2.0).requires_grad, x.detach().requires_grad, hidden.requires_grad])
        return x

    vmap(dl.grad(note))(X)
    assert seen == [[True, False, False]]


def test_no_grad_around_hides_closed_over_variables_and_not_the_derivative() -> None:
    w = Tensor(W, requires_grad=True)

    def inside(x: Any) -> Any:
        return (x * x * w).sum()

    with no_grad():
        value, slope = vmap(dl.value_and_grad(inside))(X)
        tangent = vmap(lambda x: dl.jvp(inside, (x,), (x,))[1])(X)
    assert not (value.requires_grad or slope.requires_grad or tangent.requires_grad)
    np.testing.assert_allclose(value.data, X * X * W.sum(), rtol=1e-12)
    np.testing.assert_allclose(slope.data, 2 * X * W.sum(), rtol=1e-12)
    np.testing.assert_allclose(tangent.data, 2 * X * X * W.sum(), rtol=1e-12)


def test_a_pullback_that_is_called_in_no_grad_gives_a_constant() -> None:
    w = Tensor(2.0, requires_grad=True)
    _, pullback = vjp(lambda x: x * x * w, X)
    assert pullback(np.ones(3))[0].requires_grad
    with no_grad():
        (g,) = pullback(np.ones(3))
    assert not g.requires_grad
    np.testing.assert_allclose(g.data, 4 * X, rtol=1e-12)


def test_inside_vmap_the_gradient_of_what_does_not_depend_on_the_variable_is_zero() -> None:
    w = Tensor(W, requires_grad=True)
    found = vmap(lambda x: dl.grad(lambda v: (w * w).sum())(x) + x)(X)
    np.testing.assert_array_equal(found.data, X)
