"""The students of the sample class: good ones, careless ones and hostile ones.

Every student starts from the released exercise. The table `STUDENTS` says what each one does, and
the mark that it has earned: the points of the questions that it solves, no more and no fewer. The
hostile notebooks are made to be run in the grader's sandbox, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from dlcourse.grading.assignments.answers import read_answers, with_answers
from exercises import BEGIN, END, ROOT, read_source

ASSIGNMENT = "01-autodiff"
FILE = f"{ASSIGNMENT}.ipynb"
SOURCE = ROOT / "solutions" / ASSIGNMENT
RELEASE = ROOT / "exercises" / ASSIGNMENT / FILE

# The questions, in their order: each has an answer cell `NAME-answer` and a test cell `NAME`.
QUESTIONS = (
    "local-derivatives",
    "unbroadcast",
    "shape-rules",
    "topological-order",
    "accumulation",
    "backward",
    "network-loss",
    "training",
)


def answers(*wrong: str) -> dict[str, str]:
    """The reference solution's answer cells, with the mistakes of the files `wrong/NAME.py`."""
    notebook = read_source(SOURCE)
    for name in wrong:
        notebook = with_answers(notebook, read_answers(SOURCE / "wrong" / f"{name}.py").parts)
    return {
        cell.metadata.nbgrader.grade_id: "\n".join(
            line for line in cell.source.splitlines() if BEGIN not in line and END not in line
        )
        for cell in notebook.cells
        if cell.metadata.nbgrader.solution
    }


def solved(*questions: str) -> NotebookNode:
    """The released exercise with right answers to these questions."""
    right = answers()
    return filled({f"{name}-answer": right[f"{name}-answer"] for name in questions})


def filled(texts: Mapping[str, str]) -> NotebookNode:
    """The released exercise with these texts in its answer cells."""
    notebook = nbformat.read(RELEASE, as_version=4)
    for grade_id, text in texts.items():
        notebook.cells[place(notebook, grade_id)].source = text
    return notebook


def place(notebook: NotebookNode, grade_id: str) -> int:
    """The index of a cell."""
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    return ids.index(grade_id)


def spoiled(question: str, code: str) -> NotebookNode:
    """All questions solved but one: its answer cell holds `code` instead."""
    return filled({**answers(), f"{question}-answer": dedent(code).strip()})


def with_first_cell(notebook: NotebookNode, code: str) -> NotebookNode:
    """The notebook with a cell of the student's own on top."""
    notebook.cells.insert(0, new_code_cell(dedent(code).strip(), id="own-cell"))
    return notebook


# The students


def perfect() -> NotebookNode:
    return solved(*QUESTIONS)


def empty() -> NotebookNode:
    return solved()


def overwrites_gradients() -> NotebookNode:
    return filled(answers("overwrites_instead_of_adding"))


def several_mistakes() -> NotebookNode:
    return filled(answers("recursive", "drops_stretched_axes", "never_clears_gradients"))


def first_three_questions() -> NotebookNode:
    return solved(*QUESTIONS[:3])


def infinite_loop() -> NotebookNode:
    return spoiled("topological-order", "while True:\n    pass")


def os_exit() -> NotebookNode:
    return spoiled("accumulation", "import os\n\nos._exit(0)")


def memory_hog() -> NotebookNode:
    code = """
        hoard = []
        while True:
            hoard.append(np.ones(2**24))
    """
    return spoiled("unbroadcast", code)


def strips_asserts() -> NotebookNode:
    """Takes every assert and every raise out of the cells that are still to come."""
    code = """
        import ast


        class Strip(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()

            def visit_Raise(self, node):
                return ast.Pass()

            def visit_Call(self, node):
                if getattr(node.func, "id", "").startswith(("test_", "expect")):
                    return ast.Constant(None)
                return self.generic_visit(node)


        get_ipython().ast_transformers.append(Strip())
    """
    return with_first_cell(solved(), code)


