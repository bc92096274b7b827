"""Functions, layers over time, choices and loops that TensorFlow recorded give its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlcourse.frameworks import UnknownOperationError, from_tensorflow
from frameworks.tensorflow_functions import FUNCTIONS, examples
from frameworks.tensorflow_tools import assert_runs_the_same, assert_same, normal, specs
from frameworks.tensorflow_tools import tf as tf


def recorded(tf: Any, f: Callable[..., Any], arrays: dict[str, np.ndarray]) -> Any:
    types = {name: tf.TensorSpec(a.shape, a.dtype) for name, a in arrays.items()}
    return tf.function(f).get_concrete_function(types)


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_gives_the_numbers_of_tensorflow(tf: Any, f: Callable[..., Any]) -> None:
    arrays = examples()
    imported = from_tensorflow(recorded(tf, lambda x: f(tf, x), arrays))
    theirs = f(tf, {name: tf.constant(a) for name, a in arrays.items()})
    assert_same(imported.run(*(arrays[k] for k in sorted(arrays))), tf.nest.flatten(theirs))


def gradient(tf: Any, f: Callable[..., Any], x: Any) -> list[Any]:
    """The gradients of the sum of squares of all results in the dtype of the inputs."""
    floats = [x[k] for k in sorted(x) if k != "n"]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        results = [y for y in tf.nest.flatten(f(tf, x)) if y.dtype == x["a"].dtype]
        total = tf.add_n([tf.reduce_sum(y * y) for y in results] or [tf.reduce_sum(x["a"])])
    gradients = tape.gradient(total, floats, unconnected_gradients="zero")
    return [tf.convert_to_tensor(g) for g in gradients]


# What TensorFlow computes in float32 only, or has no gradient of (a dilated convolution, eagerly).
FLOAT32 = {
    "gather", "conv1d", "conv2d", "attention", "polyval", "shapes as values", "boolean of a range",
    "eye", "fused batch norm", "fused batch norm, averages", "fused batch norm, inference",
    "conv3d", "separable", "conv2d, dilations", "max_pool", "avg_pool",
}  # fmt: skip


@pytest.mark.parametrize(
    "f", [f for k, f in FUNCTIONS.items() if k not in FLOAT32],
    ids=[k for k in FUNCTIONS if k not in FLOAT32],
)  # fmt: skip
def test_the_gradient_of_a_function_gives_the_numbers_of_tensorflow(
    tf: Any, f: Callable[..., Any]
) -> None:
    arrays = examples("float64")
    function = recorded(tf, lambda x: gradient(tf, f, x), arrays)
    theirs = gradient(tf, f, {name: tf.constant(a) for name, a in arrays.items()})
    ours = from_tensorflow(function).run(*(arrays[k] for k in sorted(arrays)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", sorted(FLOAT32 - {"conv2d, dilations"}))
def test_the_gradient_of_a_function_in_float32_gives_the_numbers_of_tensorflow(
    tf: Any, name: str
) -> None:
    arrays = examples()
    function = recorded(tf, lambda x: gradient(tf, FUNCTIONS[name], x), arrays)
    inputs = {key: tf.constant(a) for key, a in arrays.items()}
    theirs = gradient(tf, FUNCTIONS[name], inputs)
    ours = from_tensorflow(function).run(*(arrays[k] for k in sorted(arrays)))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-4)


# --- Layers over time and other layers of Keras -----------------------------------------------

RECURRENT: dict[str, Callable[[Any], list[Any]]] = {
    "SimpleRNN": lambda layers: [layers.SimpleRNN(4)],
    "GRU": lambda layers: [layers.GRU(4)],
    "GRU, backwards": lambda layers: [
        layers.GRU(4, return_sequences=True, go_backwards=True, reset_after=False)
    ],
    "LSTM": lambda layers: [layers.LSTM(4)],
    "LSTM, stacked": lambda layers: [layers.LSTM(4, return_sequences=True), layers.LSTM(2)],
    "masked": lambda layers: [layers.Masking(), layers.GRU(4)],
    "both directions": lambda layers: [layers.Bidirectional(layers.GRU(2))],
    "cells": lambda layers: [layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])],
}


@pytest.mark.parametrize("layers", RECURRENT.values(), ids=RECURRENT)
def test_a_recurrent_layer_and_its_gradient_give_the_numbers_of_keras(
    tf: Any, layers: Callable[[Any], list[Any]]
) -> None:
    model = tf.keras.Sequential([tf.keras.Input((4, 3)), *layers(tf.keras.layers)])
    for i, variable in enumerate(model.trainable_variables):
        variable.assign(normal(*variable.shape, seed=i))
    x = normal(2, 4, 3) * np.array([1, 1, 1, 0], np.float32)[:, None]
    assert_runs_the_same(tf, lambda x: model(x, training=False), x)

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    function = tf.function(step).get_concrete_function(*specs(tf, x))
    for ours, theirs in zip(
        from_tensorflow(function).run(x), function(tf.constant(x)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_an_attention_layer_with_a_causal_mask_gives_the_numbers_of_keras(tf: Any) -> None:
    layer, x = tf.keras.layers.MultiHeadAttention(2, 4), normal(2, 5, 8)
    layer.build((2, 5, 8), (2, 5, 8))
    assert_runs_the_same(tf, lambda x: layer(x, x, use_causal_mask=True), x)


# --- Choices and loops ------------------------------------------------------------------------


def scalar_shape(tf: Any) -> Any:
    return tf.constant([], tf.int32)


def stacked(tf: Any, values: Any) -> Any:
    return tf.raw_ops.TensorListStack(
        input_handle=values,
        element_shape=scalar_shape(tf),
        element_dtype=tf.float32,
        num_elements=-1,
    )


def popped(tf: Any, values: Any) -> tuple[Any, Any]:
    """The last element, and the others."""
    rest, last = tf.raw_ops.TensorListPopBack(
        input_handle=values, element_shape=scalar_shape(tf), element_dtype=tf.float32
    )
    return last, stacked(tf, rest)


CONTROL: dict[str, Callable[..., Any]] = {
    "cond": lambda tf, x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x - 1),
    "cond of a number": lambda tf, x: tf.raw_ops.StatelessIf(
        cond=tf.cast(x[0] * 0 + 3, tf.int32), input=[x], Tout=[tf.float32],
        then_branch=tf.function(lambda x: x * 2).get_concrete_function(tf.TensorSpec((3,))),
        else_branch=tf.function(lambda x: x - 1).get_concrete_function(tf.TensorSpec((3,))),
    ),
    "cond that is known": lambda tf, x: tf.cond(tf.shape(x)[0] > 2, lambda: x * 2, lambda: x - 1),
    "switch_case": lambda tf, x: tf.switch_case(
        tf.cast(x[0] * 0 + 1, tf.int32), [lambda: x, lambda: x * 3, lambda: x - 1]
    ),
    "switch_case, beyond": lambda tf, x: tf.switch_case(
        tf.cast(x[0] * 0 + 7, tf.int32), [lambda: x, lambda: x * 3, lambda: x - 1]
    ),
    "while of a known length": lambda tf, x: tf.while_loop(
        lambda i, y: i < 3, lambda i, y: (i + 1, y * x + 1.0), (0, x)
    ),
    "while until it converges": lambda tf, x: tf.while_loop(
        lambda y: tf.reduce_max(tf.abs(y)) > 0.1, lambda y: (y * 0.5,), (x,)
    ),
    "while with a list": lambda tf, x: tf.while_loop(
        lambda i, y, ys: tf.reduce_max(tf.abs(y)) > 0.1,
        lambda i, y, ys: (i + 1, y * 0.5, ys.write(i, y)),
        (0, x, tf.TensorArray(tf.float32, 20, element_shape=(3,))),
    )[2].stack(),
    "TensorArray": lambda tf, x: (
        tf.TensorArray(tf.float32, 2).write(0, x).write(1, x * 2).stack(),
        tf.TensorArray(tf.float32, 3).unstack(x).gather([2, 0]),
        tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [1, 2]).concat(),
    ),
    "TensorArray that grows": lambda tf, x: (
        tf.TensorArray(tf.float32, 0, dynamic_size=True).write(0, x).write(2, x * x).stack(),
        tf.TensorArray(tf.float32, 0, dynamic_size=True).scatter([2, 0, 1], x).stack(),
    ),
    "TensorArray, some elements set": lambda tf, x: (
        tf.TensorArray(tf.float32, 3, element_shape=(3,)).write(1, x).read(0) + x,
        tf.TensorArray(tf.float32, 4, element_shape=()).scatter([3, 0, 1], x).stack(),
    ),
    "TensorArray, places that are computed": lambda tf, x: (
        tf.TensorArray(tf.float32, 3).unstack(x).read(tf.argmax(x, output_type=tf.int32)),
        tf.TensorArray(tf.float32, 3, element_shape=())
        .unstack(x).write(tf.argmin(x, output_type=tf.int32), x[0] * 2).stack(),
    ),
    "list that is scattered": lambda tf, x: [
        stacked(tf, tf.raw_ops.TensorListScatterV2(
            tensor=x, indices=[2, 0, 1], element_shape=scalar_shape(tf), num_elements=n
        )) for n in (-1, 5)
    ],
    "list of another length": lambda tf, x: [
        stacked(tf, tf.raw_ops.TensorListResize(
            input_handle=tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=scalar_shape(tf)),
            size=size,
        )) for size in (5, 2)
    ],
    "list whose last is taken away": lambda tf, x: popped(
        tf, tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=scalar_shape(tf))
    ),
    "list whose last is not set": lambda tf, x: x + popped(
        tf, tf.raw_ops.TensorListReserve(
            element_shape=scalar_shape(tf), num_elements=2, element_dtype=tf.float32
        )
    )[0],
    "list of elements of unknown shape": lambda tf, x: (x, tf.raw_ops.TensorListElementShape(
        input_handle=tf.raw_ops.TensorListReserve(
            element_shape=-1, num_elements=2, element_dtype=tf.float32
        ),
        shape_type=tf.int32,
    )),
    "list in a loop": lambda tf, x: tf.while_loop(
        lambda i, y, ys: i < 3, lambda i, y, ys: (i + 1, y * x, ys.write(i, y)),
        (0, x, tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)),
    )[2].stack(),
    "map_fn": lambda tf, x: tf.map_fn(lambda a: a * a + 1.0, x),
    "map_fn in map_fn": lambda tf, x: tf.map_fn(
        lambda a: tf.map_fn(lambda b: a * b * b, x), x),
    "scan": lambda tf, x: tf.scan(lambda a, b: a * b, x),
    "foldl": lambda tf, x: tf.foldl(lambda a, b: a * 2.0 + b, x),
}  # fmt: skip


@pytest.mark.parametrize("f", CONTROL.values(), ids=CONTROL)
def test_choices_and_loops_give_the_numbers_of_tensorflow(tf: Any, f: Callable[..., Any]) -> None:
    assert_runs_the_same(tf, lambda x: f(tf, x), np.array([0.5, -2.0, 3.0], np.float32))


COMPUTED_LENGTH = {"while until it converges", "while with a list"}
WITHOUT_GRADIENT = {"cond of a number"}  # in TensorFlow


@pytest.mark.parametrize(
    "f", [f for k, f in CONTROL.items() if k not in COMPUTED_LENGTH | WITHOUT_GRADIENT],
    ids=[k for k in CONTROL if k not in COMPUTED_LENGTH | WITHOUT_GRADIENT],
)  # fmt: skip
def test_gradients_of_choices_and_loops_give_the_numbers_of_tensorflow(
    tf: Any, f: Callable[..., Any]
) -> None:
    x = np.array([0.5, -2.0, 3.0], np.float32)
    assert_runs_the_same(tf, lambda x: gradient(tf, lambda tf, x: f(tf, x["a"]), {"a": x}), x)


@pytest.mark.parametrize("name", sorted(COMPUTED_LENGTH))
def test_the_gradient_of_a_loop_whose_length_is_computed_is_refused(tf: Any, name: str) -> None:
    step = tf.function(lambda x: gradient(tf, lambda tf, x: CONTROL[name](tf, x["a"]), {"a": x}))
    with pytest.raises(UnknownOperationError, match=r"(?s)StatelessWhile.*other types"):
        from_tensorflow(step, tf.TensorSpec((3,)))


def test_variables_that_branches_and_loops_assign_are_updates(tf: Any) -> None:
    v, w = tf.Variable(1.0, name="v"), tf.Variable(2.0, name="w")

    def f(x: Any) -> Any:
        tf.cond(x > 0, lambda: v.assign_add(x), lambda: v.assign(w))
        for _ in tf.range(3):
            v.assign(v * w)
        return v + 0.0

    for x in (3.0, -1.0):
        imported = assert_runs_the_same(tf, tf.autograph.to_graph(f), np.float32(x))
        assert imported.updates == ("v",)


# --- What is refused --------------------------------------------------------------------------

GUARDS: dict[str, tuple[Callable[..., Any], str]] = {
    **{
        f"{name} of {layout}, {padding}": (
            lambda tf, x, op=name, layout=layout, padding=padding: getattr(tf.raw_ops, op)(
                **{("value" if op == "AvgPool" else "input"): x}, ksize=[1, 2, 2, 1],
                strides=[1, 1, 1, 1], padding=padding, data_format=layout,
                **({"explicit_paddings": [0, 0, 1, 1, 1, 1, 0, 0]} if padding[0] == "E" else {}),
            ),
            "expected images (batch, height, width, channels)",
        )
        for name, layout, padding in (
            ("MaxPool", "NCHW", "VALID"), ("AvgPool", "NCHW", "VALID"),
            ("MaxPool", "NHWC", "EXPLICIT"),
        )
    },
    "convolution of NCHW": (
        lambda tf, x: tf.nn.conv2d(x, tf.ones([2, 2, 4, 3]), 1, "VALID", data_format="NCHW"),
        "expected images (batch, height, width, channels)"),
    "convolution with its own padding": (
        lambda tf, x: tf.nn.conv2d(x, tf.ones([2, 2, 4, 3]), 1, [[0, 0], [1, 1], [1, 1], [0, 0]]),
        "expected images (batch, height, width, channels)"),
    "depth of NCHW": (
        lambda tf, x: tf.nn.depth_to_space(x, 2, "NCHW"), "expected images with channels last"),
    "batch norm of NCHW": (
        lambda tf, x: tf.compat.v1.nn.fused_batch_norm(
            x, tf.ones(4), tf.ones(4), data_format="NCHW")[0],
        "expected images with channels last"),
    "several diagonals": (
        lambda tf, x: tf.linalg.diag_part(x[0, 0], k=(0, 1)), "one diagonal at a time"),
    "list that is read before it is set": (
        lambda tf, x: tf.TensorArray(tf.float32, 2, infer_shape=False).stack() + x[0, 0, 0, 0],
        "give the TensorArray its element_shape"),
    "rows that are missing": (
        lambda tf, x: tf.dynamic_stitch([[0, 2]], [x[:2]]), "a row for each place"),
    "depth of NCHW in a branch": (
        lambda tf, x: tf.cond(x[0, 0, 0, 0] > 0, lambda: tf.nn.depth_to_space(x, 2, "NCHW"),
                              lambda: tf.ones([4, 1, 8, 8])),
        "DepthToSpace"),
    "a shape that is computed": (
        lambda tf, x: tf.zeros([tf.cast(x[0, 0, 0, 0], tf.int32)]), "known when the graph is read"),
    "bfloat16": (
        lambda tf, x: tf.cast(tf.cast(x, tf.bfloat16) * 2, tf.float32), "bfloat16"),
    "complex64": (lambda tf, x: tf.abs(tf.complex(x, x)), "complex64"),
    "random numbers": (lambda tf, x: x + tf.random.normal([4]), "RandomStandardNormal"),
}  # fmt: skip


def without_quoted_lines(message: str) -> str:
    """Without the lines of this file, which have the expected text in them."""
    return re.sub(r"(\.py, line \d+, in [^:]*): .*", r"\1", message)


@pytest.mark.parametrize(("f", "text"), GUARDS.values(), ids=GUARDS)
def test_a_use_that_dlcourse_does_not_have_is_refused_with_its_line(
    tf: Any, f: Callable[..., Any], text: str
) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        from_tensorflow(tf.function(lambda x: f(tf, x)), tf.TensorSpec((4, 4, 4, 4)))
    message = without_quoted_lines(str(caught.value))
    assert text in message
    assert ".py, line" in message
    assert message.count("dlcourse cannot read this use") <= 1  # the operation's own
