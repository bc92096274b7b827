from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.nbgraderformat import MetadataValidator
from small_course import CHECKS, NOTEBOOK, make_course

from dlcourse.grading.assignments.assignment import load_assignment
from dlcourse.grading.assignments.cells import expand, read_notebook
from dlcourse.grading.errors import AssignmentError

SHORT_FORMS = {
    "grade: false, grade_id: imports, locked: true,": "id: imports",
    "grade: false, grade_id: square-answer, locked: false,": "id: square-answer\nanswer: true",
    "grade: true, grade_id: square, locked: true,": "id: square\npoints: 3",
    "grade: false, grade_id: cube-answer, locked: false,": "id: cube-answer\nanswer: true",
    "grade: true, grade_id: cube, locked: true,": "id: cube\npoints: 2",
}


def in_short_form(notebook: str) -> str:
    lines = []
    for line in notebook.splitlines():
        short = [new for old, new in SHORT_FORMS.items() if old in line]
        lines += short or [line]
    long_essay = next(line for line in lines if line.startswith("+++ {"))
    short_essay = '+++ {"id": "essay", "answer": true, "points": 5}'
    return "\n".join(lines).replace(long_essay, short_essay) + "\n"


def test_the_short_form_and_nbgraders_give_the_same_assignment(tmp_path: Path) -> None:
    text = in_short_form(NOTEBOOK)
    assert "nbgrader" not in text
    short = make_course(tmp_path / "short", text, CHECKS) / "solutions" / "01-squares"
    long = make_course(tmp_path / "long") / "solutions" / "01-squares"
    cells = [
        [(cell.source, cell.metadata) for cell in load_assignment(folder).source.cells]
        for folder in (short, long)
    ]
    assert cells[0] == cells[1]
    assert load_assignment(short).questions == load_assignment(long).questions


@pytest.mark.parametrize(
    ("short", "grade", "solution", "locked", "task"),
    [
        ({"id": "a"}, False, False, True, False),
        ({"id": "a", "answer": True}, False, True, False, False),
        ({"id": "a", "answer": False}, False, False, True, False),
        ({"id": "a", "points": 0.5}, True, False, True, False),
        ({"id": "a", "answer": True, "points": 2}, True, True, False, False),
        ({"id": "a", "task": True, "points": 2}, False, False, True, True),
    ],
)
def test_each_kind_of_cell_has_the_metadata_that_nbgrader_expects(
    short: dict[str, Any], grade: bool, solution: bool, locked: bool, task: bool
) -> None:
    new_cell = new_markdown_cell if task else new_code_cell
    cell = new_cell("1", metadata=short | {"tags": ["kept"]})
    expand(cell)
    expected = {
        "schema_version": 3,
        "grade_id": "a",
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": task,
    }
    if "points" in short:
        expected["points"] = short["points"]
    assert cell.metadata == {"tags": ["kept"], "nbgrader": expected}
    cell.metadata.nbgrader["cell_type"] = cell.cell_type
    MetadataValidator().validate_cell(cell)


def test_a_cell_without_metadata_stays_without() -> None:
    cell = new_markdown_cell("# A heading")
    expand(cell)
    assert cell.metadata == {}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"id": "a", "point": 3}, "found point in its metadata; expected id"),
        ({"answer": True}, "its id must be a name, not None"),
        ({"id": ""}, "its id must be a name, not ''"),
        ({"id": 3}, "its id must be a name, not 3"),
        ({"id": "a", "points": 0}, "a: points must be a number above 0, not 0"),
        ({"id": "a", "points": True}, "points must be a number above 0, not True"),
        ({"id": "a", "points": "3"}, "points must be a number above 0, not '3'"),
        ({"id": "a", "answer": "yes"}, "answer and task are true or false"),
        ({"id": "a", "answer": True, "task": True, "points": 1}, "an answer or a task, not both"),
        ({"id": "a", "task": True}, "a: a task needs points"),
        ({"id": "a", "nbgrader": {"grade_id": "a"}}, "found both"),
    ],
)
def test_what_is_not_of_the_form_is_a_clear_error(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expand(new_code_cell("1", metadata=metadata))


def test_the_error_names_the_file_and_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(in_short_form(NOTEBOOK).replace("points: 3", "point: 3"))
    with pytest.raises(AssignmentError, match=r"a\.md: cell 4: found point in its metadata"):
        read_notebook(path)
