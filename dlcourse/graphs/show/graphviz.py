"""Drawings of graphs of any kind: nodes, edges and named groups, placed by Graphviz.

Each kind of node has a form of its own, so that a drawing can be read without its colours: an input
is an ellipse, an operation a box, a constant bare text, and an output has a double border.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

Kind = Literal["input", "constant", "operation"]
Direction = Literal["TB", "LR"]

SHAPE: Mapping[Kind, str] = {"input": "ellipse", "constant": "plaintext", "operation": "box"}
# Drawn on white; the book's style sheet turns the lightness round in the dark.
FILL: Mapping[Kind, str] = {"input": "#d6e8f7", "constant": "#eeeeee", "operation": "#fdebd2"}
STYLE: Mapping[Kind, str] = {"input": "filled", "constant": "", "operation": "rounded,filled"}
GRADIENT_COLOR = "#b3261e"
LINE_COLOR = "#666666"
FONT = "Helvetica,Arial,sans-serif"
# Graphviz sizes a node by its own measure of the text; browsers' fonts are a little wider.
MARGIN: Mapping[Kind, str] = {
    "input": "0.02,0.02",
    "constant": "0.05,0.02",
    "operation": "0.14,0.06",
}


@dataclass(frozen=True)
class DrawnNode:
    """One value of a graph: something that was given, a constant, or the result of an operation.

    Attributes:
        kind: Which of the three it is.
        lines: What is written into it; of an operation, the first line is its name.
        gradient: The gradient to write below, in its own colour.
        is_output: Whether it is a result of the whole graph.
        mark: What to point out, such as "removed"; the border is thick then.
    """

    kind: Kind
    lines: tuple[str, ...]
    gradient: str | None = None
    is_output: bool = False
    mark: str | None = None


@dataclass(frozen=True)
class DrawnEdge:
    """From the node ``source`` to the node ``target`` (positions in ``GraphDrawing.nodes``).

    Attributes:
        source, target: The positions.
        gradient: The gradient to write on it.
    """

    source: int
    target: int
    gradient: str | None = None


@dataclass(frozen=True)
class Group:
    """A frame with a title around some nodes and further groups."""

    title: str
    nodes: Sequence[int] = ()
    groups: Sequence[Group] = ()


@dataclass
class GraphDrawing:
    """A drawn graph; Jupyter shows it as SVG.

    In the SVG, node i has the class "ni" and edge j the class "ej", so that a script finds them.

    Attributes:
        nodes, edges: What is drawn, inputs before results.
        direction: "TB", results below their inputs, or "LR", results to the right.
        groups: The frames.
    """

    nodes: list[DrawnNode] = field(default_factory=list)
    edges: list[DrawnEdge] = field(default_factory=list)
    direction: Direction = "TB"
    groups: list[Group] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<graph of {len(self.nodes)} nodes and {len(self.edges)} edges>"

    def _repr_svg_(self) -> str:
        return self.svg()

    def svg(self) -> str:
        """The drawing as the text of an SVG file; the same graph always gives the same text."""
        return self.render("svg").decode()

    def render(self, format: str) -> bytes:
        """The drawing as a file of a format that Graphviz has: "svg", "png", "pdf", "dot"."""
        import pygraphviz

        graph = pygraphviz.AGraph(directed=True, strict=False)
        graph.graph_attr.update(
            rankdir=self.direction, bgcolor="transparent", nodesep=0.2, ranksep=0.35, pad=0.05,
            fontname=FONT, fontsize=11,
        )  # fmt: skip
        graph.node_attr.update(fontname=FONT, fontsize=12, height=0.3, width=0.3, color=LINE_COLOR)
        graph.edge_attr.update(fontname=FONT, fontsize=11, arrowsize=0.7, color=LINE_COLOR)
        for i, node in enumerate(self.nodes):
            graph.add_node(
                i,
                label=_node_label(node),
                shape=SHAPE[node.kind],
                style=STYLE[node.kind],
                fillcolor=FILL[node.kind],
                margin=MARGIN[node.kind],
                peripheries=0 if node.kind == "constant" else 1 + node.is_output,
                penwidth=2.5 if node.mark else 1,
                **{"class": f"n{i}"},
            )
        for j, edge in enumerate(self.edges):
            label = "" if edge.gradient is None else _colored(f" {edge.gradient} ")
            text = f"<{label}>" if label else ""
            graph.add_edge(edge.source, edge.target, label=text, **{"class": f"e{j}"})
        _add_groups(graph, self.groups, "cluster")
        return bytes(graph.draw(format=format, prog="dot"))


def _add_groups(graph: Any, groups: Sequence[Group], name: str) -> None:
    for i, group in enumerate(groups):
        inner = graph.add_subgraph(
            _nodes_of(group), f"{name}_{i}", label=group.title, color=LINE_COLOR, style="dashed"
        )
        _add_groups(inner, group.groups, f"{name}_{i}")


def _nodes_of(group: Group) -> list[int]:
    return [*group.nodes, *(i for inner in group.groups for i in _nodes_of(inner))]


def _colored(text: str) -> str:
    return f'<font color="{GRADIENT_COLOR}">{escape(text)}</font>'


def _node_label(node: DrawnNode) -> str:
    first, *rest = node.lines
    lines = [f"<b>{escape(first)}</b>" if node.kind == "operation" else escape(first)]
    lines += [escape(line) for line in rest]
    if node.gradient is not None:
        lines.append(_colored(f"gradient {node.gradient}"))
    if node.mark is not None:
        lines.append(f"<i>{escape(node.mark)}</i>")
    return f"<{'<br/>'.join(lines)}>"
