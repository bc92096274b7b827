"""What each pass does to a graph, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import CASES, PURE_CASES, Case, normal

from dlcourse import ops
from dlcourse.graphs import Graph, compile, gradient, placeholder, scan, trace
from dlcourse.graphs.compiler import passes
from dlcourse.graphs.compiler.fusion import fuse_elementwise
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import Primitive

X, Y = normal((2, 3)), normal((2, 3), 1)
PASSES = [
    passes.remove_dead_code,
    passes.fold_constants,
    passes.eliminate_common_subexpressions,
    passes.expand,
    passes.simplify,
    fuse_elementwise,
    passes.optimise,
    lambda graph: passes.optimise(graph, fuse=True),
]
every_pass = pytest.mark.parametrize("run", PASSES)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def body(graph: Graph) -> list[str]:
    """The operations as text, and what is returned."""
    lines = [line.strip() for line in str(graph).splitlines()[1:]]
    return [line.split(" = ")[-1] for line in lines]


def on_constants(op, *constants, **parameters):
    """An operation on constants alone, as a pass or a file may leave one."""
    return lambda x: x + Symbol.apply_primitive(op, constants, parameters)


# For each pass: the function, and the operations that are left.
DOES = {
    "dead code": (passes.remove_dead_code, lambda x: (x.exp(), x * 2)[1],
        ["multiply(x, 2)", "return v1"]),
    "all is dead": (passes.remove_dead_code, lambda x: (x.exp(), x)[1], ["return x"]),
    "fold": (passes.fold_constants, on_constants(ops.add, np.ones(3), 1),
        ["add(x, [2.0, 2.0, 2.0])", "return v1"]),
    "fold twice": (passes.fold_constants,
        lambda x: x + -Symbol.apply_primitive(ops.exp, (np.zeros(3),), {}),
        ["add(x, [-1.0, -1.0, -1.0])", "return v1"]),
    "equal": (passes.eliminate_common_subexpressions, lambda x: x.exp() + x.exp(),
        ["exp(x)", "add(v1, v1)", "return v2"]),
    "equal parameters": (passes.eliminate_common_subexpressions,
        lambda x: x.sum(axis=0) + x.sum(axis=0),
        ["sum(x, axis=0)", "add(v1, v1)", "return v2"]),
    "equal constants": (passes.eliminate_common_subexpressions,
        lambda x: (x + np.ones(3)) * (x + np.ones(3)),
        ["add(x, [1.0, 1.0, 1.0])", "multiply(v1, v1)", "return v2"]),
    "equal in a chain": (passes.eliminate_common_subexpressions,
        lambda x: (-x).exp() + (-x).exp(),
        ["negative(x)", "exp(v1)", "add(v2, v2)", "return v3"]),
    "expand": (passes.expand, lambda x: ops.relu(x), ["maximum(x, 0)", "return v1"]),
    "x + 0": (passes.simplify, lambda x: x + 0, ["return x"]),
    "0 + x": (passes.simplify, lambda x: 0.0 + x, ["return x"]),
    "x + zeros": (passes.simplify, lambda x: x + np.zeros((2, 3)), ["return x"]),
    "x - 0": (passes.simplify, lambda x: x - 0, ["return x"]),
    "x * 1": (passes.simplify, lambda x: x * 1.0, ["return x"]),
    "1 * x": (passes.simplify, lambda x: np.ones(3) * x, ["return x"]),
    "x / 1": (passes.simplify, lambda x: x / 1, ["return x"]),
    "x ** 1": (passes.simplify, lambda x: x**1, ["return x"]),
    "--x": (passes.simplify, lambda x: ops.negative(-x), ["negative(x)", "return x"]),
    "x.T.T": (passes.simplify, lambda x: x.T.T, ["transpose(x)", "return x"]),
    "transposes": (passes.simplify,
        lambda x: ops.transpose(ops.transpose(x.reshape(1, 2, 3), (1, 2, 0)), (-2, -1, 0)),
        ["reshape(x, shape=(1, 2, 3))", "transpose(v1, axes=(1, 2, 0))",
         "transpose(v1, axes=(2, 0, 1))", "return v3"]),
    "reshapes": (passes.simplify, lambda x: x.reshape(6).reshape(3, 2).reshape(2, 3),
        ["reshape(x, shape=(6,))", "reshape(x, shape=(3, 2))", "return x"]),
    "same shape": (passes.simplify, lambda x: x.reshape(2, -1).broadcast_to((2, 3)), ["return x"]),
    "same dtype": (passes.simplify, lambda x: x.astype(float), ["return x"]),
    "repeated number": (passes.simplify, lambda x: x * np.full((2, 3), 2.0),
        ["multiply(x, 2.0)", "return v1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", DOES)
def test_a_pass_does(name) -> None:
    run, function, expected = DOES[name]
    graph = trace(function, X)
    after = run(graph)
    assert body(after) == expected
    np.testing.assert_allclose(after.run(X)[0], graph.run(X)[0], rtol=1e-15)


def keeps(function, *arguments):
    return (function, arguments or (X,))


LEAVES = {
    "x * 0": keeps(lambda x: x * 0),
    "x - x": keeps(lambda x: x - x),
    "x / x": keeps(lambda x: x / x),
    "0 - x": keeps(lambda x: 0 - x),
    "1 / x": keeps(lambda x: 1 / x),
    "1 ** x": keeps(lambda x: 1**x),
    "x + 0 in another shape": keeps(lambda x: x + np.zeros((4, 2, 3))),
    "x * 1 in another shape": keeps(lambda x: np.ones((2, 1)) * x, X[0]),
    "x + 0 in another dtype": keeps(lambda x: x + np.zeros(()), X.astype("f4")),
    "x * 1 in another dtype": keeps(lambda x: x * 1.0, np.arange(3)),
    "x / 1 of integers": keeps(lambda x: x / 1, np.arange(3)),
    "true + 0": keeps(lambda x: x + 0, X > 0),
    "one transpose": keeps(lambda x: x.T),
    "one reshape": keeps(lambda x: x.reshape(3, 2)),
    "astype": keeps(lambda x: x.astype(np.float32)),
    "0.0 and -0.0": keeps(lambda x: (1 / (x * 0.0), 1 / (x * -0.0))),
    "zeros of two signs": keeps(lambda x: x / np.array([0.0, -0.0, 0.0])),
    "1 and 1.0": keeps(lambda x: (x * 1, x * 1.0), np.arange(3)),
    "1 and True": keeps(lambda x: (x * 2, x + True, x + 1, x * True), X > 0),
    "an array and a number": keeps(
        lambda x: (x * np.ones(()), x * 1.0, x * np.ones((), "f4")), X.astype("f4")
    ),
    "other axes": keeps(lambda x: (x.sum(axis=0), x.sum(axis=1), x.sum(axis=0, keepdims=True))),
    "other order": keeps(lambda x: (x[0] - x[1], x[1] - x[0])),
    "repeated number that gives the shape": keeps(lambda x: x * np.full((2, 3), 2.0), X[0]),
    "equal arrays that give the shape": keeps(lambda x: x * np.full((2, 1), 2.0), X[0]),
    "number in a product of matrices": keeps(lambda x: x @ np.ones((3, 2))),
}


@pytest.mark.parametrize("name", LEAVES)
@every_pass
def test_a_pass_leaves_the_values_shapes_and_dtypes_alone(name, run) -> None:
    function, arguments = LEAVES[name]
    graph = trace(function, *arguments)
    specials = [
        np.where(np.arange(x.size).reshape(x.shape) == 0, np.inf, x).astype(x.dtype)
        if x.dtype.kind == "f"
        else x
        for x in arguments
    ]
    for values in (arguments, specials):
        after = run(graph).run(*values)
        for y, expected in zip(after, graph.run(*values), strict=True):
            assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_array_equal(y, expected)
            if y.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(y), np.signbit(expected))


@pytest.mark.parametrize(
    "name",
    [n for n in LEAVES if n.startswith(("x *", "x -", "x /", "0 -", "1 /", "1 **", "x +", "true"))],
)
def test_simplify_keeps_what_only_looks_neutral(name) -> None:
    graph = trace(LEAVES[name][0], *LEAVES[name][1])
    kept = [node.op for node in passes.simplify(graph).nodes]
    assert kept == [node.op for node in graph.nodes]


@pytest.mark.parametrize(
    ("name", "argument"),
    [(op.name, argument) for op in ops.PRIMITIVES.values() for argument in op.neutral],
)
def test_simplify_removes_what_is_neutral(name, argument) -> None:
    op = ops.PRIMITIVES[name]
    neutral = np.array(op.neutral[argument], float)
    graph = trace(lambda x: op(*[neutral if a == argument else x for a in op.arguments]), X)
    (y,) = passes.simplify(graph).outputs
    assert y.op is None, "x itself"


@every_pass
@pytest.mark.parametrize("case", PURE_CASES[::11], ids=str)
def test_a_pass_changes_neither_its_argument_nor_the_result(run, case: Case) -> None:
    def f(*values):
        y = case.ours(*values)
        unused = y == y
        return y, case.ours(*values), unused

    graph = trace(f, *case.inputs)
    before = str(graph)
    expected = graph.run(*case.inputs)
    after = run(graph)
    assert str(graph) == before
    assert after.inputs is graph.inputs
    for y, z in zip(after.run(*case.inputs), expected, strict=True):
        assert np.asarray(y).dtype == np.asarray(z).dtype
        np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-14)


@every_pass
def test_random_numbers_are_neither_merged_nor_drawn_by_a_pass(run) -> None:
    generator = np.random.default_rng(0)

    def f(x):
        a, b = (ops.dropout_mask(x, rate=0.5, generator=generator) for _ in range(2))
        of_constant = Symbol.apply_primitive(
            ops.dropout_mask, (np.ones(3),), {"rate": 0.5, "generator": generator}
        )
        return a, b, of_constant

    graph = run(trace(f, np.ones(50)))
    assert [node.op for node in graph.nodes] == [ops.dropout_mask] * 3
    assert generator.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_large_constants_are_not_folded() -> None:
    graph = trace(
        lambda x: (
            x
            + Symbol.apply_primitive(
                ops.broadcast_to, (np.ones(()),), {"shape": (passes.LARGEST_CONSTANT + 1,)}
            )
        ),
        1.0,
    )
    assert [node.op for node in passes.fold_constants(graph).nodes] == [ops.broadcast_to, ops.add]


def test_a_folded_constant_that_gives_the_shape_is_kept_whole() -> None:
    graph = trace(on_constants(ops.add, np.ones((2, 3)), 1.0), X[0])
    after = passes.optimise(graph)
    np.testing.assert_array_equal(after.run(X[0])[0], graph.run(X[0])[0])


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("softplus", ops.softplus),
        ("where", lambda x: ops.where(x > 0, x, 0)),
        ("where", lambda x: ops.where(np.array([True, False, True]), 0.0, x)),
        ("mean", lambda x: x.mean(axis=0)),
        ("linear", lambda x: ops.linear(x, x[:2], x[0, :2])),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_floats_are_expanded_also_beside_booleans(name, function, dtype) -> None:
    graph = passes.expand(trace(function, np.ones((2, 3), dtype)))
    left = any(node.op is ops.PRIMITIVES[name] for node in graph.nodes)
    assert left == (dtype in (np.float16, np.int64))


# Each is made twice, so that the two are equal, but not the same object.
PARAMETERS = [
    lambda: float("0.5"), lambda: int("100000"), lambda: "".join(["tex", "t"]), lambda: True,
    lambda: None, lambda: ..., lambda: np.dtype("f4"), lambda: slice(1, None, int("1000")),
    lambda: (float("0.5"), [int("100000")]), lambda: {"a": float("0.5"), "b": None},
    lambda: np.array([float("0.5")]),
]  # fmt: skip
noting = Primitive("noting", lambda x, note: x * 1.0, "x, with a note", {"x": None})


def merged(first: Any, second: Any) -> bool:
    graph = trace(lambda x: noting(x, note=first) + noting(x, note=second), X)
    return len(passes.eliminate_common_subexpressions(graph).nodes) == 2


@pytest.mark.parametrize("make", PARAMETERS)
def test_operations_with_equal_parameters_of_any_type_are_one(make) -> None:
    assert merged(make(), make())
    for other in PARAMETERS:
        assert merged(make(), other()) == (make is other)


@pytest.mark.parametrize(
    ("a", "b"),
    [(0.0, -0.0), (1, 1.0), (1, True), ("1", 1), ((1,), [1]), (slice(1), slice(2)),
     (slice(None, 1), slice(None, 1, 2)), (slice(1, 5), slice(2, 5)), ({"a": 1}, {"b": 1}),
     (np.ones(2), np.ones((1, 2))), (np.ones(2), np.ones(2, "f4")), (object(), object())],
)  # fmt: skip
def test_operations_with_parameters_that_only_look_alike_stay_two(a, b) -> None:
    assert not merged(a, b)


@pytest.mark.parametrize("case", [c for c in CASES if ops.PRIMITIVES[c.op].expand], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expanding_keeps_the_type_of_every_operation(case: Case, dtype) -> None:
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]
    for node in trace(case.ours, *inputs).nodes:
        single = Graph([x for x in node.inputs if isinstance(x, Symbol)], [node], nodes=[node])
        (after,) = passes.expand(single).outputs
        assert (np.shape(after), after.dtype) == (node.shape, node.dtype)


# --- Fusion ---------------------------------------------------------------------------------------

LONG = normal((3000, 7))


@pytest.mark.parametrize(
    ("function", "arguments", "operations"),
    [
        (lambda x: (x * 2).exp() + 1, (LONG,), 1),
        (lambda x: (x * normal((7,))).exp() + 1, (LONG,), 1),
        (lambda x: (x * normal((3000, 7), 2)).exp() + normal((3000, 1)), (LONG,), 1),
        (lambda x, y: (x + y).tanh() * y, (LONG, LONG[0]), 1),
        (lambda x, y: (x + y).tanh() * y, (LONG, LONG[:, :1]), 1),
        (lambda x, y: (x.tanh() + y).exp(), (LONG[0], LONG), 2),  # tanh has another shape
        (lambda x: x.exp().sum(axis=0) * 2 + 1, (LONG,), 3),
        (lambda x: (lambda y: (y, y + 1))((x * 2).exp()), (LONG,), 2),  # y is needed outside
        (lambda x: (lambda y: (y + 1, y * 3))((x * 2).exp()), (LONG,), 3),  # y is needed twice
        (lambda x: (x > 0) * (x * 2).exp(), (LONG,), 1),
        (lambda x: ops.where(x > 0, x.exp(), -x), (LONG.T,), 1),
        (lambda x: (x * 2).exp() + 1, (np.float64(0.5),), 1),
        (lambda x: (x * 2).exp() + 1, (np.zeros((0, 3)),), 1),
        (lambda x: (x * 2).exp() + 1, (np.zeros((3, 0)),), 1),
        (lambda x: (x * 2 + 1).astype(float) + x, (np.arange(5),), 3),
    ],
)
def test_groups_of_elementwise_operations_are_one(function, arguments, operations) -> None:
    graph = trace(function, *arguments)
    fused = fuse_elementwise(graph)
    assert len(fused.nodes) == operations
    expected = graph.run(*arguments)
    compiled = compile(graph, fuse=True)
    for found in (fused.run(*arguments), compiled(*arguments), compiled(*arguments)):
        for y, z in zip(found, expected, strict=True):
            assert (np.asarray(y).dtype, np.shape(y)) == (np.asarray(z).dtype, np.shape(z))
            np.testing.assert_allclose(y, z, rtol=1e-14)


def test_a_fused_graph_has_no_rule() -> None:
    graph = fuse_elementwise(trace(lambda x: (x * 2).exp() + 1, 1.0))
    with pytest.raises(TypeError, match=r"gradient\(graph\) before"):
        gradient(graph)


# --- Control flow and size ------------------------------------------------------------------------


@every_pass
def test_a_graph_with_a_loop_passes_and_can_still_be_differentiated(run) -> None:
    def f(x, s):
        first = scan(lambda c, a: (c * a.sum(), c + a.sum()), s, x)
        second = scan(lambda c, a: (c * 1, c), s, np.ones((2, 1)) * x)
        return first[0] + first[1].sum() + second[0] * 0

    graph = trace(f, X, 0.5)
    expected = gradient(graph).run(X, 0.5)
    after = run(graph)
    np.testing.assert_allclose(after.run(X, 0.5), graph.run(X, 0.5))
    if any(node.op.name == "fused" for node in after.nodes):
        return
    for y, z in zip(gradient(after).run(X, 0.5), expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-13)


def test_a_loop_on_constants_is_folded() -> None:
    (bundle,) = [
        node
        for node in trace(lambda x: scan(lambda c, a: (c + a, c), 0.0, x), np.ones(3)).nodes
        if node.op.name == "scan"
    ]
    constant = bundle.on((0.0, np.array([1.0, 2.0, 3.0])))
    items = [Symbol(t.shape, t.dtype, op=ITEM, inputs=(constant,), parameters={"i": i})
             for i, t in enumerate(bundle.types)]  # fmt: skip
    graph = passes.fold_constants(Graph([], items))
    assert not graph.needed_nodes()
    np.testing.assert_array_equal(graph.outputs[0], 6)
    np.testing.assert_array_equal(graph.outputs[1], [0, 1, 3])


ITEM = next(
    node.op
    for node in trace(lambda x: scan(lambda c, a: (c, a), 0.0, x), np.ones(3)).nodes
    if node.op.name == "item"
)


@every_pass
def test_a_pass_needs_no_recursion(run) -> None:
    x = y = placeholder((), np.float64, "x")
    for i in range(2_000):
        y = ops.tanh(y) if i % 2 else y + 1.5
    (value,) = run(Graph([x], [y])).run(0.5)
    np.testing.assert_array_equal(value, Graph([x], [y]).run(0.5)[0])


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0), (2, 3)])
def test_a_fused_graph_of_any_shape_has_the_value_of_its_parts(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5)
    graph = trace(lambda x: ops.where(x > 0, (x + 1).exp(), x) * 2, x)
    group = fuse_elementwise(graph)
    assert len(group.nodes) == 1
    np.testing.assert_array_equal(group.run(x)[0], graph.run(x)[0])
    last = trace(lambda x: (x * 2 + 1).astype(np.int64), x)
    np.testing.assert_array_equal(fuse_elementwise(last).run(x)[0], last.run(x)[0])
