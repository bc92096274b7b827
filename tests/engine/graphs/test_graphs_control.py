"""cond, while_loop and scan: as Python's if, while and for, in graphs and outside of them."""

from __future__ import annotations

import numpy as np
import pytest
from parity import normal

import dlcourse as dl
from dlcourse import Tensor, ops
from dlcourse.graphs import (
    compile,
    cond,
    gradient,
    gradients_of,
    placeholder,
    scan,
    trace,
    while_loop,
)
from dlcourse.graphs.compiler import passes

XS, S = normal((4, 3)), normal((3,), 1)


def branch(x, s):
    return cond(s.sum() > 0, lambda a: ops.sin(a) * s, lambda a: a * a, x).sum()


def branch_of_constants(x, s):
    return cond(s.sum() > 0, lambda: np.ones(2), lambda: np.zeros(2)).sum() * x.sum()


def branch_with_forms(x, s):
    picked = cond(
        x.sum() > 0,
        lambda d: {"p": (d["a"] * 2, d["b"]), "q": d["n"] + 1},
        lambda d: {"p": (d["b"], d["a"] - s), "q": d["n"] * 2},
        {"a": x[0], "b": x[1], "n": ops.argmax(s)},
    )
    return (picked["p"][0] * picked["p"][1] * picked["q"]).sum()


def running_sum(x, s):
    last, all_ = scan(lambda c, a: (c + a, c * a), s, x)
    return (last * last).sum() + (all_ * all_).sum()


def recurrent(x, s):
    def step(c, a):
        h = ops.tanh(c["h"] * s + a * x.sum())
        return {"h": h, "n": c["n"] + 1, "odd": ops.logical_not(c["odd"])}, (h, c["n"] * h.sum())

    start = {"h": s, "n": np.int64(0), "odd": np.bool_(False)}
    last, (hs, ns) = scan(step, start, x)
    return (last["h"] * hs).sum() + ns.sum() + ops.where(last["odd"], 1.0, 2.0) * last["n"]


def two_sequences(x, s):
    _, y = scan(lambda c, a: (c * a["p"].sum(), c * a["q"]), 1.0, {"p": x, "q": x[:, 0]})
    return y.sum() + (y * y).sum()


def no_results(x, s):
    return scan(lambda c, a: (c * a.sum() + s, None), s, x)[0].sum()


def no_carry(x, s):
    return scan(lambda c, a: (c, a * s), (), x)[1].sum()


def unchanged_carry(x, s):
    c, y = scan(lambda c, a: ((c[1], c[0]), a), (s, s * 2), x)
    return (c[0] * c[1]).sum() + (y * c[0]).sum()


def nested(x, s):
    def outer(c, a):
        def inner(d):
            return scan(lambda e, b: (e * b + s.sum(), e), d, a)[0]

        new = cond(a.sum() > 0, inner, lambda d: d * 2 + a[0], c)
        return new, new * c

    last, y = scan(outer, s.sum(), x)
    return last + y.sum()


def loops_in_a_row(x, s):
    _, first = scan(lambda c, a: (c + a, c * s), s, x)
    _, second = scan(lambda c, a: (c * a, c + a), s, first)
    return (first * second).sum()


FUNCTIONS = [branch, branch_of_constants, branch_with_forms, running_sum, recurrent, two_sequences,
             no_results, no_carry, unchanged_carry, nested, loops_in_a_row]  # fmt: skip
every_function = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
every_sign = pytest.mark.parametrize("sign", [1.0, -1.0])


def on_tensors(f, x, s):
    tensors = Tensor(x, requires_grad=True), Tensor(s, requires_grad=True)
    y = f(*tensors) + sum((t * 0).sum() for t in tensors)  # it may depend on none of them
    y.backward()
    return [y.data, *(np.zeros(t.shape) if t.grad is None else t.grad.data for t in tensors)]


