"""Optimizers that divide each gradient by the size that its gradients have had."""

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


class Adagrad(ElementwiseOptimizer):
    """Adaptive gradient: a rate that falls with the sum of all squared gradients.

    Step t with gradient g and the sum s of squares (which starts at initial_accumulator_value):

        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Form "keras" divides by sqrt(s + eps).

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate; by default 1e-2, in form "keras" 1e-3.
        lr_decay: How fast the rate falls with t; Keras has no such option.
        initial_accumulator_value: Where s starts; by default 0, in form "keras" 0.1.
        eps: Keeps the divisor off 0; by default 1e-10, in form "keras" 1e-7.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and
    stochastic optimization; torch.optim.Adagrad, https://keras.io/api/optimizers/adagrad/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1e-2, "initial_accumulator_value": 0.0, "eps": 1e-10},
        "keras": {"lr": 1e-3, "initial_accumulator_value": 0.1, "eps": 1e-7},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        lr_decay: float = 0.0,
        initial_accumulator_value: float | None = None,
        eps: float | None = None,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(
            parameters,
            lr=lr,
            lr_decay=lr_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            **shared,
        )

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {"sum": np.full_like(p, h["initial_accumulator_value"])}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        lr, eps = h["lr"], h["eps"]
        if h["lr_decay"]:
            lr = lr / (1 + (t - 1) * h["lr_decay"])
        s = state["sum"] + g * g
        root = ops.sqrt(s) + eps if h["form"] == "torch" else ops.sqrt(s + eps)
        return lr * g / root, {"sum": s}


class Adadelta(ElementwiseOptimizer):
    """Steps in the unit of the parameter: of the size that the last steps had.

    One step with gradient g and the running means v of g**2 and u of d**2 (which start at 0):

        v = rho * v + (1 - rho) * g**2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        p = p - lr * d

    The forms differ in their defaults alone. With lr = 1 ("torch") it is the paper's method; the
    default of form "keras" is a thousand times slower.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate; by default 1, in form "keras" 1e-3.
        rho: The share of the means that is kept; by default 0.9, in form "keras" 0.95.
        eps: Starts the motion; by default 1e-6, in form "keras" 1e-7.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Zeiler (2012), ADADELTA: an adaptive learning rate method,
    https://arxiv.org/abs/1212.5701; torch.optim.Adadelta,
    https://keras.io/api/optimizers/adadelta/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
        "keras": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        rho: float | None = None,
        eps: float | None = None,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(parameters, lr=lr, rho=rho, eps=eps, **shared)

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {"square_avg": np.zeros_like(p), "acc_delta": np.zeros_like(p)}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        rho, eps = h["rho"], h["eps"]
        v = rho * state["square_avg"] + (1 - rho) * (g * g)
        d = ops.sqrt(state["acc_delta"] + eps) / ops.sqrt(v + eps) * g
        u = rho * state["acc_delta"] + (1 - rho) * (d * d)
        return h["lr"] * d, {"square_avg": v, "acc_delta": u}


class RMSprop(ElementwiseOptimizer):
    """The gradient over the root of the running mean of its square.

    One step with gradient g, the running mean v of g**2 and the velocity b (which start at 0):

        v = alpha * v + (1 - alpha) * g**2
        b = momentum * b + g / (sqrt(v) + eps)
        p = p - lr * b

    Centered, v - a**2 takes the place of v under the root, with the running mean a of g: the
    variance of the gradient. Form "keras" divides by sqrt(v + eps), with eps inside the root, and
    keeps lr inside the velocity, as in SGD.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate; by default 1e-2, in form "keras" 1e-3.
        alpha: The share of the means that is kept; by default 0.99, in form "keras" 0.9 (where it
            is named rho).
        eps: Keeps the divisor off 0; by default 1e-8, in form "keras" 1e-7.
        momentum: The share of the velocity that is kept, 0 <= momentum.
        centered: Divide by the root of the variance, not of the mean square.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Tieleman and Hinton (2012), Lecture 6.5 of Neural networks for machine learning;
    centered: Graves (2013), https://arxiv.org/abs/1308.0850; torch.optim.RMSprop,
    https://keras.io/api/optimizers/rmsprop/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8},
        "keras": {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        alpha: float | None = None,
        eps: float | None = None,
        momentum: float = 0.0,
        centered: bool = False,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(
            parameters, lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered, **shared
        )

    def initial_state(self, p: Array, h: Options) -> Slots:
        used = {"square_avg": True, "grad_avg": h["centered"], "momentum_buffer": h["momentum"]}
        return {name: np.zeros_like(p) for name, wanted in used.items() if wanted}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        lr, alpha, eps = h["lr"], h["alpha"], h["eps"]
        v = alpha * state["square_avg"] + (1 - alpha) * (g * g)
        new = {"square_avg": v}
        if h["centered"]:
            a = new["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * g
            v = ops.maximum(v - a * a, 0)  # rounding could leave a variance just below 0
        b = g / (ops.sqrt(v) + eps) if h["form"] == "torch" else lr * g / ops.sqrt(v + eps)
        if h["momentum"]:
            b = new["momentum_buffer"] = h["momentum"] * state["momentum_buffer"] + b
        return lr * b if h["form"] == "torch" else b, new
