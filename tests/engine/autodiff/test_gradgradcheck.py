"""gradgradcheck accepts the rules of every operation, and catches wrong ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from parity import CASES, Case, our_tensors

from dlcourse import Tensor, ops
from dlcourse.autodiff import gradcheck, gradgradcheck
from dlcourse.ops import Primitive

SIZE = 12  # elements of all inputs: the function is evaluated twice for each
EACH = 3  # cases for an operation


def small_cases() -> list[Case]:
    """For each operation the smooth cases that come closest to the wanted size."""
    by_op = defaultdict(list)
    for case in CASES:
        count = sum(x.size for x in case.inputs)
        if case.smooth and case.second and count:
            by_op[case.op].append((abs(count - SIZE), case))
    return [
        case
        for cases in by_op.values()
        for _, case in sorted(cases, key=lambda pair: pair[0])[:EACH]
    ]


@pytest.mark.parametrize("case", small_cases(), ids=str)
def test_second_derivatives_are_those_of_differences(case: Case) -> None:
    assert gradgradcheck(case.ours, our_tensors(case.inputs), atol=1e-4)


def test_every_operation_with_a_rule_is_checked() -> None:
    differentiable = {name for name, op in ops.PRIMITIVES.items() if op.each or any(op.rules)}
    assert {case.op for case in small_cases()} >= differentiable


def test_a_rule_that_is_right_but_no_function_of_the_graph_is_caught() -> None:
    def with_the_argument_as_a_constant(g, y, a):
        return g * 3 * (a.detach() if isinstance(a, Tensor) else a) ** 2

    cube = Primitive("cube", lambda a: a**3, "a ** 3", {"a": with_the_argument_as_a_constant})
    x = Tensor([0.5, -2.0], requires_grad=True)
    assert gradcheck(cube, x)
    with pytest.raises(AssertionError, match="input 0, element"):
        gradgradcheck(cube, x)


def test_a_rule_that_is_not_linear_in_the_upstream_gradient_is_caught() -> None:
    wrong = Primitive("double", lambda a: 2 * a, "2 * a", {"a": lambda g, y, a: g * g * 2})
    with pytest.raises(AssertionError):
        gradcheck(lambda x: wrong(x) * 3, Tensor([0.5], requires_grad=True))


def test_constants_stay_constants_and_the_callers_tensors_are_left_alone() -> None:
    x, n = Tensor(np.ones((2, 2)), requires_grad=True), Tensor([0, 0, 1])
    assert gradgradcheck(lambda x, n: (x * x)[n], [x, n])
    assert x.grad is None
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradgradcheck(lambda x: x * 2, Tensor([1.0]))
