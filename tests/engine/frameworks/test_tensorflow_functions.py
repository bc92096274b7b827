"""Functions, layers over time, choices and loops that TensorFlow recorded give its numbers."""

from __future__ import annotations

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
    """The gradients of the sum of squares of all results in float64."""
    floats = [x[k] for k in sorted(x) if k != "n"]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        results = [y for y in tf.nest.flatten(f(tf, x)) if y.dtype == tf.float64]
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


NORMS: dict[str, Callable[..., Any]] = {
    "training": lambda tf, x, a, b: tf.compat.v1.nn.fused_batch_norm(x, a, b, epsilon=0.1)[0],
    "inference": lambda tf, x, a, b: tf.compat.v1.nn.fused_batch_norm(
        x, a, b, mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 0.5, 1.5], is_training=False)[0],
}  # fmt: skip


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_the_gradient_of_a_batch_norm_gives_the_numbers_of_tensorflow(
    tf: Any, norm: Callable[..., Any]
) -> None:
    def step(*inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(norm(tf, *inputs) ** 3)
        return tape.gradient(loss, inputs)

    inputs = normal(2, 3, 3, 4), normal(4), normal(4, seed=1)
    function = tf.function(step).get_concrete_function(*specs(tf, *inputs))
    theirs = step(*map(tf.constant, inputs))
    for a, b in zip(from_tensorflow(function).run(*inputs), theirs, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-4)


def a_list(tf: Any, x: Any, *others: Any) -> Any:
    """The handle of a list of x and the others."""
    return tf.raw_ops.TensorListFromTensor(tensor=tf.stack([x, *others]), element_shape=[3])


def stacked(tf: Any, handle: Any) -> Any:
    return tf.raw_ops.TensorListStack(
        input_handle=handle, element_shape=[3], element_dtype=tf.float32
    )


LISTS: dict[str, Callable[..., Any]] = {
    "an item at a computed place": lambda tf, x: tf.raw_ops.TensorListGetItem(
        input_handle=a_list(tf, x, 2 * x), index=tf.cast(x[0] * 0 + 1, tf.int32),
        element_shape=[3], element_dtype=tf.float32),
    "set at a computed place": lambda tf, x: stacked(tf, tf.raw_ops.TensorListSetItem(
        input_handle=a_list(tf, x, 2 * x), index=tf.cast(x[0] * 0 + 1, tf.int32), item=-x)),
    "set beyond the end": lambda tf, x: stacked(tf, tf.raw_ops.TensorListSetItem(
        input_handle=a_list(tf, x), index=2, item=-x, resize_if_index_out_of_bounds=True)),
    "longer": lambda tf, x: stacked(
        tf, tf.raw_ops.TensorListResize(input_handle=a_list(tf, x), size=3)),
    "shorter": lambda tf, x: stacked(
        tf, tf.raw_ops.TensorListResize(input_handle=a_list(tf, x, x, 2 * x), size=1)),
    "popped": lambda tf, x: tf.raw_ops.TensorListPopBack(
        input_handle=a_list(tf, x, 2 * x), element_shape=[3], element_dtype=tf.float32)[1],
    "popped before it is set": lambda tf, x: x + tf.raw_ops.TensorListPopBack(
        input_handle=tf.raw_ops.TensorListReserve(
            element_shape=[3], num_elements=2, element_dtype=tf.float32),
        element_shape=[3], element_dtype=tf.float32)[1],
    "scattered": lambda tf, x: stacked(tf, tf.raw_ops.TensorListScatterV2(
        tensor=tf.stack([x, 2 * x]), indices=[2, 0], element_shape=[3], num_elements=-1)),
    "scattered into more": lambda tf, x: stacked(tf, tf.raw_ops.TensorListScatterV2(
        tensor=tf.stack([x, 2 * x]), indices=[2, 0], element_shape=[3], num_elements=4)),
    "its length": lambda tf, x: x[0] + tf.cast(
        tf.raw_ops.TensorListLength(input_handle=a_list(tf, x, x)), tf.float32),
    "its element shape": lambda tf, x: x[0] + tf.cast(tf.raw_ops.TensorListElementShape(
        input_handle=a_list(tf, x), shape_type=tf.int32), tf.float32),
    "the sum of two": lambda tf, x: stacked(
        tf, tf.add_n([a_list(tf, x, 2 * x), a_list(tf, -x, x)])),
    "zeros like it": lambda tf, x: x + stacked(tf, tf.zeros_like(a_list(tf, x, x))),
}  # fmt: skip


@pytest.mark.parametrize("f", LISTS.values(), ids=LISTS)
def test_lists_of_tensors_give_the_numbers_of_tensorflow(tf: Any, f: Callable[..., Any]) -> None:
    assert_runs_the_same(tf, lambda x: f(tf, x), np.array([0.5, -2.0, 3.0], np.float32))


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
    "map_fn": lambda tf, x: tf.map_fn(lambda a: a * a + 1.0, x),
    "scan": lambda tf, x: tf.scan(lambda a, b: a * b, x),
    "foldl": lambda tf, x: tf.foldl(lambda a, b: a * 2.0 + b, x),
}  # fmt: skip


