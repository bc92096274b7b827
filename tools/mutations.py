"""Small changes of a program, one at a time: what a careful test would notice.

Each changes one node of the syntax tree: an operator, a constant, a condition, an argument, a
result, or a statement that goes. Annotations, docstrings, lists of public names and prose, such as
the texts of errors, stay as they are; and what states an invariant as an assert does, the
``strict=`` of a zip.
"""

from __future__ import annotations

import ast
import copy
import itertools
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


# Functions whose first two arguments may change places.
SYMMETRIC = ("min", "max", "np.minimum", "np.maximum", "ops.minimum", "ops.maximum")


Change = tuple[ast.expr | ast.stmt, ast.AST | str]  # of which part of a node, and into what
Key = tuple[str, str, str]  # where a change is, the line that it changes, and what it is
Operators = Callable[[ast.expr | ast.stmt], Iterator[Change]]


@dataclass(frozen=True)
class Mutant:
    """A change of a file: the bytes from ``start`` to ``end`` become ``text``."""

    line: int
    start: int
    end: int
    text: str
    what: str  # "a + b -> a - b"

    def apply(self, source: str) -> str:
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()


def equivalents(path: Path, place: str) -> dict[Key, str]:
    """The changes that a file says nobody can notice, with the reason; none if it is not there.

    ``place`` is what an entry calls where the change is: a file, say. See `Key`.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    entries = tomllib.loads(text).get("mutant", [])
    return {(e[place], e["line"], e["change"]): e["reason"] for e in entries}


def mutants(source: str, *further: Operators) -> list[Mutant]:
    """All changes of a program, in the order of the text, those of ``further`` operators too."""
    lines = source.encode().splitlines(keepends=True)
    offsets = [0, *itertools.accumulate(map(len, lines))]
    found = set()
    for node in _relevant(ast.parse(source)):
        every = itertools.chain(_changes(node), *(operators(node) for operators in further))
        for target, change in every:
            start = offsets[target.lineno - 1] + target.col_offset
            end = offsets[(target.end_lineno or 0) - 1] + (target.end_col_offset or 0)
            new = change if isinstance(change, str) else ast.unparse(change)
            text = new if isinstance(target, ast.stmt) else f"({new})"
            found.add(Mutant(target.lineno, start, end, text, f"{_short(target)} -> {_fold(new)}"))
    return sorted(found, key=lambda m: (m.start, m.end, m.what))


def _relevant(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The nodes below that a change can be seen of; a pattern of `match` takes no brackets."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "pattern"):
            continue
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert) or _is_list_of_names(node):
            continue
        if _is_type(node) or (isinstance(node, ast.keyword) and node.arg == "strict"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_docstring(child) or _is_type_checking(child):
                continue
            if isinstance(child, ast.expr | ast.stmt) and not _is_letters(child, node):
                yield child
            yield from _relevant(child)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_prose(text: str) -> bool:
    return " " in text.strip()


def _is_list_of_names(node: ast.AST) -> bool:
    names = ("__all__", "__slots__")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names


def _is_type(node: ast.AST) -> bool:
    """Whether a node is a ``Literal[...]``, which no program reads."""
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"


def _is_letters(node: ast.AST, parent: ast.AST) -> bool:
    """Whether a text is a set of letters, as in ``dtype.kind in "iu"``: see `_changes`."""
    is_membership = isinstance(parent, ast.Compare) and isinstance(
        parent.ops[0], ast.In | ast.NotIn
    )
    return is_membership and isinstance(node, ast.Constant) and node is parent.comparators[0]


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _changes(node: ast.expr | ast.stmt) -> Iterator[Change]:
    """What may change at a node: which part of it, and into what."""
    match node:
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield node, with_fields(node, op=OPERATORS[type(node.op)]())
        case ast.BoolOp():
            yield node, with_fields(node, op=OPERATORS[type(node.op)]())
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield node, rest[0] if len(rest) == 1 else with_fields(node, values=rest)
        case ast.Compare(ops=[op], comparators=[right]) if type(op) in OPERATORS:
            yield node, with_fields(node, ops=[OPERATORS[type(op)]()])
            if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Constant):
                yield node, with_fields(node, comparators=[ast.Constant(str(right.value)[:-1])])
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node, node.operand
        case ast.Constant(value=bool()):
            yield node, ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as value):
            yield node, ast.Constant(value + 1)
        case ast.Constant(value=str() as value) if not _is_prose(value):
            yield node, ast.Constant(f"{value}_")
        case ast.IfExp():
            yield node, node.body
            yield node, node.orelse
        case ast.If():
            yield node.test, "True"
            yield node.test, "False"
        case ast.Call():
            for i, keyword in enumerate(node.keywords):
                if keyword.arg not in (None, "strict"):
                    yield (
                        node,
                        with_fields(node, keywords=node.keywords[:i] + node.keywords[i + 1 :]),
                    )
            two = len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[:2])
            if two and ast.unparse(node.func) not in SYMMETRIC:
                yield node, with_fields(node, args=[node.args[1], node.args[0], *node.args[2:]])
        case ast.Return(value=ast.expr()) if ast.unparse(node.value) != "None":
            yield node, "return None"
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Continue() | ast.AugAssign():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"


def with_fields(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _short(node: ast.AST) -> str:
    return _fold(ast.unparse(node))


def _fold(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
