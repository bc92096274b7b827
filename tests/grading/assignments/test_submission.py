import datetime
import json
import os
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from small_course import NAME, hand_in

from dlcourse.grading.assignments.submission import (
    MAX_NOTEBOOK_BYTES,
    SubmissionError,
    find_students,
    parse_notebook,
    parse_timestamp,
    parsed_within_limits,
    read_submission,
)
from dlcourse.grading.errors import UsageError

EMPTY = nbformat.writes(new_notebook())


def read(submissions: Path, student: str = "ada") -> tuple[str | None, bytes, tuple[str, ...]]:
    submission = read_submission(student, submissions / student / NAME, NAME)
    return submission.problem, submission.content, submission.notes


def test_a_notebook_is_read(tmp_path: Path) -> None:
    hand_in(tmp_path, "ada", EMPTY)
    assert read(tmp_path) == (None, EMPTY.encode(), ())


def test_the_only_notebook_is_graded_whatever_its_name_and_that_is_noted(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    path.rename(path.with_name("Untitled.ipynb"))
    problem, content, notes = read(tmp_path)
    assert (problem, content) == (None, EMPTY.encode())
    assert "Untitled.ipynb" in notes[0]


@pytest.mark.parametrize("part", ["student", "assignment", "file"])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, part: str) -> None:
    hand_in(tmp_path, "elsewhere", EMPTY)
    target = tmp_path / "elsewhere"
    link = tmp_path / "ada"
    if part != "student":
        target, link = target / NAME, link / NAME
        link.parent.mkdir()
    if part == "file":
        target, link = target / f"{NAME}.ipynb", link / f"{NAME}.ipynb"
        link.parent.mkdir()
    link.symlink_to(target)
    assert find_students(tmp_path, NAME) == ["ada", "elsewhere"]
    assert read(tmp_path) == ("the submission is a symbolic link", b"", ())


def test_a_link_as_timestamp_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("2026-01-01 00:00:00 UTC")
    path = hand_in(tmp_path, "ada", EMPTY)
    path.with_name("timestamp.txt").symlink_to(secret)
    submission = read_submission("ada", path.parent, NAME)
    assert submission.timestamp is None and submission.problem is None


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    path.unlink()
    os.mkfifo(path)
    assert read(tmp_path)[0] == "the submission is not a regular file"


