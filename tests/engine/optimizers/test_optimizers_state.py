"""Parameter groups, rules as pure functions, and state dicts."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch

from dlcourse import Tensor
from dlcourse import optimizers as ours
from dlcourse.optimizers import LBFGS, SGD, Adam, AdamW, CosineAnnealingLR, NAdam, RMSprop

MAKERS = {
    "GD": lambda p: ours.GD(p, lr=0.1),
    "SGD": lambda p: ours.SGD(p, lr=0.1),
    "momentum": lambda p: ours.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "nesterov, keras": lambda p: ours.SGD(p, lr=0.1, momentum=0.9, nesterov=True, form="keras"),
    "Lion": lambda p: ours.Lion(p, weight_decay=0.1),
    "Adagrad": lambda p: ours.Adagrad(p, lr_decay=0.1),
    "Adadelta": ours.Adadelta,
    "RMSprop": lambda p: ours.RMSprop(p, centered=True, momentum=0.9),
    "RMSprop, keras": lambda p: ours.RMSprop(p, centered=True, momentum=0.9, form="keras"),
    "Adam": lambda p: ours.Adam(p, weight_decay=0.1),
    "AMSGrad, keras": lambda p: ours.Adam(p, amsgrad=True, form="keras"),
    "AdamW": ours.AdamW,
    "Adamax": ours.Adamax,
    "NAdam": lambda p: ours.NAdam(p, maximize=True),
}
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameters(dtype="float64"):
    rng = np.random.default_rng(0)
    return [Tensor(rng.normal(size=s), requires_grad=True, dtype=dtype) for s in ((3, 2), (2,), ())]


def move(optimizer, steps, seed=1):
    """Steps with random gradients."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in optimizer.parameters:
            p.grad = Tensor(rng.normal(size=p.shape), dtype=p.dtype)
        optimizer.step()


def values(optimizer):
    return [p.data.copy() for p in optimizer.parameters]


# --- Rules ------------------------------------------------------------------------------------


@every_optimizer
def test_a_rule_changes_none_of_its_arguments(make) -> None:
    optimizer = make(parameters())
    h = optimizer.param_groups[0]
    p, g = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.0, -1.0])
    state = optimizer.initial_state(p, h)
    for t in (1, 2, 3):
        for array in (p, g, *state.values()):
            if isinstance(array, np.ndarray):  # a 0-d result is a scalar, which nothing can change
                array.flags.writeable = False
        delta, state = optimizer.update(p, g, state, t, h)
        assert delta.shape == p.shape
        p = p - delta


@every_optimizer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rule_traced_on_tensors_gives_what_it_gives_on_arrays(make, dtype) -> None:
    # Tensors stand for whatever decides itself what an operation does: a symbol too.
    optimizer = make(parameters())
    h = {**optimizer.param_groups[0], "lr": np.asarray(0.1, dtype)}
    traced_h = h | {"lr": Tensor(h["lr"])}
    p, g = np.array([1.0, -2.0, 3.0], dtype), np.array([0.5, 0.0, -1.0], dtype)
    state = optimizer.initial_state(p, h)
    traced = {name: Tensor(slot) for name, slot in state.items()}
    for t in (1, 2):
        delta, state = optimizer.update(p, g, state, t, h)
        step = Tensor(np.asarray(t, dtype))
        traced_delta, traced = optimizer.update(Tensor(p), Tensor(g), traced, step, traced_h)
        assert traced.keys() == state.keys()
        for a, b in zip((delta, *state.values()), (traced_delta, *traced.values()), strict=True):
            assert isinstance(b, Tensor)
            assert np.asarray(a).dtype == b.dtype == dtype
            np.testing.assert_allclose(a, b.data, rtol=1e-3 if dtype == "float32" else 1e-12)


