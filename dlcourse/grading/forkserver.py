"""A process that has imported the libraries and forks others, each of which calls one function.

``multiprocessing`` has such a server, too. Its processes import the caller's main program again,
which takes a second or more for `nbgrader` and Jupyter, and fails in a script without a guard.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PID_BYTES = 8


class ForkServer:
    """Starts the server when it is needed, and asks it for processes. Threads may share it."""

    def __init__(self, *modules: str) -> None:
        self.modules = modules
        self._lock = threading.Lock()
        self._owner = 0
        self._socket: socket.socket | None = None

    def process(self, limits: tuple[int, int]) -> tuple[int, int, int]:
        """A new process that waits for a call.

        Args:
            limits: Seconds of processor time, and bytes of memory that is its own.

        Returns:
            Three descriptors: the process, the pipe to write the pickled ``(function, arguments,
            named arguments)`` to, the pipe to read the pickled ``(succeeded, result or exception)``
            from. The second must be closed after the call, or it waits for more.
        """
        call_reader, call_writer = os.pipe()
        result_reader, result_writer = os.pipe()
        given = [call_reader, result_writer]
        try:
            with self._lock:
                self._ask(repr(limits).encode(), given)
        finally:
            for descriptor in given:
                os.close(descriptor)
        pid = int.from_bytes(os.read(result_reader, PID_BYTES), "little")
        return os.pidfd_open(pid), call_writer, result_reader

    def _ask(self, message: bytes, descriptors: list[int]) -> None:
        for attempt in range(2):
            if self._socket is None or self._owner != os.getpid():
                self._start()
            assert self._socket is not None
            try:
                socket.send_fds(self._socket, [message], descriptors)
                return
            except OSError:  # the server has ended: of want of memory, say
                self._socket.close()
                self._socket = None
                if attempt:
                    raise

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), *self.modules]
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for this process to handle
        )
        theirs.close()
        self._socket, self._owner = ours, os.getpid()
        atexit.register(_end, ours, server, os.getpid())


def _end(connection: socket.socket, server: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:
        connection.close()
        server.wait()


def serve(connection: socket.socket) -> None:
    """Fork a process for each message, until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        message, descriptors, *_ = socket.recv_fds(connection, 1024, 2)
        if not message:
            os.killpg(0, signal.SIGKILL)  # the processes that are left, and this one
        if os.fork() == 0:
            connection.close()
            seconds, memory_bytes = message.strip(b"()").split(b",")
            _call((int(seconds), int(memory_bytes)), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _call(limits: tuple[int, int], call: int, result: int) -> None:
    """Do the call, write what came of it, and end this process."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with os.fdopen(result, "wb") as sender, os.fdopen(call, "rb") as receiver:
            sender.write(os.getpid().to_bytes(PID_BYTES, "little"))
            sender.flush()
            text = receiver.read()
            seconds, memory_bytes = limits
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with suppress(MemoryError):  # as if the process had ended
                sender.write(_answer(*pickle.loads(text)))  # noqa: S301  (from this very program)
    finally:
        os._exit(0)


def _answer(function: Callable[..., Any], arguments: Any, named: Any) -> bytes:
    try:
        answer = (True, function(*arguments, **named))
    except MemoryError:
        raise
    except Exception as error:
        answer = (False, error)
    try:
        return pickle.dumps(answer)
    except MemoryError:
        raise
    except Exception as error:  # a result or an exception that cannot be pickled
        return pickle.dumps((False, RuntimeError(f"{type(answer[1]).__name__}: {error}")))


def main() -> None:
    descriptor, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    serve(socket.socket(fileno=int(descriptor)))


if __name__ == "__main__":
    main()
