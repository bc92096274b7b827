"""TensorFlow with Keras, as the article trains: eager, and the step in a tf.function."""

from __future__ import annotations

import os
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from benchmarks.engines import Engine, Step
from benchmarks.problems import Problem

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def _losses() -> dict[str, Any]:
    return {
        "mse": tf.keras.losses.MeanSquaredError(),
        "cross_entropy": tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }


def _move(problem: Problem) -> Any:
    """The step on tensors, as a Python function."""
    *hidden, last = problem.sizes[1:]
    layers = [tf.keras.layers.Dense(n, activation="relu") for n in hidden]
    model = tf.keras.Sequential(
        [tf.keras.Input(problem.sizes[:1]), *layers, tf.keras.layers.Dense(last)]
    )
    model.set_weights([p.T for p in problem.start()])  # Keras multiplies by (in, out)
    optimizer = tf.keras.optimizers.SGD(problem.lr, momentum=problem.momentum)
    optimizer.build(model.trainable_variables)
    loss_of = _losses()[problem.loss]

    def move(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return move


def _step(problem: Problem, move: Any) -> Step:
    inputs, targets = map(tf.constant, problem.data())
    return lambda: float(move(inputs, targets))


def eager(problem: Problem) -> Step:
    return _step(problem, _move(problem))


def function(problem: Problem) -> Step:
    return _step(problem, tf.function(_move(problem)))


ENGINES: dict[str, Engine] = {
    "TensorFlow, eager": eager,
    "TensorFlow, tf.function": function,
}
