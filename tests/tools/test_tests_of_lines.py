"""Which tests a line has, by what coverage found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tests_of_lines

SOURCE = """\
def double(x):
    return 2 * x

FOUR = [
    double(2),
]
"""


def test_a_line_that_an_import_runs_has_all_tests_and_its_own_first(
    tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "doubles.py").write_text(SOURCE)
    found = {1: {""}, 2: {"", "t::direct"}, 4: {""}, 5: {""}, 7: {"t::a", "t::b"}, 8: {"t::a"}}
    (tmp_path / "tests" / "sub").mkdir(parents=True)
    (tmp_path / "tests" / "sub" / "test_doubles.py").write_text("")
    measured = tests_of_lines.TestsOfLines(tmp_path, tmp_path)
    monkeypatch.setattr(measured, "_found", lambda _file: found)
    lines = measured.of_file("doubles.py")
    named = "tests/sub/test_doubles.py"
    assert lines[2] == ["t::direct", "t::b", "t::a", named]
    assert lines[4] == lines[5] == ["t::b", "t::direct", "t::a", named]


def test_a_line_that_only_tests_run_has_those(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "doubles.py").write_text(SOURCE)
    measured = tests_of_lines.TestsOfLines(tmp_path, tmp_path)
    monkeypatch.setattr(measured, "_found", lambda _file: {2: {"t::direct"}, 7: {"t::a"}})
    assert measured.of_file("doubles.py")[2] == ["t::direct"]
