"""Runs a function on what a student controls in a process of its own, which has limits.

To parse, clean and render is work of libraries, some of which take time or memory without bound on
input that was made for it. The process is forked from a server that has imported them already. It
runs no student code, so what it returns is to be trusted as much as the function.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dlcourse.grading.forkserver import ForkServer

# Seconds of processor time, and bytes of memory that is the process's own. A large honest notebook
# takes a second and 200 MiB.
SECONDS = 20
MEMORY_BYTES = 1 << 30
PATIENCE = 6  # how many seconds may pass on the clock for one of processor time

_server = ForkServer("dlcourse.grading.feedback.page", "dlcourse.grading.assignments.submission")


class OutOfLimitsError(Exception):
    """The function took more time or memory than it may, or its process ended."""


def limited(
    function: Callable[..., Any],
    *arguments: Any,
    seconds: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
    **named: Any,
) -> Any:
    """``function(*arguments, **named)``, computed in a process with limits.

    Args:
        function: A function of a module, by its name; arguments and result can be pickled.
        seconds, memory_bytes: What it may take, by default ``SECONDS`` and ``MEMORY_BYTES``; six
            times as long on the clock.

    Raises:
        OutOfLimitsError: It took more.
        Exception: What the function raised.
    """
    seconds = SECONDS if seconds is None else seconds
    call = pickle.dumps((function, arguments, named))
    process, writer, reader = _server.process((seconds, memory_bytes))
    try:
        with suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:  # it may have ended
            pipe.write(call)
        answer = _read(reader, time.monotonic() + PATIENCE * seconds)
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)
        os.close(reader)
    if answer is None:
        raise OutOfLimitsError(f"more than {PATIENCE * seconds} seconds")
    try:
        succeeded, value = pickle.loads(answer)  # noqa: S301  (from this very program)
    except (EOFError, pickle.UnpicklingError):  # nothing, or less than all of it
        raise OutOfLimitsError(f"more than {seconds} seconds or {memory_bytes >> 20} MiB") from None
    if succeeded:
        return value
    raise value


def _read(reader: int, deadline: float) -> bytes | None:
    """All that comes, or None where it has not ended by the deadline."""
    blocks: list[bytes] = []
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while poll.poll(1000 * max(deadline - time.monotonic(), 0)):
        block = os.read(reader, 1 << 20)
        if not block:
            return b"".join(blocks)
        blocks.append(block)
    return None
