"""The table of cases in which a loss of dlcourse must agree with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the field's name

from dlcourse import losses


@dataclass(frozen=True)
class Case:
    """One comparison: both functions take the inputs and reduction=.

    Floating point inputs are differentiated. `second` says that PyTorch has the second derivative.
    """

    label: str
    ours: Callable[..., Any]
    theirs: Callable[..., torch.Tensor]
    inputs: tuple[np.ndarray, ...]
    second: bool = True

    def __str__(self) -> str:
        return self.label


def reduced(values: torch.Tensor, reduction: str) -> torch.Tensor:
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](values)


def torch_focal(
    x: torch.Tensor,
    t: torch.Tensor,
    gamma: float = 2,
    alpha: float | None = None,
    *,
    reduction: str,
) -> torch.Tensor:
    """torchvision.ops.sigmoid_focal_loss, line for line."""
    p = torch.sigmoid(x)
    ce_loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    p_t = p * t + (1 - p) * (1 - t)
    loss = ce_loss * ((1 - p_t) ** gamma)
    if alpha is not None:
        loss = (alpha * t + (1 - alpha) * (1 - t)) * loss
    return reduced(loss, reduction)


def torch_hinge(
    x: torch.Tensor, t: torch.Tensor, margin: float = 1, power: int = 1, *, reduction: str
) -> torch.Tensor:
    return reduced(torch.relu(margin - t * x) ** power, reduction)


def torch_log_cosh(x: torch.Tensor, t: torch.Tensor, *, reduction: str) -> torch.Tensor:
    return reduced((x - t).cosh().log(), reduction)


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.asarray(generator(seed, *shape).normal(size=shape))


def probabilities(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.asarray(generator(seed, *shape).uniform(0.02, 0.98, size=shape))


def signs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.asarray(generator(seed, *shape).choice([-1, 1], size=shape))


def distributions(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Along axis 1, or the only one."""
    e = np.exp(normal(shape, seed))
    return e / e.sum(axis=min(len(shape) - 1, 1), keepdims=True)


def labels_for(shape: tuple[int, ...], seed: int = 0, ignored: int | None = None) -> np.ndarray:
    """Labels for scores of that shape; with ``ignored``, every third one is that."""
    axis = min(len(shape) - 1, 1)
    drawn = generator(seed, *shape).integers(0, shape[axis], size=shape[:axis] + shape[axis + 1 :])
    drawn = np.asarray(drawn)
    if ignored is not None:
        drawn.flat[1::3] = ignored
    return drawn


# --- The table --------------------------------------------------------------------------------


def options_of(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """The loss with its options; an option that is an array takes the dtype of the first input."""

    def call(x: Any, *others: Any, **more: Any) -> Any:
        given = dict(options)
        for name, value in options.items():
            if isinstance(value, np.ndarray):
                of_torch = isinstance(x, torch.Tensor)
                given[name] = torch.tensor(value, dtype=x.dtype) if of_torch else value.tolist()
        return function(x, *others, **given, **more)

    return call


def case(
    name: str,
    theirs: Callable[..., torch.Tensor],
    inputs: tuple[np.ndarray, ...],
    options: dict[str, Any] | None = None,
    second: bool = True,
) -> Case:
    options = options or {}
    told = ", ".join(f"{k}={'...' if isinstance(v, np.ndarray) else v}" for k, v in options.items())
    return Case(
        f"{name}({' and '.join(str(x.shape) for x in inputs)}) {told}",
        options_of(getattr(losses, name), options),
        options_of(theirs, options),
        inputs,
        second,
    )


SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (4, 3), (2, 3, 4)]

