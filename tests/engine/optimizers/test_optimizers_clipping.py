"""Clipping holds gradients as torch.nn.utils and keras.optimizers do."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlcourse import Tensor
from dlcourse.graphs import trace
from dlcourse.optimizers import (
    clip_by_norm,
    clip_by_value,
    clip_grad_norm_,
    clip_grad_value_,
    global_norm,
)

SHAPES = [(3, 2), (2,), ()]
numbers = st.floats(-100, 100, width=32)
gradient_lists = st.tuples(*[arrays(np.float32, shape, elements=numbers) for shape in SHAPES])
limits = st.sampled_from([0.0, 1e-3, 0.5, 10.0, 1e6])


def with_gradients(gradients):
    """Parameters of both libraries with these gradients, and one without."""
    mine, theirs = [], []
    for g in gradients:
        mine.append(Tensor(np.zeros_like(g), requires_grad=True))
        theirs.append(torch.zeros(g.shape, requires_grad=True))
        mine[-1].grad, theirs[-1].grad = Tensor(g), torch.tensor(g)
    bare = Tensor(0.0, requires_grad=True)
    return [*mine, bare], [*theirs, torch.zeros(1, requires_grad=True)]


def assert_same_gradients(mine, theirs):
    for p, q in zip(mine[:-1], theirs[:-1], strict=True):
        assert p.grad.dtype == np.float32
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-5)
    assert mine[-1].grad is None


@settings(derandomize=True, deadline=None)
@given(gradient_lists, limits)
def test_clipping_by_norm_is_that_of_pytorch(gradients, max_norm) -> None:
    mine, theirs = with_gradients(gradients)
    norm = clip_grad_norm_(mine, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-5)
    assert_same_gradients(mine, theirs)


@settings(derandomize=True, deadline=None)
@given(gradient_lists, limits)
def test_clipping_by_value_is_that_of_pytorch(gradients, limit) -> None:
    mine, theirs = with_gradients(gradients)
    clip_grad_value_(mine, limit)
    torch.nn.utils.clip_grad_value_(theirs, limit)
    assert_same_gradients(mine, theirs)


@pytest.mark.parametrize("max_norm", [0.5, 1e6])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e-7])
def test_clipping_by_norm_in_form_keras_is_that_of_keras(max_norm, size) -> None:
    from keras.src.optimizers.base_optimizer import clip_by_global_norm

    rng = np.random.default_rng(0)
    gradients = [np.asarray(rng.normal(size=s) * size) for s in SHAPES]
    theirs = clip_by_global_norm(gradients, max_norm)
    for a, b in zip(clip_by_norm(gradients, max_norm, form="keras"), theirs, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-12)


@pytest.mark.parametrize("max_norm", [0.5, 1e6])
@pytest.mark.parametrize("norm_type", [1, 2, np.inf, 3.5, 0.5])
def test_every_norm_is_that_of_pytorch(norm_type, max_norm) -> None:
    rng = np.random.default_rng(0)
    gradients = [np.asarray(rng.normal(size=s), np.float32) for s in SHAPES]
    mine, theirs = with_gradients(gradients)
    norm = clip_grad_norm_(mine, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert norm == pytest.approx(expected.item(), rel=1e-5)
    assert_same_gradients(mine, theirs)
    graph = trace(lambda *g: global_norm(g, norm_type), *gradients)
    np.testing.assert_allclose(graph.run(*gradients)[0], expected.item(), rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_no_number_is_an_error_if_asked_for(value) -> None:
    p = Tensor([0.0, 0.0], requires_grad=True)
    p.grad = Tensor([value, 4.0])
    with pytest.raises(RuntimeError, match=f"norm of order 2.0 of the gradients is {value}"):
        clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad.data, [value, 4.0])
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(clip_grad_norm_(p, 1.0))
    assert np.isnan(p.grad.data[0])


def test_each_gradient_keeps_its_dtype() -> None:
    gradients = [np.ones(3, np.float32), np.ones(3)]
    clipped = clip_by_norm(gradients, 1.0)
    assert [g.dtype for g in clipped] == [np.float32, np.float64]
    assert clip_by_value(gradients[0], 0.5).dtype == np.float32


def test_a_gradient_is_changed_where_it_lies_and_the_pure_functions_change_nothing() -> None:
    g = np.array([3.0, 4.0])
    g.flags.writeable = False
    np.testing.assert_allclose(clip_by_norm([g], 1.0)[0], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(clip_by_value(g, 3.5), [3, 3.5])
    p = Tensor([0.0, 0.0], requires_grad=True)
    p.grad = Tensor([3.0, 4.0])
    memory = p.grad.data
    assert clip_grad_norm_(p, 1.0) == 5
    np.testing.assert_allclose(memory, [0.6, 0.8], rtol=1e-6)


def test_clipping_can_be_traced() -> None:
    gradients = [np.array([3.0, 4.0]), np.array(12.0)]
    traced = clip_by_norm([Tensor(g) for g in gradients], 1.0)
    assert all(isinstance(g, Tensor) for g in traced)
    for a, b in zip(clip_by_norm(gradients, 1.0), traced, strict=True):
        np.testing.assert_array_equal(a, b.data)
    assert global_norm([Tensor(g) for g in gradients]).item() == 13


def test_without_gradients_the_norm_is_0() -> None:
    assert clip_grad_norm_([Tensor(1.0, requires_grad=True)], 1.0) == 0


parameter = Tensor(1.0, requires_grad=True)
parameter.grad = Tensor(1.0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: clip_by_value(np.ones(2), -1), "clip_by_value: expected limit >= 0, got -1"),
        (lambda: clip_by_norm([np.ones(2)], float("nan")), "max_norm >= 0, got nan"),
        (lambda: clip_grad_norm_([parameter], 1, 0), "global_norm: expected norm_type > 0, got 0"),
        (lambda: clip_by_norm([], 1), "at least one gradient"),
        (lambda: clip_by_norm([np.ones(2)], 1, "jax"), 'form="torch" or form="keras", got \'jax\''),
        (lambda: clip_grad_norm_([], -1), "clip_grad_norm_: expected max_norm >= 0, got -1"),
        (lambda: clip_grad_value_([], -1), "clip_grad_value_: expected clip_value >= 0, got -1"),
    ],
)
def test_limits_that_make_no_sense_are_named(call, text) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
