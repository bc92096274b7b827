"""PyTorch's operations element by element, activations and their gradients included.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks import compositions
from dlcourse.frameworks.compositions import SELU_ALPHA, SELU_SCALE, rule
from dlcourse.frameworks.torch.rows import Rows, overloads, same

# --- Arithmetic -------------------------------------------------------------------------------


def _scaled(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: f(a, b if alpha == 1 else b * alpha)


def _divided(a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    quotient = ops.divide(a, b)
    if rounding_mode is None:
        return quotient
    return ops.floor(quotient) if rounding_mode == "floor" else compositions.trunc(quotient)


def _of_booleans(f: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any) -> Any:
        if any(np.asarray(a).dtype != bool if isinstance(a, int) else a.dtype != bool
               for a in arguments):  # fmt: skip
            raise TypeError("dlcourse has bitwise operations on booleans only, got integers")
        return f(*arguments)

    return checked


def _round(a: Any, *, decimals: int) -> Any:
    unit = 10.0**decimals
    return ops.round(a * unit) / unit


def _nan_to_num(
    a: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    if a.dtype.kind != "f":
        return a
    limits = np.finfo(a.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    a = ops.where(ops.isnan(a), nan or 0, a)
    infinite = ops.logical_not(ops.isfinite(a))
    return ops.where(infinite, ops.where(ops.greater(a, 0), high, low), a)


# --- Activations ------------------------------------------------------------------------------


def _clamp(a: Any, low: Any = None, high: Any = None) -> Any:
    return ops.clip(a, low=low, high=high)


def _clamp_tensors(a: Any, low: Any = None, high: Any = None) -> Any:
    a = a if low is None else ops.maximum(a, low)
    return a if high is None else ops.minimum(a, high)


def _elu(a: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Any:
    if input_scale != 1:  # celu: continuous at 0 if alpha * input_scale is 1
        negative = ops.expm1(ops.minimum(a, 0) * input_scale) * alpha
        return ops.where(ops.greater(a, 0), a, negative) * scale
    return ops.elu(a, alpha=alpha) * scale


def _elu_backward(
    g: Any, alpha: float, scale: float, input_scale: float, of_result: bool, a: Any
) -> Any:
    if of_result:  # then a is the result: alpha * exp(x) is a / scale + alpha
        slope = (a + alpha * scale) * input_scale
    else:
        slope = ops.exp(ops.minimum(a, 0) * input_scale) * (alpha * scale * input_scale)
    return g * ops.where(ops.less_equal(a, 0), slope, scale)


def _softplus(a: Any, beta: float = 1, threshold: float = 20) -> Any:
    return ops.where(ops.greater(a * beta, threshold), a, ops.softplus(a * beta) / beta)


def _softplus_backward(g: Any, a: Any, beta: float, threshold: float) -> Any:
    slope = rule(ops.softplus, "a")(g, None, a * beta)
    return ops.where(ops.greater(a * beta, threshold), g, slope)


def _glu(a: Any, dim: int = -1) -> Any:
    value, gate = ops.split(a, 2, axis=dim)
    return value * ops.sigmoid(gate)


def _softshrink(a: Any, lambd: float = 0.5) -> Any:
    return a - ops.clip(a, low=-lambd, high=lambd)


def _shrink_backward(g: Any, a: Any, lambd: float) -> Any:
    return ops.where(ops.greater(ops.abs(a), lambd), g, 0)


# --- The table --------------------------------------------------------------------------------

TABLE: Rows = {
    **overloads("default", {
        **{name: getattr(ops, name) for name in (
            "abs", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "hypot",
            "isfinite", "isnan", "log", "log1p", "logical_and", "logical_not", "logical_or",
            "maximum", "minimum", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh",
            "sqrt", "square", "tan", "tanh",
        )},
        **{name: getattr(compositions, name) for name in (
            "acos", "acosh", "asin", "asinh", "atanh", "fmax", "fmin", "isinf", "logaddexp",
            "signbit", "sinc", "trunc",
        )},
        "neg": ops.negative, "sgn": ops.sign, "positive": same,
        "atan": ops.arctan, "atan2": ops.arctan2,
        "exp2": lambda a: ops.power(2.0, a),
        "log2": lambda a: ops.log(a) / math.log(2), "log10": lambda a: ops.log(a) / math.log(10),
        "frac": lambda a: a - compositions.trunc(a),
        "deg2rad": lambda a: a * (math.pi / 180), "rad2deg": lambda a: a * (180 / math.pi),
        "logit": lambda a, eps=None: compositions.logit(
            a if eps is None else ops.clip(a, low=eps, high=1 - eps)),
        "nan_to_num": _nan_to_num,
        "heaviside": lambda a, at_zero: ops.where(ops.equal(a, 0), at_zero, ops.greater(a, 0)),
        "logical_xor": compositions.logical_xor,
        "addcmul": lambda a, b, c, *, value=1: a + b * c * value,
        "addcdiv": lambda a, b, c, *, value=1: a + b / c * value,
        "bitwise_not": _of_booleans(ops.logical_not),
        "clamp": _clamp, "clamp_min": lambda a, low: _clamp(a, low),
        "clamp_max": lambda a, high: _clamp(a, None, high),
        # Activations
        "relu": ops.relu, "silu": ops.silu, "gelu": ops.gelu, "leaky_relu": ops.leaky_relu,
        "hardtanh": lambda a, low=-1, high=1: _clamp(a, low, high),
        "relu6": lambda a: _clamp(a, 0, 6),
        "elu": _elu, "selu": lambda a: _elu(a, SELU_ALPHA, SELU_SCALE),
        "celu": lambda a, alpha=1.0: _elu(a, alpha, 1, 1 / alpha),
        "softplus": _softplus, "mish": lambda a: a * ops.tanh(ops.softplus(a)), "glu": _glu,
        "threshold": lambda a, limit, value: ops.where(ops.greater(a, limit), a, value),
        "hardshrink": lambda a, lambd=0.5: ops.where(ops.greater(ops.abs(a), lambd), a, 0),
        "softshrink": _softshrink,
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
        "hardshrink_backward": _shrink_backward, "softshrink_backward": _shrink_backward,
    }),
    **overloads("Tensor Scalar", {
        "add": _scaled(ops.add), "sub": _scaled(ops.subtract),
        "rsub": lambda a, b, alpha=1: b - (a if alpha == 1 else a * alpha),
        "mul": ops.multiply, "div": ops.divide,
        "remainder": compositions.remainder, "fmod": compositions.fmod,
        "eq": ops.equal, "ne": ops.not_equal, "lt": ops.less, "le": ops.less_equal,
        "gt": ops.greater, "ge": ops.greater_equal,
        "masked_fill": lambda a, mask, value: ops.where(mask, value, a),
        "lerp": lambda a, b, weight: a + (b - a) * weight,
        "copysign": lambda a, b: ops.abs(a) * ops.where(compositions.signbit(b), -1, 1),
        "bitwise_and": _of_booleans(ops.logical_and), "__and__": _of_booleans(ops.logical_and),
        "bitwise_or": _of_booleans(ops.logical_or), "__or__": _of_booleans(ops.logical_or),
        "bitwise_xor": _of_booleans(compositions.logical_xor),
        "__xor__": _of_booleans(compositions.logical_xor),
    }),
    **overloads("Tensor Scalar_Other Scalar_Self", {"xlogy": compositions.xlogy}),
    **overloads("Tensor_mode Scalar_mode", {"div": _divided}),
    **overloads("Tensor_Tensor Tensor_Scalar Scalar", {"pow": ops.power}),
    **overloads("self ScalarSelf ScalarOther Scalar", {"where": ops.where}),
    **overloads("Tensor", {
        "clamp": _clamp_tensors, "clamp_min": ops.maximum, "clamp_max": ops.minimum,
    }),
    "aten.round.decimals": _round,
}  # fmt: skip
