"""Opens nbgrader's gradebook, and makes a new one whole or not at all.

nbgrader makes the tables first and asks the program ``alembic`` for their version afterwards. Where
that fails, it leaves a gradebook without a version, which the next run would take for a good one.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbgrader.api import Gradebook
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import DatabaseError

from dlcourse.grading.errors import DatabaseUnusable

VERSION_TABLE = "alembic_version"


def open_gradebook(db_url: str, course_id: str) -> Gradebook:
    """The gradebook at a URL of SQLAlchemy; it is made if it is not there.

    Raises DatabaseUnusable where it cannot be made, or was not finished when it was made.
    """
    file = _sqlite_file(db_url)
    if _is_new(db_url, file):
        if file is None:
            with _explained(f"the gradebook could not be made in {_printable(db_url)}"), _alembic():
                return Gradebook(db_url, course_id)
        _make(file, course_id)
    return Gradebook(db_url, course_id)


def _sqlite_file(db_url: str) -> Path | None:
    """The file of an SQLite database, or None for one in memory or of another kind."""
    url = make_url(db_url)
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def _is_new(db_url: str, file: Path | None) -> bool:
    """Whether there is no gradebook yet; DatabaseUnusable if there is half a one."""
    if file is not None and not file.exists():
        return True
    name = _printable(db_url) if file is None else str(file)
    engine = create_engine(db_url)
    try:
        tables = inspect(engine).get_table_names()
        if not tables:
            return True
        with engine.connect() as connection:
            query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608  (a constant)
            version = connection.scalar(query) if VERSION_TABLE in tables else None
    except DatabaseError as error:
        raise DatabaseUnusable(
            f"{name} cannot be read as a gradebook ({error.orig}). Move it aside, or restore it "
            "from a copy, and grade again."
        ) from error
    finally:
        engine.dispose()
    if version is None:
        raise DatabaseUnusable(
            f"{name} was not finished when it was made: it has nbgrader's tables, but no version. "
            "Delete it, or move it aside if it holds marks given by hand, and grade again."
        )
    return False


def _make(file: Path, course_id: str) -> None:
    """Make a gradebook under another name beside its own, which it gets when it is whole."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with _explained(f"the gradebook {file} could not be made"), _alembic():
            file.parent.mkdir(parents=True, exist_ok=True)
            Gradebook(f"sqlite:///{temporary}", course_id).close()
            temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of SQLAlchemy, of the operating system, or of alembic
        reason = str(getattr(error, "orig", None) or error)
        raise DatabaseUnusable(f"{what}; nothing was graded ({reason})") from error


def find_alembic() -> None:
    """Let nbgrader find ``alembic``, and let that read and write UTF-8.

    nbgrader calls the command by its name: it is the one installed beside nbgrader.
    """
    os.environ["PYTHONUTF8"] = "1"
    if shutil.which("alembic") is None:
        scripts = sysconfig.get_path("scripts")
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])


@contextmanager
def _alembic() -> Iterator[None]:
    """An environment in which nbgrader finds ``alembic``; afterwards it is as before."""
    before = dict(os.environ)
    find_alembic()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _printable(db_url: str) -> str:
    return make_url(db_url).render_as_string(hide_password=True)
