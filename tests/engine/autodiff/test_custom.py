"""custom_gradient and checkpoint: functions with a pullback of their own."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor, detect_anomaly, no_grad
from dlcourse.autodiff import (
    checkpoint,
    custom_gradient,
    grad,
    gradcheck,
    gradgradcheck,
    gradients,
    hessian,
    jacobian,
    jvp,
)
from dlcourse.graphs import gradient, trace
from dlcourse.nn import Linear, ReLU, Sequential

rng = np.random.default_rng(0)
X, W = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
outside = Tensor(W, requires_grad=True)


def variable(x: Any) -> Tensor:
    return Tensor(x, requires_grad=True, dtype=float)


def assert_same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(getattr(a, "data", a), getattr(b, "data", b), rtol=1e-12, atol=1e-15)


# --- custom_gradient ------------------------------------------------------------------------------


@custom_gradient
def log1pexp(x: Any) -> Any:
    e = dl.exp(x)
    return dl.log(1 + e), lambda g: g * (1 - 1 / (1 + e))


@custom_gradient
def scaled_product(a: Any, b: Any, factor: float = 1.0) -> Any:
    return factor * a * b, lambda g: (g * factor * b, g * factor * a)


def test_the_pullback_is_used_in_place_of_the_rules() -> None:
    x = variable([1000.0, 0.0])
    with np.errstate(over="ignore"):
        log1pexp(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1.0, 0.5])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_any_order_are_those_of_the_plain_function(order: int) -> None:
    custom, plain = log1pexp, lambda x: dl.log(1 + dl.exp(x))
    for _ in range(order):
        custom, plain = grad(custom), grad(plain)
    assert_same(custom(0.3), plain(0.3))


def test_it_passes_gradcheck_and_gradgradcheck_also_with_several_arguments() -> None:
    a, b = variable(X), variable(X[0])
    assert gradcheck(log1pexp, a) and gradgradcheck(log1pexp, a)
    assert gradcheck(scaled_product, [a, b]) and gradgradcheck(scaled_product, [a, b])
    assert gradcheck(lambda a, b: scaled_product(a, b, factor=3.0), [a, b])


def test_forward_mode_and_jacobians_go_through_it() -> None:
    plain = lambda x: dl.log(1 + dl.exp(x))  # noqa: E731
    assert_same(jvp(log1pexp, (X[0],), (X[1],))[1], jvp(plain, (X[0],), (X[1],))[1])
    assert_same(jacobian(log1pexp)(X[0]), jacobian(plain)(X[0]))


def test_it_computes_at_once_on_arrays_and_without_a_graph_if_nobody_asks() -> None:
    assert type(log1pexp(X)) is np.ndarray
    assert not log1pexp(Tensor(X)).requires_grad
    with no_grad():
        assert not log1pexp(variable(X)).requires_grad


def test_it_is_one_operation_of_a_static_graph_and_of_its_gradient() -> None:
    graph = trace(lambda x: (log1pexp(x) * x).sum(), X)
    assert [node.op.name for node in graph.nodes] == ["log1pexp", "multiply", "sum"]
    (expected,) = graph.run(X)
    assert_same((log1pexp(X) * X).sum(), expected)
    found = gradient(graph).run(X)
    assert_same(found[-1], grad(lambda x: (log1pexp(x) * x).sum())(X))
    x = variable(X)
    graph.run(x)[0].backward()
    assert_same(x.grad, found[-1])


def test_an_argument_may_have_no_gradient() -> None:
    @custom_gradient
    def take(x: Any, rows: Any) -> Any:
        return x[rows], lambda g: (dl.scatter_add(g, index=rows.data, shape=x.shape), None)

    x = variable(X)
    take(x, Tensor([0, 0, 2])).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[2.0] * 3, [0.0] * 3, [1.0] * 3, [0.0] * 3])


def test_none_for_a_variable_is_a_gradient_of_zero() -> None:
    @custom_gradient
    def product(a: Any, b: Any) -> Any:
        return a * b, lambda g: (None, g * a)

    a, b = variable([2.0]), variable([3.0])
    product(a, b).sum().backward()
    assert (a.grad.item(), b.grad.item()) == (0.0, 2.0)


def test_the_zero_of_none_can_be_differentiated_again() -> None:
    @custom_gradient
    def product(a: Any, b: Any) -> Any:
        return a * b, lambda g: (None, g * a)

    a, b = variable([2.0]), variable([3.0])
    of_a, of_b = gradients(product(a, b).sum(), [a, b], create_graph=True)
    assert (type(of_a), of_a.item()) == (Tensor, 0.0)
    (of_a * b + of_b * b).sum().backward()
    assert (a.grad.item(), b.grad.item()) == (3.0, 2.0)


def test_what_the_pullback_returns_stays_its_own() -> None:
    kept = np.ones(2)

    @custom_gradient
    def constant_slope(x: Any) -> Any:
        return x * 1.0, lambda g: Tensor.wrap(kept)

    x = variable([1.0, 2.0])
    for _ in range(2):
        constant_slope(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 2.0])
    np.testing.assert_array_equal(kept, [1.0, 1.0])


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (lambda x: x * 2, TypeError, r"expected it to return \(value, pullback\), got Tensor"),
        (lambda x: (x * 2, lambda g: (g, g)), ValueError, "one gradient for each of 1 arguments"),
        (
            lambda x: (x @ outside, lambda g: g @ outside.T),
            TypeError,
            r"a Tensor of shape \(3, 3\) that requires a gradient and is no argument",
        ),
        (lambda x: (x * 2, lambda g: g[0, :2]), ValueError, "cannot belong to a value of shape"),
    ],
)
def test_a_wrong_function_is_refused(function: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        custom_gradient(function)(variable(X)).sum().backward()


# --- checkpoint -----------------------------------------------------------------------------------


def layer(w: Tensor) -> Any:
    return lambda x: dl.tanh(dl.tanh(x @ w) * 2)


@pytest.mark.parametrize("depth", [1, 3])
def test_gradients_of_arguments_and_closed_over_tensors_are_the_plain_ones(depth: int) -> None:
    found = []
    for call in (checkpoint, lambda f, *arguments: f(*arguments)):
        x, w = variable(X), variable(W)
        shared = w * w  # closed over, as is what it was made from
        block = lambda h, x=x, w=w, shared=shared: layer(w)(h) @ shared + h * x  # noqa: E731
        y = x
        for _ in range(depth):
            y = call(block, y)
        y.sum().backward()
        found.append((y.data, x.grad, w.grad))
    for ours, plain in zip(*found, strict=True):
        assert_same(ours, plain)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: checkpoint(layer(w), x).sum(),
        lambda x, w: checkpoint(lambda x, w: layer(w)(x), x, w).square().sum(),
        lambda x, w: checkpoint(lambda h: checkpoint(layer(w), h) * x, x).sum(),
        lambda x, w: checkpoint(lambda a, b: a * b * a, x, x).sum() + w.sum(),
    ],
)
def test_higher_derivatives_are_the_plain_ones(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = X[:2]

    def derivatives() -> list[Tensor]:
        third = grad(lambda x: (grad(f)(x, W) ** 2).sum())(x)
        return [hessian(f)(x, W), hessian(f, 1)(x, W), jvp(f, (x, W), (x, W))[1], third]

    ours = derivatives()
    monkeypatch.setitem(globals(), "checkpoint", lambda function, *xs: function(*xs))
    for a, b in zip(ours, derivatives(), strict=True):
        assert_same(a, b)


def test_parameters_of_a_module_receive_their_gradients() -> None:
    model = Sequential(Linear(3, 5, rng=np.random.default_rng(0)), ReLU(), Linear(5, 2))
    checkpoint(model, Tensor(X)).square().sum().backward()
    ours = [p.grad for p in model.parameters()]
    model.zero_grad()
    model(Tensor(X)).square().sum().backward()
    for a, p in zip(ours, model.parameters(), strict=True):
        assert_same(a, p.grad)


def test_intermediate_values_are_not_kept_and_computed_again_once_in_a_sweep() -> None:
    seen: list[weakref.ref[Tensor]] = []
    w = variable(W)

    def function(x: Tensor, scale: Tensor) -> Tensor:
        h = dl.exp(x @ w) * scale
        seen.append(weakref.ref(h))
        return (h * h).sum()

    gc.collect()
    gc.disable()
    try:
        y = checkpoint(function, variable(X), variable(2.0))
        assert [ref() for ref in seen] == [None]
        y.backward()
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()


def test_the_graph_behind_a_checkpoint_is_freed_by_backward_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        h = variable(X) * 2
        seen = weakref.ref(h)
        loss = checkpoint(lambda h: dl.exp(h), h).sum()
        del h
        assert seen() is not None
        loss.backward()
        assert seen() is None
    finally:
        gc.enable()


def test_random_numbers_are_drawn_again_and_later_ones_are_not_disturbed() -> None:
    def run(call: Any) -> tuple[Any, ...]:
        generator = np.random.default_rng(3)
        x = variable(X)

        def dropout(x: Tensor) -> Tensor:
            return x * x * (generator.random(x.shape) < 0.5)

        y = call(dropout, x, generators=[generator])
        between = generator.random()
        y.sum().backward()
        return y.data, x.grad.data, between, generator.random()

    ours = run(checkpoint)
    plain = run(lambda f, *xs, generators: f(*xs))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_its_generator_the_mask_would_differ() -> None:
    generator, x = np.random.default_rng(3), variable(np.ones(50))
    y = checkpoint(lambda x: x * (generator.random(x.shape) < 0.5), x)
    y.sum().backward()
    assert (x.grad.data != y.data).any()


def test_hooks_see_the_whole_gradient_once() -> None:
    w, seen = variable(W), []
    w.register_hook(lambda g: seen.append(g.data.copy()))
    h = w * 1.0
    h.register_hook(lambda g: seen.append(g.data.copy()))
    (
        checkpoint(lambda x: x @ w + x @ h, Tensor(X)) + checkpoint(lambda x: x @ h, Tensor(X))
    ).sum().backward()
    assert len(seen) == 2
    assert_same(seen[0] + X.sum(axis=0)[:, None], seen[1])


def test_arguments_need_not_be_tensors_and_arrays_are_computed_at_once() -> None:
    x = variable(X)
    y = checkpoint(lambda x, axis, name: x.sum(axis=axis), x, 0, "a name")
    y.sum().backward()
    assert_same(x.grad, np.ones_like(X))
    assert type(checkpoint(dl.exp, X)) is np.ndarray
    assert checkpoint(lambda x: x, x) is x
    with no_grad():
        assert not checkpoint(dl.exp, x).requires_grad


def test_symbols_are_traced() -> None:
    graph = trace(lambda x: checkpoint(lambda h: dl.exp(h) * 2, x), X)
    assert [node.op.name for node in graph.nodes] == ["exp", "multiply"]


@pytest.mark.quotes_the_users_line
def test_a_change_of_what_it_reads_is_noticed() -> None:
    w = variable(W)
    y = checkpoint(layer(w), Tensor(X)).sum()
    with no_grad():
        w *= 2
    with pytest.raises(RuntimeError, match=r"(?s)checkpoint: a value.*in place.*w \*= 2"):
        y.backward()


def test_a_function_that_gives_another_shape_is_noticed() -> None:
    calls: list[int] = []

    def growing(x: Tensor) -> Tensor:
        calls.append(1)
        return x[: len(calls)] * 2

    y = checkpoint(growing, variable(X)).sum()
    with pytest.raises(RuntimeError, match=r"it gave shape \(1, 3\), then \(2, 3\)"):
        y.backward()


def test_gradients_of_results_in_the_middle_can_be_asked_for() -> None:
    x = variable(X)
    h = x * 2
    y = checkpoint(lambda h: (h * h).sum(), h)
    by_h, by_x = gradients(y, [h, x])
    assert_same(by_h, 4 * X)
    assert_same(by_x, 8 * X)


def test_anomaly_mode_names_the_line_inside_the_function() -> None:
    x = variable([0.0, 1.0])
    with detect_anomaly(), np.errstate(all="ignore"), pytest.raises(FloatingPointError) as caught:
        checkpoint(lambda x: dl.sqrt(x) * 0.0, x).sum().backward()
    assert "sqrt: its derivative has a NaN" in str(caught.value)
    assert "test_custom.py" in str(caught.value)
