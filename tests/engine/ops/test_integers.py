"""Operations on booleans and integers: right values, and no number that leaves its type on the way.

NumPy's own functions keep NumPy's types, in which uint8 + uint8 may wrap around. A formula of ours
is calculated with in floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import groupby, islice
from typing import Any

import numpy as np
import pytest
import torch
from parity import CASES, Case

import dlcourse as dl
from dlcourse import Tensor, graphs, losses

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64"]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
no_warning = pytest.mark.filterwarnings("error")

FORMULAS: dict[str, Callable[..., Any]] = {
    "sigmoid": dl.sigmoid,
    "softplus": dl.softplus,
    "silu": dl.silu,
    "gelu": dl.gelu,
    "gelu, tanh": partial(dl.gelu, approximate="tanh"),
    "elu": dl.elu,
    "leaky_relu": partial(dl.leaky_relu, negative_slope=2),
    "log_cosh": dl.log_cosh,
    "erf": dl.erf,
    "erfc": dl.erfc,
    "mean": dl.mean,
    "var": dl.var,
    "std": dl.std,
    "norm": dl.norm,
    "standardize": dl.standardize,
}


def extremes(dtype: str) -> np.ndarray:
    if dtype == "bool":
        return np.array([False, True, True])
    limits = np.iinfo(dtype)
    return np.array([0, 1, 20, 100, limits.max, limits.min], dtype)


def compiled(f: Callable[..., Any], *inputs: np.ndarray) -> np.ndarray:
    return np.asarray(graphs.compile(graphs.trace(f, *inputs))(*inputs)[0])


@no_warning
@every_dtype
@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_has_the_value_that_it_has_in_float64(name: str, dtype: str) -> None:
    f, x = FORMULAS[name], extremes(dtype)
    expected = f(x.astype(float))
    np.testing.assert_allclose(f(x), expected, rtol=1e-12)
    np.testing.assert_array_equal(f(Tensor(x)).data, f(x))
    np.testing.assert_array_equal(compiled(f, x), f(x))
    assert f(x).dtype == np.float64


@no_warning
@every_dtype
def test_a_cross_entropy_of_integers(dtype: str) -> None:
    p, t = np.array([0, 1, 1, 0], dtype), np.array([0, 1, 0, 1], dtype)
    for y in (
        dl.binary_cross_entropy(p, t),
        dl.binary_cross_entropy(Tensor(p), Tensor(t)).data,
        compiled(dl.binary_cross_entropy, p, t),
    ):
        np.testing.assert_array_equal(y, [0, 0, 100, 100])


# What NumPy defines otherwise: -1 of uint8 is 255, as in PyTorch, and True + True is True.
SUMS = "add square power matmul einsum linear conv conv_input conv_weight sum_pool_input"
SUMS += " scatter_add scatter_add_along_axis add_rows add_at"
EXCEPT = {"uint8": {"negative", "subtract"}, "bool": set(SUMS.split())}
# NumPy has no such function of booleans; the softmax family asks for floating point numbers.
REFUSED = {"negative", "subtract", "sign", "softmax", "log_softmax", "logsumexp", "dropout_mask"}


def few_cases() -> list[Case]:
    finite = [c for c in CASES if all(np.isfinite(x).all() for x in c.inputs)]
    by_op = groupby(sorted(finite, key=lambda c: c.op), lambda c: c.op)
    return [case for _, cases in by_op for case in islice(cases, 0, 24, 4)]


def small_integers(case: Case, dtype: str) -> list[np.ndarray]:
    """The inputs as integers from 0 to 2; those that are integers already may be indices.

    No integer is divided by 0, of which NumPy makes 0 where floating point numbers give nan.
    """
    inputs = [
        np.clip(np.rint(np.abs(x)), 0, 2).astype(dtype) if x.dtype.kind == "f" else x
        for x in case.inputs
    ]
    if case.op in ("remainder", "floor_divide"):
        inputs[1] = np.maximum(inputs[1], 1).astype(inputs[1].dtype)
    return inputs


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # at poles, such as log(0)
@every_dtype
@pytest.mark.parametrize("case", few_cases(), ids=str)
def test_every_operation_takes_integers_as_it_takes_their_values(case: Case, dtype: str) -> None:
    if case.op in EXCEPT.get(dtype, set()) | {"bitcast"} or "with a value" in case.label:
        return
    inputs = small_integers(case, dtype)
    try:
        y = case.ours(*map(Tensor, inputs))
    except TypeError as error:
        assert case.op in REFUSED, error
        return
    floats = [
        x.astype(float) if x.dtype.kind in "b" or old.dtype.kind == "f" else x
        for x, old in zip(inputs, case.inputs, strict=True)
    ]
    expected = case.ours(*map(Tensor, floats))
    np.testing.assert_allclose(y.data.astype(float), expected.data.astype(float), rtol=2e-3)
    static = compiled(case.ours, *inputs)
    assert static.dtype == y.dtype
    np.testing.assert_allclose(static, y.data, rtol=1e-6 if y.dtype.kind == "f" else 0)


@no_warning
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32"])
def test_integers_beside_a_variable_do_not_wrap_in_its_derivative(dtype: str) -> None:
    def slope(f: Callable[..., Any], x: float, n: np.ndarray) -> np.ndarray:
        a = Tensor(np.full(n.shape, x), requires_grad=True)
        f(a, n).sum().backward()
        return a.grad.data

    n = np.array([0, 1, 20], dtype)
    for f in (dl.power, dl.arctan2, lambda a, n: dl.arctan2(n, a), dl.hypot, dl.multiply):
        np.testing.assert_allclose(slope(f, 0.5, n), slope(f, 0.5, n.astype(float)), rtol=1e-3)


def test_small_integers_are_summed_by_pooling_as_by_a_sum() -> None:
    image = np.full((1, 1, 4, 4), 200, np.uint8)
    np.testing.assert_array_equal(dl.avg_pool2d(image, 2), np.full((1, 1, 2, 2), 200.0))
    np.testing.assert_array_equal(compiled(lambda a: dl.avg_pool2d(a, 4), image), [[[[200.0]]]])


def test_small_integers_serve_as_labels_and_indices() -> None:
    labels = np.array([0, 200, 255], np.uint8)
    table = np.random.default_rng(0).normal(size=(256, 7))
    weight = Tensor(table, requires_grad=True)
    dl.embedding(weight, labels).sum().backward()
    np.testing.assert_array_equal(np.flatnonzero(weight.grad.data.sum(axis=1)), labels)
    np.testing.assert_array_equal(np.argmax(dl.one_hot(labels, 256), axis=1), labels)
    logits = np.random.default_rng(1).normal(size=(3, 256))
    ours = losses.cross_entropy(logits, labels, label_smoothing=0.1)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(labels.astype(int)), label_smoothing=0.1
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(
        losses.multi_margin(logits, labels), losses.multi_margin(logits, labels.astype(int))
    )


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "smooth_l1", "log_cosh"])
def test_an_image_of_bytes_is_a_target(loss: str) -> None:
    f, target = getattr(losses, loss), np.array([0, 128, 255], np.uint8)
    prediction = np.array([10.0, 100.0, 300.0], np.float32)
    y = f(prediction, target)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, f(prediction, target.astype(np.float32)))
