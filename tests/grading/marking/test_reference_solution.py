"""What a student's code may take is scaled by what the reference solution took."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_course import CHECKS, NOTEBOOK, RIGHT, answered, assignment_of, make_course

from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.marking.reference import TIMES_THE_REFERENCE, reference_of
from dlcourse.grading.pipeline import marks_of
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.runs import Runs

COMPUTES = """\
import time


def compute(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


compute({seconds})
"""


def slow(seconds: float, text: str, after: str) -> str:
    assert after in text
    return text.replace(after, f"{after}\n{COMPUTES.format(seconds=seconds)}", 1)


def test_a_slow_reference_gives_students_ten_times_as_long(tmp_path: Path) -> None:
    # A quarter of a second in a cell and as much in each probe; a student has five times that.
    notebook = slow(0.25, NOTEBOOK, "import numpy as np")
    checks = CHECKS.replace(
        "def numbers(ns, rng):\n", 'def numbers(ns, rng):\n    ns["square"](1)\n'
    )
    notebook = notebook.replace("def square(x):\n", "def square(x):\n    compute(0.05)\n", 1)
    assignment = assignment_of(make_course(tmp_path, notebook, checks))
    runs = Runs(limits=Limits(cell_seconds=0.5, probe_seconds=0.5, total_seconds=30))
    reference = reference_of(assignment, runs)
    # Processor time is counted in hundredths of a second, so that some are missing.
    assert reference.limits.cell_seconds >= TIMES_THE_REFERENCE * 0.2
    assert reference.limits.total_seconds >= TIMES_THE_REFERENCE * 0.4
    assert reference.limits.probe_seconds == 0.5
    seconds = {call.name: call.seconds or 0.0 for call in reference.calls}
    assert seconds["square/numbers"] >= TIMES_THE_REFERENCE * 3 * 0.05
    assert seconds["square/numbers"] > seconds["square/arrays"] >= 0.5

    answer = "compute(1.25)\ndef square(x):\n    compute(0.2)\n    return x * x"
    student = answered(assignment, RIGHT | {"square-answer": answer})
    marks = marks_of(assignment, rebuild(assignment.release, student), runs)
    assert marks.questions[0].score == 3, marks.reason


def test_a_quick_reference_leaves_the_limits_as_they_are(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    runs = Runs(limits=Limits(cell_seconds=600, probe_seconds=600, total_seconds=6000))
    reference = reference_of(assignment, runs)
    assert reference.limits == runs.limits_of(assignment)
    assert {call.seconds for call in reference.calls} == {600}


def test_a_reference_beyond_the_limits_is_the_assignments_fault(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path, slow(30, NOTEBOOK, "import numpy as np")))
    with pytest.raises(AssignmentError, match="does not pass its own checks"):
        reference_of(assignment, Runs(limits=Limits(total_seconds=4)))
