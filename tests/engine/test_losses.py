"""Losses have the value and gradient of torch.nn.functional, at extreme logits too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812, the field's name

from dlcourse import Tensor, gradcheck
from dlcourse.losses import cross_entropy, mse

TOLERANCE = {np.float64: 1e-9, np.float32: 1e-5}


def compare(ours, theirs, data, dtype) -> None:
    x = Tensor(data, requires_grad=True, dtype=dtype)
    t = torch.tensor(np.asarray(data, dtype), requires_grad=True)
    loss, expected = ours(x), theirs(t)
    loss.backward()
    expected.backward()
    assert loss.shape == ()
    assert loss.dtype == x.grad.dtype == dtype
    rtol = TOLERANCE[dtype]
    np.testing.assert_allclose(loss.item(), expected.item(), rtol=rtol)
    np.testing.assert_allclose(x.grad.data, t.grad.numpy(), rtol=rtol, atol=rtol**2)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (4, 3), (2, 3, 4)])
def test_mse_is_that_of_pytorch(shape, dtype) -> None:
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=shape), rng.normal(size=shape).astype(dtype)
    compare(
        lambda x: mse(x, target), lambda x: F.mse_loss(x, torch.tensor(target)), prediction, dtype
    )


LOGITS = {
    "ordinary": np.random.default_rng(1).normal(size=(6, 4)) * 3,
    "huge": np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4]]),
    "one certain": np.array([[0.0, 800.0], [800.0, 0.0]]),
    "equal": np.zeros((2, 5)),
    "one class": np.array([[3.0], [-3.0]]),
    "one example": np.array([[1.0, 2.0, 3.0]]),
    "a class ruled out": np.array([[0.0, 1.0, -np.inf], [1.0, 0.0, -np.inf]]),
}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("logits", LOGITS.values(), ids=LOGITS)
def test_cross_entropy_is_that_of_pytorch(logits, dtype) -> None:
    labels = np.arange(len(logits)) % min(logits.shape[1], 2)
    compare(
        lambda x: cross_entropy(x, labels),
        lambda x: F.cross_entropy(x, torch.tensor(labels)),
        logits,
        dtype,
    )


@pytest.mark.filterwarnings("error")
def test_extreme_logits_give_neither_overflow_nor_a_warning() -> None:
    x = Tensor([[1e4, -1e4]], requires_grad=True, dtype=np.float32)
    loss = cross_entropy(x, [1])
    loss.backward()
    assert loss.item() == 2e4
    np.testing.assert_array_equal(x.grad.data, [[1.0, -1.0]])


def test_losses_are_differentiated_in_both_arguments_and_pass_gradcheck() -> None:
    rng = np.random.default_rng(2)
    a, b = (Tensor(rng.normal(size=(3, 2)), requires_grad=True) for _ in range(2))
    assert gradcheck(mse, [a, b])
    assert gradcheck(lambda logits: cross_entropy(logits, [0, 1, 1]), a)


@pytest.mark.parametrize("labels", [[0, 2], np.array([0, 2], np.uint8), Tensor([0, 2])])
def test_labels_may_be_a_list_an_array_of_any_integers_or_a_tensor(labels) -> None:
    assert cross_entropy(Tensor(np.zeros((2, 3))), labels).item() == pytest.approx(np.log(3))


two_by_three = Tensor(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("loss", "error", "text"),
    [
        (
            lambda: mse(Tensor(np.zeros((4, 1))), np.zeros(4)),
            ValueError,
            r"\(4, 1\) != \(4,\).*reshape",
        ),
        (
            lambda: cross_entropy(two_by_three, [0]),
            ValueError,
            r"logits \(2, 3\) and labels \(1,\)",
        ),
        (lambda: cross_entropy(two_by_three, [[0], [1]]), ValueError, r"labels \(2, 1\)"),
        (lambda: cross_entropy(Tensor([1.0, 2.0]), [0, 1]), ValueError, r"logits \(2,\)"),
        (lambda: cross_entropy(two_by_three, [0.0, 1.0]), TypeError, "integer labels.*float64"),
        (lambda: cross_entropy(two_by_three, [True, False]), TypeError, "integer labels.*bool"),
        (lambda: cross_entropy(two_by_three, [0, 3]), ValueError, "from 0 to 2.*got 3"),
        (lambda: cross_entropy(two_by_three, [-1, 0]), ValueError, "from 0 to 2.*got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_named(loss, error, text) -> None:
    with pytest.raises(error, match="(?s)" + text):
        loss()
