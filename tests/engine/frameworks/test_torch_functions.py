"""Functions that PyTorch recorded, and their gradients, give the numbers of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from dlcourse.frameworks import UnknownOperationError, from_torch
from frameworks import torch_functions as table
from frameworks.torch_functions import FUNCTIONS, examples
from frameworks.torch_tools import assert_same, export


def of_arrays(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the table as one of the arrays."""

    def function(*arrays: torch.Tensor) -> Any:
        return f(SimpleNamespace(**dict(zip("abpsin", arrays, strict=True))))

    return function


def arrays(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    return tuple(vars(examples(dtype)).values())


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_gives_the_numbers_of_pytorch(f: Callable[..., Any]) -> None:
    function, inputs = of_arrays(f), arrays()
    assert_same(from_torch(export(function, *inputs)).run(*inputs), function(*inputs))


GROUPS = {
    name: getattr(table, name)
    for name in ("POINTWISE", "ACTIVATIONS", "REDUCTIONS", "PRODUCTS", "SHAPES", "INDICES",
                 "WINDOWS", "ATTENTION", "LOSSES")
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS.values(), ids=map(str.lower, GROUPS))
def test_functions_that_pytorch_wrote_with_core_aten_give_its_numbers(group: Any) -> None:
    def function(*inputs: torch.Tensor) -> Any:
        return [of_arrays(f)(*inputs) for f in group.values()]

    inputs = arrays(torch.float64)
    exported = export(function, *inputs).run_decompositions()
    assert_same(from_torch(exported).run(*inputs), function(*inputs), torch.float64)


# What has no gradient in PyTorch, or not with respect to all inputs that it is given.
WITHOUT_GRADIENT = {
    "heaviside", "scatter", "scatter, smaller index", "scatter_add", "scatter_reduce", "batch_norm",
    "cross_entropy, weights", "bce, weights", "soft margin",
}  # fmt: skip
# Where PyTorch rounds a constant of its own to float32, traces no label, or gives no plain array.
WITHOUT_GRADIENT |= {"hardsigmoid", "linspace", "one_hot", "bincount of one-hot", "sgn"}
# Gradients that dlcourse cannot read, and the operation that it names.
UNKNOWN_GRADIENTS = {
    "cdist": "_cdist_backward",
    "pad, circular": "as_strided",
    "interpolate": "upsample_nearest2d_backward",
    "interpolate, size": "upsample_nearest2d_backward",
    "interpolate, bilinear": "upsample_bilinear2d_backward",
    "interpolate, corners": "upsample_bilinear2d_backward",
    "interpolate, linear": "upsample_linear1d_backward",
    "embedding_bag, max": "_embedding_bag_backward",
    "embedding_bag, weights": "_embedding_bag_per_sample_weights_backward",
    "assigned part": "as_strided",
    "multi margin": "multi_margin_loss_backward",
}


def gradient(f: Callable[..., Any]) -> Any:
    """The gradient of the sum of squares of all results that are floating point."""

    numbers = examples().n

    def loss(*floats: torch.Tensor) -> torch.Tensor:
        results = tree_leaves(of_arrays(f)(*floats, numbers))
        squares = [(y.double() ** 2).sum() for y in results if y.is_floating_point()]
        return torch.stack(squares).sum() if squares else sum(x.sum() for x in floats)

    return torch.func.grad(loss, argnums=tuple(range(5)))


@pytest.mark.parametrize(
    "f", [f for k, f in FUNCTIONS.items() if k not in WITHOUT_GRADIENT | {*UNKNOWN_GRADIENTS}],
    ids=[k for k in FUNCTIONS if k not in WITHOUT_GRADIENT | {*UNKNOWN_GRADIENTS}],
)  # fmt: skip
def test_the_gradient_of_a_function_gives_the_numbers_of_pytorch(f: Callable[..., Any]) -> None:
    inputs = arrays(torch.float64)[:5]
    step = gradient(f)
    imported = from_torch(make_fx(step)(*inputs))
    assert_same(imported.run(*inputs), step(*inputs), torch.float64)


# Functions whose gradient PyTorch records with other operations if nothing differentiates it again.
DIFFERENTIATED_ONCE = (
    "logit", "logit, eps", "mish", "silu", "cumprod, dim", "trace", "group_norm", "layer_norm",
    "bce, logits",
)  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIATED_ONCE)
def test_a_gradient_that_is_not_differentiated_again_gives_the_numbers_of_pytorch(
    name: str,
) -> None:
    numbers = examples().n

    def step(*floats: torch.Tensor) -> Any:
        leaves = [x.detach().requires_grad_() for x in floats]
        results = tree_leaves(of_arrays(FUNCTIONS[name])(*leaves, numbers))
        total = torch.stack([(y**2).sum() for y in results]).sum()
        return torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)

    inputs = arrays(torch.float64)[:5]
    imported = from_torch(make_fx(step)(*inputs))
    assert_same(imported.run(*inputs), step(*inputs), torch.float64)


@pytest.mark.parametrize(("name", "operation"), UNKNOWN_GRADIENTS.items(), ids=UNKNOWN_GRADIENTS)
def test_a_gradient_that_cannot_be_read_names_its_operation(name: str, operation: str) -> None:
    recorded = make_fx(gradient(FUNCTIONS[name]))(*arrays()[:5])
    with pytest.raises(UnknownOperationError, match=rf"aten\.{operation}"):
        from_torch(recorded)
