"""Random expressions over random broadcastable shapes have PyTorch's value and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from random_expressions import evaluate, seeds, three_shapes, trees

from dlcourse import Tensor


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the mean of no elements
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    tree=trees(6),
    shapes=three_shapes,
    seed=seeds,
)
def test_a_random_expression_has_the_value_and_gradients_of_pytorch(tree, shapes, seed) -> None:
    rng = np.random.default_rng(seed)
    data = [np.asarray(rng.normal(size=shape)) for shape in shapes.input_shapes]
    ours = [Tensor(x, requires_grad=True) for x in data]
    theirs = [torch.tensor(x, requires_grad=True) for x in data]
    y, t = evaluate(tree, ours, 0), evaluate(tree, theirs, 1)
    assert y.shape == tuple(t.shape)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-9, atol=1e-12)
    g = np.asarray(rng.normal(size=y.shape))
    y.backward(g)
    t.backward(torch.tensor(g))
    for x, u in zip(ours, theirs, strict=True):
        assert (x.grad is None) == (u.grad is None)
        if x.grad is not None:
            np.testing.assert_allclose(x.grad.data, u.grad.numpy(), rtol=1e-9, atol=1e-11)
