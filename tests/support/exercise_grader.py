"""Marks notebooks for the tests of the exercises: the assignments, graded in the real sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment, load_assignment
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.pipeline import marks_of
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.runs import Runs

ROOT = Path(__file__).resolve().parents[2]
# Shorter than in a real run: a check that hangs should cost the tests little.
LIMITS = Limits(cell_seconds=10, probe_seconds=4, total_seconds=120, memory_bytes=1 << 30)


class Grader:
    """Marks notebooks, two at a time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.runs = Runs(limits=LIMITS, hidden=(ROOT,))
        self.assignments = {
            folder.name: load_assignment(folder)
            for folder in sorted((ROOT / "solutions").iterdir())
        }

    def marks(self, name: str, notebook: NotebookNode) -> Future[Marks]:
        """The marks of a student's notebook for an assignment."""

        def run(assignment: Assignment) -> Marks:
            return marks_of(assignment, rebuild(assignment.release, notebook), self.runs)

        return self.pool.submit(run, self.assignments[name])

    def display(self, name: str, notebook: NotebookNode) -> NotebookNode:
        """The notebook as it was run for feedback."""
        assignment = self.assignments[name]
        return self.runs.display(assignment, rebuild(assignment.release, notebook))


def outcomes(marks: Marks) -> Mapping[str, str]:
    """What became of each check, by its name."""
    return {check.name: check.outcome for question in marks.questions for check in question.checks}
