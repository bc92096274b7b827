"""What both refuse, and where dlcourse differs on purpose: `DIFFERENT` says so."""

from __future__ import annotations

from typing import Any

import pytest

from same_script.case import Ours, Script, Theirs, outcome

FAILURES: dict[Script, type[Exception]] = {}


def failure(function: Script) -> Script:
    FAILURES[function] = RuntimeError
    return function


@failure
def backward_twice(lib):
    y = lib.variable(2.0).exp()
    y.backward()
    y.backward()


@failure
def backward_through_a_part_that_was_freed(lib):
    h = lib.variable(2.0).exp()
    (h * 2.0).backward()
    (h * 3.0).backward()


@failure
def backward_without_a_graph(lib):
    (lib.tensor([1.0]) * 2.0).backward()


@failure
def backward_of_a_detached_value(lib):
    lib.variable(2.0).exp().detach().backward()


@failure
def backward_of_a_value_of_no_grad(lib):
    with lib.no_grad():
        y = lib.variable(2.0) * 2.0
    y.backward()


@failure
def grad_without_a_graph(lib):
    x = lib.variable(2.0)
    lib.grad((x * x).detach(), [x])


@failure
def a_vector_without_a_seed(lib):
    (lib.variable([1.0, 2.0]) * 2.0).backward()


@failure
def a_seed_of_another_shape(lib):
    (lib.variable([1.0, 2.0]) * 2.0).backward(lib.tensor([1.0, 1.0, 1.0]))


@failure
def a_leaf_augmented_in_place(lib):
    w = lib.variable([1.0, 2.0])
    w += 1.0


@failure
def a_leaf_assigned_to(lib):
    w = lib.variable([1.0, 2.0])
    w[0] = 1.0


@failure
def a_leaf_zeroed(lib):
    lib.variable([1.0, 2.0]).zero_()


@failure
def requires_grad_of_a_result(lib):
    y = lib.variable([1.0, 2.0]) * 2.0
    y.requires_grad = False


@failure
def numpy_of_a_variable(lib):
    lib.variable([1.0]).numpy()


@failure
def a_hook_on_a_constant(lib):
    lib.tensor([1.0]).register_hook(lambda g: g)


@failure
def retain_grad_of_a_constant(lib):
    lib.tensor([1.0]).retain_grad()


@failure
def a_hook_that_changes_the_shape(lib):
    x = lib.variable([1.0, 2.0])
    x.register_hook(lambda g: g[:1])
    (x * 2.0).sum().backward()


def a_hook_that_returns_a_number(lib):
    x = lib.variable([1.0, 2.0])
    x.register_hook(lambda g: 3.0)
    (x * 2.0).sum().backward()


FAILURES[a_hook_that_returns_a_number] = TypeError


@pytest.mark.parametrize("script", FAILURES, ids=lambda f: f.__name__)
def test_the_script_fails_as_it_fails_in_pytorch(script: Script) -> None:
    assert outcome(script, Theirs) is FAILURES[script]
    assert outcome(script, Ours) is FAILURES[script]


# --- Where dlcourse differs on purpose ------------------------------------------------------------


def integers_that_require_a_gradient(lib):
    lib.tensor([1, 2], requires_grad=True, dtype=None)


def shapes_that_do_not_broadcast(lib):
    lib.variable([1.0, 2.0]) + lib.variable([1.0, 2.0, 3.0])


def backward_twice_where_no_value_was_saved(lib):
    x = lib.variable([1.0, 2.0])
    y = (x + x).sum()
    y.backward()
    y.backward()
    return x.grad


def a_result_assigned_to(lib):
    y = lib.variable([1.0, 2.0]) * 1.0
    y[0] = 5.0
    return y


def a_result_multiplied_by_itself_in_place(lib):
    x = lib.variable([1.0, 2.0])
    y = x * 1.0
    y *= y
    y.sum().backward()
    return x.grad


# Script, what PyTorch does, what dlcourse does. Types and shapes are NumPy's errors; a freed graph
# and a change that the graph would have to know of are refused always. `y *= y` makes a new tensor
# where the graph needs the old one.
DIFFERENT = [
    (integers_that_require_a_gradient, RuntimeError, TypeError),
    (shapes_that_do_not_broadcast, RuntimeError, ValueError),
    (backward_twice_where_no_value_was_saved, ((2,), "float64", [4.0, 4.0]), RuntimeError),
    (a_result_assigned_to, ((2,), "float64", [5.0, 2.0]), RuntimeError),
    (a_result_multiplied_by_itself_in_place, RuntimeError, ((2,), "float64", [2.0, 4.0])),
]


@pytest.mark.parametrize(
    ("script", "theirs", "ours"), DIFFERENT, ids=lambda f: getattr(f, "__name__", "")
)
def test_the_differences_are_these(script: Script, theirs: Any, ours: Any) -> None:
    assert outcome(script, Theirs) == theirs
    assert outcome(script, Ours) == ours
