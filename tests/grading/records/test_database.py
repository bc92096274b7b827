"""A gradebook is made whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from dlcourse.grading.errors import DatabaseUnusable
from dlcourse.grading.records.database import open_gradebook


def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def broken_alembic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program `alembic` that fails, in front of the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "alembic").write_text("#!/bin/sh\necho cannot >&2\nexit 1\n")
    (folder / "alembic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_new_gradebook_is_nbgraders_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "gradebook.db"
    open_gradebook(url(file), "course").close()
    assert [path.name for path in file.parent.iterdir()] == ["gradebook.db"]
    with Gradebook(url(file), "course") as book:
        assert book.course_id == "course"
    open_gradebook(url(file), "course").close()


def test_where_making_it_fails_nothing_stays_behind_and_the_next_run_makes_it(
    tmp_path: Path, broken_alembic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "course" / "gradebook.db"
    with pytest.raises(DatabaseUnusable, match="could not be made; nothing was graded"):
        open_gradebook(url(file), "course")
    assert list(file.parent.iterdir()) == []
    monkeypatch.undo()
    open_gradebook(url(file), "course").close()


def test_half_a_gradebook_is_recognised(tmp_path: Path, broken_alembic: None) -> None:
    file = tmp_path / "gradebook.db"
    with pytest.raises(Exception, match="alembic"):
        Gradebook(url(file), "course")  # nbgrader itself leaves one
    with pytest.raises(DatabaseUnusable, match="was not finished when it was made"):
        open_gradebook(url(file), "course")


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.db"
    file.write_text("my marks, in words\n" * 100)
    with pytest.raises(DatabaseUnusable, match="cannot be read as a gradebook"):
        open_gradebook(url(file), "course")
    assert file.read_text().startswith("my marks")


def test_an_empty_file_becomes_a_gradebook(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.db"
    file.touch()
    open_gradebook(url(file), "course").close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from alembic_version").fetchone() == (1,)


def test_its_programs_write_utf8_whatever_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "bin"
    folder.mkdir()
    seen = tmp_path / "seen"
    (folder / "alembic").write_text(f'#!/bin/sh\necho "$PYTHONUTF8" > "{seen}"\necho head1 rest\n')
    (folder / "alembic").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    open_gradebook(url(tmp_path / "gradebook.db"), "course").close()
    assert seen.read_text() == "1\n"
    assert os.environ["PYTHONUTF8"] == "0"