@every_sign
@every_function
def test_a_graph_has_the_value_and_gradients_of_plain_python_on_tensors(f, sign) -> None:
    x, s = XS * sign, S * sign
    expected = on_tensors(f, x, s)
    graph = trace(f, XS, S)  # the same graph for both signs
    derived = gradient(graph)
    np.testing.assert_allclose(f(x, s), expected[0], rtol=1e-12)
    for found in (
        derived.run(x, s),
        compile(derived)(x, s),
        compile(derived, fuse=True)(x, s),
        gradient(passes.optimise(graph)).run(x, s),
        [*compile(graph)(x, s), *compile(derived)(x, s)[1:]],
    ):
        for y, z in zip(found, expected, strict=True):
            assert np.asarray(y).dtype == np.float64
            np.testing.assert_allclose(y, z, rtol=1e-11, atol=1e-13)


@every_sign
@every_function
def test_second_derivatives(f, sign) -> None:
    x, s = XS * sign, S * sign

    def first_in_graph(x, s):
        parts = gradients_of(f(x, s), [x, s])
        return sum((g * g).sum() for g in parts)

    def first_on_tensors(x, s):
        parts = dl.gradients(f(x, s), [x, s], create_graph=True)
        return sum((g * g).sum() for g in parts if g is not None)

    expected = on_tensors(first_on_tensors, x, s)
    derived = gradient(trace(first_in_graph, XS, S))
    for found in (derived.run(x, s), compile(derived)(x, s)):
        for y, z in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-10, atol=1e-12)


@every_function
def test_a_graph_runs_on_tensors_and_in_another_graph(f) -> None:
    graph = trace(f, XS, S)
    expected = on_tensors(f, XS, S)
    found = on_tensors(lambda x, s: graph.run(x, s)[0], XS, S)
    outer = gradient(trace(lambda x, s: graph.run(x, s)[0], XS, S))
    for y, z, w in zip(found, outer.run(XS, S), expected, strict=True):
        np.testing.assert_allclose(y, w, rtol=1e-12)
        np.testing.assert_allclose(z, w, rtol=1e-12)


