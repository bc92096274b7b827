"""Weights from and for the twins of a model in PyTorch and Keras.

PyTorch's modules have the same names, shapes and layouts. Keras's layers have others: its kernels
end with the output, its pictures with the channels. So after ``Flatten`` of a picture the features
come in another order there, unless the Keras model has ``Permute((3, 1, 2))`` before its Flatten.

Hyperparameters are not weights: give both twins the same eps, padding and so on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.nn.layers import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Embedding,
    Linear,
)
from dlcourse.nn.module import Module
from dlcourse.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from dlcourse.nn.recurrent import GRU, LSTM, RNN
from dlcourse.ops import Array

Arrays: TypeAlias = Mapping[str, Array]

# --- PyTorch --------------------------------------------------------------------------------------


def load_from_torch(module: Module, twin: Any) -> None:
    """Give ``module`` the weights of a torch.nn.Module, or of its state dict.

    Args:
        module: Ours.
        twin: PyTorch's, with the same names and shapes.

    Raises:
        ValueError: Names or shapes differ.
    """
    state = twin.state_dict() if hasattr(twin, "state_dict") else twin
    module.load_state_dict({name: tensor.numpy(force=True) for name, tensor in state.items()})


def load_into_torch(module: Module, twin: Any) -> None:
    """Give a torch.nn.Module the weights of ``module``.

    Args:
        module: Ours.
        twin: PyTorch's, with the same names and shapes.

    Raises:
        RuntimeError: Names or shapes differ.
    """
    torch = importlib.import_module("torch")
    state = module.state_dict()
    twin.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})


# --- Keras ----------------------------------------------------------------------------------------


def load_from_keras(module: Module, twin: Any) -> None:
    """Give ``module`` the weights of a Keras layer or model.

    Layers that have weights are paired in order: ``module`` and its submodules as in
    ``named_modules``, those of the twin as in ``twin.layers``.

    Raises:
        ValueError: The layers do not pair up, or a shape differs; then nothing has changed.
    """
    state: dict[str, Array] = {}
    for path, layer, theirs in _pairs(module, twin):
        prefix = f"{path}." if path else ""
        weights = {v.name: np.asarray(v) for v in theirs.weights}
        loaded = _rule(layer).from_keras(weights)
        state |= {f"{prefix}{name}": array for name, array in loaded.items()}
    kept = {name: t.data for name, t in module.named_buffers() if name not in state}
    module.load_state_dict({**kept, **state})


def load_into_keras(module: Module, twin: Any) -> None:
    """Give a Keras layer or model the weights of ``module``; see load_from_keras.

    Raises:
        ValueError: The layers do not pair up, or a shape differs.
    """
    assigned = []
    for path, layer, theirs in _pairs(module, twin):
        own = {name: v.data for name, v in vars(layer).items() if isinstance(v, Tensor)}
        weights = _rule(layer).to_keras(own)
        shapes = {name: array.shape for name, array in weights.items()}
        expected = {v.name: tuple(v.shape) for v in theirs.weights}
        if shapes != expected:
            raise ValueError(
                f"load_into_keras: {path or type(layer).__name__} and {theirs.name} differ\n"
                f"  Expect: {expected}\n  Actual: {shapes}"
            )
        assigned += [(v, weights[v.name]) for v in theirs.weights]
    for variable, array in assigned:
        variable.assign(array)


class _Rule(NamedTuple):
    """How a layer's weights become those of its Keras twin, and back."""

    twin: tuple[str, ...]
    to_keras: Callable[[Arrays], dict[str, Array]]
    from_keras: Callable[[Arrays], dict[str, Array]]


def _renamed(twin: str, **names: str) -> _Rule:
    """The same arrays under other names; ``names`` has Keras's for each of ours."""
    back = {theirs: ours for ours, theirs in names.items()}
    return _Rule(
        (twin,),
        lambda own: {names[name]: a for name, a in own.items() if name in names},
        lambda weights: {back.get(name, name): a for name, a in weights.items()},
    )


def _with_kernel(*twin: str) -> _Rule:
    """A weight (out, in, *spatial) against a kernel (*spatial, in, out)."""
    return _Rule(
        twin,
        lambda own: {"kernel": _kernel(own["weight"]), **_only(own, "bias")},
        lambda weights: {"weight": _weight(weights["kernel"]), **_only(weights, "bias")},
    )


def _kernel(weight: Array) -> Array:
    return weight.transpose(*range(2, weight.ndim), 1, 0)


