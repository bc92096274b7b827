"""Draws a framework's graph as the framework has it, under its own names."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dlcourse.frameworks.program import Call, NamedValue, Program, references
from dlcourse.graphs.show.graphviz import DrawnEdge, DrawnNode, GraphDrawing

LONGEST_CONSTANT = 4  # numbers; of a longer one the shape is shown


def draw_program(program: Program, direction: Literal["TB", "LR"] = "TB") -> GraphDrawing:
    """The graph with its inputs, constants and operations; what no output needs is left out."""
    used = {ref.name for call in program.calls for ref in call.references()}
    used |= {ref.name for ref in references(program.outputs)}
    drawing = GraphDrawing(direction=direction)
    position: dict[str, int] = {}

    def add(node: DrawnNode, *names: str) -> None:
        position.update(dict.fromkeys(names, len(drawing.nodes)))
        drawing.nodes.append(node)

    for value in program.inputs:
        if value.name in used:
            add(DrawnNode("input", (value.name, _type_text(value))), value.name)
    for name, constant in program.constants.items():
        if name in used:
            add(DrawnNode("constant", (_constant_text(constant),)), name)
    for call in program.calls:
        lines = (call.operation, _details(call), *map(_type_text, call.results[:1]))
        add(DrawnNode("operation", tuple(filter(None, lines))), *(r.name for r in call.results))
        target = len(drawing.nodes) - 1
        for ref in call.references():
            drawing.edges.append(DrawnEdge(position[ref.name], target))
    return drawing


def _type_text(value: NamedValue) -> str:
    if value.dtype is None:
        return ""
    lengths = "×".join("?" if n is None else str(n) for n in value.shape or ())
    return f"{value.dtype} {lengths}".rstrip()


def _constant_text(constant: Any) -> str:
    array = np.asarray(constant)
    if array.size > LONGEST_CONSTANT:
        return _type_text(NamedValue("", array.shape, array.dtype))
    return np.array2string(array, precision=4, separator=", ")


def _details(call: Call) -> str:
    """The arguments that are no values of the graph, as in "(0,), True"."""
    plain = [str(a) for a in call.arguments if not references(a)]
    named = [f"{k}={v}" for k, v in call.attributes.items() if v and not references(v)]
    return ", ".join(plain + [text for text in named if "Program(" not in text])
