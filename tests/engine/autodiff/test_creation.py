"""Tensors made from numbers: the values, dtypes and gradients of PyTorch's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import dlcourse as dl

X = np.ones((2, 3), np.float32)
# By name a call of the function, here and in PyTorch, with the options to be tried.
MAKERS: dict[str, Callable[..., Any]] = {
    "tensor": lambda lib, **o: lib.tensor([1.0, 2.0], **o),
    "full": lambda lib, **o: lib.full((2, 3), 7.0, **o),
    "zeros": lambda lib, **o: lib.zeros(2, 3, **o),
    "zeros of a tuple": lambda lib, **o: lib.zeros((2, 3), **o),
    "ones": lambda lib, **o: lib.ones(2, **o),
    "arange": lambda lib, **o: lib.arange(1.0, 3.0, 0.5, **o),
    "linspace": lambda lib, **o: lib.linspace(0, 1, 5, **o),
    "eye": lambda lib, **o: lib.eye(3, **o),
    "eye of two lengths": lambda lib, **o: lib.eye(2, 4, **o),
}
LIKE: dict[str, Callable[..., Any]] = {
    "full_like": lambda lib, x, **o: lib.full_like(x, 7.0, **o),
    "zeros_like": lambda lib, x, **o: lib.zeros_like(x, **o),
    "ones_like": lambda lib, x, **o: lib.ones_like(x, **o),
}


def check(ours: Any, theirs: Any, dtype: Any, requires_grad: bool) -> None:
    assert (ours.dtype, ours.requires_grad) == (dtype, requires_grad)
    np.testing.assert_allclose(ours.data, theirs.detach().numpy().astype(dtype), rtol=1e-6)


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("name", ["float32", "float16", "float64", None])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_new_tensor_is_pytorchs(make: Any, name: str | None, requires_grad: bool) -> None:
    here = {"dtype": getattr(dl, name)} if name else {}
    there = {"dtype": getattr(torch, name)} if name else {}
    ours = make(dl, requires_grad=requires_grad, **here)
    theirs = make(torch, requires_grad=requires_grad, **there)
    check(ours, theirs, np.dtype(name or "float64"), requires_grad)
    assert not make(dl).requires_grad


@pytest.mark.parametrize("name", ["float64", None])
@pytest.mark.parametrize("make", LIKE.values(), ids=LIKE)
def test_a_tensor_like_another_has_its_shape_and_dtype(make: Any, name: str | None) -> None:
    here = {"dtype": getattr(dl, name)} if name else {}
    there = {"dtype": getattr(torch, name)} if name else {}
    for requires_grad in (False, True):
        ours = make(dl, dl.Tensor(X), requires_grad=requires_grad, **here)
        theirs = make(torch, torch.tensor(X), requires_grad=requires_grad, **there)
        check(ours, theirs, np.dtype(name or "float32"), requires_grad)


@pytest.mark.parametrize(("maker", "low", "mean", "std"), [
    (dl.rand, 0.0, 0.5, 12**-0.5), (dl.randn, -np.inf, 0.0, 1.0)])  # fmt: skip
def test_random_tensors_come_from_the_generator(maker: Any, low: float, mean: float, std: float):
    draws = [maker(100, 100, generator=np.random.default_rng(0)) for _ in range(2)]
    np.testing.assert_array_equal(draws[0].data, draws[1].data)
    assert draws[0].data.min() >= low
    np.testing.assert_allclose([draws[0].data.mean(), draws[0].data.std()], [mean, std], atol=0.02)
    half = maker(3, dtype=np.float32, requires_grad=True, generator=np.random.default_rng(0))
    assert (half.dtype, half.requires_grad) == (np.float32, True)