def _weight(kernel: Array) -> Array:
    return kernel.transpose(-1, -2, *range(kernel.ndim - 2))


def _only(arrays: Arrays, name: str) -> dict[str, Array]:
    return {name: arrays[name]} if name in arrays else {}


def _recurrent(twin: str, order: tuple[int, ...], two_biases: bool = False) -> _Rule:
    """Gates in another order, matrices transposed.

    Args:
        twin: The Keras layer.
        order: Where gate i of ours stands in Keras; each order here is its own inverse.
        two_biases: Whether Keras keeps both biases. Else it keeps their sum; ours are then that
            sum and zeros.
    """

    def gates(a: Array) -> Array:
        blocks = np.split(a, len(order))
        return np.concatenate([blocks[i] for i in order])

    def to_keras(own: Arrays) -> dict[str, Array]:
        if "weight_ih_l1" in own:
            raise ValueError(f"{twin}: a Keras layer has one layer, got num_layers > 1")
        if "weight_ih_l0_reverse" in own:
            raise ValueError(f"{twin}: a Keras layer has one direction, got bidirectional=True")
        weights = {
            "kernel": gates(own["weight_ih_l0"]).T,
            "recurrent_kernel": gates(own["weight_hh_l0"]).T,
        }
        if "bias_ih_l0" in own:
            both = np.stack([gates(own["bias_ih_l0"]), gates(own["bias_hh_l0"])])
            weights["bias"] = both if two_biases else both.sum(axis=0)
        return weights

    def from_keras(weights: Arrays) -> dict[str, Array]:
        own = {
            "weight_ih_l0": gates(weights["kernel"].T),
            "weight_hh_l0": gates(weights["recurrent_kernel"].T),
        }
        if "bias" in weights:
            bias = weights["bias"]
            if two_biases and bias.ndim != 2:
                raise ValueError(f"{twin}: expected a layer with reset_after=True")
            inner, outer = bias if two_biases else (bias, np.zeros_like(bias))
            own |= {"bias_ih_l0": gates(inner), "bias_hh_l0": gates(outer)}
        return own

    return _Rule((twin,), to_keras, from_keras)


_BATCH_NORM = _renamed(
    "BatchNormalization",
    weight="gamma",
    bias="beta",
    running_mean="moving_mean",
    running_var="moving_variance",
)
RULES: dict[type[Module], _Rule] = {
    Linear: _with_kernel("Dense"),
    Conv1d: _with_kernel("Conv1D"),
    Conv2d: _with_kernel("Conv2D"),
    ConvTranspose1d: _with_kernel("Conv1DTranspose"),
    ConvTranspose2d: _with_kernel("Conv2DTranspose"),
    Embedding: _renamed("Embedding", weight="embeddings"),
    LayerNorm: _renamed("LayerNormalization", weight="gamma", bias="beta"),
    GroupNorm: _renamed("GroupNormalization", weight="gamma", bias="beta"),
    BatchNorm1d: _BATCH_NORM,
    BatchNorm2d: _BATCH_NORM,
    RNN: _recurrent("SimpleRNN", (0,)),
    GRU: _recurrent("GRU", (1, 0, 2), two_biases=True),
    LSTM: _recurrent("LSTM", (0, 1, 2, 3)),
}


def _rule(layer: Module) -> _Rule:
    return RULES[type(layer)]


def _pairs(module: Module, twin: Any) -> list[tuple[str, Module, Any]]:
    ours = [
        (path, layer)
        for path, layer in module.named_modules()
        if any(isinstance(value, Tensor) for value in vars(layer).values())
    ]
    theirs = list(_leaves(twin))
    names = [type(layer).__name__ for _, layer in ours]
    their_names = [type(layer).__name__ for layer in theirs]
    fits = len(ours) == len(theirs) and all(
        type(layer) in RULES and name in _rule(layer).twin
        for (_, layer), name in zip(ours, their_names, strict=True)
    )
    if not fits:
        raise ValueError(
            "exchange with Keras: the layers with weights do not pair up\n"
            f"  dlcourse: {', '.join(names)}\n  Keras: {', '.join(their_names)}"
        )
    return [(path, layer, other) for (path, layer), other in zip(ours, theirs, strict=True)]


def _leaves(twin: Any) -> Iterator[Any]:
    """The layers of a Keras model that have weights and no layers of their own."""
    if hasattr(twin, "layers"):
        for layer in twin.layers:
            yield from _leaves(layer)
    elif twin.weights:
        yield twin
