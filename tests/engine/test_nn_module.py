"""What a Module consists of, its mode, its state, and calls with other values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor, grad, nn, no_grad
from dlcourse.graphs import trace
from dlcourse.nn import Module, functional_call, functional_call_with_buffers
from dlcourse.optimizers import SGD


class Branches(Module):
    """A module with all kinds of attributes that can hold parameters."""

    def __init__(self) -> None:
        self.layers = {"a": nn.Linear(2, 2), "b": [nn.Linear(2, 2)]}
        self.scales = (Tensor(1.0, requires_grad=True), [Tensor(2.0, requires_grad=True)])
        self.offset = Tensor(np.ones(2))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        y = self.layers["a"](x) * self.scales[0] + self.layers["b"][0](x) * self.scales[1][0]
        return self.dropout(y + self.offset)


NAMES = ["layers.a.weight", "layers.a.bias", "layers.b.0.weight", "layers.b.0.bias",
         "scales.0", "scales.1.0"]  # fmt: skip


def test_parameters_buffers_and_modules_are_found_in_attributes_by_name() -> None:
    model = Branches()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [name for name, _ in model.named_buffers()] == ["offset"]
    assert list(model.state_dict()) == [*NAMES, "offset"]
    assert [name for name, _ in model.named_modules()] == [
        "", "layers.a", "layers.b.0", "dropout",
    ]  # fmt: skip
    assert [name for name, _ in model.named_modules("model")][1] == "model.layers.a"


def test_train_and_eval_set_the_mode_of_all_modules_and_apply_visits_them() -> None:
    model = Branches()
    assert model.eval() is model
    modes = []
    model.apply(lambda module: modes.append(module.training))
    assert modes == [False] * 4
    assert model.train().dropout.training


# --- State ----------------------------------------------------------------------------------------


def test_a_state_dict_is_a_copy_and_loading_it_keeps_the_parameters_objects() -> None:
    model = Branches()
    state, weight = model.state_dict(), model.layers["a"].weight
    state["layers.a.weight"] += 1
    before = weight.data.copy()
    assert not np.array_equal(before, state["layers.a.weight"])
    assert model.load_state_dict(state) == ([], [])
    assert model.layers["a"].weight is weight
    np.testing.assert_array_equal(weight.data, before + 1)
    state["layers.a.weight"] += 1
    np.testing.assert_array_equal(weight.data, before + 1)


def test_loading_converts_numbers_to_the_dtype_of_the_parameter() -> None:
    model = nn.Linear(2, 1, dtype=np.float32)
    model.load_state_dict({"weight": [[1, 2]], "bias": np.array([0.5])})
    assert model.weight.dtype == model.bias.dtype == np.float32
    np.testing.assert_array_equal(model.weight.data, [[1, 2]])


def test_a_state_that_does_not_fit_is_an_error_that_lists_all_and_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    del state["0.bias"]
    state["2.weight"] = np.ones(2)
    state["1.weight"] = np.ones(4)
    state["1.num_batches_tracked"] = np.array(1.5)
    with pytest.raises(ValueError, match=r"Sequential\.load_state_dict") as error:
        model.load_state_dict(state)
    for line in [
        "missing: 0.bias (3,)",
        "unexpected: 2.weight",
        "shape of 1.weight: expected (3,), got (4,)",
        "dtype of 1.num_batches_tracked: expected int64, got float64",
    ]:
        assert f"\n  {line}" in str(error.value)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_without_strict_the_common_names_are_loaded_and_the_others_returned() -> None:
    model = nn.Linear(2, 3)
    keys = model.load_state_dict({"weight": np.ones((3, 2)), "scale": 1.0}, strict=False)
    assert keys.missing == ["bias"]
    assert keys.unexpected == ["scale"]
    np.testing.assert_array_equal(model.weight.data, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"shape of weight: expected \(3, 2\), got \(2,\)"):
        model.load_state_dict({"weight": np.ones(2)}, strict=False)


def test_a_shared_layer_has_all_its_names_in_the_state_as_in_pytorch() -> None:
    shared, theirs = nn.Linear(2, 2), torch.nn.Linear(2, 2)
    model, twin = nn.Sequential(shared, shared), torch.nn.Sequential(theirs, theirs)
    assert list(model.state_dict()) == list(twin.state_dict())


def test_a_gradient_through_a_parameter_that_was_loaded_meanwhile_is_an_error() -> None:
    model = nn.Linear(2, 1)
    x = Tensor(np.ones((1, 2)), requires_grad=True)
    y = model(x).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


# --- Calls with other values ----------------------------------------------------------------------


def test_a_functional_call_has_the_value_and_gradient_of_pytorchs() -> None:
    model, twin = nn.Linear(3, 2), torch.nn.Linear(3, 2).double()
    rng = np.random.default_rng(0)
    values = {"weight": rng.normal(size=(2, 3)), "bias": rng.normal(size=2)}
    x = rng.normal(size=(4, 3))
    g = grad(lambda w: functional_call(model, {**values, "weight": w}, x).square().sum())
    w, bias = (torch.tensor(value, requires_grad=True) for value in values.values())
    y = torch.func.functional_call(twin, {"weight": w, "bias": bias}, torch.tensor(x))
    y.square().sum().backward()
    np.testing.assert_allclose(g(Tensor(values["weight"])).data, w.grad.numpy(), rtol=1e-9)
    assert model.weight.grad is None


def test_all_places_of_a_parameter_are_replaced_and_restored() -> None:
    model = Branches().eval()
    before = dict(model.named_parameters())
    layers, scales = model.layers, model.scales
    values = {name: 2 * p.data for name, p in before.items()}
    y = functional_call(model, values, np.ones((1, 2)))
    assert model.layers is layers
    assert model.scales is scales
    assert all(p is before[name] for name, p in model.named_parameters())
    model.load_state_dict(values, strict=False)
    np.testing.assert_allclose(model(np.ones((1, 2))).data, y.data)

    shared = nn.Linear(2, 2, bias=False)
    twice = nn.Sequential(shared, shared)
    y = functional_call(twice, {"0.weight": 3 * np.eye(2)}, np.ones(2))
    np.testing.assert_array_equal(y, [9, 9])


def test_a_module_is_as_it_was_after_an_error_in_a_functional_call() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1))
    before = dict(model.named_parameters())
    with pytest.raises(ValueError, match="linear"):
        functional_call(model, {name: p.detach() for name, p in before.items()}, np.ones((1, 2)))
    assert all(p is before[name] for name, p in model.named_parameters())


@pytest.mark.parametrize(
    "values, kind, message",
    [
        ({"kernel": np.ones((3, 2))}, KeyError, "no parameter or buffer 'kernel'; it has weight"),
        ({"weight": np.ones((2, 3))}, ValueError, r"weight of shape \(3, 2\), got \(2, 3\)"),
    ],
)
def test_values_that_do_not_fit_are_an_error(values, kind, message) -> None:
    with pytest.raises(kind, match=message):
        functional_call(nn.Linear(2, 3), values, np.ones((1, 2)))


def test_a_functional_call_with_buffers_returns_the_statistics_and_leaves_the_module() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    x = np.random.default_rng(0).normal(size=(5, 2))
    before = model.state_dict()
    y, updates = functional_call_with_buffers(model, {}, x)
    assert sorted(updates) == ["1.num_batches_tracked", "1.running_mean", "1.running_var"]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    again = model(x)
    np.testing.assert_allclose(again.data, y.data)
    for name, value in updates.items():
        np.testing.assert_allclose(model.state_dict()[name], value.data)
    assert functional_call_with_buffers(model.eval(), {}, x)[1] == {}


def test_running_statistics_are_outputs_of_a_static_training_graph() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, momentum=None))
    x = np.random.default_rng(0).normal(size=(5, 2))

    def state() -> dict[str, Tensor]:
        return dict(sorted([*model.named_parameters(), *model.named_buffers()]))

    graph = trace(lambda values, x: functional_call_with_buffers(model, values, x), state(), x)
    for _ in range(3):
        results = graph.run(*[value.data for value in state().values()], x)
        expected = [model(x), *dict(sorted(model.named_buffers())).values()]
        for a, b in zip(expected, results, strict=True):
            np.testing.assert_allclose(a.data, b, rtol=1e-12)
            assert a.dtype == b.dtype


def test_tracing_statistics_that_would_be_lost_is_an_error_and_leaves_the_module() -> None:
    model = nn.BatchNorm1d(2)
    buffers = dict(model.named_buffers())
    with pytest.raises(RuntimeError, match="next value of running_mean must be an output"):
        trace(
            lambda values, x: functional_call(model, values, x),
            dict(model.named_parameters()),
            np.ones((3, 2)),
        )
    assert all(b is buffers[name] for name, b in model.named_buffers())


def test_a_model_moves_under_an_optimizer_after_a_functional_call() -> None:
    model = nn.Linear(2, 1, bias=False)
    with no_grad():
        model.weight.zero_()
    functional_call(model, {"weight": np.ones((1, 2))}, np.ones((1, 2)))
    model(np.ones((1, 2))).sum().backward()
    SGD(model.parameters(), lr=0.5).step()
    np.testing.assert_array_equal(model.weight.data, [[-0.5, -0.5]])
