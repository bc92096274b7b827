"""Attention has PyTorch's values, gradients and weights, with every kind of mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcourse import Tensor, gradcheck, gradgradcheck, nn
from dlcourse.graphs import gradient, trace
from dlcourse.graphs.compiler.writing import compile
from dlcourse.nn import functional_call, scaled_dot_product_attention
from dlcourse.nn.exchange import load_into_torch

F = torch.nn.functional
RNG = np.random.default_rng(0)
SEEN = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 0]], bool)  # (L, S) = (3, 4)
ADDED = RNG.normal(size=(2, 1, 3, 4))
OPTIONS = {
    "plain": {},
    "booleans": {"attn_mask": SEEN},
    "numbers": {"attn_mask": ADDED},
    "minus infinity": {"attn_mask": np.where(SEEN, 0.0, -np.inf)},
    "a query that sees nothing": {"attn_mask": SEEN & np.array([[True], [False], [True]])},
    "causal": {"is_causal": True},
    "another scale": {"scale": 0.3},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def arguments(dtype=np.float64) -> list[np.ndarray]:
    """Query (2, 2, 3, 5), key (2, 2, 4, 5), value (2, 2, 4, 6)."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=s).astype(dtype) for s in [(2, 2, 3, 5), (2, 2, 4, 5), (2, 2, 4, 6)]]


def for_torch(options, dtype):
    mask = options.get("attn_mask")
    if mask is None:
        return options
    mask = torch.tensor(mask)
    return options | {"attn_mask": mask if mask.dtype == torch.bool else mask.to(dtype)}


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-10), (np.float32, 1e-4)])
@each_option
def test_attention_has_pytorchs_value_and_gradients(options, dtype, rtol) -> None:
    ours = [Tensor(a, requires_grad=True) for a in arguments(dtype)]
    theirs = [torch.tensor(a, requires_grad=True) for a in arguments(dtype)]
    with np.errstate(invalid="raise"):  # not even where a query sees nothing
        y = scaled_dot_product_attention(*ours, **options)
    z = F.scaled_dot_product_attention(*theirs, **for_torch(options, theirs[0].dtype))
    assert y.dtype == dtype
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=rtol, atol=rtol)
    (y * y).sum().backward()
    (z * z).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=rtol, atol=rtol)


@each_option
def test_attention_and_its_gradient_run_as_compiled_graphs(options) -> None:
    given = arguments()
    graph = trace(lambda *xs: scaled_dot_product_attention(*xs, **options).square().sum(), *given)
    ours = [Tensor(a, requires_grad=True) for a in given]
    y = scaled_dot_product_attention(*ours, **options).square().sum()
    y.backward()
    value, *gradients = compile(gradient(graph))(*given)
    np.testing.assert_allclose(value, y.data, rtol=1e-12)
    for a, b in zip(ours, gradients, strict=True):
        np.testing.assert_allclose(b, a.grad.data, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["plain", "booleans", "a query that sees nothing"])
def test_attention_has_right_derivatives_of_both_orders(name) -> None:
    given = [Tensor(a[:1, :1], requires_grad=True) for a in arguments()]

    def attend(*xs):
        return scaled_dot_product_attention(*xs, **OPTIONS[name])

    assert gradcheck(attend, given)
    assert gradgradcheck(attend, given)


def test_a_mask_may_be_an_input_of_a_graph() -> None:
    q, k, v = arguments()
    graph = trace(lambda q, k, v, m: scaled_dot_product_attention(q, k, v, m), q, k, v, SEEN)
    for mask in (SEEN, ~SEEN):
        (y,) = compile(graph)(q, k, v, mask)
        np.testing.assert_allclose(y, scaled_dot_product_attention(q, k, v, mask), rtol=1e-12)


def test_dropout_acts_on_the_weights() -> None:
    q, k, _ = arguments()
    identity = np.broadcast_to(np.eye(4), (2, 2, 4, 4))
    weights = scaled_dot_product_attention(q, k, identity)
    dropped = scaled_dot_product_attention(
        q, k, identity, dropout_p=0.5, generator=np.random.default_rng(0)
    )
    kept = dropped != 0
    assert 0 < kept.mean() < 1
    np.testing.assert_allclose(dropped[kept], 2 * weights[kept])


# --- In several heads -----------------------------------------------------------------------------

