"""The sandbox that student code runs in: bubblewrap, an unprivileged user, limits.

Inside there is no network, a read-only system, Python with the installed packages, and three
small writable file systems in memory. Of the course there is nothing but, where an assignment asks
for it, the engine. As root the sandbox changes to a user id that no one else has; as an ordinary
user it works in a user namespace.
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from dlcourse.grading.errors import GradingError
from dlcourse.grading.sandbox.mounts import (
    COURSE_ROOT,
    FRAMEWORKS,
    interpreter,
    package_directories,
    package_mounts,
    system_mounts,
)
from dlcourse.grading.sandbox.seccomp import syscall_filter

SCRATCH = "/scratch"
FILES = "/files.tar"
WRITABLE = (SCRATCH, "/tmp", "/dev/shm")  # noqa: S108  (mounted for each sandbox)
RUNNER = Path(__file__).with_name("runner.py")

# User ids for sandboxes: above all that systemd and the usual tools give out, below 2**31.
FIRST_UID = 0x70000000
UIDS_PER_GRADER = 64


class SandboxUnavailable(GradingError):  # noqa: N818  (GradingError says that it is one)
    """There is no working sandbox on this machine; the message names the command to run."""


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


def environment(scratch: str) -> dict[str, str]:
    """The environment variables of student code."""
    return {
        "HOME": scratch,
        "IPYTHONDIR": "/tmp/ipython",  # noqa: S108  (the sandbox's own)
        "LANG": "C.UTF-8",
        "LOGNAME": "student",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "USER": "student",
    }


# --- Starting and ending it -------------------------------------------------------------------


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
        """Bytes of memory that all its processes use together."""
        return sum(map(proportional_memory, self.pids()))

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


_uids_in_use: set[int] = set()
_uids_lock = threading.Lock()


@contextmanager
def own_uid() -> Iterator[int]:
    """A user id that no other sandbox has, so that limits per user are limits per sandbox."""
    first = FIRST_UID + (os.getpid() % 2**22) * UIDS_PER_GRADER
    with _uids_lock:
        free = set(range(first, first + UIDS_PER_GRADER)) - _uids_in_use
        if not free:
            raise GradingError(f"More than {UIDS_PER_GRADER} sandboxes at once; use fewer jobs.")
        uid = min(free)
        _uids_in_use.add(uid)
    try:
        yield uid
    finally:
        with _uids_lock:
            _uids_in_use.discard(uid)


def data_file(stack: ExitStack, data: bytes) -> IO[bytes]:
    """An open file without a name that holds `data`, to be read from its start."""
    file: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.write(data)
    file.seek(0)
    return file


def archive(folder: Path) -> bytes:
    """The files of a folder, readable for everybody, as a tar file; links become what they are."""

    def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        tar.add(folder, arcname=".", filter=readable)
    return buffer.getvalue()


@contextmanager
def sandbox(
    program: bytes,
    request: Mapping[str, object],
    *,
    limits: Limits,
    files: Path | None = None,
    frameworks: Sequence[str] = (),
    hidden: Sequence[Path] = (),
) -> Iterator[Sandbox]:
    """Run the Python source `program` in a new sandbox; its arguments are the package folders.

    Its standard input is the request as JSON, with the limits and the place of the files added.
    The contents of the folder `files` come as a tar file. `hidden` are places of the course, which
    may lie within the system's own folders; the checkout is always hidden.
    """
    unknown = set(frameworks) - set(FRAMEWORKS)
    if unknown:
        raise ValueError(f"frameworks must be among {FRAMEWORKS}, got {sorted(unknown)}")
    visible = frozenset(frameworks) | ({"keras"} if "tensorflow" in frameworks else set())
    root = os.geteuid() == 0
    with ExitStack() as stack:
        uid = stack.enter_context(own_uid()) if root else 1000
        passwd = data_file(stack, f"student:x:{uid}:{uid}::{SCRATCH}:/bin/sh\n".encode())
        source = data_file(stack, program)
        passed = [passwd, source]
        info_reader, info_writer = os.pipe()
        info = stack.enter_context(os.fdopen(info_reader, "rb"))
        info_end = stack.enter_context(os.fdopen(info_writer, "wb"))
        packages, imports = package_mounts(visible)
        options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent"]
        options += ["--new-session", "--info-fd", str(info_writer), "--cap-drop", "ALL"]
        if root:
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                options += ["--cap-add", capability]
        else:
            options += ["--unshare-user", "--disable-userns", "--uid", str(uid)]
            options += ["--gid", str(uid)]
        options += system_mounts([COURSE_ROOT, *hidden]) + packages
        options += ["--perms", "0444", "--ro-bind-data", str(passwd.fileno()), "/etc/passwd"]
        options += ["--perms", "0444", "--ro-bind-data", str(source.fileno()), "/program.py"]
        if files is not None:  # as data, because another user id may not read the folder itself
            passed.append(data_file(stack, archive(files)))
            options += ["--perms", "0444", "--ro-bind-data", str(passed[-1].fileno()), FILES]
        options += ["--proc", "/proc", "--dev", "/dev"]
        for place in WRITABLE:
            options += ["--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", place]
        options += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH]
        if (filter_program := syscall_filter()) is not None:
            passed.append(data_file(stack, filter_program))
            options += ["--seccomp", str(passed[-1].fileno())]
        # In a file, so that no process inside can read them as bwrap's command line.
        passed.append(data_file(stack, b"\0".join(map(os.fsencode, options)) + b"\0"))
        command = [executable("bwrap"), "--args", str(passed[-1].fileno()), "--"]
        if root:
            command += [executable("setpriv"), f"--reuid={uid}", f"--regid={uid}"]
            command += ["--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
            command += ["--no-new-privs"]
        command += [str(interpreter()), "-s", "-S", "/program.py", *imports]
        counted = root or kernel_version() >= (5, 14)  # before, a namespace's user shared a count
        message = {
            **request,
            "limits": asdict(limits) | {"processes": limits.processes if counted else None},
            "files": None if files is None else FILES,
        }
        descriptors = [*(file.fileno() for file in passed), info_writer]
        # bwrap's own environment can be read inside, so --clearenv would come too late.
        running = start(stack, command, message, environment(SCRATCH), pass_fds=descriptors)
        info_end.close()
        if not (told := info.read()):
            raise SandboxUnavailable(explain(running.errors()))
        running.first_pid = int(json.loads(told)["child-pid"])
        yield running


@contextmanager
def unconfined(
    program: bytes,
    request: Mapping[str, object],
    *,
    limits: Limits,
    files: Path | None = None,
    frameworks: Sequence[str] = (),
    hidden: Sequence[Path] = (),  # noqa: ARG001  (here nothing can be hidden)
) -> Iterator[Sandbox]:
    """As `sandbox`, without one: the program can read and write whatever the grader can.

    Only the limits of each process and of time hold. For machines where there is no sandbox, and
    for submissions that the instructor trusts.
    """
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        source = Path(scratch, "program.py")
        source.write_bytes(program)
        workplace = Path(scratch, "scratch")
        workplace.mkdir()
        if files is not None:
            Path(scratch + FILES).write_bytes(archive(files))
        imports = [*map(str, package_directories())]
        imports += [str(COURSE_ROOT)] if "dlcourse" in frameworks else []
        message = {
            **request,
            "limits": asdict(limits) | {"processes": None},
            "files": None if files is None else f"{scratch}{FILES}",
        }
        settings = environment(str(workplace)) | {
            "IPYTHONDIR": f"{scratch}/ipython",
            "MPLCONFIGDIR": f"{scratch}/matplotlib",
            "TMPDIR": scratch,
        }
        command = [str(interpreter()), "-s", "-S", str(source), *imports]
        yield start(stack, command, message, settings, cwd=workplace)


def start(
    stack: ExitStack,
    command: Sequence[str],
    message: Mapping[str, object],
    settings: Mapping[str, str],
    *,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Sandbox:
    """Start the command with `message` as its input; when `stack` ends, so does all of it."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin:
        process = stack.enter_context(
            subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(settings),
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        )
    data = json.dumps(message).encode("ascii")
    feeder = threading.Thread(target=feed, args=(writer, data), daemon=True)
    feeder.start()
    running = Sandbox(process, process.pid)
    _running.add(running)
    stack.callback(_running.discard, running)
    stack.callback(feeder.join)
    stack.callback(running.kill)
    if _stopping.is_set():
        raise Stopped("grading was stopped")
    return running


