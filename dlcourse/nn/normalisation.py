"""Normalisation: values brought to mean 0 and variance 1, then scaled and shifted as learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.nn.layers import check_sizes
from dlcourse.nn.module import Module
from dlcourse.ops import Value


class LayerNorm(Module):
    """Each example standardised over its last axes, times ``weight``, plus ``bias``.

    Args:
        normalized_shape: The lengths of those axes; an integer for the last axis alone.
        eps: Added to the variance.
        dtype: Of weight and bias.

    Attributes:
        weight, bias: Shape normalized_shape, initially ones and zeros.

    Source: Ba, Kiros & Hinton (2016), Layer normalization; torch.nn.LayerNorm. Keras's default eps
    is 1e-3.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5, dtype: Any = np.float64
    ) -> None:
        shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        if not shape or min(shape) < 1:
            raise ValueError(f"LayerNorm: expected lengths >= 1, got {normalized_shape}")
        self.normalized_shape, self.eps = shape, eps
        self.weight = Tensor(np.ones(shape), requires_grad=True, dtype=dtype)
        self.bias = Tensor(np.zeros(shape), requires_grad=True, dtype=dtype)

    def forward(self, x: Value) -> Value:
        return ops.layer_norm(x, self.weight, self.bias, self.eps)


class _BatchNorm(Module):
    """What BatchNorm1d and BatchNorm2d share; see BatchNorm2d."""

    shapes: ClassVar[dict[int, str]]  # for each number of axes that is accepted, what they are

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        dtype: Any = np.float64,
    ) -> None:
        check_sizes(self, num_features=num_features)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(
                f"{type(self).__name__}: expected 0 <= momentum <= 1 or None, got {momentum}"
            )
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        ones, zeros = np.ones(num_features), np.zeros(num_features)
        self.weight = Tensor(ones, requires_grad=True, dtype=dtype)
        self.bias = Tensor(zeros, requires_grad=True, dtype=dtype)
        self.running_mean = Tensor(zeros, dtype=dtype)
        self.running_var = Tensor(ones, dtype=dtype)
        self.num_batches_tracked = Tensor(0, dtype=np.int64)

    def forward(self, x: Value) -> Value:
        count = self.weight.shape[0]
        if len(x.shape) not in self.shapes or x.shape[1] != count:
            raise ValueError(
                f"{type(self).__name__}: expected shape {' or '.join(self.shapes.values())} with "
                f"C = {count} channels, got {x.shape}"
            )
        if not self.training:
            return ops.batch_norm(
                x, self.weight, self.bias, self.running_mean, self.running_var, self.eps
            )
        y = ops.batch_norm(x, self.weight, self.bias, eps=self.eps)
        self._track(ops.stop_gradient(x))
        return y

    def _track(self, x: Value) -> None:
        """Move the running statistics towards those of the batch x."""
        axes = (0, *range(2, len(x.shape)))
        n = math.prod(x.shape[axis] for axis in axes)
        mean = ops.mean(x, axis=axes)
        centred = x - ops.mean(x, axis=axes, keepdims=True)
        variance = ops.sum(ops.square(centred), axis=axes) / (n - 1)
        tracked = self.num_batches_tracked + 1
        share = self.momentum
        if share is None:  # then the running statistics are the mean of all so far
            share = 1 / ops.astype(tracked, dtype=self.running_mean.dtype)
        self.update_buffers(
            running_mean=(1 - share) * self.running_mean + share * mean,
            running_var=(1 - share) * self.running_var + share * variance,
            num_batches_tracked=tracked,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see BatchNorm2d.

    Source: torch.nn.BatchNorm1d.
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) standardised, times ``weight``, plus ``bias``.

    In training with the mean and variance of the batch, in use (after ``eval()``) with the running
    ones. After each training batch, running = (1 - momentum) * running + momentum * batch's, where
    the variance is the unbiased one.

    Args:
        num_features: C.
        eps: Added to the variance.
        momentum: The share of the newest batch; None for the plain mean over all batches.
        dtype: Of the parameters and the running statistics.

    Attributes:
        weight, bias: Shape (C,), initially ones and zeros.
        running_mean, running_var: Shape (C,), initially zeros and ones; buffers.
        num_batches_tracked: 0-d, int64; a buffer.

    Raises:
        ValueError: The shape does not fit, or a training batch has one value for a channel.

    Source: Ioffe & Szegedy (2015), Batch normalization; torch.nn.BatchNorm2d. In Keras ``momentum``
    is the share that is kept (0.99), eps is 1e-3, and the running variance is the biased one.
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class GroupNorm(Module):
    """The channels of each example standardised in groups, times ``weight``, plus ``bias``.

    For x (N, C, ...) mean and variance are those of the C / num_groups channels of a group with all
    their elements. One group for all channels is a LayerNorm over all but the first axis, a group
    for each channel an InstanceNorm.

    Args:
        num_groups: Into how many groups the channels are divided.
        num_channels: C.
        eps: Added to the variance.
        affine: Whether there are weight and bias.
        dtype: Of weight and bias.

    Attributes:
        weight, bias: Shape (C,), initially ones and zeros; or None.

    Raises:
        ValueError: num_groups does not divide C, or the shape does not fit.

    Source: Wu & He (2018), https://arxiv.org/abs/1803.08494; torch.nn.GroupNorm. Keras's default
    eps is 1e-3.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        check_sizes(self, num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"{type(self).__name__}: expected num_groups to divide the number of channels, got "
                f"{num_groups} for {num_channels}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        ones, zeros = np.ones(num_channels), np.zeros(num_channels)
        self.weight = Tensor(ones, requires_grad=True, dtype=dtype) if affine else None
        self.bias = Tensor(zeros, requires_grad=True, dtype=dtype) if affine else None

    def forward(self, x: Value) -> Value:
        if len(x.shape) < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"{type(self).__name__}: expected shape (N, {self.num_channels}, ...), "
                f"got {x.shape}"
            )
        grouped = ops.reshape(x, shape=(x.shape[0], self.num_groups, -1))
        y = ops.reshape(ops.standardize(grouped, axis=-1, eps=self.eps), shape=x.shape)
        if self.weight is None or self.bias is None:
            return y
        wide = (self.num_channels, *[1] * (len(x.shape) - 2))
        return y * ops.reshape(self.weight, shape=wide) + ops.reshape(self.bias, shape=wide)


class _InstanceNorm(GroupNorm):
    """What InstanceNorm1d and InstanceNorm2d share; see InstanceNorm2d."""

    axes: ClassVar[str]

    def __init__(
        self, num_features: int, eps: float = 1e-5, affine: bool = False, dtype: Any = np.float64
    ) -> None:
        check_sizes(self, num_features=num_features)
        super().__init__(num_features, num_features, eps, affine, dtype)
        self.num_features = num_features

    def forward(self, x: Value) -> Value:
        if len(x.shape) != self.axes.count(",") + 1 or math.prod(x.shape[2:]) == 1:
            raise ValueError(
                f"{type(self).__name__}: expected shape {self.axes} with more than one element in "
                f"each channel, got {x.shape}"
            )
        return super().forward(x)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each example of (N, C, L) standardised; see InstanceNorm2d.

    Source: torch.nn.InstanceNorm1d.
    """

    axes = "(N, C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each example of (N, C, H, W) standardised.

    It has no running statistics, and does the same in training and in use.

    Args:
        num_features: C.
        eps: Added to the variance.
        affine: Whether the result is multiplied by weight, and bias added.
        dtype: Of weight and bias.

    Attributes:
        weight, bias: Shape (C,), initially ones and zeros; or None, the default.

    Raises:
        ValueError: The shape does not fit, or a channel has a single element.

    Source: Ulyanov et al. (2016), https://arxiv.org/abs/1607.08022; torch.nn.InstanceNorm2d.
    """

    axes = "(N, C, H, W)"
