"""Tracing, printing and differentiating static graphs."""

from __future__ import annotations

from collections import namedtuple
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from parity import CASES, Case, normal, our_tensors, their_tensors

import dlcourse as dl
from dlcourse import Tensor, ops
from dlcourse.graphs import Graph, compile, gradient, gradients_of, placeholder, trace

X = normal((2, 3))
pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # NumPy's, at poles
    pytest.mark.filterwarnings("ignore:.*degrees of freedom"),
]

# --- What a trace has in it -----------------------------------------------------------------------


def test_a_graph_reads_as_code() -> None:
    def layer(x, params):
        h = ops.relu(x @ params["w"] + params["b"])
        return h[:, 1:].sum(axis=0), ops.where(h > 0.5, h, 0)

    params = {"w": np.ones((3, 4)), "b": np.ones(4, np.float32)}
    graph = trace(layer, X, params)
    assert str(graph) == (
        "def layer(x: f64[2,3], params_b: f32[4], params_w: f64[3,4]):\n"
        "    v1: f64[2,4]  = matmul(x, params_w)\n"
        "    v2: f64[2,4]  = add(v1, params_b)\n"
        "    v3: f64[2,4]  = relu(v2)\n"
        "    v4: f64[2,3]  = getitem(v3, index=(:, 1:))\n"
        "    v5: f64[3]    = sum(v4, axis=0)\n"
        "    v6: bool[2,4] = greater(v3, 0.5)\n"
        "    v7: f64[2,4]  = where(v6, v3, 0)\n"
        "    return v5, v7"
    )


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: ops.clip(x, low=np.float64(0.5), high=2), "clip(x, low=0.5, high=2)"),
        (lambda x: ops.astype(x, dtype=np.float32), "astype(x, dtype=float32)"),
        (lambda x: ops.astype(x, dtype=np.dtype("f4")), "astype(x, dtype=float32)"),
        (lambda x: x[..., ::2], "getitem(x, index=(..., ::2))"),
        (lambda x: x[np.int64(1)], "getitem(x, index=1)"),
        (lambda x: x[np.array([0, 1])], "getitem(x, index=[0, 1])"),
        (lambda x: x[None, (1)], "getitem(x, index=(None, 1))"),
        (lambda x: x + np.ones(3), "add(x, [1.0, 1.0, 1.0])"),
        (lambda x: x + np.ones((2, 3)), "add(x, constant(f64[2,3]))"),
        (lambda x: x * np.float32(2), "multiply(x, 2.0)"),
        (
            lambda x: ops.dropout_mask(x, rate=0.5, generator=np.random.default_rng(0)),
            "dropout_mask(x, rate=0.5, generator=generator)",
        ),
    ],
)
def test_a_parameter_or_constant_is_printed_in_short(function, text) -> None:
    assert text in str(trace(function, X))


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    ("function", "arguments", "names"),
    [
        (lambda a, b: a + b, (1.0, 2.0), ["a", "b"]),
        (lambda a, *rest: a + rest[0] + rest[1], (1.0, 2.0, 3.0), ["a", "rest0", "rest1"]),
        (lambda p: p["w"] * p["b"], ({"w": 1.0, "b": 2.0},), ["p.b", "p.w"]),
        (lambda p: p[0] * p[1][0], ([1.0, (2.0,)],), ["p.0", "p.1.0"]),
        (lambda p: p.first / p.second, (Pair(1.0, 2.0),), ["p.0", "p.1"]),
        (lambda p, q=None: p, (1.0, None), ["p"]),
    ],
)
def test_inputs_are_named_after_the_functions_parameters(function, arguments, names) -> None:
    assert [x.name for x in trace(function, *arguments).inputs] == names


@pytest.mark.parametrize(
    "result", [lambda x: (x, [x * 2]), lambda x: {"b": x, "a": x + 1}, lambda x: Pair(x, None)]
)
def test_outputs_are_the_leaves_of_what_is_returned(result) -> None:
    expected = result(X)
    flat = {
        tuple: lambda r: [r[0], r[1][0]],
        dict: lambda r: [r["a"], r["b"]],
        Pair: lambda r: [r.first],
    }[type(expected)](expected)
    for y, z in zip(trace(result, X).run(X), flat, strict=True):
        np.testing.assert_array_equal(y, z)


