"""Files of answers: `solutions/NAME/wrong/*.py` and `solutions/NAME/right/*.py`.

Such a file is a docstring, for a wrong solution the set `LOSES` of the checks that must fail, and
then a part for each answer cell that it changes, headed `# %% grade_id`. What a part defines
replaces what the reference solution defines by the same name; the rest of that cell stays.

The docstring of a wrong solution names its misconception. A student whose answer behaves like it
reads that sentence, unless the file says `ATTACK = True`.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

HEADING = re.compile(r"^# %% (\S+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Answers:
    """One file of answers. `parts` maps the grade_id of an answer cell to its Python source."""

    name: str
    description: str
    loses: frozenset[str]
    attack: bool
    parts: Mapping[str, str]


def read_answers(path: Path) -> Answers:
    """Read a file of answers.

    Raises ValueError where it does not have the form described above, SyntaxError where it is no
    Python.
    """
    head, *rest = HEADING.split(path.read_text(encoding="utf-8"))
    if not rest:
        raise ValueError("no part is headed '# %% grade_id'")
    tree = ast.parse(head)
    description = ast.get_docstring(tree)
    if not description:
        raise ValueError("a docstring should say what is special about these answers")
    settings: dict[str, Any] = {"LOSES": (), "ATTACK": False}
    for statement in tree.body[1:]:
        name = next(iter(_defined(statement)), "")
        if not isinstance(statement, ast.Assign) or name not in settings:
            raise ValueError(
                f"line {statement.lineno}: expected only LOSES = {{...}} or ATTACK = True"
            )
        settings[name] = ast.literal_eval(statement.value)
    for part in rest[1::2]:
        ast.parse(part)
    return Answers(
        path.stem,
        " ".join(description.split()),
        frozenset(settings["LOSES"]),
        bool(settings["ATTACK"]),
        dict(zip(rest[::2], rest[1::2], strict=True)),
    )


def with_answers(source: NotebookNode, parts: Mapping[str, str]) -> NotebookNode:
    """A copy of the reference solution in which the parts replace what they define."""
    notebook = copy.deepcopy(source)
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    for grade_id, part in parts.items():
        if grade_id not in cells or not cells[grade_id].metadata.nbgrader.solution:
            raise ValueError(f"the notebook has no answer cell with the grade_id {grade_id!r}")
        cell = cells[grade_id]
        cell.source = merge(cell.source, part)
    return notebook


def merge(reference: str, part: str) -> str:
    """The part, after those definitions of the reference that it does not replace."""
    replaced = set().union(*map(_defined, ast.parse(part).body))
    lines = reference.splitlines()
    kept = [
        "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        for statement in ast.parse(reference).body
        if not _defined(statement) & replaced
    ]
    return "\n\n\n".join([*kept, part.strip()])


def _defined(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top level of a cell defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()
