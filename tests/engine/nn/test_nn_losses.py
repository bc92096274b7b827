"""Loss modules have the values and gradients of PyTorch's, with the same options."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from dlcourse import Tensor, losses, nn
from dlcourse.nn.losses import Loss
from dlcourse.optimizers import SGD
from dlcourse.training.compiled_step import compile_step

RNG = np.random.default_rng(0)
SCORES, OTHER = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
SHARES = RNG.dirichlet([1.0, 1.0, 1.0], size=5)
LABELS = np.array([0, 2, 1, -100, 2])
SIGNS = np.array([1, -1, 1, 1, -1])
WEIGHT = np.array([0.5, 2.0, 1.0])
CASES = [
    ("MSELoss", {}, (SCORES, OTHER)),
    ("MSELoss", {"reduction": "sum"}, (SCORES, OTHER)),
    ("L1Loss", {"reduction": "none"}, (SCORES, OTHER)),
    ("HuberLoss", {"delta": 0.5}, (SCORES, OTHER)),
    ("SmoothL1Loss", {"beta": 0.3}, (SCORES, OTHER)),
    ("BCELoss", {}, (SHARES, SHARES[::-1].copy())),
    ("BCEWithLogitsLoss", {"pos_weight": WEIGHT}, (SCORES, SHARES)),
    ("CrossEntropyLoss", {}, (SCORES, LABELS)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.1, "ignore_index": 1},
     (SCORES, np.array([0, 2, 1, 1, 2]))),
    ("CrossEntropyLoss", {"reduction": "none"}, (SCORES, SHARES)),
    ("NLLLoss", {"weight": WEIGHT, "reduction": "sum"}, (SCORES, LABELS)),
    ("KLDivLoss", {"reduction": "batchmean"}, (SCORES, SHARES)),
    ("KLDivLoss", {"log_target": True}, (SCORES, np.log(SHARES))),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": WEIGHT},
     (SCORES, np.array([0, 2, 1, 1, 2]))),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (SCORES, OTHER, SIGNS)),
    ("TripletMarginLoss", {"margin": 0.7, "p": 1.0, "swap": True}, (SCORES, OTHER, SHARES)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name, options, given", CASES)
def test_a_loss_module_has_pytorchs_value_and_gradient(name, options, given, dtype) -> None:
    x, *targets = (a.astype(dtype) if a.dtype.kind == "f" else a for a in given)
    loss = getattr(nn, name)(**options)
    tensors = {n: torch.tensor(v.astype(dtype)) if hasattr(v, "astype") else v
               for n, v in options.items()}  # fmt: skip
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = loss(ours, *targets)
    z = getattr(torch.nn, name)(**tensors)(theirs, *map(torch.tensor, targets))
    rtol = 1e-9 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=rtol, atol=rtol)
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=rtol, atol=rtol)


def test_each_loss_module_has_the_options_of_its_function() -> None:
    modules = [m for m in vars(nn).values() if isinstance(m, type) and issubclass(m, Loss)]
    assert {m.__name__ for m in modules} == {name for name, *_ in CASES} | {"Loss"}
    for module in set(modules) - {Loss}:
        known = inspect.signature(module.function).parameters.values()
        assert list(module().options) == [p.name for p in known if p.kind is p.KEYWORD_ONLY]
        assert module.function in vars(losses).values()


def test_an_unknown_option_is_an_error_that_lists_those_that_there_are() -> None:
    with pytest.raises(TypeError, match="MSELoss: it has no option 'size'; its options are redu"):
        nn.MSELoss(size=3)
    with pytest.raises(ValueError, match="expected reduction 'mean', 'sum' or 'none', got 'max'"):
        nn.MSELoss(reduction="max")(SCORES, OTHER)


def test_a_loss_module_trains_in_a_compiled_step() -> None:
    model = nn.Linear(3, 3, rng=np.random.default_rng(0))
    loss = nn.CrossEntropyLoss(weight=WEIGHT)
    step = compile_step(model, loss, SGD(model.parameters(), lr=0.5), SCORES, LABELS.clip(0))
    values = [float(step(SCORES, LABELS.clip(0))) for _ in range(5)]
    assert values == sorted(values, reverse=True)


def test_a_loss_prints_its_options() -> None:
    assert repr(nn.HuberLoss(delta=2.0)) == "HuberLoss(delta=2.0)"
    assert repr(nn.MSELoss()) == "MSELoss()"
