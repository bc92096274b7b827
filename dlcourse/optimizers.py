"""Optimizers: rules that move parameters against their gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.ops import Array


class Optimizer(ABC):
    """What all optimizers share: the parameters, and clearing their gradients.

    Raises:
        TypeError: A parameter is not a Tensor.
        ValueError: There are no parameters, one does not require a gradient, or is listed twice.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        if isinstance(parameters, Tensor):
            raise TypeError(f"{type(self).__name__}: expected a list of parameters, got one Tensor")
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: expected parameters to optimise, got none")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: parameter {i} is no Tensor but {type(p).__name__}"
                )
            if not (p.requires_grad and p.is_leaf):
                raise ValueError(
                    f"{type(self).__name__}: parameter {i} must be a leaf with requires_grad=True"
                )
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError(
                f"{type(self).__name__}: a parameter is listed twice, and would move twice a step"
            )

    def zero_grad(self) -> None:
        """Forget all gradients. Without it, ``backward`` adds to those of the last step."""
        for p in self.parameters:
            p.zero_grad()

    def step(self) -> None:
        """Move each parameter that has a gradient, in place."""
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self._update(i, p.data, p.grad.data)

    @abstractmethod
    def _update(self, i: int, p: Array, g: Array) -> None:
        """Move the values ``p`` of parameter number ``i``, whose gradient is ``g``, in place."""


class SGD(Optimizer):
    """Gradient descent, with momentum and Nesterov's variant.

    One step with gradient g and velocity v (which starts as the first gradient):

        v = momentum * v + g
        p = p - lr * v                       plain momentum
        p = p - lr * (g + momentum * v)      nesterov

    Args:
        parameters: The tensors to move.
        lr: The learning rate, > 0 or 0 to stand still.
        momentum: The share of the velocity that is kept, 0 <= momentum.
        nesterov: Use the gradient ahead; needs momentum > 0.

    Raises:
        ValueError: A setting is out of its range.

    Source: torch.optim.SGD; Sutskever et al. (2013), On the importance of initialization and
    momentum in deep learning. Keras keeps ``lr`` inside the velocity instead: the same steps as
    long as lr stays constant.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters)
        if not lr >= 0:
            raise ValueError(f"SGD: expected a learning rate lr >= 0, got {lr}")
        if not momentum >= 0:
            raise ValueError(f"SGD: expected momentum >= 0, got {momentum}")
        if nesterov and momentum == 0:
            raise ValueError("SGD: nesterov=True needs momentum > 0, got momentum=0")
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self._velocities: dict[int, Array] = {}

    def _update(self, i: int, p: Array, g: Array) -> None:
        step = g
        if self.momentum:
            if i in self._velocities:
                velocity = self._velocities[i]
                velocity *= self.momentum
                velocity += g
            else:
                velocity = self._velocities[i] = np.array(g)
            step = g + self.momentum * velocity if self.nesterov else velocity
        p -= self.lr * step
