"""Notebooks in the sandbox: their outputs, the probes' data, and what hostile cells cannot do."""

import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import nbformat
import numpy as np
import pytest
from busy import busy_loops
from nbformat import NotebookNode

from dlcourse.grading.errors import NotStartedError
from dlcourse.grading.sandbox import execute, processes
from dlcourse.grading.sandbox.events import ProbeResult
from dlcourse.grading.sandbox.execute import run_notebook, run_probes
from dlcourse.grading.sandbox.limits import Confinement, Limits
from dlcourse.grading.sandbox.probes import CellError, ProbeCall
from dlcourse.grading.sandbox.watch import EventReader

LIMITS = Limits(
    cell_seconds=1.5,
    probe_seconds=1.5,
    total_seconds=60,
    patience=4,
    memory_bytes=1 << 30,
    scratch_bytes=16 << 20,
    output_bytes=1 << 16,
    data_bytes=1 << 16,
    processes=32,
)


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "GRACE_SECONDS", 0.7)


def code(source: str, grade_id: str | None = None) -> NotebookNode:
    cell = nbformat.v4.new_code_cell(textwrap.dedent(source).strip())
    if grade_id is not None:
        cell.metadata["nbgrader"] = {"grade_id": grade_id}
    return cell


def notebook(*cells: str | NotebookNode) -> NotebookNode:
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return nbformat.v4.new_notebook(cells=made)


def outputs(*sources: str, limits: Limits = LIMITS) -> list[list[NotebookNode]]:
    executed = run_notebook(notebook(*sources), Confinement(limits))
    nbformat.validate(executed)
    return [cell.outputs for cell in executed.cells]


def answers(
    made: NotebookNode, checks: str, calls: Sequence[ProbeCall], limits: Limits = LIMITS
) -> Mapping[str, ProbeResult]:
    return run_probes(made, checks, calls, Confinement(limits)).answers


def returned(data: object) -> ProbeResult:
    """The result of a probe that returned this."""
    return ProbeResult("data", (("", data),))


def probe(body: str, *cells: str, seed: int = 0) -> ProbeResult:
    """The result of one probe with this body, after these cells."""
    checks = "import numpy as np\ndef p(ns, rng):\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    made = notebook(*cells, code("", "test"))
    calls = [ProbeCall("test/p", "test", "p", seed)]
    return answers(made, checks, calls)["test/p"]


NO_INPUT = "input() cannot be used here: nobody is there to answer while grading."


# --- The display run --------------------------------------------------------------------------


SHOWN = {
    "print('a')\nprint('b')": [("stream", "a\nb\n")],
    "1 + 1": [("execute_result", "2")],
    "1 + 1;": [],
    "display(3)\nprint(4)\n5": [
        ("display_data", "3"),
        ("stream", "4\n"),
        ("execute_result", "5"),
    ],
    "import asyncio\nawait asyncio.sleep(0)\n'done'": [("execute_result", "'done'")],
    "!echo from a shell": [("stream", "from a shell\r\n")],
    "import os\n_ = os.write(1, b'bytes')": [("stream", "bytes")],
    "import sys\nprint('e', file=sys.stderr)": [("stream", "e\n")],
    "1 / 0": [("error", "division by zero")],
    "def f(:": [("error", "invalid syntax (<ipython-input-10-5f39e8a17d0d>, line 1)")],
    "%%capture\nprint('unseen')": [],
    "from IPython.display import clear_output\nprint(1)\nclear_output()\nprint(2)": [
        ("stream", "2\n")
    ],
    "shown = display(1, display_id=True)\nprint('x')\nshown.update(2)": [
        ("display_data", "2"),
        ("stream", "x\n"),
    ],
    "input('name?')": [("error", NO_INPUT)],
    "from getpass import getpass\ngetpass()": [("error", NO_INPUT)],
    "exit()": [],
}


@pytest.fixture(scope="module")
def shown() -> dict[str, list[NotebookNode]]:
    return dict(zip(SHOWN, outputs(*SHOWN), strict=True))


@pytest.mark.parametrize("source", SHOWN)
def test_a_cell_has_the_outputs_that_jupyter_shows(source, shown):
    seen = []
    for output in shown[source]:
        text = output.get("data", {}).get("text/plain", output.get("text", output.get("evalue")))
        seen.append((output.output_type, text))
    assert seen == SHOWN[source]


