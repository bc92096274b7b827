"""A probe that takes too long is tried once more, alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_course import RIGHT, answered, assignment_of, make_course

from dlcourse.grading.sandbox import runs as module
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.probes import ProbeCall, ProbeRun
from dlcourse.grading.sandbox.runs import SECOND_TRIES, Runs, Turns


def test_a_probe_that_takes_too_long_is_tried_once_more_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = assignment_of(make_course(tmp_path))
    calls = [ProbeCall(name, "square", "numbers", 0) for name in "abcde"]
    first = dict.fromkeys("abcd", ProbeResult("timeout")) | {"e": ProbeResult("died")}
    tries: list[list[str]] = []

    def run_probes(_notebook: Any, _checks: Any, calls: Sequence[ProbeCall], _: Any) -> ProbeRun:
        tries.append([call.name for call in calls])
        right = ProbeResult("data", (("", 1),))
        return ProbeRun(first if len(tries) == 1 else {call.name: right for call in calls}, {})

    monkeypatch.setattr(module, "run_probes", run_probes)
    answers = Runs().probe(assignment, answered(assignment, RIGHT), calls).answers
    assert tries == [list("abcde"), list("abcde")[:SECOND_TRIES]]
    statuses = [answers[name].status for name in "abcde"]
    assert statuses == ["data", "data", "timeout", "timeout", "died"]


def test_one_that_is_alone_waits_for_the_others_and_they_for_it() -> None:
    turns, events = Turns(), list[str]()
    inside, leave = threading.Event(), threading.Event()

    def shared(name: str, wait: bool = False) -> None:
        with turns.shared():
            events.append(f"{name} begins")
            if wait:
                inside.set()
                leave.wait(60)
            events.append(f"{name} ends")

    def alone() -> None:
        with turns.alone():
            events.append("alone begins")
            events.append("alone ends")

    first = threading.Thread(target=shared, args=("first", True))
    first.start()
    assert inside.wait(60)
    lonely = threading.Thread(target=alone)
    lonely.start()
    while not turns.waiting:
        pass
    last = threading.Thread(target=shared, args=("last",))
    last.start()
    leave.set()
    for thread in (first, lonely, last):
        thread.join(60)
    assert events == [
        *("first begins", "first ends", "alone begins", "alone ends", "last begins", "last ends"),
    ]


def test_an_assignment_sets_limits_of_its_own(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    checks = course / "solutions" / "01-squares" / "checks.py"
    checks.write_text(f"{checks.read_text()}\nLIMITS = {{'probe_seconds': 25, 'processes': 8}}\n")
    limits = Runs(limits=Limits(cell_seconds=7)).limits_of(assignment_of(course))
    assert (limits.probe_seconds, limits.processes, limits.cell_seconds) == (25.0, 8, 7)
