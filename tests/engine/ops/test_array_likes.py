"""Every operation takes lists and numbers where it takes arrays, and says what axis it wanted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, islice
from typing import Any

import numpy as np
import pytest
from parity import CASES, Case

import dlcourse as dl
from dlcourse import Tensor, graphs, ops

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at poles


def few_cases() -> list[Case]:
    pure = [c for c in CASES if ops.PRIMITIVES[c.op].pure]
    by_op = groupby(sorted(pure, key=lambda c: c.op), lambda c: c.op)
    return [case for _, cases in by_op for case in islice(cases, 0, 30, 6)]


def calls_of(case: Case) -> list[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    """The raw arguments and parameters of each call of the case's operation, and the result."""
    op, calls = ops.PRIMITIVES[case.op], []
    kernel = op.kernel

    def recording(*arguments: Any, **parameters: Any) -> Any:
        y = kernel(*arguments, **parameters)
        calls.append((arguments, parameters, y))
        return y

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "kernel", recording)
        case.ours(*map(Tensor, case.inputs))
    return calls


def as_lists(x: Any) -> Any:
    """The array as nested lists of Python numbers; one without elements has no dtype as a list."""
    return x.tolist() if isinstance(x, np.ndarray) and x.size else x


@pytest.mark.parametrize("case", few_cases(), ids=str)
def test_an_operation_on_lists_and_numbers_gives_the_array_that_it_gives_on_arrays(case) -> None:
    op = ops.PRIMITIVES[case.op]
    for arguments, parameters, y in calls_of(case):
        lists = [as_lists(x) for x in arguments]
        again = op(*(lists if op.each is None else [lists]), **parameters)
        assert isinstance(again, np.ndarray | np.generic)
        np.testing.assert_array_equal(again, y)


X, W = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[1.0, 1.0, 2.0]]
IMAGE, KERNEL = [[[1.0, 2.0, 3.0, 4.0]]], [[[1.0, 2.0]]]
PICTURE, SQUARE = [[[[1.0, 2.0], [3.0, 4.0]]]], [[[[1.0]]]]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "stack": lambda of: dl.stack([of(X), of(X)]),
    "split": lambda of: dl.split(of(X), 3, axis=1)[2],
    "expand_dims": lambda of: dl.expand_dims(of(X), 1),
    "squeeze": lambda of: dl.squeeze(of(W), 0),
    "swapaxes": lambda of: dl.swapaxes(of(X), 0, 1),
    "moveaxis": lambda of: dl.moveaxis(of(X), 0, 1),
    "topk": lambda of: dl.topk(of(X), 2),
    "one_hot": lambda of: dl.one_hot(of([0, 2]), 3),
    "einsum": lambda of: dl.einsum("ij,kj->ik", of(X), of(W)),
    "conv1d": lambda of: dl.conv1d(of(IMAGE), of(KERNEL), of([1.0])),
    "conv2d": lambda of: dl.conv2d(of(PICTURE), of(SQUARE), of([1.0])),
    "conv_transpose1d": lambda of: dl.conv_transpose1d(of(IMAGE), of(KERNEL), of([1.0])),
    "conv_transpose2d": lambda of: dl.conv_transpose2d(of(PICTURE), of(SQUARE)),
    "max_pool1d": lambda of: dl.max_pool1d(of(X), 2),
    "max_pool2d": lambda of: dl.max_pool2d(of(X), 2),
    "avg_pool1d": lambda of: dl.avg_pool1d(of(X), 2, padding=1, count_include_pad=False),
    "avg_pool2d": lambda of: dl.avg_pool2d(of(X), 2),
    "dropout": lambda of: dl.dropout(of(X), 0.5, np.random.default_rng(0)),
    "layer_norm": lambda of: dl.layer_norm(of(X), of([1.0, 1.0, 2.0]), of([0.0, 1.0, 0.0])),
    "batch_norm": lambda of: dl.batch_norm(of(X), of([1.0, 1.0, 2.0]), of([0.0, 1.0, 0.0])),
}


def test_the_functions_that_are_written_with_operations_are_all_tried() -> None:
    assert set(FUNCTIONS) == {*ops.functions.__all__, *ops.networks.__all__}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_on_lists_gives_what_it_gives_on_arrays(name: str) -> None:
    f = FUNCTIONS[name]
    y = f(lambda x: x)
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(y, f(np.array))
    np.testing.assert_array_equal(y, f(Tensor).data)


