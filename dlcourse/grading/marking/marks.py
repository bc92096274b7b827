"""Turns the data of the probes into marks. Pure: nothing here runs code or touches a file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nbformat import NotebookNode
from nbgrader.utils import is_task

from dlcourse.grading.assignments.assignment import Assignment, Check, Question, grade_id
from dlcourse.grading.assignments.rebuild import has_answers, unchanged
from dlcourse.grading.marking.compare import difference
from dlcourse.grading.marking.misplaced import misplaced
from dlcourse.grading.marking.observed import ending, place_of
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.probes import ProbeCall, ProbeRun

PASSED = "passed"


@dataclass(frozen=True)
class CheckMark:
    """What became of one check: ``outcome`` is "passed" or what was observed, in a few words."""

    name: str
    message: str
    points: float
    outcome: str

    @property
    def score(self) -> float:
        return self.points if self.outcome == PASSED else 0.0


@dataclass(frozen=True)
class QuestionMark:
    """The mark of a question; ``score`` is None while it waits for a person to mark it.
    ``behaves_like`` is the sentence that names a misconception, "" where none is known."""

    grade_id: str
    points: float
    score: float | None
    checks: tuple[CheckMark, ...] = ()
    behaves_like: str = ""


@dataclass(frozen=True)
class Marks:
    """The marks of a submission. ``reason`` is one short line: what failed, or why nothing ran."""

    questions: tuple[QuestionMark, ...]
    graded: bool
    reason: str

    @property
    def score(self) -> float:
        return sum(question.score or 0.0 for question in self.questions)

    @property
    def max_score(self) -> float:
        return sum(question.points for question in self.questions)


def probe_calls(assignment: Assignment) -> list[ProbeCall]:
    """The calls of every check. Its seed is the same for the reference and for all students."""
    return [
        ProbeCall(
            check.name,
            check.grade_id,
            check.function,
            _seed(assignment.name, check.name),
            imports=question.imports,
        )
        for question in assignment.questions
        for check in question.checks
    ]


def mark(
    assignment: Assignment,
    notebook: NotebookNode,
    reference: Mapping[str, ProbeResult],
    run: ProbeRun,
) -> Marks:
    """Compare a student's probe data with the reference's and add up the points."""

    def mark_check(question: Question, check: Check) -> CheckMark:
        answer = run.answers.get(check.name, ProbeResult("not reached"))
        outcome = _outcome(assignment, notebook, question, reference[check.name], answer, run)
        return CheckMark(check.name, check.message, check.points, outcome)

    def mark_question(question: Question) -> QuestionMark:
        if question.automatic:
            checks = tuple(mark_check(question, check) for check in question.checks)
            # Rounded: ten checks of 0.1 points are 1 point.
            score = round(sum(check.score for check in checks), 9)
            return QuestionMark(question.grade_id, question.points, score, checks)
        # As in nbgrader: an answer that was not touched is worth 0, any other waits for a person.
        empty = not _is_task(assignment, question) and unchanged(
            assignment.release, notebook, question.grade_id
        )
        return QuestionMark(question.grade_id, question.points, 0.0 if empty else None)

    questions = tuple(map(mark_question, assignment.questions))
    return Marks(questions, True, _reason(assignment, notebook, questions))


def no_marks(assignment: Assignment, problem: str) -> Marks:
    """The marks of a submission that cannot be graded."""
    questions = tuple(QuestionMark(q.grade_id, q.points, 0.0) for q in assignment.questions)
    return Marks(questions, False, problem)


def _seed(assignment: str, check: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{assignment}\n{check}".encode()).digest()[:4], "big")


def _outcome(
    assignment: Assignment,
    notebook: NotebookNode,
    question: Question,
    reference: ProbeResult,
    answer: ProbeResult,
    run: ProbeRun,
) -> str:
    """What was observed at the first case that is not as the reference has it."""
    for (label, expected), (own_label, data) in zip(reference.cases, answer.cases, strict=False):
        problem = difference(expected, data, rtol=assignment.rtol, atol=assignment.atol)
        if own_label != label or problem is not None:
            return place_of(label, problem or "wrong case")
    rest = reference.cases[len(answer.cases) :]
    if answer.status == "data" and not rest and len(answer.cases) == len(reference.cases):
        return PASSED
    label = rest[0][0] if rest else ""
    return place_of(label, ending(answer, assignment, notebook, question, run.errors))


def _is_task(assignment: Assignment, question: Question) -> bool:
    cells = (cell for cell in assignment.release.cells if grade_id(cell) == question.grade_id)
    return any(is_task(cell) for cell in cells)


def _reason(assignment: Assignment, notebook: NotebookNode, marked: Sequence[QuestionMark]) -> str:
    if not has_answers(assignment.release, notebook):
        return "no answers: the answer cells are as they were released"
    failed = {
        question.grade_id: [check.outcome for check in question.checks if check.outcome != PASSED]
        for question in marked
    }
    failed = {name: outcomes for name, outcomes in failed.items() if outcomes}
    elsewhere = misplaced(assignment, notebook)
    notes = [elsewhere[name] for name in failed if name in elsewhere]
    return "; ".join([*_failures(failed), *notes])


def _failures(failed: Mapping[str, Sequence[str]]) -> list[str]:
    if len(failed) > 2:
        total = Counter(outcome for outcomes in failed.values() for outcome in outcomes)
        most = ", ".join(f"{count} {outcome}" for outcome, count in total.most_common(3))
        return [f"{total.total()} checks failed in {len(failed)} questions: {most}"]
    return [
        f"{len(outcomes)} {'check' if len(outcomes) == 1 else 'checks'} failed in {name}: "
        + ", ".join(dict.fromkeys(outcomes))
        for name, outcomes in failed.items()
    ]
