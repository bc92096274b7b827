"""What is said of a check that failed: what was observed, in words of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from small_course import CHECKS, RIGHT, answered, assignment_of, make_course

from dlcourse.grading.assignments.assignment import Assignment, grade_id
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.marking.compare import difference
from dlcourse.grading.marking.marks import Marks, mark
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.probes import CellError, ProbeRun

ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("reference", "answer", "words"),
    [
        (1.0, 2.0, "wrong value"),
        (1.0, None, "None"),
        ([1.0, 2.0], [1.0, None], "None"),
        (None, 1.0, "wrong value"),
        (1.0, "1.0", "wrong type"),
        ("a", "b", "wrong value"),
        (10**400, 1, "wrong value"),
        (10**400, "1", "wrong type"),
        (True, 1, "wrong type"),
        (ONES, ONES.T, "wrong shape"),
        (ONES, ONES + 1, "wrong value"),
        (ONES, np.where(ONES == 1, np.nan, 0), "NaN"),
        (np.where(ONES == 1, np.nan, 0), ONES, "wrong value"),
        ({"a": 1}, {}, "no entry 'a'"),
        ({"a": 1, "b": 2, "c": 3}, {"c": 3, "secret": 1}, "no entry 'a'"),
        ({"a": 1}, {"a": 1, "secret": 2}, "an entry too many"),
        ({"a": 1}, 1, "wrong type"),
        (["a", 1], ["a"], "wrong length"),
        (["a", ["b"]], ["a", "b"], "wrong type"),
        ([["a", 1], 2.0], [["a", 2], 3.0], "wrong value"),
        ({"a": "x", "b": 1.0}, {"b": None, "a": 1}, "wrong type"),
        (2.0000000001, 2, None),
    ],
)
def test_a_difference_is_told_in_fixed_words(
    reference: Any, answer: Any, words: str | None
) -> None:
    assert difference(reference, answer, rtol=1e-9, atol=1e-12) == words


@pytest.fixture(scope="module")
def assignment(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return assignment_of(make_course(tmp_path_factory.mktemp("course"), checks=CHECKS))


def outcome_of(
    assignment: Assignment,
    answer: ProbeResult,
    reference: ProbeResult | None = None,
    error: CellError | None = None,
) -> str:
    """The outcome of the check square/numbers; ``error``: how the cell of `square` failed."""
    right = ProbeResult("data", (("", 1.0),))
    run = {"square/numbers": answer, "square/arrays": right, "cube/cubes": right}
    expected = run | {"square/numbers": reference or right}
    notebook = rebuild(assignment.release, answered(assignment, RIGHT))
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    errors = {} if error is None else {ids.index("square-answer"): error}
    marks: Marks = mark(assignment, notebook, expected, ProbeRun(run, errors))
    assert marks.questions[1].score == 2
    return marks.questions[0].checks[0].outcome


CASES = (("x=1", 1.0), ("x=-1", [1.0, 2.0]), ("x=0", 0.0))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ProbeResult("data", CASES), "passed"),
        (ProbeResult("data", (*CASES[:1], ("x=-1", 1.0), ("x=0", 1.0))), "x=-1: wrong shape"),
        (ProbeResult("raised", CASES[:1], "ValueError"), "x=-1: raised ValueError"),
        (ProbeResult("raised", CASES[:1], ""), "x=-1: raised an exception"),
        (ProbeResult("raised", (("x=1", None),), "ValueError"), "x=1: None"),
        (ProbeResult("raised", CASES, "ValueError"), "raised ValueError"),
        (ProbeResult("timeout", CASES[:2], seconds=10), "x=0: took more than 10 s"),
        (ProbeResult("died", CASES[:2]), "x=0: the process ended"),
        (ProbeResult("unreadable"), "x=1: returned something unreadable"),
        (ProbeResult("not reached"), "x=1: not reached"),
        (ProbeResult("data", CASES[:2]), "x=0: wrong number of cases"),
        (ProbeResult("data", (*CASES, ("more", 1))), "wrong number of cases"),
        (ProbeResult("data", (("secret", 1.0), *CASES[1:])), "x=1: wrong case"),
        (ProbeResult("undefined", (), "secret"), "x=1: a name is not defined"),
        (ProbeResult("undefined", (), "square"), "x=1: square is not defined"),
    ],
)
def test_the_first_case_that_is_not_as_it_should_be_is_told(
    answer: ProbeResult, words: str, assignment: Assignment
) -> None:
    assert outcome_of(assignment, answer, ProbeResult("data", CASES)) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CellError("SyntaxError", 3), "raised SyntaxError in line 3"),
        (CellError("", 0), "raised an exception"),
        (CellError("timeout", 2), "computed for too long"),
        (CellError("died"), "ended the process"),
        (CellError("memory"), "took too much memory"),
        (CellError("flood"), "printed too much"),
    ],
)
def test_a_name_is_missing_because_its_cell_failed(
    error: CellError, words: str, assignment: Assignment
) -> None:
    answer = ProbeResult("undefined", (), "square")
    expected = f"square is not defined: its cell {words}"
    assert outcome_of(assignment, answer, error=error) == expected


def marks_of(assignment: Assignment, notebook: NotebookNode, outcome: ProbeResult) -> Marks:
    """The marks where every check has this result, and the reference returned 1."""
    names = [check.name for check in assignment.checks]
    right = dict.fromkeys(names, ProbeResult("data", (("", 1.0),)))
    rebuilt = rebuild(assignment.release, notebook)
    return mark(assignment, rebuilt, right, ProbeRun(dict.fromkeys(names, outcome), {}))


WRONG = ProbeResult("data", (("", 2.0),))


@pytest.mark.parametrize(
    ("before", "source", "told"),
    [
        ("square-answer", RIGHT["square-answer"], "square was found above its answer cell"),
        ("cube-answer", "def square(x): return x * x", "square was found below its test"),
        ("essay", "square = lambda x: x * x\n1 == 2", "square was found below its test"),
        ("square", RIGHT["square-answer"], None),
        ("square-answer", "  square = 1\nsquare == 2\n# def square", None),
    ],
)
def test_an_answer_that_stands_where_it_does_not_count_is_named(
    before: str, source: str, told: str | None, assignment: Assignment
) -> None:
    notebook = answered(assignment, {"cube-answer": RIGHT["cube-answer"]})
    place = [grade_id(cell) for cell in notebook.cells].index(before)
    notebook.cells.insert(place, new_code_cell(source))
    reason = marks_of(assignment, notebook, WRONG).reason
    assert ("found" in reason) == (told is not None)
    assert told is None or told in reason
    assert "found" not in marks_of(assignment, notebook, ProbeResult("data", (("", 1.0),))).reason


def test_answers_in_cells_of_ones_own_are_answers(assignment: Assignment) -> None:
    assert "no answers" in marks_of(assignment, assignment.release, WRONG).reason
    notebook = answered(assignment, {})
    place = [grade_id(cell) for cell in notebook.cells].index("square")
    notebook.cells.insert(place, new_code_cell(RIGHT["square-answer"]))
    assert "no answers" not in marks_of(assignment, notebook, WRONG).reason
