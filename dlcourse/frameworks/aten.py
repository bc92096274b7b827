"""PyTorch's operations in terms of dlcourse's: the arguments are those of the aten schema.

Source: https://docs.pytorch.org/docs/stable/torch.compiler_ir.html; the schema of an operation is
``torch.ops.aten.relu.default._schema``.
"""

# ruff: noqa: ARG001, ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks import aten_layers as layers
from dlcourse.frameworks import aten_losses as losses
from dlcourse.frameworks import aten_shapes as shapes
from dlcourse.frameworks.formulas import SELU_ALPHA, SELU_SCALE, at, rule, take
from dlcourse.ops import Axis


def _cast(a: Any, dtype: Any) -> Any:
    return a if dtype is None else ops.astype(a, dtype=dtype)


def _axis(dim: int | Sequence[int] | None) -> Axis:
    """What NumPy calls axis; for aten, no axes at all means each of them."""
    return dim if isinstance(dim, int) else tuple(dim or ()) or None


# --- Linear algebra ---------------------------------------------------------------------------


def _addmm(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    product = ops.matmul(a, b)
    return (c if beta == 1 else c * beta) + (product if alpha == 1 else product * alpha)


def _norm(
    a: Any, order: float | None = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    a, axis = _cast(a, dtype), _axis(dim)
    if order is None or order == 2:
        return ops.norm(a, axis=axis, keepdims=keepdim)
    if order <= 0:
        raise ValueError(f"norms of dlcourse have an order above 0, got {order}")
    if order == np.inf:
        return ops.max(ops.abs(a), axis=axis, keepdims=keepdim)
    return ops.sum(ops.abs(a) ** order, axis=axis, keepdims=keepdim) ** (1 / order)


def _moment(op: Callable[..., Any]) -> Callable[..., Any]:
    """var or std; with no correction given, aten's is 1."""

    def moment(
        a: Any, dim: Any = None, *, correction: int | None = None, keepdim: bool = False
    ) -> Any:
        ddof = 1 if correction is None else int(correction)
        return op(a, axis=_axis(dim), keepdims=keepdim, ddof=ddof)

    return moment


# --- Activations ------------------------------------------------------------------------------


def _clamp(a: Any, low: Any = None, high: Any = None) -> Any:
    return ops.clip(a, low=low, high=high)


def _clamp_tensors(a: Any, low: Any = None, high: Any = None) -> Any:
    a = a if low is None else ops.maximum(a, low)
    return a if high is None else ops.minimum(a, high)


def _elu(a: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Any:
    if input_scale != 1:
        raise ValueError(f"elu of dlcourse has no input_scale, got {input_scale}")
    return ops.elu(a, alpha=alpha) * scale


def _elu_backward(
    g: Any, alpha: float, scale: float, input_scale: float, of_result: bool, a: Any
) -> Any:
    if of_result:  # then a is the result: alpha * exp(x) is a / scale + alpha
        return ops.where(ops.less_equal(a, 0), g * (a + alpha * scale), g * scale)
    return rule(ops.elu, "a")(g * scale, None, a, alpha=alpha)


def _softplus(a: Any, beta: float = 1, threshold: float = 20) -> Any:
    return ops.where(ops.greater(a * beta, threshold), a, ops.softplus(a * beta) / beta)


def _softplus_backward(g: Any, a: Any, beta: float, threshold: float) -> Any:
    slope = rule(ops.softplus, "a")(g, None, a * beta)
    return ops.where(ops.greater(a * beta, threshold), g, slope)


# --- The table --------------------------------------------------------------------------------


def _overloads(names: str, table: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Each function under ``aten.<its name>.<each of the names>``."""
    return {f"aten.{op}.{name}": f for op, f in table.items() for name in names.split()}


def _scaled(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: f(a, b if alpha == 1 else b * alpha)


def _of_booleans(f: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        if any(a.dtype != bool for a in arguments):
            raise TypeError("dlcourse has bitwise operations on booleans only, got integers")
        return f(*arguments)

    return checked


def _reduction(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, dim=None, keepdim=False, *, dtype=None: op(
        _cast(a, dtype), _axis(dim), keepdim
    )


def _with_places(op: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, dim, keepdim=False: (op(a, dim, keepdim), place(a, dim, keepdim))


def _full(shape: Sequence[int], value: Any, dtype: Any = np.float32) -> Any:
    return np.full(tuple(shape), value, dtype)


def _reshape(a: Any, size: Sequence[int]) -> Any:
    return ops.reshape(a, shape=tuple(size))


def _same(a: Any) -> Any:
    return a


TABLE: dict[str, Callable[..., Any]] = {
    "getitem": lambda values, i: values[i],
    **_overloads("default", {
        # Elementwise
        **{name: getattr(ops, name) for name in (
            "abs", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "isfinite",
            "isnan", "log", "log1p", "logical_and", "logical_not", "logical_or", "maximum",
            "minimum", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sign", "silu", "sin",
            "sinh", "sqrt", "square", "tan", "tanh",
        )},
        "neg": ops.negative, "sgn": ops.sign, "atan": ops.arctan, "atan2": ops.arctan2,
        "clamp": _clamp, "hardtanh": lambda a, low=-1, high=1: _clamp(a, low, high),
        "clamp_min": lambda a, low: _clamp(a, low),
        "clamp_max": lambda a, high: _clamp(a, None, high),
        "relu6": lambda a: _clamp(a, 0, 6),
        "gelu": ops.gelu, "elu": _elu, "selu": lambda a: _elu(a, SELU_ALPHA, SELU_SCALE),
        "leaky_relu": ops.leaky_relu, "softplus": _softplus,
        "bitwise_not": _of_booleans(ops.logical_not),
        # Their gradients, by our rules
        "threshold_backward": lambda g, y, t: ops.where(ops.less_equal(y, t), 0, g),
        "tanh_backward": lambda g, y: rule(ops.tanh, "a")(g, y, None),
        "sigmoid_backward": lambda g, y: rule(ops.sigmoid, "a")(g, y, None),
        "silu_backward": lambda g, a: rule(ops.silu, "a")(g, ops.silu(a), a),
        "gelu_backward": lambda g, a, **how: rule(ops.gelu, "a")(g, None, a, **how),
        "leaky_relu_backward": lambda g, a, slope, of_result:
            rule(ops.leaky_relu, "a")(g, None, a, negative_slope=slope),
        "elu_backward": _elu_backward, "softplus_backward": _softplus_backward,
        "hardtanh_backward": lambda g, a, low, high:
            ops.where(ops.logical_and(ops.greater(a, low), ops.less(a, high)), g, 0),
        # Linear algebra
        "mm": ops.matmul, "bmm": ops.matmul, "mv": ops.matmul, "dot": ops.matmul,
        "matmul": ops.matmul, "addmm": _addmm, "baddbmm": _addmm, "linear": layers.linear,
        "einsum": lambda equation, arrays, *, path=None: ops.einsum(equation, *arrays),
        "tril": ops.tril, "triu": ops.triu,
        # Reductions
        "sum": _reduction(ops.sum), "mean": _reduction(ops.mean), "prod": _reduction(ops.prod),
        "max": ops.max, "min": ops.min, "amax": _reduction(ops.max), "amin": _reduction(ops.min),
        "logsumexp": _reduction(ops.logsumexp), "argmax": ops.argmax, "argmin": ops.argmin,
        "linalg_vector_norm": _norm,
        "cumsum": lambda a, dim, *, dtype=None: ops.cumsum(_cast(a, dtype), axis=dim),
        "_softmax": lambda a, dim, half: ops.softmax(a, axis=dim),
        "_log_softmax": lambda a, dim, half: ops.log_softmax(a, axis=dim),
        "_softmax_backward_data":
            lambda g, y, dim, dtype: rule(ops.softmax, "a")(g, y, None, axis=dim),
        "_log_softmax_backward_data":
            lambda g, y, dim, dtype: rule(ops.log_softmax, "a")(g, y, None, axis=dim),
        # Shapes
        "t": ops.transpose, "numpy_T": ops.transpose,
        "permute": lambda a, dims: ops.transpose(a, axes=tuple(dims)),
        "view": _reshape, "reshape": _reshape, "_unsafe_view": _reshape,
        "view_as": lambda a, b: _reshape(a, b.shape),
        "expand": shapes.expand, "expand_as": lambda a, b: shapes.expand(a, b.shape),
        "broadcast_tensors": shapes.broadcast_tensors,
        "unsqueeze": ops.expand_dims, "squeeze": shapes.squeeze,
        "cat": lambda arrays, dim=0: ops.concatenate(arrays, axis=dim),
        "stack": lambda arrays, dim=0: ops.stack(arrays, axis=dim),
        "split_with_sizes": shapes.split, "chunk": shapes.chunk,
        "repeat": lambda a, repeats: ops.tile(a, tuple(repeats)),
        "flip": lambda a, dims: ops.flip(a, axis=tuple(dims)),
        "roll": lambda a, shifts, dims=(): ops.roll(a, tuple(shifts), axis=tuple(dims)) if dims
            else ops.roll(a, *shifts),
        "pad": shapes.pad,
        "constant_pad_nd": lambda a, pad, value=0: shapes.pad(a, pad, value=value),
        "select_backward": lambda g, size, dim, i:
            ops.scatter_add(g, index=at(dim, i, len(size)), shape=tuple(size)),
        "slice_backward": lambda g, size, *where:
            ops.scatter_add(g, index=shapes.slice_index(size, *where), shape=tuple(size)),
        "select_scatter": lambda a, part, dim, i:
            shapes.replaced(a, part, at(dim, i, len(a.shape))),
        "slice_scatter": lambda a, part, *where:
            shapes.replaced(a, part, shapes.slice_index(a.shape, *where)),
        "copy": lambda a, source: ops.broadcast_to(source, shape=a.shape),
        # Indices
        "index_select": lambda a, dim, index: take(a, [index], dim % len(a.shape)),
        "gather": shapes.gather, "scatter_add": shapes.scatter_add, "sort": shapes.sort,
        "topk": shapes.topk, "index_put": shapes.index_put,
        "embedding": lambda weight, indices, *how: ops.embedding(weight, indices),
        "embedding_dense_backward": layers.embedding_backward,
        # The same values
        "clone": _same, "detach": _same, "alias": _same, "contiguous": _same,
        "lift_fresh_copy": _same, "_to_copy": lambda a, *, dtype=None: _cast(a, dtype),
        "type_as": lambda a, b: _cast(a, b.dtype),
        # Constants
        "full": lambda size, value, *, dtype=np.float32: _full(size, value, dtype),
        "full_like": lambda a, value, *, dtype=None: _full(a.shape, value, dtype or a.dtype),
        "zeros": lambda size, *, dtype=np.float32: _full(size, 0, dtype),
        "ones": lambda size, *, dtype=np.float32: _full(size, 1, dtype),
        "empty_like": lambda a, *, dtype=None: _full(a.shape, 0, dtype or a.dtype),
        "zeros_like": lambda a, *, dtype=None: _full(a.shape, 0, dtype or a.dtype),
        "ones_like": lambda a, *, dtype=None: _full(a.shape, 1, dtype or a.dtype),
        "new_zeros": lambda a, size, *, dtype=None: _full(size, 0, dtype or a.dtype),
        "new_ones": lambda a, size, *, dtype=None: _full(size, 1, dtype or a.dtype),
        "new_full": lambda a, size, value, *, dtype=None: _full(size, value, dtype or a.dtype),
        "scalar_tensor": lambda value, *, dtype=np.float32: np.asarray(value, dtype),
        "arange": lambda end, *, dtype=None: np.arange(end, dtype=dtype),
        # Layers
        "conv1d": layers.conv, "conv2d": layers.conv, "convolution": layers.convolution,
        "convolution_backward": layers.convolution_backward,
        "max_pool2d": lambda *how: layers.max_pool2d_with_indices(*how)[0],
        "max_pool2d_with_indices": layers.max_pool2d_with_indices,
        "max_pool2d_with_indices_backward": layers.max_pool2d_with_indices_backward,
        "avg_pool2d": layers.avg_pool2d, "avg_pool2d_backward": layers.avg_pool2d_backward,
        "adaptive_avg_pool2d": layers.adaptive_avg_pool2d,
        "_adaptive_avg_pool2d": layers.adaptive_avg_pool2d,
        "dropout": layers.no_dropout,
        "batch_norm": lambda *how: layers.batch_norm(*how[:-1])[0],
        "native_batch_norm": layers.native_batch_norm,
        "_native_batch_norm_legit_functional": layers.batch_norm,
        "_native_batch_norm_legit_no_training": lambda x, w, b, mean, variance, *how:
            layers.batch_norm(x, w, b, mean, variance, False, *how)[:3],
        "native_batch_norm_backward": layers.batch_norm_backward,
        "native_layer_norm": layers.layer_norm,
        "layer_norm": lambda x, shape, w=None, b=None, epsilon=1e-5, cudnn=True:
            layers.layer_norm(x, shape, w, b, epsilon)[0],
        "native_layer_norm_backward": layers.layer_norm_backward,
        # Losses
        "nll_loss_forward": losses.nll, "nll_loss2d_forward": losses.nll,
        "nll_loss": lambda *how: losses.nll(*how)[0],
        "nll_loss_nd": lambda *how: losses.nll(*how)[0],
        "nll_loss_backward": losses.nll_backward, "nll_loss2d_backward": losses.nll_backward,
        "cross_entropy_loss": losses.cross_entropy,
        "mse_loss": losses.mse, "mse_loss_backward": losses.mse_backward,
        "l1_loss": losses.mae, "huber_loss": losses.huber,
        "huber_loss_backward": losses.huber_backward, "smooth_l1_loss": losses.smooth_l1,
        "smooth_l1_loss_backward": losses.smooth_l1_backward,
        "binary_cross_entropy": losses.binary_cross_entropy,
        "binary_cross_entropy_backward": losses.binary_cross_entropy_backward,
        "binary_cross_entropy_with_logits": losses.binary_cross_entropy_with_logits,
    }),
    **_overloads("Tensor Scalar", {
        "add": _scaled(ops.add), "sub": _scaled(ops.subtract),
        "rsub": lambda a, b, alpha=1: b - (a if alpha == 1 else a * alpha),
        "mul": ops.multiply, "div": ops.divide,
        "eq": ops.equal, "ne": ops.not_equal, "lt": ops.less, "le": ops.less_equal,
        "gt": ops.greater, "ge": ops.greater_equal,
        "masked_fill": lambda a, mask, value: ops.where(mask, value, a),
        "bitwise_and": _of_booleans(ops.logical_and), "__and__": _of_booleans(ops.logical_and),
        "bitwise_or": _of_booleans(ops.logical_or), "__or__": _of_booleans(ops.logical_or),
    }),
    **_overloads("Tensor_Tensor Tensor_Scalar Scalar", {"pow": ops.power}),
    **_overloads("self ScalarSelf ScalarOther Scalar", {"where": ops.where}),
    **_overloads("dim_IntList dim_int dim", {
        "sum": _reduction(ops.sum), "mean": _reduction(ops.mean), "prod": _reduction(ops.prod),
    }),
    **_overloads("dim", {
        "max": _with_places(ops.max, ops.argmax), "min": _with_places(ops.min, ops.argmin),
        "squeeze": shapes.squeeze,
    }),
    **_overloads("correction", {"var": _moment(ops.var), "std": _moment(ops.std)}),
    **_overloads("Scalar ScalarOpt_dim", {"norm": _norm}),
    **_overloads("int", {
        "softmax": lambda a, dim, dtype=None: ops.softmax(_cast(a, dtype), axis=dim),
        "log_softmax": lambda a, dim, dtype=None: ops.log_softmax(_cast(a, dtype), axis=dim),
        "transpose": shapes.swap, "select": shapes.select, "unbind": shapes.unbind,
    }),
    "aten.var.dim": lambda a, dim, unbiased=True, keepdim=False:
        ops.var(a, _axis(dim), keepdim, int(unbiased)),
    "aten.std.dim": lambda a, dim, unbiased=True, keepdim=False:
        ops.std(a, _axis(dim), keepdim, int(unbiased)),
    "aten.conv_transpose1d.default": ops.conv_transpose1d,
    "aten.conv_transpose2d.input": ops.conv_transpose2d,
    "aten.clamp.Tensor": _clamp_tensors,
    "aten.conv1d.padding": layers.conv, "aten.conv2d.padding": layers.conv,
    "aten.flatten.using_ints": shapes.flatten, "aten.squeeze.dims": shapes.squeeze,
    "aten.slice.Tensor": lambda a, *where: a[shapes.slice_index(a.shape, *where)],
    "aten.split.Tensor": shapes.split, "aten.index.Tensor": shapes.index_by_arrays,
    "aten.to.dtype": lambda a, dtype, *how: _cast(a, dtype),
    "aten.to.dtype_layout": lambda a, *, dtype=None: _cast(a, dtype),
    "aten.arange.start": lambda start, end, *, dtype=None: np.arange(start, end, dtype=dtype),
    "aten.arange.start_step":
        lambda start, end, step=1, *, dtype=None: np.arange(start, end, step, dtype=dtype),
    "aten.fill.Scalar": lambda a, value: _full(a.shape, value, a.dtype),
    "aten.fmod.Scalar": np.fmod,  # of constants, such as places
    "aten.empty.memory_format": lambda size, *, dtype=np.float32: _full(size, 0, dtype),
}  # fmt: skip
