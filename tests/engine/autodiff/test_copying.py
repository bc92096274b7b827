"""Copying and pickling: leaves and models can be, results of recorded operations say why not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dlcourse as dl
from dlcourse import Tensor, no_grad
from dlcourse.graphs import function
from dlcourse.nn import Linear, Module
from dlcourse.optimizers import SGD

COPY: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}


def deep_result() -> Tensor:
    y = Tensor([1.0], requires_grad=True)
    for _ in range(20_000):
        y = y + 1.0
    return y


RESULTS: dict[str, Callable[[], Tensor]] = {
    "a product": lambda: Tensor([1.0, 2.0], requires_grad=True) * 2.0,
    "a deep result": deep_result,
    "within a list": lambda: [Tensor(2.0, requires_grad=True).exp()],
}


@pytest.mark.parametrize("how", [*COPY.values(), copy.copy], ids=[*COPY, "copy"])
@pytest.mark.parametrize("name", RESULTS)
def test_a_recorded_result_says_what_to_do(how: Callable[[Any], Any], name: str) -> None:
    if how is copy.copy and name == "within a list":
        return
    with pytest.raises(RuntimeError, match=r"only leaves can be copied.*clone\(\).*detach\(\)"):
        how(RESULTS[name]())


def test_pytorch_refuses_the_same() -> None:
    with pytest.raises(RuntimeError, match="deepcopy protocol"):
        copy.deepcopy(torch.ones(2, requires_grad=True) * 2.0)


@pytest.mark.parametrize("how", COPY.values(), ids=COPY)
def test_a_leaf_is_copied_with_its_gradient_and_without_its_hooks(how: Any) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.register_hook(lambda g: g * 100.0)
    y = how(x)
    assert y.requires_grad and y.is_leaf and y.grad is not x.grad
    assert (y.data.tolist(), y.grad.data.tolist()) == ([1.0, 2.0], [2.0, 4.0])
    (y * y).sum().backward()
    assert y.grad.data.tolist() == [4.0, 8.0]
    assert x.grad.data.tolist() == [2.0, 4.0]
    y.data[0] = 7.0
    assert x.data[0] == 1.0


@pytest.mark.parametrize("how", COPY.values(), ids=COPY)
def test_results_without_a_graph_are_copied(how: Any) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with no_grad():
        y = x * 2.0
    assert how(y).data.tolist() == [2.0, 4.0]
    assert how((x * 2.0).detach()).data.tolist() == [2.0, 4.0]


def test_a_tensor_in_two_places_is_one_tensor_in_the_copy() -> None:
    x = Tensor(1.0, requires_grad=True)
    a, b = copy.deepcopy([x, x])
    assert a is b and a is not x


class Model(Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Linear(3, 2, rng=np.random.default_rng(0))
        self.scale = 1.0

    def forward(self, x: Any) -> Any:
        return dl.tanh(self.layer(x))

    @function
    def predict(self, x: Any) -> Any:
        return dl.tanh(x) * self.scale


class Louder(Model):
    @function
    def predict(self, x: Any) -> Any:
        return super().predict(x) * 2.0


X = np.random.default_rng(1).normal(size=(4, 3))


@pytest.mark.parametrize("how", COPY.values(), ids=COPY)
@pytest.mark.parametrize("kind", [Model, Louder])
def test_a_model_whose_traced_method_ran_is_copied_and_traces_for_itself(
    how: Any, kind: type[Model]
) -> None:
    model = kind()
    before = [model.predict(X), model.predict(X)]
    other = how(model)
    other.scale = 5.0
    np.testing.assert_allclose(other.predict(X), 5.0 * before[0])
    np.testing.assert_array_equal(model.predict(X), before[1])
    np.testing.assert_array_equal(before[0], before[1])
    assert other.predict.traces == model.predict.traces == 1
    assert other.predict.python_function.__self__ is other


def test_an_overridden_method_keeps_its_place_after_super_was_called() -> None:
    model, louder = Model(), Louder()
    for _ in range(3):
        np.testing.assert_allclose(louder.predict(X), 2.0 * model.predict(X))


def test_a_traced_function_of_a_module_is_copied_and_pickled_as_functions_are() -> None:
    assert copy.deepcopy(doubled) is doubled
    assert pickle.loads(pickle.dumps(doubled)) is doubled


@function
def doubled(x: Any) -> Any:
    return x * 2.0


def test_the_best_model_is_kept_by_early_stopping() -> None:
    model = Model()
    optimizer = SGD(model.parameters(), lr=0.5)
    target, best, lowest = np.ones((4, 2)), None, np.inf
    for step in range(20):
        if step == 10:
            optimizer.param_groups[0]["lr"] = -2.0  # from now on it gets worse
        loss = ((model(X) - target) ** 2).mean()
        if loss.item() < lowest:
            lowest, best = loss.item(), copy.deepcopy(model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.predict(X)
    np.testing.assert_array_equal(best.predict(X), model.predict(X))
    kept = ((best(X) - target) ** 2).mean().item()
    assert kept == pytest.approx(lowest)
    assert loss.item() > lowest


class Doubling:
    def of(self, x: Any) -> Any:
        return x * 2.0


def test_a_function_of_a_bound_method_is_itself_when_copied() -> None:
    """It belongs to no class, so there is nowhere to look a copy up."""
    twice = function(Doubling().of)
    assert copy.deepcopy(twice) is twice
    assert copy.copy(twice) is twice