@pytest.mark.parametrize("length", [0, 1, 2])
@pytest.mark.parametrize("f", [running_sum, recurrent, no_results, loops_in_a_row])
def test_a_scan_of_any_length(f, length) -> None:
    x = XS[:length]
    expected = on_tensors(f, x, S)
    np.testing.assert_allclose(f(x, S), expected[0], rtol=1e-12)
    derived = gradient(trace(f, x, S))
    for found in (derived.run(x, S), compile(derived)(x, S)):
        for y, z in zip(found, expected, strict=True):
            assert y.shape == z.shape
            np.testing.assert_allclose(y, z, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("length", [0, 1])
def test_the_results_of_a_scan_have_one_shape_whatever_its_length(length, shape, dtype) -> None:
    """Over numbers, vectors and matrices; of no rounds the body never tells what it returns."""

    def f(x, s):
        last, (whole, sums, counts) = scan(
            lambda c, a: (c * a, ({"p": a + c}, a.sum(), a > 0)), s, {"x": x}["x"]
        )
        return last, whole["p"], sums, counts

    x, s = normal((length, *shape)).astype(dtype), normal(shape, 1).astype(dtype)
    expected = [(shape, dtype), ((length, *shape), dtype), ((length,), dtype), (x.shape, np.bool_)]
    graph = trace(f, x, s)
    ways = [f(x, s), f(Tensor(x), Tensor(s)), graph.run(x, s), compile(graph)(x, s)]
    for found in ways:
        assert [(np.shape(y), y.dtype) for y in found] == expected
        for y, z in zip(found, ways[0], strict=True):
            np.testing.assert_allclose(getattr(y, "data", y), z, rtol=1e-6)
    if not length:
        np.testing.assert_array_equal(ways[0][0], s)


def test_float32_stays_float32() -> None:
    x, s = XS.astype("f4"), S.astype("f4")
    for f in (branch, running_sum, nested):
        assert {y.dtype for y in compile(gradient(trace(f, x, s)))(x, s)} == {np.dtype("f4")}


def test_a_scan_is_one_operation_whatever_its_length() -> None:
    counts = {len(gradient(trace(running_sum, normal((n, 3)), S)).nodes) for n in (2, 50)}
    assert len(counts) == 1


# --- while_loop -----------------------------------------------------------------------------------


def collatz(n):
    def next_of(m):
        is_even = ops.floor(m / 2) * 2 == m
        return cond(is_even, lambda k: k / 2, lambda k: k * 3 + 1, m)

    end = while_loop(
        lambda v: v["n"] > 1.0,
        lambda v: {"n": next_of(v["n"]), "steps": v["steps"] + 1},
        {"n": n * 1.0, "steps": 0},
    )
    return end["steps"]


@pytest.mark.parametrize(("n", "steps"), [(0, 0), (1, 0), (7, 16), (27, 111)])
def test_a_while_loop_runs_as_long_as_its_condition_holds(n, steps) -> None:
    graph = trace(collatz, np.int64(5))
    for found in (collatz(n), graph.run(n)[0], compile(graph)(n)[0]):
        assert int(found) == steps


@pytest.mark.parametrize("n", [0, 3])
def test_a_while_loop_may_depend_on_outer_symbols_alone(n) -> None:
    graph = trace(lambda n, x: while_loop(lambda v: v[0] < n, lambda v: (v[0] + 1, v[1] * x),
                                          (0, np.ones(3))), np.int64(1), S)  # fmt: skip
    count, power = compile(graph)(n, S)
    assert int(count) == n
    np.testing.assert_allclose(power, S**n)


def test_a_while_loop_on_tensors_is_differentiated_and_in_a_graph_refused() -> None:
    def f(x):
        return while_loop(lambda v: v.sum() < 100.0, lambda v: v * x, x).sum()

    x = Tensor([2.0, 3.0], requires_grad=True)
    f(x).backward()  # x ** 5, since the sum of x ** 4 is 97
    np.testing.assert_allclose(x.grad.data, 5 * x.data**4)
    with pytest.raises(TypeError, match="Use scan"):
        gradient(trace(f, np.ones(2)))
    aside = trace(lambda x, y: f(x) * y, np.ones(2), 1.0)
    np.testing.assert_allclose(gradient(aside, wrt=[1]).run(x.data, 1.0)[1], f(x).data)


# --- Memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x, s: cond(s.sum() > 0, lambda a: (a, a), lambda a: (a, a), s * 2),
        lambda x, s: scan(lambda c, a: (c, c), s * 2, x * 2),
        lambda x, s: scan(lambda c, a: (a, a), s, x * 2),
        lambda x, s: scan(lambda c, a: ((c[1], c[1]), None), (s, s * 2), x)[0],
        lambda x, s: while_loop(lambda v: v[0].sum() > 1e9, lambda v: v, (s * 2, s)),
        lambda x, s: cond(s.sum() > 0, lambda: (np.ones(3), np.ones(3)), lambda: (s, s)),
        lambda x, s: (lambda y: (y, y * 2 - 1))(cond(s.sum() > 0, lambda a: a, lambda a: a, s * 2)),
    ],
)
@every_sign
def test_results_share_memory_with_nothing(function, sign) -> None:
    graph = trace(function, XS, S)
    compiled = compile(graph)
    x, s = XS * sign, S * sign
    expected = [np.array(y) for y in graph.run(x, s)]
    for _ in range(3):
        found = compiled(x, s)
        for i, y in enumerate(found):
            np.testing.assert_array_equal(y, expected[i])
            assert not any(np.may_share_memory(y, z) for z in (*found[:i], x, s))
        for y in found:
            y[...] = np.nan
    np.testing.assert_array_equal(s, S * sign)