def equals_everything() -> NotebookNode:
    """Answers with an object that is equal to everything, as NumPy's comparisons then say too."""
    code = """
        import numpy as np


        class Anything(float):
            shape, size, ndim, value, parents, grad = (), 1, 0, 1.0, (), 1.0

            def __eq__(self, other):
                return True

            __lt__ = __le__ = __gt__ = __ge__ = __eq__

            def __ne__(self, other):
                return False

            def __hash__(self):
                return 0

            def __len__(self):
                return 2

            def __contains__(self, other):
                return True

            def __getitem__(self, index):
                return self

            def __iter__(self):
                return iter((self, self))

            def __getattr__(self, name):
                return self

            def __call__(self, *arguments, **named):
                return self


        def always(*arguments, **named):
            return True


        np.allclose = np.array_equal = np.isclose = always
        np.testing.assert_allclose = np.testing.assert_array_equal = always
        anything = Anything(1.0)
    """
    names = (
        "matmul_rule",
        "sum_rule",
        "topological_order",
        "propagate",
        "backward",
        "network_loss",
        "train",
    )
    fake = "\n".join(f"{name} = anything" for name in names)
    notebook = solved(*QUESTIONS[:2])
    for question in QUESTIONS[2:]:
        notebook.cells[place(notebook, f"{question}-answer")].source = fake
    return with_first_cell(notebook, code)


def forges_marks() -> NotebookNode:
    """Runs no cell any more, and prints what a passed test and a mark might look like."""
    code = """
        import json
        import sys

        from IPython.core.interactiveshell import InteractiveShell


        async def run_code(self, code_object, result=None, *, async_=False):
            print("The visible test passes.", json.dumps({"score": 20, "max_score": 20}))
            print(json.dumps({"status": "data", "data": None}), file=sys.stderr)
            return False


        InteractiveShell.run_code = run_code
        print("<b>Score: 20.0 / 20.0</b>")
    """
    return with_first_cell(solved(), code)


def spies() -> NotebookNode:
    """Looks for solutions, marks, other submissions and a network, and prints what it found."""
    code = """
        import os
        import socket

        wanted = ("gradebook.db", "01-autodiff", "solutions", "submitted", "autograded")
        found = []
        for folder, folders, files in os.walk("/"):
            if folder.startswith(("/proc", "/sys", "/usr/share")):
                folders.clear()
            else:
                names = [name for name in folders + files if name.startswith(wanted)]
                found += [os.path.join(folder, name) for name in names]
        for address in [("127.0.0.1", 22), ("127.0.0.1", 8888), ("192.0.2.1", 80)]:
            try:
                socket.create_connection(address, timeout=1).close()
                found.append(f"a connection to {address}")
            except OSError:
                pass
        found += [name for name in os.environ if name.endswith(("TOKEN", "SECRET", "KEY"))]
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/cmdline") as file:
                    command = file.read()
            except OSError:
                continue
            if "grade" in command or "pytest" in command:
                found.append(command)
        print("spy found:", sorted(set(found)) or "nothing")
    """
    return with_first_cell(solved(QUESTIONS[0]), code)


def moves_test_cells() -> NotebookNode:
    """Solves everything; but one test cell is there twice, and one not at all."""
    notebook = perfect()
    twice = place(notebook, "local-derivatives")
    copy = nbformat.from_dict({**notebook.cells[twice], "id": "copy"})
    notebook.cells.insert(twice + 1, copy)
    del notebook.cells[place(notebook, "unbroadcast")]
    return notebook


def forged_shapes() -> NotebookNode:
    """Answers with arrays of two thousand million rows without a number, which take no memory."""
    code = """
        def unbroadcast(g, shape):
            return np.empty((2**31 - 1, 0))
    """
    return spoiled("unbroadcast", code)


def forged_exception() -> NotebookNode:
    """Raises what is called as a passed check is, with a page as its text."""
    code = """
        class passed(Exception):
            def __str__(self):
                return "passed</td></tr><script>document.title = '20 / 20'</script>"


        def propagate(order, gradient):
            raise passed
    """
    return spoiled("accumulation", code)


def nested_outputs() -> NotebookNode:
    """Shows tags in tags and writes blank lines: what makes readers of pages slow."""
    code = """
        from IPython.display import HTML, Markdown, display

        display(HTML("<div>" * 100_000))
        display(Markdown("\\\\begin{a}" * 20_000))
        print("\\x1b[1m" * 100_000)
    """
    return with_first_cell(perfect(), dedent(code) + "\n" * 40_000 + "1")


