"""The shape and dtype of a result that is not computed: what a static graph knows of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse.ops.primitive import Primitive

# How many results an operation remembers; then it forgets them all.
MOST_INFERRED = 1000


def infer(
    op: Primitive, arguments: Sequence[Any], parameters: Mapping[str, Any]
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and dtype of the result, from the shapes and dtypes of the arguments.

    The kernel itself is the rule: it runs on ones (integers, which may be indices, are zeros).
    So nothing can disagree with it, and NumPy's promotion and broadcasting hold. An elementwise
    kernel runs on a single element. One that is not pure gets copies of its parameters, so that
    nothing is drawn from a random generator. What was inferred is kept for the next time.
    """
    if not op.pure:
        return _run_on_examples(op, arguments, copy.deepcopy(dict(parameters)))
    kinds = [(x.shape, x.dtype) if hasattr(x, "dtype") else (type(x), x) for x in arguments]
    key = (*kinds, *((k, type(v), v) for k, v in parameters.items()))  # 1 == 1.0 == True
    try:
        known = op.inferred.get(key)
    except TypeError:  # a parameter that cannot be a key: an array, a slice
        return _run_on_examples(op, arguments, parameters)
    if known is None:
        known = _run_on_examples(op, arguments, parameters)
        if len(op.inferred) == MOST_INFERRED:
            op.inferred.clear()
        op.inferred[key] = known
    return known


def _run_on_examples(
    op: Primitive, arguments: Sequence[Any], parameters: Mapping[str, Any]
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with np.errstate(all="ignore"):
        if not op.elementwise:
            y = op.kernel(*[_example(x, None) for x in arguments], **parameters)
            return np.shape(y), np.asarray(y).dtype
        y = op.kernel(*[_example(x, (1,)) for x in arguments], **parameters)
    return np.broadcast_shapes(*[np.shape(x) for x in arguments]), np.asarray(y).dtype


def _example(x: Any, shape: tuple[int, ...] | None) -> Any:
    """An array like ``x``, of its own shape or a given one; Python numbers stay as they are."""
    if isinstance(x, bool | int | float):
        return x
    value = np.zeros((), x.dtype) if x.dtype.kind in "iu" else np.ones((), x.dtype)
    return np.broadcast_to(value, x.shape if shape is None else shape)