def kernel_version() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def feed(fd: int, data: bytes) -> None:
    """Write all data into a pipe and close it."""
    try:
        with os.fdopen(fd, "wb") as pipe:
            pipe.write(data)
    except OSError:
        pass  # the sandbox has ended: the reader of its events will see that


# --- Is there one? ----------------------------------------------------------------------------


def executable(name: str) -> str:
    """The path of a program that the sandbox is made with."""
    path = shutil.which(name)
    if path is None:
        package = {"bwrap": "bubblewrap", "setpriv": "util-linux"}[name]
        command = f"{as_root()}apt-get install -y {package}"
        raise SandboxUnavailable(f"{package} is not installed. Run: {command}")
    return path


def as_root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def require_sandbox() -> None:
    """Start a sandbox once and import in it what a notebook needs.

    Raises SandboxUnavailable, with what to do, where that does not work.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailable("The sandbox needs Linux. Grade in a virtual machine with Linux.")
    executable("bwrap")
    program = b"import sys; sys.path.extend(sys.argv[1:]); import numpy, IPython; print('works')"
    try:
        with sandbox(program, {}, limits=Limits()) as running:
            out, err = running.process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        out, err = b"", b"It did not start within 60 seconds."
    if out != b"works\n":
        raise SandboxUnavailable(explain(err.decode("utf-8", "replace").strip()))


def explain(error: str) -> str:
    """What to do about bubblewrap's error message."""
    settings = {
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
        "kernel/unprivileged_userns_clone": ("0", "1"),
        "user/max_user_namespaces": ("0", "10000"),
    }
    message = f"bubblewrap is installed, but no sandbox can be started here:\n  {error}\n"
    if os.geteuid() != 0:
        for name, (bad, good) in settings.items():
            path = Path("/proc/sys", name)
            if path.exists() and path.read_text().strip() == bad:
                setting = name.replace("/", ".", 1)
                return f"{message}Allow user namespaces. Run: sudo sysctl -w {setting}={good}"
    if "ermission denied" in error or "No module named" in error:
        folder = package_directories()[0]
        return f"{message}If the packages may not be read by others, run: chmod -R a+rX {folder}"
    options = "--cap-add=SYS_ADMIN --security-opt seccomp=unconfined"
    return f"{message}Inside a Docker container, start the container with: {options}"