def test_figures_are_shown_inline():
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('t');"
    (cell,) = outputs(source, limits=Limits())
    (figure,) = (output for output in cell if output.output_type == "display_data")
    assert figure.data["image/png"].startswith("iVBORw0KGgo")


def test_an_error_does_not_stop_the_cells_after_it():
    first, second = outputs("x = 1\nraise ValueError('no')", "x")
    assert first[0].ename == "ValueError"
    assert second[0].data["text/plain"] == "1"


def test_execution_counts_number_the_code_cells_and_the_original_stays_as_it_was():
    original = notebook("1", nbformat.v4.new_markdown_cell("text"), "", "Out[1]")
    executed = run_notebook(original, Confinement(LIMITS))
    assert [cell.get("execution_count") for cell in executed.cells] == [1, None, None, 2]
    assert executed.cells[3].outputs[0].data["text/plain"] == "1"
    assert original.cells[0].execution_count is None
    assert original.cells[0].outputs == []


@pytest.mark.parametrize(
    ("source", "ename"),
    [
        ("while True: pass", "TimeoutError"),
        ("import os; os._exit(0)", "ProcessEnded"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "TimeoutError"),
    ],
)
def test_a_cell_that_was_stopped_says_so_and_the_others_run(source, ename):
    before, stopped, after = outputs("x = 1", source, "x")
    assert before == []
    assert stopped[-1].ename == ename
    assert after[0].data["text/plain"] == "1"


def test_cells_that_the_time_does_not_suffice_for_say_that_they_were_not_run():
    limits = Limits(cell_seconds=5, total_seconds=1)
    first, _, third = outputs("x = 1", "while True: pass", "x", limits=limits)
    assert first == []
    assert "not run" in third[0].evalue


def test_long_output_is_cut_with_a_note():
    sources = ("print('é' * 10**6)", "for _ in range(10**4): print('x' * 50)", "'x' * 10**6")
    for cell in outputs(*sources, "!yes | head -c 1000000"):
        assert "was cut" in cell[-1].text
        assert sum(len(str(output)) for output in cell) < 2 * LIMITS.output_bytes


def test_data_files_lie_beside_the_notebook_and_can_be_imported(tmp_path):
    (tmp_path / "points.csv").write_text("1,2\n")
    (tmp_path / "helper.py").write_text("y = 5\n")
    made = notebook(
        "open('points.csv').read()", "import helper; helper.y", "open('points.csv', 'w').close()"
    )
    executed = run_notebook(made, Confinement(LIMITS, files=tmp_path))
    assert [cell.outputs[0].data["text/plain"] for cell in executed.cells[:2]] == [r"'1,2\n'", "5"]
    assert executed.cells[2].outputs == []
    assert (tmp_path / "points.csv").read_text() == "1,2\n"


# --- Probes -----------------------------------------------------------------------------------


PLAIN = [
    *("None", "True", "-3", "2**70", "0.1 + 0.2", "'é\\n\\\"'", "1 - 2j", "[1, (2, [])]"),
    *("{'type': 'ndarray', 'x': {}}", "float('-inf')", "()", "-0.0"),
]
ARRAYS = [
    "np.arange(6.0).reshape(2, 3)",
    "np.array([np.nan, np.inf, -0.0, 5e-324])",
    "np.zeros((0, 3), np.float32)",
    "np.array(True)",
    "np.arange(6, dtype='>i4').reshape(2, 3).T",
    "np.array([1j, complex(np.nan, 1)], np.complex64)",
    "np.float16(0.1)",
    "np.uint64(2**64 - 1)",
]
UNREADABLE = [
    "object()",
    "np.array([None])",
    "np.longdouble(1)",
    "{1: 2}",
    "{1, 2}",
    "len",
    "'x' * 10**6",
    "ns['deep']",
    "ns['cycle']",
    "'\\ud800'",
]
RAISED = {
    "int([])": "TypeError",
    "{}['missing']": "KeyError",
    "__import__('nowhere')": "ImportError",
    "__import__('sys').exit()": "",
    "1.0 + 1j > 0": "TypeError",
    "[].pop()": "IndexError",
    "ns['down']()": "RecursionError",
    "10 ** 10**4 and str(10 ** 10**4)": "ValueError",
    "ns['throw'](StopAsyncIteration())": "",
    "ns['throw'](type('SecretError', (Exception,), {}))": "",
    "ns['throw'](type('SecretError', (Exception,), {'__module__': 'builtins'}))": "",
    "ns['throw'](type('SecretError', (ArithmeticError, LookupError), {}))": "",
    "ns['throw'](type('SecretError', (KeyError,), {}))": "KeyError",
}
NAMES = """
def down(): return down()
def throw(error): raise error
cycle, deep = [], []
cycle.append(cycle)
for _ in range(10**5): deep = [deep]
"""


