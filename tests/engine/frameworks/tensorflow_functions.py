"""Functions of TensorFlow of one line each, which dlcourse reads with equal numbers.

``a`` and ``b`` are random (3, 4), ``p`` is positive (3, 4), ``s`` a random batch of signals
(2, 6, 4), ``i`` of images (2, 6, 6, 4), ``n`` are integers (3,) from 0 to 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def examples(dtype: str = "float32") -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(dtype)

    return {
        "a": normal(3, 4),
        "b": normal(3, 4),
        "p": np.abs(normal(3, 4)) + np.asarray(0.1, dtype),
        "s": normal(2, 6, 4),
        "i": normal(2, 6, 6, 4),
        "n": np.array([3, 0, 1], np.int32),
    }


MATHS = (
    "abs", "asinh", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor",
    "is_finite", "is_inf", "is_nan", "negative", "reciprocal", "reciprocal_no_nan", "rint", "round",
    "sigmoid", "sign", "sin", "sinh", "softplus", "softsign", "square", "tan", "tanh",
    "log_sigmoid", "cumsum", "cumprod", "cumulative_logsumexp", "l2_normalize", "reduce_logsumexp",
    "reduce_euclidean_norm", "reduce_variance", "reduce_std", "zero_fraction",
)  # fmt: skip
PAIRS = (
    "add", "subtract", "multiply", "divide", "divide_no_nan", "multiply_no_nan", "maximum",
    "minimum", "floordiv", "floormod", "mod", "truediv", "atan2", "squared_difference", "xdivy",
    "xlogy", "xlog1py", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
)  # fmt: skip
ACTIVATIONS = (
    "crelu", "elu", "gelu", "leaky_relu", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "tanh", "l2_loss",
)  # fmt: skip

ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{f"math.{name}": lambda tf, x, name=name: getattr(tf.math, name)(x["a"]) for name in MATHS},
    **{
        f"math.{name}": lambda tf, x, name=name: getattr(tf.math, name)(x["p"], x["b"] ** 2)
        for name in PAIRS
    },
    **{
        f"nn.{name}": lambda tf, x, name=name: getattr(tf.nn, name)(3 * x["a"])
        for name in ACTIVATIONS
    },
    "log": lambda tf, x: (tf.math.log(x["p"]), tf.math.log1p(x["p"]), tf.math.rsqrt(x["p"])),
    "roots": lambda tf, x: (tf.sqrt(x["p"]), x["p"] ** x["a"], x["p"] ** 2.0),
    "inverse sine": lambda tf, x: (tf.asin(tf.sin(x["a"])), tf.acos(tf.sin(x["a"]))),
    "inverse hyperbolic": lambda tf, x: (tf.atanh(0.9 * tf.sin(x["a"])), tf.acosh(1 + x["p"])),
    "gelu, approximate": lambda tf, x: tf.nn.gelu(x["a"], approximate=True),
    "leaky_relu, alpha": lambda tf, x: tf.nn.leaky_relu(x["a"], alpha=0.4),
    "integers": lambda tf, x: (x["n"] + 1, x["n"] // 2, x["n"] % 2, x["n"] / 2, -x["n"]),
    "truncated": lambda tf, x: (tf.truncatediv(x["n"], 2), tf.truncatemod(x["n"] - 2, 2)),
    "clip": lambda tf, x: (tf.clip_by_value(x["a"], -0.5, 0.5), tf.clip_by_norm(x["a"], 0.5)),
    "global norm": lambda tf, x: tf.clip_by_global_norm([x["a"], x["b"]], 0.5)[0],
    "add_n": lambda tf, x: tf.add_n([x["a"], x["b"], x["p"]]),
    "logic": lambda tf, x: (
        (x["a"] > 0) & (x["b"] > 0), (x["a"] > 0) | (x["b"] > 0), ~(x["a"] > 0),
        tf.math.logical_xor(x["a"] > 0, x["b"] > 0),
    ),
    "where": lambda tf, x: (tf.where(x["a"] > 0, x["a"], x["b"]), tf.where(x["n"] > 0, 1.0, 2.0)),
    "approximate_equal": lambda tf, x: tf.raw_ops.ApproximateEqual(
        x=x["a"], y=x["b"], tolerance=0.5),
    "zeros_like": lambda tf, x: tf.raw_ops.ZerosLike(x=x["a"]) + x["b"],
    "cumsum, exclusive": lambda tf, x: tf.cumsum(x["a"], 1, exclusive=True, reverse=True),
    "cumprod, exclusive": lambda tf, x: tf.math.cumprod(x["a"], 1, exclusive=True, reverse=True),
    "casts": lambda tf, x: (tf.cast(x["a"], tf.int32), tf.cast(x["n"], tf.float64), x["a"] > 0),
    "stop_gradient": lambda tf, x: tf.stop_gradient(x["a"]),
    "polyval": lambda tf, x: tf.math.polyval([1.0, 2.0, 3.0], x["a"]),
}  # fmt: skip

REDUCTIONS: dict[str, Callable[..., Any]] = {
    **{
        f"reduce_{name}{how and ', '}{', '.join(how)}": lambda tf, x, name=name, how=how: getattr(
            tf, f"reduce_{name}"
        )(x["a"], **how)
        for name in ("sum", "mean", "max", "min", "prod")
        for how in ({}, {"axis": 0}, {"axis": [0, -1], "keepdims": True})
    },
    "any, all": lambda tf, x: (tf.reduce_any(x["a"] > 1, 1), tf.reduce_all(x["a"] > -1, 0)),
    "arguments": lambda tf, x: (tf.argmax(x["a"], 1), tf.argmin(x["a"], 0, tf.int32)),
    "count_nonzero": lambda tf, x: tf.math.count_nonzero(x["n"]),
    "norms": lambda tf, x: (tf.norm(x["a"]), tf.norm(x["a"], 1, axis=1), tf.norm(x["a"], np.inf)),
    "moments": lambda tf, x: tf.nn.moments(x["i"], [0, 1, 2]),
    "softmax, axis": lambda tf, x: (tf.nn.softmax(x["s"], 1), tf.nn.log_softmax(x["s"], 1)),
    "top_k": lambda tf, x: tf.math.top_k(x["a"], 2),
    "in_top_k by hand": lambda tf, x: tf.reduce_any(
        tf.math.top_k(x["a"], 2).indices == x["n"][:, None], 1
    ),
    "sort": lambda tf, x: (tf.sort(x["a"]), tf.argsort(x["a"], direction="DESCENDING")),
    "segments": lambda tf, x: tf.math.unsorted_segment_sum(x["a"], x["n"], 5),
    "segment means": lambda tf, x: tf.math.unsorted_segment_mean(x["a"], x["n"], 5),
    "one_hot": lambda tf, x: (tf.one_hot(x["n"], 4), tf.one_hot(x["n"], 4, 2.0, -1.0, axis=0)),
    "confusion matrix": lambda tf, x: tf.scatter_nd(x["n"][:, None], x["a"], [4, 4]),
}

PRODUCTS: dict[str, Callable[..., Any]] = {
    "matmul": lambda tf, x: (
        tf.matmul(x["a"], x["b"], transpose_b=True), tf.matmul(x["a"], x["b"], transpose_a=True),
        tf.matmul(x["s"], x["s"], transpose_a=True), x["a"] @ tf.transpose(x["b"]),
    ),
    "matvec": lambda tf, x: tf.linalg.matvec(x["a"], x["b"][0]),
    "tensordot": lambda tf, x: tf.tensordot(x["s"], x["a"], [[2], [1]]),
    "einsum": lambda tf, x: (
        tf.einsum("bij,bkj->bik", x["s"], x["s"]), tf.einsum("...j,kj->...k", x["s"], x["a"]),
    ),
    "band_part": lambda tf, x: (
        tf.linalg.band_part(x["a"], 1, 0), tf.linalg.band_part(x["s"], -1, 1),
        tf.linalg.band_part(x["a"], 0, -1),
    ),
    "diagonals": lambda tf, x: (
        tf.linalg.diag_part(x["a"]), tf.linalg.diag_part(x["a"], k=1), tf.linalg.diag(x["a"]),
        tf.linalg.diag(x["a"], k=-1), tf.linalg.set_diag(x["a"], x["b"][:, 0]),
        tf.linalg.trace(x["a"]), tf.linalg.tensor_diag_part(x["a"][:, :3]),
    ),
    "eye": lambda tf, x: tf.eye(4) * x["a"][0],
    "cross": lambda tf, x: tf.linalg.normalize(x["a"]),
    "bias_add": lambda tf, x: tf.nn.bias_add(x["i"], x["a"][0]),
    "bias_add, channels first": lambda tf, x: tf.nn.bias_add(x["s"], x["s"][0, :, 0],
        data_format="NCHW"),
}  # fmt: skip

SHAPES: dict[str, Callable[..., Any]] = {
    "reshape": lambda tf, x: (tf.reshape(x["a"], [2, -1]), tf.reshape(x["a"], [-1])),
    "transpose": lambda tf, x: (tf.transpose(x["a"]), tf.transpose(x["s"], [2, 0, 1])),
    "expand": lambda tf, x: (x["a"][:, None], tf.expand_dims(x["a"], -1), x["a"][tf.newaxis]),
    "squeeze": lambda tf, x: (tf.squeeze(x["a"][:, :1]), tf.squeeze(x["a"][None, :, :1], [0])),
    "broadcast": lambda tf, x: tf.broadcast_to(x["a"][0], [2, 3, 4]),
    "dynamic broadcast": lambda tf, x: tf.broadcast_dynamic_shape(tf.shape(x["s"]), [6, 1]),
    "tile": lambda tf, x: (tf.tile(x["a"], [2, 3]), tf.repeat(x["a"], 2, axis=1)),
    "pad": lambda tf, x: (tf.pad(x["a"], [[1, 0], [0, 2]]), tf.pad(x["a"], [[1, 1], [0, 0]],
        constant_values=3.0)),
    "pad, reflect": lambda tf, x: tf.pad(x["a"], [[1, 2], [0, 2]], "REFLECT"),
    "pad, symmetric": lambda tf, x: tf.pad(x["a"], [[1, 2], [0, 2]], "SYMMETRIC"),
    "concat": lambda tf, x: (tf.concat([x["a"], x["b"]], 1), tf.stack([x["a"], x["b"]], -1)),
    "split": lambda tf, x: (tf.split(x["a"], 2, 1), tf.split(x["a"], [1, -1]), tf.split(x["a"], 1)),
    "unstack": lambda tf, x: (tf.unstack(x["a"]), tf.unstack(x["a"], axis=1)),
    "slices": lambda tf, x: (x["a"][1], x["a"][:, ::2], x["a"][::-1], x["a"][..., -1], x["s"][1:]),
    "slice": lambda tf, x: tf.slice(x["a"], [1, 0], [2, -1]),
    "reverse": lambda tf, x: (tf.reverse(x["a"], [0]), tf.roll(x["a"], 1, 1), tf.roll(x["a"], [1,
        -1], [0, 1])),
    "space to depth": lambda tf, x: (tf.nn.space_to_depth(x["i"], 2), tf.nn.depth_to_space(x["i"],
        2)),
    "shapes as values": lambda tf, x: (tf.shape(x["a"]), tf.size(x["a"]), tf.rank(x["a"]),
        tf.zeros(tf.shape(x["a"])), tf.ones([2, 2]), tf.fill([2], 3.0), tf.range(3), tf.range(1.0,
        2.0, 0.25), tf.linspace(0.0, 1.0, 5), tf.zeros_like(x["n"]), tf.ones_like(x["a"])),
    "meshgrid": lambda tf, x: tf.meshgrid(x["a"][0], x["b"][0]),
    "sequence_mask": lambda tf, x: tf.sequence_mask(x["n"], 4),
    "boolean of a range": lambda tf, x: tf.where(tf.range(4) < 2, x["a"], 0.0),
    "identity": lambda tf, x: (tf.identity(x["a"]), tf.identity_n([x["a"], x["b"]])),
    "check": lambda tf, x: tf.debugging.check_numerics(x["a"], "a"),
    "ensure": lambda tf, x: tf.ensure_shape(x["a"], [3, 4]),
}  # fmt: skip

INDICES: dict[str, Callable[..., Any]] = {
    "gather": lambda tf, x: (tf.gather(x["a"], [2, 0, 2]), tf.gather(x["a"], x["n"], axis=1)),
    "gather, batch_dims 1": lambda tf, x: tf.gather(x["a"], x["n"], batch_dims=1),
    "gather, batch_dims, axis": lambda tf, x: tf.gather(x["i"], [[0, 5, 1], [2, 2, 4]], axis=2,
        batch_dims=1),
    "gather, batch_dims -1": lambda tf, x: tf.gather(x["a"], x["n"][:, None], batch_dims=-1),
    "gather, matrices of indices": lambda tf, x: tf.gather(x["s"], [[0, 1], [2, 3]], axis=1),
    "gather_nd": lambda tf, x: (
        tf.gather_nd(x["a"], tf.stack([[0, 1, 2], x["n"]], -1)), tf.gather_nd(x["s"], [[1], [0]]),
        tf.gather_nd(x["s"], [[[0, 1]], [[2, 3]]], batch_dims=1),
    ),
    "scatter_nd": lambda tf, x: tf.scatter_nd([[0], [2], [0]], x["a"], [4, 4]),
    "tensor_scatter_nd_add": lambda tf, x: tf.tensor_scatter_nd_add(x["a"], [[0], [2]],
        x["b"][:2]),
    "tensor_scatter_nd_update": lambda tf, x: tf.tensor_scatter_nd_update(x["a"], [[0, 1], [2, 3]],
        x["b"][0, :2]),
    "dynamic_stitch": lambda tf, x: tf.dynamic_stitch(
        [[2, 0, 1], 3, [[0], [4]]], [x["a"], x["b"][0], x["b"][1:, None]]),
    "embedding_lookup": lambda tf, x: tf.nn.embedding_lookup(tf.transpose(x["a"]), x["n"]),
    "dynamic index": lambda tf, x: tf.gather(x["a"], tf.argmax(x["a"][:, 0])),
    "searched": lambda tf, x: tf.reduce_sum(tf.cast(x["a"][..., None] > [0.0, 1.0], tf.int32), -1),
}  # fmt: skip

LAYERS: dict[str, Callable[..., Any]] = {
    "conv1d": lambda tf, x: tf.nn.conv1d(x["s"], tf.reshape(x["s"][:, :3], [3, 4, 2]), 2, "SAME"),
    "conv2d": lambda tf, x: tf.nn.conv2d(x["i"], x["i"][:, :3, :4], (1, 2), "VALID"),
    "conv2d, dilations": lambda tf, x: tf.nn.conv2d(x["i"], x["i"][:, :3, :4, :], 1, "SAME",
        dilations=(2, 1)),
    "conv2d_transpose": lambda tf, x: tf.nn.conv2d_transpose(
        x["i"], tf.reshape(x["i"][:, :3, :5, :], [3, 10, 1, 4])[:, :3], [2, 12, 12, 1], 2),
    "conv3d": lambda tf, x: tf.nn.conv3d(x["i"][..., None], tf.ones([2, 2, 3, 1, 2]),
        [1, 1, 2, 1, 1], "SAME"),
    "depthwise": lambda tf, x: tf.nn.depthwise_conv2d(x["i"], x["i"][:, :3, :4, :2], [1, 1, 1, 1],
        "SAME"),
    "separable": lambda tf, x: tf.nn.separable_conv2d(x["i"], x["i"][:, :3, :4, :2],
        tf.ones([1, 1, 8, 3]), [1, 1, 1, 1], "VALID"),
    "max_pool": lambda tf, x: (tf.nn.max_pool2d(x["i"], (2, 3), (1, 2), "VALID"),
        tf.nn.max_pool1d(x["s"], 2, 2, "SAME"), tf.nn.max_pool3d(x["i"][..., None], 2, 2, "SAME")),
    "avg_pool": lambda tf, x: (tf.nn.avg_pool2d(x["i"], 3, 2, "SAME"),
        tf.nn.avg_pool1d(x["s"], 2, 2, "VALID"), tf.nn.avg_pool3d(x["i"][..., None], 2, 2,
        "VALID")),
    "batch_normalization": lambda tf, x: tf.nn.batch_normalization(x["i"], x["a"][0], x["p"][0],
        x["b"][0], x["b"][1], 0.1),
    "fused batch norm": lambda tf, x: tf.compat.v1.nn.fused_batch_norm(x["i"], x["a"][0],
        x["b"][0], epsilon=0.1)[:3],
    "fused batch norm, averages": lambda tf, x: tf.compat.v1.nn.fused_batch_norm(x["i"], x["a"][0],
        x["b"][0], x["a"][1], x["p"][0], exponential_avg_factor=0.3)[:3],
    "fused batch norm, inference": lambda tf, x: tf.compat.v1.nn.fused_batch_norm(x["i"],
        x["a"][0], x["b"][0], x["a"][1], x["p"][0], is_training=False)[0],
    "softmax cross-entropy": lambda tf, x: tf.nn.softmax_cross_entropy_with_logits(
        tf.nn.softmax(x["b"]), x["a"]),
    "sparse cross-entropy": lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits(x["n"],
        x["a"]),
    "sigmoid cross-entropy": lambda tf, x: tf.nn.sigmoid_cross_entropy_with_logits(
        tf.sigmoid(x["b"]), x["a"]),
    "weighted cross-entropy": lambda tf, x: tf.nn.weighted_cross_entropy_with_logits(
        tf.sigmoid(x["b"]), x["a"], 2.0),
    "log poisson": lambda tf, x: tf.nn.log_poisson_loss(x["p"], x["a"], True),
    "attention": lambda tf, x: tf.nn.softmax(
        tf.where(tf.linalg.band_part(tf.ones([6, 6]), -1, 0) > 0,
                 tf.matmul(x["s"], x["s"], transpose_b=True), -1e9)) @ x["s"],
}  # fmt: skip

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **PRODUCTS,
    **SHAPES,
    **INDICES,
    **LAYERS,
}
