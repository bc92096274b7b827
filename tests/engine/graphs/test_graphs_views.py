"""Compiled graphs of views, concatenations and results in place give what the dynamic graph gives.

Views share memory with what they are taken from, so the plan must know for each buffer who still
reads it, through whichever view. The programs are random; each is run dynamically and compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import Tensor, ops
from dlcourse.graphs import Graph, compile, gradient, placeholder, trace

Operation = Callable[[np.random.Generator, list[Any]], Any]


def one(known: list[Any], rng: np.random.Generator) -> Any:
    """Some value; the latest ones more often than others, as in a network."""
    last = len(known) - 1
    return known[max(last - int(rng.exponential(2.0)), 0)]


def alike(known: list[Any], rng: np.random.Generator, x: Any) -> Any:
    return one([y for y in known if y.shape == x.shape], rng)


def joined(rng: np.random.Generator, known: list[Any]) -> Any:
    """The parts in one row: as they are, or behind a view of which the concatenation knows."""
    parts = [one(known, rng) for _ in range(rng.integers(1, 4))]
    return ops.concatenate([x if x.ndim == 1 else x.reshape(-1) for x in parts])


def joined_rows(rng: np.random.Generator, known: list[Any]) -> Any:
    x = one(known, rng)
    return ops.concatenate([x, alike(known, rng, x)], axis=0)


def sliced(rng: np.random.Generator, known: list[Any]) -> Any:
    x = one(known, rng)
    index = [slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2)]
    return x[tuple(index[i] for i in rng.integers(0, len(index), x.ndim))]


def stretched(rng: np.random.Generator, known: list[Any]) -> Any:
    x = one(known, rng)
    return ops.broadcast_to(x.reshape((1, *x.shape))[:, :4], shape=(2, *x[:4].shape))


VIEWS: list[Operation] = [
    sliced,
    stretched,
    lambda rng, known: one(known, rng).T,
    lambda rng, known: one(known, rng)[0],
    lambda rng, known: one(known, rng).reshape(-1),
    lambda rng, known: one(known, rng).reshape((-1, 1)),
    lambda rng, known: ops.flip(one(known, rng)),
]
MEMORY: list[Operation] = [
    joined,
    joined_rows,
    lambda rng, known: one(known, rng).softmax(axis=0),
    lambda rng, known: one(known, rng).log_softmax(axis=-1),
    lambda rng, known: one(known, rng).sum(axis=0, keepdims=True),
    lambda rng, known: one(known, rng).max(axis=-1),
    lambda rng, known: ops.cumsum(one(known, rng), axis=0),
    lambda rng, known: dl.matmul(x := one(known, rng).reshape((-1, 1)), x.T),
    lambda rng, known: one(known, rng)[np.array([0, -1, 0])],
]
IN_PLACE: list[Operation] = [
    lambda rng, known: ops.tanh(one(known, rng)),
    lambda rng, known: -one(known, rng),
    lambda rng, known: one(known, rng) * 0.5 + 1.0,
    lambda rng, known: (x := one(known, rng)) * alike(known, rng, x),
    lambda rng, known: ops.maximum(x := one(known, rng), alike(known, rng, x)),
    lambda rng, known: ops.where((x := one(known, rng)) > 0, x, alike(known, rng, x)),
]


def program(seed: int) -> Callable[..., list[Any]]:
    """A function of a matrix and a vector, with the same operations whenever it is called."""

    def function(*inputs: Any) -> list[Any]:
        rng = np.random.default_rng(seed)
        known = list(inputs)
        for _ in range(rng.integers(4, 14)):
            kind = (VIEWS, MEMORY, IN_PLACE)[rng.integers(3)]
            y = kind[rng.integers(len(kind))](rng, known)
            if 0 < y.size <= 200 and 0 < y.ndim <= 3:
                known.append(y)
        # Beside single results a row of several, which keeps their memory in use up to the end.
        rows = [x for x in known[1:] if x.ndim == 1]
        row = [rows[i] for i in rng.integers(0, len(rows), 4)]
        return [one(known, rng), one(known, rng).sum(), ops.concatenate(row)]

    return function


def inputs_of(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    return [rng.normal(size=(4, 4)), rng.normal(size=4)]


@pytest.mark.parametrize("block", range(20))
def test_a_compiled_program_of_views_gives_what_the_dynamic_one_gives(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        function, inputs = program(seed), inputs_of(seed)
        expected = [y.data for y in function(*map(Tensor, inputs))]
        compiled = compile(trace(function, *inputs))
        for _ in range(2):  # the second call finds what the first left in the buffers
            for y, z in zip(compiled(*inputs), expected, strict=True):
                np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-14, err_msg=f"seed {seed}")


@pytest.mark.parametrize("block", range(5))
def test_its_gradient_too(block: int) -> None:
    for seed in range(10 * block, 10 * block + 10):

        def total(*inputs: Any, seed: int = seed) -> Any:
            return sum(ops.tanh(y).sum() for y in program(seed)(*inputs))

        inputs = inputs_of(seed)
        variables = [Tensor(x, requires_grad=True) for x in inputs]
        total(*variables).backward()
        compiled = compile(gradient(trace(total, *inputs)))
        for _ in range(2):
            for y, x in zip(compiled(*inputs)[1:], variables, strict=True):
                z = np.zeros(x.shape) if x.grad is None else x.grad.data
                np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-12, err_msg=f"seed {seed}")


@pytest.mark.parametrize("block", range(5))
def test_it_may_overwrite_an_input_that_it_is_given(block: int) -> None:
    """The first input is a state: what is computed from it takes over its memory."""
    for seed in range(20 * block, 20 * block + 20):

        def step(state: Any, x: Any, seed: int = seed) -> list[Any]:
            results = program(seed)(state, x)
            new = ops.tanh(state * results[1])
            return [new, *results]

        inputs = inputs_of(seed)
        symbols = [placeholder(x.shape, x.dtype) for x in inputs]
        compiled = compile(Graph(symbols, step(*symbols)), donate={0: 0})
        state = compiled.state[0]
        state[...] = inputs[0]
        expected = inputs[0]
        for _ in range(2):
            new, *results = [y.data for y in step(Tensor(expected), Tensor(inputs[1]))]
            for y, z in zip(compiled(inputs[1]), results, strict=True):
                np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-14, err_msg=f"seed {seed}")
            np.testing.assert_allclose(state, new, rtol=1e-12, err_msg=f"seed {seed}")
            expected = new


@pytest.mark.parametrize(
    "view",
    [
        lambda y: y[::-1],
        lambda y: y[1:],
        lambda y: y.reshape(2, 3).T.reshape(6),
        lambda y: ops.broadcast_to(y[:1], shape=(4,)),
        lambda y: y.reshape(6),
        lambda y: y.softmax(),
    ],
)
def test_a_concatenation_of_a_view_beside_a_softmax(view: Callable[[Any], Any]) -> None:
    def function(x: Any) -> list[Any]:
        y = x.exp()
        whole = ops.concatenate([view(y), x * 2.0, y.softmax()])
        return [whole * 3.0, (x + 1.0) * (x + 2.0)]

    x = np.linspace(-1, 1, 6)
    expected = [y.data for y in function(Tensor(x))]
    compiled = compile(trace(function, x))
    for _ in range(2):
        for y, z in zip(compiled(x), expected, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-12)