def test_a_folder_or_a_huge_file_in_place_of_the_notebook_is_refused(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    os.truncate(path, MAX_NOTEBOOK_BYTES + 1)
    assert read(tmp_path)[0] == "the file is larger than 100 MB"
    path.unlink()
    path.mkdir()
    assert read(tmp_path)[0] == "the submission is not a regular file"
    path.rmdir()
    assert read(tmp_path)[0] == f"no notebook: '{NAME}.ipynb' is missing"


@pytest.mark.parametrize(
    ("text", "moment", "notes"),
    [
        ("2026-03-01 12:00:00 UTC", datetime.datetime(2026, 3, 1, 12), 0),
        ("2026-03-01 12:00:00.250000 UTC", datetime.datetime(2026, 3, 1, 12, 0, 0, 250_000), 0),
        ("2026-03-01 12:00:00", datetime.datetime(2026, 3, 1, 12), 0),
        ("2026-03-01T12:00:00Z", datetime.datetime(2026, 3, 1, 12), 0),
        ("20260301T120000Z", datetime.datetime(2026, 3, 1, 12), 0),
        ("2026-12-01 23:30:00 +0100", datetime.datetime(2026, 12, 1, 22, 30), 0),
        ("2026-12-01 23:30:00+01:00", datetime.datetime(2026, 12, 1, 22, 30), 0),
        ("2026-12-31 20:30:00 -0500", datetime.datetime(2027, 1, 1, 1, 30), 0),
        ("11.12.2026", None, 1),
        ("12/11/2026 10:00", None, 1),
        ("2026-03-01 12:00:00 XYZ", None, 1),
        ("2026-02-30 12:00:00", None, 1),
        ("", None, 0),
        ("yesterday evening", None, 1),
        ("9" * 1000, None, 1),
    ],
)
def test_the_timestamp_is_read_as_nbgrader_reads_it_and_never_stops_the_grader(
    tmp_path: Path, text: str, moment: datetime.datetime | None, notes: int
) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    path.with_name("timestamp.txt").write_text(text)
    submission = read_submission("ada", path.parent, NAME)
    assert submission.problem is None
    assert (submission.timestamp, len(submission.notes)) == (moment, notes)


def test_only_folders_with_the_assignment_are_submissions(tmp_path: Path) -> None:
    hand_in(tmp_path, "ada", EMPTY)
    (tmp_path / "grace").mkdir()
    (tmp_path / ".ipynb_checkpoints" / NAME).mkdir(parents=True)
    (tmp_path / "README.txt").touch()
    assert find_students(tmp_path, NAME) == ["ada"]


def test_a_missing_or_empty_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        find_students(tmp_path / "nowhere", NAME)
    with pytest.raises(UsageError, match="no submission of"):
        find_students(tmp_path, NAME)


def notebook_with(**changes: object) -> bytes:
    return json.dumps(json.loads(EMPTY) | changes).encode()


CELL = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON: line 1"),
        (b'{"cells": [\n\n,', "not JSON: line 3"),
        (b"print(1)", "not JSON"),
        (b"\xff\xfe{", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "not a notebook"),
        (b"9" * 10_000, "a number is too long"),
        (b'{"a": ' * 200 + b"1" + b"}" * 200, "not a notebook"),
        (notebook_with(nbformat=99), "not a notebook"),
        (notebook_with(nbformat="4"), "not a notebook"),
        (notebook_with(cells=None), "not a notebook"),
        (notebook_with(cells=[3]), "not a notebook"),
        (notebook_with(cells=[{**CELL, "source": 3}]), "not a notebook"),
        (notebook_with(cells=[{**CELL, "source": "", "cell_type": "evil"}]), "unknown cell type"),
        (notebook_with(cells=[{**CELL, "source": ""}] * 2001), "2001 cells"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(SubmissionError, match=reason):
        parse_notebook(content)


def test_a_notebook_of_format_3_is_upgraded() -> None:
    cell = {"cell_type": "code", "language": "python", "input": ["x = 1"], "outputs": []}
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [{"cells": [{**cell, "metadata": {}, "collapsed": False}]}],
    }
    assert [cell.source for cell in parse_notebook(json.dumps(old).encode()).cells] == ["x = 1"]


def test_of_the_students_metadata_only_the_id_is_kept() -> None:
    cell = new_code_cell("x", metadata={"nbgrader": {"grade_id": "q", "points": 99}, "tags": ["t"]})
    (plain,) = parse_notebook(nbformat.writes(new_notebook(cells=[cell])).encode()).cells
    assert plain.metadata == {"nbgrader": {"grade_id": "q"}}


def test_a_lone_surrogate_is_replaced_so_that_the_text_can_be_saved() -> None:
    content = notebook_with(cells=[{**CELL, "source": "x = '\ud800'"}])
    (cell,) = parse_notebook(content).cells
    assert cell.source.encode() == b"x = '?'"


def test_an_image_under_a_name_that_cannot_be_saved_is_kept_and_other_data_are_not() -> None:
    names = {"a\ud800\0.png": "aGk=", "b.png": "\ud800", "c.png": "a\0b", "d.png": "a<b"}
    attachments = {name: {"image/png": data} for name, data in names.items()}
    cell = {**CELL, "source": "", "cell_type": "markdown", "attachments": attachments}
    (plain,) = parse_notebook(notebook_with(cells=[cell])).cells
    assert plain.attachments == {"a??.png": {"image/png": "aGk="}}


def test_the_id_of_a_cell_is_kept_where_it_has_lost_its_metadata() -> None:
    cells = [
        {**CELL, "source": "", "id": "one"},
        {**CELL, "source": "", "metadata": {"id": "two"}},  # Colab's
        {**CELL, "source": "", "id": "no", "metadata": {"nbgrader": {"grade_id": "three"}}},
        {**CELL, "source": "", "metadata": []},
    ]
    plain = parse_notebook(notebook_with(cells=cells, nbformat_minor=5)).cells
    assert [cell.metadata for cell in plain] == [
        {"dlcourse": {"cell_id": "one"}},
        {"dlcourse": {"cell_id": "two"}},
        {"nbgrader": {"grade_id": "three"}},
        {"dlcourse": {"cell_id": CELL["id"]}},
    ]


def test_saved_outputs_cost_nobody_a_mark() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["x" * 1000] * 40_000}
    content = notebook_with(cells=[{**CELL, "source": "x = 1", "outputs": [output]}] * 2)
    assert 80_000_000 < len(content) < MAX_NOTEBOOK_BYTES
    assert [cell.source for cell in parsed_within_limits(content).cells] == ["x = 1"] * 2


def test_a_file_that_another_student_has_too_is_noted_and_a_backup_is_not(tmp_path: Path) -> None:
    path = hand_in(tmp_path / "submitted", "ada", EMPTY)
    (tmp_path / "backup").mkdir()
    os.link(path, tmp_path / "backup" / "copy.ipynb")
    assert read(tmp_path / "submitted") == (None, EMPTY.encode(), ())
    other = tmp_path / "submitted" / "bob" / NAME / f"{NAME}.ipynb"
    other.parent.mkdir(parents=True)
    os.link(path, other)
    for student, twin in [("ada", "bob"), ("bob", "ada")]:
        problem, _, notes = read(tmp_path / "submitted", student)
        assert (problem, notes) == (None, (f"the same file as that of {twin!r}",))


def test_other_notebooks_of_the_folder_are_kept_and_hidden_files_are_not(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    for n in range(10):
        path.with_name(f"copy ({n}).ipynb").write_text(str(n))
    path.with_name("a.ipynb").symlink_to("/etc/passwd")
    path.with_name(f"._{NAME}.ipynb").write_text("macOS")
    submission = read_submission("ada", path.parent, NAME)
    assert submission.content == EMPTY.encode() and submission.problem is None
    assert submission.others == {f"copy ({n}).ipynb": str(n).encode() for n in range(3)}


def test_a_secret_of_the_exchange_is_read_as_safely(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", EMPTY)
    secret = path.with_name("submission_secret.txt")
    for content, expected in [("ab12\n", "ab12"), ("é", None), ("x" * 2000, None), (" ", None)]:
        secret.write_text(content)
        assert read_submission("ada", path.parent, NAME).secret == expected
    secret.unlink()
    secret.symlink_to("/etc/hostname")
    assert read_submission("ada", path.parent, NAME).secret is None


def test_the_zone_of_this_machine_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert parse_timestamp("2026-03-01 12:00:00 CET") == datetime.datetime(2026, 3, 1, 11)
        assert parse_timestamp("2026-07-01 12:00:00 CEST") == datetime.datetime(2026, 7, 1, 10)
    finally:
        monkeypatch.undo()
        time.tzset()