@pytest.mark.parametrize("f", CONTROL.values(), ids=CONTROL)
def test_choices_and_loops_give_the_numbers_of_tensorflow(tf: Any, f: Callable[..., Any]) -> None:
    assert_runs_the_same(tf, lambda x: f(tf, x), np.array([0.5, -2.0, 3.0], np.float32))


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
    "a shape that is computed": (
        lambda tf, x: tf.zeros([tf.cast(x[0, 0, 0, 0], tf.int32)]), "known when the graph is read"),
    "bfloat16": (
        lambda tf, x: tf.cast(tf.cast(x, tf.bfloat16) * 2, tf.float32), "bfloat16"),
    "complex64": (lambda tf, x: tf.abs(tf.complex(x, x)), "complex64"),
    "within a loop": (
        lambda tf, x: tf.while_loop(
            lambda y: tf.reduce_sum(y) < 9, lambda y: (tf.math.bessel_i0(y),), (x,))[0],
        "BesselI0"),
    "random numbers": (lambda tf, x: x + tf.random.normal([4]), "RandomStandardNormal"),
}  # fmt: skip


@pytest.mark.parametrize(("f", "text"), GUARDS.values(), ids=GUARDS)
def test_a_use_that_dlcourse_does_not_have_is_refused_with_its_line(
    tf: Any, f: Callable[..., Any], text: str
) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        from_tensorflow(tf.function(lambda x: f(tf, x)), tf.TensorSpec((4, 4, 4, 4)))
    assert text in str(caught.value)
    assert ".py, line" in str(caught.value)


def test_a_resource_that_is_no_variable_is_an_error(tf: Any) -> None:
    keys = tf.constant([1, 2], tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys * 10), -1)
    function = tf.function(lambda x: table.lookup(x))
    with pytest.raises(ValueError, match="expected variables only, got another resource"):
        from_tensorflow(function, tf.TensorSpec((2,), tf.int64))


def test_a_drawing_shows_short_constants_whole_and_long_ones_by_their_type(tf: Any) -> None:
    def f(x: Any) -> Any:
        values = tf.TensorArray(tf.float32, 2, element_shape=()).unstack(x[:2])
        return x * [1.0, 2.0, 3.0, 4.0, 5.0] + [0.25] + values.read(1)

    drawing = from_tensorflow(tf.function(f), tf.TensorSpec((5,))).draw()
    constants = [node.lines[0] for node in drawing.nodes if node.kind == "constant"]
    assert "float32 5" in constants
    assert "[0.25]" in constants
    names = {node.lines[0]: node.lines for node in drawing.nodes if node.kind == "operation"}
    assert names["TensorListFromTensor"][-1:] != ("",)
    assert "axis" not in str(names)
