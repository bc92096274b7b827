"""Attention: each position looks at all others, and takes from those whose keys fit its query."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.nn.layers import Dropout, Linear, check_sizes
from dlcourse.nn.module import Module
from dlcourse.nn.normalisation import LayerNorm
from dlcourse.ops import Value


def scaled_dot_product_attention(
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    generator: np.random.Generator | None = None,
) -> Value:
    """softmax(scale * query @ key.T + mask) @ value, over the last two axes.

    Args:
        query: (..., L, E), a row for each position that asks.
        key: (..., S, E), a row for each position that is asked.
        value: (..., S, V), what each of those gives.
        attn_mask: Broadcasts to (..., L, S). Booleans: True where the query may see the key.
            Floating point numbers are added to the scores. A query that may see none gets zeros.
        dropout_p: The rate of dropout on the weights. It always acts; a layer passes 0 in use.
        is_causal: Query i sees the keys 0 to i only; in place of a mask.
        scale: By default 1 / sqrt(E).
        generator: Where the random numbers of dropout come from, by default a new generator.

    Returns:
        (..., L, V)

    Raises:
        ValueError: The shapes do not fit, or both a mask and is_causal are given.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762;
    torch.nn.functional.scaled_dot_product_attention.
    """
    weights = _attention_weights(query, key, attn_mask, is_causal, scale)
    if value.shape[-2:-1] != key.shape[-2:-1]:
        raise ValueError(
            "scaled_dot_product_attention: expected a value for each key, got key "
            f"{key.shape} and value {value.shape}"
        )
    return ops.matmul(_dropped(weights, dropout_p, generator), value)


def _attention_weights(
    query: Value, key: Value, mask: Value | None, is_causal: bool, scale: float | None
) -> Value:
    """How much of each key each query takes, (..., L, S): rows that sum to 1, or to 0."""
    name = "scaled_dot_product_attention"
    if min(len(query.shape), len(key.shape)) < 2 or query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{name}: expected query (..., L, E) and key (..., S, E), got {query.shape} and "
            f"{key.shape}"
        )
    if is_causal:
        if mask is not None:
            raise ValueError(f"{name}: expected a mask or is_causal=True, got both")
        mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = ops.matmul(query * factor, ops.swapaxes(key, -1, -2))
    if mask is None:
        return ops.softmax(scores, axis=-1)
    mask = mask if hasattr(mask, "shape") else np.asarray(mask)
    _check_mask(name, mask, scores.shape)
    if mask.dtype.kind == "f":
        return ops.softmax(scores + ops.astype(mask, dtype=scores.dtype), axis=-1)
    # Where nothing may be seen, all is seen and then taken back: no softmax of -inf alone.
    sees_some = ops.greater(ops.sum(ops.astype(mask, dtype=np.int64), axis=-1, keepdims=True), 0)
    hidden = ops.logical_and(ops.logical_not(mask), sees_some)
    weights = ops.softmax(ops.where(hidden, -np.inf, scores), axis=-1)
    return ops.where(sees_some, weights, 0)


def _check_mask(name: str, mask: Value, shape: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits or mask.dtype.kind not in "bf":
        raise ValueError(
            f"{name}: expected a mask of booleans or floating point numbers that broadcasts to "
            f"{shape}, got shape {mask.shape}, dtype {mask.dtype}"
        )


def _dropped(weights: Value, rate: float, generator: np.random.Generator | None) -> Value:
    if not 0 <= rate < 1:
        raise ValueError(f"scaled_dot_product_attention: expected 0 <= dropout_p < 1, got {rate}")
    if not rate:
        return weights
    return ops.dropout(weights, rate, np.random.default_rng() if generator is None else generator)


class MultiheadAttention(Module):
    """Attention in several heads, each on its own projections of query, key and value.

        head_i = scaled_dot_product_attention(query @ Wq_i.T, key @ Wk_i.T, value @ Wv_i.T)
        result = concatenate(head_1, ...) @ out_proj.weight.T + out_proj.bias

    Args:
        embed_dim: E, the features of query, key, value and result.
        num_heads: The number of heads; each has E / num_heads features.
        dropout: In training, the rate of dropout on the weights.
        bias: Whether the projections have biases.
        batch_first: Whether the arrays are (N, L, E), as by default here, or (L, N, E), as by
            default in PyTorch.
        rng: Where the initial values come from; uniform, as in PyTorch.
        dtype: Of all parameters.
        generator: Where the random numbers of dropout come from, by default a new generator.

    Attributes:
        in_proj_weight: Shape (3 E, E): Wq, Wk and Wv of all heads, one below the other.
        in_proj_bias: Shape (3 E,), initially zeros, or None.
        out_proj: A Linear layer from E to E.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762; torch.nn.MultiheadAttention.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = True,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        check_sizes(self, embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: expected num_heads to divide embed_dim, got {num_heads} for "
                f"{embed_dim}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"MultiheadAttention: expected 0 <= dropout < 1, got {dropout}")
        rng = np.random.default_rng() if rng is None else rng
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.generator = np.random.default_rng() if generator is None else generator
        bound = math.sqrt(6 / (4 * embed_dim))  # Glorot's, for E inputs and 3 E outputs
        weight = rng.uniform(-bound, bound, (3 * embed_dim, embed_dim))
        self.in_proj_weight = Tensor(weight, requires_grad=True, dtype=dtype)
        zeros = np.zeros(3 * embed_dim)
        self.in_proj_bias = Tensor(zeros, requires_grad=True, dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng, dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data[...] = 0

    def forward(
        self,
        query: Value,
        key: Value,
        value: Value,
        key_padding_mask: Value | None = None,
        need_weights: bool = True,
        attn_mask: Value | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Value, Value | None]:
        """What each query gets, and how much of each key it took.

        Args:
            query: (N, L, E).
            key, value: (N, S, E).
            key_padding_mask: (N, S), True where a key is padding, which nobody sees; or floating
                point numbers that are added to the scores.
            need_weights: Whether to return the weights too, else None in their place.
            attn_mask: (L, S) or (N * num_heads, L, S), True where a query must not see a key (the
                opposite of scaled_dot_product_attention); or numbers that are added.
            average_attn_weights: Whether the weights are the mean over the heads.
            is_causal: Query i sees the keys 0 to i only. In PyTorch it is a hint about a mask
                that must be given as well.

        Returns:
            The result (N, L, E), and the weights (N, L, S), or those of each head
            (N, num_heads, L, S), or None.

        Raises:
            ValueError: The shapes do not fit.
        """
        self._check_shapes(query, key, value)
        if not self.batch_first:
            query, key, value = (ops.swapaxes(x, 0, 1) for x in (query, key, value))
        n, length = query.shape[:2]
        split = [self._projected(x, i) for i, x in enumerate((query, key, value))]
        mask = self._mask(n, length, key.shape[1], key_padding_mask, attn_mask, is_causal)
        weights = _attention_weights(split[0], split[1], mask, False, None)
        used = _dropped(weights, self.dropout if self.training else 0.0, self.generator)
        heads = ops.transpose(ops.matmul(used, split[2]), axes=(0, 2, 1, 3))
        result = self.out_proj(ops.reshape(heads, shape=(n, length, self.embed_dim)))
        if not self.batch_first:
            result = ops.swapaxes(result, 0, 1)
        if not need_weights:
            return result, None
        return result, ops.mean(used, axis=1) if average_attn_weights else used

    def _projected(self, x: Value, i: int) -> Value:
        """Number i of the projections of x, in heads: (N, num_heads, L, E / num_heads)."""
        rows = slice(i * self.embed_dim, (i + 1) * self.embed_dim)
        weight = self.in_proj_weight[rows]
        if self.in_proj_bias is None:
            y = ops.matmul(x, ops.transpose(weight))
        else:
            y = ops.linear(x, weight, self.in_proj_bias[rows])
        size = self.embed_dim // self.num_heads
        heads = ops.reshape(y, shape=(x.shape[0], x.shape[1], self.num_heads, size))
        return ops.transpose(heads, axes=(0, 2, 1, 3))

    def _mask(
        self, n: int, length: int, keys: int, padding: Value, mask: Value, is_causal: bool
    ) -> Value | None:
        """One mask for all, which broadcasts to (N, num_heads, L, S): True where a key is seen."""
        masks = []
        if is_causal:
            masks.append(np.tri(length, keys, dtype=bool))
        if mask is not None:
            expected = [(length, keys), (n * self.num_heads, length, keys)]
            mask = self._visible("attn_mask", mask, expected)
            if len(mask.shape) == 3:
                mask = ops.reshape(mask, shape=(n, self.num_heads, length, keys))
            masks.append(mask)
        if padding is not None:
            padding = self._visible("key_padding_mask", padding, [(n, keys)])
            masks.append(ops.reshape(padding, shape=(n, 1, 1, keys)))
        if len({m.dtype.kind for m in masks}) > 1:
            masks = [ops.where(m, 0.0, -np.inf) if m.dtype.kind == "b" else m for m in masks]
        if not masks:
            return None
        total = masks[0]
        for other in masks[1:]:
            both = ops.logical_and if other.dtype.kind == "b" else ops.add
            total = both(total, other)
        return total

    def _visible(self, name: str, mask: Value, expected: list[tuple[int, ...]]) -> Value:
        """A mask that says True for visible where it said True for hidden; numbers stay."""
        mask = mask if hasattr(mask, "shape") else np.asarray(mask)
        if tuple(mask.shape) not in expected or mask.dtype.kind not in "bf":
            raise ValueError(
                f"MultiheadAttention: expected {name} of booleans or floating point numbers and "
                f"shape {' or '.join(map(str, expected))}, got shape {mask.shape}, "
                f"dtype {mask.dtype}"
            )
        return ops.logical_not(mask) if mask.dtype.kind == "b" else mask

    def _check_shapes(self, query: Value, key: Value, value: Value) -> None:
        batch = 0 if self.batch_first else 1
        fits = all(len(x.shape) == 3 and x.shape[2] == self.embed_dim for x in (query, key, value))
        if not fits or key.shape != value.shape or query.shape[batch] != key.shape[batch]:
            axes = "(N, L, E) and (N, S, E)" if self.batch_first else "(L, N, E) and (S, N, E)"
            raise ValueError(
                f"MultiheadAttention: expected query, and key and value, {axes} with "
                f"E = {self.embed_dim}, got {query.shape}, {key.shape} and {value.shape}"
            )


class TransformerEncoderLayer(Module):
    """Self-attention and two linear layers, each with dropout, a shortcut and layer normalisation.

        x = norm1(x + self_attn(x, x, x))
        x = norm2(x + linear2(activation(linear1(x))))

    With ``norm_first`` the normalisations act on what goes into the attention and into linear1,
    and not on the sums.

    Args:
        d_model: E, the features of input and result.
        nhead: The number of heads.
        dim_feedforward: The features between the two linear layers.
        dropout: In training, the rate of dropout: on the weights of attention, on what is between
            the linear layers, and on what is added to the shortcuts.
        activation: "relu" or "gelu".
        layer_norm_eps: Of the normalisations.
        batch_first: Whether the input is (N, L, E), as by default here, or (L, N, E).
        norm_first: Whether to normalise before rather than after.
        rng, dtype, generator: As for MultiheadAttention.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762;
    torch.nn.TransformerEncoderLayer.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Literal["relu", "gelu"] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        if activation not in ("relu", "gelu"):
            raise ValueError(
                f'TransformerEncoderLayer: expected activation="relu" or "gelu", got {activation!r}'
            )
        rng = np.random.default_rng() if rng is None else rng
        generator = np.random.default_rng() if generator is None else generator
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, True, batch_first, rng, dtype, generator
        )
        self.linear1 = Linear(d_model, dim_feedforward, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, generator)
        self.linear2 = Linear(dim_feedforward, d_model, rng=rng, dtype=dtype)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, dtype)
        self.dropout1 = Dropout(dropout, generator)
        self.dropout2 = Dropout(dropout, generator)

    def forward(
        self,
        src: Value,
        src_mask: Value | None = None,
        src_key_padding_mask: Value | None = None,
        is_causal: bool = False,
    ) -> Value:
        """The layer's value, of the shape of the input.

        Args:
            src: (N, L, E).
            src_mask, src_key_padding_mask, is_causal: As ``attn_mask``, ``key_padding_mask`` and
                ``is_causal`` of MultiheadAttention.
        """
        masks = {"key_padding_mask": src_key_padding_mask, "attn_mask": src_mask}

        def attend(x: Value) -> Value:
            y, _ = self.self_attn(x, x, x, need_weights=False, is_causal=is_causal, **masks)
            return self.dropout1(y)

        def transform(x: Value) -> Value:
            function = ops.relu if self.activation == "relu" else ops.gelu
            return self.dropout2(self.linear2(self.dropout(function(self.linear1(x)))))

        if self.norm_first:
            x = src + attend(self.norm1(src))
            return x + transform(self.norm2(x))
        x = self.norm1(src + attend(src))
        return self.norm2(x + transform(x))
