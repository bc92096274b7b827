"""A compiled graph computes what its graph does, and keeps its memory to itself."""

from __future__ import annotations

import ast
import re
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import PURE_CASES, Case, normal
from random_expressions import evaluate, seeds, three_shapes, trees

from dlcourse import Tensor, ops
from dlcourse.graphs import Graph, compile, gradient, placeholder, trace

X = normal((3, 4))
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@settings(max_examples=120, deadline=None, derandomize=True)
@given(trees(5), three_shapes, seeds, st.booleans())
def test_random_expressions_are_the_same_in_every_kind_of_run(tree, shapes, seed, fuse) -> None:
    rng = np.random.default_rng(seed)
    data = [np.asarray(rng.normal(size=shape)) for shape in shapes.input_shapes]
    ours = [Tensor(x, requires_grad=True) for x in data]
    theirs = [torch.tensor(x, requires_grad=True) for x in data]
    y, t = evaluate(tree, ours, 0).sum(), evaluate(tree, theirs, 1).sum()
    y.backward()
    t.backward()
    graph = trace(lambda *leaves: evaluate(tree, list(leaves), 0).sum(), *data)
    derived = gradient(graph)
    compiled = compile(derived, fuse=fuse)
    runs = [derived.run(*data), compiled(*data), compiled(*data)]
    np.testing.assert_allclose(compile(graph, fuse=fuse)(*data)[0], y.data, 1e-9, 1e-12)
    for value, *gradients in runs:
        np.testing.assert_allclose(value, t.detach(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(value, y.data, rtol=1e-9, atol=1e-12)
        for g, x, u in zip(gradients, ours, theirs, strict=True):
            assert g.shape == x.shape
            dynamic = np.zeros(x.shape) if x.grad is None else x.grad.data
            expected = np.zeros(x.shape) if u.grad is None else u.grad.numpy()
            np.testing.assert_allclose(g, dynamic, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(g, expected, rtol=1e-9, atol=1e-11)


# --- The results are the caller's, the inputs too -------------------------------------------------


def memory_of(arrays):
    return [x for x in arrays if isinstance(x, np.ndarray)]


@pytest.mark.parametrize("case", PURE_CASES[::3], ids=str)
def test_results_are_arrays_of_the_caller_that_no_later_call_changes(case: Case) -> None:
    def f(*values):
        y = case.ours(*values)
        return y, y, y.reshape(-1), values[0], case.ours(*values)

    compiled = compile(trace(f, *case.inputs))
    inputs = [x.copy() for x in case.inputs]
    first = compiled(*inputs)
    kept = [y.copy() for y in first]
    second = compiled(*inputs)
    for y, k, z in zip(first, kept, second, strict=True):
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, k)
        np.testing.assert_array_equal(y, z)
    held = [*first, *second, *inputs]
    constants = [x for node in compiled.graph.nodes for x in node.inputs]
    hidden = memory_of([*compiled.plan.arrays.values(), *constants])
    for i, y in enumerate(first):
        assert not any(np.may_share_memory(y, z) for z in (*held[:i], *held[i + 1 :], *hidden))
        y[...] = 0
    for y, z in zip(compiled(*inputs), kept, strict=True):
        np.testing.assert_array_equal(y, z)
    for x, original in zip(inputs, case.inputs, strict=True):
        np.testing.assert_array_equal(x, original)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x, x),
        lambda x: (x.T, x[0], x[:, None]),
        lambda x: (np.ones(3), np.ones(3)),
        lambda x: (lambda y: (y, ops.flip(y), y[::2]))(ops.tril(x)),
        lambda x: (lambda y: (y, y.reshape(12), ops.flip(y, axis=1)))(ops.cumsum(x, axis=0)),
        lambda x: (ops.argmax(x), x[0, 0], x.exp()[1, 1], x.sum()),
        lambda x: (x.broadcast_to((2, 3, 4)), x.exp().sum().broadcast_to((2,))),
        lambda x: ops.embedding(x.exp(), ops.argmax(x[:, 0])) + x.sin() * x.cos(),
        lambda x: x.exp()[np.int64(1)] + x.sin() * x.cos(),
        lambda x: (ops.sort(x.sum()) + 1, ops.flip(x.sum())),
    ],
)
def test_views_duplicates_inputs_and_constants_are_copied_for_the_caller(function) -> None:
    graph = trace(function, X)
    compiled = compile(graph)
    for _ in range(2):
        x = X.copy()
        found = compiled(x)
        for y, z in zip(found, graph.run(X), strict=True):
            assert type(y) is np.ndarray
            np.testing.assert_allclose(y, z, rtol=1e-14)
        for i, y in enumerate(found):
            assert not any(np.may_share_memory(y, z) for z in (*found[:i], x))
            y[...] = 0
        np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.asfortranarray(X),
        lambda: np.repeat(X, 2, axis=1)[:, ::2],
        lambda: X[::-1][::-1],
        lambda: np.broadcast_to(X[:1], (3, 4)),
        lambda: np.frombuffer(X.tobytes()).reshape(3, 4),
        lambda: Tensor(X),
    ],
)
def test_inputs_may_be_laid_out_in_any_way(make) -> None:
    graph = trace(lambda x: ((x.T * 2).exp(), x.reshape(12) + 1, x @ x.T), X)
    x = make()
    expected = graph.run(np.array(x.data if isinstance(x, Tensor) else x))
    for y, z in zip(compile(graph)(x), expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-14)


