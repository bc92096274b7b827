"""Weights go to the PyTorch and Keras twins and back: then both compute the same, in float32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from dlcourse import nn
from dlcourse.nn.exchange import (
    load_from_keras,
    load_from_torch,
    load_into_keras,
    load_into_torch,
)

F32 = {"dtype": np.float32}


@pytest.fixture(scope="module")
def keras() -> Any:
    import keras

    return keras


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def scrambled(module: nn.Module) -> nn.Module:
    """With other values than the initial ones in all parameters and buffers; variances > 0."""
    rng = np.random.default_rng(2)
    state = module.state_dict()
    module.load_state_dict({
        name: value if value.dtype.kind == "i" else rng.uniform(0.5, 1.5, value.shape)
        for name, value in state.items()
    })  # fmt: skip
    return module


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def assert_close(a: Any, b: Any) -> None:
    assert a.dtype == np.float32
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


# --- PyTorch --------------------------------------------------------------------------------------

T = torch.nn
TORCH = [
    (lambda: nn.Linear(3, 4, **F32), lambda: T.Linear(3, 4), values(2, 3)),
    (lambda: nn.Conv2d(4, 6, 3, groups=2, **F32), lambda: T.Conv2d(4, 6, 3, groups=2),
     values(2, 4, 5, 6)),
    (lambda: nn.BatchNorm2d(3, **F32), lambda: T.BatchNorm2d(3), values(2, 3, 4, 4)),
    (lambda: nn.Embedding(5, 3, **F32), lambda: T.Embedding(5, 3), np.array([[0, 4], [2, 2]])),
    (lambda: nn.GRU(3, 4, num_layers=2, **F32), lambda: T.GRU(3, 4, 2, batch_first=True),
     values(2, 5, 3)),
    (lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, **F32),
     lambda: T.LSTM(3, 4, 2, batch_first=True, bidirectional=True), values(2, 5, 3)),
    (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, **F32),
     lambda: T.ConvTranspose2d(4, 6, 3, groups=2), values(2, 4, 5, 6)),
    (lambda: nn.GroupNorm(2, 4, **F32), lambda: T.GroupNorm(2, 4), values(2, 4, 3)),
    (lambda: nn.PReLU(3, **F32), lambda: T.PReLU(3), values(2, 3, 4)),
    (lambda: nn.TransformerEncoderLayer(4, 2, 5, **F32),
     lambda: T.TransformerEncoderLayer(4, 2, 5, batch_first=True), values(2, 3, 4)),
    (lambda: nn.Sequential(nn.Linear(3, 4, **F32), nn.LayerNorm(4, **F32), nn.Tanh()),
     lambda: T.Sequential(T.Linear(3, 4), T.LayerNorm(4), T.Tanh()), values(2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("ours, theirs, x", TORCH)
def test_weights_go_to_pytorch_and_back(ours, theirs, x) -> None:
    module, twin, other = scrambled(ours()).eval(), theirs().eval(), ours().eval()
    load_into_torch(module, twin)
    y = first(module(x)).data
    with torch.no_grad():
        assert_close(y, first(twin(torch.tensor(x))).numpy())
    load_from_torch(other, twin)
    np.testing.assert_array_equal(first(other(x)).data, y)
    other.load_state_dict(ours().state_dict())
    other.load_state_dict(twin.state_dict())  # a mapping of what np.asarray takes is enough
    np.testing.assert_array_equal(first(other(x)).data, y)


def test_a_pytorch_twin_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"shape of weight: expected \(3, 2\), got \(3, 4\)"):
        load_from_torch(nn.Linear(2, 3), torch.nn.Linear(4, 3).state_dict())
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_into_torch(nn.Linear(2, 3), torch.nn.Linear(4, 3))


# --- Keras ----------------------------------------------------------------------------------------


class Twins(NamedTuple):
    name: str
    ours: Any
    theirs: Any  # made by a function of the module keras
    x: np.ndarray  # as Keras takes it: channels last

    def channels_first(self) -> bool:
        return self.x.ndim == 4 or "1d" in self.name


KERAS = [
    Twins("dense", lambda: nn.Linear(3, 4, **F32), lambda k: k.layers.Dense(4), values(2, 3)),
    Twins("dense without bias", lambda: nn.Linear(3, 4, bias=False, **F32),
          lambda k: k.layers.Dense(4, use_bias=False), values(2, 3)),
    Twins("conv2d", lambda: nn.Conv2d(2, 5, (3, 2), padding="same", **F32),
          lambda k: k.layers.Conv2D(5, (3, 2), padding="same"), values(2, 6, 5, 2)),
    Twins("conv2d in groups", lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2, **F32),
          lambda k: k.layers.Conv2D(6, 3, strides=2, groups=2), values(2, 7, 5, 4)),
    Twins("conv1d", lambda: nn.Conv1d(2, 5, 3, dilation=2, **F32),
          lambda k: k.layers.Conv1D(5, 3, dilation_rate=2), values(2, 9, 2)),
    Twins("conv_transpose2d", lambda: nn.ConvTranspose2d(2, 5, (3, 2), stride=2, **F32),
          lambda k: k.layers.Conv2DTranspose(5, (3, 2), strides=2), values(2, 4, 3, 2)),
    Twins("conv_transpose1d", lambda: nn.ConvTranspose1d(2, 5, 3, **F32),
          lambda k: k.layers.Conv1DTranspose(5, 3), values(2, 6, 2)),
    Twins("group norm, 1d", lambda: nn.GroupNorm(2, 4, eps=1e-3, **F32),
          lambda k: k.layers.GroupNormalization(2), values(2, 5, 4)),
    Twins("embedding", lambda: nn.Embedding(5, 3, **F32), lambda k: k.layers.Embedding(5, 3),
          np.array([[0, 4], [2, 2]])),
    Twins("batch norm of vectors", lambda: nn.BatchNorm1d(3, eps=1e-3, **F32),
          lambda k: k.layers.BatchNormalization(), values(4, 3)),
    Twins("batch norm of pictures", lambda: nn.BatchNorm2d(3, eps=1e-3, **F32),
          lambda k: k.layers.BatchNormalization(), values(2, 4, 5, 3)),
    Twins("layer norm", lambda: nn.LayerNorm(3, eps=1e-3, **F32),
          lambda k: k.layers.LayerNormalization(), values(4, 3)),
    Twins("simple rnn", lambda: nn.RNN(3, 4, **F32),
          lambda k: k.layers.SimpleRNN(4, return_sequences=True), values(2, 5, 3)),
    Twins("gru", lambda: nn.GRU(3, 4, **F32),
          lambda k: k.layers.GRU(4, return_sequences=True), values(2, 5, 3)),
    Twins("lstm", lambda: nn.LSTM(3, 4, **F32),
          lambda k: k.layers.LSTM(4, return_sequences=True), values(2, 5, 3)),
    Twins("lstm without bias", lambda: nn.LSTM(3, 4, bias=False, **F32),
          lambda k: k.layers.LSTM(4, return_sequences=True, use_bias=False), values(2, 5, 3)),
    Twins("a network",
          lambda: nn.Sequential(
              nn.Conv2d(1, 4, 3, **F32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
              nn.Linear(24, 5, **F32), nn.BatchNorm1d(5, eps=1e-3, **F32), nn.Linear(5, 2, **F32)),
          lambda k: k.Sequential([
              k.layers.Conv2D(4, 3), k.layers.ReLU(), k.layers.MaxPooling2D(2),
              k.layers.Permute((3, 1, 2)), k.layers.Flatten(),
              k.Sequential([k.layers.Dense(5), k.layers.BatchNormalization()]),
              k.layers.Dense(2)]),
          values(2, 6, 8, 1)),
]  # fmt: skip


def first_axis(twins: Twins, a: np.ndarray) -> np.ndarray:
    """With the channels where we have them."""
    return np.moveaxis(a, -1, 1) if twins.channels_first() and a.ndim > 2 else a


@pytest.mark.parametrize("twins", KERAS, ids=lambda twins: twins.name)
def test_weights_go_to_keras_and_back(twins, keras) -> None:
    module, other, layer = scrambled(twins.ours()).eval(), twins.ours().eval(), twins.theirs(keras)
    layer(twins.x)  # Keras makes the weights when it sees the first input
    load_into_keras(module, layer)
    x = first_axis(twins, twins.x)
    y = first(module(x)).data
    assert_close(y, first_axis(twins, np.asarray(layer(twins.x))))
    load_from_keras(other, layer)
    assert_close(first(other(x)).data, y)


def test_weights_that_keras_has_drawn_come_to_us(keras) -> None:
    layer, module = keras.layers.GRU(4, return_sequences=True), nn.GRU(3, 4, **F32)
    x = values(2, 5, 3)
    expected = np.asarray(layer(x))
    layer.set_weights([w + 0.1 * i for i, w in enumerate(layer.get_weights())])
    assert not np.allclose(expected, np.asarray(layer(x)))
    load_from_keras(module, layer)
    assert_close(module(x)[0].data, np.asarray(layer(x)))


def test_what_does_not_pair_up_with_keras_is_an_error_that_changes_nothing(keras) -> None:
    dense = keras.layers.Dense(3)
    dense.build((None, 2))
    before = [np.array(w) for w in dense.get_weights()]
    with pytest.raises(ValueError, match="dlcourse: Conv2d\n  Keras: Dense"):
        load_into_keras(nn.Conv2d(2, 3, 1), dense)
    with pytest.raises(ValueError, match="dlcourse: Linear, Linear\n  Keras: Dense"):
        load_from_keras(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3)), dense)
    with pytest.raises(ValueError, match=r"(?s)Linear and dense.*kernel.*\(2, 3\).*\(3, 3\)"):
        load_into_keras(nn.Linear(3, 3), dense)
    with pytest.raises(ValueError, match=r"shape of weight: expected \(3, 3\), got \(3, 2\)"):
        load_from_keras(nn.Linear(3, 3), dense)
    with pytest.raises(ValueError, match="missing: bias"):
        without = keras.layers.Dense(3, use_bias=False)
        without.build((None, 2))
        load_from_keras(nn.Linear(2, 3), without)
    for a, b in zip(before, dense.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_layers": 2}, "got num_layers > 1"),
        ({"bidirectional": True}, "got bidirectional=True"),
    ],
)
def test_several_recurrent_layers_or_directions_have_no_twin_in_keras(
    options, message, keras
) -> None:
    layer = keras.layers.GRU(4)
    layer.build((None, 5, 3))
    with pytest.raises(ValueError, match=message):
        load_into_keras(nn.GRU(3, 4, **options), layer)


def test_a_keras_gru_of_the_other_kind_is_an_error(keras) -> None:
    layer = keras.layers.GRU(4, reset_after=False)
    layer.build((None, 5, 3))
    with pytest.raises(ValueError, match="reset_after=True"):
        load_from_keras(nn.GRU(3, 4), layer)
