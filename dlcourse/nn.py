"""Layers: functions with parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.ops import linear


class Module(ABC):
    """A function with parameters: the Tensors that require a gradient, and those of submodules.

    A subclass stores its parameters and submodules as attributes and defines ``forward``.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The function's value."""

    def __call__(self, x: Tensor) -> Tensor:
        return self.forward(x)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Pairs such as ("0.weight", tensor), in the order in which the attributes were set.

        A parameter that is reached in several ways is listed once, under its first name.
        """
        seen: set[int] = set()
        for name, p in self._all_parameters(prefix):
            if id(p) not in seen:
                seen.add(id(p))
                yield name, p

    def parameters(self) -> list[Tensor]:
        """Each parameter once, in the order of ``named_parameters``."""
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.zero_grad()

    def _all_parameters(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        for name, value in self._children():
            if isinstance(value, Module):
                yield from value._all_parameters(f"{prefix}{name}.")
            elif isinstance(value, Tensor) and value.requires_grad:
                yield f"{prefix}{name}", value

    def _children(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            if isinstance(value, list | tuple):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value))
            else:
                yield name, value


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
        bound = in_features**-0.5

        def uniform(*shape: int) -> Tensor:
            return Tensor(rng.uniform(-bound, bound, shape), requires_grad=True, dtype=dtype)

        self.weight = uniform(out_features, in_features)
        self.bias = uniform(out_features) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is None:
            return x @ self.weight.T
        y: Tensor = linear(x, self.weight, self.bias)
        return y


class ReLU(Module):
    """max(x, 0), elementwise."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu()


class Sequential(Module):
    """The given modules one after another; item i is ``model[i]``."""

    def __init__(self, *modules: Module) -> None:
        self.modules = modules

    def _children(self) -> Iterator[tuple[str, Any]]:
        yield from ((str(i), module) for i, module in enumerate(self.modules))

    def __getitem__(self, i: int) -> Module:
        return self.modules[i]

    def __len__(self) -> int:
        return len(self.modules)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.modules:
            x = module(x)
        return x
