"""Gradient descent, with momentum, and by the sign of the momentum."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import numpy as np

from dlcourse import ops
from dlcourse.ops import Array, Value
from dlcourse.optimizers.base import (
    ElementwiseOptimizer,
    Form,
    Options,
    Parameters,
    SharedOptions,
    Slots,
)


class GD(ElementwiseOptimizer):
    """Gradient descent.

    One step with gradient g:

        p = p - lr * g

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate, > 0 or 0 to stand still.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Source: Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations
    simultanées. In torch.optim and keras.optimizers it is SGD with its defaults.
    """

    def __init__(self, parameters: Parameters, lr: float, **shared: Unpack[SharedOptions]) -> None:
        super().__init__(parameters, lr=lr, **shared)

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        return h["lr"] * g, {}


class SGD(ElementwiseOptimizer):
    """Gradient descent, with momentum and Nesterov's variant.

    One step with gradient g and velocity v (which starts as the first gradient):

        v = momentum * v + (1 - dampening) * g
        p = p - lr * v                       plain momentum
        p = p - lr * (g + momentum * v)      nesterov

    Form "keras" keeps lr inside the velocity, v = momentum * v + lr * g, and moves by v or by
    lr * g + momentum * v. The steps are the same as long as lr stays constant. When lr drops, the
    old velocity goes on at the old rate.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate, > 0 or 0 to stand still.
        momentum: The share of the velocity that is kept, 0 <= momentum.
        nesterov: Use the gradient ahead; needs momentum > 0 and no dampening.
        dampening: The share of the gradient that the velocity does not take in; 0 in form "keras".
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Sutskever et al. (2013), On the importance of initialization and momentum in deep
    learning; torch.optim.SGD, https://keras.io/api/optimizers/sgd/.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        dampening: float = 0.0,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(
            parameters, lr=lr, momentum=momentum, nesterov=nesterov, dampening=dampening, **shared
        )

    def _check_options(self, options: dict[str, Any]) -> None:
        super()._check_options(options)
        if options.get("nesterov") and options["momentum"] == 0:
            raise ValueError("SGD: nesterov=True needs momentum > 0, got momentum=0")
        if options.get("dampening") and (options["nesterov"] or options["form"] == "keras"):
            raise ValueError(
                'SGD: nesterov=True and form="keras" need dampening=0, '
                f"got dampening={options['dampening']}"
            )

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {"momentum_buffer": np.zeros_like(p)} if h["momentum"] else {}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        lr, momentum = h["lr"], h["momentum"]
        if not momentum:
            return lr * g, {}
        lr_inside = h["form"] == "keras"
        if lr_inside:
            g = lr * g
        taken = g
        if h["dampening"]:
            first = 0.0 ** (t - 1)  # 1 in the first step, which is not dampened, and 0 after it
            taken = (1 - h["dampening"] * (1 - first)) * g
        # There is no velocity yet if momentum was 0 in the steps before.
        v = momentum * state.get("momentum_buffer", 0.0) + taken
        delta = g + momentum * v if h["nesterov"] else v
        return delta if lr_inside else lr * delta, {"momentum_buffer": v}


class Lion(ElementwiseOptimizer):
    """Evolved sign momentum: every number moves by lr, up or down.

    One step with gradient g and momentum m (which starts at 0):

        p = p - lr * sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g

    Weight decay is decoupled. The forms differ in the default of lr alone: 1e-4 ("torch", the
    authors' own code) or 1e-3 ("keras"). torch.optim has no Lion.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate, the length of every step.
        betas: The shares of m that are kept, for the step and for m itself.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Chen et al. (2023), Symbolic discovery of optimization algorithms,
    https://arxiv.org/abs/2302.06675; https://keras.io/api/optimizers/lion/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1e-4, "decoupled_weight_decay": True},
        "keras": {"lr": 1e-3},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        betas: tuple[float, float] = (0.9, 0.99),
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, **shared)

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {"exp_avg": np.zeros_like(p)}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        beta1, beta2 = h["betas"]
        m = state["exp_avg"]
        delta = h["lr"] * ops.sign(beta1 * m + (1 - beta1) * g)
        return delta, {"exp_avg": beta2 * m + (1 - beta2) * g}
