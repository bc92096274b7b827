"""vmap does to each example what the function does, for every operation of the table."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from parity import CASES, Case

import dlcourse as dl
from dlcourse import Tensor, grad, hessian, jacobian, jvp, ops
from dlcourse.autodiff import batching, vmap
from dlcourse.graphs import trace
from dlcourse.nn import Linear
from dlcourse.ops import trees

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at poles
rng = np.random.default_rng(0)
X, W = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))


def batch_of(x: np.ndarray) -> np.ndarray:
    """Three examples like ``x``; integers and booleans may be indices or masks, and stay.

    One is reversed, so that the largest elements, say, do not stand in the same places in all.
    """
    return np.stack([x, x + 0.25, np.flip(x)] if x.dtype.kind == "f" else [x] * 3)


def assert_same(ours: Any, theirs: Any) -> None:
    a, b = (
        getattr(x, "data", x) if isinstance(x, Tensor) else np.asarray(x) for x in (ours, theirs)
    )
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def choices() -> list[Any]:
    """Each case with all its inputs in a batch, and, of several, with the first or the last."""
    found = []
    for case in CASES:
        count = len(case.inputs)
        if ops.PRIMITIVES[case.op].pure:
            some = {"all": range(count), "first": [0], "last": [count - 1]}
            for name in some if count > 1 else ["all"]:
                axes = [0 if i in some[name] else None for i in range(count)]
                found.append(pytest.param(case, axes, id=f"{case}-{name}"))
    return found


@pytest.mark.parametrize(("case", "axes"), choices())
def test_every_operation_gives_what_a_loop_over_the_examples_gives(
    case: Case, axes: list[int | None]
) -> None:
    inputs = [x if a is None else batch_of(x) for x, a in zip(case.inputs, axes, strict=True)]

    def run(call: Callable[..., Any]) -> tuple[Any, list[Any]]:
        xs = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        y = call(*xs)
        if y.requires_grad:
            y.backward(np.random.default_rng(1).normal(size=y.shape))
        return y, [x.grad for x in xs]

    def loop(*xs: Tensor) -> Tensor:
        return ops.stack(
            [case.ours(*(x if a is None else x[i] for x, a in zip(xs, axes, strict=True)))
             for i in range(3)]
        )  # fmt: skip

    (y, gradients), (y_loop, gradients_loop) = run(vmap(case.ours, axes)), run(loop)
    assert_same(y, y_loop)
    for a, b in zip(gradients, gradients_loop, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert_same(a, b)


# Operations that run example by example, and what it is that no rule covers.
ONE_BY_ONE = {
    "max_pool_indices": "its indices count the elements of all images of an example",
    "conv": "kernels that differ between the examples",
    "conv_input": "kernels that differ between the examples",
    "conv_weight": "it adds up over the images of an example",
    "getitem": "an index that is an array",
    "scatter_add": "an index that is an array",
    "add_at": "an index that is an array",
    "reshape": "of no elements, a length -1 has no answer",
}


def test_an_operation_runs_example_by_example_only_where_no_rule_covers_it(monkeypatch) -> None:
    fell_back = set()

    def note(call: Any) -> Any:
        if max(map(np.ndim, [getattr(x, "data", x) for x in call.values])) > 1:
            fell_back.add(call.op.name)
        return one_by_one(call)

    one_by_one = batching._one_by_one
    monkeypatch.setattr(batching, "_one_by_one", note)
    for case in CASES:
        if ops.PRIMITIVES[case.op].pure:
            xs = [Tensor(batch_of(x), requires_grad=x.dtype.kind == "f") for x in case.inputs]
            y = vmap(case.ours)(*xs)
            if y.requires_grad:
                y.backward(np.ones(y.shape))
    assert fell_back == set(ONE_BY_ONE)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "a product": (lambda x, w: dl.tanh(x @ w), lambda x, w: torch.tanh(x @ w), (0, None)),
    "both in a batch": (lambda x, y: x @ y + x[0], lambda x, y: x @ y + x[0], (0, 0)),
    "along the other axis": (
        lambda x, w: (x.softmax() * w).sum(),
        lambda x, w: (x.softmax(-1) * w).sum(),
        (1, None),
    ),
    "a result that is the same for all": (lambda x, w: w * 2.0, lambda x, w: w * 2.0, (0, None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_torchs(name: str) -> None:
    ours, theirs, axes = FUNCTIONS[name]
    second = X if axes == (0, 0) else rng.normal(size=(5,)) if axes[0] == 1 else W
    expected = torch.func.vmap(theirs, axes)(torch.tensor(X), torch.tensor(second))
    assert_same(vmap(ours, axes)(X, second), expected.numpy())


def loss(w: Any, x: Any, t: Any) -> Any:
    return ((dl.tanh(x @ w) - t) ** 2).sum()


T = rng.normal(size=(5, 2))


def test_the_gradient_of_each_example() -> None:
    found = vmap(grad(loss), (None, 0, 0))(W, X, T)
    assert not found.requires_grad
    assert_same(found, np.stack([grad(loss)(W, x, t).data for x, t in zip(X, T, strict=True)]))
    in_torch = torch.func.grad(lambda w, x, t: ((torch.tanh(x @ w) - t) ** 2).sum())
    expected = torch.func.vmap(in_torch, (None, 0, 0))(*map(torch.tensor, (W, X, T)))
    assert_same(found, expected.numpy())


def test_the_gradient_of_a_closed_over_variable_of_each_example() -> None:
    found = vmap(lambda x: grad(lambda w: loss(w, x, 1.0))(W))(X)
    assert_same(found, np.stack([grad(loss)(W, x, 1.0).data for x in X]))


def plus(tree: Any) -> Any:
    """The sum of the squares of a number, or of the parts of a list, tuple or dict."""
    parts = list(tree.values()) if isinstance(tree, dict) else tree
    return sum(plus(x) for x in parts) if isinstance(parts, list | tuple) else (parts * parts).sum()


@pytest.mark.parametrize(
    "at",
    [2.0, np.float32(2), np.array(2.0), [1.0, 2.0], (3.0,), np.ones(3), [np.ones(2), 0.5],
     {"a": 1.5, "b": [2.0, np.ones((2, 2))]}, Tensor(2.0)],
    ids=lambda at: repr(at).replace("\n", ""),
)  # fmt: skip
def test_a_gradient_inside_is_taken_at_numbers_lists_and_arrays_that_are_no_batch(at: Any) -> None:
    def slope(x: Any) -> Any:
        return grad(lambda w: plus(w) * x.sum())(at)

    found, expected = trees.leaves(vmap(slope)(X)), [trees.leaves(slope(Tensor(x))) for x in X]
    for y, *examples in zip(found, *expected, strict=True):
        assert_same(y, np.stack([e.data for e in examples]))


def test_a_gradient_inside_is_not_taken_at_integers() -> None:
    with pytest.raises(TypeError, match="expected floating point numbers"):
        vmap(lambda x: grad(lambda w: w * x.sum())(2))(X)


DERIVATIVES = {
    "jacobian": lambda x: jacobian(lambda x: dl.tanh(x @ W))(x),
    "hessian": lambda x: hessian(lambda x: loss(W, x, 0.5))(x),
    "jvp": lambda x: jvp(lambda x: dl.tanh(x @ W), (x,), (x * 2.0,))[1],
    "third derivative": lambda x: grad(
        lambda x: (hessian(lambda x: loss(W, x, 0.5))(x) ** 2).sum()
    )(x),
    "a vmap inside": lambda x: vmap(lambda w: x @ w, 1)(W),
    "a gradient in a vmap inside": lambda x: vmap(grad(lambda w: dl.sin(x @ w)), 1)(W),
}


@pytest.mark.parametrize("f", DERIVATIVES.values(), ids=DERIVATIVES)
def test_derivatives_inside_are_those_of_each_example(f: Callable[[Any], Any]) -> None:
    expected = [f(x) for x in X]
    assert_same(
        vmap(f)(X),
        np.stack([getattr(y, "data", y) if isinstance(y, Tensor) else y for y in expected]),
    )


def test_derivatives_of_a_vmap_and_per_example_gradients_can_be_differentiated() -> None:
    w = Tensor(W, requires_grad=True)
    penalty = (vmap(grad(loss), (None, 0, 0))(w, X, T) ** 2).sum()
    penalty.backward()
    by_hand = Tensor(W, requires_grad=True)
    sum(
        ((grad(loss)(by_hand, x, t) ** 2).sum() for x, t in zip(X, T, strict=True)), Tensor(0.0)
    ).backward()
    assert_same(w.grad, by_hand.grad)
    found = jacobian(lambda x: vmap(lambda row: dl.sin(row @ W))(x))(X)
    assert_same(found, jacobian(lambda x: dl.sin(x @ W))(X))


def test_a_model_of_one_example_runs_on_a_batch_in_one_operation(monkeypatch: Any) -> None:
    monkeypatch.setattr(batching, "_one_by_one", None)
    layer = Linear(3, 4, rng=np.random.default_rng(0))
    found = vmap(lambda x: layer(x).relu().log_softmax().sum())(X)
    assert_same(found, layer(Tensor(X)).relu().log_softmax().sum(axis=1))


@pytest.mark.parametrize(
    "f", [lambda x, w: vmap(lambda row: row @ w)(x), lambda x, w: vmap(lambda row: w.T @ row)(x)]
)
def test_it_is_traced_into_a_static_graph(f: Callable[..., Any]) -> None:
    assert_same(trace(f, X, W).run(X, W)[0], X @ W)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: vmap(dl.add)(X, W),
            ValueError,
            r"batches of one length, at least 1, got \[3, 5\]",
        ),
        (lambda: vmap(dl.add, None)(X, X), ValueError, r"got \[\]"),
        (lambda: vmap(dl.exp)(X[:0]), ValueError, r"got \[0\]"),
        (lambda: vmap(lambda x: x if x.sum() > 0 else -x)(X), TypeError, "use where"),
        (lambda: vmap(lambda x: np.median(x))(X), TypeError, "single examples"),
        (lambda: vmap(lambda x: x @ x[:2])(X), ValueError, "matmul"),
        (lambda: vmap(lambda x: x.sum() @ x)(X), ValueError, "matmul"),
        (lambda: vmap(lambda x: x @ x.sum())(X), ValueError, "matmul"),
        (lambda: vmap(lambda x: x.sum() @ W)(X), ValueError, "matmul"),
    ],
)
def test_what_cannot_be_mapped_is_refused(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_an_einsum_that_uses_every_letter_runs_example_by_example() -> None:
    small, large = string.ascii_lowercase, string.ascii_uppercase
    row = np.ones((1,) * 25 + (3,))
    found = vmap(lambda x: ops.einsum(f"{small},{large}->z", row * x, row))(X)
    np.testing.assert_allclose(found.data, X * 3.0, rtol=1e-12)


def test_an_error_leaves_no_vmap_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 / 0)(X)
    assert type(grad(lambda x: (x * x).sum())(X)) is Tensor


def test_axes_may_be_a_list_and_one_of_a_batch_says_what_it_is() -> None:
    seen: list[str] = []

    def f(x: Any, y: Any) -> Any:
        seen.append(repr(x))
        return x * y

    result = vmap(f, in_axes=[0, None])(X, X[0])
    np.testing.assert_array_equal(result.data, X * X[0])
    assert seen == [f"<one of a batch: shape {X.shape[1:]}, dtype float64>"]


@pytest.mark.parametrize("axis", [1, -2])
def test_an_axis_that_the_examples_do_not_have_is_refused(axis: int) -> None:
    for f in (lambda x: x.sum(axis=axis), lambda x: x.softmax(axis=axis), lambda x: x.cumsum(axis)):
        with pytest.raises(ValueError, match="axis"):
            vmap(f)(X)