def test_operands_and_constants_are_copied_when_the_graph_is_traced() -> None:
    start, constant = np.ones(3), np.ones(3)
    graph = trace(lambda x: scan(lambda c, a: (c + a * constant, constant), start, x), XS)
    expected = [np.array(y) for y in graph.run(XS)]
    start[...] = constant[...] = 7
    for y, z in zip(graph.run(XS), expected, strict=True):
        np.testing.assert_array_equal(y, z)
    with pytest.raises(TypeError, match="would become a constant"):
        trace(lambda x: scan(lambda c, a: (c, a), Tensor(S, requires_grad=True), x), XS)
    with pytest.raises(TypeError, match="would become a constant"):
        trace(lambda x: scan(lambda c, a: (c * Tensor(S, requires_grad=True), a), S, x), XS)


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, s: cond(s > 0, lambda: x, lambda: x), r"boolean of shape \(\)"),
        (lambda x, s: cond(s.sum(), lambda: x, lambda: x), r"boolean of shape \(\)"),
        (lambda x, s: cond(s.sum() > 0, lambda: x, lambda: s), r"Expect: f64\[4,3\]"),
        (lambda x, s: cond(s.sum() > 0, lambda: s, lambda: s > 0), r"Actual: bool\[3\]"),
        (lambda x, s: cond(s.sum() > 0, lambda: (s, s), lambda: s), "cond: the branches"),
        (lambda x, s: cond(s.sum() > 0, lambda: (s, s), lambda: {"a": s, "b": s}), "other forms"),
        (lambda x, s: while_loop(lambda v: v > 0, lambda v: v, s), "one boolean"),
        (lambda x, s: while_loop(lambda v: v.sum(), lambda v: v, s), "one boolean"),
        (lambda x, s: while_loop(lambda v: v.sum() > 0, lambda v: v.sum(), s), r"Actual: f64\[\]"),
        (lambda x, s: while_loop(lambda v: v[0].sum() > 0, lambda v: {"a": v[0]}, (s,)), "forms"),
        (lambda x, s: scan(lambda c, a: (c.sum(), a), s, x), r"Expect: f64\[3\]"),
        (lambda x, s: scan(lambda c, a: ((c, c), a), s, x), "other forms"),
        (lambda x, s: scan(lambda c, a: (c, a), s, (x, s)), "of one length"),
        (lambda x, s: scan(lambda c, a: (c, a), s, s.sum()), "of one length"),
        (lambda x, s: scan(lambda c, a: (c, a), s, ()), "of one length"),
        (lambda x, s: scan(lambda c, a: (c, a), s, [1.0, 2.0]), "of one length"),
    ],
)
def test_what_does_not_fit_is_refused(function, message) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        trace(function, XS, S)


def test_the_gradient_of_random_numbers_inside_is_refused() -> None:
    generator = np.random.default_rng(0)

    def noisy(c, a):
        return c + a * ops.dropout_mask(a, rate=0.5, generator=generator), None

    def f(x):
        return scan(noisy, S, x)[0].sum()

    graph = trace(f, XS)
    values = {float(graph.run(XS)[0]) for _ in range(5)}
    assert len(values) > 1
    with pytest.raises(TypeError, match="draws random numbers"):
        gradient(graph)
    nested_in = trace(lambda x: cond(x.sum() > 0, lambda: f(x), lambda: x.sum()), XS)
    with pytest.raises(TypeError, match="draws random numbers"):
        gradient(nested_in)


def test_symbols_of_another_graph_are_refused() -> None:
    other = placeholder((3,))
    with pytest.raises(ValueError, match="of another graph"):
        trace(lambda x: scan(lambda c, a: (c + other, a), S, x), XS)


def test_equal_loops_with_equal_bodies_print_and_pass() -> None:
    def f(x, s):
        return running_sum(x, s) + running_sum(x, s)

    graph = trace(f, XS, S)
    assert "scan(s, x, body=body, counts=(1, 1), length=4, reverse=False)" in str(graph)
    np.testing.assert_allclose(passes.optimise(graph).run(XS, S), graph.run(XS, S))


def test_a_loop_in_anomaly_mode() -> None:
    with dl.detect_anomaly():
        derived = gradient(trace(running_sum, XS, S))
    np.testing.assert_allclose(derived.run(XS, S)[1], on_tensors(running_sum, XS, S)[1])
