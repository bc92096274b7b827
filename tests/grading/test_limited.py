"""Work on what a student controls runs in a process with limits, and what it says comes back."""

from __future__ import annotations

import os
import time

import pytest

from dlcourse.grading import limited as module
from dlcourse.grading.assignments.submission import SubmissionError
from dlcourse.grading.limited import OutOfLimitsError, limited


def double(x: int, *, more: int = 0) -> int:
    return 2 * x + more


def refuse() -> None:
    raise SubmissionError("no notebook")


def compute() -> None:
    while True:
        pass


def fill_the_memory() -> int:
    return len(bytearray(b"x") * (1 << 32))


def end() -> None:
    os._exit(0)


def unpicklable() -> object:
    return lambda: None


def test_the_result_and_the_exception_of_the_function_come_back() -> None:
    assert limited(double, 3, more=1) == 7
    with pytest.raises(SubmissionError, match="no notebook"):
        limited(refuse)
    with pytest.raises(RuntimeError):
        limited(unpicklable)


@pytest.mark.parametrize("function", [compute, fill_the_memory, end])
def test_too_much_time_or_memory_or_an_end_is_an_error(function) -> None:
    with pytest.raises(OutOfLimitsError, match="1 seconds or 1024 MiB"):
        limited(function, seconds=1)


def test_a_function_that_waits_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(OutOfLimitsError, match="more than 1 seconds"):
        limited(time.sleep, 100, seconds=1)
