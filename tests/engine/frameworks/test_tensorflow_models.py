"""Graphs that TensorFlow recorded compute the same numbers in dlcourse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcourse.frameworks import UnknownOperationError, from_tensorflow
from frameworks.tensorflow_tools import (
    assert_runs_the_same,
    assert_same,
    both_dtypes,
    normal,
    specs,
)
from frameworks.tensorflow_tools import tf as tf


def keras_model(tf: Any, dtype: str, *layers: Any) -> Any:
    """A Keras model whose weights, moving averages included, are all different from the default."""
    model = tf.keras.Sequential(list(layers))
    for i, variable in enumerate(model.variables):
        value = np.random.default_rng(i).random(variable.shape) - 0.5 * (
            "variance" not in variable.path
        )
        variable.assign(value.astype(dtype))
    return model


def mlp(tf: Any, dtype: str = "float32") -> Any:
    dense = tf.keras.layers.Dense
    return keras_model(
        tf,
        dtype,
        tf.keras.Input((3,), dtype=dtype),
        dense(5, "relu", dtype=dtype),
        dense(4, dtype=dtype),
    )


def small_cnn(tf: Any, dtype: str = "float32") -> Any:
    layers = tf.keras.layers
    return keras_model(
        tf, dtype, tf.keras.Input((10, 11, 2), dtype=dtype),
        layers.Conv2D(4, 3, padding="same", dtype=dtype), layers.BatchNormalization(dtype=dtype),
        layers.ReLU(dtype=dtype), layers.MaxPooling2D(3, 2, padding="same", dtype=dtype),
        layers.Conv2D(6, (2, 3), strides=2, padding="same", groups=2, dtype=dtype),
        layers.AveragePooling2D(2, 1, padding="same", dtype=dtype),
        layers.DepthwiseConv2D(2, depth_multiplier=2, activation="tanh", dtype=dtype),
        layers.ZeroPadding2D(1, dtype=dtype), layers.Conv2D(3, 2, dilation_rate=2, dtype=dtype),
        layers.Flatten(dtype=dtype), layers.Dropout(0.5, dtype=dtype), layers.Dense(4, dtype=dtype),
    )  # fmt: skip


ACTIVATIONS = ("elu", "gelu", "leaky_relu", "relu6", "selu", "silu", "softplus")

MODELS: dict[str, Callable[[Any, str], Any]] = {
    "MLP": mlp,
    "tanh, sigmoid": lambda tf, dtype: keras_model(
        tf, dtype, tf.keras.Input((3,), dtype=dtype),
        tf.keras.layers.Dense(5, "tanh", dtype=dtype), tf.keras.layers.Dense(2, "sigmoid",
        dtype=dtype),
    ),
    "softmax classifier": lambda tf, dtype: keras_model(
        tf, dtype, tf.keras.Input((3,), dtype=dtype), tf.keras.layers.Dense(4, "softmax",
        dtype=dtype),
    ),
    "batch norm": lambda tf, dtype: keras_model(
        tf, dtype, tf.keras.Input((3,), dtype=dtype), tf.keras.layers.Dense(4, dtype=dtype),
        tf.keras.layers.BatchNormalization(dtype=dtype), tf.keras.layers.ReLU(dtype=dtype),
    ),
    "layer norm": lambda tf, dtype: keras_model(
        tf, dtype, tf.keras.Input((3,), dtype=dtype),
        tf.keras.layers.LayerNormalization(dtype=dtype), tf.keras.layers.Dropout(0.5, dtype=dtype),
    ),
}  # fmt: skip


@both_dtypes
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_models_give_the_numbers_of_tensorflow(
    tf: Any, build: Callable[[Any, str], Any], dtype: str
) -> None:
    assert_runs_the_same(tf, build(tf, dtype), normal(6, 3, dtype=dtype), dtype=dtype)


@both_dtypes
def test_a_cnn_gives_the_numbers_of_tensorflow(tf: Any, dtype: str) -> None:
    assert_runs_the_same(tf, small_cnn(tf, dtype), normal(3, 10, 11, 2, dtype=dtype), dtype=dtype)


# Gradients with respect to a; what is not a scalar is summed, with weights, by the tape.
DIFFERENTIATED: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda tf, a, b: a * b - b / a,
    "broadcast": lambda tf, a, b: a[:, :1] * b + a[0],
    "functions": lambda tf, a, b: tf.tanh(a) + tf.sigmoid(a) * tf.nn.relu(a) + tf.exp(a),
    "roots": lambda tf, a, b: tf.sqrt(a * a + 1) + tf.math.rsqrt(a * a + 1) + 1 / a,
    "powers": lambda tf, a, b: a**3 + tf.square(a) + tf.math.squared_difference(a, b),
    "choices": lambda tf, a, b: tf.where(a > b, a * 2, b) + tf.maximum(a, b) + tf.nn.relu6(a * 9),
    "reductions": lambda tf, a, b: (
        tf.reduce_mean(a, 1) + tf.reduce_sum(a * b) + tf.reduce_max(a, 1)
    ),
    "products": lambda tf, a, b: tf.matmul(a, b, transpose_b=True) @ a,
    "softmax": lambda tf, a, b: tf.nn.softmax(a) * b + tf.nn.log_softmax(a),
    "parts": lambda tf, a, b: a[1:, ::2] * 3 + a[0, 1] + tf.reshape(a, (2, 6))[:, :2],
    "joins": lambda tf, a, b: tf.concat([a, b, a * a], 1),
    "stack": lambda tf, a, b: tf.stack([a, b * a], 1),
    "transposed": lambda tf, a, b: tf.transpose(a) * tf.transpose(b)[:, :1],
    "activations": lambda tf, a, b: sum(getattr(tf.nn, name)(a * 3) for name in ACTIVATIONS),
    "rows": lambda tf, a, b: tf.gather(a, [2, 0, 2]) * b,
    "columns": lambda tf, a, b: tf.gather(a, [3, 3], axis=1) ** 2,
    "padding": lambda tf, a, b: tf.pad(a, [[1, 0], [0, 2]]) ** 2,
    "second derivative": lambda tf, a, b: gradient(tf, tf.tanh, a) * b,
}


def gradient(tf: Any, f: Callable[..., Any], a: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(a)
        y = f(a)
    return tf.convert_to_tensor(tape.gradient(y, a))


@both_dtypes
@pytest.mark.parametrize("function", DIFFERENTIATED.values(), ids=DIFFERENTIATED)
def test_gradient_graphs_give_the_numbers_of_tensorflow(
    tf: Any, function: Callable[..., Any], dtype: str
) -> None:
    inputs = (normal(3, 4, dtype=dtype), normal(3, 4, dtype=dtype, seed=1))
    assert_runs_the_same(
        tf, lambda a, b: gradient(tf, lambda a: function(tf, a, b), a), *inputs, dtype=dtype
    )


def sparse_loss(tf: Any, labels: Any, logits: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


LOSSES: dict[str, Callable[..., Any]] = {
    "sparse": sparse_loss,
    "one-hot": lambda tf, n, z: tf.reduce_sum(
        tf.nn.softmax_cross_entropy_with_logits(tf.cast(n[:, None] == tf.range(4, dtype=n.dtype),
        z.dtype), z)
    ),
    "keras, logits": lambda tf, n, z: tf.reduce_mean(
        tf.keras.losses.sparse_categorical_crossentropy(n, z, from_logits=True)
    ),
    "keras, probabilities": lambda tf, n, z: tf.reduce_mean(
        tf.keras.losses.sparse_categorical_crossentropy(n, tf.nn.softmax(z))
    ),
    "mse": lambda tf, n, z: tf.reduce_mean(tf.keras.losses.mse(tf.tanh(z), z)),
}  # fmt: skip


@both_dtypes
@pytest.mark.parametrize("labels_dtype", ["int32", "int64"])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_training_step_gives_the_variables_of_tensorflow(
    tf: Any, loss: Callable[..., Any], labels_dtype: str, dtype: str
) -> None:
    model = mlp(tf, dtype)

    def step(x: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(tf, labels, model(x))
        variables = model.trainable_variables
        for variable, g in zip(variables, tape.gradient(value, variables), strict=True):
            variable.assign_sub(0.1 * g)
        return value

    labels = np.array([0, 1, 2, 3, 3, 1], labels_dtype)
    imported = assert_runs_the_same(tf, step, normal(6, 3, dtype=dtype), labels, dtype=dtype)
    assert len(imported.updates) == 4


@both_dtypes
def test_a_training_step_of_a_cnn_gives_the_variables_of_tensorflow(tf: Any, dtype: str) -> None:
    model = small_cnn(tf, dtype)

    def step(x: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = sparse_loss(tf, labels, model(x, training=False))
        variables = model.trainable_variables
        for variable, g in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.1 * g)
        return loss

    labels = np.array([0, 3, 1])
    x = normal(3, 10, 11, 2, dtype=dtype)
    imported = assert_runs_the_same(tf, step, x, labels, dtype=dtype)
    assert len(imported.updates) == len(model.trainable_variables)


def test_a_training_step_of_embeddings_gives_the_variables_of_tensorflow(tf: Any) -> None:
    model = keras_model(
        tf, "float32", tf.keras.Input((2,), dtype="int32"), tf.keras.layers.Embedding(7, 3),
        tf.keras.layers.Flatten(), tf.keras.layers.Dense(4),
    )  # fmt: skip
    optimizer = tf.keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)

    def step(words: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = sparse_loss(tf, labels, model(words))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    words = np.array([[0, 3], [2, 6], [3, 3]], np.int32)
    assert_runs_the_same(tf, step, words, np.array([0, 1, 3]))


@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Adam"])
def test_steps_of_a_keras_optimizer_through_a_nested_function_follow_tensorflow(
    tf: Any, optimizer: str
) -> None:
    model = keras_model(
        tf, "float32", tf.keras.Input((3,)), tf.keras.layers.Dense(5, "relu"),
        tf.keras.layers.BatchNormalization(), tf.keras.layers.Dense(4),
    )  # fmt: skip
    optimizers = {
        "SGD": lambda: tf.keras.optimizers.SGD(0.1),
        "Momentum": lambda: tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        "Adam": lambda: tf.keras.optimizers.Adam(0.01),
    }
    chosen = optimizers[optimizer]()
    chosen.build(model.trainable_variables)

    @tf.function
    def forward(x: Any) -> Any:
        return model(x, training=True)

    @tf.function
    def step(x: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = sparse_loss(tf, labels, forward(x))
        chosen.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    x, labels = normal(6, 3), np.array([0, 1, 2, 3, 3, 1])
    imported = from_tensorflow(step, *specs(tf, x, labels))
    for _ in range(10):
        loss, *updates = imported.run(x, labels)
        imported.inputs.update(zip(imported.updates, updates, strict=True))
        np.testing.assert_allclose(loss, step(tf.constant(x), tf.constant(labels)), rtol=1e-4)


def test_assignments_take_effect_in_program_order(tf: Any) -> None:
    v = tf.Variable([1.0, 2.0], name="v")

    def f(x: Any) -> Any:
        before = v * x
        v.assign(before)
        between = v + x
        v.assign_add(x)
        v.assign_sub([1.0, 1.0])
        return before, between, v + 0.0

    imported = assert_runs_the_same(tf, f, np.array([3.0, 5.0], np.float32))
    assert imported.updates == ("v",)


# --- Names, variables, errors -----------------------------------------------------------------


def small(tf: Any) -> tuple[Any, Any, Any]:
    w, b = tf.Variable(normal(3, 2), name="w"), tf.Variable([1.0, -1.0], name="b")
    return w, b, tf.function(lambda x: tf.nn.relu(x @ w + b))


def test_variables_are_inputs_under_their_names_and_copies(tf: Any) -> None:
    w, _, f = small(tf)
    x = normal(4, 3)
    imported = from_tensorflow(f, *specs(tf, x))
    assert list(imported.inputs) == ["x", "w", "b"]
    assert [s.name for s in imported.graph.inputs] == ["x", "w", "b"]
    before = f(x)
    w.assign(w * 0)
    assert_same(imported.run(x), [before])


def test_variables_of_one_name_are_told_apart(tf: Any) -> None:
    v, w = tf.Variable(2.0, name="v"), tf.Variable(3.0, name="v")
    imported = assert_runs_the_same(tf, lambda x: v * x - w, np.float32(5))
    assert sorted(imported.inputs) == ["v", "v_1", "x"]


def test_frozen_variables_are_constants(tf: Any) -> None:
    _, _, f = small(tf)
    x = normal(4, 3)
    imported = from_tensorflow(f, *specs(tf, x), freeze=True)
    assert [s.name for s in imported.graph.inputs] == ["x"]
    assert_same(imported.run(x), [f(x)])


def test_captured_tensors_are_constants(tf: Any) -> None:
    scale = tf.constant([1.0, 2.0, 3.0])
    imported = assert_runs_the_same(tf, lambda x: x * scale, normal(2, 3))
    assert list(imported.inputs) == ["x"]


def test_a_wrong_number_of_arrays_is_an_error_that_names_them(tf: Any) -> None:
    _, _, f = small(tf)
    with pytest.raises(TypeError, match=r"expected 1 arrays \(x\), got 0"):
        from_tensorflow(f, tf.TensorSpec((4, 3))).run()


def test_unknown_operations_are_named_all_at_once_with_their_lines(tf: Any) -> None:
    @tf.function
    def f(x: Any) -> Any:
        y = tf.math.lgamma(x)
        return y + tf.math.bessel_i0(x)

    with pytest.raises(UnknownOperationError) as caught:
        from_tensorflow(f, tf.TensorSpec((3,)))
    text = str(caught.value)
    assert "Lgamma (Lgamma; " in text
    assert "BesselI0" in text
    assert f"{__file__}, line" in text
    assert "y = tf.math.lgamma(x)" in text
    assert "AddV2" in text.split("It has counterparts of: ")[1]


def test_a_graph_that_cannot_be_traced_says_in_which_operation(tf: Any) -> None:
    with pytest.raises(UnknownOperationError, match="known when the graph is read") as caught:
        from_tensorflow(
            tf.function(lambda x, n: tf.reshape(x, [n, -1])),
            tf.TensorSpec((6,)), tf.TensorSpec((), tf.int32),
        )  # fmt: skip
    assert "Reshape (" in str(caught.value)


def test_a_resource_that_is_no_variable_is_an_error(tf: Any) -> None:
    pairs = tf.lookup.KeyValueTensorInitializer([1, 2], [3.0, 4.0])
    lookup = tf.lookup.StaticHashTable(pairs, 0.0)
    with pytest.raises(ValueError, match="expected variables only, got another resource"):
        from_tensorflow(tf.function(lookup.lookup), tf.TensorSpec((2,), tf.int32))


def test_a_loaded_function_gives_its_numbers_and_names_operations_without_a_line(
    tf: Any, tmp_path: Path
) -> None:
    module = tf.Module()
    module.w = tf.Variable([2.0, 3.0], name="w")
    module.f = tf.function(lambda x: tf.nn.relu(x * module.w))
    tf.saved_model.save(module, tmp_path, module.f.get_concrete_function(tf.TensorSpec((2,))))
    loaded = tf.saved_model.load(tmp_path)
    x = np.array([-1.0, 1.0], np.float32)
    imported = from_tensorflow(loaded.f, *specs(tf, x))
    assert_same(imported.run(x), [module.f(x)])
    relu = next(call for call in imported.program.calls if call.operation == "Relu")
    assert relu.where.endswith("/Relu")


def test_an_unknown_length_is_an_error(tf: Any) -> None:
    _, _, f = small(tf)
    with pytest.raises(ValueError, match="expected a fixed shape"):
        from_tensorflow(f, tf.TensorSpec((None, 3)))


@pytest.mark.parametrize("other", [len, 3, None], ids=repr)
def test_something_that_is_no_function_of_tensorflow_is_an_error(other: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a tf\.function or one of its ConcreteFunctions"):
        from_tensorflow(other)


def test_the_drawing_shows_the_operations_of_tensorflow(tf: Any) -> None:
    _, _, f = small(tf)
    drawing = from_tensorflow(f, tf.TensorSpec((4, 3))).draw()
    assert [(node.kind, node.lines) for node in drawing.nodes] == [
        ("input", ("x", "float32 4×3")),
        ("input", ("w", "float32 3×2")),
        ("input", ("b", "float32 2")),
        ("operation", ("ReadVariableOp", "float32 3×2")),
        ("operation", ("MatMul", "float32 4×2")),
        ("operation", ("ReadVariableOp", "float32 2")),
        ("operation", ("AddV2", "float32 4×2")),
        ("operation", ("Relu", "float32 4×2")),
        ("operation", ("Identity", "float32 4×2")),
    ]
    assert {(e.source, e.target) for e in drawing.edges} == {
        (1, 3), (0, 4), (3, 4), (2, 5), (4, 6), (5, 6), (6, 7), (7, 8),
    }  # fmt: skip
    assert "MatMul" in drawing.svg()


def test_the_drawing_shows_short_constants_and_the_shapes_of_long_ones(tf: Any) -> None:
    def f(x: Any) -> Any:
        y = x * [1.0, 2.0, 3.0, 4.0, 5.0] + 0.5
        return tf.TensorArray(tf.float32, 5).unstack(y).stack()

    drawing = from_tensorflow(tf.function(f), tf.TensorSpec((5,))).draw()
    assert [(node.kind, node.lines) for node in drawing.nodes] == [
        ("input", ("x", "float32 5")),
        ("constant", ("float32 5",)),
        ("constant", ("0.5",)),
        ("constant", ("[]",)),
        ("constant", ("[]",)),
        ("operation", ("Mul", "float32 5")),
        ("operation", ("AddV2", "float32 5")),
        ("operation", ("TensorListFromTensor",)),  # a list has no dtype or shape
        ("operation", ("TensorListStack", "float32 5")),
        ("operation", ("Identity", "float32 5")),
    ]
    assert {(e.source, e.target) for e in drawing.edges} == {
        (0, 5), (1, 5), (2, 6), (5, 6), (3, 7), (6, 7), (4, 8), (7, 8), (8, 9),
    }  # fmt: skip
