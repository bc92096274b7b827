"""SGD takes the steps of torch.optim.SGD, and refuses what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse.losses import mse
from dlcourse.optimizers import SGD

SETTINGS = {
    "plain": {"lr": 0.05},
    "momentum": {"lr": 0.02, "momentum": 0.9},
    "nesterov": {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    "small momentum": {"lr": 0.1, "momentum": 0.3},
    "standing still": {"lr": 0.0, "momentum": 0.5},
}
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def train(starts, loss_ours, loss_theirs, settings, steps=200, schedule=None):
    """Both libraries' parameters after each step, from the same start."""
    ours = [Tensor(p, requires_grad=True) for p in starts]
    theirs = [torch.tensor(p, requires_grad=True) for p in starts]
    our_sgd, their_sgd = SGD(ours, **settings), torch.optim.SGD(theirs, **settings)
    for step in range(steps):
        if schedule is not None:
            our_sgd.lr = their_sgd.param_groups[0]["lr"] = schedule(step)
        our_sgd.zero_grad()
        their_sgd.zero_grad()
        loss_ours(*ours).backward()
        loss_theirs(*theirs).backward()
        our_sgd.step()
        their_sgd.step()
        yield [p.data for p in ours], [t.detach().numpy() for t in theirs]


def assert_same_path(path) -> None:
    for step, (ours, theirs) in enumerate(path):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15, err_msg=f"step {step}")


@every_setting
def test_200_steps_on_a_quadratic_are_those_of_pytorch(settings) -> None:
    scales = np.array([1.0, 5.0, 0.1])

    def loss(x, y):
        return (x * x * 0.5).sum() + y * y + x.sum() * y

    def stretched(x, y):
        return loss(x * Tensor(scales), y)

    def stretched_in_torch(x, y):
        return loss(x * torch.tensor(scales), y)

    starts = [np.array([1.0, -2.0, 3.0]), np.array(0.5)]
    assert_same_path(train(starts, stretched, stretched_in_torch, settings))


def mlp_problem():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 1))
    starts = [rng.normal(size=s) * 0.5 for s in [(3, 8), (8,), (8, 1), (1,)]]

    def ours(w1, b1, w2, b2):
        return mse((Tensor(x) @ w1 + b1).tanh() @ w2 + b2, y)

    def theirs(w1, b1, w2, b2):
        hidden = (torch.tensor(x) @ w1 + b1).tanh()
        return torch.nn.functional.mse_loss(hidden @ w2 + b2, torch.tensor(y))

    return starts, ours, theirs


@every_setting
def test_200_steps_on_a_network_are_those_of_pytorch(settings) -> None:
    assert_same_path(train(*mlp_problem(), settings))


def test_the_learning_rate_may_change_between_steps() -> None:
    settings = {"lr": 1.0, "momentum": 0.9}
    path = train(*mlp_problem(), settings, steps=50, schedule=lambda step: 0.05 / (1 + step))
    assert_same_path(path)


def test_a_parameter_without_a_gradient_stays_and_its_velocity_waits() -> None:
    a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
    t, u = (torch.tensor([1.0], dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours, theirs = SGD([a, b], lr=0.1, momentum=0.9), torch.optim.SGD([t, u], lr=0.1, momentum=0.9)
    for used in ("a", "ab", "a", "b"):
        for optimizer, pair in ((ours, (a, b)), (theirs, (t, u))):
            optimizer.zero_grad()
            for name, p in zip("ab", pair, strict=True):
                if name in used:
                    (p * p).sum().backward()
            optimizer.step()
        np.testing.assert_allclose([a.item(), b.item()], [t.item(), u.item()], rtol=1e-12)


def test_parameters_move_in_place_and_keep_their_dtype() -> None:
    p = Tensor([1.0, 2.0], requires_grad=True, dtype=np.float32)
    memory = p.data
    optimizer = SGD([p], lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(2):
        (p * p).sum().backward()
        optimizer.step()
    assert p.data is memory
    assert p.dtype == np.float32
    assert p.is_leaf


def test_without_zero_grad_gradients_of_all_steps_add_up() -> None:
    p = Tensor(1.0, requires_grad=True)
    optimizer = SGD([p], lr=0.0)
    for _ in range(3):
        (p * 2).backward()
        optimizer.step()
    assert p.grad.item() == 6.0
    optimizer.zero_grad()
    assert p.grad is None


p = Tensor(1.0, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: SGD([p], lr=-0.1), ValueError, "lr >= 0, got -0.1"),
        (lambda: SGD([p], lr=float("nan")), ValueError, "lr >= 0, got nan"),
        (lambda: SGD([p], lr=0.1, momentum=-1), ValueError, "momentum >= 0, got -1"),
        (lambda: SGD([p], lr=0.1, nesterov=True), ValueError, "nesterov=True needs momentum > 0"),
        (lambda: SGD([], lr=0.1), ValueError, "expected parameters to optimise, got none"),
        (lambda: SGD(p, lr=0.1), TypeError, "expected a list of parameters, got one Tensor"),
        (lambda: SGD([p, np.zeros(2)], lr=0.1), TypeError, "parameter 1 is no Tensor but ndarray"),
        (lambda: SGD([Tensor(1.0)], lr=0.1), ValueError, "parameter 0 must be a leaf"),
        (lambda: SGD([p * 2], lr=0.1), ValueError, "parameter 0 must be a leaf"),
        (lambda: SGD([p, p], lr=0.1), ValueError, "listed twice"),
    ],
)
def test_settings_and_parameters_out_of_range_are_named(make, error, text) -> None:
    with pytest.raises(error, match=text):
        make()