@pytest.fixture(scope="module")
def answered() -> dict[str, ProbeResult]:
    """The result of a probe for every expression in the tables above, from one run."""
    expressions = [*PLAIN, *ARRAYS, *UNREADABLE, *RAISED]
    probes = [f"def p{n}(ns, rng): return {e}" for n, e in enumerate(expressions)]
    calls = [ProbeCall(e, "test", f"p{n}", 0) for n, e in enumerate(expressions)]
    checks = "\n".join(["import numpy as np", *probes])
    return answers(notebook(NAMES, code("", "test")), checks, calls)


@pytest.mark.parametrize("expression", PLAIN)
def test_plain_data_comes_back_as_it_was(expression, answered):
    assert answered[expression].status == "data"
    assert repr(answered[expression].data) == repr(eval(expression))


@pytest.mark.parametrize("expression", ARRAYS)
def test_arrays_come_back_with_their_bits_shape_and_dtype(expression, answered):
    result, expected = answered[expression].data, np.asarray(eval(expression))
    assert isinstance(result, np.ndarray)
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype.newbyteorder("=")
    assert result.tobytes() == expected.astype(result.dtype).tobytes()
    assert result.flags.writeable


@pytest.mark.parametrize("expression", UNREADABLE)
def test_what_is_no_plain_data_is_unreadable(expression, answered):
    assert answered[expression] == ProbeResult("unreadable")


@pytest.mark.parametrize("expression", RAISED)
def test_of_an_error_only_a_name_of_the_short_list_comes_back(expression, answered):
    assert answered[expression] == ProbeResult("raised", error=RAISED[expression])


CASES = """
def p(ns, rng):
    for k in range(1, 4):
        yield f"k={k}", ns["f"](k)
"""


@pytest.mark.parametrize(
    ("body", "status", "cases", "error"),
    [
        ("return 10 * k", "data", [10, 20, 30], ""),
        ("return 6 // (k - 3) * 0", "raised", [0, 0], "ZeroDivisionError"),
        ("return missing if k == 2 else 1", "raised", [1], "NameError"),
        ("return k if k < 3 else ever()", "timeout", [1, 2], ""),
        ("import os; return k == 2 and os._exit(0)", "died", [False], ""),
        ("return object if k == 2 else k", "unreadable", [1], ""),
        ("return k * 'x' * 25_000", "unreadable", [], ""),
    ],
)
def test_of_a_probe_that_yields_cases_those_before_an_error_come_back(body, status, cases, error):
    ever = "def ever():\n    while True: pass"
    made = notebook(f"{ever}\ndef f(k): {body}", code("", "test"))
    labels = [f"k={k}" for k in range(1, 4)]
    expected = ProbeResult(status, tuple(zip(labels, cases, strict=False)), error)
    assert answers(made, CASES, [ProbeCall("p", "test", "p", 0)]) == {"p": expected}


def test_a_name_that_the_notebook_does_not_define_is_told_and_why():
    made = notebook("x = 1\ny = 1 / 0\nz = 2", "def f(:\n  pass", "while True: pass", code("", "t"))
    checks = "def p(ns, rng): return ns['x'], 'z' in ns, ns['z']"
    run = run_probes(made, checks, [ProbeCall("p", "t", "p", 0)], Confinement(LIMITS))
    assert run.answers == {"p": ProbeResult("undefined", error="z")}
    assert run.errors == {
        0: CellError("ZeroDivisionError", 2),
        1: CellError("SyntaxError", 1),
        2: CellError("timeout", 1),
    }


