"""Reads an assignment's notebook: what its author writes on a cell becomes nbgrader's metadata.

    id: sum-text                       text or code that is given, and locked
    id: sum-answer, answer: true       an answer; the checks of the test below it mark it
    id: sum, points: 3                 a test, after which the checks of that name run
    ..., imports: [torch]              the same, where these packages may be imported, too
    id: essay, answer: true, points: 5 an answer that a person marks
    id: drawing, task: true, points: 5 a task: what is added below it a person marks

Metadata in nbgrader's own form is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from dlcourse.grading.errors import AssignmentError

SCHEMA_VERSION = 3
FORM = "id, and as it needs: answer: true, task: true, points: a number above 0, imports: [...]"


def read_notebook(path: Path) -> NotebookNode:
    """An assignment's notebook, from MyST Markdown, with nbgrader's metadata.

    Raises AssignmentError where the metadata of a cell is not of the form above.
    """
    notebook: NotebookNode = jupytext.read(path)
    for number, cell in enumerate(notebook.cells, start=1):
        try:
            expand(cell)
        except ValueError as error:
            raise AssignmentError(f"{path}: cell {number}: {error}") from error
    return notebook


def expand(cell: NotebookNode) -> None:
    """Replace a cell's short metadata by nbgrader's; ValueError if it cannot be read."""
    short = {
        name: value for name, value in cell.metadata.items() if name not in ("nbgrader", "tags")
    }
    if not short:
        return
    if unknown := sorted(set(short) - {"id", "answer", "task", "points", "imports"}):
        raise ValueError(f"found {', '.join(unknown)} in its metadata; expected {FORM}")
    if "nbgrader" in cell.metadata:
        raise ValueError(f"expected either nbgrader's metadata or {FORM}; found both")
    cell.metadata = nbformat.from_dict(
        {name: value for name, value in cell.metadata.items() if name not in short}
        | {"nbgrader": _nbgrader(short)}
    )
    if "imports" in short:
        cell.metadata["dlcourse"] = {"imports": _imports(short)}


def _nbgrader(short: Mapping[str, Any]) -> dict[str, Any]:
    name, points = short.get("id"), short.get("points")
    answer, task = short.get("answer", False), short.get("task", False)
    if not isinstance(name, str) or not name:
        raise ValueError(f"its id must be a name, not {name!r}")
    if not isinstance(answer, bool) or not isinstance(task, bool):
        raise ValueError(f"{name}: answer and task are true or false")
    if answer and task:
        raise ValueError(f"{name}: it is an answer or a task, not both")
    if task and points is None:
        raise ValueError(f"{name}: a task needs points")
    if points is not None and (
        isinstance(points, bool) or not isinstance(points, int | float) or not points > 0
    ):
        raise ValueError(f"{name}: points must be a number above 0, not {points!r}")
    metadata: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "grade_id": name,
        "grade": points is not None and not task,
        "solution": answer,
        "locked": not answer,
        "task": task,
    }
    return metadata if points is None else metadata | {"points": points}


def _imports(short: Mapping[str, Any]) -> list[str]:
    names, is_test = short["imports"], "points" in short and not short.get("answer")
    if not is_test or short.get("task"):
        raise ValueError(f"{short['id']}: imports belong to a test, which has points and no answer")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{short['id']}: imports must be a list of names, not {names!r}")
    return names
