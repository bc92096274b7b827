"""Finds answers that a student wrote where they do not count, to say so."""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from dlcourse.grading.assignments.assignment import Assignment, grade_id
from dlcourse.grading.assignments.rebuild import ADDED, unchanged
from dlcourse.grading.marking.observed import defined_names


def is_added(cell: NotebookNode) -> bool:
    """Whether the student added the cell to a rebuilt notebook."""
    return bool(cell.metadata.get("dlcourse", {}).get("origin") == ADDED)


def misplaced(assignment: Assignment, notebook: NotebookNode) -> dict[str, str]:
    """By grade_id of a test cell: which of its question's names stand elsewhere, and where.

    An answer cell that is as it was released replaces what was written above it; what stands below
    the test cell comes too late.
    """
    places = {name: i for i, cell in enumerate(notebook.cells) if (name := grade_id(cell))}
    added = {
        i: defined_names(cell.source)
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and is_added(cell)
    }
    found: dict[str, str] = {}
    answers: list[NotebookNode] = []
    for cell in assignment.source.cells:
        if is_solution(cell) and cell.cell_type == "code":
            answers.append(cell)
        elif is_grade(cell) and answers:
            test = cell.metadata.nbgrader.grade_id
            for answer in answers:
                name = answer.metadata.nbgrader.grade_id
                if unchanged(assignment.release, notebook, name):
                    note = _elsewhere(
                        defined_names(answer.source), added, places[name], places[test]
                    )
                    if note:
                        found[test] = note
            answers = []
    return found


def _elsewhere(names: set[str], added: dict[int, set[str]], answer: int, test: int) -> str:
    between = [defined for i, defined in added.items() if answer < i < test]
    names = names - set().union(*between)
    for i, defined in added.items():
        if both := sorted(names & defined):
            if i < answer:
                return f"{both[0]} was found above its answer cell, which defines it again"
            if i > test:
                return f"{both[0]} was found below its test, too late to be checked"
    return ""
