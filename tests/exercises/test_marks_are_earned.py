"""The proofs that an assignment's checks mark what they should, each through the real sandbox.

The reference solution earns every point; so does every other right solution; the empty release and
answers that ignore the question earn none; and each wrong solution loses exactly the checks that it
says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import Future

import pytest
from exercise_grader import ROOT, Grader, outcomes
from nbformat import NotebookNode

from dlcourse.grading.assignments.answers import read_answers, with_answers
from dlcourse.grading.marking.marks import PASSED, Marks
from exercises import assignments, read_source

SOLUTIONS = ROOT / "solutions"
NAMES = [folder.name for folder in assignments(SOLUTIONS)]
RIGHT = [p.relative_to(SOLUTIONS).as_posix() for p in sorted(SOLUTIONS.glob("*/right/*.py"))]
WRONG = [p.relative_to(SOLUTIONS).as_posix() for p in sorted(SOLUTIONS.glob("*/wrong/*.py"))]

# What functions return that do not look at the question: `a` are their arguments.
IGNORANT = ["None", "0.0", "a[0]", "(a[0], a[0])", "[]"]


def answered(path: str) -> NotebookNode:
    """The notebook of a student who answers as a file of solutions/ does."""
    name = path.split("/")[0]
    return with_answers(read_source(SOLUTIONS / name), read_answers(SOLUTIONS / path).parts)


def ignorant(name: str, result: str) -> NotebookNode:
    """The notebook of a student all of whose functions return the same."""
    notebook = read_source(SOLUTIONS / name)
    for cell in notebook.cells:
        if cell.metadata.nbgrader.solution:
            functions = re.findall(r"^def (\w+)", cell.source, re.MULTILINE)
            cell.source = "\n".join(f"def {f}(*a, **k): return {result}" for f in functions)
    return notebook


def errors_by_cell(shown: NotebookNode) -> dict[str, str]:
    """The messages of the cells that failed in a run for feedback, by their grade_id."""
    return {
        cell.metadata.nbgrader.grade_id: output.evalue
        for cell in shown.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    }


def questions_of(name: str, parts: Iterable[str]) -> set[str]:
    """The questions whose answer cells these are: each is marked at the next test cell."""
    found, question = set(), ""
    for cell in reversed(read_source(SOLUTIONS / name).cells):
        metadata = cell.metadata.nbgrader
        question = metadata.grade_id if metadata.grade else question
        if metadata.grade_id in parts:
            found.add(question)
    return found


@pytest.fixture(scope="module")
def submitted(grader: Grader) -> dict[str, Future[Marks]]:
    """Every solution of every assignment, handed to the grader at once."""
    graded = {}
    for name in NAMES:
        graded[name] = grader.marks(name, read_source(SOLUTIONS / name))
        graded[f"{name}/empty"] = grader.marks(name, grader.assignments[name].release)
        for result in IGNORANT:
            graded[f"{name}/{result}"] = grader.marks(name, ignorant(name, result))
    for path in RIGHT + WRONG:
        graded[path] = grader.marks(path.split("/")[0], answered(path))
    return graded


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_solution_earns_every_point(name, submitted):
    marks = submitted[name].result()
    assert marks.score == marks.max_score > 0, marks.reason


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_release_earns_nothing(name, submitted):
    marks = submitted[f"{name}/empty"].result()
    assert marks.graded
    assert marks.score == 0


@pytest.mark.parametrize("result", IGNORANT)
@pytest.mark.parametrize("name", NAMES)
def test_answers_that_ignore_the_question_earn_nothing(name, result, submitted):
    found = outcomes(submitted[f"{name}/{result}"].result())
    assert found
    assert [check for check, outcome in found.items() if outcome == PASSED] == []


@pytest.mark.parametrize("path", RIGHT)
def test_other_right_solutions_earn_every_point(path, submitted):
    marks = submitted[path].result()
    assert marks.score == marks.max_score, marks.reason


@pytest.mark.parametrize("path", RIGHT)
def test_other_right_solutions_pass_every_visible_test(path, grader):
    shown = grader.display(path.split("/")[0], answered(path))
    assert errors_by_cell(shown) == {}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_solution_loses_exactly_the_checks_it_says(path, submitted):
    found = outcomes(submitted[path].result())
    failed = {check: outcome for check, outcome in found.items() if outcome != PASSED}
    assert failed.keys() == read_answers(SOLUTIONS / path).loses, failed


@pytest.mark.parametrize("path", WRONG)
def test_what_the_visible_test_of_a_question_sees_costs_points_of_it(path, grader, submitted):
    name = path.split("/")[0]
    failed = errors_by_cell(grader.display(name, answered(path))).keys()
    changed = questions_of(name, read_answers(SOLUTIONS / path).parts)
    lost = {q.grade_id for q in submitted[path].result().questions if q.score < q.points}
    assert failed & changed <= lost


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_solution_is_told_its_own_misconception_and_no_other(path, submitted):
    """Unless it is an attack, or hangs: then there are no data to know it by."""
    marks, answers = submitted[path].result(), read_answers(SOLUTIONS / path)
    hangs = any(outcome.partition("took more than")[1] for outcome in outcomes(marks).values())
    told = [question.behaves_like for question in marks.questions if question.behaves_like]
    assert told == ([] if answers.attack or hangs else [answers.description])


def test_the_question_of_an_answer_is_the_next_test_cell():
    assert questions_of("01-autodiff", ["unbroadcast-answer"]) == {"unbroadcast"}


@pytest.mark.parametrize("name", NAMES)
def test_every_check_is_lost_by_some_wrong_solution(name, grader):
    lost = set().union(*(read_answers(p).loses for p in (SOLUTIONS / name / "wrong").glob("*.py")))
    assert {check.name for check in grader.assignments[name].checks} == lost
