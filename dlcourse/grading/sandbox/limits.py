"""What a run of student code may use and see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlcourse.grading.sandbox.packages import ALWAYS


@dataclass(frozen=True)
class Limits:
    """What one run of a notebook may use.

    Seconds are of processor time, of all processes together, so that a mark does not depend on what
    else the machine has to do. ``patience`` is for code that waits: how many seconds may pass on
    the clock for each second that it may compute.
    """

    cell_seconds: float = 30.0
    probe_seconds: float = 10.0
    total_seconds: float = 300.0
    patience: float = 6.0
    memory_bytes: int = 2 << 30  # address space of a process, and memory of all together
    scratch_bytes: int = 256 << 20  # of each writable file system, and of one file
    output_bytes: int = 1 << 20  # outputs of one cell; more is cut off
    total_output_bytes: int = 16 << 20  # of all cells; those that exceed it show nothing
    data_bytes: int = 1 << 20  # a probe's data, as JSON
    processes: int = 64  # processes and threads


@dataclass(frozen=True)
class Confinement:
    """How student code is confined.

    Args:
        limits: What it may use.
        files: A folder whose contents lie beside the notebook.
        own_files: Files that the student handed in, by name; they lie there, too.
        imports: The packages that it may import, by the names that it imports them by.
        hidden: Places that it must not see, which may lie within the system's own folders; the
            checkout is always hidden.
        unsafe_no_sandbox: It runs with your own rights, and sees all that you see.
    """

    limits: Limits = field(default_factory=Limits)
    files: Path | None = None
    own_files: Mapping[str, bytes] = field(default_factory=dict)
    imports: tuple[str, ...] = ALWAYS
    hidden: tuple[Path, ...] = ()
    unsafe_no_sandbox: bool = False
