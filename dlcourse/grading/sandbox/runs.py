"""How notebooks are run for an assignment: with which limits, and in which sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.sandbox.confinement import Limits
from dlcourse.grading.sandbox.execute import ProbeCall, ProbeResult, run_notebook, run_probes


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
        return run_notebook(
            notebook,
            limits=self.limits,
            files=assignment.files,
            frameworks=assignment.frameworks,
            hidden=self.hidden,
            unsafe_no_sandbox=self.unsafe_no_sandbox,
        )

    def probe(
        self, assignment: Assignment, notebook: NotebookNode, calls: Sequence[ProbeCall]
    ) -> Mapping[str, ProbeResult]:
        """Run the notebook for the data of the probes; what it shows is thrown away."""
        return run_probes(
            notebook,
            assignment.checks_source,
            calls,
            limits=self.limits,
            files=assignment.files,
            frameworks=assignment.frameworks,
            hidden=self.hidden,
            unsafe_no_sandbox=self.unsafe_no_sandbox,
        )
