"""The reference pages that are made from the engine itself: its operations, its files, their sizes.

Directives:

- ``{operations}``: every row of the table of primitives, under its heading, with its rules as the
  table has them;
- ``{reading-order}``: the files of the engine's core with their numbers of code lines;
- ``{layers}``: a drawing of which part of the engine imports which.

All is read from the sources, so the pages cannot say anything else than the code.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import dlcourse
from dlcourse.drawing import Edge, GraphDrawing, Node
from dlcourse.ops import PRIMITIVES, rules, table

PACKAGE = Path(dlcourse.__file__).parent

# The core, in the order in which it is best read.
CORE = [
    "ops/primitive.py",
    "ops/table.py",
    "ops/rules.py",
    "autodiff/node.py",
    "autodiff/sweep.py",
    "autodiff/tensor.py",
    "autodiff/transforms.py",
    "graphs/symbol.py",
    "graphs/graph.py",
    "graphs/tracing.py",
    "graphs/gradient.py",
    "graphs/passes.py",
]

# The parts of the engine, the lowest first. A part imports those before it only.
LAYERS = ["ops", "array_methods", "autodiff", "graphs", "losses", "optimizers", "nn", "data",
          "compiled_step", "training"]  # fmt: skip


# --- What the sources say -------------------------------------------------------------------------


@dataclass
class Row:
    """An operation as the table has it."""

    name: str
    signature: str
    meaning: str
    notes: list[str]
    rules: list[tuple[str, str]] = field(default_factory=list)  # what for, and the source text


def headings() -> dict[str, str]:
    """For each operation the heading in the table that it stands under."""
    source = inspect.getsource(table)
    comments = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.start[1] == 0 and "fmt:" not in token.string
    }
    found = {}
    for name, call in _rows(source).items():
        above = [line for line in comments if line < call.lineno]
        found[name] = comments[max(above)] if above else "Operations"
    return found


def operations() -> list[Row]:
    """Every operation of the table, in its order."""
    source = inspect.getsource(table)
    rows = []
    for name, call in _rows(source).items():
        op = PRIMITIVES[name]
        parts = {k.arg: ast.get_source_segment(source, k.value) for k in call.keywords}
        notes = ["elementwise"] if op.elementwise else []
        notes += [] if op.pure else ["drawn anew at each run"]
        row = Row(name, f"{name}({', '.join(op.signature.parameters)})", op.meaning, notes)
        for argument in op.arguments or ["each"]:
            text = parts.get(argument)
            if text not in (None, "None"):
                row.rules.append((_rule_title(argument), _readable(str(text))))
        if parts.get("expand"):
            row.rules.append(("written with smaller operations", _readable(str(parts["expand"]))))
        rows.append(row)
    return rows


def _rows(source: str) -> dict[str, ast.Call]:
    """The calls that enter operations into the table, by the operation's name."""
    found = {}
    for statement in ast.parse(source).body:
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") in (
            "primitive",
            "elementwise",
        ):
            found[ast.literal_eval(value.args[0])] = value
    return found


def _rule_title(argument: str) -> str:
    return "gradient of arrays[i]" if argument == "each" else f"gradient of {argument}"


def _readable(text: str) -> str:
    """The body of a lambda, or the whole of a function that the table names."""
    if text.startswith("lambda"):
        body = text.split(":", 1)[1]
        lines = textwrap.dedent(body).strip().splitlines()
        return "\n".join([lines[0], *(f"    {line.strip()}" for line in lines[1:])])
    if text.startswith("rules."):
        return inspect.getsource(getattr(rules, text.removeprefix("rules."))).strip()
    return text


def code_lines(path: Path) -> int:
    """The number of lines of a file that hold code; docstrings, comments and blanks apart."""
    source = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            docstrings |= set(range(body[0].lineno, (body[0].end_lineno or 0) + 1))
    empty = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in empty:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def imports() -> dict[str, set[str]]:
    """For each layer the other layers that its files import, at the top or within a function."""
    return {layer: imported_by(layer) - {layer} for layer in LAYERS}


def imported_by(layer: str) -> set[str]:
    """The parts of dlcourse that the files of a part import, itself included."""
    folder = PACKAGE / layer
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "dlcourse":
                names = [f"dlcourse.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found |= {name.split(".")[1] for name in names if name.startswith("dlcourse.")}
    return found


# --- The directives -------------------------------------------------------------------------------


class Operations(SphinxDirective):
    """Every operation, under its heading."""

    def run(self) -> list[nodes.Node]:
        sections: dict[str, nodes.section] = {}
        heading_of = headings()
        for row in operations():
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
        made: list[nodes.Node] = [first]
        if not row.rules:
            made.append(nodes.paragraph("", "It has no derivative."))
        for title, text in row.rules:
            made.append(nodes.paragraph(title, "", nodes.emphasis(title, title)))
            made.append(nodes.literal_block(text, text, language="python"))
        return made


class ReadingOrder(SphinxDirective):
    """The core's files and their lines of code."""

    def run(self) -> list[nodes.Node]:
        rows, total = [], 0
        for name in CORE:
            path = PACKAGE / name
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            lines = code_lines(path)
            total += lines
            rows.append([f"dlcourse/{name}", str(lines), docstring.splitlines()[0]])
        rows.append(["together", str(total), "an afternoon"])
        return [_table(["file", "lines of code", "what it is"], rows)]


class Layers(SphinxDirective):
    """Which part imports which."""

    def run(self) -> list[nodes.Node]:
        found = imports()
        drawn = GraphDrawing(direction="TB")
        drawn.nodes = [Node("operation", (layer,)) for layer in LAYERS]
        drawn.edges = [
            Edge(LAYERS.index(lower), i)
            for i, layer in enumerate(LAYERS)
            for lower in sorted(_direct(found, layer), key=LAYERS.index)
        ]
        svg = drawn.svg()
        return [nodes.raw("", f'<div class="cell_output engine-figure">{svg}</div>', format="html")]


def _direct(found: dict[str, set[str]], layer: str) -> set[str]:
    """What a layer imports, without what it would reach through its other imports anyway."""
    lower = found[layer] & set(LAYERS)

    def reach(name: str) -> set[str]:
        below = found[name] & set(LAYERS)
        return below.union(*map(reach, below)) if below else set()

    return lower - set().union(*map(reach, lower)) if lower else lower


def _table(head: list[str], rows: list[list[str]]) -> nodes.table:
    made = nodes.table()
    group = nodes.tgroup(cols=len(head))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    body = nodes.tbody()
    for container, lines in ((nodes.thead(), [head]), (body, rows)):
        group += container
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", nodes.paragraph(text, text)) for text in line]
            container += row
    return made


def indented_is_literal(lines: list[str]) -> list[str]:
    """A docstring in which formulas and programs, which stand indented, are literal for reST."""
    made: list[str] = []
    last = ""  # the last line that is not empty
    for line in lines:
        follows = bool(made) and not made[-1].strip() and last and not last[0].isspace()
        if follows and line[:1].isspace() and not last.endswith("::"):
            made += ["::", ""]
        made.append(line)
        last = line if line.strip() else last
    return made


def _process_docstring(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    lines[:] = indented_is_literal(lines)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)  # before napoleon
    app.add_directive("operations", Operations)
    app.add_directive("reading-order", ReadingOrder)
    app.add_directive("layers", Layers)
    return {"version": "1", "parallel_read_safe": True}
