"""Passes: functions from a graph to a graph that computes the same with less work.

Each is small and does one thing; `optimise` runs them in a good order. Fusion has its own file.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from dlcourse.graphs.compiler.algebra import simpler
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
    return rewrite(graph, _constant, simpler)


def remove_dead_code(graph: Graph) -> Graph:
    """Without the operations that no output depends on."""
    needed = set(map(id, graph.outputs))
    kept = []
    for node in reversed(graph.nodes):
        if id(node) in needed:
            kept.append(node)
            needed.update(map(id, node.operands))
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


def simplify(graph: Graph) -> Graph:
    """With the algebra of a school book: x * 1 = x, -(-x) = x, a transpose of a transpose, ..."""
    return rewrite(graph, simpler)
