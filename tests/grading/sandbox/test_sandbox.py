"""What the sandbox shows and forbids, what it leaves behind, and where it refuses to start."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from dlcourse.grading.sandbox import available, processes
from dlcourse.grading.sandbox.available import SandboxUnavailable
from dlcourse.grading.sandbox.confinement import require_sandbox
from dlcourse.grading.sandbox.execute import run_notebook, run_probes
from dlcourse.grading.sandbox.limits import Confinement, Limits
from dlcourse.grading.sandbox.mounts import COURSE_ROOT, interpreter, system_mounts
from dlcourse.grading.sandbox.probes import ProbeCall
from dlcourse.grading.sandbox.processes import Sandbox
from dlcourse.grading.sandbox.seccomp import syscall_filter


def run(source: str, **options: object) -> str:
    """What a cell prints in the sandbox, or "ErrorName: message"."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    outputs = run_notebook(notebook, Confinement(**options)).cells[0].outputs
    return "".join(
        output.get("text", f"{output.get('ename')}: {output.get('evalue')}") for output in outputs
    )


# --- Secrets ----------------------------------------------------------------------------------

SEARCH = """
import os
found, seen = [], 0
for start in ("/",):
    for folder, folders, files in os.walk(start, onerror=lambda error: None):
        if folder.startswith(SKIPPED):
            folders[:] = []
            continue
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            seen += 1
            try:
                with open(path, "rb") as file:
                    if SECRET in file.read(100_000):
                        found.append(path)
            except OSError:
                pass
print(seen > 3, found)
"""
SECRET = f"planted-{os.getpid()}"
DIRECT = """
for path in PATHS:
    try:
        print(open(path).read())
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture
def secrets(tmp_path: Path) -> list[Path]:
    """Files of a course that hold the secret."""
    paths = [
        tmp_path / name for name in ("gradebook.db", "solutions/x.md", "submitted/other/x.ipynb")
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
        path.chmod(0o644)
    return paths


def test_no_file_of_the_course_can_be_found_or_opened(secrets, monkeypatch):
    monkeypatch.chdir(secrets[0].parent)
    # The secret is put together inside, or the search would find its own text.
    search = SEARCH.replace("SECRET", repr(SECRET.encode()[:4]) + "+" + repr(SECRET.encode()[4:]))
    installed = ("/proc", "/usr", "/packages", str(interpreter().parents[1]))
    search = search.replace("SKIPPED", repr(installed))
    assert run(search) == "True []\n"
    asked = [str(path) for path in secrets]
    asked += [
        str(COURSE_ROOT / "pyproject.toml"),
        str(COURSE_ROOT / "dlcourse/grading/sandbox/execute.py"),
    ]
    lines = run(DIRECT.replace("PATHS", repr(asked))).split()
    assert lines == ["FileNotFoundError"] * len(asked)


def test_the_places_of_the_course_are_covered_where_they_lie_within_the_system():
    place = next(
        path for path in Path("/usr/share").iterdir() if path.is_dir() and any(path.iterdir())
    )
    source = f"import os; print(len(os.listdir({str(place)!r})))"
    assert run(source) != "0\n"
    assert run(source, hidden=[place]) == "0\n"


def test_an_interpreter_within_a_hidden_place_stays_visible():
    prefix = interpreter().parents[1]
    arguments = system_mounts([prefix.parent])
    assert str(prefix / "bin") in arguments


def test_no_variable_of_the_grader_can_be_read(monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    source = """
import glob, os
texts = [str(dict(os.environ)).encode()]
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try:
        texts.append(open(path, "rb").read())
    except OSError:
        pass
