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


# --- Children, hooks, freezing, printing ----------------------------------------------------------


def test_children_are_the_modules_one_level_down_and_modules_are_all() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), shared)
    twin = torch.nn.Linear(2, 2)
    twins = torch.nn.Sequential(twin, torch.nn.Sequential(torch.nn.ReLU(), twin), twin)
    for name in ("named_children", "named_modules"):
        names = [found for found, _ in getattr(model, name)()]
        assert names == [found for found, _ in getattr(twins, name)()]
    assert model.children() == [shared, model[1]]
    assert model.modules() == [model, shared, model[1], model[1][0]]
    assert [name for name, _ in Branches().named_children()] == [
        "layers.a",
        "layers.b.0",
        "dropout",
    ]
    assert Branches().buffers()[0].shape == (2,)


def test_parameters_are_counted_once_and_buffers_are_not() -> None:
    shared = nn.Linear(2, 3)
    assert nn.Sequential(shared, shared, nn.BatchNorm1d(3)).count_params() == 9 + 6


def test_hooks_see_and_replace_what_goes_in_and_comes_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    seen = []
    x = np.ones((1, 2))
    plain = model(x).data

    def note(module, inputs, result):
        seen.append((module, inputs, result))

    handles = [layer.register_forward_hook(note) for layer in model]
    np.testing.assert_array_equal(model(x).data, plain)
    assert [module for module, *_ in seen] == list(model)
    assert seen[0][1] == (x,)
    assert seen[1][1] == (seen[0][2],)
    handles += [
        model.register_forward_pre_hook(lambda _, inputs: inputs[0] * 0),
        model.register_forward_pre_hook(lambda _, inputs: (inputs[0] + 2,)),
        model[1].register_forward_hook(lambda _, __, y: y + 1),
        model[1].register_forward_hook(lambda _, __, y: y * 10),
    ]
    np.testing.assert_allclose(model(x).data, (np.maximum(model[0](2 * x).data, 0) + 1) * 10)
    handles.append(model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs)))
    np.testing.assert_allclose(model(x).data, (np.maximum(model[0](2 * x).data, 0) + 1) * 10)
    assert seen[-4][0].tolist() == [[2, 2]]  # before what three calls of layers noted
    for handle in handles:
        handle.remove()
        handle.remove()
    seen.clear()
    np.testing.assert_array_equal(model(x).data, plain)
    assert seen == []


def test_a_hook_acts_in_a_static_graph_and_is_no_part_of_the_state() -> None:
    class Watcher(Module):
        """A hook with a parameter, which is not one of the module that it watches."""

        def __init__(self) -> None:
            self.scale = Tensor(2.0, requires_grad=True)

        def forward(self, _module, _inputs, y):
            return y * self.scale.data

    model = nn.Linear(2, 3)
    state = list(model.state_dict())
    model.register_forward_hook(Watcher())
    assert list(model.state_dict()) == state
    assert model.modules() == [model]
    values = dict(sorted(model.named_parameters()))
    graph = trace(lambda values, x: functional_call(model, values, x), values, np.ones((1, 2)))
    (y,) = graph.run(*[p.data for p in values.values()], np.ones((1, 2)))
    np.testing.assert_allclose(y, model(np.ones((1, 2))).data)


def test_frozen_parameters_stay_in_the_state_and_thaw_again() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    names = [name for name, _ in model.named_parameters()]
    state = model.state_dict()
    assert model[:2].requires_grad_(False) is not None
    model[0].requires_grad_(False)
    assert [name for name, _ in model.named_parameters()] == ["2.weight", "2.bias"]
    assert list(model.state_dict()) == list(state)
    before = model[0].weight.data.copy()
    optimizer = SGD(model.parameters(), lr=1.0)
    model(np.random.default_rng(0).normal(size=(4, 2))).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(model[0].weight.data, before)
    assert model[0].weight.grad is None
    model.requires_grad_()
    assert [name for name, _ in model.named_parameters()] == names
    assert not model[1].running_mean.requires_grad
    model[0].weight.requires_grad = False  # after it was thawed, so not for the method to thaw
    assert not model.requires_grad_()[0].weight.requires_grad
    other = nn.Linear(2, 2)
    other.weight.requires_grad = False  # not frozen by the method, so not thawed by it
    other.requires_grad_(False).requires_grad_()
    assert [name for name, _ in other.named_parameters()] == ["bias"]


