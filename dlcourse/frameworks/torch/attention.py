"""PyTorch's scaled dot-product attention and its gradient.

The arguments are those of the aten schema.

Source: Vaswani et al., Attention is all you need (2017), section 3.2;
torch.nn.functional.scaled_dot_product_attention.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.torch.normalization import no_dropout
from dlcourse.frameworks.torch.rows import Rows


def _scores(query: Any, key: Any, mask: Any, causal: bool, scale: float | None) -> Any:
    """How much each query asks for each key, before the softmax."""
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1)) * factor
    if causal:
        mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    if mask is None:
        return scores
    return ops.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask


def _weights(scores: Any, logsumexp: Any) -> Any:
    """The softmax; a query without any key gets zeros."""
    return ops.exp(scores - ops.where(ops.isfinite(logsumexp), logsumexp, 0))


def _shared(query: Any, a: Any) -> Any:
    """Keys or values, repeated where several heads of queries share a head of them."""
    heads = 1 if a.shape[:-2] == query.shape[:-2] else query.shape[-3] // a.shape[-3]
    return a if heads == 1 else ops.repeat(a, heads, axis=-3)


def _sum_over_sharing(g: Any, a: Any) -> Any:
    """The gradient of `_shared` with respect to ``a``."""
    if g.shape == a.shape:
        return g
    *batch, heads, n, m = a.shape
    return ops.sum(ops.reshape(g, shape=(*batch, heads, -1, n, m)), axis=-3)


def attention(
    query: Any, key: Any, value: Any, mask: Any = None, dropout: float = 0.0, causal: bool = False,
    *, scale: float | None = None, enable_gqa: bool = False,  # noqa: ARG001
) -> Any:  # fmt: skip
    # With enable_gqa or without, heads are shared where the numbers of heads differ.
    return _flash(query, key, value, dropout, causal, attn_mask=mask, scale=scale)[0]


def _flash(
    query: Any, key: Any, value: Any, dropout: float = 0.0, causal: bool = False,
    *, attn_mask: Any = None, scale: float | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The result, and the logarithm of the sum that each softmax divides by."""
    key, value = _shared(query, key), _shared(query, value)
    scores = _scores(query, key, attn_mask, causal, scale)
    total = ops.logsumexp(scores, axis=-1, keepdims=True)
    weights = no_dropout(_weights(scores, total), dropout, training=True)
    return ops.matmul(weights, value), total[..., 0]


def _flash_backward(
    g: Any, query: Any, key: Any, value: Any, y: Any, logsumexp: Any, dropout: float, causal: bool,
    *, attn_mask: Any = None, scale: float | None = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The gradients with respect to query, key and value."""
    keys, values = _shared(query, key), _shared(query, value)
    scores = _scores(query, keys, attn_mask, causal, scale)
    weights = no_dropout(_weights(scores, ops.expand_dims(logsumexp, -1)), dropout, training=True)
    through = ops.matmul(g, ops.swapaxes(values, -2, -1)) - ops.sum(g * y, axis=-1, keepdims=True)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    slope = weights * through * factor
    return (
        ops.matmul(slope, keys),
        _sum_over_sharing(ops.matmul(ops.swapaxes(slope, -2, -1), query), key),
        _sum_over_sharing(ops.matmul(ops.swapaxes(weights, -2, -1), g), value),
    )


TABLE: Rows = {
    "aten.scaled_dot_product_attention.default": attention,
    "aten._scaled_dot_product_flash_attention_for_cpu.default": _flash,
    "aten._scaled_dot_product_flash_attention_for_cpu_backward.default": _flash_backward,
}
