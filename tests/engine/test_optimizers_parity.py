"""Every optimizer takes the steps of torch.optim and of keras.optimizers, 500 in a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse import optimizers as ours

STEPS = 500
SHAPES = [(4, 3), (3,), ()]
RNG = np.random.default_rng(3)
STARTS = [RNG.normal(size=s) for s in SHAPES]
X = RNG.normal(size=(25, 8, 4))
Y = np.sin(2 * X[..., :3]) + RNG.normal(size=(25, 8, 3)) / 4

# Name in both libraries, our settings, the settings of PyTorch where they have other names.
TORCH_CASES = {
    "GD": ("SGD", ours.GD, {"lr": 0.05}),
    "SGD": ("SGD", ours.SGD, {"lr": 0.05}),
    "momentum": ("SGD", ours.SGD, {"lr": 0.02, "momentum": 0.9}),
    "dampening": ("SGD", ours.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.7}),
    "nesterov": ("SGD", ours.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "maximize": ("SGD", ours.SGD, {"lr": 1e-4, "momentum": 0.9, "maximize": True}),
    "Adagrad": ("Adagrad", ours.Adagrad, {}),
    "Adagrad, all options": (
        "Adagrad",
        ours.Adagrad,
        {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.3, "eps": 1e-3},
    ),
    "Adadelta": ("Adadelta", ours.Adadelta, {}),
    "Adadelta, all options": ("Adadelta", ours.Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-3}),
    "RMSprop": ("RMSprop", ours.RMSprop, {"eps": 1e-3}),
    "RMSprop, centered": ("RMSprop", ours.RMSprop, {"centered": True, "alpha": 0.9, "eps": 1e-3}),
    "RMSprop, momentum": (
        "RMSprop",
        ours.RMSprop,
        {"centered": True, "momentum": 0.8, "lr": 0.002},
    ),
    "Adam": ("Adam", ours.Adam, {}),
    "Adam, all options": (
        "Adam",
        ours.Adam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "maximize": False},
    ),
    "AMSGrad": ("Adam", ours.Adam, {"lr": 0.01, "amsgrad": True, "betas": (0.8, 0.9)}),
    "AdamW": ("AdamW", ours.AdamW, {"lr": 0.01}),
    "AdamW, amsgrad": ("AdamW", ours.AdamW, {"amsgrad": True, "weight_decay": 0.1, "lr": 0.01}),
    "Adamax": ("Adamax", ours.Adamax, {}),
    "Adamax, all options": (
        "Adamax",
        ours.Adamax,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-2},
    ),
    "NAdam": ("NAdam", ours.NAdam, {}),
    "NAdam, all options": (
        "NAdam",
        ours.NAdam,
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1},
    ),
}
TORCH_CASES |= {
    f"{name}, weight decay": (theirs, cls, {**settings, "weight_decay": 0.05})
    for name, (theirs, cls, settings) in TORCH_CASES.items()
    if "," not in name and name != "AdamW"
}
TORCH_CASES |= {
    f"{name}, decoupled": (
        name,
        getattr(ours, name),
        {"weight_decay": 0.05, "decoupled_weight_decay": True},
    )
    for name in ("Adam", "NAdam")
}

# Keras keeps lr in float32 and rounds a beta to float32 on its way to float64. So these numbers
# are sums of few powers of 2, except for Nadam, whose constant 0.96 cannot be chosen.
KERAS_NAMES = {"lr": "learning_rate", "eps": "epsilon", "alpha": "rho"}
DYADIC = {"lr": 2**-6, "eps": 2**-10}
BETAS = {"betas": (0.875, 0.9375)}
KERAS_CASES = {
    "SGD": ("SGD", ours.SGD, {"lr": 2**-5}),
    "momentum": ("SGD", ours.SGD, {"lr": 2**-6, "momentum": 0.875}),
    "nesterov": ("SGD", ours.SGD, {"lr": 2**-6, "momentum": 0.875, "nesterov": True}),
    "Adagrad": ("Adagrad", ours.Adagrad, {**DYADIC, "initial_accumulator_value": 0.125}),
    "Adadelta": ("Adadelta", ours.Adadelta, {"lr": 0.5, "rho": 0.875, "eps": 2**-10}),
    "RMSprop": ("RMSprop", ours.RMSprop, {**DYADIC, "alpha": 0.9375}),
    "RMSprop, centered": ("RMSprop", ours.RMSprop, {**DYADIC, "alpha": 0.9375, "centered": True}),
    "RMSprop, momentum": (
        "RMSprop",
        ours.RMSprop,
        {"lr": 2**-9, "eps": 2**-10, "alpha": 0.9375, "centered": True, "momentum": 0.75},
    ),
    "Adam": ("Adam", ours.Adam, {**DYADIC, **BETAS}),
    "AMSGrad": ("Adam", ours.Adam, {**DYADIC, **BETAS, "amsgrad": True}),
    "AdamW": ("AdamW", ours.AdamW, {**DYADIC, **BETAS, "weight_decay": 2**-6}),
    "Adamax": ("Adamax", ours.Adamax, {**DYADIC, **BETAS}),
    "NAdam": ("Nadam", ours.NAdam, {**DYADIC, **BETAS}),
    "Lion": ("Lion", ours.Lion, {"lr": 2**-8, "betas": (0.875, 0.9375)}),
}
KERAS_CASES |= {
    f"{name}, weight decay": (theirs, cls, {**settings, "weight_decay": 2**-5})
    for name, (theirs, cls, settings) in KERAS_CASES.items()
    if "," not in name and name != "AdamW"
}


def gradients(step, w, b, s):
    """Of a small network on minibatch number ``step``: noisy, curved, in the dtype of ``w``."""
    x, y = X[step % len(X)].astype(w.dtype), Y[step % len(Y)].astype(w.dtype)
    hidden = np.tanh(x @ w + b)
    error = (s * hidden - y) / len(x)
    before = error * s * (1 - hidden * hidden)
    return [x.T @ before, before.sum(axis=0), (error * hidden).sum()]


def schedule(step, lr):
    """A learning rate that falls, each time to a number that float32 has."""
    return lr / 2 ** (step // 100)


def our_path(make, dtype, falling=False):
    params = [Tensor(p, requires_grad=True, dtype=dtype) for p in STARTS]
    optimizer = make(params)
    first = optimizer.lr
    for step in range(STEPS):
        if falling:
            optimizer.lr = schedule(step, first)
        for p, g in zip(params, gradients(step, *[p.data for p in params]), strict=True):
            p.grad = Tensor(g)
        optimizer.step()
        yield [p.data.copy() for p in params]


def torch_path(make, dtype, falling=False):
    params = [torch.tensor(p.astype(dtype)) for p in STARTS]
    optimizer = make(params)
    first = optimizer.param_groups[0]["lr"]
    for step in range(STEPS):
        if falling:
            optimizer.param_groups[0]["lr"] = schedule(step, first)
        for p, g in zip(params, gradients(step, *[p.numpy() for p in params]), strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        yield [p.numpy().copy() for p in params]


def keras_path(make, dtype, falling=False):
    import keras
    import tensorflow as tf

    params = [keras.Variable(p.astype(dtype), dtype=np.dtype(dtype).name) for p in STARTS]
    optimizer = make()
    optimizer.build(params)
    apply = tf.function(lambda *g: optimizer.apply(list(g)))
    first = float(optimizer.learning_rate)
    for step in range(STEPS):
        if falling:
            optimizer.learning_rate = schedule(step, first)
        apply(*map(tf.constant, gradients(step, *[p.numpy() for p in params])))
        yield [p.numpy().copy() for p in params]


def assert_same_path(ours, theirs, rtol):
    count = 0
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for mine, other in zip(a, b, strict=True):
            assert mine.dtype == other.dtype
            np.testing.assert_allclose(mine, other, rtol, atol=rtol, err_msg=f"step {step}")
        count += 1
    assert count == STEPS


def keras_settings(settings):
    renamed = {KERAS_NAMES.get(name, name): value for name, value in settings.items()}
    if "betas" in renamed:
        renamed["beta_1"], renamed["beta_2"] = renamed.pop("betas")
    return renamed


@pytest.fixture
def torch_in_double():
    """PyTorch keeps the scalars of an optimizer's state in its default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def keras_optimizers():
    import keras

    return keras.optimizers


@pytest.mark.usefixtures("torch_in_double")
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-3)])
@pytest.mark.parametrize("case", TORCH_CASES.values(), ids=TORCH_CASES)
def test_500_steps_are_those_of_pytorch(case, dtype, rtol) -> None:
    name, optimizer, settings = case
    assert_same_path(
        our_path(lambda params: optimizer(params, **settings), dtype),
        torch_path(lambda params: getattr(torch.optim, name)(params, **settings), dtype),
        rtol,
    )


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-3)])
@pytest.mark.parametrize("case", KERAS_CASES.values(), ids=KERAS_CASES)
def test_500_steps_in_form_keras_are_those_of_keras(case, dtype, rtol, keras_optimizers) -> None:
    name, optimizer, settings = case
    theirs = getattr(keras_optimizers, name)
    assert_same_path(
        our_path(lambda params: optimizer(params, form="keras", **settings), dtype),
        keras_path(lambda: theirs(**keras_settings(settings)), dtype),
        max(rtol, 1e-6) if name == "Nadam" else rtol,
    )
