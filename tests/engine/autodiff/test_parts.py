"""Gradients of the parts of an array: exact, and in time and memory linear in their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse import Tensor, detect_anomaly, grad, gradients, no_grad, ops, vmap
from dlcourse.graphs import compile, gradient, trace

SHAPE = (6, 5)

numbers = st.integers(-3, 2)
slices = st.builds(
    slice, st.none() | numbers, st.none() | st.integers(1, 6), st.none() | st.just(2)
)
indices = st.one_of(numbers, slices, st.tuples(slices, slices), st.tuples(numbers, slices))
programs = st.lists(st.tuples(indices, st.floats(0.5, 2)), min_size=1, max_size=6)


def use_of_parts(x: Any, program: list[tuple[Any, float]]) -> Any:
    """A loss of overlapping parts, and in between of the whole."""
    total = (x * x).sum()
    for i, (index, factor) in enumerate(program):
        part = x[index]
        total = total + (part * part * part * factor).sum()
        if i == 1:
            total = total + (x * factor).sum()
    return total


@given(programs, st.integers(0, 99))
@settings(deadline=None)
def test_the_gradients_of_overlapping_parts_are_pytorchs(program, seed) -> None:
    data = np.random.default_rng(seed).normal(size=SHAPE)
    theirs = torch.tensor(data, requires_grad=True)
    loss = use_of_parts(theirs, program)
    (first,) = torch.autograd.grad(loss, theirs, create_graph=True)
    (second,) = torch.autograd.grad((first * first).sum(), theirs)

    ours = Tensor(data, requires_grad=True)
    use_of_parts(ours, program).backward(retain_graph=True)
    np.testing.assert_allclose(ours.grad.data, first.detach(), rtol=1e-12)
    (recorded,) = gradients(use_of_parts(ours, program), [ours], create_graph=True)
    np.testing.assert_allclose(recorded.data, ours.grad.data, rtol=1e-12)
    (curvature,) = gradients((recorded * recorded).sum(), [ours])
    np.testing.assert_allclose(curvature.data, second, rtol=1e-12)

    graph = gradient(trace(lambda x: use_of_parts(x, program), data), with_value=False)
    compiled = compile(graph)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(data)[0], graph.run(data)[0])
    np.testing.assert_allclose(graph.run(data)[0], ours.grad.data, rtol=1e-12)

    batch = np.stack([data, -2 * data])
    each = vmap(grad(lambda x: use_of_parts(x, program)))(batch)
    alone = [grad(lambda x: use_of_parts(x, program))(x) for x in batch]
    np.testing.assert_allclose(each.data, [g.data for g in alone], rtol=1e-12)


def loop_over_time(x: Any) -> Any:
    h = 0
    for t in range(x.shape[0]):
        h = ops.tanh(x[t] * 1.5 + h)
    return h.sum()


def bytes_of_backward(loss: Callable[[Any], Any], steps: int) -> int:
    """The bytes of all arrays that the operations of a backward made."""
    x = Tensor(np.ones((steps, 50)), requires_grad=True)
    made = 0

    def counting(kernel: Any) -> Any:
        def count(*arguments: Any, **parameters: Any) -> Any:
            nonlocal made
            y = kernel(*arguments, **parameters)
            made += y.nbytes if parameters.get("out") is None and y.base is None else 0
            return y

        return count

    y = loss(x)
    with pytest.MonkeyPatch.context() as patch:
        for op in (ops.add, ops.scatter_add, ops.add_at, ops.multiply):
            patch.setattr(op, "kernel", counting(op.kernel))
        y.backward()
    return made


def peak_of_backward(steps: int) -> int:
    x = Tensor(np.ones((steps, 50)), requires_grad=True)
    loss = loop_over_time(x)
    tracemalloc.start()
    loss.backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_the_backward_of_a_loop_over_time_is_linear_in_the_steps() -> None:
    few, more, many = (bytes_of_backward(loop_over_time, n) for n in (20, 40, 80))
    assert many - more == 2 * (more - few)
    assert peak_of_backward(400) < 5 * peak_of_backward(100)


def test_the_compiled_gradient_of_a_loop_over_time_is_linear_in_the_steps() -> None:
    """Each part is added to the memory of the gradient, in place but for the first."""
    steps = 30
    compiled = compile(gradient(trace(loop_over_time, np.ones((steps, 50)))))
    adding = [step for step in compiled.plan.steps if step.node.op is ops.add_at]
    assert [step.in_place for step in adding] == [False] + [True] * (steps - 2)
    sources = [step.node.inputs[0] for step in adding[1:]]
    arrays = compiled.plan.arrays
    # The very array, which the kernel takes as a sign that there is nothing to copy.
    assert all(
        arrays[id(x)] is arrays[id(s.node)] for x, s in zip(sources, adding[1:], strict=True)
    )
    whole = [step for step in compiled.plan.steps if step.node.shape == (steps, 50)]
    assert len(whole) == len(adding) + 1


def test_a_part_is_not_added_to_memory_that_is_still_read() -> None:
    def function(x: Any, b: Any) -> Any:
        y = x * 2
        z = ops.add_at(y, b, index=1)
        return z, y + z

    values = np.arange(6.0).reshape(3, 2), np.array([10.0, 20.0])
    graph = trace(function, *values)
    for got, expected in zip(compile(graph)(*values), function(*values), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_gradient_of_a_leaf_is_its_own_whoever_held_the_parts() -> None:
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    seen = []
    parts = [x[i] for i in (0, 1, 1)]
    for part in parts:
        part.register_hook(lambda g: seen.append(g.data))
    x.register_hook(lambda g: seen.append(g.data.copy()))
    (parts[0] + parts[1] + parts[2]).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad.data, [[1, 1], [2, 2], [0, 0]])
    np.testing.assert_array_equal(seen[-1], x.grad.data)
    for array in seen[:-1]:
        np.testing.assert_array_equal(array, [1, 1])
        assert not np.may_share_memory(array, x.grad.data)


def test_a_gradient_that_others_hold_is_not_added_to() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    seed = np.ones((3, 2))
    y = x + 0  # hands the seed on, to an array of which there are parts
    middle = y * 1
    middle.retain_grad()
    loss = ops.concatenate([middle, y[0:1], y[0:1], y[0:2]])
    loss.backward(Tensor.wrap(np.concatenate([seed, np.ones((4, 2))])), retain_graph=True)
    np.testing.assert_array_equal(x.grad.data, [[4, 4], [2, 2], [1, 1]])
    np.testing.assert_array_equal(middle.grad.data, seed)
    y.backward(Tensor.wrap(seed))
    np.testing.assert_array_equal(seed, np.ones((3, 2)))
    np.testing.assert_array_equal(x.grad.data, [[5, 5], [3, 3], [2, 2]])


def test_a_changed_value_is_still_noticed() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    loss = (x[0] * x[1]).sum()
    with no_grad():
        x[0] = 2.0
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_in_anomaly_mode_the_parts_have_the_same_gradient() -> None:
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    with detect_anomaly():
        (x[0] * x[1] * x[1]).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[4, 9], [0, 6], [0, 0]])


def test_a_users_own_recurrent_network_has_pytorchs_gradients() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ((7, 2, 3), (3, 4), (4, 4))]
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    for x, w, u in (ours, theirs):
        h = (x[0] @ w).tanh()
        for t in range(1, 7):
            h = (x[t] @ w + h @ u).tanh()
        h.sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad, rtol=1e-12)
