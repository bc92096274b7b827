"""Changes in place: where they are right, and where they would spoil a gradient."""

from __future__ import annotations

import pytest

from same_script.case import Ours, Script, Scripts, Theirs, assert_same, plain

script = Scripts()


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


@pytest.mark.parametrize("program", script, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_pytorch(program: Script) -> None:
    assert_same(program)