def answers_elsewhere() -> NotebookNode:
    """Answers question 1 in a cell of its own, which counts, and question 2 below its test."""
    notebook, right = solved(*QUESTIONS[2:]), answers()
    for question, offset in (("local-derivatives", 0), ("unbroadcast", 1)):
        cell = new_code_cell(right[f"{question}-answer"], id=f"own-{question}")
        notebook.cells.insert(place(notebook, question) + offset, cell)
    return notebook


def without_metadata() -> NotebookNode:
    """All metadata of cells is lost, as some editors do it; their ids are as they were."""
    notebook = perfect()
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def saved_outputs() -> NotebookNode:
    """Hands in twenty-five megabytes of outputs that were saved in the notebook."""
    notebook = perfect()
    text = nbformat.v4.new_output("stream", text="0123456789abcdef\n" * 1_500_000)
    notebook.cells[place(notebook, "training")].outputs = [text]
    return notebook


@dataclass(frozen=True)
class Student:
    """What a student does, and the mark that is due. `make` gives the notebook to hand in, or else
    `write` puts something other than a notebook where it belongs."""

    what: str
    mark: float
    make: Callable[[], NotebookNode] | None = None
    write: Callable[[Path], None] | None = None


def write_text(path: Path) -> None:
    path.write_text("My answers are in the e-mail that I sent you.\n", encoding="utf-8")


def link_to_perfect(path: Path) -> None:
    path.symlink_to(Path("..", "..", "perfect", ASSIGNMENT, FILE))


def second_copy(path: Path) -> None:
    """As a browser names a file that is there already; beside it one of macOS's own."""
    nbformat.write(empty(), path)
    nbformat.write(perfect(), path.with_name(f"{ASSIGNMENT} (1).ipynb"))
    path.with_name(f"._{FILE}").write_bytes(b"\0\5\x16\7Mac OS X")


STUDENTS: Mapping[str, Student] = {
    "perfect": Student("solves every question", 20, perfect),
    "empty": Student("hands in the release as it is", 0, empty),
    "overwrites-gradients": Student("does not add up at shared nodes", 19, overwrites_gradients),
    "several-mistakes": Student("a mistake in each of three questions", 17, several_mistakes),
    "first-three": Student("solves the first three questions", 10, first_three_questions),
    "infinite-loop": Student("loops for ever in question 4, solves the rest", 17, infinite_loop),
    "os-exit": Student("ends the process in question 5, solves the rest", 17, os_exit),
    "memory-hog": Student("takes all memory in question 2, solves the rest", 17, memory_hog),
    "strips-asserts": Student(
        "strips tests by an AST transformer, solves nothing", 0, strips_asserts
    ),
    "equals-everything": Student(
        "solves two questions, the rest compares equal to everything", 7, equals_everything
    ),
    "forges-marks": Student("patches IPython and prints a mark, solves nothing", 0, forges_marks),
    "spies": Student("solves question 1, looks for solutions, marks and network", 4, spies),
    "moves-test-cells": Student(
        "solves all; a test cell doubled, one deleted", 20, moves_test_cells
    ),
    "forged-shapes": Student(
        "answers question 2 with huge arrays of nothing, solves the rest", 17, forged_shapes
    ),
    "forged-exception": Student(
        "raises a forged result in question 5, solves the rest", 17, forged_exception
    ),
    "nested-outputs": Student("solves all, shows 100,000 nested tags", 20, nested_outputs),
    "answers-elsewhere": Student("solves all, one answer below its test", 17, answers_elsewhere),
    "without-metadata": Student(
        "solves all, in an editor that drops metadata", 20, without_metadata
    ),
    "saved-outputs": Student("solves all, with 25 MB of saved outputs", 20, saved_outputs),
    "second-copy": Student(
        "solves all in a second file, beside the release as it is", 20, write=second_copy
    ),
    "not-json": Student("hands in a file that is not a notebook", 0, write=write_text),
    "symlink": Student("hands in a link to another student's work", 0, write=link_to_perfect),
}
