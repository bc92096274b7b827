"""grad, vjp, jvp and their combinations against torch.func."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dlcourse as dl
from dlcourse import Tensor, no_grad
from dlcourse.autodiff import gradients
from dlcourse.autodiff.transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from dlcourse.ops import PRIMITIVES

Function = Callable[..., Any]

# Functions of x (3,) and w (3, 2); ours and torch's. The first list is scalar, the second is not.
SCALAR: dict[str, tuple[Function, Function]] = {
    "bilinear": (lambda x, w: (x @ w).sum(), lambda x, w: (x @ w).sum()),
    "network": (
        lambda x, w: dl.tanh(dl.tanh(x) @ w).square().mean(),
        lambda x, w: torch.tanh(torch.tanh(x) @ w).square().mean(),
    ),
    "shared nodes": (
        lambda x, w: ((x * x @ w) * (x @ w)).sum() * x.sum(),
        lambda x, w: ((x * x @ w) * (x @ w)).sum() * x.sum(),
    ),
    "cross-entropy": (
        lambda x, w: -(x @ w).log_softmax()[1],
        lambda x, w: -torch.log_softmax(x @ w, -1)[1],
    ),
    "without w": (lambda x, w: dl.exp(x).sum(), lambda x, w: torch.exp(x).sum()),
}
VECTOR: dict[str, tuple[Function, Function]] = {
    "affine": (lambda x, w: x @ w + 1.0, lambda x, w: x @ w + 1.0),
    "outer": (
        lambda x, w: x.reshape(3, 1) * dl.sin(w) / (1 + x @ x),
        lambda x, w: x.reshape(3, 1) * torch.sin(w) / (1 + x @ x),
    ),
    "softmax": (lambda x, w: (x @ w).softmax(), lambda x, w: torch.softmax(x @ w, -1)),
    "indexing": (lambda x, w: w[[0, 2, 2]] * x[1], lambda x, w: w[[0, 2, 2]] * x[1]),
    "without x": (lambda x, w: dl.sigmoid(w), lambda x, w: torch.sigmoid(w)),
}
BOTH = SCALAR | VECTOR
rng = np.random.default_rng(0)
X, W, DX, DW = (rng.normal(size=shape) for shape in ((3,), (3, 2), (3,), (3, 2)))


def tensors(*arrays: np.ndarray) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.tensor, arrays))


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    else:
        assert ours.shape == tuple(theirs.shape)
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (1,)])
def test_value_and_grad_is_torchs(name: str, argnums: Any) -> None:
    f, g = SCALAR[name]
    value, gradient = value_and_grad(f, argnums)(X, W)
    expected, value_there = torch.func.grad_and_value(g, argnums)(*tensors(X, W))
    assert_same(value, value_there)
    assert_same(gradient, expected)


@pytest.mark.parametrize("name", BOTH)
def test_vjp_is_torchs_and_can_be_pulled_back_twice(name: str) -> None:
    f, g = BOTH[name]
    y, pullback = vjp(f, X, W)
    y_there, pullback_there = torch.func.vjp(g, *tensors(X, W))
    assert_same(y, y_there)
    for seed in (1, 2):
        cotangent = np.random.default_rng(seed).normal(size=y.shape)
        assert_same(pullback(cotangent), pullback_there(torch.tensor(cotangent)))


@pytest.mark.parametrize("name", BOTH)
def test_jvp_is_torchs(name: str) -> None:
    f, g = BOTH[name]
    assert_same(jvp(f, (X, W), (DX, DW)), torch.func.jvp(g, tensors(X, W), tensors(DX, DW)))


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("argnums", [0, 1])
def test_jacobian_is_torchs(name: str, argnums: int) -> None:
    f, g = BOTH[name]
    expected = torch.func.jacrev(g, argnums)(*tensors(X, W))
    assert_same(jacobian(f, argnums)(X, W), expected)


@pytest.mark.parametrize("name", SCALAR)
def test_hessian_and_its_products_are_torchs(name: str) -> None:
    f, g = SCALAR[name]
    assert_same(hessian(f)(X, W), torch.func.hessian(g)(*tensors(X, W)))
    gradient = torch.func.grad(g, (0, 1))
    expected = torch.func.jvp(gradient, tensors(X, W), tensors(DX, DW))[1]
    assert_same(hvp(f, (X, W), (DX, DW)), expected)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_grad_can_be_taken_of_grad_to_any_order(order: int) -> None:
    f: Function = lambda x: dl.sin(x) * x**3  # noqa: E731
    g: Function = lambda x: torch.sin(x) * x**3  # noqa: E731
    for _ in range(order):
        f, g = grad(f), torch.func.grad(g)
    assert_same(f(np.array(0.7)), g(torch.tensor(0.7, dtype=torch.float64)))


def test_forward_over_reverse_and_reverse_over_forward_agree_with_torch() -> None:
    f, g = SCALAR["network"]
    forward = jvp(lambda x: grad(f)(x, W), (X,), (DX,))[1]
    reverse = grad(lambda x: jvp(lambda x: f(x, W), (x,), (DX,))[1])(X)
    expected = torch.func.hessian(g)(*tensors(X, W)) @ torch.tensor(DX)
    assert_same(forward, expected)
    assert_same(reverse, expected)


def test_a_jacobian_can_be_differentiated() -> None:
    f, g = VECTOR["softmax"]
    expected = torch.func.jacrev(torch.func.jacrev(g))(*tensors(X, W))
    assert_same(jacobian(jacobian(f))(X, W), expected)


def test_an_inner_derivative_does_not_confuse_its_variable_with_the_outer_one() -> None:
    # d/dx [x * d/dy (x + y)] = d/dx [x * 1] = 1; Siskind & Pearlmutter (2005).
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(3.0).item() == 1.0


def test_a_gradient_can_be_trained_through_from_outside() -> None:
    w = Tensor(W, requires_grad=True)
    penalty = grad(SCALAR["network"][0])(X, w).square().sum()
    penalty.backward()
    there = torch.tensor(W, requires_grad=True)
    torch.func.grad(SCALAR["network"][1])(torch.tensor(X), there).square().sum().backward()
    assert_same(w.grad, there.grad)


def test_results_belong_to_no_graph_when_nobody_outside_can_ask_for_more() -> None:
    value, gradient = value_and_grad(SCALAR["network"][0])(X, W)
    assert not value.requires_grad and not gradient.requires_grad


def test_they_work_under_no_grad_and_leave_no_grad_behind() -> None:
    w = Tensor(W, requires_grad=True)
    with no_grad():
        gradient = grad(SCALAR["network"][0], 1)(X, w)
    assert_same(gradient, torch.func.grad(SCALAR["network"][1], 1)(*tensors(X, W)))
    assert not gradient.requires_grad and w.grad is None


def test_single_precision_stays_single() -> None:
    x, w = X.astype("f4"), W.astype("f4")
    assert grad(SCALAR["network"][0])(x, w).dtype == np.float32
    assert jvp(VECTOR["softmax"][0], (x, w), (x, w))[1].dtype == np.float32


def test_the_gradient_of_a_constant_is_zero() -> None:
    assert_same(grad(lambda x: 1.0)(X), torch.zeros(3, dtype=torch.float64))


def test_a_function_without_arguments_has_no_pullbacks() -> None:
    y, pullback = vjp(lambda: Tensor(3.0))
    assert (y.item(), pullback(1.0)) == (3.0, ())


def test_stop_gradient_makes_a_constant() -> None:
    assert grad(lambda x: dl.stop_gradient(x) * x)(3.0).item() == 3.0
    assert dl.stop_gradient(2.0) == 2.0
    x = Tensor(X, requires_grad=True)
    assert dl.stop_gradient(x).data is x.detach().data is x.data


def test_the_gradient_of_results_in_the_middle_can_be_asked_for() -> None:
    x = Tensor(X, requires_grad=True)
    middle = dl.exp(x)
    unrelated = Tensor(1.0, requires_grad=True)
    by_middle, by_x, nothing = gradients((middle * x).sum(), [middle, x, unrelated])
    np.testing.assert_allclose(by_middle.data, X)
    np.testing.assert_allclose(by_x.data, np.exp(X) * (1 + X))
    assert nothing is None and x.grad is None


def test_only_the_paths_to_the_inputs_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    multiply = PRIMITIVES["multiply"]
    rules = tuple(
        lambda *a, rule=rule, name=name: (calls.append(name), rule(*a))[1]
        for name, rule in zip("ab", multiply.rules, strict=True)
    )
    monkeypatch.setattr(multiply, "rules", rules)
    x, w = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    gradients(x * w, [w])
    assert calls == ["b"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(lambda x: x)(X), TypeError, "scalar value, got shape (3,)"),
        (lambda: grad(lambda x: "1.0")(X), TypeError, "returns a Tensor, got str"),
        (lambda: grad(dl.sum)(np.arange(3)), TypeError, "floating point"),
        (lambda: jvp(dl.exp, (X,), (W,)), ValueError, "shapes [(3,)], got [(3, 2)]"),
        (lambda: jvp(dl.exp, (X,), ()), ValueError, "expected the structure tuple(.), got tuple()"),
        (lambda: vjp(dl.exp, X)[1](W), ValueError, "cotangent of the shapes [(3,)], got [(3, 2)]"),
    ],
)
def test_wrong_calls_say_what_was_expected(
    call: Function, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_a_pullback_is_differentiable_with_respect_to_its_cotangent() -> None:
    _, pull = vjp(lambda x: x * x * x, np.array([1.0, 2.0]))
    cotangent = Tensor([1.0, 1.0], requires_grad=True)
    with no_grad():
        (pulled,) = pull(cotangent)
    assert not pulled.requires_grad
    (pulled,) = pull(cotangent)
    (pulled * Tensor([1.0, 10.0])).sum().backward()
    np.testing.assert_allclose(cotangent.grad.data, [3.0, 120.0])


def test_the_jacobian_of_no_numbers_has_no_rows() -> None:
    for f in (lambda x: x[:0], lambda x: x[:0] * 2):
        rows = jacobian(f)(np.ones((3, 2)))
        assert rows.shape == (0, 2, 3, 2)


def test_the_tangent_of_a_whole_number_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"^jvp: the result: expected floating point .* got int64"):
        jvp(lambda x: x.astype(int), (np.ones(2),), (np.ones(2),))