@every_optimizer
def test_one_long_vector_takes_the_steps_of_its_parts(make) -> None:
    parts = make(parameters())
    whole = make([Tensor(np.concatenate([p.data.ravel() for p in parts.parameters]), True)])
    rng = np.random.default_rng(1)
    for _ in range(5):
        gradients = [rng.normal(size=p.shape) for p in parts.parameters]
        for p, g in zip(parts.parameters, gradients, strict=True):
            p.grad = Tensor(g)
        whole.parameters[0].grad = Tensor(np.concatenate([g.ravel() for g in gradients]))
        parts.step()
        whole.step()
    np.testing.assert_array_equal(
        np.concatenate([p.data.ravel() for p in parts.parameters]), whole.parameters[0].data
    )


@every_optimizer
def test_parameters_and_state_keep_memory_and_dtype(make) -> None:
    optimizer = make(parameters("float32"))
    optimizer.param_groups[0]["lr"] = np.float64(0.1)
    memory = [p.data for p in optimizer.parameters]
    move(optimizer, 3)
    for p, data in zip(optimizer.parameters, memory, strict=True):
        assert p.data is data
        slots = [slot for name, slot in optimizer.state[p].items() if name != "step"]
        assert {a.dtype for a in (p.data, *slots)} == {np.dtype("float32")}


@every_optimizer
def test_a_learning_rate_of_0_stands_still(make) -> None:
    optimizer = make(parameters())
    optimizer.lr = 0
    before = values(optimizer)
    move(optimizer, 3)
    for a, b in zip(before, values(optimizer), strict=True):
        np.testing.assert_array_equal(a, b)


@every_optimizer
def test_a_parameter_without_a_gradient_stays_and_is_not_remembered(make) -> None:
    optimizer = make(parameters())
    still, *others = optimizer.parameters
    before = still.data.copy()
    for p in others:
        p.grad = Tensor(np.ones(p.shape))
    optimizer.step()
    np.testing.assert_array_equal(still.data, before)
    assert set(optimizer.state) == set(others)


def test_the_variance_of_a_constant_gradient_is_not_negative() -> None:
    p = Tensor([1.0], requires_grad=True, dtype=np.float32)
    optimizer = RMSprop([p], centered=True, alpha=0.5, lr=0.0)
    for _ in range(50):
        p.grad = Tensor([0.3], dtype=np.float32)
        optimizer.step()
    assert np.isfinite(p.data).all()


def test_momentum_may_begin_later_as_in_pytorch() -> None:
    p, q = Tensor([1.0], requires_grad=True), torch.ones(1, dtype=torch.float64)
    mine, theirs = SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.1)
    for momentum in (0.0, 0.0, 0.9, 0.9, 0.9):
        mine.param_groups[0]["momentum"] = theirs.param_groups[0]["momentum"] = momentum
        p.grad, q.grad = Tensor(2 * p.data), 2 * q
        mine.step()
        theirs.step()
        np.testing.assert_allclose(p.data, q.numpy(), rtol=1e-12)


def test_a_closure_is_called_once_and_its_loss_returned() -> None:
    p = Tensor(3.0, requires_grad=True)
    optimizer = SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = p * p
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9
    assert p.item() == 0
    assert optimizer.step() is None


# --- Groups -----------------------------------------------------------------------------------


def test_groups_take_the_steps_of_groups_in_pytorch() -> None:
    mine, theirs = parameters(), [torch.tensor(p.data.copy()) for p in parameters()]

    def groups(a, b, c):
        return [
            {"params": [a], "lr": 0.1, "weight_decay": 0.2},
            {"params": []},
            {"params": b, "betas": (0.5, 0.9), "amsgrad": True},
            {"params": [c]},
        ]

    optimizer = Adam(groups(*mine), lr=0.01)
    their_optimizer = torch.optim.Adam(groups(*theirs), lr=0.01)
    rng = np.random.default_rng(1)
    for _ in range(50):
        for p, q in zip(mine, theirs, strict=True):
            g = rng.normal(size=p.shape)
            p.grad, q.grad = Tensor(g), torch.tensor(g)
        optimizer.step()
        their_optimizer.step()
        for p, q in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.numpy(), rtol=1e-10)


