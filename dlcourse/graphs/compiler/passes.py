"""Passes: functions from a graph to a graph that computes the same with less work.

Each is small and does one thing; `optimise` runs them in a good order. Fusion has its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.graphs.compiler.fusion import fuse_elementwise
from dlcourse.graphs.graph import Graph, rewrite
from dlcourse.graphs.symbol import Symbol

# A constant larger than this is computed in each run rather than kept in the graph.
LARGEST_CONSTANT = 1 << 20


def optimise(graph: Graph, fuse: bool = False) -> Graph:
    """All passes: what `compile` runs before it plans the memory."""
    passes = [
        remove_dead_code,
        expand,
        _fold_and_simplify,
        eliminate_common_subexpressions,
        remove_dead_code,
        *([fuse_elementwise] if fuse else []),
    ]
    return reduce(lambda g, run: run(g), passes, graph)


def _fold_and_simplify(graph: Graph) -> Graph:
    """Both in one walk: what becomes of an operand is known before its users are looked at."""
    return rewrite(graph, _constant, _simpler)


def remove_dead_code(graph: Graph) -> Graph:
    """Without the operations that no output depends on."""
    needed = set(map(id, graph.outputs))
    kept = []
    for node in reversed(graph.nodes):
        if id(node) in needed:
            kept.append(node)
            needed.update(map(id, node.inputs or ()))
    return Graph(graph.inputs, graph.outputs, graph.name, kept[::-1])


def fold_constants(graph: Graph) -> Graph:
    """With each operation on constants alone replaced by its value."""
    return rewrite(graph, _constant)


def _constant(node: Symbol, operands: tuple[Any, ...]) -> Any:
    for x in operands:
        if isinstance(x, Symbol):
            return None
    assert node.op is not None
    if not node.op.pure or node.size > LARGEST_CONSTANT:
        return None
    value = node.value(operands)
    return value if isinstance(value, list) else np.asarray(value)


def eliminate_common_subexpressions(graph: Graph) -> Graph:
    """With each operation computed once for the same operands and parameters."""
    known: dict[Any, Symbol] = {}

    def first_of_its_kind(node: Symbol, operands: tuple[Any, ...]) -> Symbol | None:
        assert node.op is not None
        if not node.op.pure:
            return None
        key = (node.op, *map(_identity, operands), _identity(node.parameters))
        if key not in known:
            known[key] = node.on(operands)
        return known[key]

    return rewrite(graph, first_of_its_kind)


def _identity(x: Any) -> Any:
    """A hashable that is equal for equal constants and parameters, and for the same Symbol."""
    if isinstance(x, Symbol):
        return id(x)
    if isinstance(x, (int, float, str, np.dtype, type(None), type(...))):
        return (type(x), repr(x))  # the repr tells 0.0 from -0.0
    if isinstance(x, np.ndarray):
        return (x.dtype.str, x.shape, x.tobytes())
    if isinstance(x, (list, tuple)):
        return (type(x), *map(_identity, x))
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, dict):
        return tuple([(name, _identity(x[name])) for name in sorted(x)])
    return id(x)


def expand(graph: Graph) -> Graph:
    """With each operation written as the smaller ones that the table gives for it, if it does.

    One on float16 or integers stays as it is, because its kernel calculates in wider numbers.
    """
    return rewrite(graph, _expanded)


def _expanded(node: Symbol, operands: tuple[Any, ...]) -> Any:
    assert node.op is not None
    if node.op.expand is None:
        return None
    dtypes = {x.dtype.char for x in operands if hasattr(x, "dtype")} - {"?"}
    if not dtypes or not dtypes <= {"f", "d"}:
        return None
    return node.op.expand(*operands, **node.parameters)


# --- Algebra ------------------------------------------------------------------------------------


def simplify(graph: Graph) -> Graph:
    """With the algebra of a school book: x * 1 = x, -(-x) = x, a transpose of a transpose, ..."""
    return rewrite(graph, _simpler)


def _simpler(node: Symbol, operands: tuple[Any, ...]) -> Any:
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
