"""What may be imported is a question's own: its checks run where nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_course import CHECKS, NOTEBOOK, RIGHT, answered, assignment_of, make_course

from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.pipeline import marks_of
from dlcourse.grading.sandbox.runs import Runs

LONG = "nbgrader: {grade: true, grade_id: cube, locked: true, points: 2, schema_version: 3, solution: false, task: false}"  # noqa: E501
SYMPY = "import sympy\n\n"


def with_sympy_for_cubes(folder: Path) -> Path:
    assert LONG in NOTEBOOK
    return make_course(folder, NOTEBOOK.replace(LONG, "id: cube\npoints: 2\nimports: [sympy]"))


def marks(course: Path, answers: dict[str, str]) -> Marks:
    assignment = assignment_of(course)
    student = rebuild(assignment.release, answered(assignment, RIGHT | answers))
    return marks_of(assignment, student, Runs())


def test_each_question_has_its_own_packages(tmp_path: Path) -> None:
    assignment = assignment_of(with_sympy_for_cubes(tmp_path))
    assert [question.imports for question in assignment.questions] == [
        ("matplotlib", "numpy"),
        ("matplotlib", "numpy", "sympy"),
        ("matplotlib", "numpy"),
    ]
    assert assignment.imports == ("matplotlib", "numpy", "sympy")


def test_a_package_of_one_question_is_not_there_in_another(tmp_path: Path) -> None:
    course = with_sympy_for_cubes(tmp_path)
    square = f"{SYMPY}def square(x):\n    return float(sympy.Integer(1)) * x * x"
    cube = f"{SYMPY}def cube(x):\n    return float(sympy.Float(x) ** 3)"
    both = marks(course, {"square-answer": square, "cube-answer": cube})
    assert [question.score for question in both.questions[:2]] == [0, 2]
    assert both.questions[0].checks[0].outcome == (
        "square is not defined: its cell raised ImportError in line 1 (this question may "
        "import matplotlib, numpy and Python's own modules)"
    )
    inside = f"def square(x):\n    {SYMPY.strip()}\n    return x * x"
    assert marks(course, {"square-answer": inside}).questions[0].checks[0].outcome == (
        "raised ImportError (this question may import matplotlib, numpy and Python's own modules)"
    )


def test_the_run_for_feedback_has_them_all(tmp_path: Path) -> None:
    assignment = assignment_of(with_sympy_for_cubes(tmp_path))
    student = answered(assignment, RIGHT | {"cube-answer": f"{SYMPY}print(sympy.Integer(7))"})
    shown = Runs().display(assignment, rebuild(assignment.release, student))
    texts = [o.get("text") for cell in shown.cells for o in cell.get("outputs", ())]
    assert "7\n" in texts


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("id: cube\npoints: 2\nimports: [flax]", "cube: imports names flax, which is not"),
        ("id: cube\npoints: 2\nimports: sympy", "imports must be a list of names, not 'sympy'"),
        ("id: cube\nimports: [sympy]", "imports belong to a test"),
        ("id: cube\nanswer: true\npoints: 2\nimports: [sympy]", "imports belong to a test"),
    ],
)
def test_imports_that_do_not_fit_are_a_clear_error(
    tmp_path: Path, metadata: str, problem: str
) -> None:
    course = make_course(tmp_path, NOTEBOOK.replace(LONG, metadata), CHECKS)
    with pytest.raises(AssignmentError, match=problem):
        assignment_of(course)
