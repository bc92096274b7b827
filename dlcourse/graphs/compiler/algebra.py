"""The algebra of a school book, for the pass that simplifies: x * 1 = x, -(-x) = x, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.graphs.symbol import Symbol


def simpler(node: Symbol, operands: tuple[Any, ...]) -> Any:
    """What an operation is by algebra, or None; `passes.simplify` asks it for each."""
    given = operands
    for i, x in enumerate(operands):
        if isinstance(x, np.ndarray) and (number := _as_number(x)) is not x:
            fewer = (*operands[:i], number, *operands[i + 1 :])
            operands = fewer if _fits_elementwise(node, fewer) else operands
    assert node.op is not None
    rules = (_neutral,) if node.op.neutral else RULES.get(node.op.name, ())
    for rule in rules:
        simpler = rule(node, operands)
        if simpler is not None:
            return simpler
    return None if operands is given else node.on(operands)


def _as_number(x: np.ndarray[Any, Any]) -> Any:
    """An array of one repeated number as an array of shape (); any other as it is."""
    if not x.size or not x.ndim:
        return x
    first = np.array(x.ravel()[0])
    # The bits are compared, because 0.0 == -0.0 although 1 / 0.0 != 1 / -0.0.
    return first if x.tobytes() == first.tobytes() * x.size else x


def _fits_elementwise(node: Symbol, operands: Sequence[Any]) -> bool:
    """Whether ``node`` is elementwise and would have its shape with these operands."""
    assert node.op is not None
    return node.op.elementwise and np.broadcast_shapes(*map(np.shape, operands)) == node.shape


def _neutral(node: Symbol, operands: tuple[Any, ...]) -> Any:
    """The other operand, if one is the number with which it is the result, see `Primitive`.

    x + 0 = x is right but for the sign of a zero.
    """
    assert node.op is not None
    a, b = operands
    for argument, x, other in (("b", b, a), ("a", a, b)):
        number = node.op.neutral.get(argument)
        if number is not None and _is_number(x, number) and _same_type(other, node):
            return other
    return None


def _inverse(_node: Symbol, operands: tuple[Any, ...]) -> Any:
    return operands[0].inputs[0] if _made_by(operands[0], ops.negative) else None


def _reshaped(node: Symbol, operands: tuple[Any, ...]) -> Any:
    (x,) = operands
    while _made_by(x, ops.reshape):
        (x,) = x.inputs
    if x is operands[0]:
        return None
    return x if _same_type(x, node) else ops.reshape(x, shape=node.shape)


def _transposed(node: Symbol, operands: tuple[Any, ...]) -> Any:
    if not _made_by(operands[0], ops.transpose):
        return None
    first, second = _axes(operands[0]), _axes(node)
    both = tuple(first[i] for i in second)
    (x,) = operands[0].inputs
    return x if both == tuple(range(len(both))) else ops.transpose(x, axes=both)


def _axes(node: Symbol) -> tuple[int, ...]:
    axes = node.parameters.get("axes")
    n = node.ndim
    return tuple(range(n))[::-1] if axes is None else tuple(axis % n for axis in axes)


def _unchanged(node: Symbol, operands: tuple[Any, ...]) -> Any:
    """``x`` for an operation that only gives it the shape or dtype that it has."""
    return operands[0] if _same_type(operands[0], node) else None


# By the name of an operation, what may be simpler than it: tried in order.
RULES: Mapping[str, Sequence[Callable[[Symbol, tuple[Any, ...]], Any]]] = {
    "negative": (_inverse,),
    "reshape": (_reshaped, _unchanged),
    "transpose": (_transposed,),
    "broadcast_to": (_unchanged,),
    "astype": (_unchanged,),
}


def _made_by(x: Any, op: ops.Primitive) -> bool:
    return isinstance(x, Symbol) and x.op is op


def _same_type(x: Any, node: Symbol) -> bool:
    return hasattr(x, "shape") and x.shape == node.shape and x.dtype == node.dtype


def _is_number(x: Any, number: float) -> bool:
    if isinstance(x, Symbol) or np.ndim(x) != 0:
        return False
    return bool(x == number)
