"""The processes of the sandbox, seen from inside: what they use, and how they are ended."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .own import (
    BUILTINS,
    os,
    resource,
    signal,
)

__builtins__ = BUILTINS  # type: ignore[assignment]


def descendants() -> set[int]:
    """The processes that this one has started, directly or not, zombies left out."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = read_file(f"/proc/{name}/stat")
            except OSError:
                continue  # it has just ended
            state, parent = stat.rpartition(b") ")[2].split()[:2]
            if state not in b"ZX":
                parents.setdefault(int(parent), []).append(int(name))
    found: set[int] = set()
    frontier = [os.getpid()]
    while frontier:
        children = parents.get(frontier.pop(), [])
        found.update(children)
        frontier.extend(children)
    return found


def processor_seconds(pid: int) -> float:
    """Seconds of processor time of a process and of its children that it has waited for."""
    try:
        stat = read_file(f"/proc/{pid}/stat")
    except OSError:
        return 0.0  # it has just ended
    ticks = stat.rpartition(b") ")[2].split()[11:15]  # utime, stime, cutime, cstime
    return sum(map(int, ticks)) / float(os.sysconf("SC_CLK_TCK"))


def read_file(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return bytes(os.read(fd, 65536))
    finally:
        os.close(fd)


def kill_descendants(keep: set[int]) -> None:
    """End every process that a probe or a cell has left behind, but those in `keep`."""
    for _ in range(50):  # more than once: a fork bomb goes on forking while it is being killed
        strays = descendants() - keep
        if not strays:
            return
        for pid in strays:
            with suppress(OSError):  # it has already gone
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)


def surroundings() -> list[Any]:
    """What a cell can leave changed behind it, so that a later cell may suffer from it."""
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE)]
    limits += [resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)]
    return [len(os.listdir("/proc/self/task")), sorted(descendants()), limits]


def address_space() -> int:
    """Bytes of this process's address space in use, which is what RLIMIT_AS limits."""
    pages = int(read_file("/proc/self/statm").split()[0])
    return pages * int(resource.getpagesize())