def test_numbers_beside_an_array_take_its_dtype_and_alone_are_arrays() -> None:
    x = np.ones(3, np.float32)
    assert dl.multiply(2.5, x).dtype == np.float32
    assert dl.where([True, False, True], x, 0.5).dtype == np.float32
    assert dl.maximum(x, True).dtype == np.float32
    assert dl.relu(-1.0) == 0
    assert dl.sum([1.0, 2.0]) == 3
    assert dl.power(2, 3).dtype == np.int64


@pytest.mark.parametrize("x", ["text", None, [1j], [object()]])
def test_what_is_no_number_is_refused(x: Any) -> None:
    with pytest.raises(TypeError, match="sum: expected booleans, integers or floating point"):
        dl.sum(x)


# --- Axes out of range --------------------------------------------------------------------------

ALONG_AN_AXIS = "sum mean prod var std norm max min argmax argmin logsumexp softmax log_softmax"
ALONG_AN_AXIS += " cumsum sort argsort flip standardize any all"
GRID = np.arange(6.0).reshape(2, 3)
AXES: dict[str, Callable[[Any, int], Any]] = {
    **{
        name: lambda x, axis, name=name: ops.PRIMITIVES[name](x, axis=axis)
        for name in ALONG_AN_AXIS.split()
    },
    "concatenate": lambda x, axis: dl.concatenate([x, x], axis=axis),
    "roll": lambda x, axis: dl.roll(x, 1, axis=axis),
    "repeat": lambda x, axis: dl.repeat(x, 2, axis=axis),
    "transpose": lambda x, axis: dl.transpose(x, axes=(0, axis)),
    "take_along_axis": lambda x, axis: dl.take_along_axis(x, np.zeros((2, 3), int), axis=axis),
    "scatter_add_along_axis": lambda x, axis: dl.scatter_add_along_axis(
        x, np.zeros((2, 3), int), axis=axis, shape=(2, 3)
    ),
    "split": lambda x, axis: dl.split(x, 1, axis=axis),
    "topk": lambda x, axis: dl.topk(x, 1, axis=axis),
    "swapaxes": lambda x, axis: dl.swapaxes(x, 0, axis),
    "moveaxis": lambda x, axis: dl.moveaxis(x, axis, 0),
    "squeeze": lambda x, axis: dl.squeeze(x, axis),
}


def test_every_operation_with_an_axis_is_tried() -> None:
    with_axis = {n for n, op in ops.PRIMITIVES.items() if {"axis", "axes"} & set(op.parameters)}
    assert set(AXES) >= with_axis


@pytest.mark.parametrize("axis", [2, -3, 7])
@pytest.mark.parametrize("name", AXES)
def test_an_axis_out_of_range_is_one_clear_error_on_arrays_tensors_and_symbols(name, axis) -> None:
    f = AXES[name]
    calls = [
        lambda: f(GRID, axis),
        lambda: f(Tensor(GRID, requires_grad=True), axis),
        lambda: graphs.trace(lambda x: f(x, axis), GRID),
    ]
    for call in calls:
        with pytest.raises(np.exceptions.AxisError) as caught:
            call()
        assert str(caught.value).startswith(f"{name}: ")
        assert "expected -2 <= axis < 2, got ax" in str(caught.value)
        assert isinstance(caught.value, IndexError | ValueError)


def test_a_new_axis_may_be_one_farther() -> None:
    for f, name in [
        (dl.expand_dims, "expand_dims"),
        (lambda x, i: dl.stack([x], i), "expand_dims"),
    ]:
        assert f(GRID, 2).shape == (2, 3, 1)
        with pytest.raises(IndexError, match=f"{name}: expected -3 <= axis < 3, got axis=3"):
            f(GRID, 3)


def test_a_value_without_axes_says_so() -> None:
    for x in (np.array(1.0), Tensor(1.0)):
        with pytest.raises(np.exceptions.AxisError, match=r"expected no axis for the shape \(\)"):
            dl.max(x, axis=3)


REDUCTIONS = [
    "sum",
    "mean",
    "prod",
    "var",
    "std",
    "norm",
    "max",
    "min",
    "any",
    "all",
    "argmax",
    "argmin",
    "logsumexp",
]


def test_every_operation_with_keepdims_is_tried() -> None:
    with_keepdims = {n for n, op in ops.PRIMITIVES.items() if "keepdims" in op.parameters}
    assert set(REDUCTIONS) == with_keepdims


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_is_over_all_axes_and_drops_them_unless_told_otherwise(name) -> None:
    op = ops.PRIMITIVES[name]
    assert np.shape(op(GRID)) == ()
    assert np.shape(op(GRID, axis=1)) == (2,)
    np.testing.assert_array_equal(op(GRID), np.squeeze(op(GRID, keepdims=True)))
