"""Graphs that TensorFlow recorded compute the same numbers in dlcourse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlcourse.frameworks import ImportedGraph, UnknownOperationError, from_tensorflow

TOLERANCE = {"float32": {"rtol": 1e-5, "atol": 1e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}
both_dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE))


@pytest.fixture(scope="module")
def tf() -> Any:
    """TensorFlow, which takes seconds to import, for the tests that ask for it."""
    return pytest.importorskip("tensorflow")


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def specs(tf: Any, *inputs: np.ndarray) -> list[Any]:
    return [tf.TensorSpec(x.shape, x.dtype) for x in inputs]


def assert_same(ours: list[np.ndarray], theirs: list[Any], dtype: str = "float32") -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        expected = np.asarray(b)
        assert (np.shape(a), a.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(a, expected, **TOLERANCE[dtype])


def assert_runs_the_same(
    tf: Any, f: Any, *inputs: np.ndarray, dtype: str = "float32"
) -> ImportedGraph:
    """Outputs, and the values that variables have afterwards, are those of TensorFlow."""
    function = tf.function(f).get_concrete_function(*specs(tf, *inputs))
    imported = from_tensorflow(function)
    ours = imported.run(*inputs)
    theirs = tf.nest.flatten(function(*map(tf.constant, inputs)))
    variables = {v.name.removesuffix(":0"): v for v in function.variables}
    assert_same(ours, [*theirs, *(variables[name] for name in imported.updates)], dtype)
    return imported


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


# Each line is one function of random arrays a (3, 4), b (3, 4) and of integers n (3,) from 0 to 3.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda tf, a, b, n: (a + b * 2 - 3 / tf.abs(a), 1 - a, tf.add_n([a, b, a]), -a),
    "powers": lambda tf, a, b, n: (
        a**2, tf.abs(a) ** b, tf.square(a), tf.sqrt(a * a), tf.math.rsqrt(a * a),
        tf.math.squared_difference(a, b), tf.math.reciprocal(a),
    ),
    "functions": lambda tf, a, b, n: (
        tf.exp(a), tf.math.log(tf.abs(a)), tf.sin(a), tf.cos(a), tf.tanh(a), tf.sigmoid(a),
        tf.nn.relu(a), tf.sign(a), tf.abs(a), tf.math.log1p(tf.abs(a)), tf.math.expm1(a),
        tf.math.erf(a),
        tf.floor(a), tf.round(a * 3), tf.tan(a),
    ),
    "activations": lambda tf, a, b, n: (
        *(getattr(tf.nn, name)(a * 3) for name in ACTIVATIONS), tf.nn.gelu(a, approximate=True),
    ),
    "clip": lambda tf, a, b, n: tf.clip_by_value(a, -0.5, 0.5),
    "comparisons": lambda tf, a, b, n: (
        a < b, a >= 0, (a == b) | (a > 0), (a != b) & (b > 0), ~(a > b), a <= b,
    ),
    "choices": lambda tf, a, b, n: (
        tf.where(a > b, a, b), tf.maximum(a, b), tf.minimum(a, b),
        tf.math.divide_no_nan(a, tf.nn.relu(b)),
    ),
    "reductions": lambda tf, a, b, n: (
        tf.reduce_sum(a), tf.reduce_sum(a, 0), tf.reduce_mean(a, [0, -1]), tf.reduce_max(a, 1),
        tf.reduce_mean(a, 1, keepdims=True), tf.reduce_min(a), tf.reduce_any(a > 0, 1),
        tf.reduce_all(a > -1), tf.nn.l2_loss(a), tf.math.reduce_logsumexp(a, 1),
        tf.math.reduce_variance(a, 0), tf.reduce_prod(a, 1), tf.cumsum(a, 1),
        tf.cumsum(a, 0, exclusive=True, reverse=True), tf.argmax(a, 1), tf.norm(a),
        tf.math.reduce_std(a, 1),
    ),
    "softmax": lambda tf, a, b, n: (tf.nn.softmax(a), tf.nn.log_softmax(a), tf.nn.softmax(a, 0)),
    "products": lambda tf, a, b, n: (
        tf.matmul(a, b, transpose_b=True), tf.matmul(a, b, transpose_a=True),
        tf.matmul(tf.stack([a, b]), tf.stack([b, a]), transpose_b=True), tf.linalg.matvec(a, b[0]),
    ),
    "shapes": lambda tf, a, b, n: (
        tf.reshape(a, (2, -1)), tf.transpose(a), tf.expand_dims(a, -1), tf.squeeze(a[:, :1], 1),
        tf.squeeze(a[tf.newaxis]), tf.broadcast_to(a[0], (5, 4)), tf.transpose(a[None], (2, 0, 1)),
    ),
    "shapes as values": lambda tf, a, b, n: (
        tf.reshape(a, (tf.shape(a)[1], -1)), tf.fill(tf.shape(a), 2.0) * a,
        a / tf.cast(tf.size(a), a.dtype), tf.reshape(a, [tf.reduce_sum(tf.shape(a)) - 3, 3]),
        tf.ones_like(a) + tf.zeros_like(b), tf.range(tf.shape(a)[1]),
    ),
    "parts": lambda tf, a, b, n: (
        a[1], a[:, 2], a[1:, ::2], a[-2:], a[..., 0], a[:, tf.newaxis], a[::-1],
        tf.slice(a, [1, 0], [2, -1]),
        tf.split(a, 2, 1), tf.split(a, [1, 2], 0), tf.unstack(a, axis=1),
    ),
    "joins": lambda tf, a, b, n: (tf.concat([a, b], 1), tf.stack([a, b], -1), tf.stack([a], 0)),
    "indices": lambda tf, a, b, n: (
        tf.gather(a, n, axis=1), tf.gather(tf.transpose(a), n), tf.one_hot(n, 4),
        tf.one_hot(n, 4, axis=0),
        tf.math.unsorted_segment_sum(a, n, 5),
    ),
    "padding": lambda tf, a, b, n: (
        tf.pad(a, [[1, 0], [0, 2]]), tf.pad(a, [[0, 1], [1, 1]], constant_values=2.0),
        tf.tile(a, [2, 3]),
        tf.reverse(a, [0]),
    ),
    "einsum": lambda tf, a, b, n: tf.einsum("ij,kj->ik", a, b),
    "integers": lambda tf, a, b, n: (n + 1, n / 2, tf.cast(n, a.dtype) * a[:, 0], tf.reduce_sum(n)),
    "nested structures": lambda tf, a, b, n: {"z": a + b, "a": [a * b, (n, a)]},
}  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_give_the_numbers_of_tensorflow(tf: Any, function: Callable[..., Any]) -> None:
    inputs = (normal(3, 4), normal(3, 4, seed=1), np.array([3, 0, 1]))
    assert_runs_the_same(tf, lambda a, b, n: function(tf, a, b, n), *inputs)


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
    with pytest.raises(TypeError, match="known when the graph is read") as caught:
        from_tensorflow(
            tf.function(lambda x, n: tf.reshape(x, [n, -1])),
            tf.TensorSpec((6,)), tf.TensorSpec((), tf.int32),
        )  # fmt: skip
    assert "in TensorFlow's operation" in caught.value.__notes__[0]


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
