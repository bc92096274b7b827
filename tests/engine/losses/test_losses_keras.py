"""Losses agree with Keras's, after the conversions that their docstrings name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loss_cases import distributions, labels_for, normal, probabilities, signs

from dlcourse import Tensor, losses


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


def zeros_and_ones(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return (signs(shape, seed) + 1) // 2


def logits(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return 2 * normal(shape, seed)


def log_of_distributions(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.log(distributions(shape, seed))


def one_hot(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.eye(shape[1])[labels_for(shape, seed)]


SPARSE, DENSE = "SparseCategoricalCrossentropy", "CategoricalCrossentropy"

# Ours; the class in Keras and its options; how to draw prediction and target.
ROWS: list[tuple[Any, str, dict[str, Any], Any, Any]] = [
    (losses.mse, "MeanSquaredError", {}, normal, normal),
    (losses.mae, "MeanAbsoluteError", {}, normal, normal),
    (losses.huber, "Huber", {}, logits, normal),
    (lambda x, y, **k: losses.huber(x, y, delta=0.4, **k), "Huber", {"delta": 0.4}, logits, normal),
    (
        lambda x, y, **k: 0.4 * losses.smooth_l1(x, y, beta=0.4, **k),
        "Huber",
        {"delta": 0.4},
        logits,
        normal,
    ),
    (losses.log_cosh, "LogCosh", {}, logits, normal),
    (losses.binary_cross_entropy, "BinaryCrossentropy", {}, probabilities, probabilities),
    (
        losses.binary_cross_entropy_with_logits,
        "BinaryCrossentropy",
        {"from_logits": True},
        logits,
        probabilities,
    ),
    (losses.focal, "BinaryFocalCrossentropy", {"from_logits": True}, logits, zeros_and_ones),
    (
        lambda x, y, **k: losses.focal(x, y, alpha=0.3, gamma=1.5, **k),
        "BinaryFocalCrossentropy",
        {"from_logits": True, "apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5},
        logits,
        zeros_and_ones,
    ),
    (losses.hinge, "Hinge", {}, logits, signs),
    (lambda x, y, **k: losses.hinge(x, 2 * y - 1, **k), "Hinge", {}, logits, zeros_and_ones),
    (losses.squared_hinge, "SquaredHinge", {}, logits, signs),
    (losses.cross_entropy, SPARSE, {"from_logits": True}, logits, labels_for),
    (
        lambda x, y, **k: losses.cross_entropy(x, y, ignore_index=1, **k),
        SPARSE,
        {"from_logits": True, "ignore_class": 1},
        logits,
        labels_for,
    ),
    (losses.cross_entropy, DENSE, {"from_logits": True}, logits, one_hot),
    (losses.cross_entropy, DENSE, {"from_logits": True}, logits, distributions),
    (
        lambda x, y, **k: losses.cross_entropy(x, y, label_smoothing=0.1, **k),
        DENSE,
        {"from_logits": True, "label_smoothing": 0.1},
        logits,
        one_hot,
    ),
]


@pytest.mark.parametrize("shape", [(5, 3), (2, 4), (6, 2)], ids=str)
@pytest.mark.parametrize(
    ("ours", "name", "options", "draw_prediction", "draw_target"),
    ROWS,
    ids=[f"{i}-{row[1]}" for i, row in enumerate(ROWS)],
)
def test_value_and_gradient_are_those_of_keras(
    keras, tf, ours, name, options, draw_prediction, draw_target, shape
) -> None:
    x, y = draw_prediction(shape, 1), draw_target(shape, 2)
    theirs = getattr(keras.losses, name)(dtype="float64", **options)
    mine, variable = Tensor(x, requires_grad=True), tf.Variable(x)
    loss = ours(mine, y)
    loss.backward()
    with tf.GradientTape() as tape:
        expected = theirs(y, variable)
    np.testing.assert_allclose(loss.item(), expected.numpy(), rtol=1e-6)
    gradient = tf.convert_to_tensor(tape.gradient(expected, variable)).numpy()
    np.testing.assert_allclose(mine.grad.data, gradient, rtol=1e-6, atol=1e-9)


def test_probabilities_in_keras_are_log_probabilities_in_nll(keras) -> None:
    p, y = distributions((5, 3), 1), labels_for((5, 3), 2)
    theirs = keras.losses.SparseCategoricalCrossentropy(dtype="float64")(y, p)
    np.testing.assert_allclose(losses.nll(np.log(p), y), theirs.numpy(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, on dividing by 0
def test_a_mean_over_ignored_labels_alone_is_0_in_keras(keras) -> None:
    x, y = logits((2, 3), 1), np.array([1, 1])
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)(y, x)
    assert theirs.numpy() == 0
    assert np.isnan(losses.cross_entropy(x, y, ignore_index=1))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_kerass_reductions_begin_with_the_mean_over_the_last_axis(keras, reduction) -> None:
    x, y = normal((4, 3), 1), normal((4, 3), 2)
    theirs = keras.losses.MeanSquaredError(reduction=reduction, dtype="float64")(y, x)
    rows = losses.mse(x, y, reduction="none").mean(axis=-1)
    np.testing.assert_allclose(
        rows.sum() if reduction == "sum" else rows, theirs.numpy(), rtol=1e-12
    )


def test_kl_divergence_takes_probabilities_and_divides_by_the_batch(keras) -> None:
    p, q = distributions((4, 3), 1), distributions((4, 3), 2)
    theirs = keras.losses.KLDivergence(dtype="float64")(p, q)
    ours = losses.kl_div(np.log(q), p, reduction="batchmean")
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_kerass_cosine_similarity_is_the_negative_along_the_last_axis(keras) -> None:
    a, b = normal((4, 3), 1), normal((4, 3), 2)
    theirs = keras.losses.CosineSimilarity(dtype="float64")(a, b)
    np.testing.assert_allclose(-losses.cosine_similarity(a, b).mean(), theirs.numpy(), rtol=1e-6)


def test_keras_clips_probabilities_where_ours_clamps_logarithms(keras) -> None:
    theirs = keras.losses.BinaryCrossentropy(dtype="float64")([[1.0]], [[0.0]])
    np.testing.assert_allclose(theirs.numpy(), -np.log(1e-7), rtol=1e-3)
    assert losses.binary_cross_entropy(np.array([0.0]), [1.0]) == 100


def test_a_weighted_mean_of_keras_divides_by_the_number_of_examples(keras) -> None:
    x, y, weight = logits((6, 3), 1), labels_for((6, 3), 2), np.array([0.5, 2.0, 3.0])
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(
        y, x, sample_weight=weight[y]
    )
    ours = losses.cross_entropy(x, y, weight=weight, reduction="sum") / len(y)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_log_cosh_of_keras_loses_a_small_error(keras) -> None:
    theirs = keras.losses.LogCosh(dtype="float64")([[0.0]], [[1e-9]])
    assert abs(theirs.numpy() - 5e-19) > 1e-19
    assert losses.log_cosh(np.array([1e-9]), [0.0]) == pytest.approx(5e-19, rel=1e-9)


def test_categorical_hinge_counts_the_worst_wrong_class_only(keras) -> None:
    x = np.array([[2.0, 1.5, 1.8]])
    theirs = keras.losses.CategoricalHinge(dtype="float64")(np.array([[1.0, 0.0, 0.0]]), x)
    assert theirs.numpy() == pytest.approx(1 - 2.0 + 1.8)
    assert 3 * losses.multi_margin(x, [0]) == pytest.approx((1 - 2.0 + 1.8) + (1 - 2.0 + 1.5))
