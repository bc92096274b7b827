"""What the probes return for the reference solution: the expected answers. They stay out here."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import AssignmentError, GradingError, NotStartedError
from dlcourse.grading.marking.compare import same
from dlcourse.grading.marking.marks import probe_calls
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.probes import ProbeCall, ProbeRun
from dlcourse.grading.sandbox.runs import Runs

TIMES_THE_REFERENCE = 10


@dataclass(frozen=True)
class Reference:
    """What the probes return for the reference solution, and how they are called for students.

    ``calls`` and ``limits`` give a student's code the time that the assignment allows, or where
    that is more, ``TIMES_THE_REFERENCE`` times what the reference solution took.
    """

    answers: Mapping[str, ProbeResult]
    calls: Sequence[ProbeCall]
    limits: Limits


_references: dict[tuple[str, Runs], Reference] = {}
_lock = threading.Lock()


def reference_of(assignment: Assignment, runs: Runs) -> Reference:
    """Run the probes on the reference solution, twice: only what comes out the same can be marked.

    Raises AssignmentError where a probe fails on the reference or is not deterministic. Kept in
    memory, so that a server that grades one submission at a time does it once.
    """
    with _lock:
        key = (assignment.digest, runs)
        if key not in _references:
            _references[key] = _run(assignment, runs)
        return _references[key]


def _run(assignment: Assignment, runs: Runs) -> Reference:
    calls = probe_calls(assignment)
    notebook = rebuild(assignment.release, assignment.source)
    try:
        run, again = (runs.probe(assignment, notebook, calls) for _ in range(2))
    except NotStartedError as error:  # no submission can be marked without
        raise GradingError(f"the reference solution of {assignment.name}: {error}") from error
    problems = []
    for call in calls:
        result, second = run.answers[call.name], again.answers[call.name]
        if result.status != "data":
            problems.append(f"{call.name}: {result.status} {result.error}".rstrip())
        elif not (
            second.status == "data"
            and same(
                dict(result.cases), dict(second.cases), rtol=assignment.rtol, atol=assignment.atol
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
    limits = runs.limits_of(assignment)
    return Reference(run.answers, _calls(calls, run, limits), _limits(run, limits))


def _calls(calls: Sequence[ProbeCall], run: ProbeRun, limits: Limits) -> list[ProbeCall]:
    return [
        replace(call, seconds=_enough(limits.probe_seconds, run.answers[call.name].seconds))
        for call in calls
    ]


def _limits(run: ProbeRun, limits: Limits) -> Limits:
    return replace(
        limits,
        cell_seconds=_enough(limits.cell_seconds, run.cell_seconds),
        total_seconds=_enough(limits.total_seconds, run.total_seconds),
    )


def _enough(allowed: float, taken: float) -> float:
    return max(allowed, TIMES_THE_REFERENCE * taken)
