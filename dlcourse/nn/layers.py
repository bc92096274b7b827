"""Layers without memory: affine maps, convolutions and their transposes, lookup, dropout.

Batches come first. ``rng`` is where initial values come from, by default a new generator; ``dtype``
is that of the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.nn.module import Module
from dlcourse.ops import Value
from dlcourse.ops.convolution import EachAxis, Padding, each_axis


def uniform_parameter(
    rng: np.random.Generator, bound: float, shape: tuple[int, ...], dtype: Any
) -> Tensor:
    """A parameter with initial values between -bound and bound."""
    return Tensor(rng.uniform(-bound, bound, shape), requires_grad=True, dtype=dtype)


def check_sizes(layer: Module, **sizes: int) -> None:
    """Refuse sizes less than 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{type(layer).__name__}: expected {name} >= 1, got {size}")


class Linear(Module):
    """The affine map y = x @ weight.T + bias.

    Args:
        in_features, out_features: Lengths of the last axis of x and of y.
        bias: Whether to add a bias.
        rng: Where the initial values come from; uniform in +-1 / sqrt(in_features), as in PyTorch.
        dtype: Of weight and bias.

    Attributes:
        weight: Shape (out_features, in_features).
        bias: Shape (out_features,), or None.

    Source: torch.nn.Linear.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"Linear: expected at least 1 feature on each side, got {in_features} -> "
                f"{out_features}"
            )
        rng = np.random.default_rng() if rng is None else rng
        self.in_features, self.out_features = in_features, out_features
        bound = in_features**-0.5
        self.weight = uniform_parameter(rng, bound, (out_features, in_features), dtype)
        self.bias = uniform_parameter(rng, bound, (out_features,), dtype) if bias else None

    def forward(self, x: Value) -> Value:
        if self.bias is None:
            return ops.matmul(x, ops.transpose(self.weight))
        return ops.linear(x, self.weight, self.bias)


class _Conv(Module):
    """What Conv1d and Conv2d share; see Conv2d."""

    axes: ClassVar[int]
    convolve: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: EachAxis,
        stride: EachAxis = 1,
        padding: Padding = 0,
        dilation: EachAxis = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        _check_channels(self, in_channels, out_channels, groups)
        rng = np.random.default_rng() if rng is None else rng
        size = each_axis("kernel_size", kernel_size, self.axes, least=1)
        shape = (out_channels, in_channels // groups, *size)
        bound = math.prod(shape[1:]) ** -0.5
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.groups = groups
        self.weight = uniform_parameter(rng, bound, shape, dtype)
        self.bias = uniform_parameter(rng, bound, (out_channels,), dtype) if bias else None

    def forward(self, x: Value) -> Value:
        return type(self).convolve(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class Conv1d(_Conv):
    """A convolution over (batch, channels, length); see Conv2d, with one spatial axis.

    Source: torch.nn.Conv1d.
    """

    axes = 1
    convolve = ops.conv1d


class Conv2d(_Conv):
    """A convolution over (batch, channels, height, width); kernels are not flipped.

    Args:
        in_channels, out_channels: The channels of the input and of the result.
        kernel_size, stride, padding, dilation: An integer, or one for each spatial axis; padding
            also "same" or "valid". See ``ops.conv2d``.
        groups: Into how many groups, each with its own kernels, the channels are divided.
        bias: Whether each output channel has a bias.
        rng: Where the initial values come from; uniform in +-1 / sqrt(fan_in), where fan_in is
            how many numbers one output depends on, as in PyTorch.
        dtype: Of weight and bias.

    Attributes:
        weight: Shape ``(out_channels, in_channels / groups, *kernel_size)``.
        bias: Shape (out_channels,), or None.

    Source: torch.nn.Conv2d.
    """

    axes = 2
    convolve = ops.conv2d


def _check_channels(layer: Module, in_channels: int, out_channels: int, groups: int) -> None:
    check_sizes(layer, in_channels=in_channels, out_channels=out_channels, groups=groups)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{type(layer).__name__}: expected groups to divide both numbers of channels, got "
            f"groups={groups} for {in_channels} -> {out_channels}"
        )


class _ConvTranspose(Module):
    """What ConvTranspose1d and ConvTranspose2d share; see ConvTranspose2d."""

    axes: ClassVar[int]
    convolve: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: EachAxis,
        stride: EachAxis = 1,
        padding: EachAxis = 0,
        output_padding: EachAxis = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: EachAxis = 1,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        _check_channels(self, in_channels, out_channels, groups)
        rng = np.random.default_rng() if rng is None else rng
        size = each_axis("kernel_size", kernel_size, self.axes, least=1)
        shape = (in_channels, out_channels // groups, *size)
        bound = math.prod(shape[1:]) ** -0.5
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.output_padding, self.groups = output_padding, groups
        self.weight = uniform_parameter(rng, bound, shape, dtype)
        self.bias = uniform_parameter(rng, bound, (out_channels,), dtype) if bias else None

    def forward(self, x: Value) -> Value:
        how = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return type(self).convolve(x, self.weight, self.bias, *how)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a convolution over (batch, channels, length); see ConvTranspose2d.

    Source: torch.nn.ConvTranspose1d.
    """

    axes = 1
    convolve = ops.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a convolution over (batch, channels, height, width).

    What a Conv2d gathers, it spreads; with a stride s the result is about s times as large.

    Args:
        in_channels, out_channels: The channels of the input and of the result.
        kernel_size, stride, padding, dilation: As for Conv2d, those of the convolution that is
            transposed; padding is a number.
        output_padding: How much longer the result is than it has to be, less than the stride.
        groups: Into how many groups, each with its own kernels, the channels are divided.
        bias: Whether each output channel has a bias.
        rng: Where the initial values come from; uniform in +-1 / sqrt(n) with n the product of
            weight.shape[1:], as in PyTorch.
        dtype: Of weight and bias.

    Attributes:
        weight: Shape ``(in_channels, out_channels / groups, *kernel_size)``.
        bias: Shape (out_channels,), or None.

    Source: torch.nn.ConvTranspose2d.
    """

    axes = 2
    convolve = ops.conv_transpose2d


class Flatten(Module):
    """The axes from ``start_dim`` to ``end_dim`` as one: (N, C, H, W) becomes (N, C * H * W).

    Source: torch.nn.Flatten.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Value) -> Value:
        return ops.flatten(x, self.start_dim, self.end_dim)