PADDING = np.array([[False, False, False, True], [False, False, False, False]])
CALLS = {
    "plain": {},
    "without weights": {"need_weights": False},
    "weights of each head": {"average_attn_weights": False},
    "a mask": {"attn_mask": ~SEEN},
    "a mask for each head": {"attn_mask": np.stack([~SEEN, ~SEEN[::-1], SEEN, ~SEEN])},
    "numbers": {"attn_mask": ADDED[0, 0]},
    "padding": {"key_padding_mask": PADDING},
    "padding as numbers": {"key_padding_mask": np.where(PADDING, -5.0, 0.5)},
    "a mask and padding": {"attn_mask": ~SEEN, "key_padding_mask": PADDING},
    "numbers and padding": {"attn_mask": ADDED[0, 0], "key_padding_mask": PADDING},
}
each_call = pytest.mark.parametrize("options", CALLS.values(), ids=CALLS)


def sequences(batch_first: bool = True) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=(2, n, 6)) for n in (3, 4, 4)]
    return arrays if batch_first else [a.swapaxes(0, 1) for a in arrays]


def heads(**options) -> tuple[nn.MultiheadAttention, torch.nn.MultiheadAttention]:
    ours = nn.MultiheadAttention(6, 2, rng=np.random.default_rng(3), **options)
    theirs = torch.nn.MultiheadAttention(6, 2, **{"batch_first": True, **options}).double()
    if ours.in_proj_bias is not None:
        ours.in_proj_bias.data[...] = np.linspace(-1, 1, 18)
    load_into_torch(ours, theirs)
    return ours, theirs


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("layer", [{}, {"bias": False}, {"batch_first": False}], ids=str)
@each_call
def test_attention_in_heads_has_pytorchs_result_weights_and_gradients(layer, options) -> None:
    ours, theirs = heads(**layer)
    given = sequences(layer.get("batch_first", True))
    xs = [Tensor(a, requires_grad=True) for a in given]
    ts = [torch.tensor(a, requires_grad=True) for a in given]
    tensors = {n: torch.tensor(v) if hasattr(v, "dtype") else v for n, v in options.items()}
    (y, weights), (z, their_weights) = ours(*xs, **options), theirs(*ts, **tensors)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-9, atol=1e-12)
    if their_weights is None:
        assert weights is None
    else:
        np.testing.assert_allclose(weights.data, their_weights.detach().numpy(), atol=1e-12)
    (y * y).sum().backward()
    (z * z).sum().backward()
    named = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(named)
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.data, named[name].grad.numpy(), rtol=1e-8, atol=1e-11)
    for a, b in zip(xs, ts, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-8, atol=1e-11)


def test_a_causal_layer_has_the_result_of_pytorchs_with_a_causal_mask() -> None:
    ours, theirs = heads()
    x = sequences()[1]
    y, weights = ours(x, x, x, is_causal=True)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    z, _ = theirs(*[torch.tensor(x)] * 3, attn_mask=mask, is_causal=True, need_weights=False)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-9)
    assert np.array_equal(weights.data != 0, np.broadcast_to(np.tri(4, dtype=bool), (2, 4, 4)))


def test_attention_runs_as_a_static_graph_of_its_parameters_with_a_mask() -> None:
    ours, _ = heads()
    values = dict(sorted(ours.named_parameters()))
    x = sequences()[1]
    graph = trace(
        lambda values, x, padding: ours_called(ours, values, x, padding), values, x, PADDING
    )
    y, weights = ours(x, x, x, key_padding_mask=PADDING)
    found = compile(graph)(*[p.data for p in values.values()], x, PADDING)
    np.testing.assert_allclose(found[0], y.data, rtol=1e-12)
    np.testing.assert_allclose(found[1], weights.data, rtol=1e-12)


def ours_called(layer, values, x, padding):
    return functional_call(layer, values, x, x, x, padding)


def test_biases_of_attention_begin_as_zeros_as_in_pytorch() -> None:
    layer, twin = nn.MultiheadAttention(6, 2), torch.nn.MultiheadAttention(6, 2)
    for name, value in twin.state_dict().items():
        if "bias" in name:
            np.testing.assert_array_equal(layer.state_dict()[name], value.numpy())


