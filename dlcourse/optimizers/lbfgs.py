"""L-BFGS: steps along an estimate of Newton's direction, with a line search if wanted.

It looks at all parameters at once and evaluates the loss several times a step. So it has no
elementwise rule, and no part in a compiled training step: it runs in the dynamic graph alone.

Source: Nocedal and Wright (2006), Numerical optimization, algorithms 7.4 and 7.5 (L-BFGS), 3.5
and 3.6 (strong Wolfe line search); where the book leaves a choice, that of torch.optim.LBFGS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.autodiff.versions import note_change
from dlcourse.ops import Array
from dlcourse.optimizers.base import Closure, Optimizer, Options, Parameters

Pair = tuple[Array, Array, float]  # a move s, the change of gradient y that it made, 1 / (s @ y)


class Trial(NamedTuple):
    """A point of the line that is searched, t times the direction away from its start."""

    t: float
    loss: float
    gradient: Array
    slope: float  # the derivative of the loss with respect to t


class LBFGS(Optimizer):
    """Limited-memory BFGS, a quasi-Newton method.

    One iteration from the parameters p with gradient g, all of them as one vector:

        d = -H @ g      H estimates the inverse Hessian from the last moves s and changes of
                        gradient y; it is never made as a matrix
        p = p + t * d   t = lr, or what the line search finds

    A step is up to max_iter iterations. It suits small smooth problems whose loss is computed
    from all examples; the noise of minibatches misleads it. Keras has no L-BFGS.

    Args:
        parameters: The tensors to move; one group.
        lr: The first t of each iteration.
        max_iter: The most iterations a step.
        max_eval: The most evaluations of the loss a step; by default 1.25 * max_iter.
        tolerance_grad: Stop when no number of the gradient is larger.
        tolerance_change: Stop when no parameter, or not the loss, changes by more.
        history_size: How many pairs (s, y) are remembered.
        line_search_fn: "strong_wolfe", or None for t = lr.

    Raises:
        ValueError: A setting is out of its range, or there is more than one group.

    Source: Liu and Nocedal (1989), On the limited memory BFGS method for large scale
    optimization; torch.optim.LBFGS.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ) -> None:
        super().__init__(
            parameters,
            lr=lr,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    def add_param_group(self, group: Any) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: expected one group, since all parameters move as one vector")
        super().add_param_group(group)

    def step(self, closure: Closure | None = None) -> Tensor:
        """Move the parameters by up to max_iter iterations, in place.

        Args:
            closure: Clears the gradients, computes the loss, calls ``backward`` and returns the
                loss. It is called at each point that is tried.

        Returns:
            The loss before the step.

        Raises:
            TypeError: There is no closure.
        """
        if closure is None:
            raise TypeError(
                "LBFGS: step(closure) needs a function that clears the gradients, computes the "
                "loss, calls backward() and returns the loss; got none"
            )
        before = closure()
        h, loss, gradient = self.param_groups[0], float(before), self._gradient()
        if _largest(gradient) <= h["tolerance_grad"]:
            return before
        state = self.state.setdefault(
            self.parameters[0],
            {"n_iter": 0, "move": None, "gradient": None, "history": [], "scale": 1.0},
        )
        evaluations = 1
        for iteration in range(1, h["max_iter"] + 1):
            state["n_iter"] += 1
            if state["move"] is not None:
                _remember(state, gradient, h["history_size"])
            direction = _newton_direction(gradient, state["history"], state["scale"])
            t = h["lr"]
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            state["gradient"], state["move"] = gradient, None
            start = Trial(0.0, loss, gradient, float(gradient @ direction))
            if start.slope > -h["tolerance_change"]:
                break
            origin = [p.data.copy() for p in self.parameters]
            evaluate = self._on_line(closure, origin, direction)
            if h["line_search_fn"] is not None:
                narrowest = h["tolerance_change"] / _largest(direction)
                left = h["max_eval"] - evaluations
                found, count = strong_wolfe(evaluate, start, t, narrowest, left)
                t, loss, gradient, _ = found
                evaluations += count
                self._place(origin, direction, t)
            elif iteration < h["max_iter"]:
                _, loss, gradient, _ = evaluate(t)
                evaluations += 1
            else:
                self._place(origin, direction, t)
            state["move"] = t * direction
            if (
                evaluations >= h["max_eval"]
                or _largest(gradient) <= h["tolerance_grad"]
                or _largest(state["move"]) <= h["tolerance_change"]
                or abs(loss - start.loss) < h["tolerance_change"]
            ):
                break
        return before

    def _gradient(self) -> Array:
        """The gradients of all parameters as one vector."""
        return _flat(
            [np.zeros_like(p.data) if p.grad is None else p.grad.data for p in self.parameters]
        )

    def _place(self, origin: Sequence[Array], direction: Array, t: float) -> None:
        """Put the parameters at origin + t * direction."""
        position = 0
        for p, x in zip(self.parameters, origin, strict=True):
            part = direction[position : position + x.size]
            p.data[...] = x + t * part.reshape(x.shape)
            note_change(p.data, "LBFGS.step()")
            position += x.size

    def _on_line(
        self, closure: Closure, origin: Sequence[Array], direction: Array
    ) -> Callable[[float], Trial]:
        """The loss and its gradient as a function of t; it leaves the parameters there."""

        def evaluate(t: float) -> Trial:
            self._place(origin, direction, t)
            loss = float(closure())
            gradient = self._gradient()
            return Trial(t, loss, gradient, float(gradient @ direction))

        return evaluate

    def _checked_state(
        self, i: int, p: Tensor, remembered: dict[str, Any], group: Options
    ) -> dict[str, Any]:  # all parameters share one state, kept with the first
        names = ("n_iter", "move", "gradient", "history", "scale")
        if remembered.keys() != {*names}:
            raise ValueError(
                f"LBFGS: expected the state {', '.join(names)}; got {', '.join(remembered)}"
            )
        size = sum(p.size for p in self.parameters)
        if np.shape(remembered["gradient"]) != (size,):
            raise ValueError(
                f"LBFGS: expected the state of {size} numbers, the size of all parameters; got "
                f"a gradient of shape {np.shape(remembered['gradient'])}"
            )
        return remembered


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([a.reshape(-1) for a in arrays] or [np.zeros(0)])


def _largest(a: Array) -> float:
    return float(np.abs(a).max(initial=0))


def _remember(state: dict[str, Any], gradient: Array, size: int) -> None:
    """Add the last move to the history, if the loss curves upwards along it."""
    s, y = state["move"], gradient - state["gradient"]
    curvature = float(y @ s)
    if curvature > 1e-10:
        state["history"] = [*state["history"], (s, y, 1 / curvature)][-size:]
        state["scale"] = curvature / float(y @ y)


def _newton_direction(gradient: Array, history: Sequence[Pair], scale: float) -> Array:
    """-H @ gradient, by the two-loop recursion; H is ``scale`` times 1 without a history."""
    d = -gradient
    shares = []
    for s, y, rho in reversed(history):
        share = rho * float(s @ d)
        d = d - share * y
        shares.append(share)
    d = scale * d
    for (s, y, rho), share in zip(history, reversed(shares), strict=True):
        d = d + (share - rho * float(y @ d)) * s
    return d


def strong_wolfe(
    evaluate: Callable[[float], Trial], start: Trial, t: float, narrowest: float, most: int
) -> tuple[Trial, int]:
    """Search a line for a point where the loss has fallen enough and is flat enough.

    With the start's loss f and slope f' < 0, these are the strong Wolfe conditions
    loss <= f + 1e-4 * t * f' and abs(slope) <= 0.9 * abs(f').

    Args:
        evaluate: The point at t.
        start: The point at t = 0.
        t: Where to begin.
        narrowest: Stop when the interval is narrower than that.
        most: The most evaluations after the first.

    Returns:
        The point, or the best one found when the search had to stop; how often it evaluated.
    """

    def too_high(x: Trial) -> bool:
        return x.loss > start.loss + 1e-4 * x.t * start.slope

    def flat(x: Trial) -> bool:
        return abs(x.slope) <= -0.9 * start.slope

    # Outwards, until the interval from the last point to this one holds what is searched.
    last, trial, count = start, evaluate(t), 0
    while count < most:
        rises = too_high(trial) or (count > 1 and trial.loss >= last.loss)
        if flat(trial) and not rises:
            return trial, count + 1
        if rises or trial.slope >= 0:
            break
        bounds = (trial.t + 0.01 * (trial.t - last.t), 10 * trial.t)
        last, trial = trial, evaluate(_cubic_minimum(last, trial, bounds))
        count += 1
    else:
        last = start

    # Inwards: the interval shrinks around its better end.
    ends = [last, trial]
    low, high = (0, 1) if last.loss <= trial.loss else (1, 0)
    was_close = False
    while count < most and not abs(ends[1].t - ends[0].t) < narrowest:
        bounds = (min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t))
        t, was_close = _kept_inside(_cubic_minimum(ends[0], ends[1], bounds), bounds, was_close)
        trial = evaluate(t)
        count += 1
        if too_high(trial) or trial.loss >= ends[low].loss:
            ends[high] = trial
            low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
            continue
        if flat(trial):
            return trial, count + 1
        if trial.slope * (ends[high].t - ends[low].t) >= 0:
            ends[high] = ends[low]
        ends[low] = trial
    return ends[low], count + 1


def _cubic_minimum(a: Trial, b: Trial, bounds: tuple[float, float]) -> float:
    """The minimum, within bounds, of the cubic through two points with their slopes.

    Their middle if the cubic has no minimum. Nocedal and Wright, equation 3.59.
    """
    left, right = (a, b) if a.t <= b.t else (b, a)
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    if square >= 0:
        d2 = math.sqrt(square)
        divisor = right.slope - left.slope + 2 * d2
        if divisor != 0:
            t = right.t - (right.t - left.t) * (right.slope + d2 - d1) / divisor
            return min(max(t, bounds[0]), bounds[1])
    return (bounds[0] + bounds[1]) / 2


def _kept_inside(t: float, bounds: tuple[float, float], was_close: bool) -> tuple[float, bool]:
    """``t`` off the ends of the interval, where it would hardly shrink, and whether t is close.

    Close to an end is within a tenth of the interval. That may happen once, but not twice in a
    row: then, and at the very end, t is moved to that tenth.
    """
    left, right = bounds
    margin = 0.1 * (right - left)
    if not min(right - t, t - left) < margin:
        return t, False
    if not (was_close or t >= right or t <= left):
        return t, True
    return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
