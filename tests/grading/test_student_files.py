"""A student's own module beside the notebook: taken where the assignment says so, else named."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_course import CHECKS, NAME, RIGHT, answered, assignment_of, hand_in, make_course

from dlcourse.grading.assignments.course import open_course
from dlcourse.grading.assignments.submission import MAX_FILE_BYTES, read_submission
from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.pipeline import Graded, grade_class, grade_submission
from dlcourse.grading.sandbox.runs import Runs

TAKES_UTILS = f"{CHECKS}\nSTUDENT_FILES = ['utils.py', 'table.txt']\n"
USES_UTILS = RIGHT | {"square-answer": "from utils import square\nprint(open('table.txt').read())"}
UTILS = "def square(x):\n    return x * x\n"


def submitted(course: Path) -> Path:
    """The folder of a submission whose notebook imports utils.py and reads table.txt."""
    path = hand_in(course / "submitted", "ada", answered(assignment_of(course), USES_UTILS))
    (path.parent / "utils.py").write_text(UTILS)
    (path.parent / "table.txt").write_text("1 4 9")
    return path.parent


def graded(course: Path) -> Graded:
    assignment, folder = assignment_of(course), course / "submitted" / "ada" / NAME
    submission = read_submission("ada", folder, NAME, assignment.student_files)
    return grade_submission(assignment, submission, Runs())


def test_files_that_the_assignment_takes_lie_beside_the_notebook(tmp_path: Path) -> None:
    course = make_course(tmp_path, checks=TAKES_UTILS)
    submitted(course)
    result = graded(course)
    assert (result.marks.score, result.marks.reason) == (5, "")
    assert result.submission.notes == ()
    shown = [output.text for cell in result.reported.cells for output in cell.get("outputs", ())
             if output.output_type == "stream"]  # fmt: skip
    assert shown == ["1 4 9\n"]


def test_where_they_are_not_taken_a_module_is_named(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    submitted(course)
    result = graded(course)
    assert result.marks.questions[0].score == 0
    assert result.submission.notes == (
        "also found, and not there when the notebook ran: 'utils.py'",
    )
    assert "square is not defined: its cell raised ImportError in line 1" in str(
        result.marks.questions[0].checks
    )


def test_a_probed_function_reads_a_file_of_the_assignment(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    files = course / "solutions" / NAME / "files"
    files.mkdir()
    (files / "factor.txt").write_text("1.0")
    reads = "def square(x):\n    return float(open('factor.txt').read()) * x * x"
    hand_in(course / "submitted", "ada", answered(assignment_of(course), {"square-answer": reads}))
    assert graded(course).marks.questions[0].score == 3


def test_an_edited_file_is_graded_again(tmp_path: Path) -> None:
    course = make_course(tmp_path, checks=TAKES_UTILS)
    folder = submitted(course)
    opened, assignment, runs = open_course(course), assignment_of(course), Runs()
    scores = []
    for text in (UTILS, "def square(x):\n    return x + x\n", "def square(x):\n    return x + x\n"):
        (folder / "utils.py").write_text(text)
        told: list[object] = []
        (row,) = grade_class(
            opened,
            assignment,
            ["ada"],
            runs,
            jobs=1,
            on_graded=lambda _, m, told=told: told.append(m),
        ).rows
        scores.append((row.questions["square"], told == ["not changed since it was graded"]))
    assert scores == [(3, False), (0, False), (0, True)]


def test_a_file_that_cannot_be_taken_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    course = make_course(tmp_path, checks=TAKES_UTILS)
    folder = submitted(course)
    (folder / "table.txt").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    (folder / "utils.py").unlink()
    (folder / "utils.py").symlink_to("/etc/passwd")
    submission = read_submission("ada", folder, NAME, ("table.txt", "utils.py"))
    assert submission.files == {}
    assert submission.problem is None
    assert submission.notes == (
        "'table.txt' was not taken: the file is larger than 1 MB",
        "'utils.py' was not taken: the submission is a symbolic link",
    )


def test_without_a_sandbox_they_lie_there_too(tmp_path: Path) -> None:
    course = make_course(tmp_path, checks=TAKES_UTILS)
    folder, assignment = submitted(course), assignment_of(course)
    submission = read_submission("ada", folder, NAME, assignment.student_files)
    result = grade_submission(assignment, submission, Runs(unsafe_no_sandbox=True))
    assert result.marks.score == 5


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("'utils.py'", "STUDENT_FILES must be a list of names"),
        ("['../utils.py']", "is not the name of a file beside the notebook"),
        ("['.hidden']", "is not the name of a file beside the notebook"),
        ("['second.ipynb']", "is not the name of a file beside the notebook"),
        ("['data.csv']", "is a file of the assignment"),
        ("['random.py']", "would hide the module random"),
        ("['numpy.py']", "would hide the module numpy"),
    ],
)
def test_names_that_would_take_the_place_of_something_are_refused(
    tmp_path: Path, names: str, problem: str
) -> None:
    course = make_course(tmp_path, checks=f"{CHECKS}\nSTUDENT_FILES = {names}\n")
    files = course / "solutions" / NAME / "files"
    files.mkdir()
    (files / "data.csv").write_text("1,2")
    with pytest.raises(AssignmentError, match=problem):
        assignment_of(course)
