"""Random expressions over random shapes, in dlcourse and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import dlcourse as dl

# A node of an expression: the function in each library. The functions keep values moderate and
# smooth, so that neither library loses digits in them.
UNARY: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda a: -a, lambda a: -a),
    (lambda a: a.tanh(), lambda a: a.tanh()),
    (lambda a: a.sigmoid(), lambda a: a.sigmoid()),
    (lambda a: a.sin(), lambda a: a.sin()),
    (lambda a: (a * 0.1).exp(), lambda a: (a * 0.1).exp()),
    (lambda a: (a * a + 1).log(), lambda a: (a * a + 1).log()),
    (lambda a: (a * a + 1).sqrt(), lambda a: (a * a + 1).sqrt()),
    (lambda a: a.relu(), lambda a: a.relu()),
    (lambda a: a.sum(axis=-1, keepdims=True), lambda a: a.sum(dim=-1, keepdim=True)),
    (lambda a: a.mean(), lambda a: a.mean()),
    (lambda a: a.T, lambda a: a.permute(*reversed(range(a.ndim)))),
    (lambda a: a.reshape(-1), lambda a: a.reshape(-1)),
    (lambda a: a[..., ::2], lambda a: a[..., ::2]),
    (lambda a: a.softmax(), lambda a: a.softmax(-1)),
    (lambda a: a.logsumexp(axis=0), lambda a: a.logsumexp(0)),
    (dl.flip, lambda a: a.flip(tuple(range(a.ndim)))),
    (lambda a: dl.cumsum(a, axis=0), lambda a: a.cumsum(0)),
]
BINARY: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda a, b: a + b, lambda a, b: a + b),
    (lambda a, b: a - b, lambda a, b: a - b),
    (lambda a, b: a * b, lambda a, b: a * b),
    (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1)),
    (dl.maximum, torch.maximum),
    (lambda a, b: dl.where(a > b, a, b * 2), lambda a, b: torch.where(a > b, a, b * 2)),
    (
        lambda a, b: dl.concatenate([a.reshape(-1), b.reshape(-1), a.reshape(-1)]),
        lambda a, b: torch.concatenate([a.reshape(-1), b.reshape(-1), a.reshape(-1)]),
    ),
]


def evaluate(tree: Any, leaves: list[Any], library: int) -> Any:
    """The value of a tree: a leaf's number, or a pair of functions followed by subtrees."""
    if isinstance(tree, int):
        return leaves[tree]
    functions, *subtrees = tree
    values = [evaluate(t, leaves, library) for t in subtrees]
    if len(values) == 2:
        try:
            np.broadcast_shapes(*(tuple(v.shape) for v in values))
        except ValueError:  # reductions and reshapes below may have parted the shapes
            values = [v.sum() for v in values]
    if values[0].ndim == 0 and functions in UNARY:
        values = [values[0].reshape((1,))]
    return functions[library](*values)


def trees(depth: int) -> st.SearchStrategy[Any]:
    leaf = st.integers(0, 2)
    if depth == 0:
        return leaf
    below = trees(depth - 1)
    return st.one_of(
        st.tuples(st.sampled_from(UNARY), below),
        st.tuples(st.sampled_from(BINARY), below, below),
        leaf,
    )


three_shapes = mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=4)
seeds = st.integers(0, 2**32 - 1)
