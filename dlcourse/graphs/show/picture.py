"""A static graph as a picture, and what a pass changed as two.

The form of a node says what it is, see `dlcourse.graphs.show.graphviz`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlcourse.graphs.graph import Graph
from dlcourse.graphs.result_types import result_types, types_text
from dlcourse.graphs.show.graphviz import Direction, DrawnEdge, DrawnNode, GraphDrawing, Group
from dlcourse.graphs.show.matching import match
from dlcourse.graphs.show.printing import names_of, parameter_text
from dlcourse.graphs.symbol import Symbol, type_text
from dlcourse.ops import Primitive

# A longer list of parameters would make a node wider than a phone.
LONGEST = 24


def draw(graph: Graph, direction: Direction = "TB") -> GraphDrawing:
    """Draw ``graph``: each operation with its name and type, a subgraph in a frame of its own.

    Args:
        graph: What to draw.
        direction: "TB", from top to bottom, or "LR", from left to right.
    """
    drawing = GraphDrawing(direction=direction)
    drawing.groups += _add(drawing, graph, {}).groups
    return drawing


def draw_change(before: Graph, after: Graph, direction: Direction = "TB") -> GraphDrawing:
    """Draw what a pass made of a graph; what is removed, merged or new has a thick border.

    Args:
        before, after: Two graphs on the same inputs.
        direction: "TB" draws the two side by side, "LR" one above the other.

    Raises:
        ValueError: The graphs have not the same inputs and as many outputs.
    """
    counterparts = match(before, after)
    kept = {id(node) for node in counterparts.values()}
    drawing = GraphDrawing(direction=direction)
    left = _add(drawing, before, _removed(before, counterparts))
    right = _add(drawing, after, {id(n): "new" for n in after.nodes if id(n) not in kept})
    drawing.groups = [
        Group("before", left.nodes, left.groups),
        Group("after", right.nodes, right.groups),
    ]
    return drawing


def _removed(before: Graph, counterparts: Mapping[int, Symbol]) -> dict[int, str]:
    names = names_of(before)
    first: dict[int, Symbol] = {}
    marks = {}
    for node in before.nodes:
        counterpart = counterparts.get(id(node))
        if counterpart is None:
            marks[id(node)] = "removed"
        elif first.setdefault(id(counterpart), node) is not node:
            marks[id(node)] = f"merged into {names[id(first[id(counterpart)])]}"
    return marks


def _add(drawing: GraphDrawing, graph: Graph, marks: Mapping[int, str]) -> Group:
    """Add the nodes and edges of ``graph``; returns which they are."""
    names = names_of(graph)
    outputs = {id(x) for x in graph.outputs}
    place: dict[int, int] = {}
    own: list[int] = []
    frames = []

    def add(node: DrawnNode) -> int:
        drawing.nodes.append(node)
        own.append(len(drawing.nodes) - 1)
        return own[-1]

    def add_constant(x: Any) -> int:
        return add(DrawnNode("constant", (_constant_text(x),), is_output=id(x) in outputs))

    for x in graph.inputs:
        lines = (names[id(x)], type_text(x))
        place[id(x)] = add(DrawnNode("input", lines, is_output=id(x) in outputs))
    for node in graph.nodes:
        lines = (_operation_text(node), f"{names[id(node)]}: {_result_text(node)}")
        mark = marks.get(id(node))
        here = add(DrawnNode("operation", lines, is_output=id(node) in outputs, mark=mark))
        place[id(node)] = here
        for x in node.operands:
            if id(x) not in place:
                # A number stands beside each operation that uses it, an array is drawn once.
                constant = add_constant(x)
                if isinstance(x, np.ndarray):
                    place[id(x)] = constant
            drawing.edges.append(DrawnEdge(place.get(id(x), own[-1]), here))
        inner = [
            Group(f"{key} of {names[id(node)]}", part.nodes, part.groups)
            for key, value in node.parameters.items()
            if isinstance(value, Graph)
            for part in [_add(drawing, value, {})]
        ]
        if inner:
            frames.append(Group(f"{names[id(node)]}: {node.operation_name()}", [here], inner))
    for x in graph.outputs:
        if id(x) not in place:
            place[id(x)] = add_constant(x)
    return Group(graph.name, own, frames)


def _result_text(node: Symbol) -> str:
    if node.op is None or not node.op.has_several_results:
        return type_text(node)
    return types_text(result_types(node.op, node.operands, node.parameters))


def _constant_text(x: Any) -> str:
    if np.size(x) != 1:
        return type_text(x)
    number = np.asarray(x).item()
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def _operation_text(node: Symbol) -> str:
    """The name of the operation, with the parameters that differ from its defaults."""
    assert node.op is not None
    parameters = shown_parameters(node.op, node.parameters)
    shown = ", ".join(f"{key}={parameter_text(value)}" for key, value in parameters.items())
    if len(shown) > LONGEST:
        shown = shown[: LONGEST - 1] + "…"
    return f"{node.op.name} {shown}" if shown else node.op.name


def shown_parameters(op: Primitive, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from the operation's defaults and are no graphs."""
    defaults = {} if isinstance(op.kernel, np.ufunc) else _defaults(op.kernel)
    return {
        key: value
        for key, value in parameters.items()
        if not isinstance(value, Graph) and not _is_default(value, defaults.get(key, _NONE))
    }


_NONE = object()


def _defaults(kernel: Any) -> dict[str, Any]:
    parameters = inspect.signature(kernel).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _is_default(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(np.all(value == default))


Graph.picture = draw  # which a notebook shows