def test_a_group_can_be_added_and_has_the_options_that_it_does_not_name() -> None:
    a, b, _ = parameters()
    optimizer = SGD([a], lr=0.5, momentum=0.9)
    optimizer.add_param_group({"params": [b], "lr": 0.25})
    assert optimizer.param_groups[1]["momentum"] == 0.9
    assert optimizer.parameters == [a, b]
    before = b.data.copy()
    b.grad = Tensor(np.ones(2))
    optimizer.step()
    np.testing.assert_array_equal(b.data, before - 0.25)
    optimizer.zero_grad()
    assert b.grad is None


def test_the_learning_rate_of_all_groups_can_be_set_but_not_read_if_they_differ() -> None:
    a, b, _ = parameters()
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    with pytest.raises(ValueError, match=re.escape("different learning rates, [0.1, 0.5]")):
        print(optimizer.lr)
    optimizer.lr = 0.3
    assert optimizer.lr == 0.3
    assert [g["lr"] for g in optimizer.param_groups] == [0.3, 0.3]


p, q = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Adam([p], lr=-1), ValueError, "Adam: expected a learning rate lr >= 0, got -1"),
        (lambda: Adam([p], lr="fast"), ValueError, "lr >= 0, got 'fast'"),
        (lambda: Adam([p], betas=(0.9, 1.0)), ValueError, "each 0 <= beta < 1, got (0.9, 1.0)"),
        (lambda: Adam([p], betas=(0.9,)), ValueError, "two betas"),
        (lambda: Adam([p], betas=0.9), ValueError, "two betas, each 0 <= beta < 1, got 0.9"),
        (lambda: Adam([p], eps=-1), ValueError, "eps >= 0, got -1"),
        (lambda: Adam([p], weight_decay=-1), ValueError, "weight_decay >= 0, got -1"),
        (lambda: Adam([p], form="jax"), ValueError, 'form="torch" or form="keras", got \'jax\''),
        (lambda: RMSprop([p], alpha=2), ValueError, "0 <= alpha <= 1, got 2"),
        (lambda: ours.Adadelta([p], rho=-1), ValueError, "0 <= rho <= 1, got -1"),
        (lambda: ours.Adagrad([p], lr_decay=-1), ValueError, "lr_decay >= 0"),
        (lambda: NAdam([p], momentum_decay=-1), ValueError, "momentum_decay >= 0"),
        (
            lambda: SGD([p], lr=1, momentum=0.9, nesterov=True, dampening=0.1),
            ValueError,
            "need dampening=0, got dampening=0.1",
        ),
        (
            lambda: SGD([p], lr=1, momentum=0.9, dampening=0.1, form="keras"),
            ValueError,
            "need dampening=0",
        ),
        (
            lambda: SGD([{"params": [p], "momentum": -1}], lr=1),
            ValueError,
            "momentum >= 0, got -1",
        ),
        (
            lambda: SGD([{"params": [p], "rate": 1}], lr=1),
            ValueError,
            "no option 'rate'; its options are lr, momentum, nesterov",
        ),
        (lambda: SGD([{"lr": 1}], lr=1), TypeError, 'its tensors under "params", got dict'),
        (lambda: SGD([{"params": [p]}, q], lr=1), TypeError, "a group to be a dict"),
        (lambda: SGD([{"params": [p]}, {"params": [p]}], lr=1), ValueError, "listed twice"),
        (lambda: SGD([{"params": [1.0]}], lr=1), TypeError, "parameter 0 is no Tensor but float"),
        (lambda: LBFGS([{"params": [p]}, {"params": [q]}]), ValueError, "expected one group"),
        (lambda: LBFGS([p]).step(), TypeError, "step(closure) needs a function"),
        (lambda: LBFGS([p], line_search_fn="armijo"), ValueError, 'line_search_fn="strong_wolfe"'),
        (lambda: LBFGS([p], max_iter=0), ValueError, "max_iter >= 1, got 0"),
    ],
)
def test_options_and_groups_that_make_no_sense_are_named(make, error, text) -> None:
    with pytest.raises(error, match=re.escape(text)):
        make()


