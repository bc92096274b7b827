"""Each student of the sample class gets the mark that is due, hostile or not."""

from __future__ import annotations

from concurrent.futures import Future

import compare_with_stock
import pytest
from compare_with_stock import BEGIN, END, stock_course
from exercise_grader import ROOT, Grader
from sample_class import write_class
from sample_students import ASSIGNMENT, FILE, STUDENTS, spies

from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.pipeline import grade_submission
from dlcourse.grading.assignments.submission import find_students, read_submission


@pytest.fixture(scope="module")
def graded(grader: Grader, tmp_path_factory) -> dict[str, Future[Marks]]:
    submitted = write_class(tmp_path_factory.mktemp("class"))
    assert find_students(submitted, ASSIGNMENT) == sorted(STUDENTS)

    def run(student: str) -> Marks:
        submission = read_submission(student, submitted / student / ASSIGNMENT, ASSIGNMENT)
        return grade_submission(grader.assignments[ASSIGNMENT], submission, grader.runs).marks

    return {student: grader.pool.submit(run, student) for student in STUDENTS}


@pytest.mark.parametrize("student", STUDENTS)
def test_a_student_gets_the_mark_that_is_due(student, graded):
    marks = graded[student].result()
    assert marks.score == STUDENTS[student].mark, marks.reason


@pytest.mark.parametrize("student", ["not-json", "symlink"])
def test_what_is_no_notebook_is_refused_with_a_reason(student, graded):
    marks = graded[student].result()
    assert not marks.graded
    assert marks.reason


def test_the_spy_finds_nothing(grader):
    shown = grader.display(ASSIGNMENT, spies())
    text = "".join(output.get("text", "") for output in shown.cells[0].outputs)
    assert text == "spy found: nothing\n"


def test_writing_the_class_again_replaces_it(tmp_path):
    submitted = write_class(tmp_path)
    file = submitted / "perfect" / ASSIGNMENT / FILE
    first = file.read_bytes()
    file.write_text("{}")
    write_class(tmp_path)
    assert file.read_bytes() == first
    assert sorted(path.name for path in submitted.iterdir()) == sorted(STUDENTS)


def test_the_submissions_of_a_real_class_are_never_replaced(tmp_path):
    file = tmp_path / "submitted" / "ada" / ASSIGNMENT / FILE
    file.parent.mkdir(parents=True)
    file.write_text("her answers")
    with pytest.raises(FileExistsError, match="other students"):
        write_class(tmp_path)
    assert file.read_text() == "her answers"


def test_the_readmes_table_has_this_class_and_its_marks():
    """`make compare` writes it; that it is of today's class is seen without running stock."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    found = {name.strip("`"): (what, earned, ours) for name, what, earned, _, ours in rows}
    marks = {name: f"{student.mark:g}" for name, student in STUDENTS.items()}
    assert found == {n: (STUDENTS[n].what, mark, mark) for n, mark in marks.items()}


def test_the_course_that_stock_nbgrader_is_given_is_complete(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(compare_with_stock, "nbgrader", lambda *a, **_: ran.append(a))
    course = stock_course(tmp_path / "course")
    assert ran == [(course, "generate_assignment", ASSIGNMENT)]
    assert (course / "source" / ASSIGNMENT / FILE).is_file()
    assert (course / "source" / ASSIGNMENT / "graph.svg").is_file()