def test_the_function_runs_once_and_unused_operations_are_kept() -> None:
    calls = []

    def f(x):
        calls.append(x)
        x.exp()
        return x * 2

    graph = trace(f, X)
    graph.run(X)
    assert len(calls) == 1
    assert [node.op for node in graph.nodes] == [ops.exp, ops.multiply]
    assert graph.needed_nodes() == [graph.nodes[1]]


def test_the_example_numbers_are_not_looked_at() -> None:
    graph = trace(lambda x: x * 2, np.full(2, np.nan))
    np.testing.assert_array_equal(graph.run(np.array([1.0, 2.0]))[0], [2, 4])


def test_arrays_become_constants_when_the_graph_is_traced() -> None:
    factor, index, returned = np.ones(3), np.array([0, 1]), np.ones(2)
    tensor, pair = Tensor([1.0, 1.0, 1.0]), (np.array([0, 1]), np.array([1, 1]))
    graph = trace(lambda x: (x * factor + tensor, x[index], x[pair], returned), X)
    expected = graph.run(X)
    for array in (factor, index, returned, tensor.data, *pair):
        array[...] = 0
    for y, z in zip(graph.run(X), expected, strict=True):
        np.testing.assert_array_equal(y, z)


def test_a_constant_that_is_returned_stays_the_graphs_own() -> None:
    graph = trace(lambda x: np.ones(2), X)
    graph.run(X)[0][...] = 5
    np.testing.assert_array_equal(graph.run(X)[0], [1, 1])


def test_dropout_draws_at_each_run_and_not_when_it_is_traced() -> None:
    generator = np.random.default_rng(3)
    graph = trace(lambda x: ops.dropout_mask(x, rate=0.5, generator=generator), np.ones(50))
    first, second = graph.run(np.ones(50))[0], compile(graph)(np.ones(50))[0]
    again = np.random.default_rng(3)
    for drawn in (first, second):
        np.testing.assert_array_equal(drawn, (again.random(50) >= 0.5) * 2.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, "Python if.*where"),
        (lambda x: x * float(x.sum()), r"^float\(\) needs a number.*convert the result"),
        (lambda x: x[int(x.sum())], r"^int\(\) needs a number.*convert the result"),
        (lambda x: x * x.sum().item(), r"item\(\) needs a number"),
        (lambda x: np.median(x), "^a NumPy function needs a number.*operation of dlcourse"),
        (lambda x: np.add.reduce(x), "NumPy function"),
        (lambda x: f"{x.sum():.3f}", "a format needs a number"),
        (lambda x: x[x[0].astype(int)], "take_along_axis"),
        (lambda x: x[0, x[0].astype(int)], "take_along_axis"),
        (lambda x: x * Tensor([1.0, 2.0, 3.0], requires_grad=True), "would become a constant"),
        (lambda x: Tensor(1.0, requires_grad=True), "would become a constant"),
        (lambda x: x * "text", "expected numbers beside a Symbol"),
        (lambda x: "text", "to return Symbols.*got str"),
        (lambda x: x @ x, r"matmul: invalid operation\n  Expect: a.shape\[-1\] == b.shape\[-2\]"),
    ],
)
def test_what_needs_a_number_or_cannot_be_in_a_graph_is_refused(wrong, message) -> None:
    with pytest.raises((TypeError, ValueError), match=f"(?s){message}"):
        trace(wrong, X)


@pytest.mark.parametrize("use", [lambda x, y: x + y, lambda x, y: y])
def test_a_symbol_of_another_graph_is_refused(use) -> None:
    other = placeholder((2, 3), name="other")
    with pytest.raises(ValueError, match="of another graph"):
        trace(lambda x: use(x, other), X)
    with pytest.raises(ValueError, match="not among the inputs"):
        Graph([placeholder(())], [other * 2])


