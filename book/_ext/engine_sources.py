"""What the engine's sources say about it: operations and rules, sizes, and who imports whom."""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import dlcourse
from dlcourse.ops import PRIMITIVES, fast, rules, table

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
    "graphs/compiler/passes.py",
]

# The parts of the engine, the lowest first. A part imports those before it only.
LAYERS = ["ops", "autodiff", "graphs", "losses", "optimizers", "nn", "training"]
# What shows the engine, or compares it. They stand above the engine, which does not know them.
VIEWS = ["views", "frameworks"]


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
        notes += [] if op.pure else ["drawn again at each run"]
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
    module, _, name = text.partition(".")
    if module in ("rules", "fast"):
        return inspect.getsource(getattr({"rules": rules, "fast": fast}[module], name)).strip()
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


def modules() -> dict[str, Path]:
    """The files of dlcourse by the names of their modules; a package has that of its folder."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported_modules(file: Path, known: Collection[str]) -> set[str]:
    """Those of the modules ``known`` that a file imports.

    Wherever it does so: at the top, within a function, or for the checker of types alone.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & {*known}
            # The package itself is meant by what is in none of its modules.
            found |= inside if len(inside) == len(node.names) else {*inside, node.module or ""}
    return found & {*known}


def imports(part: str) -> set[str]:
    """The other parts of dlcourse that a part's files import."""
    known = modules()
    found = set().union(*(imported_modules(file, known) for file in files(part)))
    return {name.split(".")[1] for name in found if "." in name} - {part}


def tables_of_operations(file: Path) -> list[str]:
    """The names of a module's constants that list operations, by name or as ``ops.name``."""
    found = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        value = getattr(node, "value", None)
        if not isinstance(node, ast.Assign | ast.AnnAssign) or value is None:
            continue
        keys = {
            part.value if isinstance(part, ast.Constant) else part.attr
            for part in ast.walk(value)
            if isinstance(part, ast.Constant) or _is_of_ops(part)
        }
        is_table = isinstance(value, ast.Dict | ast.Set | ast.List | ast.Tuple)
        name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        if is_table and name != "__all__" and keys & PRIMITIVES.keys():
            found.append(name)
    return found


def _is_of_ops(node: ast.AST) -> bool:
    is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return is_attribute and node.value.id == "ops"  # type: ignore[attr-defined]


def circle() -> list[str]:
    """Modules of dlcourse each of which imports the next, and the last the first; or none."""
    known = modules()
    below = {name: sorted(imported_modules(file, known)) for name, file in known.items()}
    done: set[str] = set()
    for start in below:
        way, choices = [start], [iter(below[start])]
        while way:
            lower = next(choices[-1], None)
            if lower is None:
                done.add(way.pop())
                choices.pop()
            elif lower in way:
                return way[way.index(lower) :]
            elif lower not in done:
                way.append(lower)
                choices.append(iter(below[lower]))
    return []


def files(part: str) -> list[Path]:
    """The files of a part, which is a module or a package."""
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def direct_imports() -> dict[str, list[str]]:
    """For each drawn layer those that it imports and would not reach through others anyway."""
    below: dict[str, set[str]] = {}
    direct: dict[str, list[str]] = {}
    for layer in LAYERS:
        lower = imports(layer) & set(LAYERS)
        through_others = set().union(*(below[name] for name in lower))
        below[layer] = lower | through_others
        direct[layer] = [name for name in LAYERS if name in lower - through_others]
    return direct