def test_a_probe_has_the_seconds_of_its_call():
    body = "import time\ndef p(ns, rng):\n    while time.process_time() < 3: pass\n    return 1"
    calls = [ProbeCall("a", "t", "p", 0), ProbeCall("b", "t", "p", 0, seconds=30.0)]
    results = answers(notebook(code("", "t")), body, calls)
    assert results == {"a": ProbeResult("timeout"), "b": returned(1)}
    assert results["a"].seconds == LIMITS.probe_seconds
    assert results["b"].seconds > 1


def test_the_time_of_the_last_probe_is_known_however_slowly_it_is_asked_for(monkeypatch):
    at_once = processes.processor_seconds

    def slowly(pid: int) -> float:
        seconds = at_once(pid)
        time.sleep(0.5)  # enough for the runner to end, if it did not wait for the grader
        return seconds

    class AskedSlowly(EventReader):
        def begin(self) -> None:
            monkeypatch.setattr(processes, "processor_seconds", at_once)
            super().begin()

        def computed(self) -> float:
            monkeypatch.setattr(processes, "processor_seconds", slowly)
            return super().computed()

    monkeypatch.setattr(execute, "EventReader", AskedSlowly)
    body = "import time\ndef p(ns, rng):\n    while time.process_time() < 2: pass\n    return 1"
    calls = [ProbeCall("a", "t", "p", 0, seconds=30.0)]
    assert answers(notebook(code("", "t")), body, calls)["a"].seconds > 1


def test_a_probe_sees_the_names_as_they_are_at_its_cell_and_cannot_change_them_for_others():
    body = "ns['x'] += 1; ns['xs'].append(1); return ns['x'], len(ns['xs'])"
    checks = f"def p(ns, rng): {body}"
    made = notebook("x, xs = 1, []", code("x = 10", "a"), code("x = 20", "b"))
    calls = [ProbeCall(f"{n}", cell, "p", 0) for n, cell in enumerate("aab")]
    results = answers(made, checks, calls)
    assert [result.data for result in results.values()] == [(11, 1), (11, 1), (21, 1)]


def test_the_seed_decides_every_random_number_of_a_probe():
    body = """
        import random
        return rng.normal(), np.random.normal(), random.random()
    """
    noise = "import random, numpy; random.random(); numpy.random.rand()"
    same = [probe(body, seed=7).data, probe(body, noise, seed=7).data]
    assert same[0] == same[1]
    assert probe(body, seed=8).data != same[0]


def test_probes_also_answer_where_their_cell_was_stopped_or_failed():
    for source in ("1 / 0", "import os; os._exit(0)"):
        made = notebook("x = 3", code(source, "test"))
        calls = [ProbeCall("p", "test", "p", 0)]
        result = answers(made, "def p(ns, rng): return ns['x']", calls)
        assert result == {"p": returned(3)}


def test_a_probe_for_a_cell_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="no cell with grade_id nowhere"):
        run_probes(notebook("1"), "", [ProbeCall("p", "nowhere", "p", 0)])


def test_when_the_time_is_up_the_other_probes_are_not_reached():
    made = notebook(code("x = 1", "a"), code("while True: pass", "b"))
    calls = [ProbeCall("a", "a", "p", 0), ProbeCall("b", "b", "p", 0)]
    checks = "def p(ns, rng): return ns['x']"
    results = answers(made, checks, calls, Limits(cell_seconds=10, total_seconds=2))
    assert results == {"a": returned(1), "b": ProbeResult("not reached")}


# --- Hostile cells and functions --------------------------------------------------------------

CHECKS = """
def first(ns, rng): return ns["first"](rng.normal())
def own(ns, rng): return ns["own"]()
def last(ns, rng): return ns["last"](rng.normal())
"""
CALLS = [
    ProbeCall("first", "first test", "first", 1),
    ProbeCall("own", "own test", "own", 2),
    ProbeCall("last", "last test", "last", 3),
]
EVERY_PIPE = """
import os
def every_pipe():
    for fd in range(3, 60):
        try:
            if "pipe" in os.readlink(f"/proc/self/fd/{fd}"):
                yield fd
        except OSError:
            pass
"""


