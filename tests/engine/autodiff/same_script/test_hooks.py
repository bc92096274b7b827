"""Hooks on gradients."""

from __future__ import annotations

import pytest

from same_script.case import Script, Scripts, assert_same, plain

script = Scripts()


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


@pytest.mark.parametrize("program", script, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_pytorch(program: Script) -> None:
    assert_same(program)
