"""Adam and its relatives: a running mean of the gradient over a measure of its size."""

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


class Adam(ElementwiseOptimizer):
    """Adaptive moments, and AMSGrad.

    Step t = 1, 2, ... with gradient g and the running means m of g, v of g**2 (which start at 0):

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - lr * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)

    The two divisions by 1 - beta**t correct the bias of means that start at 0. With amsgrad the
    largest v so far takes the place of v in the last line.

    Form "keras" adds eps before it corrects v, lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m
    / (sqrt(v) + eps): the paper's "epsilon hat". So its eps counts as eps / sqrt(1 - beta2**t),
    about 30 times as much in the first step.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate, about the length of a step; by default 1e-3.
        betas: The shares of m and of v that are kept.
        eps: Keeps the divisor off 0; by default 1e-8, in form "keras" 1e-7.
        amsgrad: Divide by the largest v so far.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Kingma and Ba (2015), Adam: a method for stochastic optimization,
    https://arxiv.org/abs/1412.6980; AMSGrad: Reddi, Kale and Kumar (2018), On the convergence of
    Adam and beyond, https://arxiv.org/abs/1904.09237; torch.optim.Adam,
    https://keras.io/api/optimizers/adam/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1e-3, "eps": 1e-8},
        "keras": {"lr": 1e-3, "eps": 1e-7},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float | None = None,
        amsgrad: bool = False,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, **shared)

    def initial_state(self, p: Array, h: Options) -> Slots:
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return {name: np.zeros_like(p) for name in (names if h["amsgrad"] else names[:2])}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        beta1, beta2 = h["betas"]
        m = beta1 * state["exp_avg"] + (1 - beta1) * g
        v = beta2 * state["exp_avg_sq"] + (1 - beta2) * (g * g)
        new = {"exp_avg": m, "exp_avg_sq": v}
        if h["amsgrad"]:
            v = new["max_exp_avg_sq"] = ops.maximum(state["max_exp_avg_sq"], v)
        root_correction = (1 - beta2**t) ** 0.5
        eps = h["eps"] if h["form"] == "torch" else h["eps"] / root_correction
        return h["lr"] / (1 - beta1**t) * m / (ops.sqrt(v) / root_correction + eps), new


class AdamW(Adam):
    """Adam with decoupled weight decay.

    One step is that of Adam, and p = p - lr * weight_decay * p beside it, with p as it was before
    the step. The pull is then the same for all numbers, however large their gradients are.

    Args:
        parameters, lr, betas, eps, amsgrad: As for Adam.
        weight_decay: By default 1e-2, in form "keras" 4e-3.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Loshchilov and Hutter (2019), Decoupled weight decay regularization,
    https://arxiv.org/abs/1711.05101; torch.optim.AdamW, https://keras.io/api/optimizers/adamw/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 1e-3, "eps": 1e-8, "weight_decay": 1e-2, "decoupled_weight_decay": True},
        "keras": {"lr": 1e-3, "eps": 1e-7, "weight_decay": 4e-3},
    }


class Adamax(ElementwiseOptimizer):
    """Adam with the largest gradient, fading, in place of the root of the mean square.

    Step t = 1, 2, ... with gradient g, the running mean m of g and the size u (which start at 0):

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, abs(g) + eps)
        p = p - lr / (1 - beta1**t) * m / u

    Form "keras" adds eps later: u = max(beta2 * u, abs(g)), and m / (u + eps).

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate; by default 2e-3, in form "keras" 1e-3.
        betas: The shares of m and of u that are kept.
        eps: Keeps the divisor off 0; by default 1e-8, in form "keras" 1e-7.
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Kingma and Ba (2015), section 7.1, https://arxiv.org/abs/1412.6980;
    torch.optim.Adamax, https://keras.io/api/optimizers/adamax/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 2e-3, "eps": 1e-8},
        "keras": {"lr": 1e-3, "eps": 1e-7},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float | None = None,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, **shared)

    def initial_state(self, p: Array, h: Options) -> Slots:
        return {"exp_avg": np.zeros_like(p), "exp_inf": np.zeros_like(p)}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        beta1, beta2 = h["betas"]
        size, fading = ops.abs(g), beta2 * state["exp_inf"]
        m = beta1 * state["exp_avg"] + (1 - beta1) * g
        if h["form"] == "torch":
            u = divisor = ops.maximum(fading, size + h["eps"])
        else:
            u = ops.maximum(fading, size)
            divisor = u + h["eps"]
        return h["lr"] / (1 - beta1**t) * m / divisor, {"exp_avg": m, "exp_inf": u}


class NAdam(ElementwiseOptimizer):
    """Adam with Nesterov's momentum, which grows from step to step.

    Step t = 1, 2, ... with gradient g, the running means m of g and v of g**2 (which start at 0)
    and the product c of all mu so far (which starts at 1):

        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        c = c * mu(t)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        ahead = mu(t+1) / (1 - c * mu(t+1)) * m + (1 - mu(t)) / (1 - c) * g
        p = p - lr * ahead / (sqrt(v / (1 - beta2**t)) + eps)

    The forms differ in their defaults alone. Form "keras" has the paper's momentum_decay of 1
    where "torch" has 4e-3: there mu takes thousands of steps from beta1 / 2 to beta1.

    Args:
        parameters: The tensors to move, or groups of them.
        lr: The learning rate; by default 2e-3, in form "keras" 1e-3.
        betas: The shares of m and of v that are kept.
        eps: Keeps the divisor off 0; by default 1e-8, in form "keras" 1e-7.
        momentum_decay: How fast mu grows; by default 4e-3, in form "keras" 1 (a constant there).
        **shared: As for every optimizer; see ElementwiseOptimizer.

    Raises:
        ValueError: A setting is out of its range.

    Source: Dozat (2016), Incorporating Nesterov momentum into Adam; torch.optim.NAdam,
    https://keras.io/api/optimizers/Nadam/.
    """

    form_defaults: ClassVar[dict[Form, dict[str, Any]]] = {
        "torch": {"lr": 2e-3, "eps": 1e-8, "momentum_decay": 4e-3},
        "keras": {"lr": 1e-3, "eps": 1e-7, "momentum_decay": 1.0},
    }

    def __init__(
        self,
        parameters: Parameters,
        lr: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float | None = None,
        momentum_decay: float | None = None,
        **shared: Unpack[SharedOptions],
    ) -> None:
        super().__init__(
            parameters, lr=lr, betas=betas, eps=eps, momentum_decay=momentum_decay, **shared
        )

    def initial_state(self, p: Array, h: Options) -> Slots:
        one = np.ones((), p.dtype)
        return {"exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p), "mu_product": one}

    def rule(self, g: Value, state: Slots, t: Value, h: Options) -> tuple[Value, Slots]:
        beta1, beta2 = h["betas"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (i * h["momentum_decay"])) for i in (t, t + 1))
        c = state["mu_product"] * mu
        m = beta1 * state["exp_avg"] + (1 - beta1) * g
        v = beta2 * state["exp_avg_sq"] + (1 - beta2) * (g * g)
        ahead = mu_next / (1 - c * mu_next) * m + (1 - mu) / (1 - c) * g
        delta = h["lr"] * ahead / (ops.sqrt(v / (1 - beta2**t)) + h["eps"])
        return delta, {"exp_avg": m, "exp_avg_sq": v, "mu_product": c}
