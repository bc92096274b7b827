"""Work on what a student controls runs in a process with limits, and what it says comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def test_a_program_without_a_guard_can_use_it(tmp_path: Path) -> None:
    """Its processes do not import the caller's main program, nor do they outlive it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nfrom dlcourse.grading.limited import limited\n"
        "print(limited(abs, -3), limited(os.getsid, 0) != os.getsid(0))\n"
    )
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert run.stdout == "3 True\n"
    assert run.stderr == ""


def test_a_new_server_is_started_where_the_old_one_has_ended() -> None:
    server = limited(os.getppid)
    os.kill(server, signal.SIGKILL)
    while Path(f"/proc/{server}/stat").read_text().split(") ")[1][0] != "Z":
        time.sleep(0.01)
    assert limited(double, 4) == 8
    assert limited(os.getppid) != server


def test_threads_have_processes_side_by_side() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda x: limited(double, x), range(40))) == list(range(0, 80, 2))


def test_a_large_result_comes_back_whole() -> None:
    assert limited(bytes, 50_000_000) == bytes(50_000_000)


def test_a_function_that_waits_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(OutOfLimitsError, match="more than 1 seconds"):
        limited(time.sleep, 100, seconds=1)
