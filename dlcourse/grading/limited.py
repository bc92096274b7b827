"""Runs a function on what a student controls in a process of its own, which has limits.

To parse, clean and render is work of libraries, some of which take time or memory without bound on
input that was made for it. The process is forked from a server that has imported them already. It
runs no student code, so what it returns is to be trusted as much as the function.
"""

from __future__ import annotations

import multiprocessing
import pickle
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

# Seconds of processor time, and bytes of memory that is the process's own. A large honest notebook
# takes a second and 200 MiB.
SECONDS = 20
MEMORY_BYTES = 1 << 30
PATIENCE = 6  # how many seconds may pass on the clock for one of processor time

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["dlcourse.grading.feedback.page", "dlcourse.grading.assignments.submission"]
)


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
    receiver, sender = _SERVER.Pipe(duplex=False)
    call = pickle.dumps((function, arguments, named))
    limits = (seconds, memory_bytes)
    process = _SERVER.Process(target=_run, args=(call, limits, sender), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(PATIENCE * seconds):
            raise OutOfLimitsError(f"more than {PATIENCE * seconds} seconds")
        is_result, value = receiver.recv()
    except EOFError:
        raise OutOfLimitsError(f"more than {seconds} seconds or {memory_bytes >> 20} MiB") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if is_result:
        return value
    raise value


def _run(call: bytes, limits: tuple[int, int], sender: Connection) -> None:
    seconds, memory_bytes = limits
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        function, arguments, named = pickle.loads(call)  # noqa: S301 (from this very program)
        answer = (True, function(*arguments, **named))
    except MemoryError:
        return  # as if the process had ended
    except Exception as error:
        answer = (False, error)
    try:
        sender.send(answer)
    except MemoryError:
        return
    except Exception as error:  # a result or an exception that cannot be pickled
        sender.send((False, RuntimeError(f"{type(answer[1]).__name__}: {error}")))