def test_dropout_of_attention_acts_in_training_only() -> None:
    layer = nn.MultiheadAttention(6, 2, dropout=0.5, generator=np.random.default_rng(0))
    x = sequences()[1]
    assert not np.allclose(layer(x, x, x)[0].data, layer(x, x, x)[0].data)
    layer.eval()
    np.testing.assert_array_equal(layer(x, x, x)[0].data, layer(x, x, x)[0].data)


def test_dropout_of_attention_draws_from_the_generator_that_it_was_given() -> None:
    x = sequences()[1]
    generators = [np.random.default_rng(n) for n in (1, 1, 2)]
    one, same, other = (
        nn.MultiheadAttention(6, 2, dropout=0.5, rng=np.random.default_rng(0), generator=generator)
        for generator in generators
    )
    assert one.generator is generators[0]
    np.testing.assert_array_equal(one(x, x, x)[0].data, same(x, x, x)[0].data)
    assert not np.allclose(one(x, x, x)[0].data, other(x, x, x)[0].data)
    assert isinstance(nn.MultiheadAttention(6, 2).generator, np.random.Generator)


@pytest.mark.parametrize("options", [{}, {"norm_first": True, "activation": "gelu"}], ids=str)
def test_a_transformer_layer_with_masks_has_pytorchs_value(options) -> None:
    ours = nn.TransformerEncoderLayer(6, 2, 9, 0.0, **options)
    theirs = torch.nn.TransformerEncoderLayer(6, 2, 9, 0.0, batch_first=True, **options).double()
    load_into_torch(ours, theirs)
    x, seen = sequences()[1], np.tri(4, dtype=bool)
    y = ours(x, ~seen, PADDING).data
    z = theirs(torch.tensor(x), torch.tensor(~seen), torch.tensor(PADDING)).detach().numpy()
    np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours(x, src_key_padding_mask=PADDING, is_causal=True).data, y)


# --- What does not fit ----------------------------------------------------------------------------

Q, K, V = arguments()
WRONG = [
    (lambda: scaled_dot_product_attention(Q, V, V), r"query \(..., L, E\) and key \(..., S, E\)"),
    (lambda: scaled_dot_product_attention(Q, K, V[..., :3, :]), "a value for each key, got key"),
    (lambda: scaled_dot_product_attention(Q, K, V, SEEN, is_causal=True), "is_causal=True, got"),
    (lambda: scaled_dot_product_attention(Q, K, V, SEEN.T), r"broadcasts to \(2, 2, 3, 4\)"),
    (lambda: scaled_dot_product_attention(Q, K, V, SEEN.astype(int)), r"\(3, 4\), dtype int64"),
    (lambda: scaled_dot_product_attention(Q, K, V, dropout_p=1), "0 <= dropout_p < 1, got 1"),
    (lambda: nn.MultiheadAttention(6, 4), "num_heads to divide embed_dim, got 4 for 6"),
    (lambda: nn.MultiheadAttention(6, 0), "expected num_heads >= 1, got 0"),
    (lambda: nn.MultiheadAttention(6, 2, dropout=1.0), "0 <= dropout < 1, got 1.0"),
    (lambda: nn.MultiheadAttention(6, 2)(Q[0], Q[0], Q[0]), r"E = 6, got \(2, 3, 5\)"),
    (lambda: nn.MultiheadAttention(6, 2)(*[np.ones((3, 6))] * 3), r"E = 6, got \(3, 6\)"),
    (lambda: nn.MultiheadAttention(6, 2)(*[np.ones((2, 3, 6, 6))] * 3), r"got \(2, 3, 6, 6\)"),
    (lambda: nn.MultiheadAttention(6, 2)(*sequences(), attn_mask=SEEN.T),
     r"attn_mask of booleans .* shape \(3, 4\) or \(4, 3, 4\), got shape \(4, 3\)"),
    (lambda: nn.MultiheadAttention(6, 2)(*sequences(), key_padding_mask=SEEN),
     r"key_padding_mask .* shape \(2, 4\), got shape \(3, 4\)"),
    (lambda: nn.TransformerEncoderLayer(6, 2, activation="tanh"), 'activation="relu" or "gelu"'),
]  # fmt: skip


@pytest.mark.parametrize("make, message", WRONG, ids=[message[:30] for _, message in WRONG])
def test_what_does_not_fit_is_an_error_that_names_it(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