# --- State dicts ------------------------------------------------------------------------------


@every_optimizer
def test_training_goes_on_bit_for_bit_from_a_state_dict(make) -> None:
    first = make(parameters())
    schedule = CosineAnnealingLR(first, T_max=10)
    move(first, 7)
    schedule.step()
    saved = [p.data.copy() for p in first.parameters]
    state, plan = first.state_dict(), schedule.state_dict()
    move(first, 7, seed=2)  # must not change what was saved
    schedule.step()
    last_lr = first.lr

    second = make([Tensor(p, requires_grad=True) for p in saved])
    second_schedule = CosineAnnealingLR(second, T_max=10)
    second.load_state_dict(state)
    second_schedule.load_state_dict(plan)
    move(second, 7, seed=2)
    second_schedule.step()
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_array_equal(a, b)
    assert second.lr == last_lr


def test_a_state_dict_has_the_layout_of_pytorch() -> None:
    a, b, c = parameters()
    optimizer = Adam([{"params": [a, b]}, {"params": [c], "lr": 0.5}])
    move(optimizer, 2)
    state = optimizer.state_dict()
    assert [g["params"] for g in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert state["state"].keys() == {0, 1, 2}
    assert state["state"][0].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][0]["step"] == 2
    theirs = torch.optim.Adam([torch.tensor(p.data.copy()) for p in (a, b, c)])
    for p in theirs.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    theirs.step()
    assert theirs.state_dict()["state"][0].keys() == state["state"][0].keys()


def test_a_state_dict_loaded_is_a_copy() -> None:
    optimizer = SGD(parameters(), lr=0.1, momentum=0.9)
    move(optimizer, 1)
    state = optimizer.state_dict()
    untouched = copy.deepcopy(state)
    optimizer.load_state_dict(state)
    buffer = optimizer.state[optimizer.parameters[0]]["momentum_buffer"]
    assert not np.shares_memory(buffer, state["state"][0]["momentum_buffer"])
    move(optimizer, 2)
    optimizer.lr = 5
    assert state["param_groups"] == untouched["param_groups"]
    for i, slots in state["state"].items():
        np.testing.assert_array_equal(
            slots["momentum_buffer"], untouched["state"][i]["momentum_buffer"]
        )


def changed(state, change):
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop("state"), 'keys "state" and "param_groups", got [\'param_groups\']'),
        (lambda s: s["param_groups"].pop(), "groups of [2, 1] parameters, got [2]"),
        (lambda s: s["param_groups"][0]["params"].pop(), "groups of [2, 1] parameters, got [1, 1]"),
        (
            lambda s: s["param_groups"][0].pop("eps"),
            "expected the groups of a state dict to have params, lr, betas, eps, amsgrad",
        ),
        (lambda s: s["param_groups"][1].update(lr=-1), "lr >= 0, got -1"),
        (lambda s: s["state"][1].pop("exp_avg"), "state step, exp_avg, exp_avg_sq; got step, exp"),
        (
            lambda s: s["state"][2].update(exp_avg=np.zeros(7)),
            "expected exp_avg of parameter 2 to have shape (), got (7,)",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused_and_changes_nothing(change, text) -> None:
    def make():
        a, b, c = parameters()
        optimizer = AdamW([{"params": [a, b]}, {"params": [c]}])
        move(optimizer, 3)
        return optimizer

    optimizer, other = make(), make()
    optimizer.lr = 0.25
    wrong = changed(optimizer.state_dict(), change)
    with pytest.raises(ValueError, match=re.escape(text)):
        other.load_state_dict(wrong)
    assert other.lr == 1e-3
    move(other, 1)
    again = make()
    move(again, 1)
    for a, b in zip(values(other), values(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_another_optimizer_is_refused() -> None:
    other = RMSprop(parameters())
    with pytest.raises(
        ValueError, match="Adam: expected the groups of a state dict to have params, lr"
    ):
        Adam(parameters()).load_state_dict(other.state_dict())
