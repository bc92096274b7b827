"""Where gradients go, and how they gather."""

from __future__ import annotations

import pytest

from same_script.case import Script, Scripts, assert_same

script = Scripts()


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
def backward_to_some_inputs_only(lib):
    x, w, u = lib.variable([1.0, 2.0]), lib.variable(3.0), lib.variable(4.0)
    h = x * w
    y = (h * h).sum() * u
    y.backward(inputs=[h, x], retain_graph=True)
    first = [h.grad, x.grad, w.grad, u.grad]
    y.backward(inputs=w)
    return [*first, x.grad, w.grad, u.grad]


@script
def backward_to_a_tensor_that_has_no_part_in_it(lib):
    x, unused = lib.variable(2.0), lib.variable(3.0)
    (x * x).backward(inputs=(unused,))
    return [x.grad, unused.grad]


@script
def retain_graph(lib):
    x = lib.variable(3.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@pytest.mark.parametrize("program", script, ids=lambda f: f.__name__)
def test_the_script_gives_what_it_gives_in_pytorch(program: Script) -> None:
    assert_same(program)
