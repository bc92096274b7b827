"""Finds and reads submissions. They are untrusted: one may be anything, and never stops the class.

nbgrader's layout: ``DIR/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb``, beside it ``timestamp.txt``.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dlcourse.grading.errors import UsageError
from dlcourse.grading.limited import OutOfLimitsError, limited

MAX_NOTEBOOK_BYTES = 100 << 20  # with saved outputs, which are dropped
MAX_FILE_BYTES = 1 << 20
MAX_OTHERS = 4
MAX_TIMESTAMP_BYTES = 100
MAX_SECRET_BYTES = 1000
SECRET = "submission_secret.txt"  # noqa: S105  (nbgrader's name for the file)
EXAMPLE_TIMESTAMP = "2026-03-01 12:00:00 UTC"
MAX_CELL_CHARACTERS = 200_000
MAX_CELLS = 2000
MAX_DEPTH = 100
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*", re.ASCII)


class SubmissionError(Exception):
    """Why a submission cannot be graded, in words for its author."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in: the notebook's bytes, or the reason why there are none to grade.

    ``notes`` are remarks that cost nothing (another file name, an unreadable timestamp).
    ``secret`` is what nbgrader's exchange gave to the student alone, to fetch the feedback with.
    ``others`` are further notebooks of the folder, by name: the work may be in one of them.
    ``files`` are those that the assignment takes beside the notebook, by name.
    """

    student: str
    content: bytes
    problem: str | None = None
    timestamp: datetime.datetime | None = None
    notes: tuple[str, ...] = ()
    secret: str | None = None
    others: Mapping[str, bytes] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def find_students(directory: Path, assignment: str) -> list[str]:
    """The students who handed something in for an assignment, sorted.

    A student's folder without the assignment's folder is no submission. A symbolic link in place of
    either is one (that cannot be graded): what it points to is not looked at.
    """
    if not directory.is_dir():
        raise UsageError(
            f"{directory} is not a folder; --submissions takes the folder that holds "
            f"STUDENT/{assignment}/{assignment}.ipynb"
        )
    students = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                entry.name.encode("utf-8")
            except UnicodeEncodeError:
                raise UsageError(
                    f"the folder {os.fsencode(entry.name)!r} in {directory} has a name that is not "
                    "UTF-8, which the gradebook cannot hold; rename it"
                ) from None
            if entry.is_symlink() or (
                entry.is_dir() and os.path.lexists(Path(entry.path, assignment))
            ):
                students.append(entry.name)
    if not students:
        raise UsageError(f"no submission of {assignment} in {directory}")
    return sorted(students)


def read_submission(
    student: str, folder: Path, notebook: str, taken: Collection[str] = ()
) -> Submission:
    """Read ``folder/notebook.ipynb``; neither STUDENT nor ASSIGNMENT nor the file may be a link.

    ``taken`` are the names of the files that may lie beside it.
    """
    try:
        descriptor = _open_folder(folder)
    except SubmissionError as error:
        return Submission(student, b"", problem=str(error))
    try:
        timestamp, notes = _read_timestamp(descriptor)
        secret = _read_secret(descriptor)
        try:
            name, *others = _notebook_names(descriptor, notebook)
            if name != f"{notebook}.ipynb":
                notes = (*notes, f"the file is called {name!r}, not '{notebook}.ipynb'")
            content = _read_file(descriptor, name, MAX_NOTEBOOK_BYTES)
            notes += _shared_with(student, folder, name, descriptor)
        except SubmissionError as error:
            return Submission(student, b"", str(error), timestamp, notes, secret)
        further = _read_others(descriptor, others)
        files, remarks = _read_files(descriptor, taken)
        notes += remarks
        return Submission(student, content, None, timestamp, notes, secret, further, files)
    finally:
        os.close(descriptor)


def parse_notebook(content: bytes) -> NotebookNode:
    """The notebook of a submission, upgraded to nbformat 4.5, with nothing but what is used of it.

    Each cell has ``cell_type`` (code or markdown), ``source``, and in its metadata at most
    ``nbgrader.grade_id``, or else the cell's id; markdown cells keep the images attached to them.

    Raises SubmissionError for anything that is not a notebook.
    """
    try:
        data = json.loads(content.decode("utf-8-sig"), parse_constant=float)
    except UnicodeDecodeError as error:
        raise SubmissionError(f"not UTF-8 text: byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise SubmissionError(f"not JSON: line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise SubmissionError("not a notebook: nested too deeply") from error
    except ValueError as error:  # an integer with more digits than Python converts
        raise SubmissionError("not a notebook: a number is too long") from error
    if not isinstance(data, dict) or _deeper_than(data, MAX_DEPTH):
        raise SubmissionError("not a notebook: it must be a JSON object of the notebook format")
    if isinstance(data.get("cells"), list) and len(data["cells"]) > MAX_CELLS:
        raise SubmissionError(f"{len(data['cells'])} cells; at most {MAX_CELLS} are graded")
    try:
        for cell in data.get("cells", ()):
            if "outputs" in cell:
                cell["outputs"] = []
        notebook = nbformat.convert(nbformat.from_dict(data), 4)
        cells = [_plain_cell(cell) for cell in notebook["cells"]]
    except SubmissionError:
        raise
    except Exception as error:  # nbformat raises whatever a malformed notebook leads it to
        raise SubmissionError("not a notebook: its cells cannot be read") from error
    if len(cells) > MAX_CELLS:
        raise SubmissionError(f"{len(cells)} cells; at most {MAX_CELLS} are graded")
    kept = [cell for cell in cells if cell is not None]
    plain: NotebookNode = nbformat.v4.new_notebook(cells=kept)
    return plain


def parsed_within_limits(content: bytes) -> NotebookNode:
    """`parse_notebook` in a process of its own: twenty megabytes of JSON can take minutes.

    Raises SubmissionError as it does, and where it takes more time or memory than a notebook needs.
    """
    try:
        notebook: NotebookNode = limited(parse_notebook, content)
    except OutOfLimitsError as error:
        raise SubmissionError(f"the notebook is too large to be read: it takes {error}") from error
    return notebook


def _open_folder(folder: Path) -> int:
    """Open STUDENT/ASSIGNMENT step by step, so that neither may be a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder.parent.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in (folder.parent.name, folder.name):
        try:
            if stat.S_ISLNK(os.lstat(part, dir_fd=descriptor).st_mode):
                raise SubmissionError("the submission is a symbolic link")
            inner = os.open(part, flags, dir_fd=descriptor)
        except OSError as error:
            raise SubmissionError(f"the folder cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _notebook_names(folder: int, notebook: str) -> list[str]:
    """The file to grade and the others: the one with the right name is first if it is there.

    Hidden files are left out, such as the ``._NAME.ipynb`` that macOS puts beside a file.
    """
    right = f"{notebook}.ipynb"
    found = [n for n in os.listdir(folder) if n.endswith(".ipynb") and not n.startswith(".")]
    if not found:
        raise SubmissionError(f"no notebook: '{right}' is missing")
    return sorted(found, key=lambda name: (name != right, name))


def _read_others(folder: int, names: list[str]) -> dict[str, bytes]:
    """Further notebooks, those that can be read; a folder of hundreds is not looked through."""
    found = {}
    for name in names[:MAX_OTHERS]:
        with suppress(SubmissionError):
            found[name] = _read_file(folder, name, MAX_NOTEBOOK_BYTES)
    return found


def _read_files(folder: int, taken: Collection[str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What is taken beside the notebook, and notes on what lies there and is not."""
    found, notes = {}, []
    present = sorted(os.listdir(folder))
    for name in sorted(taken):
        if name in present:
            try:
                found[name] = _read_file(folder, name, MAX_FILE_BYTES)
            except SubmissionError as error:
                notes.append(f"{name!r} was not taken: {error}")
    modules = [name for name in present if name.endswith(".py") and name not in taken]
    if modules := [name for name in modules if not name.startswith(".")][:MAX_OTHERS]:
        names = ", ".join(map(repr, modules))
        notes.append(f"also found, and not there when the notebook ran: {names}")
    return found, tuple(notes)


def _shared_with(student: str, folder: Path, name: str, descriptor: int) -> tuple[str, ...]:
    """A note where another student's folder holds the very same file, by a hard link.

    It cannot be said whose it is, so it costs nobody a mark. A link from a copy of the folder
    elsewhere, as backups make them, is none of our business.
    """
    own = os.stat(name, dir_fd=descriptor)
    if own.st_nlink == 1:
        return ()
    others = []
    for entry in sorted(folder.parent.parent.iterdir()):
        if entry.name != student:
            for path in (entry / folder.name).glob("*.ipynb"):
                with suppress(OSError):
                    if os.path.samestat(path.lstat(), own):
                        others.append(entry.name)
    return (f"the same file as that of {', '.join(map(repr, others))}",) if others else ()


def _read_file(folder: int, name: str, limit: int) -> bytes:
    # O_NONBLOCK: opening a named pipe must not wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
            raise SubmissionError("the submission is a symbolic link")
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise SubmissionError(f"the file cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SubmissionError("the submission is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise SubmissionError(f"the file is larger than {limit >> 20} MB")
    return content


def _read_timestamp(folder: int) -> tuple[datetime.datetime | None, tuple[str, ...]]:
    try:
        os.lstat("timestamp.txt", dir_fd=folder)
    except OSError:
        return None, ()
    try:
        text = _read_file(folder, "timestamp.txt", MAX_TIMESTAMP_BYTES).decode("utf-8").strip()
        return (parse_timestamp(text) if text else None), ()
    except (SubmissionError, ValueError):
        return None, (f"timestamp.txt does not hold a moment like {EXAMPLE_TIMESTAMP}",)


def _read_secret(folder: int) -> str | None:
    try:
        return _read_file(folder, SECRET, MAX_SECRET_BYTES).decode("ascii").strip() or None
    except (SubmissionError, ValueError):
        return None


def parse_timestamp(text: str) -> datetime.datetime:
    """The moment in UTC, without a time zone, as nbgrader keeps it.

    Args:
        text: ISO 8601, or as nbgrader writes it, with the name of this machine's own zone perhaps;
            without a zone it is UTC. Nothing is guessed: 11.12. may be in December or November.

    Raises:
        ValueError: It has another form.
    """
    text = re.sub(r"\s*(?:UTC|Z)$", "+00:00", text)
    text = re.sub(r"\s+([+-]\d\d:?\d\d)$", r"\1", text)
    clock, _, zone = text.rpartition(" ")
    if is_local := zone in time.tzname:
        text = clock
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None and not is_local:
        return moment
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)


def _plain_cell(cell: Mapping[str, Any]) -> NotebookNode | None:
    kind, source = cell["cell_type"], cell["source"]
    if isinstance(source, list):
        source = "".join(source)
    if not isinstance(source, str):
        raise SubmissionError("not a notebook: the text of a cell is not text")
    source = _valid(source)
    if len(source) > MAX_CELL_CHARACTERS:
        raise SubmissionError(f"a cell of {len(source)} characters; at most {MAX_CELL_CHARACTERS}")
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    nbgrader = metadata.get("nbgrader")
    name = nbgrader.get("grade_id") if isinstance(nbgrader, Mapping) else None
    if kind not in ("code", "markdown", "raw"):
        raise SubmissionError(f"not a notebook: unknown cell type {str(kind)[:20]!r}")
    if kind == "raw" and name is None:
        return None
    # A raw cell with an id is an answer whose type was changed: the release's type is what counts.
    new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    plain: NotebookNode = new(source)  # type: ignore[no-untyped-call]
    if isinstance(name, str):
        plain.metadata["nbgrader"] = {"grade_id": name}
    elif isinstance(own := metadata.get("id") or cell.get("id"), str):  # Colab has the last
        plain.metadata["dlcourse"] = {"cell_id": own}
    if kind == "markdown" and (images := dict(_images(cell.get("attachments")))):
        plain["attachments"] = images
    return plain


def _images(attachments: object) -> Iterator[tuple[str, NotebookNode]]:
    if not isinstance(attachments, Mapping):
        return
    for name, bundle in attachments.items():
        if not isinstance(bundle, Mapping):
            continue
        for kind in ("image/png", "image/jpeg"):
            image = bundle.get(kind)
            if isinstance(image, str) and BASE64.fullmatch(image):
                yield _valid(str(name)), NotebookNode({kind: image})
                break


def _valid(text: str) -> str:
    """The text without what can be written in JSON, but neither saved nor shown."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def _deeper_than(data: object, limit: int) -> bool:
    level: list[object] = [data]
    for _ in range(limit):
        level = [
            value
            for item in level
            if isinstance(item, dict | list)
            for value in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
