"""What a loss says of a wrong argument names the loss and the argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlcourse import Tensor, losses, optimizers

INTEGERS = np.array([[1, 0], [0, 1]])
LABELS = np.array([0, 1])

# For each loss a call on integers where it wants floating point numbers, and that argument's name.
CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "mse": (lambda x: losses.mse(x, INTEGERS), "prediction"),
    "mae": (lambda x: losses.mae(x, INTEGERS), "prediction"),
    "huber": (lambda x: losses.huber(x, INTEGERS), "prediction"),
    "smooth_l1": (lambda x: losses.smooth_l1(x, INTEGERS), "prediction"),
    "log_cosh": (lambda x: losses.log_cosh(x, INTEGERS), "prediction"),
    "binary_cross_entropy": (
        lambda x: losses.binary_cross_entropy(x, INTEGERS),
        "probabilities",
    ),
    "binary_cross_entropy_with_logits": (
        lambda x: losses.binary_cross_entropy_with_logits(x, INTEGERS),
        "logits",
    ),
    "focal": (lambda x: losses.focal(x, INTEGERS), "logits"),
    "hinge": (lambda x: losses.hinge(x, INTEGERS), "scores"),
    "squared_hinge": (lambda x: losses.squared_hinge(x, INTEGERS), "scores"),
    "cross_entropy": (lambda x: losses.cross_entropy(x, LABELS), "logits"),
    "nll": (lambda x: losses.nll(x, LABELS), "log_probabilities"),
    "multi_margin": (lambda x: losses.multi_margin(x, LABELS), "scores"),
    "kl_div": (lambda x: losses.kl_div(x, INTEGERS), "log_probabilities"),
    "cosine_embedding": (lambda x: losses.cosine_embedding(x, x, LABELS), "a"),
    "triplet_margin": (lambda x: losses.triplet_margin(x, x, x), "anchor"),
}
PENALTIES = ("l1_penalty", "l2_penalty", "elastic_net_penalty")


def test_every_loss_is_tried() -> None:
    assert {*CALLS, *PENALTIES, "cosine_similarity"} == set(losses.__all__)


@pytest.mark.parametrize("loss", CALLS)
def test_integers_are_refused_under_the_name_of_the_argument(loss: str) -> None:
    call, argument = CALLS[loss]
    assert argument in inspect.signature(getattr(losses, loss)).parameters
    for x in (INTEGERS, Tensor(INTEGERS)):
        with pytest.raises(TypeError, match=rf"{loss}: expected floating point {argument}, got"):
            call(x)


@pytest.mark.parametrize("loss", CALLS)
def test_a_wrong_reduction_is_refused_under_the_name_of_the_loss(loss: str) -> None:
    function = getattr(losses, loss)
    of_labels = ("cross_entropy", "nll", "multi_margin")
    labels = LABELS if loss in of_labels else np.ones(INTEGERS.shape)
    arguments = [np.full(INTEGERS.shape, 0.5), labels]
    required = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is not p.KEYWORD_ONLY
    ]
    if loss == "cosine_embedding":
        arguments += [np.ones(2)]
    arguments += [np.ones(INTEGERS.shape)] * (len(required) - len(arguments))
    with pytest.raises(ValueError, match=rf"^{loss}: expected reduction"):
        function(*arguments, reduction="median")


def test_scores_of_no_class_have_no_weights() -> None:
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        losses.cross_entropy(np.array(0.5), np.array(0), weight=np.ones(3))


def test_a_graph_whose_gradient_was_clipped_names_the_clipping() -> None:
    w, v = Tensor([3.0, 4.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    assert w.grad is not None
    later = (w.grad * v).sum()
    optimizers.clip_grad_norm_([w], 1.0)
    with pytest.raises(RuntimeError, match="clip_grad_norm_"):
        later.backward()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_penalty_says_its_name(penalty: str) -> None:
    function = getattr(losses, penalty)
    with pytest.raises(ValueError, match=f"^{penalty}: expected a strength >= 0, got -1"):
        function([np.ones(2)], -1.0)
    with pytest.raises(ValueError, match=f"^{penalty}: expected parameters, got none"):
        function([])


@pytest.mark.parametrize("index", [0, 1])
def test_a_class_to_ignore_is_for_labels_and_not_for_distributions(index: int) -> None:
    logits, target = Tensor([[1.0, 2.0]]), Tensor([[0.5, 0.5]])
    with pytest.raises(ValueError, match=rf"ignore_index={index} is for labels"):
        losses.cross_entropy(logits, target, ignore_index=index)
    assert losses.cross_entropy(logits, target, ignore_index=-100).item() == pytest.approx(
        0.8133, abs=1e-4
    )
