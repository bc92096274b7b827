from __future__ import annotations

import os
import sys
from pathlib import Path

import busy


def loops() -> int:
    """The busy loops that this process has started."""
    found = 0
    for folder in Path("/proc").iterdir():
        try:
            stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        parent = int(stat.rpartition(") ")[2].split()[1])
        found += parent == os.getpid() and "while True: pass" in command
    return found


def test_the_command_runs_beside_the_loops_and_they_end_with_it() -> None:
    with busy.busy_loops(3):
        assert loops() == 3
    assert loops() == 0


def test_the_exit_code_is_the_commands() -> None:
    assert busy.main(["1", sys.executable, "-c", "raise SystemExit(5)"]) == 5
    assert loops() == 0
