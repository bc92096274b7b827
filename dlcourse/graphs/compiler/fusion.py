"""Elementwise fusion: a group of elementwise operations as one, computed piece by piece.

One after another, the operations read and write whole arrays, and a large array does not stay in
the processor's cache in between. The fused operation takes a piece of each operand through all the
steps before it goes on to the next piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, placeholder
from dlcourse.ops import Array, Primitive

# Bytes of a piece: a few of them fit into the second-level cache of today's processors.
PIECE = 1 << 16


def fuse_elementwise(graph: Graph) -> Graph:
    """With each group of elementwise operations that feed one result as one operation.

    The members of a group have the result's shape, and nobody outside needs what is in between.
    """
    groups = _groups(graph)
    new: dict[int, Any] = {id(x): x for x in graph.inputs}
    for node in graph.nodes:
        group = groups.get(id(node), [])
        if len(group) > 1 and node is not group[-1]:
            continue
        made = _fused_group(group, new) if len(group) > 1 else None
        if made is None:
            made = node.on(tuple(new.get(id(x), x) for x in node.operands))
        new[id(node)] = made
    return Graph(graph.inputs, [new.get(id(x), x) for x in graph.outputs], graph.name)


def _groups(graph: Graph) -> dict[int, list[Symbol]]:
    """For each elementwise operation, by id, the members of its group in order, the result last."""
    users: dict[int, list[Symbol | None]] = {id(x): [None] for x in graph.outputs}
    for node in graph.nodes:
        for x in node.operands:
            users.setdefault(id(x), []).append(node)
    result_of: dict[int, Symbol] = {}
    groups: dict[int, list[Symbol]] = {}
    for node in reversed(graph.nodes):
        if node.op is None or not (node.op.elementwise and node.op.pure):
            continue
        results = [result_of.get(id(user)) for user in users.get(id(node), [None])]
        result = results[0]
        if result is None or result.shape != node.shape or any(r is not result for r in results):
            result = node
        result_of[id(node)] = result
        groups.setdefault(id(result), []).append(node)
    return {id(node): group[::-1] for group in groups.values() for node in group}


def _fused_group(group: list[Symbol], new: dict[int, Any]) -> Symbol:
    """One operation for the members of ``group``; ``new`` has the values from outside."""
    own = {id(node) for node in group}
    outside: dict[int, Any] = {}
    for node in group:
        for x in node.operands:
            if isinstance(x, Symbol | np.ndarray) and id(x) not in own:
                outside[id(x)] = x
    inner: dict[int, Any] = {k: placeholder(x.shape, x.dtype) for k, x in outside.items()}
    for node in group:
        inner[id(node)] = node.on(tuple(inner.get(id(x), x) for x in node.operands))
    result = group[-1]
    body = Graph([inner[k] for k in outside], [inner[id(result)]])
    operands = tuple(new.get(k, x) for k, x in outside.items())
    return Symbol(result.shape, result.dtype, op=fused, inputs=operands, parameters={"body": body})


def _run_in_pieces(*arrays: Array, body: Graph, out: Array | None = None) -> Array:
    (result,) = body.outputs
    y = np.empty(result.shape, result.dtype) if out is None else out
    flat = all((a.shape == y.shape and a.flags.c_contiguous) or a.ndim == 0 for a in (*arrays, y))
    views = [a.reshape(-1) if a.ndim else a for a in arrays] if flat else list(arrays)
    target = y.reshape(-1) if flat else y
    if not target.ndim:
        views, target = [a.reshape(1) for a in views], target.reshape(1)
    length = len(target)
    rows = max(1, PIECE * length // max(1, target.nbytes))
    for start in range(0, length, rows):
        piece = slice(start, start + rows)
        parts = [a[piece] if a.ndim == target.ndim and len(a) == length else a for a in views]
        _run_once(body, parts, target[piece])
    return y


def _run_once(body: Graph, values: list[Any], out: Array) -> None:
    known = dict(zip(map(id, body.inputs), values, strict=True))
    *before, last = body.nodes
    for node in before:
        known[id(node)] = _compute(node, known)
    if last.op is not None and last.op.takes_out:
        _compute(last, known, out=out)
    else:
        out[...] = _compute(last, known)


def _compute(node: Symbol, known: dict[int, Any], **out: Array) -> Any:
    assert node.op is not None
    operands = [known.get(id(x), x) for x in node.operands]
    return node.op.kernel(*operands, **node.parameters, **out)


def _fused_types(operands: Sequence[Any], body: Graph) -> Sequence[Any]:
    body.check(operands)
    if not all(node.op is not None and node.op.elementwise for node in body.nodes):
        raise ValueError("the body must have elementwise operations alone")
    if len(body.outputs) != 1 or not body.nodes or body.outputs[0] is not body.nodes[-1]:
        raise ValueError("the body must have one output, its last operation")
    return body.outputs


def _no_rule(*_arguments: Any, **_parameters: Any) -> NoReturn:
    raise TypeError("fused: a fused graph has no derivative rule; call gradient(graph) before")


fused = Primitive(
    "fused", _run_in_pieces, "a group of elementwise operations, piece by piece", {},
    each=_no_rule, elementwise=True, result_types=_fused_types,
)  # fmt: skip