class Embedding(Module):
    """A vector for each of ``num_embeddings`` symbols, looked up by number.

    The input has integers from 0 to num_embeddings - 1 and any shape S, the result shape
    ``(*S, embedding_dim)``.

    Args:
        num_embeddings: How many symbols there are.
        embedding_dim: The length of each vector.
        rng: Where the initial values come from.
        dtype: Of the vectors.

    Attributes:
        weight: Shape (num_embeddings, embedding_dim), initially standard normal, as in PyTorch.

    Source: torch.nn.Embedding.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        check_sizes(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        rng = np.random.default_rng() if rng is None else rng
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        values = rng.normal(size=(num_embeddings, embedding_dim))
        self.weight = Tensor(values, requires_grad=True, dtype=dtype)

    def forward(self, indices: Value) -> Value:
        return ops.embedding(self.weight, indices)


class Dropout(Module):
    """In training each element is 0 with probability ``p``, else divided by 1 - p.

    In use (after ``eval()``) the input itself. A static graph draws new ones at each run.

    Args:
        p: In [0, 1).
        generator: Where the random numbers come from, by default a new generator.

    Source: Srivastava et al. (2014), Dropout; torch.nn.Dropout.
    """

    def __init__(self, p: float = 0.5, generator: np.random.Generator | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: expected 0 <= p < 1, got {p}")
        self.p = p
        self.generator = np.random.default_rng() if generator is None else generator

    def forward(self, x: Value) -> Value:
        return ops.dropout(x, self.p, self.generator) if self.training else x
