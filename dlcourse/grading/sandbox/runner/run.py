"""Runs a notebook's cells, and probes between them.

It reads one request (JSON) from standard input and writes events (JSON, one a line) to standard
output. Student code lives in this very process and may forge every event, so nothing here decides
a mark: the trusted side (`execute.py`) bounds, checks and compares whatever comes out.
"""

from __future__ import annotations

import ctypes
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from types import GeneratorType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from .encode import NotPlainDataError, encode
from .outputs import Captured, Outputs, Stream
from .own import (
    BUILTINS,
    json,
    new_generator,
    os,
    random,
    resource,
    seed_numpy,
    select,
    signal,
    time,
)
from .processes import (
    address_space,
    descendants,
    kill_descendants,
    processor_seconds,
    surroundings,
)
from .protocol import EXCEPTIONS
from .shell import NotebookShell, make_shell

__builtins__ = BUILTINS  # type: ignore[assignment]

LAST_WORDS = (b"end", b"raised", b"undefined", b"unreadable")  # of the last line of a probe
PROBE_WATCH_SECONDS = 0.1  # between two looks at the time that a probe has taken
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

Json = dict[str, Any]


class CellTimeout(BaseException):
    """The time of a cell is up. Not an Exception: `except Exception` must let it through."""


CellTimeout.__name__ = CellTimeout.__qualname__ = "TimeoutError"  # what a reader knows


class NotDefinedError(Exception):
    """A probe asked for a name that the notebook does not define."""


