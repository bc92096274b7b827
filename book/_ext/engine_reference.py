"""The reference pages that are made from the engine itself: its operations, its files, their sizes.

Directives:

- ``{operations}``: every row of the table of primitives, under its heading, with its rules as the
  table has them;
- ``{reading-order}``: the files of the engine's core with their numbers of code lines;
- ``{idioms} FRAMEWORK``: what is known from that framework, and how it is said here;
- ``{layers}``: a drawing of which part of the engine imports which.

All is read from the sources, so the pages cannot say anything else than the code. Docstrings are
prepared for autodoc: what stands indented in them is literal.
"""

from __future__ import annotations

import ast
import base64
from typing import Any

import engine_sources
import idioms
from docutils import nodes
from engine_sources import Row
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dlcourse.graphs.show.graphviz import DrawnEdge, DrawnNode, GraphDrawing


class Operations(SphinxDirective):
    """Every operation, under its heading."""

    def run(self) -> list[nodes.Node]:
        sections: dict[str, nodes.section] = {}
        heading_of = engine_sources.headings()
        for row in engine_sources.operations():
            heading = heading_of[row.name]
            if heading not in sections:
                sections[heading] = self._section(heading, nodes.make_id(f"ops-{heading}"))
            section = self._section(row.name, f"op-{row.name.replace('_', '-')}")
            section += self._description(row)
            sections[heading] += section
        return list(sections.values())

    def _section(self, title: str, identifier: str) -> nodes.section:
        section = nodes.section(ids=[identifier], names=[])
        section += nodes.title(title, title)
        self.state.document.note_explicit_target(section)
        return section

    def _description(self, row: Row) -> list[nodes.Node]:
        notes = f" ({', '.join(row.notes)})" if row.notes else ""
        first = nodes.paragraph()
        first += nodes.literal(row.signature, row.signature)
        first += nodes.Text(f": {row.meaning}{notes}.")
        if not row.rules:
            return [first, nodes.paragraph("", "It has no derivative.")]
        fields = nodes.field_list(classes=["rules"])
        for title, text in row.rules:
            code = (
                nodes.literal_block(text, text, language="python")
                if "\n" in text
                else nodes.paragraph("", "", nodes.literal(text, text))
            )
            fields += nodes.field("", nodes.field_name(title, title), nodes.field_body("", code))
        return [first, fields]


class ReadingOrder(SphinxDirective):
    """The core's files and their lines of code."""

    def run(self) -> list[nodes.Node]:
        rows, total = [], 0
        for name in engine_sources.CORE:
            path = engine_sources.PACKAGE / name
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            lines = engine_sources.code_lines(path)
            total += lines
            rows.append([name, str(lines), docstring.splitlines()[0]])
        rows.append(["together", str(total), "an afternoon"])
        return [_table(["file", "lines of code", "what it is"], rows)]


class Idioms(SphinxDirective):
    """How a framework's idioms are said in dlcourse."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        framework = self.arguments[0]
        rows = [[_code(row.theirs), _said(row)] for row in idioms.IDIOMS[framework]]
        table = _table([framework, "dlcourse, and what differs on purpose"], rows)
        table["classes"].append("idioms")
        return [table]


def _code(text: str) -> nodes.literal_block:
    return nodes.literal_block(text, text, language="python")


def _said(row: idioms.Idiom) -> nodes.container:
    """What dlcourse says; below it what differs, if anything does."""
    said = nodes.container("", _code(row.ours))
    if row.why:
        said += nodes.paragraph(row.why, row.why)
    return said


class Layers(SphinxDirective):
    """Which part imports which."""

    def run(self) -> list[nodes.Node]:
        below = engine_sources.direct_imports()
        layers = list(below)
        drawn = GraphDrawing(
            nodes=[DrawnNode("operation", (layer,)) for layer in layers],
            edges=[
                DrawnEdge(layers.index(layer), layers.index(lower))
                for layer in layers
                for lower in below[layer]
            ],
        )
        uses = "; ".join(f"{layer} uses {' and '.join(low)}" for layer, low in below.items() if low)
        data = base64.b64encode(drawn.render("svg")).decode()
        image = f'<img alt="The parts of dlcourse: {uses}." src="data:image/svg+xml;base64,{data}">'
        return [nodes.raw("", f'<div class="cell_output">{image}</div>', format="html")]


def _table(head: list[str], rows: list[list[Any]]) -> nodes.table:
    """A table of texts, or of nodes."""
    made = nodes.table()
    group = nodes.tgroup(cols=len(head))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    body = nodes.tbody()
    for container, lines in ((nodes.thead(), [head]), (body, rows)):
        group += container
        for line in lines:
            row = nodes.row()
            row += [
                nodes.entry("", x if isinstance(x, nodes.Node) else nodes.paragraph(x, x))
                for x in line
            ]
            container += row
    return made


def indented_is_literal(*arguments: Any) -> None:
    """Make literal for reST what stands indented in a docstring: formulas and programs.

    A handler of autodoc-process-docstring, whose last argument is the list of lines to change.
    """
    lines: list[str] = arguments[-1]
    made: list[str] = []
    last = ""  # the last line that is not empty
    for line in lines:
        follows_a_blank = bool(made) and not made[-1].strip()
        if follows_a_blank and line[:1].isspace() and last and not last[0].isspace():
            made += ["::", ""]
        made.append(line)
        last = line if line.strip() else last
    lines[:] = made


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("autodoc-process-docstring", indented_is_literal, priority=400)  # before napoleon
    app.add_directive("operations", Operations)
    app.add_directive("reading-order", ReadingOrder)
    app.add_directive("idioms", Idioms)
    app.add_directive("layers", Layers)
    return {"version": "1", "parallel_read_safe": True}
