"""A size or rate at the limit of its range is taken, and one beyond it is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from dlcourse import nn

# A layer, its smallest sizes, and those of them that are refused when they are 0.
SIZES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Linear", {"in_features": 1, "out_features": 1}, []),
    ("Conv1d", {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "groups": 1},
     ["in_channels", "out_channels", "groups"]),
    ("Conv2d", {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "groups": 1},
     ["in_channels", "out_channels", "groups"]),
    ("ConvTranspose2d", {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "groups": 1},
     ["in_channels", "out_channels", "groups"]),
    ("Embedding", {"num_embeddings": 1, "embedding_dim": 1}, ["num_embeddings", "embedding_dim"]),
    ("BatchNorm1d", {"num_features": 1}, ["num_features"]),
    ("BatchNorm2d", {"num_features": 1}, ["num_features"]),
    ("InstanceNorm2d", {"num_features": 1}, ["num_features"]),
    ("GroupNorm", {"num_groups": 1, "num_channels": 1}, ["num_groups", "num_channels"]),
    ("PReLU", {"num_parameters": 1}, ["num_parameters"]),
    ("MultiheadAttention", {"embed_dim": 1, "num_heads": 1}, ["embed_dim", "num_heads"]),
    ("AdaptiveAvgPool1d", {"output_size": 1}, ["output_size"]),
    ("AdaptiveMaxPool2d", {"output_size": (1, 1)}, []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sizes", "refused"), SIZES)
def test_the_sizes_of_a_layer(name: str, sizes: dict[str, Any], refused: list[str]) -> None:
    layer = getattr(nn, name)
    assert type(layer(**sizes)).__name__ == name
    for size in refused:
        with pytest.raises(ValueError, match=rf"^{name}: expected .*{size} >= 1"):
            layer(**{**sizes, size: 0})


def test_the_length_of_one_axis_of_an_adaptive_pooling() -> None:
    for wrong in ((0, 1), (1, 0), (1,), (1, 1, 1)):
        with pytest.raises(ValueError, match=r"^AdaptiveMaxPool2d: expected an output_size >= 1"):
            nn.AdaptiveMaxPool2d(wrong)


@pytest.mark.parametrize(
    ("name", "sizes", "rate"),
    [
        ("Dropout", {}, "p"),
        ("MultiheadAttention", {"embed_dim": 1, "num_heads": 1}, "dropout"),
        ("GRU", {"input_size": 1, "hidden_size": 1, "num_layers": 2}, "dropout"),
    ],
)
def test_a_rate_of_dropout(name: str, sizes: dict[str, Any], rate: str) -> None:
    layer = getattr(nn, name)
    for value in (0.0, 1 - 1e-9):
        assert isinstance(layer(**sizes, **{rate: value}), nn.Module)
    for value in (-1e-9, 1.0):
        with pytest.raises(ValueError, match=rf"^{name}: expected 0 <= {rate} < 1, got {value}"):
            layer(**sizes, **{rate: value})


def test_the_steepness_of_softplus() -> None:
    assert nn.Softplus(beta=1e-9).beta == 1e-9
    with pytest.raises(ValueError, match=r"^Softplus: expected beta > 0, got 0"):
        nn.Softplus(beta=0)