class Notebook:
    """The names of the notebook, as a probe reads and replaces them."""

    def __init__(self, names: Json) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise NotDefinedError(name)
        return self._names[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._names[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._names


def kind_of(error: BaseException) -> str:
    """The name that a report has for an exception: its own or its base's, if the list has one."""
    if isinstance(error, CellTimeout):
        return "timeout"
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((name for name in names if name in EXCEPTIONS), "")


def line_of(error: BaseException, count: int) -> int:
    """The line of the cell that an error comes from, from 1; 0 where it is not known."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(f"<ipython-input-{count}-"):
            line = step.tb_lineno
        step = step.tb_next
    return line


class Runner:
    def __init__(self, request: Json, events: int) -> None:
        self.request = request
        self.limits = request["limits"]
        self.events = events
        self.outputs = Outputs(self.limits["output_bytes"])
        self.captured = Captured(self.outputs)
        self.shell = make_shell(self.outputs, request["imports"])
        self.methods = {
            kind: {name: value for name, value in vars(kind).items() if callable(value)}
            for kind in (NotebookShell, InteractiveShell)
        }

    def run(self) -> None:
        self.emit(event="ready")
        for cell in self.request["cells"]:
            if cell["run"]:
                self.run_cell(cell)
            for probe in cell["probes"]:
                self.run_probe(probe)
        self.emit(event="end")
        self.stay()

    def stay(self) -> None:
        """Wait to be ended by the grader: it still asks how long the last probe has computed."""
        poll = select.poll()
        poll.register(self.events, 0)  # nothing but the end of its reader
        poll.poll()

    def emit(self, **event: Any) -> None:
        line = json.dumps(event).encode("ascii") + b"\n"
        while line:
            line = line[os.write(self.events, line) :]

    def run_cell(self, cell: Json) -> None:
        before, memory = surroundings(), address_space()
        self.outputs.begin()
        self.restore_shell()
        self.shell.execution_count = cell["count"]
        try:
            try:
                self.set_alarms(self.limits["cell_seconds"])
                result = self.shell.run_cell(cell["source"], store_history=True)  # type: ignore[no-untyped-call]
                raised = result.error_before_exec or result.error_in_exec
            finally:
                self.set_alarms(0)
        except BaseException as error:  # IPython catches what the cell raises; it may be patched
            self.shell._showtraceback(type(error), error, [])
            raised = error
        self.outputs.room = max(self.outputs.room, 0)
        self.captured.collect()
        changed = surroundings() != before
        kept = address_space() - memory
        self.emit(
            event="done",
            index=cell["index"],
            outputs=self.outputs.result(),
            error=None if raised is None else kind_of(raised),
            line=0 if raised is None else line_of(raised, cell["count"]),
            changed=changed,
            kept=kept,
        )

    def restore_shell(self) -> None:
        """Undo what an earlier cell did to how IPython runs cells."""
        for kind, attributes in self.methods.items():
            for name, value in attributes.items():
                if vars(kind).get(name) is not value:
                    setattr(kind, name, value)
                vars(self.shell).pop(name, None)
        self.shell.ast_transformers = []
        self.shell.input_transformers_post = []

    def set_alarms(self, seconds: float) -> None:
        """Stop what runs after so many seconds of computing, or ``patience`` times as many."""
        signal.signal(signal.SIGPROF, self._has_computed_too_long)
        signal.signal(signal.SIGALRM, self._has_waited_too_long)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF, signal.SIGALRM])
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, self.limits["patience"] * seconds)

    def _has_computed_too_long(self, *_: object) -> None:
        seconds = self.limits["cell_seconds"]
        raise CellTimeout(f"This cell computed for more than {seconds:g} seconds and was stopped.")

    def _has_waited_too_long(self, *_: object) -> None:
        seconds = self.limits["patience"] * self.limits["cell_seconds"]
        raise CellTimeout(f"This cell waited for more than {seconds:g} seconds and was stopped.")

    def run_probe(self, probe: Json) -> None:
        """Ask one probe in a forked child, so that nothing it does is there for the next one."""
        before = descendants()
        reader, writer = os.pipe()
        try:
            child = os.fork()
        except OSError:  # no process is available: a cell has left too many running
            kill_descendants(keep=set())
            child = os.fork()
        if child == 0:
            os.close(reader)
            self._in_child(probe, writer)
        os.close(writer)
        try:
            ending, lines = self._await_child(child, reader, probe["seconds"])
        finally:
            os.close(reader)
            kill_descendants(keep=before)
        self.emit(event="answer", name=probe["name"], ending=ending, lines=lines)

    def _in_child(self, probe: Json, writer: int) -> None:
        """Write a line for each case of the probe, and one for how it ended."""

        def write(word: str, value: object) -> None:
            data = f"{word} {json.dumps(value, allow_nan=False)}\n".encode("ascii")
            while data:
                data = data[os.write(writer, data) :]

        try:
            try:
                for label, value in self._cases(probe):
                    write("case", [str.__str__(label), encode(value)])
                write("end", None)
            except NotPlainDataError:
                write("unreadable", None)
            except NotDefinedError as error:
                write("undefined", str(error))
            except BaseException as error:
                write("raised", kind_of(error))
        finally:
            os._exit(0)

    def _cases(self, probe: Json) -> Iterator[tuple[str, Any]]:
        """What the probe returns as one case without a name, or the cases that it yields."""
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2, self.events):
            os.dup2(null, fd)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        sys.stdout = sys.stderr = Stream("stdout", Outputs(0), 1)
        random.seed(probe["seed"])
        seed_numpy(probe["seed"] % 2**32)
        checks: Json = {"__name__": "checks"}
        exec(compile(self.request["checks"], "checks.py", "exec"), checks)  # noqa: S102
        rng = new_generator(probe["seed"])
        answer = checks[probe["function"]](Notebook(self.shell.user_ns), rng)
        if isinstance(answer, GeneratorType):
            yield from answer
        else:
            yield "", answer

    def _await_child(self, child: int, reader: int, seconds: float) -> tuple[str, list[str]]:
        """How the child ended, and its whole lines; it and its group are gone afterwards."""
        give_up = time.monotonic() + self.limits["patience"] * seconds
        others = descendants() - {child}
        written = b""
        ending = "died"
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        while True:
            if not poll.poll(PROBE_WATCH_SECONDS * 1000):
                computed = sum(map(processor_seconds, descendants() - others))
                if computed >= seconds or time.monotonic() >= give_up:
                    ending = "timeout"
                    break
                continue
            block = os.read(reader, 65536)
            written += block
            if len(written) > self.limits["data_bytes"]:
                ending, written = "unreadable", b""
                break
            is_whole = written.endswith(b"\n")
            if not block or (is_whole and written.split(b"\n")[-2].split(b" ")[0] in LAST_WORDS):
                break
        for end in (os.killpg, os.kill):
            with suppress(OSError):  # it has already gone
                end(child, signal.SIGKILL)
        with suppress(OSError):  # the notebook ignores SIGCHLD
            os.waitpid(child, 0)
        return ending, written.decode("ascii", "replace").split("\n")[:-1]


def set_limits(limits: Json) -> None:
    """Limits of each process (bytes, seconds) and of all processes of this user (`processes`)."""
    values = {
        "RLIMIT_CORE": 0,
        "RLIMIT_AS": limits["memory_bytes"],
        "RLIMIT_FSIZE": limits["scratch_bytes"],
        "RLIMIT_CPU": int(limits["total_seconds"]) + 1,
        "RLIMIT_NOFILE": 512,
        "RLIMIT_MSGQUEUE": 0,
    }
    if limits["processes"]:
        values["RLIMIT_NPROC"] = limits["processes"]
    for name, value in values.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))


def hide_program() -> None:
    """Let no module of the notebook's be taken for one of ours, nor the other way around."""
    sys.path.remove(sys.argv[0])
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]


def main() -> None:
    request = json.loads(sys.stdin.read())
    hide_program()
    events = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    sys.argv = [""]
    sys.path.insert(0, "")  # a notebook imports the files beside it
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if request["files"]:
        with tarfile.open(request["files"]) as tar:
            # The instructor's files, packed by the grader. Python 3.11.0 to 3.11.3 has no filters.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(".")  # noqa: S202
    set_limits(request["limits"])
    random.seed(0)
    seed_numpy(0)
    try:
        Runner(request, events).run()
    finally:
        os._exit(0)  # not through the notebook's atexit handlers, threads and finalizers
