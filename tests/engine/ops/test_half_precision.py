"""float16: what a formula needs on the way may be larger than 65,504, or smaller than 6e-8.

As in PyTorch, sums are accumulated in float32 and rounded once, forwards and backwards, in the
dynamic and in the compiled graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import dlcourse as dl
from dlcourse import Tensor, graphs, losses
from dlcourse.graphs.gradient import gradients_of

LARGE = np.linspace(50, 100, 1000).astype(np.float16)
ROWS = np.outer(np.linspace(-3000, 3000, 64), [1, 0.5, -1, 2]).astype(np.float16)
ONES = np.ones((5000, 3), np.float16)
SMALLEST = 2.0**-24  # of float16
LABELS = np.arange(64) % 4
IMAGES = np.full((2, 3, 8, 8), 300, np.float16) + np.arange(8, dtype=np.float16)


def batch_norm(a: Any) -> Any:
    return dl.batch_norm(a, np.ones(4, np.float16), np.zeros(4, np.float16))


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], np.ndarray]] = {
    "sum": (partial(dl.sum, axis=0), partial(torch.sum, dim=0), ONES),
    "sum of all": (lambda a: dl.sum(a / 10), lambda a: torch.sum(a / 10), ONES),
    "mean": (dl.mean, torch.mean, LARGE),
    "mean over rows": (partial(dl.mean, axis=0), partial(torch.mean, dim=0), ROWS),
    "prod": (dl.prod, torch.prod, np.array([300, 300, 1 / 300, 1 / 256], np.float16)),
    "var": (lambda a: dl.var(a - 75), lambda a: torch.var(a - 75, correction=0), LARGE),
    "std": (partial(dl.std, axis=0), partial(torch.std, dim=0, correction=0), ROWS),
    "norm": (dl.norm, torch.linalg.vector_norm, LARGE),
    "logsumexp": (dl.logsumexp, partial(torch.logsumexp, dim=0), np.zeros(70_000, np.float16)),
    "softmax": (
        lambda a: dl.softmax(a) * 1000,
        lambda a: torch.softmax(a, 0) * 1000,
        np.zeros(70_000, np.float16),
    ),
    "log_softmax": (
        dl.log_softmax,
        partial(torch.log_softmax, dim=0),
        np.zeros(70_000, np.float16),
    ),
    "cumsum": (partial(dl.cumsum, axis=0), partial(torch.cumsum, dim=0), ONES),
    "layer_norm": (
        lambda a: dl.layer_norm(a, np.ones(4, np.float16), np.zeros(4, np.float16)),
        lambda a: functional.layer_norm(a, (4,)),
        ROWS,
    ),
    "batch_norm": (
        batch_norm,
        lambda a: functional.batch_norm(a, None, None, training=True),
        ROWS,
    ),
    "matmul": (lambda a: a.T @ a, lambda a: a.T @ a, ONES),
    "linear": (
        lambda a: dl.linear(a.T, np.ones((2, 5000), np.float16), np.ones(2, np.float16)),
        lambda a: functional.linear(a.T, torch.ones(2, 5000).half(), torch.ones(2).half()),
        ONES,
    ),
    "einsum": (
        lambda a: dl.einsum("ij->j", a),
        lambda a: torch.einsum("ij->j", a),
        ONES,
    ),
    "conv2d": (
        lambda a: dl.conv2d(a, np.full((1, 3, 3, 3), 1 / 64, np.float16)),
        lambda a: functional.conv2d(a, torch.full((1, 3, 3, 3), 1 / 64).half()),
        IMAGES,
    ),
    "avg_pool2d": (
        lambda a: dl.avg_pool2d(a * 100, 8),
        lambda a: functional.avg_pool2d(a * 100, 8),
        IMAGES,
    ),
    "max_pool2d": (
        lambda a: dl.max_pool2d(a, 2),
        lambda a: functional.max_pool2d(a, 2),
        IMAGES,
    ),
    "broadcasting": (
        lambda a: (a[:1] + np.ones((5000, 3), np.float16)) / 10,
        lambda a: (a[:1] + torch.ones(5000, 3).half()) / 10,
        ONES,
    ),
    "mse": (
        lambda a: losses.mse(a, np.zeros(1000, np.float16)),
        lambda a: functional.mse_loss(a, torch.zeros(1000).half()),
        LARGE,
    ),
    "mae": (
        lambda a: losses.mae(a, np.zeros(1000, np.float16)),
        lambda a: functional.l1_loss(a, torch.zeros(1000).half()),
        LARGE,
    ),
    "cross_entropy": (
        lambda a: losses.cross_entropy(a / 10, LABELS),
        lambda a: functional.cross_entropy(a / 10, torch.tensor(LABELS)),
        ROWS,
    ),
    "cosine_similarity": (
        lambda a: losses.cosine_similarity(a, a[::-1]),
        lambda a: functional.cosine_similarity(a, a.flip(0)),
        ROWS + np.float16(100),
    ),
}
every_case = pytest.mark.parametrize("name", CASES)


def reference(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The value and the gradient of its sum that float64 gives, rounded to float16."""
    f, _, x = CASES[name]
    a = Tensor(x.astype(float), requires_grad=True)
    y = f(a)
    (y * weights(y.shape)).sum().backward()
    assert a.grad is not None
    return y.data.astype(np.float16), a.grad.data.astype(np.float16)


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """A gradient that is not the same everywhere, so that nothing cancels by chance."""
    return np.linspace(0.5, 1, int(np.prod(shape))).reshape(shape).astype(np.float16)


