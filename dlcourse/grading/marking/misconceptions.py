"""Names the misconception behind an answer: it behaves as one of the wrong solutions does.

What the probes of a question return for a wrong solution is found out once, when the first student
loses points there, and kept in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from dlcourse.grading.assignments.answers import Answers, with_answers
from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import GradingError
from dlcourse.grading.marking.compare import same
from dlcourse.grading.marking.marks import PASSED, Marks, QuestionMark
from dlcourse.grading.marking.reference import Reference
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.probes import ProbeCall
from dlcourse.grading.sandbox.runs import Runs

Results = Mapping[str, ProbeResult]


@dataclass(frozen=True)
class Misconception:
    """The sentence that names it, and what the probes of one question return for it."""

    sentence: str
    results: Results


def with_misconceptions(
    marks: Marks, assignment: Assignment, reference: Reference, results: Results, runs: Runs
) -> Marks:
    """The marks, each question that lost points with the misconception that it behaves like.

    Args:
        marks: The marks of a student.
        assignment: What was marked.
        reference: How its probes are called.
        results: What they returned for the student.
        runs: How the wrong solutions are run.
    """

    def named(question: QuestionMark) -> QuestionMark:
        wrong = {check.name for check in question.checks if check.outcome != PASSED}
        own = {check.name: results[check.name] for check in question.checks if wrong}
        if not wrong or not all(map(_is_telling, own.values())):
            return question
        for known in known_misconceptions(assignment, question.grade_id, wrong, reference, runs):
            if behaves_like(own, known.results, rtol=assignment.rtol, atol=assignment.atol):
                return replace(question, behaves_like=known.sentence)
        return question

    return replace(marks, questions=tuple(map(named, marks.questions)))


def behaves_like(results: Results, known: Results, *, rtol: float, atol: float) -> bool:
    """Whether two answers to a question behave alike: the same cases, the same data, one ending."""
    return all(
        (result.status, result.error) == (known[name].status, known[name].error)
        and [label for label, _ in result.cases] == [label for label, _ in known[name].cases]
        and same(
            [data for _, data in known[name].cases],
            [data for _, data in result.cases],
            rtol=rtol,
            atol=atol,
        )
        for name, result in results.items()
    )


def _is_telling(result: ProbeResult) -> bool:
    """Whether a result says how the answer works, and not only that it did not."""
    return result.status == "data" or (result.status == "raised" and result.error != "")


# By assignment, wrong solution, question and way of running.
_found: dict[tuple[str, str, str, Runs], Future[Results | None]] = {}
_lock = threading.Lock()


def known_misconceptions(
    assignment: Assignment, question: str, failed: set[str], reference: Reference, runs: Runs
) -> Iterator[Misconception]:
    """The wrong solutions that fail exactly these checks of a question, with their results.

    Several threads that ask at once share the work.
    """
    calls = [call for call in reference.calls if call.grade_id == question]
    names = {call.name for call in calls}
    wrong = [a for a in assignment.wrong if not a.attack and a.loses & names == failed]
    futures = []
    for answers in wrong:
        key = (assignment.digest, answers.name, question, runs)
        with _lock:
            begun = key in _found
            future = _found.setdefault(key, Future())
        futures.append(future)
        if not begun:
            try:
                future.set_result(_results(assignment, answers, calls, reference.limits, runs))
            except BaseException as error:  # whoever waits for it is told
                future.set_exception(error)
                raise
    for answers, future in zip(wrong, futures, strict=True):
        if (results := future.result()) is not None:
            yield Misconception(answers.description, results)


def _results(
    assignment: Assignment, answers: Answers, calls: list[ProbeCall], limits: Limits, runs: Runs
) -> Results | None:
    """What the probes return for a wrong solution; None where that says nothing about it."""
    notebook = rebuild(assignment.release, with_answers(assignment.source, answers.parts))
    try:
        results = runs.probe(assignment, notebook, calls, limits, second_tries=0).answers
    except GradingError:  # no mark depends on it
        return None
    return results if all(map(_is_telling, results.values())) else None
