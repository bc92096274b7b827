"""Every optimizer takes the steps of torch.optim and of keras.optimizers, 500 in a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse import optimizers as ours

STEPS, CHUNK = 500, 100
TOLERANCES = {"float64": 1e-12, "float32": 1e-4}
SHAPES, SIZES = [(4, 3), (3,), ()], [12, 3, 1]
RNG = np.random.default_rng(3)
STARTS = [RNG.normal(size=s) for s in SHAPES]
X = RNG.normal(size=(25, 8, 4))
Y = np.sin(2 * X[..., :3]) + RNG.normal(size=(25, 8, 3)) / 4

# For each case the name there, the class here, and the settings, which have the same names.
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


def rates(lr, falling):
    """The learning rate of each step; if it falls, to numbers that float32 has."""
    return [lr / 2 ** (step // CHUNK) if falling else lr for step in range(STEPS)]


def our_path(make, dtype, falling=False):
    """The gradients met and the parameters reached, arrays of shape (STEPS, 16)."""
    params = [Tensor(p, requires_grad=True, dtype=dtype) for p in STARTS]
    optimizer = make(params)
    met, reached = [], []
    for step, lr in enumerate(rates(optimizer.lr, falling)):
        optimizer.lr = lr
        g = gradients(step, *[p.data for p in params])
        for p, part in zip(params, g, strict=True):
            p.grad = Tensor(part)
        optimizer.step()
        met.append(flat(g))
        reached.append(flat([p.data for p in params]))
    return np.array(met), np.array(reached)


def torch_path(make, met, falling=False):
    """Where PyTorch goes with the same gradients."""
    params = [torch.tensor(p.astype(met.dtype)) for p in STARTS]
    optimizer = make(params)
    reached = []
    for g, lr in zip(met, rates(optimizer.param_groups[0]["lr"], falling), strict=True):
        optimizer.param_groups[0]["lr"] = lr
        parts = np.split(g, np.cumsum(SIZES)[:-1])
        for p, part in zip(params, parts, strict=True):
            p.grad = torch.tensor(part.reshape(p.shape))
        optimizer.step()
        reached.append(flat([p.numpy() for p in params]))
    return np.array(reached)


def keras_path(make, met, falling=False):
    """Where Keras goes with the same gradients, all parameters being one long variable."""
    import keras
    import tensorflow as tf

    variable = keras.Variable(flat(STARTS).astype(met.dtype), dtype=met.dtype.name)
    optimizer = make()
    optimizer.build([variable])

    @tf.function
    def some_steps(gradients):
        reached = tf.TensorArray(variable.dtype, size=CHUNK)
        for i in tf.range(CHUNK):
            optimizer.apply([gradients[i]])
            reached = reached.write(i, variable.value)
        return reached.stack()

    reached, lrs = [], rates(float(optimizer.learning_rate), falling)
    for begin in range(0, STEPS, CHUNK):
        optimizer.learning_rate = lrs[begin]
        reached.append(some_steps(tf.constant(met[begin : begin + CHUNK])).numpy())
    return np.concatenate(reached)


def flat(arrays):
    return np.concatenate([np.reshape(a, -1) for a in arrays])


def assert_same_path(ours, theirs, rtol):
    assert ours.dtype == theirs.dtype
    assert np.isfinite(ours).all()
    assert ours.shape == theirs.shape == (STEPS, sum(SIZES))
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(mine, other, rtol, atol=rtol, err_msg=f"step {step}")


def keras_settings(settings):
    renamed = {KERAS_NAMES.get(name, name): value for name, value in settings.items()}
    if "betas" in renamed:
        renamed["beta_1"], renamed["beta_2"] = renamed.pop("betas")
    return renamed


def every(cases):
    """All cases in float64; in float32 those without weight decay, which has nothing of its own."""
    runs = {
        f"{name}-{dtype}": (*case, dtype)
        for name, case in cases.items()
        for dtype in TOLERANCES
        if dtype == "float64" or "decay" not in name
    }
    return pytest.mark.parametrize(
        ("name", "optimizer", "settings", "dtype"), runs.values(), ids=runs
    )


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
@every(TORCH_CASES)
def test_500_steps_are_those_of_pytorch(name, optimizer, settings, dtype) -> None:
    met, reached = our_path(lambda params: optimizer(params, **settings), dtype)
    theirs = torch_path(lambda params: getattr(torch.optim, name)(params, **settings), met)
    assert_same_path(reached, theirs, TOLERANCES[dtype])


@every(KERAS_CASES)
def test_500_steps_in_form_keras_are_those_of_keras(
    name, optimizer, settings, dtype, keras_optimizers
) -> None:
    met, reached = our_path(lambda params: optimizer(params, form="keras", **settings), dtype)
    make = getattr(keras_optimizers, name)
    theirs = keras_path(lambda: make(**keras_settings(settings)), met)
    rtol = TOLERANCES[dtype]
    assert_same_path(reached, theirs, max(rtol, 1e-7) if name == "Nadam" else rtol)


@pytest.mark.parametrize("nesterov", [False, True])
def test_in_form_keras_the_velocity_keeps_the_rate_that_it_was_made_with(
    nesterov, keras_optimizers
) -> None:
    settings = {"lr": 2**-6, "momentum": 0.875, "nesterov": nesterov}
    met, reached = our_path(lambda p: ours.SGD(p, form="keras", **settings), "float64", True)
    theirs = keras_path(lambda: keras_optimizers.SGD(**keras_settings(settings)), met, True)
    assert_same_path(reached, theirs, 1e-12)
    _, other_form = our_path(lambda p: ours.SGD(p, **settings), "float64", True)
    np.testing.assert_allclose(reached[:CHUNK], other_form[:CHUNK], rtol=1e-10)
    assert abs(reached[CHUNK + 1] - other_form[CHUNK + 1]).max() > 1e-6


@pytest.mark.usefixtures("torch_in_double")
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "AdamW", "NAdam"])
def test_steps_with_a_falling_learning_rate_are_those_of_pytorch(name) -> None:
    settings = {"lr": 0.01} | ({"momentum": 0.9} if name in ("SGD", "RMSprop") else {})
    make, theirs = getattr(ours, name), getattr(torch.optim, name)
    met, reached = our_path(lambda p: make(p, **settings), "float64", True)
    assert_same_path(reached, torch_path(lambda p: theirs(p, **settings), met, True), 1e-12)


@pytest.mark.parametrize(
    "name", ["Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam"]
)
def test_the_defaults_of_form_torch_are_those_of_pytorch(name) -> None:
    mine = getattr(ours, name)([Tensor(1.0, requires_grad=True)]).param_groups[0]
    theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    shared = mine.keys() & theirs.keys()
    assert {"lr", "eps", "weight_decay", "maximize"} <= shared
    assert {k: mine[k] for k in shared} == {k: theirs[k] for k in shared}


@pytest.mark.parametrize(
    "name",
    ["Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "Lion"],
)
def test_weight_decay_is_decoupled_where_the_paper_has_it_so(name) -> None:
    group = getattr(ours, name)([Tensor(1.0, requires_grad=True)]).param_groups[0]
    assert group["decoupled_weight_decay"] == (name in ("AdamW", "Lion"))


@pytest.mark.parametrize(
    "name", ["Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "Lion"]
)
def test_the_defaults_of_form_keras_are_those_of_keras(name, keras_optimizers) -> None:
    group = getattr(ours, name)([Tensor(1.0, requires_grad=True)], form="keras").param_groups[0]
    mine = keras_settings(group)
    theirs = getattr(keras_optimizers, "Nadam" if name == "NAdam" else name)().get_config()
    shared = mine.keys() & theirs.keys()
    assert {"learning_rate", "weight_decay"} <= shared
    assert group["decoupled_weight_decay"]
    assert [mine[k] or 0 for k in shared] == pytest.approx([theirs[k] or 0 for k in shared])
