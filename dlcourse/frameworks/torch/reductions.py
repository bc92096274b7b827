"""PyTorch's products of matrices, reductions, and operations along an axis.

The arguments are those of the aten schema.
"""

# ruff: noqa: ARG001, ARG005 (a function has every argument of the schema, used or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import accumulated, along, at, logaddexp, rule
from dlcourse.frameworks.torch.rows import Rows, axis_of, cast, overloads

# --- Linear algebra ---------------------------------------------------------------------------


def _addmm(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    product = ops.matmul(a, b)
    return (c if beta == 1 else c * beta) + (product if alpha == 1 else product * alpha)


def _addbmm(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return c * beta + ops.sum(ops.matmul(a, b), axis=0) * alpha


def _addr(c: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return c * beta + ops.expand_dims(a, 1) * b * alpha


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return ops.matmul(x, ops.transpose(weight)) if bias is None else ops.linear(x, weight, bias)


def _trilinear(
    a: Any, b: Any, c: Any, a_axes: Sequence[int], b_axes: Sequence[int], c_axes: Sequence[int],
    summed: Sequence[int], unrolled: int = 1,
) -> Any:  # fmt: skip
    """The sum over some axes of the product of three arrays that first get new axes."""
    product: Any = 1
    for array, axes in ((a, a_axes), (b, b_axes), (c, c_axes)):
        for axis in axes:
            array = ops.expand_dims(array, axis)
        product = array * product
    return ops.sum(product, axis=tuple(summed))


def _cross(a: Any, b: Any, *, dim: int = -1) -> Any:
    def turned(x: Any, steps: int) -> Any:
        return ops.roll(x, -steps, axis=dim)

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


def _norm(
    a: Any, order: float | None = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    a, how = cast(a, dtype), {"axis": axis_of(dim), "keepdims": keepdim}
    if order is None or order == 2:
        return ops.norm(a, **how)
    if order == np.inf:
        return ops.max(ops.abs(a), **how)
    if order == -np.inf:
        return ops.min(ops.abs(a), **how)
    if order == 0:
        return ops.sum(ops.not_equal(a, 0), **how)
    return ops.sum(ops.abs(a) ** order, **how) ** (1 / order)


def _distances(a: Any, b: Any, order: float, mode: int | None) -> Any:
    return _norm(ops.expand_dims(a, -2) - ops.expand_dims(b, -3), order, -1)


# --- Reductions -------------------------------------------------------------------------------


def _reduction(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, dim=None, keepdim=False, *, dtype=None: op(
        cast(a, dtype), axis_of(dim), keepdim
    )


def _with_places(op: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, dim, keepdim=False: (op(a, dim, keepdim), place(a, dim, keepdim))


def _count_nonzero(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return ops.sum(ops.not_equal(a, 0), axis=axis_of(dim), keepdims=keepdim)


def _any(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return ops.greater(_count_nonzero(a, dim, keepdim), 0)


def _all(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    zeros = ops.sum(ops.equal(a, 0), axis=axis_of(dim), keepdims=keepdim)
    return ops.equal(zeros, 0)


def _moment(op: Callable[..., Any]) -> Callable[..., Any]:
    """var or std; with no correction given, aten's is 1."""

    def moment(
        a: Any, dim: Any = None, *, correction: int | None = None, keepdim: bool = False
    ) -> Any:
        ddof = 1 if correction is None else int(correction)
        return op(a, axis=axis_of(dim), keepdims=keepdim, ddof=ddof)

    return moment


def _with_mean(op: Callable[..., Any]) -> Callable[..., Any]:
    moment = _moment(op)
    return lambda a, dim=None, *, correction=None, keepdim=False: (
        moment(a, dim, correction=correction, keepdim=keepdim),
        ops.mean(a, axis=axis_of(dim), keepdims=keepdim),
    )


def _older_moment(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, dim, unbiased=True, keepdim=False: op(a, axis_of(dim), keepdim, int(unbiased))


# --- Order ------------------------------------------------------------------------------------


def _sort(a: Any, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    if not descending:
        return ops.sort(a, axis=dim), ops.argsort(a, axis=dim)
    order = ops.argsort(-a, axis=dim)
    return ops.take_along_axis(a, order, axis=dim), order


def _topk(a: Any, k: int, dim: int = -1, largest: bool = True, in_order: bool = True) -> list[Any]:
    return [part[at(dim, slice(k), len(a.shape))] for part in _sort(a, dim, largest)]


def _kth(a: Any, k: int, dim: int = -1, keepdim: bool = False) -> list[Any]:
    """The k-th smallest element, counted from 1, and its place."""
    place = at(dim, slice(k - 1, k) if keepdim else k - 1, len(a.shape))
    return [part[place] for part in _sort(a, dim)]


def _median(a: Any, dim: int, keepdim: bool = False) -> list[Any]:
    """The lower of two middle elements, and its place; nan if there is one."""
    value, place = _kth(a, (a.shape[dim] + 1) // 2, dim, keepdim)
    if a.dtype.kind == "f":
        value = ops.where(ops.isnan(ops.max(a, axis=dim, keepdims=keepdim)), np.nan, value)
    return [value, place]


def _cumulative_extreme(op: Callable[..., Any]) -> Callable[..., Any]:
    """The running maximum or minimum, and the place of its last occurrence so far."""

    def extreme(a: Any, dim: int) -> tuple[Any, Any]:
        y = accumulated(op, a, dim)
        numbers = along(np.arange(a.shape[dim]), dim % len(a.shape), len(a.shape))
        here = ops.logical_or(ops.equal(a, y), ops.not_equal(a, a))
        return y, accumulated(ops.maximum, ops.where(here, numbers, 0), dim)

    return extreme


def _searched(boundaries: Any, values: Any, right: bool) -> Any:
    """How many of the sorted boundaries, along their last axis, are below (or equal to) a value."""
    below = ops.less_equal if right else ops.less
    found = below(ops.expand_dims(boundaries, -2), ops.expand_dims(values, -1))
    return ops.sum(found, axis=-1)


def _searchsorted(
    boundaries: Any, values: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Any = None,
) -> Any:  # fmt: skip
    if sorter is not None:
        boundaries = ops.take_along_axis(boundaries, sorter, axis=-1)
    return _searched(boundaries, values, right or side == "right")


def _bucketize(a: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    flat = _searched(boundaries, ops.reshape(a, shape=(-1,)), right)
    return ops.reshape(flat, shape=a.shape)


# --- The table --------------------------------------------------------------------------------

TABLE: Rows = {
    **overloads("default", {
        # Linear algebra
        "mm": ops.matmul, "bmm": ops.matmul, "mv": ops.matmul, "dot": ops.matmul,
        "vdot": ops.matmul, "matmul": ops.matmul, "linear": _linear,
        "addmm": _addmm, "baddbmm": _addmm, "addmv": _addmm, "addbmm": _addbmm, "addr": _addr,
        "einsum": lambda equation, arrays, *, path=None: ops.einsum(equation, *arrays),
        "_trilinear": _trilinear, "linalg_cross": _cross,
        "linalg_vector_norm": _norm, "_cdist_forward": _distances,
        # Reductions
        "sum": _reduction(ops.sum), "mean": _reduction(ops.mean), "prod": _reduction(ops.prod),
        "max": ops.max, "min": ops.min, "amax": _reduction(ops.max), "amin": _reduction(ops.min),
        "logsumexp": _reduction(ops.logsumexp), "argmax": ops.argmax, "argmin": ops.argmin,
        "any": _any, "all": _all, "count_nonzero": _count_nonzero,
        "median": lambda a: _median(ops.reshape(a, shape=(-1,)), 0)[0],
        "kthvalue": _kth, "sort": _sort, "topk": _topk,
        # Along an axis
        "cumsum": lambda a, dim, *, dtype=None: ops.cumsum(cast(a, dtype), axis=dim),
        "cumprod": lambda a, dim, *, dtype=None: accumulated(ops.multiply, cast(a, dtype), dim),
        "logcumsumexp": lambda a, dim: accumulated(logaddexp, a, dim),
        "cummax": _cumulative_extreme(ops.maximum), "cummin": _cumulative_extreme(ops.minimum),
        "_softmax": lambda a, dim, half: ops.softmax(a, axis=dim),
        "_log_softmax": lambda a, dim, half: ops.log_softmax(a, axis=dim),
        "_softmax_backward_data":
            lambda g, y, dim, dtype: rule(ops.softmax, "a")(g, y, None, axis=dim),
        "_log_softmax_backward_data":
            lambda g, y, dim, dtype: rule(ops.log_softmax, "a")(g, y, None, axis=dim),
    }),
    **overloads("dim_IntList dim_int dim", {
        "sum": _reduction(ops.sum), "mean": _reduction(ops.mean), "prod": _reduction(ops.prod),
        "count_nonzero": _count_nonzero,
    }),
    **overloads("dim dims", {"any": _any, "all": _all}),
    **overloads("dim", {
        "max": _with_places(ops.max, ops.argmax), "min": _with_places(ops.min, ops.argmin),
        "median": _median, "var": _older_moment(ops.var), "std": _older_moment(ops.std),
    }),
    **overloads("correction", {
        "var": _moment(ops.var), "std": _moment(ops.std),
        "var_mean": _with_mean(ops.var), "std_mean": _with_mean(ops.std),
    }),
    **overloads("Scalar ScalarOpt_dim", {"norm": _norm}),
    **overloads("int", {
        "softmax": lambda a, dim, dtype=None: ops.softmax(cast(a, dtype), axis=dim),
        "log_softmax": lambda a, dim, dtype=None: ops.log_softmax(cast(a, dtype), axis=dim),
    }),
    "aten.sort.stable": lambda a, *, stable=None, dim=-1, descending=False:
        _sort(a, dim, descending),
    **overloads("Tensor", {"searchsorted": _searchsorted, "bucketize": _bucketize}),
}  # fmt: skip