@pytest.mark.parametrize("fuse", [False, True])
def test_threads_may_call_the_same_compiled_graph(fuse) -> None:
    graph = trace(lambda x: (x @ x.T).tanh() * 2 + (x * x).sum(), normal((60, 60)))
    compiled = compile(graph, fuse=fuse)
    data = [normal((60, 60), i) for i in range(4)]
    expected = [graph.run(x)[0] for x in data]
    wrong = []

    def work(i: int) -> None:
        for _ in range(40):
            if not np.allclose(compiled(data[i])[0], expected[i], rtol=1e-12):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- The text -------------------------------------------------------------------------------------


def run_text(compiled, *values):
    """Run the printed text with the objects that it refers to, apart from the function itself."""
    tree = ast.parse(compiled.source)
    name = tree.body[0].name
    namespace = {k: v for k, v in compiled._run.__globals__.items() if k != name}
    exec(compiled.source, namespace)
    return namespace[name](*values)


@pytest.mark.parametrize("case", PURE_CASES[::9], ids=str)
def test_what_is_printed_is_what_runs(case: Case) -> None:
    compiled = compile(trace(case.ours, *case.inputs))
    for y, z in zip(run_text(compiled, *case.inputs), compiled(*case.inputs), strict=True):
        np.testing.assert_array_equal(y, z)


def test_the_text_is_what_numpy_is_asked_to_do() -> None:
    compiled = compile(trace(lambda x, w: ops.relu(x @ w).sum(axis=1), X, normal((4, 5))))
    total = "sum(v2, axis=1, out=v3)"
    assert compiled.source == (
        "def function(x, w):\n"
        "    # c1 = 0.0\n"
        f"    {'dot(x, w, out=v1)':{len(total)}}  # v1: f64[3,5], buffer 0\n"
        f"    {'maximum(v1, c1, out=v2)':{len(total)}}  # v2: f64[3,5], buffer 0 in place\n"
        f"    {total}  # v3: f64[3], buffer 1\n"
        "    result = [array(v3)]\n"
        "    return result\n"
    )


NAMES = ["add", "lambda", "out", "c1", "p1", "v1", "v2", "result", "array", "copyto", "new", "dot",
         "None", "a.b", "0.weight", "x 1", "f", "np", "sum", "x1", "class", "_"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kept", [False, True])
def test_an_input_may_have_any_name(name, kept) -> None:
    a, b = placeholder((3, 3), name=name), placeholder((3, 3), name="v3")
    y = (a + b * 2) @ a[::-1] + np.arange(9.0).reshape(3, 3)
    outputs = [y.sum(axis=0), a, y * 2.5, b.T]
    compiled = compile(Graph([a, b], outputs, "f"), donate={3: 1} if kept else {})
    p, q = normal((3, 3)), normal((3, 3), 1)
    expected = Graph([a, b], outputs).run(p, q)
    if kept:
        compiled.state[0][...] = q
        found = compiled(p)
        np.testing.assert_array_equal(compiled.state[0], expected.pop())
    else:
        found = compiled(p, q)
    for y, z in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-14)
    assert str(Graph([a, b], outputs)).count("def ") == 1
    ast.parse(compiled.source)


def test_the_text_lists_the_constants_that_it_refers_to() -> None:
    compiled = compile(trace(lambda x: (x * 2.5, np.arange(3)), X))
    assert "    # c1 = 2.5\n    # c2 = [0, 1, 2]\n" in compiled.source


def test_inputs_of_one_name_are_told_apart() -> None:
    a, b = placeholder((), name="x"), placeholder((), name="x")
    assert compile(Graph([a, b], [a - b]))(3.0, 1.0) == [2.0]


