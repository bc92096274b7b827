"""The types of what an operation gives, also of one that carries graphs or has several results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse.graphs.compiler.fusion import fused
from dlcourse.graphs.control import bundles
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, placeholder, type_text
from dlcourse.ops import Primitive


def result_types(
    op: Primitive, operands: Sequence[Any], parameters: Mapping[str, Any]
) -> list[Symbol]:
    """A Symbol like each result of ``op`` on these operands.

    Raises:
        ValueError, TypeError: The operands or the graphs that ``op`` carries do not fit.
    """
    if op.name in CARRIERS:
        return [placeholder(*_type(x)) for x in CARRIERS[op.name](operands, **parameters)]
    return [placeholder(*op.infer(operands, parameters))]


def has_several_results(op: Primitive | None) -> bool:
    """Whether a Symbol of ``op`` stands for several values, see ``bundles``."""
    return op is not None and op.name in CARRIERS and op not in (fused, bundles.item)


def _type(x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    return np.shape(x), x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def types_text(values: Sequence[Any]) -> str:
    """The types in short, as in ``(f64[3], bool[])``."""
    return f"({', '.join(type_text(placeholder(*_type(x))) for x in values)})"


def _expect(what: str, expected: Sequence[Any], actual: Sequence[Any]) -> None:
    if types_text(expected) != types_text(actual):
        raise ValueError(f"{what}: expected {types_text(expected)}, got {types_text(actual)}")


def _fused(operands: Sequence[Any], body: Graph) -> Sequence[Any]:
    body.check(operands)
    if not all(node.op is not None and node.op.elementwise for node in body.nodes):
        raise ValueError("the body must have elementwise operations alone")
    if len(body.outputs) != 1 or not body.nodes or body.outputs[0] is not body.nodes[-1]:
        raise ValueError("the body must have one output, its last operation")
    return body.outputs


def _cond(operands: Sequence[Any], true: Graph, false: Graph) -> Sequence[Any]:
    predicate, *rest = operands
    _expect("the predicate", [np.False_], [predicate])
    true.check(rest)
    false.check(rest)
    _expect("the results of the branch false", true.outputs, false.outputs)
    return true.outputs


def _while(operands: Sequence[Any], condition: Graph, body: Graph, count: int) -> Sequence[Any]:
    condition.check(operands)
    body.check(operands)
    _expect("the result of the condition", [np.False_], condition.outputs)
    carried = body.inputs[:count]
    _expect("the results of the body", carried, body.outputs)
    return carried


def _scan(
    operands: Sequence[Any],
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool = False,
) -> Sequence[Any]:
    n, m = counts
    if min(n, m, length) < 0 or n + m > len(operands) or not isinstance(reverse, bool):
        raise ValueError(f"counts, length and reverse do not fit {len(operands)} operands")
    items = operands[n : n + m]
    if any(x.shape[0] != length for x in items):
        raise ValueError(f"expected sequences of length {length}, got {types_text(items)}")
    inner = [placeholder(x.shape[1:], x.dtype) for x in items]
    body.check([*operands[:n], *inner, *operands[n + m :]])
    _expect("the carry from the body", body.inputs[:n], body.outputs[:n])
    results = [_type(y) for y in body.outputs[n:]]
    stacked = [placeholder((length, *shape), dtype) for shape, dtype in results]
    return [*body.outputs[:n], *stacked]


def _item(operands: Sequence[Any], i: int) -> Sequence[Any]:
    (bundle,) = operands
    if not isinstance(bundle, Symbol) or not has_several_results(bundle.op):
        raise ValueError("expected an operation with several results")
    assert bundle.op is not None
    every = result_types(bundle.op, bundle.inputs or (), bundle.parameters)
    if type(i) is not int or not 0 <= i < len(every):
        raise ValueError(f"expected one of the {len(every)} results, got i={i}")
    return [every[i]]


CARRIERS: Mapping[str, Callable[..., Sequence[Any]]] = {
    "fused": _fused,
    "cond": _cond,
    "while_loop": _while,
    "scan": _scan,
    "item": _item,
}
