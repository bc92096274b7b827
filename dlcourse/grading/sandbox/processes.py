"""The processes of running sandboxes, seen from outside: what they use, and how they are ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlcourse.grading.errors import GradingError

WRITABLE = ("/scratch", "/tmp", "/dev/shm")  # noqa: S108  (mounted for each sandbox)
SOCKET_BYTES = 2 * 212_992  # what Linux lets a socket hold by default, sent and received
INODE_BYTES = 1024  # of an empty file in memory


class Sandbox:
    """A running sandbox: `events` is what the program inside writes to its standard output.

    Use `sandbox()`, which ends it and everything in it.
    """

    def __init__(self, process: subprocess.Popen[bytes], first_pid: int) -> None:
        assert process.stdout is not None
        self.process = process
        self.events = process.stdout.fileno()
        self.first_pid = first_pid

    def errors(self) -> str:
        """What it wrote to its standard error before it ended, for the instructor."""
        self.kill()
        assert self.process.stderr is not None
        return self.process.stderr.read(4096).decode("utf-8", "replace").strip()

    def memory(self) -> int:
        """Bytes of memory that its processes use together, and that the kernel holds for them."""
        return sum(map(proportional_memory, self.pids())) + kernel_memory(self.first_pid)

    def processor_seconds(self) -> float:
        """Processor time that all its processes, and those that have ended, took together."""
        return sum(map(processor_seconds, self.pids()))

    def pids(self) -> list[int]:
        return [self.first_pid, *descendants(self.first_pid)]

    def kill(self) -> None:
        """End every process inside, and wait until they are gone."""
        if self.process.poll() is None:
            # Process 1 of the pid namespace takes all others with it, and bwrap waits for that.
            for pid in (*descendants(self.first_pid), self.first_pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


_running: set[Sandbox] = set()
_stopping = threading.Event()


@contextmanager
def registered(running: Sandbox) -> Iterator[None]:
    """A context at whose end the sandbox has ended, and within which `all_ended` ends it."""
    _running.add(running)
    try:
        if _stopping.is_set():
            raise Stopped("grading was stopped")
        yield
    finally:
        running.kill()
        _running.discard(running)


class Stopped(GradingError):  # noqa: N818
    """Grading is being stopped, so no sandbox starts."""


@contextmanager
def all_ended() -> Iterator[None]:
    """Within this context every sandbox of this process has ended, and none can start."""
    _stopping.set()
    try:
        for running in tuple(_running):
            running.kill()
        yield
    finally:
        _stopping.clear()


def descendants(root: int) -> list[int]:
    """The processes that `root` has started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has just ended
            parent = int(stat.rpartition(") ")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    frontier = [root]
    while frontier:
        started = children.get(frontier.pop(), [])
        found += started
        frontier += started
    return found


def processor_seconds(pid: int) -> float:
    """Seconds of processor time of a process and of its children that it has waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return 0.0  # it has just ended
    ticks = map(int, stat.rpartition(") ")[2].split()[11:15])  # utime, stime, cutime, cstime
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def proportional_memory(pid: int) -> int:
    """Bytes of memory of a process; pages that n processes share count 1/n for each."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it has just ended
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def kernel_memory(pid: int) -> int:
    """Bytes that the kernel may hold for a sandbox, counted as what its sockets and files can take.

    No process of the sandbox has this memory, so the memory of its processes does not show it.
    """
    return SOCKET_BYTES * _sockets(pid) + INODE_BYTES * sum(_files(pid, p) for p in WRITABLE)


def _sockets(pid: int) -> int:
    """The sockets of a process's network namespace."""
    try:
        text = Path(f"/proc/{pid}/net/sockstat").read_text()
    except OSError:
        return 0  # it has just ended
    match = re.search(r"^sockets: used (\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 0


def _files(pid: int, folder: str) -> int:
    """The number of files in a file system of a process: it has no limit of its own."""
    try:
        found = os.statvfs(f"/proc/{pid}/root{folder}")
    except OSError:
        return 0
    return found.f_files - found.f_ffree
