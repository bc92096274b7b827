"""Runs a notebook in the sandbox: as a reader would see it, or with probes that return data.

The two are separate runs. The outputs that feedback shows come from a run without any probe; of a
run with probes only their data is kept. So nothing that a student can see comes from a process
that held a hidden check.

A notebook is a row of units: its cells, and after a test cell that cell's probes. When a unit
hangs, ends the process or keeps more than half of the memory, the sandbox is ended, and a new one
runs the notebook without that unit.
When that goes on at other units, an earlier cell may be behind it (a timer, say, that ends the
process later): then one attempt leaves out the last cell that left something running instead.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from dlcourse.grading.errors import NotStartedError
from dlcourse.grading.sandbox.confinement import sandbox
from dlcourse.grading.sandbox.events import (
    ProbeResult,
    ProbeStatus,
    known,
    read_answer,
    read_outputs,
)
from dlcourse.grading.sandbox.limits import Confinement, Limits
from dlcourse.grading.sandbox.probes import CellError, ProbeCall, ProbeRun
from dlcourse.grading.sandbox.processes import Sandbox
from dlcourse.grading.sandbox.program import program
from dlcourse.grading.sandbox.watch import Budget, Ending, EventReader

DEFAULT = Confinement()
GRACE_SECONDS = 2.0  # that the runner has to stop a unit by itself before the sandbox is ended
START_SECONDS = 60.0  # of processor time
STARTS = 3  # how often a sandbox that does not start is tried


ANSWER_OF_ENDING: dict[Ending, ProbeStatus] = {
    "timeout": "timeout",
    "died": "died",
    "memory": "died",
    "flood": "unreadable",
    "time is up": "not reached",
}


@dataclass(frozen=True)
class Unit:
    """A cell (`call` is None) or a probe that runs after it."""

    cell: int
    call: ProbeCall | None = None


@dataclass
class Progress:
    """What is known after any number of attempts."""

    skipped: dict[Unit, Ending] = field(default_factory=dict)
    outputs: dict[int, list[NotebookNode]] = field(default_factory=dict)
    answers: dict[str, ProbeResult] = field(default_factory=dict)
    errors: dict[int, CellError] = field(default_factory=dict)
    restless: set[int] = field(default_factory=set)  # cells that left something running
    shown: int = 0  # characters of all outputs together
    slowest: float = 0.0  # seconds of processor time that a cell took

    def copy(self) -> Progress:
        return Progress(*map(copy.copy, vars(self).values()))

    def skip(self, unit: Unit, ending: Ending) -> None:
        """Leave the unit out from now on; a probe has its answer with that."""
        self.skipped[unit] = ending
        if unit.call is None:
            self.outputs.pop(unit.cell, None)
            self.errors[unit.cell] = CellError(ending)
        else:
            self.answers[unit.call.name] = ProbeResult(ANSWER_OF_ENDING[ending])

    def has(self, unit: Unit) -> bool:
        """Whether the unit has been run or left out."""
        if unit.call is None:
            return unit.cell in self.outputs or unit in self.skipped
        return unit.call.name in self.answers

    def went_well(self, unit: Unit) -> bool:
        """Whether the unit has been run, and without an error."""
        if unit.call is None:
            outputs = self.outputs.get(unit.cell)
            return outputs is not None and all(o.output_type != "error" for o in outputs)
        answer = self.answers.get(unit.call.name)
        return answer is not None and answer.status == "data"


def run_notebook(notebook: NotebookNode, confinement: Confinement = DEFAULT) -> NotebookNode:
    """A copy of the notebook with the outputs and execution counts of its code cells.

    An error in a cell does not stop the cells after it. A cell that hangs or ends the process gets
    an error output that says so.
    """
    run = NotebookRun(notebook, "", [], confinement)
    progress = run.run()
    executed = copy.deepcopy(notebook)
    for index, count in run.counts.items():
        ending = progress.skipped.get(Unit(index), "time is up")
        stopped = [stopped_output(ending, confinement.limits)]
        executed.cells[index].outputs = progress.outputs.get(index, stopped)
        executed.cells[index].execution_count = count
    return executed


def run_probes(
    notebook: NotebookNode,
    checks_source: str,
    calls: Sequence[ProbeCall],
    confinement: Confinement = DEFAULT,
) -> ProbeRun:
    """Run the notebook and, after the cells they belong to, the probes."""
    run = NotebookRun(notebook, checks_source, calls, confinement)
    answers = run.run().answers
    return ProbeRun(
        {call.name: run.result(call, answers.get(call.name)) for call in calls},
        run.progress.errors,
        run.progress.slowest,
        run.limits.total_seconds - run.budget.seconds,
    )


def stopped_output(ending: Ending, limits: Limits) -> NotebookNode:
    """The error output of a cell that has none of its own."""
    ename, evalue = {
        "timeout": (
            "TimeoutError",
            f"This cell computed for more than {limits.cell_seconds:g} seconds, or waited for "
            f"more than {limits.patience * limits.cell_seconds:g}, and was stopped.",
        ),
        "died": ("ProcessEnded", "This cell ended the notebook's process."),
        "memory": (
            "MemoryError",
            "This cell was stopped: it used more than its share of the notebook's "
            f"{limits.memory_bytes >> 20} MiB of memory.",
        ),
        "flood": ("OutputError", "This cell was stopped: its output could not be read."),
        "time is up": (
            "TimeoutError",
            f"This cell was not run: the notebook's {limits.total_seconds:g} seconds were over.",
        ),
    }[ending]
    output: NotebookNode = new_output(
        "error", ename=ename, evalue=evalue, traceback=[f"{ename}: {evalue}"]
    )
    return output


class NotebookRun:
    """One notebook with its probes, run in as many sandboxes as it takes."""

    def __init__(
        self,
        notebook: NotebookNode,
        checks_source: str,
        calls: Sequence[ProbeCall],
        confinement: Confinement,
    ) -> None:
        self.notebook = notebook
        self.checks_source = checks_source
        self.confinement = confinement
        self.limits = confinement.limits
        self.progress = Progress()
        self.budget = Budget(self.limits)
        code = [
            index
            for index, cell in enumerate(notebook.cells)
            if cell.cell_type == "code" and cell.source.strip()
        ]
        self.counts = {index: number for number, index in enumerate(code, 1)}
        self.units = self._units(calls)

    def _units(self, calls: Sequence[ProbeCall]) -> list[Unit]:
        by_cell: dict[str, list[ProbeCall]] = {}
        for call in calls:
            by_cell.setdefault(call.grade_id, []).append(call)
        units = []
        for index, cell in enumerate(self.notebook.cells):
            if index in self.counts:
                units.append(Unit(index))
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            units += [Unit(index, call) for call in by_cell.pop(grade_id, [])]
        if by_cell:
            raise ValueError(f"there is no cell with grade_id {' or '.join(sorted(by_cell))}")
        if len({call.name for call in calls}) < len(calls):
            raise ValueError("two probes have the same name")
        if calls:  # the cells after the last probe tell nothing about it
            while units[-1].call is None:
                units.pop()
        return units

    def run(self) -> Progress:
        before_stops, stopped, innocent = self.progress.copy(), list[Unit](), set[int]()
        while True:
            if stopped:
                earlier = {cell for cell in self.progress.restless if cell < stopped[0].cell}
                for suspect in sorted(earlier - innocent, reverse=True):
                    trial = self._attempt_without(suspect, before_stops)
                    if any(unit in trial.skipped or not trial.has(unit) for unit in stopped):
                        innocent.add(suspect)
                    elif any(trial.went_well(unit) for unit in stopped):
                        self.progress, stopped = trial, []
                        break
                    # Else the stopped units failed for want of its names, which tells nothing.
            if not stopped:
                before_stops = self.progress.copy()
            units = self._open_units(self.progress)
            culprit = self._attempt(self.progress, units) if units else None
            if culprit is None or culprit[1] == "time is up":
                return self.progress
            unit, ending = culprit
            if unit.call is None and unit.cell in self.progress.restless:
                # What it left running now ended it; the stops before may have had that cause too.
                self.progress, stopped = before_stops.copy(), []
            else:
                stopped.append(unit)
            self.progress.skip(unit, ending)

    def _attempt_without(self, cell: int, before: Progress) -> Progress:
        trial = before.copy()
        trial.skip(Unit(cell), "died")
        culprit = self._attempt(trial, self._open_units(trial))
        if culprit is not None and culprit[1] != "time is up":
            trial.skip(*culprit)
        return trial

    def _open_units(self, progress: Progress) -> list[Unit]:
        """What an attempt has to run: nothing, or all but what is left out or has its answer."""
        if all(progress.has(unit) for unit in self.units):
            return []
        return [
            unit
            for unit in self.units
            if unit not in progress.skipped and not (unit.call and progress.has(unit))
        ]

    # --- one sandbox ---

    def _start(self, units: list[Unit]) -> AbstractContextManager[Sandbox]:
        cells: dict[int, dict[str, Any]] = {}
        for unit in units:
            cell = self.notebook.cells[unit.cell]
            entry = cells.setdefault(unit.cell, {"index": unit.cell, "run": False, "probes": []})
            if unit.call is None:
                entry |= {"run": True, "source": cell.source, "count": self.counts[unit.cell]}
            else:
                call = unit.call
                entry["probes"].append(
                    {
                        "name": call.name,
                        "function": call.function,
                        "seed": call.seed,
                        "seconds": self._seconds(call),
                    }
                )
        request = {"cells": list(cells.values()), "checks": self.checks_source}
        return sandbox(program(), request, self.confinement)

    def result(self, call: ProbeCall, answer: ProbeResult | None) -> ProbeResult:
        """The result of a probe; of one that was stopped, ``seconds`` are those that it had."""
        if answer is None:
            return ProbeResult("not reached")
        if answer.status == "timeout":
            return replace(answer, seconds=self._seconds(call))
        return answer

    def _seconds(self, call: ProbeCall) -> float:
        return self.limits.probe_seconds if call.seconds is None else call.seconds

    def _attempt(self, progress: Progress, units: list[Unit]) -> tuple[Unit, Ending] | None:
        """Run the units in a new sandbox; the unit that stopped it and how, or None at the end.

        A sandbox may fail to start for want of memory or processes, so it is tried again.
        """
        for attempt in range(1, STARTS + 1):
            with self._start(units) as running, self.budget.of(running):
                events = EventReader(running, self.limits, self.budget)
                if isinstance(events.next(START_SECONDS, 1 << 16), dict):
                    return self._run_units(progress, units, events)
                if attempt == STARTS:
                    raise NotStartedError(
                        f"the notebook did not start in the sandbox\n{running.errors()}"
                    )
        return None

    def _run_units(
        self, progress: Progress, units: list[Unit], events: EventReader
    ) -> tuple[Unit, Ending] | None:
        for unit in units:
            seconds, size = self._allowance(unit)
            events.begin()
            while True:
                event = events.next(seconds, size)
                if isinstance(event, str):
                    return unit, event
                if self._take(progress, unit, event, events.computed()):
                    break
            if unit.call is None and self._keeps_too_much(event):
                return unit, "memory"
        return None

    def _allowance(self, unit: Unit) -> tuple[float, int]:
        """Seconds and bytes that a unit has, what the runner adds around its data included."""
        if unit.call is None:
            # A byte of output can take six in JSON.
            return self.limits.cell_seconds + GRACE_SECONDS, 6 * self.limits.output_bytes + (
                1 << 16
            )
        # The data is a JSON text within a JSON text: its quotes are escaped.
        return self._seconds(unit.call) + GRACE_SECONDS, 2 * self.limits.data_bytes + (1 << 16)

    def _keeps_too_much(self, event: dict[str, Any]) -> bool:
        """Whether a cell that has ended leaves the others less than half of the memory."""
        kept = event.get("kept")
        return isinstance(kept, int) and kept > self.limits.memory_bytes // 2

    def _within_total(self, progress: Progress, outputs: list[NotebookNode]) -> list[NotebookNode]:
        """The outputs, or a note in their place where the notebook shows enough already."""
        size = sum(len(str(output)) for output in outputs)
        if progress.shown + size <= self.limits.total_output_bytes:
            progress.shown += size
            return outputs
        most = self.limits.total_output_bytes >> 20
        text = f"[Not shown: the outputs of the notebook are more than {most} MiB.]\n"
        return [new_output("stream", name="stderr", text=text)]

    def _take(self, progress: Progress, unit: Unit, event: dict[str, Any], computed: float) -> bool:
        """Keep what the event says of the running unit. False if it is about something else."""
        if unit.call is None:
            if event.get("event") != "done" or event.get("index") != unit.cell:
                return False
            if unit.cell not in progress.outputs:
                outputs = read_outputs(event.get("outputs"), self.counts[unit.cell])
                progress.outputs[unit.cell] = self._within_total(progress, outputs)
            if (kind := event.get("error")) is not None:
                line, length = event.get("line"), self.notebook.cells[unit.cell].source.count("\n")
                inside = isinstance(line, int) and 1 <= line <= length + 1
                progress.errors[unit.cell] = CellError(known(kind), int(line or 0) if inside else 0)
            progress.slowest = max(progress.slowest, computed)
            if event.get("changed") is True:
                progress.restless.add(unit.cell)
        else:
            if event.get("event") != "answer" or event.get("name") != unit.call.name:
                return False
            progress.answers[unit.call.name] = replace(read_answer(event), seconds=computed)
        return True
