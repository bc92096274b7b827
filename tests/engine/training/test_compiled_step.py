"""A compiled training step moves the parameters as the dynamic step does, step after step."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from dlcourse import Tensor, losses, nn, ops, optimizers
from dlcourse.training.compiled_step import compile_step

STEPS = 50
OPTIMIZERS = {
    "GD": (optimizers.GD, {"lr": 0.05}),
    "SGD": (optimizers.SGD, {"lr": 0.05}),
    "momentum": (optimizers.SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.1}),
    "nesterov": (optimizers.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "nesterov of Keras": (
        optimizers.SGD,
        {"lr": 0.02, "momentum": 0.9, "nesterov": True, "form": "keras"},
    ),
    "decay": (optimizers.SGD, {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}),
    "decoupled decay": (
        optimizers.SGD,
        {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "maximize": (optimizers.SGD, {"lr": 1e-3, "maximize": True}),
    "Lion": (optimizers.Lion, {"lr": 1e-3, "weight_decay": 0.1}),
    "Adagrad": (optimizers.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.3}),
    "Adagrad, lr decay": (optimizers.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
    "Adagrad of Keras": (optimizers.Adagrad, {"form": "keras"}),
    "Adadelta": (optimizers.Adadelta, {}),
    "Adadelta of Keras": (optimizers.Adadelta, {"form": "keras", "weight_decay": 0.1}),
    "RMSprop": (optimizers.RMSprop, {"centered": True, "momentum": 0.5}),
    "RMSprop of Keras": (optimizers.RMSprop, {"form": "keras", "centered": True, "momentum": 0.5}),
    "Adam": (optimizers.Adam, {"weight_decay": 0.05}),
    "Adam of Keras": (optimizers.Adam, {"form": "keras", "weight_decay": 0.05}),
    "AMSGrad": (optimizers.Adam, {"amsgrad": True}),
    "AMSGrad of Keras": (optimizers.Adam, {"amsgrad": True, "form": "keras"}),
    "AdamW": (optimizers.AdamW, {"lr": 0.01}),
    "Adamax": (optimizers.Adamax, {}),
    "NAdam": (optimizers.NAdam, {"weight_decay": 0.05}),
    "NAdam of Keras": (optimizers.NAdam, {"form": "keras"}),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(STEPS, 8, 4))
Y = np.sin(X @ RNG.normal(size=(4, 3)))
LABELS = np.argmax(Y, axis=2)


def mlp(seed: int = 1) -> nn.Module:
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(4, 5, rng=rng), nn.Tanh(), nn.Linear(5, 3, rng=rng))


def dynamic_step(model, loss, optimizer, *batch) -> np.ndarray:
    optimizer.zero_grad()
    value = loss(model(Tensor(batch[0])), *map(Tensor, batch[1:]))
    value.backward()
    optimizer.step()
    return value.data


def two(make, cls, options):
    """A model and its optimizer, twice."""
    models = make(), make()
    return [(model, cls(model.parameters(), **options)) for model in models]


def assert_equal(ours, theirs, rtol=1e-10) -> None:
    """The same parameters, buffers and optimizer states."""
    (a, b), (c, d) = ours, theirs
    for name, value in c.state_dict().items():
        np.testing.assert_allclose(a.state_dict()[name], value, rtol, 1e-13, err_msg=name)
    mine, other = b.state_dict(), d.state_dict()
    assert mine["param_groups"] == other["param_groups"]
    assert mine["state"].keys() == other["state"].keys()
    for i, slots in other["state"].items():
        assert mine["state"][i].keys() == slots.keys()
        for name, slot in slots.items():
            np.testing.assert_allclose(mine["state"][i][name], slot, rtol, 1e-13)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("target", ["numbers", "labels"])
def test_fifty_compiled_steps_are_fifty_dynamic_ones(name, target) -> None:
    compiled, dynamic = two(mlp, *OPTIMIZERS[name])
    loss, truth = (losses.mse, Y) if target == "numbers" else (losses.cross_entropy, LABELS)
    step = compile_step(compiled[0], loss, compiled[1], X[0], truth[0])
    for x, t in zip(X, truth, strict=True):
        value = step(x, t)
        assert (value.shape, value.dtype) == ((), np.float64)
        np.testing.assert_allclose(value, dynamic_step(dynamic[0], loss, dynamic[1], x, t))
    assert_equal(compiled, dynamic)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_and_dynamic_steps_take_turns_and_the_rate_falls(name) -> None:
    compiled, dynamic = two(mlp, *OPTIMIZERS[name])
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    schedules = [optimizers.ExponentialLR(o, 0.97) for _, o in (compiled, dynamic)]
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        if i % 5 < 3:
            step(x, y)
        else:
            dynamic_step(compiled[0], losses.mse, compiled[1], x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
        for schedule in schedules:
            schedule.step()
    assert_equal(compiled, dynamic)


@pytest.mark.parametrize("name", ["momentum", "AMSGrad", "NAdam"])
def test_training_goes_on_from_a_state_dict(name) -> None:
    compiled, dynamic = two(mlp, *OPTIMIZERS[name])
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    for x, y in zip(X[:10], Y[:10], strict=True):
        step(x, y)
    saved = copy.deepcopy((compiled[0].state_dict(), compiled[1].state_dict()))
    for x, y in zip(X[10:20], Y[10:20], strict=True):
        step(x, y)
    for model, optimizer in (compiled, dynamic):
        model.load_state_dict(saved[0])
        optimizer.load_state_dict(saved[1])
    for x, y in zip(X[20:], Y[20:], strict=True):
        step(x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
    assert_equal(compiled, dynamic)


def test_a_loaded_state_of_as_many_steps_is_noticed() -> None:
    compiled, dynamic = two(mlp, *OPTIMIZERS["momentum"])
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    step(X[0], Y[0])
    dynamic_step(dynamic[0], losses.mse, dynamic[1], X[0], Y[0])
    for _, optimizer in (compiled, dynamic):
        saved = optimizer.state_dict()
        for slots in saved["state"].values():
            slots["momentum_buffer"] = np.ones_like(slots["momentum_buffer"])
        optimizer.load_state_dict(saved)
    step(X[1], Y[1])
    dynamic_step(dynamic[0], losses.mse, dynamic[1], X[1], Y[1])
    assert_equal(compiled, dynamic)


def test_groups_have_their_own_options() -> None:
    pairs = []
    for _ in range(2):
        model = mlp()
        weights, biases = model.parameters()[::2], model.parameters()[1::2]
        groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "lr": 0.003}]
        pairs.append((model, optimizers.AdamW(groups, lr=0.01, weight_decay=0.0)))
    compiled, dynamic = pairs
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    for x, y in zip(X, Y, strict=True):
        step(x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
    assert_equal(compiled, dynamic)


def test_steps_compiled_for_two_batch_sizes_share_the_parameters_and_the_state() -> None:
    compiled, dynamic = two(mlp, *OPTIMIZERS["Adam"])
    whole = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    rest = compile_step(compiled[0], losses.mse, compiled[1], X[0, :3], Y[0, :3])
    for x, y in zip(X, Y, strict=True):
        whole(x, y)
        rest(x[:3], y[:3])
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x[:3], y[:3])
    assert_equal(compiled, dynamic)


def convolutional() -> nn.Module:
    rng = np.random.default_rng(1)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, rng=rng),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3, generator=np.random.default_rng(7)),
        nn.Linear(12, 3, rng=rng),
    )


def test_a_network_with_convolution_batch_norm_and_dropout() -> None:
    compiled, dynamic = two(convolutional, optimizers.Adam, {"lr": 0.01})
    images, labels = RNG.normal(size=(20, 6, 1, 4, 4)), RNG.integers(0, 3, size=(20, 6))
    step = compile_step(compiled[0], losses.cross_entropy, compiled[1], images[0], labels[0])
    for i, (x, t) in enumerate(zip(images, labels, strict=True)):
        if i % 4 == 3:  # a module's statistics are new Tensors then
            value = dynamic_step(compiled[0], losses.cross_entropy, compiled[1], x, t)
        else:
            value = step(x, t)
        other = dynamic_step(dynamic[0], losses.cross_entropy, dynamic[1], x, t)
        np.testing.assert_allclose(value, other, rtol=1e-9)
    assert int(compiled[0].state_dict()["1.num_batches_tracked"]) == 20
    assert_equal(compiled, dynamic, rtol=1e-8)


class WithSpare(nn.Module):
    """A model with a parameter that its value does not depend on."""

    def __init__(self) -> None:
        self.inner = mlp()
        self.spare = Tensor(np.ones(2), requires_grad=True)

    def forward(self, x):
        return self.inner(x)


def test_a_parameter_that_the_loss_does_not_depend_on_stays_as_in_a_dynamic_step() -> None:
    compiled, dynamic = two(WithSpare, optimizers.AdamW, {"weight_decay": 0.5})
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    for x, y in zip(X[:5], Y[:5], strict=True):
        step(x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
    np.testing.assert_array_equal(compiled[0].spare.data, np.ones(2))
    assert_equal(compiled, dynamic)


@pytest.mark.parametrize("frozen", ["not in the optimizer", "without a gradient"])
def test_a_frozen_parameter_is_read_as_it_is_at_each_step(frozen) -> None:
    models = mlp(), mlp()
    for model in models:
        if frozen == "without a gradient":
            model[0].weight.requires_grad = False
    pairs = [(m, optimizers.SGD([m[2].weight, m[2].bias], lr=0.1)) for m in models]
    compiled, dynamic = pairs
    step = compile_step(compiled[0], losses.mse, compiled[1], X[0], Y[0])
    for i, (x, y) in enumerate(zip(X[:10], Y[:10], strict=True)):
        for model in models:
            model[0].weight.data[...] = np.cos(i + np.arange(20)).reshape(5, 4)
        step(x, y)
        dynamic_step(dynamic[0], losses.mse, dynamic[1], x, y)
    assert_equal(compiled, dynamic)


def test_the_parameters_stay_the_tensors_of_the_model() -> None:
    model = mlp()
    before = model.parameters()
    optimizer = optimizers.SGD(before, lr=0.1)
    step = compile_step(model, losses.mse, optimizer, X[0], Y[0])
    views = [p.data for p in before]
    step(X[0], Y[0])
    assert all(p is q for p, q in zip(model.parameters(), before, strict=True))
    assert all(p.data is view for p, view in zip(before, views, strict=True))
    before[0].data = np.zeros((5, 4))  # memory of another owner is taken over
    step(X[0], Y[0])
    other = mlp()
    assert before[0].data.shape == other.parameters()[0].shape
    assert np.any(before[0].data)


def test_a_float32_model_stays_float32() -> None:
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Linear(4, 3, rng=rng, dtype=np.float32))
    optimizer = optimizers.Adam(model.parameters())
    batch = X[0].astype(np.float32), Y[0].astype(np.float32)
    step = compile_step(model, losses.mse, optimizer, *batch)
    assert step(*batch).dtype == np.float32
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    inside = {node.dtype for node in step.compiled.graph.nodes if node.dtype.kind == "f"}
    assert inside == {np.dtype(np.float32)}


def test_a_batch_that_does_not_fit_is_named_and_counts_as_no_step() -> None:
    model = mlp()
    optimizer = optimizers.Adam(model.parameters())
    step = compile_step(model, losses.mse, optimizer, X[0], Y[0])
    step(X[0], Y[0])
    with pytest.raises(ValueError, match=r"batch0\n  Expect: f64\[8,4\]\n  Actual: f64\[3,4\]"):
        step(X[0, :3], Y[0])
    with pytest.raises(ValueError, match=r"batch1"):
        step(X[0], Y[0].astype(np.float32))
    with pytest.raises(TypeError, match="values"):
        step(X[0])
    assert {state["step"] for state in optimizer.state.values()} == {1}


def test_a_changed_option_or_group_is_refused() -> None:
    model = WithSpare()
    optimizer = optimizers.SGD(model.inner.parameters(), lr=0.1)
    step = compile_step(model, losses.mse, optimizer, X[0], Y[0])
    optimizer.param_groups[0]["momentum"] = 0.9
    with pytest.raises(ValueError, match="Compile it again"):
        step(X[0], Y[0])
    optimizer.param_groups[0]["momentum"] = 0.0
    step(X[0], Y[0])
    optimizer.add_param_group({"params": [model.spare]})
    with pytest.raises(ValueError, match="Compile it again"):
        step(X[0], Y[0])


def test_what_cannot_be_compiled_is_refused() -> None:
    model = mlp()
    params = model.parameters()
    batch = X[0], Y[0]
    with pytest.raises(TypeError, match="LBFGS"):
        compile_step(model, losses.mse, optimizers.LBFGS(params), *batch)
    other = optimizers.SGD(mlp().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="not the model's"):
        compile_step(model, losses.mse, other, *batch)
    with pytest.raises(TypeError, match=r"expected a scalar.*\(8, 3\)"):
        compile_step(model, lambda y, t: y - t, optimizers.SGD(params, lr=0.1), *batch)
    mixed = [params[0], *params[1:]]
    mixed[1] = model[0].bias = Tensor(np.zeros(5), requires_grad=True, dtype=np.float32)
    with pytest.raises(TypeError, match="one dtype in a group"):
        compile_step(model, losses.mse, optimizers.SGD(mixed, lr=0.1), *batch)


def test_the_operations_of_a_step_do_not_grow_with_the_number_of_parameters() -> None:
    def updates(layers: int) -> int:
        rng = np.random.default_rng(0)
        model = nn.Sequential(*[nn.Linear(4, 4, rng=rng) for _ in range(layers)])
        step = compile_step(model, losses.mse, optimizers.Adam(model.parameters()), X[0], X[0])
        sqrt = [node for node in step.compiled.graph.nodes if node.op is ops.sqrt]
        return len(sqrt)

    assert updates(2) == updates(8)
