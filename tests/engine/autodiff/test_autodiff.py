"""Tensor and its graph: what is recorded, how gradients gather, when the graph is freed."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from pathlib import Path
from types import FrameType

import engine_sources
import numpy as np
import pytest
import torch

import dlcourse as dl
from dlcourse import Tensor, enable_grad, no_grad, ops
from dlcourse.autodiff.sweep import gradients_at, reverse_sweep, sent_back


def variable(data) -> Tensor:
    return Tensor(data, requires_grad=True, dtype=float)


# --- Large and shared graphs ------------------------------------------------------------------


def test_a_chain_of_100000_nodes_is_differentiated_and_freed_without_recursion() -> None:
    x = variable(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert (y.item(), x.grad.item()) == (100_001.0, 1.0)


def test_a_chain_that_was_never_swept_is_freed_without_recursion() -> None:
    y = variable(1.0)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_a_diamond_of_depth_1000_visits_each_node_once() -> None:
    x = variable(1.0)
    y = x
    for _ in range(1000):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1.0


# Each script is run with both libraries' tensors.
SCRIPTS = {
    "x used twice": lambda x, w: (x * x).sum(),
    "x @ w @ w": lambda x, w: (x @ w @ w).sum(),
    "a node used three times": lambda x, w: ((h := (x @ w).tanh()) * h + h).sum(),
    "a leaf on two levels": lambda x, w: ((x @ w) * x + w.sum()).sum(),
    "the value of one path feeds another": lambda x, w: ((h := x * w).exp() / (h * h + 1)).sum(),
    "a node nobody uses": lambda x, w: (x * w, (x + w).sum())[1],
    "detached on one path": lambda x, w: (x * x.detach() * w).sum(),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_shared_nodes_receive_the_sum_of_their_gradients_as_in_pytorch(script) -> None:
    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    ours = [variable(x), variable(w)]
    theirs = [torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)]
    script(*ours).backward()
    script(*theirs).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-12)


# --- How gradients gather ---------------------------------------------------------------------


def test_gradients_of_several_sweeps_add_up_in_place_until_zero_grad() -> None:
    x = variable([1.0, 2.0])
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first
    np.testing.assert_array_equal(x.grad.data, [5.0, 7.0])
    x.zero_grad()
    assert x.grad is None
    np.testing.assert_array_equal(first.data, [5.0, 7.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_memory_neither_with_each_other_nor_with_the_seed(create_graph) -> None:
    a, b, c = variable([1.0, 2.0]), variable([3.0, 4.0]), variable([[1.0], [2.0]])
    seed = Tensor(np.ones((2, 2)))
    (a + b + c).backward(seed, create_graph=create_graph)
    d = variable([1.0, 2.0])
    d_seed = Tensor(np.ones(2))
    d.backward(d_seed, create_graph=create_graph)
    arrays = [a.grad.data, b.grad.data, c.grad.data, d.grad.data, seed.data, d_seed.data]
    for i, one in enumerate(arrays):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


def test_a_later_sweep_does_not_change_a_gradient_that_is_part_of_a_graph() -> None:
    x = variable(3.0)
    (x**3).backward(create_graph=True)
    derivative = x.grad
    twice = derivative * derivative  # its rule needs the value 27
    (x * 100).backward()
    assert (derivative.item(), x.grad.item()) == (27.0, 127.0)
    x.zero_grad()
    twice.backward()
    assert x.grad.item() == 2 * 27.0 * 18.0


def test_retain_grad_keeps_the_gradient_of_a_result_in_between() -> None:
    x = variable(2.0)
    y = x * x
    y.retain_grad()
    (y * 3).backward()
    assert (y.grad.item(), x.grad.item()) == (3.0, 12.0)
    with pytest.raises(RuntimeError, match="requires a gradient"):
        Tensor(1.0).retain_grad()


def test_only_leaves_that_require_it_receive_a_gradient() -> None:
    x, constant = variable(2.0), Tensor(3.0)
    y = x * constant
    (y + 1).backward()
    assert (x.grad.item(), constant.grad, y.grad) == (3.0, None, None)


# --- Seeds and misuse -------------------------------------------------------------------------


def test_backward_starts_from_the_given_gradient() -> None:
    x = variable([1.0, 2.0, 3.0])
    (x * x).backward([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(x.grad.data, [2.0, 40.0, 600.0])


def test_one_element_of_any_shape_needs_no_seed() -> None:
    x = variable([[2.0]])
    (x * x).backward()
    np.testing.assert_array_equal(x.grad.data, [[4.0]])


def freed() -> None:
    y = variable(2.0) * 3.0
    y.backward()
    y.backward()


def freed_below() -> None:
    h = variable(2.0).exp()
    (h * 2).backward()
    (h * 3).backward()


MISUSE = {
    "backward twice": (freed, r"multiply was freed .* retain_graph=True"),
    "backward through a freed part": (freed_below, r"through exp was freed"),
    "no scalar, no seed": (
        lambda: variable([1, 2]).backward(),
        r"scalar .* got shape \(2,\).*gradient=",
    ),
    "seed of another shape": (
        lambda: variable([1, 2]).backward([1.0]),
        r"expected .* \(2,\), got \(1,\)",
    ),
    "no graph": (lambda: Tensor(2.0).backward(), "found no graph.*requires_grad=True"),
    "detached": (lambda: (variable(2.0).detach() * 2).backward(), "found no graph"),
    "requires_grad of a result": (
        lambda: setattr(variable(1) * 2, "requires_grad", False),
        r"multiply.*detach\(\)",
    ),
    "numpy() of a variable": (lambda: variable(1.0).numpy(), r"detach\(\).numpy\(\)"),
    "np.asarray of a variable": (lambda: np.asarray(variable([1.0])), r"detach\(\).numpy\(\)"),
}


@pytest.mark.parametrize(("action", "text"), MISUSE.values(), ids=MISUSE)
def test_misuse_is_a_runtime_error_that_says_what_to_do(action, text) -> None:
    with pytest.raises(RuntimeError, match="(?s)" + text):
        action()


def test_a_failed_backward_leaves_all_gradients_as_they_were() -> None:
    x = variable(2.0)
    h = x.exp()
    (h * 2).backward()
    before = x.grad.item()
    with pytest.raises(RuntimeError, match="freed"):
        (x + h).backward()
    assert x.grad.item() == before


def test_retain_graph_allows_another_sweep() -> None:
    x = variable(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


# --- no_grad and enable_grad ------------------------------------------------------------------


def records() -> bool:
    return (variable(1.0) * 2).requires_grad


def test_no_grad_holds_in_its_block_also_nested_and_after_an_exception() -> None:
    with no_grad():
        assert not records()
        with no_grad():
            assert not records()
        assert not records()
        with enable_grad():
            assert records()
            with no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert records()


def test_no_grad_is_a_decorator_also_of_a_recursive_function() -> None:
    @no_grad()
    def below(depth: int) -> list[bool]:
        return [records(), *(below(depth - 1) if depth else []), records()]

    assert below(2) == [False] * 6
    assert records()


def test_a_context_can_be_entered_again() -> None:
    quiet = no_grad()
    for _ in range(2):
        with quiet, quiet:
            assert not records()
        assert records()


def test_no_grad_holds_in_its_own_thread_only() -> None:
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(records()))
        thread.start()
        thread.join()
        assert not records()
    assert seen == [True]


def test_backward_works_inside_no_grad_as_in_pytorch() -> None:
    x = variable(3.0)
    y = x * x
    with no_grad():
        y.backward()
    assert x.grad.item() == 6.0


def test_results_of_no_grad_are_leaves_without_history() -> None:
    with no_grad():
        y = variable(2.0) * 3
    assert y.is_leaf
    assert not y.requires_grad


# --- Higher order -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x**4,
        lambda x: x.exp() * x.sin(),
        lambda x: 1 / (1 + x * x),
        lambda x: x.tanh().log(),
    ],
)
def test_third_derivatives_are_those_of_pytorch(f) -> None:
    x, t = variable([0.7, 1.3]), torch.tensor([0.7, 1.3], dtype=torch.float64, requires_grad=True)
    y, u = f(x), f(t)
    for _ in range(3):
        x.zero_grad()
        y.sum().backward(create_graph=True)
        y = x.grad
        (u,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-9)


def test_a_gradient_is_no_part_of_a_graph_unless_asked() -> None:
    x = variable(2.0)
    (x**3).backward()
    assert not x.grad.requires_grad
    x.zero_grad()
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad


# --- Memory -----------------------------------------------------------------------------------


def test_a_graph_is_freed_by_reference_counts_alone() -> None:
    gc.collect()
    gc.disable()
    try:
        x = variable([1.0, 2.0])
        h = (x * 2).exp()
        loss = h.sum()
        node = weakref.ref(h)
        del h
        assert node() is not None  # the graph holds it
        loss.backward()
        assert node() is None  # swept, hence freed, although the loss is still there
        h = x * 3
        node = weakref.ref(h)
        unswept = h.sum()
        del h, unswept
        assert node() is None
    finally:
        gc.enable()


def peak_memory(nodes: int) -> int:
    """The most bytes that a chain of so many nodes and its backward hold at once."""
    x = variable(np.zeros(1000))
    tracemalloc.start()
    y = x
    for _ in range(nodes):
        y = y + 1.0
    y.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_linearly_with_the_graph() -> None:
    assert peak_memory(2000) < 2.2 * peak_memory(1000)


# --- Tensor as a value ------------------------------------------------------------------------

array = np.array([1.0, 4.0])
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "@": lambda a, b: a @ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


OPERANDS = [np.array([2.0, 4.0]), [2.0, 4.0], np.float64(2.0), 2.0, 2, True]


@pytest.mark.parametrize(
    ("operate", "other"),
    [
        pytest.param(operate, other, id=f"{name} {other!r}")
        for name, operate in OPERATORS.items()
        for other in OPERANDS
        if not (name == "@" and np.ndim(other) == 0)
    ],
)
def test_arrays_lists_and_numbers_are_operands_on_either_side(operate, other) -> None:
    x = variable(array)
    for result, expected in [
        (operate(x, other), operate(array, np.asarray(other))),
        (operate(other, x), operate(np.asarray(other), array)),
    ]:
        assert type(result) is Tensor
        np.testing.assert_array_equal(result.data, expected)
        assert result.dtype == expected.dtype


def test_an_array_takes_in_place_the_values_of_a_tensor_that_loses_no_gradient() -> None:
    target = array.copy()
    with pytest.raises(RuntimeError, match="would leave the graph"):
        target += variable(array)
    np.testing.assert_array_equal(target, array)
    target += Tensor(array)
    assert type(target) is np.ndarray
    np.testing.assert_array_equal(target, 2 * array)


def test_tensors_compare_by_element_and_hash_by_identity() -> None:
    a, b = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
    np.testing.assert_array_equal((a == b).data, [True, False])
    assert len({a, b, Tensor([1.0, 2.0])}) == 3


def test_iteration_goes_over_the_first_axis_and_is_differentiated() -> None:
    x = variable([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * second).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[3.0, 4.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="0-d"):
        iter(Tensor(1.0)).__next__()


def test_the_truth_of_a_tensor_is_that_of_its_only_element() -> None:
    assert Tensor([2.0])
    assert not Tensor(0.0)
    with pytest.raises(ValueError, match=r"shape \(2,\) is ambiguous"):
        bool(Tensor([1.0, 2.0]))


def test_a_tensor_of_one_element_converts_to_python_numbers() -> None:
    x = variable([[2.5]])
    assert (x.item(), float(x), int(x)) == (2.5, 2.5, 2)
    with pytest.raises(ValueError, match=r"one element, got shape \(2,\)"):
        Tensor([1, 2]).item()


def test_a_tensor_copies_its_data_and_detach_shares_it() -> None:
    source = np.zeros(2)
    x = Tensor(source, requires_grad=True)
    source[0] = 9.0
    assert x.data[0] == 0.0
    x.detach().numpy()[1] = 5.0
    assert x.data[1] == 5.0
    assert not x.detach().requires_grad


def test_the_dtype_is_numpys_unless_given() -> None:
    assert Tensor([1.0, 2.0]).dtype == np.float64
    assert Tensor([1, 2]).dtype == np.int64
    assert Tensor([True]).dtype == np.bool_
    assert Tensor([1, 2], requires_grad=True, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1, 2]), "Tensor([1, 2])"),
        (Tensor(1.5, requires_grad=True), "Tensor(1.5, requires_grad=True)"),
        (Tensor([1.5], dtype=np.float32), "Tensor([1.5], dtype=float32)"),
        (variable([1.0]) * 2, "Tensor([2.], op=multiply)"),
        (Tensor([1 / 3, 2 / 3]), "Tensor([0.3333, 0.6667])"),
        (Tensor([[1, 2], [3, 4]]), "Tensor([[1, 2],\n        [3, 4]])"),
    ],
)
def test_repr_shows_value_dtype_and_origin(tensor, text) -> None:
    assert repr(tensor) == text


def test_methods_are_the_functions() -> None:
    x = variable([[0.5, 2.0], [1.5, 3.0]])
    for name in ["exp", "log", "sqrt", "square", "sin", "cos", "tanh", "sigmoid", "relu", "abs"]:
        np.testing.assert_array_equal(getattr(x, name)().data, getattr(dl, name)(x).data)
    for name in ["sum", "mean", "max", "min", "logsumexp"]:
        for kwargs in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}):
            ours, function = getattr(x, name)(**kwargs), getattr(dl, name)(x, **kwargs)
            np.testing.assert_array_equal(ours.data, function.data)
    for name in ("softmax", "log_softmax"):
        for kwargs in ({}, {"axis": 0}):
            ours, function = getattr(x, name)(**kwargs), getattr(dl, name)(x, **kwargs)
            np.testing.assert_array_equal(ours.data, function.data)
    assert (abs(-x) == x).data.all()


def test_shapes_are_given_as_numbers_or_as_one_tuple() -> None:
    x = Tensor(np.arange(6.0).reshape(1, 2, 3))
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape([3, 2]).shape == (3, 2)
    assert x.reshape(-1).shape == (6,)
    assert x.transpose(2, 0, 1).shape == x.transpose((2, 0, 1)).shape == (3, 1, 2)
    assert x.transpose().shape == x.T.shape == (3, 2, 1)
    assert (len(x), x.ndim, x.size) == (1, 3, 6)


def test_tensors_are_indices_too() -> None:
    x = variable([10.0, 20.0, 30.0])
    rows = Tensor([2, 0, 2])
    x[rows].sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1.0, 0.0, 2.0])
    np.testing.assert_array_equal(x[x > 15].data, [20.0, 30.0])


def test_what_one_operation_sends_back_adds_up_to_the_gradients_of_the_sweep() -> None:
    x, w = Tensor([1.0, -2.0], requires_grad=True), Tensor([[3.0], [0.5]], requires_grad=True)
    loss = ((x * w).tanh() * x + x).sum()
    swept, summed = {}, {id(loss): np.array(1.0)}
    for node, g in reverse_sweep(loss, np.array(1.0), raw=True):
        swept[id(node)] = g
        np.testing.assert_allclose(summed[id(node)], g)
        for i, part in sent_back(node, g, raw=True) if node.op else ():
            assert part.shape == node.inputs[i].shape
            summed[id(node.inputs[i])] = summed.get(id(node.inputs[i]), 0) + part
    assert swept.keys() == summed.keys()
    assert gradients_at([w, Tensor(1.0), x], loss, np.array(1.0), raw=True)[1] is None


def test_backward_stays_within_the_core_of_the_engine() -> None:
    """Hooks, versions and anomaly mode are not called where they are not in use."""
    x = Tensor([3.0, 4.0], requires_grad=True)
    loss = (x * Tensor([1.0, 2.0]) + x).tanh().sum()
    package = Path(ops.__file__).parents[1]
    called = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(package):
            called.add(file.relative_to(package).as_posix())

    sys.setprofile(note)
    try:
        loss.backward()
    finally:
        sys.setprofile(None)
    # Kernels are what the operations of the rules compute.
    assert called - {"ops/kernels.py", "ops/fast.py"} <= {*engine_sources.CORE}
    assert "autodiff/sweep.py" in called


def test_a_division_in_place_is_recorded_where_the_graph_needs_it() -> None:
    x, d = Tensor([2.0, 6.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y /= d
    np.testing.assert_array_equal(y.data, [4.0, 6.0])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, 1.0])
    np.testing.assert_array_equal(d.grad.data, [-4.0, -3.0])
    z = Tensor([3.0])
    same = z.data
    z /= 2
    assert z.data is same and z.data[0] == 1.5


def test_a_given_gradient_is_taken_in_the_dtype_of_the_tensor() -> None:
    x = Tensor(np.ones(2), requires_grad=True, dtype=np.float32)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.dtype))
    y.backward(gradient=np.ones(2, np.float64))
    assert seen == [np.float32]
    assert x.grad.dtype == np.float32
