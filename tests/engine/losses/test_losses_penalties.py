"""Penalties are those of Keras's regularizers, and their gradients those of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loss_cases import normal

from dlcourse import Tensor, gradcheck
from dlcourse.losses import elastic_net_penalty, l1_penalty, l2_penalty, mse

SHAPES = [(), (3,), (2, 3), (2, 1, 2)]
PENALTIES = [
    (lambda ws: l1_penalty(ws, 0.3), 0.3, 0.0),
    (lambda ws: l2_penalty(ws, 0.2), 0.0, 0.2),
    (lambda ws: elastic_net_penalty(ws, 0.3, 0.2), 0.3, 0.2),
    (lambda ws: elastic_net_penalty(ws, l1_strength=0, l2_strength=0), 0.0, 0.0),
    (l1_penalty, 1.0, 0.0),
    (l2_penalty, 0.0, 1.0),
    (elastic_net_penalty, 1.0, 1.0),
]
every_penalty = pytest.mark.parametrize(("penalty", "l1", "l2"), PENALTIES)


@every_penalty
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_gradient_are_those_of_the_formula_in_pytorch(penalty, l1, l2, dtype) -> None:
    values = [normal(shape, i).astype(dtype) for i, shape in enumerate(SHAPES)]
    ws = [Tensor(v, requires_grad=True) for v in values]
    ts = [torch.tensor(v, requires_grad=True) for v in values]
    ours = penalty(w for w in ws)
    theirs = sum(l1 * t.abs().sum() + l2 * t.square().sum() for t in ts)
    ours.backward()
    theirs.backward()
    assert (ours.shape, ours.dtype) == ((), dtype)
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-5)
    for w, t in zip(ws, ts, strict=True):
        assert w.grad.dtype == dtype
        np.testing.assert_allclose(w.grad.data, t.grad.numpy(), rtol=1e-5)


@every_penalty
def test_penalties_pass_gradcheck(penalty, l1, l2) -> None:
    ws = [Tensor(normal(shape, i), requires_grad=True) for i, shape in enumerate(SHAPES)]
    assert gradcheck(lambda *ws: penalty(ws), ws)


@every_penalty
def test_penalties_are_those_of_keras(keras, penalty, l1, l2) -> None:
    w = normal((2, 3)).astype(np.float32)
    expected = keras.regularizers.L1L2(l1=l1, l2=l2)(w)
    np.testing.assert_allclose(penalty([w]), expected.numpy(), rtol=1e-5)


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def test_a_penalty_with_a_loss_is_the_weight_decay_of_an_optimizer() -> None:
    w, t = (f(normal((3, 1)), requires_grad=True) for f in (Tensor, torch.tensor))
    x, y = normal((5, 3), 1), normal((5, 1), 2)
    (mse(x @ w, y) + l2_penalty([w], 0.05)).backward()
    sgd = torch.optim.SGD([t], lr=1.0, weight_decay=2 * 0.05)
    before = t.detach().clone()
    torch.nn.functional.mse_loss(torch.tensor(x) @ t, torch.tensor(y)).backward()
    sgd.step()
    np.testing.assert_allclose(w.grad.data, (before - t.detach()).numpy(), rtol=1e-12)


def test_the_gradient_of_l1_is_0_at_0() -> None:
    w = Tensor([0.0, -2.0, 3.0], requires_grad=True)
    l1_penalty(w).backward()
    np.testing.assert_array_equal(w.grad.data, [0.0, -1.0, 1.0])


@pytest.mark.parametrize("penalty", [l1_penalty, l2_penalty, elastic_net_penalty])
def test_no_parameters_and_a_negative_strength_are_errors(penalty) -> None:
    used_up = iter([Tensor([1.0])])
    next(used_up)
    with pytest.raises(ValueError, match=f"{penalty.__name__}: expected parameters, got none"):
        penalty(used_up)
    with pytest.raises(ValueError, match=f"{penalty.__name__}: expected a strength >= 0, got -1"):
        penalty([Tensor([1.0])], -1)