def test_a_module_prints_its_layers_nested_with_their_settings() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.Sequential(nn.ReLU(), nn.Dropout(0.1)),
        nn.ModuleDict({"a": nn.GRU(3, 5, num_layers=2), "b": nn.RNN(3, 5, "relu")}),
        nn.Linear(3, 2),
        nn.BatchNorm2d(4, momentum=None),
        nn.Softmax(),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Conv2d(in_channels=1, out_channels=4, kernel_size=(3, 3), padding=1, bias=False)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.1)\n"
        "  )\n"
        "  (2): ModuleDict(\n"
        "    (a): GRU(input_size=3, hidden_size=5, num_layers=2)\n"
        "    (b): RNN(input_size=3, hidden_size=5, nonlinearity='relu')\n"
        "  )\n"
        "  (3): Linear(in_features=3, out_features=2)\n"
        "  (4): BatchNorm2d(num_features=4, momentum=None)\n"
        "  (5): Softmax()\n"
        ")"
    )
    assert repr(Branches()).startswith("Branches(\n  (layers.a): Linear(in_features=2")

    class Fixed(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 3)

    assert repr(Fixed()) == "Fixed()"  # which takes no arguments
    shared = nn.Linear(2, 2)
    assert repr(nn.Sequential(shared, shared)).count("Linear") == 2


# --- Containers -----------------------------------------------------------------------------------


def test_lists_and_dicts_of_modules_hold_parameters_under_pytorchs_names() -> None:
    def filled(library):
        lists = library.ModuleList([library.Linear(2, 3), library.ReLU()])
        lists.append(library.Linear(3, 1)).extend([library.Tanh()])
        lists.insert(1, library.Linear(3, 3))
        dicts = library.ModuleDict({"a": library.Linear(1, 1)})
        dicts["b"] = library.Linear(1, 2)
        return lists, dicts

    (ours, by_name), (theirs, their_names) = filled(nn), filled(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(by_name.state_dict()) == list(their_names.state_dict())
    assert len(ours) == len(list(ours)) == 5
    assert ours[1:3].children() == [ours[1], ours[2]]
    ours[-1] = nn.Identity()
    assert isinstance(ours[4], nn.Identity)
    assert "a" in by_name
    assert list(by_name) == list(by_name.keys()) == ["a", "b"]
    assert list(by_name.values()) == [by_name["a"], by_name["b"]]
    del by_name["a"]
    assert len(by_name) == 1
    for container in (ours, by_name):
        with pytest.raises(TypeError, match="is no function"):
            container(1.0)
    for wrong in (lambda: ours.append(3), lambda: by_name.update({"c": 3})):
        with pytest.raises(TypeError, match="expected a Module, got int"):
            wrong()


def test_a_chain_can_be_sliced_and_extended() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = np.ones((1, 2))
    np.testing.assert_array_equal(model[1:](model[0](x)).data, model(x).data)
    assert len(model.append(nn.Tanh())) == 4
    assert isinstance(model[-1], nn.Tanh)


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
    alone = functional_call_with_buffers(nn.BatchNorm1d(2), {}, x)[1]
    assert sorted(alone) == ["num_batches_tracked", "running_mean", "running_var"]


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


def test_a_dictionary_of_modules_has_its_pairs_in_order() -> None:
    layers = {"b": nn.Linear(1, 1), "a": nn.Linear(1, 2)}
    modules = nn.ModuleDict(layers)
    assert list(modules.items()) == list(layers.items())
    assert list(modules.keys()) == ["b", "a"] and list(modules.values()) == list(layers.values())


def test_a_functional_call_replaces_parameters_in_lists_tuples_and_dicts() -> None:
    class Parts(Module):
        def __init__(self) -> None:
            self.named = {"w": Tensor([1.0, 1.0], requires_grad=True)}
            self.listed = [Tensor([2.0, 2.0], requires_grad=True)]

        def forward(self, x: Tensor) -> Tensor:
            return x * self.named["w"] + self.listed[0]

    model = Parts()
    assert [name for name, _ in model.named_parameters()] == ["named.w", "listed.0"]
    others = {"named.w": Tensor([3.0, 3.0]), "listed.0": Tensor([0.5, 0.5])}
    called = functional_call(model, others, Tensor([1.0, 2.0]))
    assert called.numpy().tolist() == [3.5, 6.5]
    assert model.named["w"].data.tolist() == [1.0, 1.0]
