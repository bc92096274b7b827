"""Activation functions as modules, for use in Sequential; each is elementwise but Softmax."""

from __future__ import annotations

from dlcourse import ops
from dlcourse.nn.module import Module, Value


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Value) -> Value:
        return ops.relu(x)


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
    """exp(x) / sum(exp(x)) along ``axis``. ``cross_entropy`` wants its input, not its result."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        return ops.softmax(x, axis=self.axis)
