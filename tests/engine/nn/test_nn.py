"""Layers compute what PyTorch's do, and list their parameters as PyTorch's do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse.nn import Linear, Module, ReLU, Sequential


def copy_weights(ours: Module, theirs: torch.nn.Module) -> None:
    for p, t in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.shape == tuple(t.shape)
        t.data = torch.tensor(p.data)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
def test_linear_has_the_value_and_gradients_of_pytorchs(shape, bias) -> None:
    layer = Linear(3, 4, bias=bias, rng=np.random.default_rng(0))
    theirs = torch.nn.Linear(3, 4, bias=bias)
    copy_weights(layer, theirs)
    data = np.random.default_rng(1).normal(size=shape)
    x, t = Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    y, u = layer(x), theirs(t)
    np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-9, atol=1e-15)
    (y * y).sum().backward()
    (u * u).sum().backward()
    for a, b in zip([x, *layer.parameters()], [t, *theirs.parameters()], strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-9, atol=1e-14)


def test_a_network_has_the_value_and_gradients_of_pytorchs() -> None:
    rng = np.random.default_rng(0)
    ours = Sequential(
        Linear(3, 8, rng=rng), ReLU(), Linear(8, 8, rng=rng), ReLU(), Linear(8, 2, rng=rng)
    )
    layers = torch.nn
    theirs = layers.Sequential(
        layers.Linear(3, 8), layers.ReLU(), layers.Linear(8, 8), layers.ReLU(), layers.Linear(8, 2)
    )
    copy_weights(ours, theirs)
    x = rng.normal(size=(10, 3))
    ours(Tensor(x)).square().mean().backward()
    theirs(torch.tensor(x)).square().mean().backward()
    named = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(named)
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.data, named[name].grad.numpy(), rtol=1e-9, atol=1e-15)
    ours.zero_grad()
    assert all(p.grad is None for p in ours.parameters())


def test_a_module_that_is_used_twice_lists_its_parameters_once_as_in_pytorch() -> None:
    shared, theirs = Linear(3, 3), torch.nn.Linear(3, 3)
    names = [name for name, _ in Sequential(shared, ReLU(), shared).named_parameters()]
    model = torch.nn.Sequential(theirs, torch.nn.ReLU(), theirs)
    assert names == [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert len(Sequential(shared, shared).parameters()) == 2


class Residual(Module):
    """A module with everything that may be an attribute."""

    def __init__(self) -> None:
        self.scale = Tensor(2.0, requires_grad=True)
        self.constant = Tensor(1.0)
        self.layers = [Linear(2, 2, bias=False), ReLU(), Linear(2, 2)]
        self.head = Sequential(Linear(2, 1))
        self.alias = self.scale
        self.name = "residual"

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for layer in self.layers:
            h = layer(h)
        return self.head(x + h * self.scale + self.constant)


def test_parameters_are_found_in_attributes_lists_and_submodules_in_order() -> None:
    module = Residual()
    assert [name for name, _ in module.named_parameters()] == [
        "scale",
        "layers.0.weight",
        "layers.2.weight",
        "layers.2.bias",
        "head.0.weight",
        "head.0.bias",
    ]
    module(Tensor(np.ones((3, 2)))).sum().backward()
    assert module.scale.grad is not None


@pytest.mark.parametrize("features", [1, 4, 100])
def test_initial_values_fill_plus_minus_one_over_the_root_of_the_inputs(features) -> None:
    layer = Linear(features, 2000, rng=np.random.default_rng(0))
    bound = features**-0.5
    for p in layer.parameters():
        assert np.abs(p.data).max() <= bound
        assert np.abs(p.data).max() > 0.99 * bound
        assert abs(p.data.mean()) < 0.05 * bound
    theirs = torch.nn.Linear(features, 2000)
    assert theirs.weight.abs().max().item() == pytest.approx(bound, rel=0.01)


def test_the_generator_and_the_dtype_decide_the_initial_values() -> None:
    one, same = (Linear(3, 2, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.weight.data, same.weight.data)
    single = Linear(3, 2, rng=np.random.default_rng(7), dtype=np.float32)
    assert single(Tensor(np.ones((1, 3), np.float32))).dtype == np.float32
    np.testing.assert_array_equal(single.weight.data, one.weight.data.astype(np.float32))


def test_sequential_gives_its_items() -> None:
    relu = ReLU()
    model = Sequential(Linear(2, 2), relu)
    assert len(model) == 2
    assert model[1] is relu
    assert model[-1] is relu


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_linear_needs_features(sizes) -> None:
    with pytest.raises(ValueError, match="at least 1 feature on each side, got"):
        Linear(*sizes)


def test_an_input_that_does_not_fit_is_an_error_that_names_the_shapes() -> None:
    with pytest.raises(ValueError, match=r"(?s)linear.*x.shape\[-1\] == weight.shape\[1\].*5 != 3"):
        Linear(3, 4)(Tensor(np.zeros((2, 5))))
