"""Says what was observed when a check failed, in words of our own.

A student's process holds the hidden checks, so of what comes out of it nothing is quoted: names
come from the released notebook or from a short list, numbers from the grader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment, Question, grade_id
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.probes import CellError

DEFINITION = re.compile(r"^(?:(?:async +)?def|class) +(\w+)|^(\w+) *=(?!=)", re.MULTILINE)

ENDINGS = {
    "data": "wrong number of cases",
    "died": "the process ended",
    "unreadable": "returned something unreadable",
    "not reached": "not reached",
}
CELL_ENDINGS = {
    "timeout": "computed for too long",
    "died": "ended the process",
    "memory": "took too much memory",
    "flood": "printed too much",
    "time is up": "was not reached",
}


def place_of(label: str, problem: str) -> str:
    """The problem, with the case at which it was observed if it has a name."""
    return f"{label}: {problem}" if label else problem


def ending(
    answer: ProbeResult,
    assignment: Assignment,
    notebook: NotebookNode,
    question: Question,
    errors: Mapping[int, CellError],
) -> str:
    """How a probe ended that did not return all that the reference does.

    Args:
        answer: The result of the probe.
        assignment, notebook: What was run; an undefined name is looked up in its cells.
        question: Whose probe it is.
        errors: The cells that failed, by their indices in the notebook.
    """
    if answer.status == "raised":
        return f"raised {answer.error or 'an exception'}" + _may_import(answer.error, question)
    if answer.status == "timeout":
        return f"took more than {answer.seconds:g} s"
    if answer.status != "undefined":
        return ENDINGS[answer.status]
    name = answer.error
    cell = defining_cells(assignment.source).get(name)
    if cell is None:
        return "a name is not defined"
    index = [grade_id(each) for each in notebook.cells].index(cell)
    if (error := errors.get(index)) is None:
        return f"{name} is not defined"
    return (
        f"{name} is not defined: its cell {_cell_ending(error)}{_may_import(error.kind, question)}"
    )


def _may_import(error: str, question: Question) -> str:
    """What a question may import, after an error that comes of importing something else."""
    if error != "ImportError":
        return ""
    return f" (this question may import {', '.join(question.imports)} and Python's own modules)"


def _cell_ending(error: CellError) -> str:
    if error.kind in CELL_ENDINGS:
        return CELL_ENDINGS[error.kind]
    raised = f"raised {error.kind or 'an exception'}"
    return f"{raised} in line {error.line}" if error.line else raised


def defining_cells(source: NotebookNode) -> dict[str, str]:
    """By each name that a cell of the assignment defines at its top: the grade_id of the cell."""
    found: dict[str, str] = {}
    for cell in source.cells:
        if cell.cell_type == "code" and (name := grade_id(cell)):
            found |= dict.fromkeys(defined_names(cell.source), name)
    return found


def defined_names(source: str) -> set[str]:
    """The names that a cell's text defines at its top: functions, classes, simple assignments.

    By the beginnings of its lines: to parse what a student wrote could take much time and memory.
    """
    return {match[1] or match[2] for match in DEFINITION.finditer(source)}
