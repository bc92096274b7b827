"""A failed operation names itself, what it expected and what it got."""

from __future__ import annotations

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor
from dlcourse.graphs import placeholder
from dlcourse.ops import PRIMITIVES, Primitive

a = Tensor(np.zeros((2, 3)), requires_grad=True)
b = Tensor(np.zeros((4, 5)))
vector = Tensor(np.zeros(4))
number = Tensor(1.0)
small = Tensor(np.array([100], np.int8))

FAILURES = {
    "matmul, matrices": (
        lambda: a @ b,
        ValueError,
        [
            "matmul:",
            "Expect: a.shape[-1] == b.shape[-2]",
            "Actual: 3 != 4",
            "a: shape (2, 3)",
            "b: shape (4, 5)",
        ],
    ),
    "matmul, matrix and vector": (
        lambda: a @ vector,
        ValueError,
        ["matmul:", "Expect: a.shape[-1] == b.shape[-1]", "Actual: 3 != 4"],
    ),
    "matmul, batches": (
        lambda: Tensor(np.zeros((2, 3, 4))) @ Tensor(np.zeros((3, 4, 5))),
        ValueError,
        ["matmul:", "shape (2, 3, 4)", "shape (3, 4, 5)"],
    ),
    "matmul, a number": (lambda: a @ number, ValueError, ["matmul:", "shape (2, 3)", "shape ()"]),
    "matmul, a Python number": (
        lambda: a @ 2.0,
        ValueError,
        ["matmul:", "shape (2, 3)", "float 2.0"],
    ),
    "linear, a Python number": (
        lambda: dl.linear(a, 2.0, vector),
        TypeError,
        ["linear:", "expected arrays, got float 2.0", "x: shape (2, 3)", "weight: float 2.0"],
    ),
    "add": (
        lambda: a + b,
        ValueError,
        ["add:", "Expect: shapes that broadcast", "Actual: (2, 3) and (4, 5)"],
    ),
    "where": (
        lambda: dl.where(a > 0, a, vector),
        ValueError,
        ["where:", "Actual: (2, 3) and (2, 3) and (4,)"],
    ),
    "reshape": (
        lambda: a.reshape(4, 2),
        ValueError,
        ["reshape:", "size 6", "(2, 3)", "shape=(4, 2)"],
    ),
    "transpose": (lambda: a.transpose(0, 0), ValueError, ["transpose:", "repeated", "axes=(0, 0)"]),
    "broadcast_to": (
        lambda: a.broadcast_to((4, 3)),
        ValueError,
        ["broadcast_to:", "(2, 3)", "shape=(4, 3)"],
    ),
    "getitem, out of range": (lambda: a[5], IndexError, ["getitem:", "5", "size 2", "index=5"]),
    "getitem, too many": (
        lambda: a[0, 0, 0],
        IndexError,
        ["getitem:", "2-dimensional", "index=(0, 0, 0)"],
    ),
    "getitem, no index": (lambda: a["x"], IndexError, ["getitem:", "index='x'"]),
    "sum, no such axis": (
        lambda: a.sum(axis=2),
        np.exceptions.AxisError,
        ["sum:", "expected -2 <= axis < 2, got axis=2", "shape (2, 3)"],
    ),
    "max, no elements": (lambda: Tensor(np.zeros(0)).max(), ValueError, ["max:", "shape (0,)"]),
    "power, integers": (
        lambda: Tensor([1, 2]) ** -1,
        ValueError,
        ["power:", "negative", "int64", "int -1"],
    ),
    "add, out of range": (lambda: small + 300, OverflowError, ["add:", "300", "int8"]),
    "softmax, integers": (
        lambda: Tensor([1, 2]).softmax(),
        TypeError,
        ["softmax:", "expected floating point numbers", "int64"],
    ),
    "logsumexp, integers": (
        lambda: Tensor([1, 2]).logsumexp(),
        TypeError,
        ["logsumexp:", "expected floating point numbers", "int64"],
    ),
    "negative, booleans": (lambda: -Tensor([True]), TypeError, ["negative:", "bool"]),
}


@pytest.mark.parametrize(("action", "error", "texts"), FAILURES.values(), ids=FAILURES)
def test_the_error_names_operation_expectation_and_arguments(action, error, texts) -> None:
    with pytest.raises(error) as caught:
        action()
    assert type(caught.value) is error
    for text in texts:
        assert text in str(caught.value)


def test_a_floating_point_error_that_numpy_was_told_to_raise_keeps_its_type() -> None:
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide: invalid"):
        Tensor([1.0]) / 0.0


# By the number of array arguments; 0 stands for any number.
OF_SEVERAL = [op for op in PRIMITIVES.values() if len(op.arguments) != 1]


@pytest.mark.parametrize("make", [Tensor, lambda x: placeholder(x.shape, x.dtype)])
@pytest.mark.parametrize("op", OF_SEVERAL, ids=lambda op: op.name)
def test_a_number_beside_an_array_is_taken_or_explained(op: Primitive, make) -> None:
    """By every operation of the table; an AttributeError would be about the kernel's text."""
    count = len(op.arguments) or 2
    for i in range(count):
        arguments = [make(np.full((2, 3), 0.5)) for _ in range(count)]
        arguments[i] = 2.0
        try:
            op(*(arguments if op.each is None else (arguments,)))
        except (ArithmeticError, IndexError, TypeError, ValueError) as error:
            assert op.name in str(error)


def test_a_kernel_with_a_mistake_says_what_it_says() -> None:
    broken = Primitive("broken", lambda a, b: a.shap, "", {"a": None, "b": None})
    with pytest.raises(AttributeError, match="shap"):
        broken(a, 2.0)


@pytest.mark.parametrize(
    ("a", "b", "inner"), [((2, 3), (4,), "b.shape[-1]"), ((2, 3), (4, 5), "b.shape[-2]")]
)
def test_a_product_that_does_not_fit_names_the_axes_that_must_agree(
    a: tuple[int, ...], b: tuple[int, ...], inner: str
) -> None:
    with pytest.raises(ValueError, match="matmul") as caught:
        dl.matmul(Tensor(np.ones(a)), Tensor(np.ones(b)))
    assert str(caught.value).splitlines()[1:3] == [
        f"  Expect: a.shape[-1] == {inner}",
        "  Actual: 3 != 4",
    ]
