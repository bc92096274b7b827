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
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from dlcourse.grading.errors import GradingError
from dlcourse.grading.sandbox.available import SandboxUnavailable, executable, explain
from dlcourse.grading.sandbox.limits import Confinement
from dlcourse.grading.sandbox.mounts import (
    COURSE_ROOT,
    interpreter,
    package_mounts,
    system_mounts,
)
from dlcourse.grading.sandbox.packages import package_directories
from dlcourse.grading.sandbox.processes import WRITABLE, Sandbox, registered
from dlcourse.grading.sandbox.seccomp import syscall_filter

SCRATCH = "/scratch"
FILES = "/files.tar"
PROGRAM = "/program"

# User ids for sandboxes: above all that systemd and the usual tools give out, below 2**31.
FIRST_UID = 0x70000000
UIDS_PER_GRADER = 64


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


def archive(confinement: Confinement) -> bytes | None:
    """What lies beside the notebook, readable for everybody, as a tar file; None if nothing does.

    Links become what they are.
    """
    if confinement.files is None and not confinement.own_files:
        return None

    def readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        if confinement.files is not None:
            tar.add(confinement.files, arcname=".", filter=readable)
        for name, content in confinement.own_files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(readable(member), io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def sandbox(
    program: bytes, request: Mapping[str, object], confinement: Confinement
) -> Iterator[Sandbox]:
    """Run a Python program, source or zip file, in a new sandbox.

    Its arguments are the folders of packages; its standard input is the request as JSON, with the
    limits and the place of the files added, which come as a tar file.
    """
    if confinement.unsafe_no_sandbox:
        with _unconfined(program, request, confinement) as running:
            yield running
        return
    limits, files = confinement.limits, archive(confinement)
    root = os.geteuid() == 0
    with ExitStack() as stack:
        uid = stack.enter_context(own_uid()) if root else 1000
        passwd = data_file(stack, f"student:x:{uid}:{uid}::{SCRATCH}:/bin/sh\n".encode())
        source = data_file(stack, program)
        passed = [passwd, source]
        info_reader, info_writer = os.pipe()
        info = stack.enter_context(os.fdopen(info_reader, "rb"))
        info_end = stack.enter_context(os.fdopen(info_writer, "wb"))
        packages, imports = package_mounts(frozenset(confinement.imports))
        options = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent"]
        options += ["--new-session", "--info-fd", str(info_writer), "--cap-drop", "ALL"]
        if root:
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                options += ["--cap-add", capability]
        else:
            options += ["--unshare-user", "--disable-userns", "--uid", str(uid)]
            options += ["--gid", str(uid)]
        options += system_mounts([COURSE_ROOT, *confinement.hidden]) + packages
        options += ["--perms", "0444", "--ro-bind-data", str(passwd.fileno()), "/etc/passwd"]
        options += ["--perms", "0444", "--ro-bind-data", str(source.fileno()), PROGRAM]
        if files is not None:  # as data, because another user id may not read the folder itself
            passed.append(data_file(stack, files))
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
        command += [str(interpreter()), "-s", "-S", PROGRAM, *imports]
        counted = root or kernel_version() >= (5, 14)  # before, a namespace's user shared a count
        message = {
            **request,
            "imports": confinement.imports,
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
def _unconfined(
    program: bytes, request: Mapping[str, object], confinement: Confinement
) -> Iterator[Sandbox]:
    """As `sandbox`, without one: the program can read and write whatever the grader can.

    Only the limits of each process and of time hold. For machines where there is no sandbox, and
    for submissions that the instructor trusts.
    """
    files = archive(confinement)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        source = Path(scratch + PROGRAM)
        source.write_bytes(program)
        workplace = Path(scratch, "scratch")
        workplace.mkdir()
        if files is not None:
            Path(scratch + FILES).write_bytes(files)
        imports = [*map(str, package_directories())]
        imports += [str(COURSE_ROOT)] if "dlcourse" in confinement.imports else []
        message = {
            **request,
            "imports": confinement.imports,
            "limits": asdict(confinement.limits) | {"processes": None},
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
    stack.callback(feeder.join)
    stack.enter_context(registered(running))
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


def require_sandbox() -> None:
    """Start a sandbox once and import in it what a notebook needs.

    Raises SandboxUnavailable, with what to do, where that does not work.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailable("The sandbox needs Linux. Grade in a virtual machine with Linux.")
    executable("bwrap")
    program = b"import sys; sys.path.extend(sys.argv[1:]); import numpy, IPython; print('works')"
    try:
        with sandbox(program, {}, Confinement()) as running:
            out, err = running.process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        out, err = b"", b"It did not start within 60 seconds."
    if out != b"works\n":
        raise SandboxUnavailable(explain(err.decode("utf-8", "replace").strip()))
