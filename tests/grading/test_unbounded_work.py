"""What a student hands in cannot keep the grader itself busy, nor cost anyone else a mark."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nbgrader
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from small_course import NAME, RIGHT, answered, assignment_of, hand_in, make_course
from traitlets.config import Config

from dlcourse.__main__ import main
from dlcourse.grading import limited
from dlcourse.grading.assignments.rebuild import ADDED
from dlcourse.grading.assignments.submission import SubmissionError, parsed_within_limits
from dlcourse.grading.feedback import within_limits
from dlcourse.grading.nbgrader_plugin import FILTERS
from dlcourse.grading.sandbox.available import SandboxUnavailable
from dlcourse.grading.sandbox.confinement import require_sandbox


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "SECONDS", 5)
    monkeypatch.setattr(within_limits, "SECONDS", 10)


def notebook_bytes(cells: list[Any]) -> bytes:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


EMPTY = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [], "execution_count": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (notebook_bytes([EMPTY] * 60_000), "60000 cells; at most 2000 are graded"),
        (b'{"cells": [' + b"{}," * 6_000_000 + b"{}]}", "cells; at most|too large to be read"),
        (b'{"x": [' + b"{}," * 6_000_000 + b"{}]}", "cells cannot be read|too large to be read"),
    ],
    ids=["cells", "braces as cells", "braces"],
)
def test_a_huge_notebook_is_refused_within_limits(content: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=message):
        parsed_within_limits(content)


# What makes a library take minutes, or pages of a hundred megabytes.
HOSTILE = {
    "nested": "from IPython.display import HTML\nHTML('<b>' * 200_000)",
    "blank": "\n" * 100_000 + "x = 1",
    "loud": "for i in range(40): print('x' * 1_000_000)",
    "markup": "from IPython.display import HTML\nHTML('<a href=' * 120_000)",
}


@pytest.fixture(scope="module")
def sandbox_works() -> None:
    try:
        require_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("sandbox_works")
def test_hostile_outputs_and_texts_cost_nobody_marks_or_feedback(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    assignment = assignment_of(course)
    for name, text in HOSTILE.items():
        answers = RIGHT | {"square-answer": f"{RIGHT['square-answer']}\n{text}"}
        hand_in(course / "submitted", name, answered(assignment, answers))
    hand_in(course / "submitted", "honest", answered(assignment, RIGHT))
    submissions = str(course / "submitted")
    assert main(["grade", "squares", "--course", str(course), "--submissions", submissions]) == 0
    marks = (course / "marks" / f"{NAME}.csv").read_text()
    rows = {row["student"]: row for row in csv.DictReader(marks.splitlines())}
    assert {student: row["score"] for student, row in rows.items()} == dict.fromkeys(rows, "5")
    assert rows.keys() == {*HOSTILE, "honest"}
    pages = {s: (course / "feedback" / s / NAME / f"{NAME}.html").read_text() for s in rows}
    assert all(len(page) < 20 << 20 for page in pages.values())
    shown = {student for student, page in pages.items() if "not shown" not in page}
    assert shown == {"honest", "loud"}


def test_formgraders_page_of_a_hostile_notebook_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within_limits, "SECONDS", 3)
    templates = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [str(templates)]
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = FILTERS
    exporter = within_limits.MarkingExporter(config=config)
    by_student = {"dlcourse": {"origin": ADDED}}
    for source, told in [("[One](#1)", False), ("[" * 49_000, True)]:
        notebook = new_notebook(cells=[new_markdown_cell(source, metadata=by_student)])
        html, _ = exporter.from_notebook_node(notebook, {"index": 0, "total": 1})
        assert ("The rest is not shown" in html) == told
        assert "cdn" not in html
