"""Small programs that do the same with PyTorch's tensors and with dlcourse's.

Each takes a library and returns numbers, or raises. Where dlcourse differs on purpose, `DIFFERENT`
says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlcourse import Tensor, enable_grad, no_grad, ops
from dlcourse.autodiff import gradients
from dlcourse.autodiff.recording import Recording, is_recording

Script = Callable[[Any], Any]


class Ours:
    """The names that the scripts use, in dlcourse."""

    no_grad, enable_grad, set_grad_enabled = no_grad, enable_grad, Recording
    is_grad_enabled = staticmethod(is_recording)
    where, relu = ops.where, ops.relu

    @staticmethod
    def tensor(data: Any, requires_grad: bool = False, dtype: str | None = "float64") -> Tensor:
        return Tensor(data, requires_grad=requires_grad, dtype=dtype)

    @staticmethod
    def variable(data: Any, dtype: str = "float64") -> Tensor:
        return Ours.tensor(data, True, dtype)

    @staticmethod
    def grad(y: Tensor, xs: list[Tensor], seed: Any = None, **options: Any) -> Any:
        return gradients(y, xs, seed, **options)


class Theirs:
    """The same names in PyTorch."""

    no_grad, enable_grad, set_grad_enabled = (
        torch.no_grad,
        torch.enable_grad,
        torch.set_grad_enabled,
    )
    is_grad_enabled = staticmethod(torch.is_grad_enabled)
    where, relu = torch.where, torch.relu

    @staticmethod
    def tensor(data: Any, requires_grad: bool = False, dtype: str | None = "float64") -> Any:
        kind = None if dtype is None else getattr(torch, dtype)
        return torch.tensor(data, requires_grad=requires_grad, dtype=kind)

    @staticmethod
    def variable(data: Any, dtype: str = "float64") -> Any:
        return Theirs.tensor(data, True, dtype)

    @staticmethod
    def grad(y: Any, xs: list[Any], seed: Any = None, **options: Any) -> Any:
        return torch.autograd.grad(y, xs, seed, allow_unused=True, **options)


def plain(result: Any) -> Any:
    """A result in Python's own terms: shape, dtype and rounded elements of a tensor."""
    if isinstance(result, list | tuple):
        return [plain(x) for x in result]
    if isinstance(result, Tensor):
        return (result.shape, result.dtype.name, np.round(result.data, 10).tolist())
    if isinstance(result, torch.Tensor):
        array = result.numpy(force=True)
        return (array.shape, array.dtype.name, np.round(array, 10).tolist())
    return result


def outcome(script: Script, library: Any) -> Any:
    try:
        return plain(script(library))
    except Exception as error:
        return type(error)


SCRIPTS: list[Script] = []
FAILURES: dict[Script, type[Exception]] = {}


def script(function: Script) -> Script:
    SCRIPTS.append(function)
    return function


def failure(function: Script) -> Script:
    FAILURES[function] = RuntimeError
    return function


# --- Gradients: where they go and how they gather -------------------------------------------------


@script
def gradients_add_up_until_they_are_forgotten(lib):
    x = lib.variable([1.0, 2.0])
    (x * 3.0).sum().backward()
    (x * x).sum().backward()
    both = x.grad * 1.0
    x.grad = None
    (x * x).sum().backward()
    return [both, x.grad]


@script
def a_leaf_used_twice(lib):
    x, w = lib.variable([[1.0, 2.0], [3.0, 4.0]]), lib.variable([[1.0, 0.5], [0.0, 2.0]])
    (x @ w @ w).sum().backward()
    return [x.grad, w.grad]


