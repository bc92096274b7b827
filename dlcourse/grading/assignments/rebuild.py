"""Rebuilds the notebook that is graded from the release and a student's notebook.

From the release come the texts of every cell but the solution cells; from the student come the
texts of the solution cells, and the cells that the student added, in their places. Whatever else
was done to the notebook (cells deleted, doubled, edited, moved, given other tags) changes nothing.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_solution

from dlcourse.grading.assignments.assignment import grade_id

ADDED = "added"
"""Under ``metadata.dlcourse.origin``: a cell that the student added to the notebook."""


def rebuild(release: NotebookNode, student: NotebookNode) -> NotebookNode:
    """The notebook to run: each cell of the release once, in its order, with the student's answers.

    A solution cell that is missing is the release's stub. Of several with one id the first is the
    answer; the others are cells that the student added.
    """
    answers, added = _student_cells(release, student)
    cells = [*added[-1]]
    for index, original in enumerate(release.cells):
        cell = copy.deepcopy(original)
        answer = answers.get(index)
        if answer is not None:
            cell.source = answer.source
            if cell.cell_type == "markdown" and "attachments" in answer:
                cell["attachments"] = copy.deepcopy(answer.attachments)
        cells += [cell, *added[index]]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    metadata = copy.deepcopy(release.metadata)
    rebuilt: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    return rebuilt


def with_names(release: NotebookNode, student: NotebookNode) -> NotebookNode:
    """The student's notebook, in which cells that have lost nbgrader's metadata are named again.

    Some programs drop the metadata of cells and keep their ids; in a released notebook the id of a
    cell is its grade_id.
    """
    named = copy.deepcopy(student)
    lost = set(filter(None, map(grade_id, release.cells))) - set(map(grade_id, student.cells))
    for cell in named.cells:
        own = cell.metadata.get("dlcourse", {}).get("cell_id")
        if own in lost:
            lost.remove(own)
            cell.metadata["nbgrader"] = {"grade_id": own}
    return named


def has_answers(release: NotebookNode, student: NotebookNode) -> bool:
    """Whether a notebook of the assignment has something else in an answer cell than the release,
    or cells of its own."""
    notebook = rebuild(release, student)
    answers = [cell.metadata.nbgrader.grade_id for cell in release.cells if is_solution(cell)]
    return len(notebook.cells) > len(release.cells) or not all(
        unchanged(release, notebook, name) for name in answers
    )


def has_known_cells(release: NotebookNode, student: NotebookNode) -> bool:
    """Whether the notebook is one of this assignment at all."""
    known = set(filter(None, map(grade_id, release.cells)))
    return any(grade_id(cell) in known for cell in student.cells)


def unchanged(release: NotebookNode, notebook: NotebookNode, name: str) -> bool:
    """Whether a cell still has the text of the release."""
    (original,) = (cell for cell in release.cells if grade_id(cell) == name)
    (cell,) = (cell for cell in notebook.cells if grade_id(cell) == name)
    return bool(original.source.strip() == cell.source.strip())


def _student_cells(
    release: NotebookNode, student: NotebookNode
) -> tuple[dict[int, NotebookNode], dict[int, list[NotebookNode]]]:
    """The student's answers by their index in the release, and the added cells by the index of the
    release's cell that they follow (-1: before the first)."""
    index_of = {name: i for i, cell in enumerate(release.cells) if (name := grade_id(cell))}
    solutions = [bool(is_solution(cell)) for cell in release.cells]
    texts = {cell.source.strip() for cell in release.cells if grade_id(cell) is None}
    present = {
        index for cell in student.cells if (index := index_of.get(grade_id(cell) or "")) is not None
    }
    answers: dict[int, NotebookNode] = {}
    added: dict[int, list[NotebookNode]] = defaultdict(list)
    place = -1
    for cell in student.cells:
        index = index_of.get(grade_id(cell) or "")
        if index is None:
            if not (cell.cell_type == "markdown" and cell.source.strip() in texts):
                added[_skip_missing(place, present, solutions)].append(_added_cell(cell))
        elif not solutions[index]:
            place = _later_in_gap(place, index, present, solutions)
        elif index in answers:
            added[place].append(_added_cell(cell))
        else:
            answers[index], place = cell, index
    return answers, added


def _later_in_gap(place: int, index: int, present: set[int], solutions: Sequence[bool]) -> int:
    """Move on to the instructor's cell at ``index``, but not past an answer that is still to come.

    So a moved test cell cannot move a student's own cell to the other side of an answer.
    """
    crosses = any(solutions[i] and i in present for i in range(place + 1, index))
    return place if crosses else max(place, index)


def _skip_missing(place: int, present: set[int], solutions: Sequence[bool]) -> int:
    """Move past the solution cells that the student deleted here.

    A student who deletes a cell and writes the answer into a new one is not undone by the stub that
    takes the deleted cell's place.
    """
    end = place + 1
    while end < len(solutions) and end not in present:
        if solutions[end]:
            place = end
        end += 1
    return place


def _added_cell(cell: NotebookNode) -> NotebookNode:
    new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    metadata = {"dlcourse": {"origin": ADDED}}
    added: NotebookNode = new(cell.source, metadata=metadata)  # type: ignore[no-untyped-call]
    if "attachments" in cell:
        added["attachments"] = copy.deepcopy(cell.attachments)
    return added
