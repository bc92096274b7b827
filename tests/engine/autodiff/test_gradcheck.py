"""gradcheck accepts right rules and catches wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlcourse import Tensor, gradcheck, no_grad, ops
from dlcourse.ops import Primitive

x = Tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True)
row = Tensor([1.0, 2.0, -3.0], requires_grad=True)


def with_rules(kernel: Any, **rules: Any) -> Primitive:
    """A primitive that is not entered into the table."""
    return Primitive("wrong", kernel, "a wrong rule", rules)


WRONG = {
    "sign": with_rules(np.sin, a=lambda g, y, a: -g * ops.cos(a)),
    "factor": with_rules(np.square, a=lambda g, y, a: g * a),
    "upstream gradient forgotten": with_rules(np.exp, a=lambda g, y, a: y),
    "rule of the other argument": with_rules(
        np.multiply, a=lambda g, y, a, b: g * a, b=lambda g, y, a, b: g * b
    ),
    "wrong in one element": with_rules(
        np.sin, a=lambda g, y, a: g * ops.where(ops.equal(a, 2.0), 0.0, ops.cos(a))
    ),
    "no gradient at all": with_rules(np.exp, a=None),
}


@pytest.mark.parametrize("op", WRONG.values(), ids=WRONG)
def test_a_wrong_rule_is_caught(op) -> None:
    with pytest.raises(AssertionError, match=r"d\(output element \d+\)/d\(input 0, element"):
        gradcheck(op, [x, row][: len(op.arguments)])


def test_a_wrong_rule_of_the_second_argument_is_named() -> None:
    op = with_rules(np.add, a=lambda g, y, a, b: g, b=lambda g, y, a, b: -g)
    with pytest.raises(AssertionError, match=r"d\(output element 0\)/d\(input 1, element \(0,\)\)"):
        gradcheck(op, [x, row])


def test_a_rule_that_forgets_to_restore_a_reduced_axis_is_caught() -> None:
    op = with_rules(np.sum, a=lambda g, y, a: g)
    with pytest.raises(ValueError, match="cannot belong"):
        gradcheck(op, x)


def test_a_missing_unbroadcast_is_caught(monkeypatch) -> None:
    monkeypatch.setattr(ops, "unbroadcast", lambda g, shape: g)
    with pytest.raises((AssertionError, ValueError)):
        gradcheck(ops.multiply, [x, row])


def test_an_unbroadcast_over_the_wrong_axis_is_caught(monkeypatch) -> None:
    def over_the_last_axis(g, shape):
        return g if g.shape == shape else ops.sum(g, axis=-1)

    monkeypatch.setattr(ops, "unbroadcast", over_the_last_axis)
    square, other = (
        Tensor(np.eye(3) + 1, requires_grad=True),
        Tensor([1.0, 2, 3], requires_grad=True),
    )
    with pytest.raises(AssertionError, match="input 1"):
        gradcheck(ops.multiply, [square, other])


def test_right_rules_pass_for_any_shape_of_result() -> None:
    assert gradcheck(lambda a, b: a * b + (a @ b).tanh().sum(), [x, row])
    assert gradcheck(lambda a: a.sum(), x)
    assert gradcheck(lambda a: a[:0], x)
    assert gradcheck(lambda a, b: a * 2, [x, row])  # b is not used: its Jacobian is zero


def test_inputs_without_requires_grad_are_constants() -> None:
    assert gradcheck(lambda a, n: a[n] * 2, [row, Tensor([0, 0, 2])])


def test_the_callers_tensors_are_left_alone() -> None:
    before = x.data.copy()
    gradcheck(ops.exp, x)
    assert x.grad is None
    np.testing.assert_array_equal(x.data, before)


def test_it_records_although_the_caller_is_inside_no_grad() -> None:
    with no_grad():
        assert gradcheck(ops.exp, x)


@pytest.mark.parametrize(
    ("function", "inputs", "error", "text"),
    [
        (
            ops.exp,
            Tensor([1.0], requires_grad=True, dtype=np.float32),
            TypeError,
            "float64, input 0 is float32",
        ),
        (ops.exp, Tensor([1.0]), ValueError, "expected an input with requires_grad=True"),
        (lambda a: 3.0, Tensor([1.0], requires_grad=True), TypeError, "returns a Tensor"),
    ],
)
def test_what_cannot_be_checked_is_refused(function, inputs, error, text) -> None:
    with pytest.raises(error, match=text):
        gradcheck(function, inputs)


def test_an_input_without_elements_has_a_jacobian_without_columns() -> None:
    empty = Tensor(np.zeros((0, 2)), requires_grad=True)
    full = Tensor(np.ones(3), requires_grad=True)
    assert gradcheck(lambda a, b: b * a.sum(), [empty, full])


def test_a_gradient_that_is_nan_where_the_difference_is_agrees_with_it() -> None:
    with np.errstate(invalid="ignore"):
        assert gradcheck(ops.sqrt, [Tensor(-1.0, requires_grad=True)])