print(any(NAME in text for text in texts), any(COURSE in text for text in texts), len(texts) > 2)
"""
    source = source.replace("NAME", f"b'plan' + {SECRET[4:].encode()!r}")
    source = source.replace("COURSE", repr(os.fsencode(COURSE_ROOT / "dlcourse")))
    assert run(source) == "False False True\n"


def test_a_server_of_this_machine_cannot_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass  # from here it can
        source = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=2)"
        assert run(source).startswith("ConnectionRefusedError")
    assert run("import os; print(os.listdir('/sys/class/net'))").startswith("FileNotFoundError")


def test_an_abstract_unix_socket_of_this_machine_cannot_be_reached():
    name = f"\\0{SECRET}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name.replace("\\0", "\0"))
        server.listen()
        source = f"import socket; socket.socket(socket.AF_UNIX).connect('{name}')"
        assert run(source).startswith("ConnectionRefusedError")


# --- Privileges -------------------------------------------------------------------------------

STATUS = """
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
names = ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
print(*(status[name].strip() for name in names), sep="|")
"""


def test_student_code_has_no_privileges():
    uids, effective, bounding, no_new, seccomp = run(STATUS).strip().split("|")
    assert "0" not in uids.split()
    assert int(effective, 16) == 0
    assert no_new == "1"
    assert seccomp == "2"
    if os.geteuid() == 0:
        assert int(bounding, 16) == 0


UNSHARE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000):  # CLONE_NEWUSER
    raise OSError(ctypes.get_errno(), "unshare")
"""


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (UNSHARE, "PermissionError"),
        ("import os; os.memfd_create('x')", "PermissionError"),
        ("import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "OSError"),
        ("import os; os.setuid(0)", ("PermissionError", "OSError")),
        ("import os; os.chroot('/tmp')", "PermissionError"),
        ("open('/usr/bin/x', 'w')", "OSError"),
        ("open('/x', 'w')", ("OSError", "PermissionError")),
        ("open('/dev/x', 'w')", ("OSError", "PermissionError")),
        ("open('/proc/sys/kernel/hostname', 'w').write('x')", ("OSError", "PermissionError")),
        ("import os; os.kill(1, 0)", ("PermissionError", "")),
        ("import torch", "ModuleNotFoundError"),
        ("import tensorflow", "ModuleNotFoundError"),
        ("import dlcourse", "ModuleNotFoundError"),
        ("import nbgrader", "ModuleNotFoundError"),
        ("import sympy", "ModuleNotFoundError"),
        ("import networkx", "ModuleNotFoundError"),
        (
            "import sys\nsys.setrecursionlimit(10**6)\nf = lambda n: n and f(n - 1)\nf(9999)",
            "RecursionError",
        ),
        ("import numpy, matplotlib.pyplot", ""),
    ],
)
def test_what_needs_a_privilege_or_was_not_asked_for_is_refused(source, error):
    names = (error,) if isinstance(error, str) else error
    assert run(source).partition(":")[0] in names


def test_the_engine_can_be_had_without_its_grader():
    source = "import dlcourse, os; print(sorted(os.listdir(os.path.dirname(dlcourse.__file__))))"
    names = run(source, imports=("dlcourse",))
    assert "'autodiff'" in names
    assert "grading" not in names
    with pytest.raises(ValueError, match="no installed package has the name 'pytorch'"):
        run("1", imports=("pytorch",))


def test_a_package_that_was_asked_for_is_there_with_what_it_requires():
    assert run("import sympy; print(sympy.sqrt(9))", imports=("sympy",)) == "3\n"
    shown = run("import os; print(os.listdir('/packages'))", imports=("sympy",))
    assert "'mpmath'" in shown and "torch" not in shown and "sklearn" not in shown


def test_what_may_be_imported_is_told_where_something_else_is():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import networkx.algorithms")]
    )
    confinement = Confinement(imports=("numpy", "sympy"))
    (output,) = run_notebook(notebook, confinement).cells[0].outputs
    told = "This assignment may import numpy, sympy and Python's own modules."
    assert output.evalue == f"No module named 'networkx'. {told}"
    assert output.traceback[-1] == told


