"""How notebooks are run for an assignment: with which limits, and in which sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.sandbox.execute import run_notebook, run_probes
from dlcourse.grading.sandbox.limits import Confinement, Limits
from dlcourse.grading.sandbox.probes import ProbeCall, ProbeRun

NO_FILES: Mapping[str, bytes] = MappingProxyType({})
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
    """The two runs of a submission, with the limits of the assignment unless others are given.

    ``hidden`` are places that student code must not see; with ``unsafe_no_sandbox`` it runs with
    your own rights, and sees all that you see.
    """

    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    unsafe_no_sandbox: bool = False

    def display(
        self,
        assignment: Assignment,
        notebook: NotebookNode,
        limits: Limits | None = None,
        own_files: Mapping[str, bytes] = NO_FILES,
    ) -> NotebookNode:
        """Run the notebook for what it shows; no check takes part."""
        confinement = self._confinement(assignment, limits, own_files)
        with _turns.shared():
            return run_notebook(notebook, confinement)

    def probe(
        self,
        assignment: Assignment,
        notebook: NotebookNode,
        calls: Sequence[ProbeCall],
        limits: Limits | None = None,
        own_files: Mapping[str, bytes] = NO_FILES,
        *,
        second_tries: int = SECOND_TRIES,
    ) -> ProbeRun:
        """Run the notebook for the data of the probes; what it shows is thrown away.

        Questions that may import other packages than the rest are asked in a run of their own.
        A probe that takes too long is tried once more, alone: no other sandbox of this grader runs
        beside it. So it is for the first ``second_tries`` of them.
        """
        confinement = self._confinement(assignment, limits, own_files)

        def run(calls: Sequence[ProbeCall], imports: tuple[str, ...]) -> ProbeRun:
            allowed = replace(confinement, imports=imports)
            return run_probes(notebook, assignment.checks_source, calls, allowed)

        found = ProbeRun({}, {})
        for imports in dict.fromkeys(call.imports for call in calls):
            asked = [call for call in calls if call.imports == imports]
            with _turns.shared():
                found = found.with_another(run(asked, imports))
            late = [call for call in asked if found.answers[call.name].status == "timeout"]
            if late := late[:second_tries]:
                with _turns.alone():
                    found = found.with_another(run(late, imports))
                second_tries -= len(late)
        return found

    def limits_of(self, assignment: Assignment) -> Limits:
        """The limits, with those that the assignment sets itself."""
        return replace(self.limits, **assignment.limits)

    def _confinement(
        self, assignment: Assignment, limits: Limits | None, own_files: Mapping[str, bytes]
    ) -> Confinement:
        return Confinement(
            limits=limits or self.limits_of(assignment),
            files=assignment.files,
            own_files=own_files,
            imports=assignment.imports,
            hidden=self.hidden,
            unsafe_no_sandbox=self.unsafe_no_sandbox,
        )