@pytest.mark.parametrize("name", ["add", "array", "v1", "result", "my graph", "2", "if", "x-1"])
def test_a_graph_may_have_any_name(name) -> None:
    compiled = compile(trace(lambda x: x + x.sum(), X, name=name))
    np.testing.assert_array_equal(compiled(X)[0], X + X.sum())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.clip(x, low=np.float64(-0.5), high=np.float64(0.5)),
        lambda x: ops.clip(x, low=-np.inf, high=0.5),
        lambda x: ops.where(x > 0, x, np.inf),
        lambda x: ops.where(x > 0, x, np.float64(0)),
        lambda x: ops.where(True, x, 0),
        lambda x: x * np.float64(2),
        lambda x: x * np.float32(2),
        lambda x: x**2,
        lambda x: x**True,
        lambda x: x * -0.0,
        lambda x: x + 1e300,
        lambda x: ops.sum(x),
        lambda x: ops.sum(x, axis=(np.int64(0),)),
        lambda x: ops.max(x, axis=(0, 1)),
        lambda x: x[1, np.newaxis, ::-1],
        lambda x: x[[0, 2]],
        lambda x: x[np.array([True, False, True])],
        lambda x: (x > 0) * x,
        lambda x: (x > 0).astype(np.float32) * x,
        lambda x: x.astype(np.int32) * 2,
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_and_numbers_keep_their_types(function, dtype) -> None:
    x = X.astype(dtype)
    (y,) = compile(trace(function, x))(x)
    expected = function(Tensor(x)).data
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [bool, np.int32, np.uint8, np.float32])
def test_any_shape_and_dtype_of_inputs(shape, dtype) -> None:
    x = np.ones(shape, dtype)
    graph = trace(lambda x: (x + x, (x * 2) @ x.T if x.ndim == 2 else x * 2, ops.sum(x), x > 0), x)
    for y, z in zip(compile(graph)(x), graph.run(x), strict=True):
        assert (y.dtype, y.shape) == (np.asarray(z).dtype, np.shape(z))
        np.testing.assert_array_equal(y, z)


def test_a_graph_without_operations_or_outputs() -> None:
    x = placeholder((2,), name="x")
    assert compile(Graph([x], []))(np.ones(2)) == []
    assert compile(Graph([x], [x]))(np.ones(2))[0].tolist() == [1, 1]
    assert compile(Graph([], [np.ones(2)]))()[0].tolist() == [1, 1]


# --- Growth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [5, 50, 400])
def test_the_text_grows_linearly_and_equal_constants_are_kept_once(layers) -> None:
    weights = [normal((4, 4), i) / 4 for i in range(layers)]

    def f(x):
        for w in weights:
            x = ops.tanh(x @ w) * 0.5
        return x.sum()

    compiled = compile(gradient(trace(f, X)))
    lines = compiled.source.splitlines()
    named = [name for name in compiled._run.__globals__ if re.fullmatch(r"c\d+", name)]
    assert len(lines) == len(compiled.plan.steps) + len(named) + 3
    assert len(compiled.plan.steps) <= 8 * layers + 4  # of each layer: 3 forward, 5 backward
    assert len(named) <= 2 * layers + 4  # the weights and their transposes


def test_a_graph_of_thousands_of_operations_is_compiled_without_recursion() -> None:
    def f(x):
        for i in range(2_500):
            x = ops.sin(x) if i % 2 else -x
        return x

    graph = gradient(trace(f, 0.5))
    np.testing.assert_allclose(compile(graph)(0.5), graph.run(0.5), rtol=1e-13)


def calls_to_compile(layers: int) -> int:
    """How many functions Python enters to trace, differentiate and compile a deep network."""

    def loss(x: Any, weights: list[Any], biases: list[Any]) -> Any:
        for w, b in zip(weights, biases, strict=True):
            x = ops.relu(ops.linear(x, w, b))
        return (x * x).mean()

    weights, biases = [np.eye(4)] * layers, [np.zeros(4)] * layers
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        compile(gradient(trace(loss, np.ones((2, 4)), weights, biases)))
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_to_compile_grows_in_proportion_to_the_depth_and_is_small_a_layer() -> None:
    calls_to_compile(20)  # shapes and dtypes are inferred here
    few, more, many = map(calls_to_compile, (20, 40, 80))
    assert many - more == pytest.approx(2 * (more - few), rel=0.01)
    assert (many - more) / 40 < 1300


@pytest.mark.parametrize("name", ["lambda", "None", "2x", "a_b", "step"])
def test_a_compiled_function_has_a_name_that_python_takes(name: str) -> None:
    compiled = compile(trace(lambda x: x + 1, np.zeros(2), name=name))
    np.testing.assert_array_equal(compiled(np.ones(2))[0], [2, 2])
    prefix = "" if name in ("a_b", "step") else "_"
    assert compiled.source.startswith(f"def {prefix}{name}(")
