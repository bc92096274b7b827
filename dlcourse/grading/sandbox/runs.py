"""How notebooks are run for an assignment: with which limits, and in which sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.sandbox.execute import ProbeCall, ProbeRun, run_notebook, run_probes
from dlcourse.grading.sandbox.limits import Confinement, Limits

SECOND_TRIES = 2  # of a submission: one that hangs everywhere should not hold up the class


class Turns:
    """Many may take their turn at once, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self.waiting = 0  # for a turn alone: no other turn begins before them

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self.waiting == 0)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self.waiting += 1
            self._changed.wait_for(lambda: self._running == 0)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self.waiting -= 1
                self._changed.notify_all()


_turns = Turns()


@dataclass(frozen=True)
class Runs:
    """The two runs of a submission.

    ``hidden`` are places that student code must not see; with ``unsafe_no_sandbox`` it runs with
    your own rights, and sees all that you see.
    """

    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    unsafe_no_sandbox: bool = False

    def display(self, assignment: Assignment, notebook: NotebookNode) -> NotebookNode:
        """Run the notebook for what it shows; no check takes part."""
        with _turns.shared():
            return run_notebook(notebook, self._confinement(assignment))

    def probe(
        self, assignment: Assignment, notebook: NotebookNode, calls: Sequence[ProbeCall]
    ) -> ProbeRun:
        """Run the notebook for the data of the probes; what it shows is thrown away.

        A probe that takes too long is tried once more, alone: no other sandbox of this grader runs
        beside it. So it is for the first ``SECOND_TRIES`` of them.
        """
        confinement = self._confinement(assignment)
        with _turns.shared():
            run = run_probes(notebook, assignment.checks_source, calls, confinement)
        late = [call for call in calls if run.answers[call.name].status == "timeout"]
        if late := late[:SECOND_TRIES]:
            with _turns.alone():
                again = run_probes(notebook, assignment.checks_source, late, confinement)
            run = replace(run, answers={**run.answers, **again.answers})
        return run

    def limits_of(self, assignment: Assignment) -> Limits:
        """The limits, with those that the assignment sets itself."""
        return replace(self.limits, **assignment.limits)

    def _confinement(self, assignment: Assignment) -> Confinement:
        return Confinement(
            limits=self.limits_of(assignment),
            files=assignment.files,
            imports=assignment.imports,
            hidden=self.hidden,
            unsafe_no_sandbox=self.unsafe_no_sandbox,
        )