def test_each_sandbox_has_a_user_id_of_its_own():
    if os.geteuid() != 0:
        pytest.skip("an ordinary user cannot change the user id")
    seen: list[str] = []
    source = "import os, time; time.sleep(0.5); print(os.getuid())"
    threads = [threading.Thread(target=lambda: seen.append(run(source))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 3


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_of_system_calls_is_a_whole_program(machine):
    program = syscall_filter(machine)
    assert program is not None
    assert len(program) % 8 == 0
    assert program != syscall_filter({"x86_64": "aarch64", "aarch64": "x86_64"}[machine])
    assert syscall_filter("riscv64") is None


# --- What it leaves behind --------------------------------------------------------------------


def children() -> set[int]:
    return set(processes.descendants(os.getpid()))


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails if the test leaves a process, a descriptor, a thread or a temporary file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def state() -> tuple[object, ...]:
        files = set(tmp_path.iterdir())
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return children(), descriptors, threading.active_count(), files

    before = state()
    yield
    assert state() == before


LEAVES = """
import os, signal
for number in (signal.SIGHUP, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    while True: pass
"""


@pytest.mark.parametrize("end", ["print()", "while True: pass", "os._exit(1)"])
@pytest.mark.parametrize("unsafe", [False, True], ids=["sandbox", "without a sandbox"])
def test_nothing_is_left_behind(end, unsafe, nothing_left):
    run(LEAVES + end, limits=Limits(cell_seconds=1, total_seconds=20), unsafe_no_sandbox=unsafe)


def test_an_exception_in_the_grader_ends_the_sandbox(nothing_left, monkeypatch):
    class Interrupted(BaseException):
        pass

    def interrupt(self: Sandbox) -> int:
        if len(processes.descendants(self.first_pid)) >= 2:  # the cell runs, and has forked
            raise Interrupted
        return 0

    monkeypatch.setattr(Sandbox, "memory", interrupt)
    start = time.monotonic()
    with pytest.raises(Interrupted):
        run(LEAVES + "while True: pass", limits=Limits(cell_seconds=60))
    assert time.monotonic() - start < 50  # it was ended, not waited for


def test_the_sandbox_ends_with_the_grader():
    program = """
import nbformat
from dlcourse.grading.sandbox.execute import run_notebook
cell = nbformat.v4.new_code_cell("import time; time.sleep(100)")
run_notebook(nbformat.v4.new_notebook(cells=[cell]))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as grader:
        give_up = time.monotonic() + 60
        inside: list[int] = []
        while len(inside) < 3 and time.monotonic() < give_up:  # bwrap, its process 1, Python
            time.sleep(0.1)
            inside = processes.descendants(grader.pid)
        assert len(inside) >= 3
        grader.kill()
    while any(is_running(pid) for pid in inside) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not [pid for pid in inside if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


# --- Where there is none ----------------------------------------------------------------------


def test_where_it_works_nothing_is_said():
    require_sandbox()


@pytest.mark.parametrize(
    ("missing", "package"), [("bwrap", "bubblewrap"), ("setpriv", "util-linux")]
)
def test_a_missing_program_is_named_with_the_command_that_installs_it(
    missing, package, monkeypatch
):
    if missing == "setpriv" and os.geteuid() != 0:
        pytest.skip("only root needs it")
    which = available.shutil.which
    monkeypatch.setattr(
        available.shutil, "which", lambda name: None if name == missing else which(name)
    )
    with pytest.raises(SandboxUnavailable, match=f"apt-get install -y {package}"):
        require_sandbox()
    with pytest.raises(SandboxUnavailable):
        run("1")


def test_a_bubblewrap_that_does_not_work_is_refused_with_its_own_words(tmp_path, monkeypatch):
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace"):
        require_sandbox()


def test_without_a_sandbox_only_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(available.shutil, "which", lambda name: None)
    source = "import os; print(os.path.exists('/scratch'))"
    with pytest.raises(SandboxUnavailable):
        run(source)
    assert run(source, unsafe_no_sandbox=True) == "False\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 4")])
    notebook.cells[0].metadata["nbgrader"] = {"grade_id": "q"}
    checks = "def p(ns, rng): return ns['x']"
    calls = [ProbeCall("p", "q", "p", 0)]
    probed = run_probes(notebook, checks, calls, Confinement(unsafe_no_sandbox=True))
    assert probed.answers["p"].data == 4