def assert_close(ours: np.ndarray, exact: np.ndarray, of: str) -> None:
    assert ours.dtype == np.float16, of
    largest = np.abs(exact.astype(float)).max()
    assert np.isfinite(largest)
    np.testing.assert_allclose(
        ours.astype(float),
        exact.astype(float),
        rtol=4e-3,
        atol=8e-3 * largest + 2 * SMALLEST,
        err_msg=of,
    )


@pytest.mark.filterwarnings("error")
@every_case
def test_value_and_gradient_are_those_of_float64_rounded(name: str) -> None:
    f, _, x = CASES[name]
    value, gradient = reference(name)
    a = Tensor(x, requires_grad=True)
    y = f(a)
    y.backward(weights(y.shape))
    assert_close(y.data, value, "value")
    assert_close(a.grad.data, gradient, "gradient")


@pytest.mark.filterwarnings("error")
@every_case
def test_a_compiled_graph_gives_the_same(name: str) -> None:
    f, _, x = CASES[name]
    value, gradient = reference(name)

    def both(a: Any) -> Any:
        y = f(a)
        return y, gradients_of(y, [a], weights(y.shape))[0]

    y, g = graphs.compile(graphs.trace(both, x))(x)
    assert_close(y, value, "value")
    assert_close(g, gradient, "gradient")


@every_case
def test_pytorch_has_the_same_value(name: str) -> None:
    _, theirs, x = CASES[name]
    value, _ = reference(name)
    if name in ("prod", "logsumexp", "log_softmax"):  # PyTorch stays in float16 there
        assert not torch.isfinite(theirs(torch.tensor(x))).any()
        return
    assert_close(theirs(torch.tensor(x)).numpy(), value, "value")


def test_the_examples_of_the_overflow() -> None:
    assert dl.mean(LARGE) == 75
    assert losses.mse(np.full(700, 100, np.float16), np.zeros(700, np.float16)) == 10_000
    bias = Tensor(np.zeros(3, np.float16), requires_grad=True)
    (bias + ONES).sum(axis=0).backward(np.ones(3, np.float16))
    np.testing.assert_array_equal(bias.grad.data, [5000, 5000, 5000])


def test_repeated_indices_add_up_in_float32() -> None:
    weight = Tensor(np.zeros((2, 1), np.float16), requires_grad=True)
    dl.embedding(weight, np.zeros(5000, int)).sum(axis=0).backward(np.ones(1, np.float16))
    np.testing.assert_array_equal(weight.grad.data, [[5000], [0]])
    a = Tensor(np.zeros(2, np.float16), requires_grad=True)
    a[np.zeros(5000, int)].backward(np.ones(5000, np.float16))
    np.testing.assert_array_equal(a.grad.data, [5000, 0])


def test_a_mean_of_many_has_a_gradient() -> None:
    x = Tensor(np.ones(70_000, np.float16), requires_grad=True)
    x.mean().backward()
    assert x.grad.data[0] == np.float16(1 / 70_000)


def test_weighted_means_and_batch_means() -> None:
    q = np.full((64, 2000), 1, np.float16)
    np.testing.assert_allclose(losses.kl_div(-q, q, reduction="batchmean"), 2000, rtol=1e-3)
    scores = np.zeros((2000, 4), np.float16)
    labels = np.zeros(2000, int)
    weight = np.full(4, 100, np.float16)
    y = losses.cross_entropy(scores, labels, weight=weight)
    np.testing.assert_allclose(y, np.log(4), rtol=1e-3)
    assert y.dtype == np.float16


@pytest.mark.parametrize("shape", [(1500, 3), (3_000_000, 2), (4097, 2, 2), (1024, 5)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_sum_over_many_rows_of_float32_keeps_its_digits(shape: Any, keepdims: bool) -> None:
    x = np.full(shape, 0.1, np.float32)
    exact = np.add.reduce(x, axis=0, dtype=float, keepdims=keepdims)
    ours = dl.sum(x, axis=0, keepdims=keepdims)
    (static,) = graphs.compile(graphs.trace(partial(dl.sum, axis=0, keepdims=keepdims), x))(x)
    for y in (ours, static):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, exact, rtol=1e-5 if len(shape) == 2 else 2e-5)
    out = np.empty_like(ours)
    assert dl.ops.kernels.sum(x, 0, keepdims, out=out) is out
    np.testing.assert_array_equal(out, ours)


def test_a_running_sum_of_float32_keeps_its_digits() -> None:
    x = np.full(3_000_000, 0.1, np.float32)
    np.testing.assert_allclose(dl.cumsum(x, axis=0)[-1], 3e6 * float(x[0]), rtol=1e-7)
