"""Initial values: arrays of a given shape, drawn from a given generator.

A weight has the shape (fan_out, fan_in), that of a convolution ``(out, in, *kernel)``. Write them
into a layer with ``layer.weight.copy_(kaiming_normal(layer.weight.shape, rng))`` under
``no_grad()``.

Source: torch.nn.init, whose names and formulas these are; there they overwrite a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from dlcourse.ops import Array

Fan: TypeAlias = Literal["fan_in", "fan_out"]

GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def gain_of(nonlinearity: str, negative_slope: float = 0.01) -> float:
    """By what to scale weights so that activations keep their variance from layer to layer.

    Args:
        nonlinearity: "linear", "sigmoid", "tanh", "relu", "selu" or "leaky_relu".
        negative_slope: That of leaky_relu.

    Source: torch.nn.init.calculate_gain.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + negative_slope**2))
    if nonlinearity not in GAINS:
        raise ValueError(
            f"gain_of: expected one of {', '.join([*GAINS, 'leaky_relu'])}; got {nonlinearity!r}"
        )
    return GAINS[nonlinearity]


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Of a weight: how many inputs one output depends on, and how many outputs one input reaches.

    Args:
        shape: (fan_out, fan_in), of a convolution ``(out, in, *kernel)``.

    Source: torch.nn.init._calculate_fan_in_and_fan_out.
    """
    if len(shape) < 2:
        raise ValueError(f"fans: expected a weight of at least 2 axes, got shape {tuple(shape)}")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps


def constant(shape: Sequence[int], value: float, dtype: Any = np.float64) -> Array:
    """An array filled with ``value``.

    Args:
        shape, dtype: Of the array.
        value: Each element's.
    """
    return np.full(shape, value, dtype)


def zeros(shape: Sequence[int], dtype: Any = np.float64) -> Array:
    """An array of zeros; shape and dtype as of constant."""
    return np.zeros(shape, dtype)


def ones(shape: Sequence[int], dtype: Any = np.float64) -> Array:
    """An array of ones; shape and dtype as of constant."""
    return np.ones(shape, dtype)


def uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    low: float = 0.0,
    high: float = 1.0,
    dtype: Any = np.float64,
) -> Array:
    """Uniformly distributed numbers from ``low`` to ``high``.

    Args:
        shape, dtype: Of the array.
        rng: Where the numbers come from.
        low, high: The bounds; high is excluded.
    """
    return rng.uniform(low, high, tuple(shape)).astype(dtype)


def normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Any = np.float64,
) -> Array:
    """Normally distributed numbers.

    Args:
        shape, dtype: Of the array.
        rng: Where the numbers come from.
        mean, std: The mean and the standard deviation.
    """
    return rng.normal(mean, std, tuple(shape)).astype(dtype)


def xavier_uniform(
    shape: Sequence[int], rng: np.random.Generator, gain: float = 1.0, dtype: Any = np.float64
) -> Array:
    """Uniform with standard deviation gain * sqrt(2 / (fan_in + fan_out)), for tanh and sigmoid.

    Args:
        shape, dtype: Of the weight.
        rng: Where the numbers come from.
        gain: A factor; see gain_of.

    Source: Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural
    networks; ``torch.nn.init.xavier_uniform_``, keras.initializers.GlorotUniform.
    """
    return _uniform_of_std(shape, rng, gain * math.sqrt(2 / sum(fans(shape))), dtype)


def xavier_normal(
    shape: Sequence[int], rng: np.random.Generator, gain: float = 1.0, dtype: Any = np.float64
) -> Array:
    """Normal with the standard deviation of ``xavier_uniform``.

    Args: as for xavier_uniform.

    Source: ``torch.nn.init.xavier_normal_``. keras.initializers.GlorotNormal draws again what is
    more than two standard deviations away.
    """
    return normal(shape, rng, std=gain * math.sqrt(2 / sum(fans(shape))), dtype=dtype)


def kaiming_uniform(
    shape: Sequence[int],
    rng: np.random.Generator,
    mode: Fan = "fan_in",
    nonlinearity: str = "relu",
    negative_slope: float = 0.0,
    dtype: Any = np.float64,
) -> Array:
    """Uniform with standard deviation gain / sqrt(fan), for ReLU and its relatives.

    Args:
        shape: Of the weight.
        rng: Where the numbers come from.
        mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.
        nonlinearity, negative_slope: Those of ``gain_of``.
        dtype: Of the result.

    Source: He et al. (2015), https://arxiv.org/abs/1502.01852; ``torch.nn.init.kaiming_uniform_``,
    keras.initializers.HeUniform.
    """
    std = _kaiming_std(shape, mode, nonlinearity, negative_slope)
    return _uniform_of_std(shape, rng, std, dtype)


def kaiming_normal(
    shape: Sequence[int],
    rng: np.random.Generator,
    mode: Fan = "fan_in",
    nonlinearity: str = "relu",
    negative_slope: float = 0.0,
    dtype: Any = np.float64,
) -> Array:
    """Normal with the standard deviation of ``kaiming_uniform``.

    Args: as for kaiming_uniform.

    Source: ``torch.nn.init.kaiming_normal_``. keras.initializers.HeNormal draws again what is more
    than two standard deviations away.
    """
    std = _kaiming_std(shape, mode, nonlinearity, negative_slope)
    return normal(shape, rng, std=std, dtype=dtype)


def orthogonal(
    shape: Sequence[int], rng: np.random.Generator, gain: float = 1.0, dtype: Any = np.float64
) -> Array:
    """A random matrix with orthogonal rows or columns (of the longer kind), each of length gain.

    A weight of more than two axes counts as a matrix with one row for each output.

    Args:
        shape, dtype: Of the weight.
        rng: Where the numbers come from.
        gain: A factor; see gain_of.

    Source: Saxe et al. (2014), https://arxiv.org/abs/1312.6120; ``torch.nn.init.orthogonal_``.
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # so that each rotation and reflection is equally likely
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


def _uniform_of_std(
    shape: Sequence[int], rng: np.random.Generator, std: float, dtype: Any
) -> Array:
    bound = math.sqrt(3) * std
    return uniform(shape, rng, -bound, bound, dtype)


def _kaiming_std(
    shape: Sequence[int], mode: Fan, nonlinearity: str, negative_slope: float
) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'kaiming: expected mode="fan_in" or "fan_out", got {mode!r}')
    fan = fans(shape)[0 if mode == "fan_in" else 1]
    return gain_of(nonlinearity, negative_slope) / math.sqrt(fan)
