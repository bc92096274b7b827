"""A request to run a probe, and what a notebook run with probes says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.packages import ALWAYS


@dataclass(frozen=True)
class ProbeCall:
    """A request: run `function` of the checks after the cell `grade_id`, with this seed.

    ``seconds`` are those that it may compute, the limits' own where it is None; ``imports`` the
    packages that may be imported in its run.
    """

    name: str
    grade_id: str
    function: str
    seed: int
    seconds: float | None = None
    imports: tuple[str, ...] = ALWAYS


@dataclass(frozen=True)
class CellError:
    """How a cell went wrong: the kind of exception, "" for one of no known kind, or how it was
    stopped; and the line, from 1, 0 where it is not known."""

    kind: str
    line: int = 0


@dataclass(frozen=True)
class ProbeRun:
    """The results of the probes by their names, and of the cells that failed by their indices.

    ``cell_seconds`` and ``total_seconds`` of processor time took the slowest cell and all together.
    """

    answers: Mapping[str, ProbeResult]
    errors: Mapping[int, CellError]
    cell_seconds: float = 0.0
    total_seconds: float = 0.0

    def with_another(self, run: ProbeRun) -> ProbeRun:
        """Both runs of a notebook: where both have an answer, that of the other."""
        return ProbeRun(
            {**self.answers, **run.answers},
            {**self.errors, **run.errors},
            max(self.cell_seconds, run.cell_seconds),
            max(self.total_seconds, run.total_seconds),
        )
