"""The memory plan: buffers are used again, and no value is overwritten before its last use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import CASES, PURE_CASES, Case, normal
from random_expressions import evaluate, seeds, three_shapes, trees

from dlcourse import ops
from dlcourse.graphs import Graph, Plan, compile, gradient, placeholder, plan, trace
from dlcourse.graphs.compiler import passes
from dlcourse.graphs.symbol import Symbol

X = normal((4, 6))
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def check_by_running(planned: Plan, *values: Any) -> None:
    """Carry the plan out step by step, and compare each operand with its value when it is read.

    Nothing here knows of buffers: the arrays of the plan are written to, and what is read from them
    must be what the graph's operations give in fresh memory.
    """
    graph = planned.graph
    own = {id(x): v for x, v in zip(graph.inputs, values, strict=True)}
    now = dict(own)  # as the compiled function sees it
    for x, v in zip(graph.inputs, values, strict=True):
        if id(x) in planned.arrays:
            planned.arrays[id(x)][...] = v
            now[id(x)] = planned.arrays[id(x)]
    for step in planned.steps:
        node = step.node
        operands = [now.get(id(x), x) for x in node.inputs]
        true = [own.get(id(x), x) for x in node.inputs]
        for y, z in zip(operands, true, strict=True):
            np.testing.assert_array_equal(y, z, err_msg=f"{node.op.name} reads what is gone")
        own[id(node)] = np.array(node.op.kernel(*true, **node.parameters))
        if step.kind == "view" and id(node) in planned.arrays:
            now[id(node)] = planned.arrays[id(node)]
        elif step.kind == "into":
            target = planned.arrays[id(node)]
            assert (target.shape, target.dtype) == (node.shape, node.dtype)
            if node.op is not ops.concatenate:
                node.op.kernel(*operands, **node.parameters, out=target)
            else:
                target[...] = own[id(node)]
            now[id(node)] = target
        else:
            now[id(node)] = node.op.kernel(*operands, **node.parameters)
        np.testing.assert_array_equal(now[id(node)], own[id(node)])
    for x in graph.outputs:
        np.testing.assert_array_equal(now.get(id(x), x), own.get(id(x), x))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(trees(5), trees(4), three_shapes, seeds, st.booleans())
def test_no_value_is_overwritten_before_its_last_use(first, second, shapes, seed, fuse) -> None:
    rng = np.random.default_rng(seed)
    data = [np.asarray(rng.normal(size=shape)) for shape in shapes.input_shapes]

    def f(*leaves):
        a, b = evaluate(first, list(leaves), 0), evaluate(second, list(leaves), 0)
        return a, b, (a.sum() + b.sum()) * 2

    graph = trace(f, *data)
    check_by_running(plan(graph), *data)
    derived = trace(lambda *xs: gradient(trace(lambda *v: f(*v)[2], *xs)).run(*xs), *data)
    check_by_running(plan(passes.optimise(derived, fuse)), *data)


def deep(n: int, x: Any) -> Any:
    for _ in range(n):
        x = ops.tanh(x) * 1.5
    return x


@pytest.mark.parametrize("depth", [2, 20, 2000])
def test_a_chain_of_any_length_needs_one_buffer(depth) -> None:
    planned = plan(trace(lambda x: deep(depth, x), X))
    assert planned.sizes == [X.nbytes]
    assert planned.nbytes_without_reuse == 2 * depth * X.nbytes


@pytest.mark.parametrize("depth", [10, 100, 1000])
def test_the_memory_of_a_gradient_is_linear_in_the_depth(depth) -> None:
    graph = gradient(trace(lambda x: deep(depth, x).sum(), X))
    planned = plan(passes.optimise(graph))
    assert planned.nbytes <= (depth + 4) * X.nbytes
    assert planned.nbytes < planned.nbytes_without_reuse / 2


def steps(function, *examples, **more):
    planned = plan(trace(function, *examples), **more)
    return [("in place" if s.in_place else s.kind, s.buffer) for s in planned.steps]


S = np.ones((3, 3))
# What the steps are; x is an input, whose memory is never the plan's.
PLANS = {
    "an input is not overwritten": (lambda x: -x, [("into", 0)]),
    "in place": (lambda x: -x.exp(), [("into", 0), ("in place", 0)]),
    "not if it is used later": (
        lambda x: (lambda y: (-y) * y)(x.exp()),
        [("into", 0), ("into", 1), ("in place", 1)],
    ),
    "not if it is an output": (
        lambda x: (lambda y: (y, -y))(x.exp()),
        [("into", 0), ("into", 1)],
    ),
    "twice the same": (lambda x: (lambda y: y * y)(x.exp()), [("into", 0), ("in place", 0)]),
    "x + x.T": (
        lambda x: (lambda y: y + y.T)(x.exp()),
        [("into", 0), ("view", None), ("into", 1)],
    ),
    "a transpose of the same memory": (
        lambda x: x.exp().T + 1.0,
        [("into", 0), ("view", None), ("into", 1)],
    ),
    "a broadcast of the same memory": (
        lambda x: (lambda y: y + y[0])(x.exp()),
        [("into", 0), ("view", None), ("into", 1)],
    ),
    "a reshape may be overwritten": (
        lambda x: -x.exp().reshape(9),
        [("into", 0), ("view", None), ("in place", 0)],
    ),
    "a flip is a view": (
        lambda x: ops.flip(x.exp(), axis=0) * (x * 2.0),
        [("into", 0), ("view", None), ("into", 1), ("in place", 1)],
    ),
    "a smaller result": (
        lambda x: x.exp().sum(axis=0) * 1.0,
        [("into", 0), ("into", 1), ("in place", 1)],
    ),
    "a product of matrices is not in place": (
        lambda x: (lambda y: y @ y)(x.exp()),
        [("into", 0), ("into", 1)],
    ),
    "a freed buffer is used again": (
        lambda x: x.exp().sum() + (x * 2.0).sum(),
        [("into", 0), ("into", 1), ("into", 0), ("into", 2), ("in place", 1)],
    ),
    "integers over floats of the same size": (
        lambda x: ops.bitcast(ops.bitcast(x.exp(), dtype=np.dtype("i8")) * 1, dtype=np.dtype("f8")),
        [("into", 0), ("view", None), ("in place", 0), ("view", None)],
    ),
    "booleans over booleans": (
        lambda x: ops.logical_not(x > 0),
        [("into", 0), ("in place", 0)],
    ),
    "a view of an input": (lambda x: x.T[0] * 2.0, [("view", None), ("view", None), ("into", 0)]),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_result_goes_where_it_may(name) -> None:
    function, expected = PLANS[name]
    assert steps(function, S) == expected
    data = normal((3, 3))
    check_by_running(plan(trace(function, S)), data)


def test_the_steps_of_a_concatenation_write_where_it_wants_them() -> None:
    def f(x):
        a, b = x.exp(), x * 2.0
        joined = ops.concatenate([a.reshape(9), x.reshape(9), b.reshape(9), a.reshape(9)])
        return joined * 3.0, a.sum() + b.sum()

    planned = plan(trace(f, S))
    a, b = planned.graph.nodes[:2]
    assert np.shares_memory(planned.arrays[id(a)], planned.arrays[id(b)]) is False
    whole = next(node for node in planned.graph.nodes if node.op is ops.concatenate)
    assert all(np.shares_memory(planned.arrays[id(x)], planned.arrays[id(whole)]) for x in (a, b))
    compiled = compile(trace(f, S))
    assert compiled.source.count("copyto") == 2  # of x, and of a a second time


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.concatenate([x.exp(), x.exp() + 1, x]),
        lambda x: (lambda y: ops.concatenate([y, y]) * 2)(x.exp()),
        lambda x: (lambda y: ops.concatenate([ops.concatenate([y, x * 2]), -y]))(x.exp()),
        lambda x: (lambda y: (ops.concatenate([y, x]), ops.concatenate([x, y])))(x.exp()),
        lambda x: (lambda y: (y, ops.concatenate([y, x])))(x.exp()),
        lambda x: (lambda y: ops.concatenate([y, x]).sum() * y)(x.exp()),
        lambda x: (lambda y: ops.concatenate([y, x])[:2] + (-y)[:2] * 2)(x.exp()),
        lambda x: ops.concatenate([x[:0].exp(), x.exp(), np.ones(2)]),
        lambda x: ops.concatenate([x.exp().astype(np.float32), x.sin().astype(np.float32)]),
        lambda x: ops.concatenate([x.exp().reshape(2, 3), x.reshape(2, 3)], axis=1) + 1,
    ],
)
def test_a_concatenation_has_its_value(function) -> None:
    x = normal((6,))
    graph = trace(function, x)
    check_by_running(plan(graph), x)
    compiled = compile(graph)
    for _ in range(2):
        for y, z in zip(compiled(x), graph.run(x), strict=True):
            np.testing.assert_array_equal(y, z)


def test_every_kernel_that_may_hand_on_its_operand_is_known_to_the_plan() -> None:
    """An operation without ``out`` gives memory of its own, or it is a view."""
    for case in CASES:
        for node in trace(case.ours, *case.inputs).nodes:
            if node.op.takes_out or node.op.is_view:
                continue
            operands = [
                np.ones(x.shape, x.dtype) * (x.dtype.kind == "f") if isinstance(x, Symbol) else x
                for x in node.inputs
            ]
            operands = [
                x.astype(s.dtype) if isinstance(s, Symbol) else x
                for x, s in zip(operands, node.inputs, strict=True)
            ]
            y = node.op.kernel(*operands, **node.parameters)
            shared = [np.may_share_memory(y, x) for x in operands if isinstance(x, np.ndarray)]
            assert not any(shared), case


# --- Donated inputs -------------------------------------------------------------------------------


def donated(function, donate, states, *batch, rounds=3):
    """Run a compiled function that keeps states, and the same in Python."""
    inputs = [placeholder(np.shape(v), np.asarray(v).dtype) for v in (*states, *batch)]
    outputs = function(*inputs)
    graph = Graph(inputs, outputs)
    compiled = compile(graph, donate=donate)
    kept = dict(zip(donate.values(), compiled.state, strict=True))
    for position, array in kept.items():
        array[...] = states[position]
    values = [np.array(v) for v in (*states, *batch)]
    for _ in range(rounds):
        expected = graph.run(*values)
        passed = [v for i, v in enumerate(values) if i not in kept]
        found = compiled(*passed)
        returned = [y for i, y in enumerate(expected) if i not in donate]
        for y, z in zip(found, returned, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-14)
        for output, position in donate.items():
            np.testing.assert_allclose(kept[position], expected[output], rtol=1e-14)
            values[position] = np.array(expected[output])
        for y in found:
            y[...] = -7  # what is returned is the caller's
    return compiled


P, Q = normal((3,)), normal((3,), 1)
DONATED = {
    "an update": (lambda p, x: [p * x.sum(), p - x * 0.1], {1: 0}, [P], Q),
    "a swap": (lambda p, q: [q, p], {0: 0, 1: 1}, [P, Q]),
    "a rotation": (lambda p, q, r: [q, r, p], {0: 0, 1: 1, 2: 2}, [P, Q, P + 1]),
    "the old state is returned": (lambda p, x: [p, p + x], {1: 0}, [P], Q),
    "the new state is returned": (lambda p, x: (lambda y: [y, y])(p + x), {1: 0}, [P], Q),
    "an unchanged state": (lambda p, x: [p * x, p], {1: 0}, [P], Q),
    "an input": (lambda p, x: [p * x, x], {1: 0}, [P], Q),
    "a constant": (lambda p, x: [p * x, np.arange(3.0)], {1: 0}, [P], Q),
    "one result for two": (
        lambda p, q: (lambda y: [y, y, p])(p + q), {0: 0, 1: 1}, [P, Q]),
    "a view of a state": (lambda p, q: [ops.flip(p), ops.flip(q) + p], {0: 0, 1: 1}, [P, Q]),
    "it is read after the new state is known": (
        lambda p, x: (lambda y: [y, y * p])(p + x), {0: 0}, [P], Q),
    "something else uses its memory": (
        lambda p, x: [(p * 2.0).exp().sum() * x, x * x], {1: 0}, [P], Q),
    "something in its memory is still needed": (
        lambda p, x: (lambda y: [y * x, (x + 1) * (x + 2)])((p * 2.0).exp()), {1: 0}, [P], Q),
    "a view of it is read later": (
        lambda p, x: (lambda v: [p * x, v * 2.0])(p[::-1]), {0: 0}, [P], Q),
    "two states from one another": (
        lambda p, q, x: [p + q * x, q - p * x, p * q], {0: 0, 1: 1}, [P, Q], Q),
    "a state that nothing reads": (lambda p, x: [x * 2.0], {0: 0}, [P], Q),
    "a result that comes fresh": (lambda p, x: [ops.cumsum(p + x, axis=0), p], {0: 0}, [P], Q),
    "a concatenation": (
        lambda p, x: [ops.concatenate([p[:2] * 2.0, x[:1] + p[:1]]), p], {0: 0}, [P], Q),
    "0-d": (lambda p, x: [p + x, p], {0: 0}, [np.float64(1)], np.float64(2)),
    "no elements": (lambda p, x: [p + x, p], {0: 0}, [np.zeros((0, 3))], np.zeros((0, 3))),
    "integers": (lambda p, x: [p + 1, p * x], {0: 0}, [np.int64(1)], np.arange(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", DONATED)
def test_a_donated_input_has_the_new_value_after_the_call(name) -> None:
    function, donate, states, *batch = DONATED[name]
    donated(function, donate, states, *batch)


def test_an_update_is_computed_right_into_the_donated_memory() -> None:
    compiled = donated(*DONATED["an update"][:3], DONATED["an update"][3])
    assert "copyto" not in compiled.source
    assert compiled.plan.steps[-1].in_place


def test_a_result_goes_into_donated_memory_that_nobody_reads_any_more() -> None:
    compiled = donated(lambda p, x: [x * p.sum()], {0: 0}, [P], Q)
    assert "copyto" not in compiled.source
    assert sorted(compiled.plan.sizes) == [8, P.nbytes]


@pytest.mark.parametrize(
    ("outputs", "donate", "message"),
    [
        (lambda p, q: [p.sum()], {0: 0}, r"output 0 cannot overwrite input 0"),
        (lambda p, q: [p > q], {0: 1}, r"cannot overwrite input 1"),
        (lambda p, q: [p, q], {0: 0, 1: 0}, "donated to one output"),
        (lambda p, q: [p, q], {0: 2}, "no input 2"),
        (lambda p, q: [p, q], {-1: 0}, "no output -1"),
    ],
)
def test_what_cannot_be_donated_is_refused(outputs, donate, message) -> None:
    p, q = placeholder((3,)), placeholder((3,))
    with pytest.raises(ValueError, match=message):
        plan(Graph([p, q], outputs(p, q)), donate)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_random_updates_of_random_states(data) -> None:
    """Operations on what is there, in any order; any results become the next states."""
    count = data.draw(st.integers(1, 3))
    operations = [
        lambda a, b: a + b,
        lambda a, b: a * b.sum(),
        lambda a, b: a[::-1],
        lambda a, b: a.reshape(2, 2).T.reshape(4),
        lambda a, b: ops.concatenate([a[:1], b[1:]]),
        lambda a, b: ops.tanh(a),
        lambda a, b: ops.maximum(a, -b),
    ]
    length = data.draw(st.integers(1, 8))
    choices = st.tuples(st.sampled_from(operations), st.integers(0, 20), st.integers(0, 20))
    program = data.draw(st.lists(choices, min_size=length, max_size=length))
    chosen = data.draw(st.lists(st.integers(0, 20), min_size=count, max_size=count))
    also = data.draw(st.integers(0, 20))

    def f(*values):
        known = list(values)
        for operation, i, j in program:
            known.append(operation(known[i % len(known)], known[j % len(known)]))
        return [known[-1 - i % len(known)] for i in (*chosen, also)]

    states = [normal((4,), i) / 4 for i in range(count)]
    donated(f, {i: i for i in range(count)}, states, normal((4,), 9) / 4)


@pytest.mark.parametrize("case", PURE_CASES[::5], ids=str)
def test_the_plan_of_an_operation_and_its_gradient(case: Case) -> None:
    graph = trace(case.ours, *case.inputs)
    check_by_running(plan(passes.optimise(graph)), *case.inputs)


def test_the_buffer_of_a_result_that_nobody_reads_is_free_at_once() -> None:
    def lavish(x: Any) -> Any:
        for _ in range(5):
            ops.exp(ops.reshape(x, shape=(3, 2)) @ X[:2, :2])
        return ops.exp(x)

    assert len(plan(trace(lavish, np.ones(6))).sizes) <= 2