def results_beside(attack: str, test: str = "") -> dict[str, ProbeResult]:
    """The results of three questions of which the second is the attack."""
    made = notebook(
        EVERY_PIPE,
        "def first(x): return 2 * x",
        code("assert first(1) == 2", "first test"),
        attack,
        code(test, "own test"),
        "def last(x): return x + 1",
        code("assert last(1) == 2", "last test"),
    )
    return answers(made, CHECKS, CALLS)


def check_neighbours(results: dict[str, ProbeResult]) -> None:
    first, last = (np.random.default_rng(seed).normal() for seed in (1, 3))
    assert results["first"] == returned(2 * first)
    assert results["last"] == returned(last + 1)


CELLS = {
    "loops for ever": "while True: pass",
    "loops and catches everything": """
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
    "leaves by os._exit": "import os; os._exit(0)",
    "leaves by sys.exit": "import sys; sys.exit()",
    "kills itself": "import os; os.kill(os.getpid(), 9)",
    "kills everybody": "import os; os.kill(-1, 9)",
    "stops itself": "import os; os.kill(os.getpid(), 19)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "allocates memory": "hog = [bytearray(1 << 26) for _ in range(1000)]",
    "keeps nearly all memory": """
        hog = []
        try:
            while True: hog.append(bytearray(1 << 24))
        except MemoryError: hog.pop()
        """,
    "keeps nearly all addresses": """
        import numpy as np
        hog = [np.empty(200_000_000, np.uint8) for _ in range(3)]
        """,
    "allocates memory in many processes": """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                hog = bytearray(b"x" * (1 << 28)); time.sleep(60)
        time.sleep(60)
        """,
    "starts threads": """
        import threading, time
        for _ in range(100_000):
            threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        """,
    "is a fork bomb": """
        import os
        while True:
            try: os.fork()
            except OSError: pass
        """,
    "leaves processes behind": """
        import os, time
        for _ in range(100):
            try:
                if os.fork() == 0:
                    os.setsid(); time.sleep(100)
            except OSError: break
        """,
    "closes all descriptors": "import os; os.closerange(0, 1000)",
    "deletes its folder": "import os; os.mkdir('a'); os.chdir('a'); os.rmdir('../a')",
    "locks its folder": "import os; os.chmod('.', 0); os.chdir('/')",
    "fills the disk": """
        for folder in (".", "/tmp", "/dev/shm"):
            try:
                with open(folder + "/x", "wb") as file:
                    while True: file.write(b"x" * 1_000_000)
            except OSError: pass
        """,
    "prints for ever": "while True: print('x' * 1000)",
    "prints for ever in a thread": """
        import threading
        def forever():
            while True: print("x" * 1000)
        threading.Thread(target=forever, daemon=True).start()
        """,
    "writes to the descriptors for ever": "import os\nwhile True: os.write(1, b'x' * 100_000)",
    "floods the events": "for fd in every_pipe():\n    while True: os.write(fd, b'x' * 100_000)",
    "floods the events with lines": """
        for fd in every_pipe():
            while True: os.write(fd, b"{}" + b"\\n" * 100_000)
        """,
    "writes events that break parsers": """
        for fd in every_pipe():
            for bad in (b"[" * 100_000, b"1" * 100_000, b'{"a": NaN}', b"\\xff", b'"\\\\ud800"'):
                os.write(fd, bad + b"\\n")
        """,
    "forges answers of other questions": """
        for fd in every_pipe():
            for name in ("first", "last"):
                answer = '{"event": "answer", "name": "%s", "status": "data", "payload": "99"}'
                os.write(fd, (answer % name).encode() + b"\\n")
            os.write(fd, b'{"event": "end"}\\n')
        """,
    "takes its limits down": """
        import resource
        for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
            resource.setrlimit(kind, (0, 0))
        """,
    "replaces library functions": """
        import builtins, json, os, select, signal, time
        def bad(*a, **k): raise RuntimeError("replaced")
        for name in ("write", "read", "fork", "pipe", "close", "_exit", "waitpid", "dup2", "open",
                     "getpid", "listdir", "pread", "fstat", "ftruncate", "kill", "killpg"):
            setattr(os, name, bad)
        json.dumps = json.loads = select.poll = signal.signal = signal.setitimer = bad
        time.monotonic = builtins.len = builtins.isinstance = bad
        """,
    "replaces IPython's methods": """
        from IPython.core.interactiveshell import InteractiveShell
        for name in ("run_cell", "run_code", "_showtraceback", "_run_cell", "run_ast_nodes"):
            setattr(InteractiveShell, name, lambda *a, **k: None)
        get_ipython().run_cell = lambda *a, **k: None
        """,
    "drops every statement": """
        import ast
        class Drop(ast.NodeTransformer):
            def visit_FunctionDef(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(Drop())
        """,
    "registers an endless exit": "import atexit, time; atexit.register(time.sleep, 1000)",
    "ignores and blocks signals": """
        import signal
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except Exception: pass
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        """,
    "ends the process later": """
        import os, threading
        threading.Timer(0.02, lambda: os._exit(1)).start()
        """,
    "recurses without limit": """
        import sys; sys.setrecursionlimit(10**9)
        def down(): down()
        down()
        """,
}


@pytest.mark.parametrize("attack", CELLS.values(), ids=CELLS.keys())
def test_a_hostile_cell_costs_its_own_question_alone(attack):
    check_neighbours(results_beside(attack))


@pytest.mark.parametrize("between", ["", "threading.Thread(target=time.sleep, args=(60,)).start()"])
def test_what_a_cell_left_running_costs_its_own_question_also_if_it_strikes_once(between):
    # Once the next cell is left out, nothing sets `begun`, so the process is never ended again.
    made = notebook(
        EVERY_PIPE,
        "def first(x): return 2 * x",
        code("", "first test"),
        """
        import os, threading, time
        def lie_in_wait():
            while "begun" not in globals(): time.sleep(0.001)
            os._exit(1)
        threading.Thread(target=lie_in_wait).start()
        """,
        code("", "own test"),
        between,
        "import time\nbegun = True; time.sleep(0.5)\ndef last(x): return x + 1",
        code("", "last test"),
    )
    check_neighbours(answers(made, CHECKS, CALLS, Limits()))


FUNCTIONS: dict[str, tuple[str, Sequence[str]]] = {
    "loops for ever": ("while True: pass", ["timeout"]),
    "leaves": ("import os; os._exit(0)", ["died"]),
    "kills the notebook": ("import os; os.kill(os.getppid(), 9)", ["died"]),
    "stops the notebook": ("import os; os.kill(os.getppid(), 19)", ["timeout"]),
    "stops itself": ("import os; os.kill(os.getpid(), 19)", ["timeout"]),
    "kills everybody": ("import os; os.kill(-1, 9)", ["died"]),
    "allocates memory": ("x = [bytearray(1 << 26) for _ in range(1000)]", ["raised", "timeout"]),
    "is a fork bomb": (
        """
        import os
        while True:
            try: os.fork(); os.setsid()
            except OSError: pass
        """,
        ["timeout", "died"],
    ),
    "floods its pipe": (
        "for fd in every_pipe():\n    while True: os.write(fd, b'data ' + b'[' * 1000)",
        ["unreadable"],
    ),
    "forges nested data": (
        "for fd in every_pipe(): os.write(fd, b'data ' + b'[' * 30_000 + b'\\n')",
        ["unreadable"],
    ),
    "forges an array": (
        """
        for fd in every_pipe():
            os.write(fd, b'data {"type": "ndarray", "dtype": "O", "shape": [1], "base64": ""}\\n')
        """,
        ["unreadable"],
    ),
    "raises what cannot be shown": (
        """
        class Bad(BaseException):
            def __str__(self): raise self
        raise Bad
        """,
        ["raised"],
    ),
}


@pytest.mark.parametrize(("body", "statuses"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_hostile_function_costs_its_own_probe_alone(body, statuses):
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    results = results_beside(f"def own():\n{body}")
    check_neighbours(results)
    assert results["own"].status in statuses


def test_two_questions_that_leave_do_not_blame_an_innocent_cell_with_a_thread():
    """The suspicion falls on a cell that left a thread; that the others need it clears it."""
    setup = """
        import os, threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """
    made = notebook(
        setup,
        code("x = 1", "a"),
        "os._exit(1)",
        "os._exit(2)",
        code("time.sleep(0); y = 2", "b"),
    )
    checks = "def a(ns, rng): return ns['x']\ndef b(ns, rng): return ns['y']"
    calls = [ProbeCall("a", "a", "a", 0), ProbeCall("b", "b", "b", 0)]
    results = answers(made, checks, calls)
    assert results == {"a": returned(1), "b": returned(2)}


def test_nothing_of_a_probe_run_is_in_the_display_run():
    """The display run is given no checks; a cell cannot find any in memory or on disk."""
    search = """
        import gc, os, sys
        found = [v for d in gc.get_objects() if isinstance(d, dict) for k, v in d.items()
                 if k == "checks" and isinstance(v, str) and v]
        found
        """
    (cell,) = outputs(search)
    assert cell[0].data["text/plain"] == "[]"


# --- Time -------------------------------------------------------------------------------------


def test_on_a_busy_machine_a_cell_and_a_probe_have_the_same_time_to_compute():
    """Beside eight busy loops, half a second of computing takes longer than the limit of one."""
    compute = "import time\nwhile time.process_time() - begun < 0.5: pass"
    cell = f"import time\nbegun = time.process_time()\n{compute}\n'done'"
    body = f"import time; begun = time.process_time()\n{compute}\nreturn 7"
    limits = replace(LIMITS, cell_seconds=1, probe_seconds=1, patience=60)
    checks = "def p(ns, rng):\n" + textwrap.indent(body, "    ")
    with busy_loops(8):
        (shown,) = outputs(cell, limits=limits)
        made = notebook(code("", "test"))
        result = answers(made, checks, [ProbeCall("p", "test", "p", 0)], limits)
    assert shown[-1].data["text/plain"] == "'done'"
    assert result == {"p": returned(7)}


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(100)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])",
        "import threading; threading.Event().wait()",
    ],
)
def test_code_that_waits_or_lets_others_compute_is_stopped_too(source):
    limits = replace(LIMITS, cell_seconds=0.5, probe_seconds=0.5)
    stopped, after = outputs(source, "3", limits=limits)
    assert stopped[-1].ename == "TimeoutError"
    assert after[0].data["text/plain"] == "3"
    body = textwrap.indent(source.replace("; ", "\n"), "    ")
    made = notebook(code("", "test"))
    calls = [ProbeCall("p", "test", "p", 0)]
    results = answers(made, f"def p(ns, rng):\n{body}", calls, limits)
    assert results == {"p": ProbeResult("timeout")}


def test_a_sandbox_that_does_not_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read = execute.EventReader.next
    starts: list[float] = []

    def fails(reader, seconds, size):
        if seconds != execute.START_SECONDS:
            return read(reader, seconds, size)
        starts.append(seconds)
        return "died" if len(starts) < execute.STARTS else read(reader, seconds, size)

    monkeypatch.setattr(execute.EventReader, "next", fails)
    assert outputs("1 + 1")[0][0].data["text/plain"] == "2"
    assert len(starts) == execute.STARTS
    monkeypatch.setattr(execute.EventReader, "next", lambda *_: "died")
    with pytest.raises(NotStartedError, match="did not start in the sandbox"):
        outputs("1 + 1")


# What the kernel holds for a process and the process does not have.
KEPT_BY_THE_KERNEL = {
    "sockets": """
        import os, socket, time
        for _ in range(6):
            if os.fork() == 0:
                pairs = [socket.socketpair() for _ in range(150)]
                time.sleep(100)
        time.sleep(100)
    """,
    "files": """
        import os
        n = 0
        while True:
            os.close(os.open(f"/scratch/{n}", os.O_CREAT))
            n += 1
    """,
}


@pytest.mark.parametrize("source", KEPT_BY_THE_KERNEL.values(), ids=KEPT_BY_THE_KERNEL)
def test_what_the_kernel_holds_is_memory_too(source):
    limits = replace(LIMITS, cell_seconds=40, memory_bytes=512 << 20, processes=64)
    stopped, after = outputs(source, "1 + 1", limits=limits)
    assert stopped[-1].ename == "MemoryError"
    assert after[0].data["text/plain"] == "2"