@pytest.mark.parametrize("example", ["text", object(), SimpleNamespace(dtype=np.dtype(float))])
def test_an_argument_is_an_array(example) -> None:
    with pytest.raises(TypeError, match="argument x must have a shape and a dtype"):
        trace(lambda x: x, example)


# --- Values that do not fit -----------------------------------------------------------------------

INPUTS = [placeholder((2,), np.float32, "x"), placeholder((), np.int64, "n")]


def runners():
    graph = Graph(INPUTS, [INPUTS[0] * 2, INPUTS[1] + 1], "f")
    return [graph.run, compile(graph)]


@pytest.mark.parametrize("run", runners())
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((np.ones(2, np.float32),), "expected 2 values, got 1"),
        ((np.ones(3, np.float32), 1), r"input x\n  Expect: f32\[2\]\n  Actual: f32\[3\]"),
        ((np.ones(2), 1), r"Actual: f64\[2\]"),
        ((np.ones(2, complex), 1), r"Actual: complex128\[2\]"),
        ((np.ones(2, np.float32), 1.5), r"input n\n  Expect: i64\[\]\n  Actual: f64\[\]"),
        (([1.0, 2.0], 1), "must be an array, a Tensor or a Symbol, got list"),
    ],
)
def test_values_of_another_type_are_refused(run, values, message) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        run(*values)


@pytest.mark.parametrize("run", runners())
def test_a_python_number_takes_the_dtype_of_the_input(run) -> None:
    y, n = run(np.ones(2, np.float32), True)
    assert (y.dtype, n.dtype, int(n)) == (np.float32, np.int64, 2)
    scalar = placeholder((), np.float32)
    assert Graph([scalar], [scalar * 2]).run(1.5)[0].dtype == np.float32


# --- The gradient ---------------------------------------------------------------------------------


def weighted(case: Case):
    """The case's function as a scalar, with the same weights in every kind of run."""

    def f(*values):
        y = case.ours(*values)
        if y.dtype.kind != "f":
            return y
        return (y * normal(y.shape, seed=9).astype(y.dtype)).sum()

    return f


def typed(case: Case, dtype) -> list[np.ndarray]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_compiled_gradient_is_that_of_the_tape(case: Case, dtype) -> None:
    inputs, f = typed(case, dtype), weighted(case)
    xs = our_tensors(inputs)
    y = f(*xs)
    graph = trace(f, *inputs)
    rtol, atol = (1e-12, 1e-14) if dtype == np.float64 else (2e-5, 1e-6)
    if not y.requires_grad:
        (value,) = compile(graph)(*inputs)
        assert (value.dtype, type(value)) == (y.dtype, np.ndarray)
        np.testing.assert_allclose(value, y.data, rtol, atol)
        return
    y.backward()
    value, *found = compile(gradient(graph))(*inputs)
    assert (value.dtype, value.shape) == (y.dtype, ())
    np.testing.assert_allclose(value, y.data, rtol, atol)
    for x, g in zip([x for x in xs if x.requires_grad], found, strict=True):
        assert (g.dtype, g.shape) == (x.dtype, x.shape)
        expected = np.zeros(x.shape) if x.grad is None else x.grad.data
        np.testing.assert_allclose(g, expected, rtol, atol)


SECOND = [c for c in CASES if c.smooth and c.second and c.inputs[0].size][::7]


@pytest.mark.parametrize("case", SECOND, ids=str)
def test_the_gradient_of_a_gradient_is_that_of_pytorch(case: Case) -> None:
    if not case.theirs(*their_tensors(case.inputs)).requires_grad:
        return

    def first(*values):
        floats = [x for x in values if x.dtype.kind == "f"]
        y = case.ours(*values)
        total = (y * y).sum()
        parts = gradients_of(total, floats)
        return sum(((g * g).sum() for g in parts), np.float64(0.0))

    graph = gradient(trace(first, *case.inputs))
    value, *second = compile(graph)(*case.inputs)
    ts = their_tensors(case.inputs)
    floats = [t for t in ts if t.requires_grad]
    y = case.theirs(*ts)
    parts = torch.autograd.grad((y * y).sum(), floats, create_graph=True)
    total = sum((g * g).sum() for g in parts) + sum(t.sum() * 0 for t in floats)
    np.testing.assert_allclose(value, total.detach(), rtol=1e-9)
    expected = torch.autograd.grad(total, floats, materialize_grads=True, allow_unused=True)
    for mine, theirs in zip(second, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-12)