@script
def a_diamond_of_depth_sixty(lib):
    x = lib.variable(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    return [y, x.grad]


@script
def broadcasting_with_kept_axes(lib):
    x, b = lib.variable([[1.0, 2.0], [3.0, 5.0]]), lib.variable([[1.0], [2.0]])
    centred = x - x.mean(1, True)
    (centred * b / (1.0 + (centred * centred).sum(0, True))).sum().backward()
    return [x.grad, b.grad]


@script
def a_seed_of_another_dtype_is_converted(lib):
    x = lib.variable([1.0, 2.0])
    (x * x).backward(lib.tensor([1.0, 10.0], dtype="float32"), retain_graph=True)
    return x.grad


@script
def a_leaf_is_its_own_gradients_end(lib):
    x = lib.variable(2.0)
    x.backward()
    return x.grad


@script
def single_precision_has_a_gradient_in_single_precision(lib):
    x, w = lib.variable([1.0, 2.0], dtype="float32"), lib.variable([3.0, 4.0])
    y = x * w * 2.0
    y.sum().backward()
    return [y, x.grad, w.grad]


@script
def constants_and_results_have_no_gradient(lib):
    x, c = lib.variable(2.0), lib.tensor(3.0)
    y = x * c
    y.backward()
    return [x.grad, c.grad, c.requires_grad, y.requires_grad, y.is_leaf, x.is_leaf]


@script
def comparisons_need_no_gradient(lib):
    x = lib.variable([1.0, 2.0])
    mask = x > 1.5
    lib.where(mask, x * x, -x).sum().backward()
    return [mask.requires_grad, x.grad]


@script
def asking_for_gradients_of_some_tensors(lib):
    x, w, unused = lib.variable(2.0), lib.variable(3.0), lib.variable(1.0)
    h = x * w
    y = h * h
    return [*lib.grad(y, [h, x, unused], retain_graph=True), *lib.grad(y, [w]), x.grad]


@script
def a_gradient_of_a_gradient(lib):
    x = lib.variable([0.5, 2.0])
    (first,) = lib.grad((x**3).sum(), [x], create_graph=True)
    (second,) = lib.grad((first * first).sum(), [x])
    return [first, second]


@script
def retain_graph(lib):
    x = lib.variable(3.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


# --- Recording ------------------------------------------------------------------------------------


@script
def contexts_in_contexts(lib):
    x = lib.variable(2.0)
    seen = [lib.is_grad_enabled()]
    with lib.no_grad():
        seen += [lib.is_grad_enabled(), (x * x).requires_grad]
        with lib.enable_grad():
            seen += [lib.is_grad_enabled(), (x * x).requires_grad]
        with lib.set_grad_enabled(True):
            seen.append((x * x).requires_grad)
        seen.append((x * x).requires_grad)
    with lib.set_grad_enabled(False):
        seen.append((x * x).requires_grad)
    return [*seen, (x * x).requires_grad]


@script
def a_decorated_function(lib):
    x = lib.variable(2.0)

    @lib.no_grad()
    def double(x):
        return x * 2.0

    return [double(x).requires_grad, (x * 2.0).requires_grad]


@script
def detached_values_are_constants(lib):
    x = lib.variable([1.0, 2.0])
    (x * x.detach()).sum().backward()
    return [x.grad, x.detach().requires_grad]


@script
def detach_shares_memory(lib):
    x = lib.variable([1.0, 2.0])
    x.detach()[0] = 5.0
    return x


@script
def a_model_that_is_frozen_and_thawed(lib):
    w = lib.variable([1.0, 2.0])
    w.requires_grad = False
    y = (w * 2.0).sum()
    w.requires_grad = True
    z = (w * 2.0).sum()
    return [y.requires_grad, z.requires_grad]


# --- Hooks ----------------------------------------------------------------------------------------


@script
def hooks_run_in_order_and_may_replace_the_gradient(lib):
    x, seen = lib.variable([1.0, 2.0]), []
    x.register_hook(lambda g: seen.append(("first", plain(g))))
    x.register_hook(lambda g: g * 2.0)
    x.register_hook(lambda g: seen.append(("last", plain(g))))
    (x * 3.0).sum().backward()
    return [seen, x.grad]


@script
def a_removed_hook_is_not_called(lib):
    x, seen = lib.variable(1.0), []
    handle = x.register_hook(lambda g: seen.append(1))
    x.register_hook(lambda g: seen.append(2))
    (x * 3.0).backward()
    handle.remove()
    handle.remove()
    (x * 3.0).backward()
    return [seen, x.grad]


@script
def a_hook_in_the_middle_sees_the_whole_gradient_once(lib):
    x, seen = lib.variable([1.0, 2.0]), []
    h = x * 2.0
    h.register_hook(lambda g: seen.append(plain(g)))
    h.register_hook(lambda g: -g)
    (h * h + h).sum().backward()
    return [seen, x.grad]


@script
def retain_grad_keeps_what_the_hooks_leave(lib):
    x = lib.variable([1.0, 2.0])
    early, late = x * 2.0, x * 3.0
    early.retain_grad()
    early.register_hook(lambda g: g * 10.0)
    late.register_hook(lambda g: g * 10.0)
    late.retain_grad()
    (early + late).sum().backward()
    return [early.grad, late.grad, x.grad]


@script
def a_hook_is_part_of_a_recorded_sweep(lib):
    x = lib.variable(2.0)
    handle = x.register_hook(lambda g: g * g)
    (first,) = lib.grad(x**3, [x], create_graph=True)
    handle.remove()
    (second,) = lib.grad(first, [x])
    return [first, second]


@script
def a_hook_sees_the_gradient_that_autograd_grad_returns(lib):
    x, seen = lib.variable(2.0), []
    x.register_hook(lambda g: seen.append(plain(g)))
    (g,) = lib.grad(x * 3.0, [x])
    return [seen, g, x.grad]


# --- Changes in place -----------------------------------------------------------------------------


def after_change(lib, function, change, *data):
    """The gradients at ``data`` if what ``change`` names is overwritten before the sweep."""
    xs = [lib.variable(x) for x in data]
    y = function(*xs)
    with lib.no_grad():
        change(y, *xs)
    y.sum().backward()
    return [x.grad for x in xs]


def double(x):
    x *= 2.0


def overwrite(x):
    x[0] = 7.0


# Operation, what is changed; the first group needs the value that changes, the second does not.
NEEDED = {
    "the other factor": (lambda a, b: a * b, lambda y, a, b: double(b)),
    "the base of a square": (lambda a, b: a * a + b, lambda y, a, b: double(a)),
    "the result of exp": (lambda a, b: a.exp(), lambda y, a, b: double(y)),
    "the result of tanh": (lambda a, b: (a * b).tanh(), lambda y, a, b: double(y)),
    "the argument of log": (lambda a, b: a.log(), lambda y, a, b: double(a)),
    "the divisor": (lambda a, b: a / b, lambda y, a, b: double(b)),
    "one element": (lambda a, b: a * b, lambda y, a, b: overwrite(a)),
    "through detach": (lambda a, b: a * b, lambda y, a, b: double(a.detach())),
    "through a view": (lambda a, b: a * b, lambda y, a, b: double(a[:1])),
    "through a view of a view": (
        lambda a, b: a * b,
        lambda y, a, b: double(a.reshape(2, 1).detach()[1:]),
    ),
    "zeroed": (lambda a, b: a.sin() * b, lambda y, a, b: b.zero_()),
    "copied into": (lambda a, b: a.sin(), lambda y, a, b: a.copy_(b)),
}
NOT_NEEDED = {
    "a summand": (lambda a, b: a + b, lambda y, a, b: double(a)),
    "a sum": (lambda a, b: a + b, lambda y, a, b: double(y)),
    "the result of a product": (lambda a, b: a * b, lambda y, a, b: double(y)),
    "the argument of exp": (lambda a, b: a.exp() * 1.0, lambda y, a, b: double(a)),
    "the argument of relu": (lambda a, b: a.relu() * 1.0, lambda y, a, b: double(a)),
    "the argument of a sum": (lambda a, b: a.sum() + b, lambda y, a, b: double(a)),
    "the argument of a mean": (lambda a, b: a.mean() * 2.0, lambda y, a, b: double(a)),
    "the argument of indexing": (lambda a, b: a[1:] * 2.0, lambda y, a, b: double(a)),
    "the argument of reshape": (lambda a, b: a.reshape(2, 1) * 2.0, lambda y, a, b: overwrite(a)),
    "a factor that only a constant needs": (
        lambda a, b: a * b.detach(),
        lambda y, a, b: double(a),
    ),
}


@pytest.mark.parametrize("name", NEEDED)
def test_a_change_of_a_value_that_the_derivative_needs_raises_in_both(name: str) -> None:
    for lib in (Theirs, Ours):
        with pytest.raises(RuntimeError, match=r"(in place|inplace)"):
            after_change(lib, *NEEDED[name], [1.0, 2.0], [3.0, 4.0])


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_a_change_of_a_value_that_it_does_not_need_is_fine_in_both(name: str) -> None:
    ours, theirs = (
        plain(after_change(lib, *NOT_NEEDED[name], [1.0, 2.0], [3.0, 4.0]))
        for lib in (Ours, Theirs)
    )
    assert ours == theirs


@script
def gradient_descent_in_place(lib):
    w = lib.variable([1.0, -2.0])
    for _ in range(5):
        loss = (w * w).sum()
        loss.backward()
        with lib.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return [w, w.requires_grad, w.is_leaf]


@script
def a_result_is_augmented(lib):
    x = lib.variable([1.0, 2.0])
    y = x * 2.0
    y += 1.0
    y *= 3.0
    y.sum().backward()
    return x.grad


@script
def a_constant_gathers_a_sum(lib):
    x, total = lib.variable([1.0, 2.0]), lib.tensor([0.0, 0.0])
    for _ in range(3):
        total += x * x
    total.sum().backward()
    return [total, x.grad]


@script
def a_constant_is_changed_before_it_is_used(lib):
    x, c = lib.variable([1.0, 2.0]), lib.tensor([0.0, 0.0])
    c[1] = 5.0
    c += 1.0
    (x * c).sum().backward()
    return x.grad


# --- What both refuse -----------------------------------------------------------------------------


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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_pytorch(script: Script) -> None:
    assert plain(script(Ours)) == plain(script(Theirs))


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