# The loss, PyTorch's, how to draw the target, the options.
PAIRS: list[tuple[str, Any, Any, list[dict[str, Any]]]] = [
    ("mse", F.mse_loss, normal, [{}]),
    ("mae", F.l1_loss, normal, [{}]),
    ("huber", F.huber_loss, normal, [{}, {"delta": 0.3}]),
    ("smooth_l1", F.smooth_l1_loss, normal, [{}, {"beta": 0.3}, {"beta": 0.0}]),
    ("log_cosh", torch_log_cosh, normal, [{}]),
    (
        "binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        probabilities,
        [{}, {"pos_weight": np.array(2.5)}],
    ),
    (
        "focal",
        torch_focal,
        probabilities,
        [{}, {"alpha": 0.25}, {"gamma": 0.0}, {"gamma": 0.5, "alpha": 0.9}, {"alpha": 0}],
    ),
    ("hinge", torch_hinge, signs, [{}, {"margin": 0.3}]),
    ("squared_hinge", partial(torch_hinge, power=2), signs, [{}, {"margin": 0.3}]),
]


def pair_cases() -> list[Case]:
    rows = [
        case(name, theirs, (2 * normal(shape, 1), target(shape, 2)), options)
        for name, theirs, target, settings in PAIRS
        for options in settings
        for shape in SHAPES
    ]
    for shape in SHAPES:
        inputs = (probabilities(shape, 1), probabilities(shape, 2))
        rows.append(case("binary_cross_entropy", F.binary_cross_entropy, inputs))
    vector = {"pos_weight": np.array([0.5, 1.0, 3.0])}
    name, inputs = "binary_cross_entropy_with_logits", (normal((4, 3)), probabilities((4, 3)))
    return [*rows, case(name, getattr(F, name), inputs, vector)]


CLASSES: list[tuple[int, ...]] = [(4,), (1, 3), (6, 4), (5, 1), (3, 4, 2), (2, 3, 2, 2)]


def class_cases() -> list[Case]:
    rows = []
    for shape in CLASSES:
        count = shape[min(len(shape) - 1, 1)]
        scores = 2 * normal(shape, 2)
        weight = {"weight": generator(3, *shape).uniform(0.5, 2, size=count)}
        smooth: list[dict[str, Any]] = [
            {"label_smoothing": 0.2},
            {"label_smoothing": 1.0, **weight},
        ]
        for options in [{}, weight, *smooth]:
            inputs = (scores, distributions(shape, 1))
            rows.append(case("cross_entropy", F.cross_entropy, inputs, options))
        ignoring = [{"ignore_index": i, **more} for i in (-100, 0) for more in ({}, weight)]
        for options in [{}, weight, *(ignoring if len(shape) > 1 else [])]:
            labels = labels_for(shape, 1, options.get("ignore_index"))
            rows.append(case("nll", F.nll_loss, (scores, labels), options))
            for more in [{}, *smooth]:
                inputs = (scores, labels)
                rows.append(case("cross_entropy", F.cross_entropy, inputs, options | more))
        if len(shape) <= 2:
            for options in [{}, {"p": 2}, {"margin": 0.4, **weight}, {"p": 2, **weight}]:
                inputs = (scores, labels_for(shape, 1))
                rows.append(case("multi_margin", F.multi_margin_loss, inputs, options, False))
    return rows


def divergence_cases() -> list[Case]:
    rows = []
    for shape in [(), (3,), (4, 3), (2, 3, 2)]:
        log_q, p = np.log(probabilities(shape, 1)), probabilities(shape, 2)
        rows.append(case("kl_div", F.kl_div, (log_q, p)))
        rows.append(case("kl_div", F.kl_div, (log_q, np.log(p)), {"log_target": True}))
    return rows


def embedding_cases() -> list[Case]:
    rows = []
    for shape in [(3,), (1, 2), (5, 4)]:
        inputs = (normal(shape, 1), normal(shape, 2), signs(shape[:-1], 3))
        for options in [{}, {"margin": 0.2}, {"margin": -0.5}]:
            rows.append(case("cosine_embedding", F.cosine_embedding_loss, inputs, options))
    for shape in [(3,), (5, 4), (2, 3, 4)]:
        inputs = (normal(shape, 1), normal(shape, 2), normal(shape, 3))
        for options in [
            {},
            {"margin": 0.2},
            {"p": 1.0},
            {"p": 3.0, "eps": 1e-3},
            {"p": math.inf},
            {"swap": True},
        ]:
            rows.append(case("triplet_margin", F.triplet_margin_loss, inputs, options))
    return rows


CASES = [*pair_cases(), *class_cases(), *divergence_cases(), *embedding_cases()]
