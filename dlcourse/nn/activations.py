"""Activation functions as modules; each is elementwise but Softmax and LogSoftmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.nn.layers import check_sizes
from dlcourse.nn.module import Module
from dlcourse.ops import Value


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Value) -> Value:
        return ops.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope * x.

    Args:
        negative_slope: The slope on the left.

    Source: Maas et al. (2013), Rectifier nonlinearities improve neural network acoustic models;
    torch.nn.LeakyReLU.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Value) -> Value:
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class PReLU(Module):
    """x where x > 0, else weight * x: a leaky ReLU whose slope is learned.

    Args:
        num_parameters: 1, or the number of channels of x (N, C, ...), each with its own slope.
        init: The slope at first.
        dtype: Of the slopes.

    Attributes:
        weight: Shape (num_parameters,).

    Source: He et al. (2015), https://arxiv.org/abs/1502.01852; torch.nn.PReLU.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, dtype: Any = np.float64
    ) -> None:
        check_sizes(self, num_parameters=num_parameters)
        self.num_parameters, self.init = num_parameters, init
        self.weight = Tensor(np.full(num_parameters, init), requires_grad=True, dtype=dtype)

    def forward(self, x: Value) -> Value:
        slope = self.weight
        if self.num_parameters > 1:
            if len(x.shape) < 2 or x.shape[1] != self.num_parameters:
                raise ValueError(
                    f"PReLU: expected x (N, {self.num_parameters}, ...), got shape {x.shape}"
                )
            slope = ops.reshape(slope, shape=(-1, *[1] * (len(x.shape) - 2)))
        return ops.where(ops.greater(x, 0), x, slope * x)


class ELU(Module):
    """x where x > 0, else alpha * (exp(x) - 1).

    Args:
        alpha: -alpha is the limit on the left.

    Source: Clevert et al. (2016), https://arxiv.org/abs/1511.07289; torch.nn.ELU.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Value) -> Value:
        return ops.elu(x, alpha=self.alpha)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, a smooth ReLU.

    Args:
        beta: The larger, the closer to ReLU.

    Source: Dugas et al. (2001), Incorporating second-order functional knowledge for better option
    pricing; torch.nn.Softplus, which gives x itself from beta * x = 20 on.
    """

    def __init__(self, beta: float = 1.0) -> None:
        if not beta > 0:
            raise ValueError(f"Softplus: expected beta > 0, got {beta}")
        self.beta = beta

    def forward(self, x: Value) -> Value:
        return ops.softplus(x) if self.beta == 1 else ops.softplus(x * self.beta) / self.beta


class LogSigmoid(Module):
    """log(sigmoid(x)), without overflow.

    Source: torch.nn.LogSigmoid.
    """

    def forward(self, x: Value) -> Value:
        return -ops.softplus(-x)


class Mish(Module):
    """x * tanh(softplus(x)).

    Source: Misra (2020), https://arxiv.org/abs/1908.08681; torch.nn.Mish.
    """

    def forward(self, x: Value) -> Value:
        return x * ops.tanh(ops.softplus(x))


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Value) -> Value:
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Value) -> Value:
        return ops.sigmoid(x)


class SiLU(Module):
    """x * sigmoid(x), also known as swish.

    Source: Ramachandran et al. (2017), https://arxiv.org/abs/1710.05941; torch.nn.SiLU.
    """

    def forward(self, x: Value) -> Value:
        return ops.silu(x)


class GELU(Module):
    """x * P(Z <= x) for a standard normal Z.

    Args:
        approximate: "none", or "tanh" for the formula with tanh that some published models use.

    Source: Hendrycks & Gimpel (2016), https://arxiv.org/abs/1606.08415; torch.nn.GELU.
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Value) -> Value:
        return ops.gelu(x, approximate=self.approximate)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along ``axis``. ``cross_entropy`` wants its input, not its result.

    Args:
        axis: Along which axis.
        dim: The same, as PyTorch calls it.

    Source: torch.nn.Softmax.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim

    def forward(self, x: Value) -> Value:
        return ops.softmax(x, axis=self.axis)


class LogSoftmax(Softmax):
    """log(softmax(x)) along ``axis``, without overflow. Its loss is ``NLLLoss``.

    The arguments are those of Softmax.

    Source: torch.nn.LogSoftmax.
    """

    def forward(self, x: Value) -> Value:
        return ops.log_softmax(x, axis=self.axis)
