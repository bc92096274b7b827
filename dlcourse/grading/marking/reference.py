"""What the probes return for the reference solution: the expected answers. They stay out here."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import AssignmentError, GradingError, NotStartedError
from dlcourse.grading.marking.compare import same
from dlcourse.grading.marking.marks import probe_calls
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.runs import Runs

_answers: dict[tuple[str, Runs], Mapping[str, ProbeResult]] = {}
_lock = threading.Lock()


def reference_answers(assignment: Assignment, runs: Runs) -> Mapping[str, ProbeResult]:
    """Run the probes on the reference solution, twice: only what comes out the same can be marked.

    Raises AssignmentError where a probe fails on the reference or is not deterministic. Kept in
    memory, so that a server that grades one submission at a time does it once.
    """
    with _lock:
        key = (assignment.digest, runs)
        if key not in _answers:
            _answers[key] = _run(assignment, runs)
        return _answers[key]


def _run(assignment: Assignment, runs: Runs) -> Mapping[str, ProbeResult]:
    calls = probe_calls(assignment)
    notebook = rebuild(assignment.release, assignment.source)
    try:
        first, second = (runs.probe(assignment, notebook, calls).answers for _ in range(2))
    except NotStartedError as error:  # no submission can be marked without
        raise GradingError(f"the reference solution of {assignment.name}: {error}") from error
    problems = []
    for call in calls:
        result, again = first[call.name], second[call.name]
        if result.status != "data":
            problems.append(f"{call.name}: {result.status} {result.error}".rstrip())
        elif not (
            again.status == "data"
            and same(
                dict(result.cases), dict(again.cases), rtol=assignment.rtol, atol=assignment.atol
            )
        ):
            problems.append(f"{call.name}: two runs with the same seed return different data")
        labels = [label for label, _ in result.cases]
        if len(set(labels)) < len(labels):
            problems.append(f"{call.name}: two cases have the same name")
    if problems:
        raise AssignmentError(
            f"the reference solution of {assignment.name} does not pass its own checks; fix the "
            "notebook or checks.py:\n  " + "\n  ".join(problems)
        )
    return first