def test_the_third_derivative_of_a_polynomial() -> None:
    def derivative(f):
        return lambda x: gradients_of(f(x), [x])[0]

    third = derivative(derivative(derivative(lambda x: x**5 - 2 * x**3)))
    np.testing.assert_allclose(trace(third, 2.0).run(2.0)[0], 60 * 4 - 12)


def test_the_gradient_has_zeros_for_what_is_not_used_and_nothing_for_integers() -> None:
    graph = trace(lambda x, n, y: (x * n).sum(), X, np.int64(2), np.ones(2, np.float32))
    _, gx, gy = gradient(graph).run(X, np.int64(3), np.ones(2, np.float32))
    np.testing.assert_array_equal(gx, np.full((2, 3), 3.0))
    assert (gy.tolist(), gy.dtype) == ([0, 0], np.float32)
    (only,) = gradient(graph, wrt=[2], with_value=False).run(X, np.int64(3), np.ones(2, "f4"))
    np.testing.assert_array_equal(only, gy)


@pytest.mark.parametrize(
    ("function", "wrt", "message"),
    [
        (lambda x, n: x, None, r"expected a scalar to differentiate, got \(2, 3\)"),
        (lambda x, n: x > 0, None, r"expected a scalar to differentiate, got \(2, 3\)"),
        (lambda x, n: (x, x), None, "expected a graph with 1 output, got 2"),
        (lambda x, n: x.sum() * n, [1], "input n has dtype int64"),
    ],
)
def test_what_cannot_be_differentiated_is_refused(function, wrt, message) -> None:
    with pytest.raises(TypeError, match=message):
        gradient(trace(function, X, np.int64(1)), wrt)


def test_a_graph_may_be_differentiated_in_anomaly_mode() -> None:
    with dl.detect_anomaly():
        np.testing.assert_allclose(gradient(trace(lambda x: (x * x).sum(), X)).run(X)[1], 2 * X)


def test_a_graph_runs_on_tensors_and_inside_another_graph() -> None:
    inner = trace(lambda x, y: (x * y).tanh(), X, X)
    x = Tensor(X, requires_grad=True)
    inner.run(x, x)[0].sum().backward()
    outer = gradient(trace(lambda x: inner.run(x, x)[0].sum(), X))
    np.testing.assert_allclose(outer.run(X)[1], x.grad.data, rtol=1e-14)
    assert [node.op.name for node in outer.nodes][:3] == ["multiply", "tanh", "sum"]


# --- Growth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [10, 100, 1000])
def test_the_graph_and_its_gradient_grow_linearly_with_depth(depth) -> None:
    def f(x):
        for _ in range(depth):
            x = ops.tanh(x)
        return x

    graph = trace(f, 0.5)
    assert len(graph.nodes) == depth
    assert len(gradient(graph).nodes) == 4 * depth  # of each tanh: y * y, 1 - ., g * .


def test_a_graph_of_ten_thousand_operations_needs_no_recursion() -> None:
    def f(x):
        for _ in range(10_000):
            x = -x
        return x

    graph = trace(f, 0.5)
    assert graph.run(0.5)[0] == 0.5
    assert len(str(graph).splitlines()) == 10_002
    value, g = gradient(graph).run(0.5)
    assert (value, g) == (0.5, 1)
    del graph


@pytest.mark.parametrize(
    ("function", "name"),
    [(partial(ops.multiply, 2.0), "graph"), (lambda x: x * 2.0, "function")],
)
def test_a_graph_is_named_after_its_function(function: Any, name: str) -> None:
    assert trace(function, np.ones(2)).name == name
