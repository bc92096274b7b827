"""Generated files among the work of people: what is theirs is never overwritten or deleted."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import products
import pytest
from hypothesis import given
from hypothesis import strategies as st
from products import EditedError, edited, present_files, read_manifest, write_products
from student_folder import fill

OLD = {"a.txt": b"old a", "sub/b.txt": b"old b"}
NEW = {"a.txt": b"new a", "sub/b.txt": b"old b"}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in present_files(folder).items()}


def test_products_are_written_replaced_and_deleted(tmp_path: Path) -> None:
    assert write_products(tmp_path, OLD).changed == ["a.txt", "sub/b.txt"]
    assert write_products(tmp_path, OLD) == products.Written([], [], [])
    assert write_products(tmp_path, NEW).changed == ["a.txt"]
    assert write_products(tmp_path, {"a.txt": b"new a"}).deleted == ["sub/b.txt"]
    assert contents(tmp_path) == {"a.txt": b"new a"}


def test_an_edited_product_whose_source_did_not_change_is_left_alone(tmp_path: Path) -> None:
    write_products(tmp_path, OLD)
    (tmp_path / "a.txt").write_bytes(b"my answer")
    assert write_products(tmp_path, OLD).kept == ["a.txt"]
    assert contents(tmp_path) == OLD | {"a.txt": b"my answer"}
    assert edited(tmp_path) == {"a.txt"}


def test_an_edited_product_that_would_change_stops_everything(tmp_path: Path) -> None:
    write_products(tmp_path, OLD)
    (tmp_path / "a.txt").write_bytes(b"my answer")
    with pytest.raises(EditedError, match=r"a\.txt"):
        write_products(tmp_path, {"a.txt": b"new a", "sub/b.txt": b"new b"})
    assert contents(tmp_path) == OLD | {"a.txt": b"my answer"}


def test_an_unknown_file_is_neither_deleted_nor_overwritten(tmp_path: Path) -> None:
    write_products(tmp_path, OLD)
    (tmp_path / "sub" / "notes.txt").write_bytes(b"mine")
    write_products(tmp_path, {})
    assert contents(tmp_path) == {"sub/notes.txt": b"mine"}
    with pytest.raises(EditedError, match=r"notes\.txt"):
        write_products(tmp_path, {"sub/notes.txt": b"the course's"})
    assert contents(tmp_path) == {"sub/notes.txt": b"mine"}


def test_an_edited_product_that_is_no_longer_made_stays(tmp_path: Path) -> None:
    write_products(tmp_path, OLD)
    (tmp_path / "a.txt").write_bytes(b"my answer")
    assert write_products(tmp_path, {}).deleted == ["sub/b.txt"]
    assert contents(tmp_path) == {"a.txt": b"my answer"}


def test_what_programs_leave_behind_is_no_difference(tmp_path: Path) -> None:
    write_products(tmp_path, OLD)
    (tmp_path / "sub" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "sub" / ".ipynb_checkpoints" / "b-checkpoint.txt").touch()
    assert contents(tmp_path) == OLD


texts = st.sampled_from([b"", b"1", b"2", b"3"])
folders = st.dictionaries(st.sampled_from(["a", "b", "d/c"]), texts)


@given(steps=st.lists(st.tuples(st.sampled_from(["make", "keep", "edit", "delete"]), folders)))
def test_no_edit_is_ever_lost(tmp_path_factory: pytest.TempPathFactory, steps) -> None:
    folder = tmp_path_factory.mktemp("work")
    mine: dict[str, bytes] = {}  # what a person wrote, unless it is just what the tool had written
    for kind, files in steps:
        if kind == "edit":
            for name, content in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            mine |= {name: files[name] for name in files if name in edited(folder)}
            mine |= {name: files[name] for name in files if name not in read_manifest(folder)}
            mine = {name: mine[name] for name in mine if (folder / name).read_bytes() == mine[name]}
        elif kind == "delete":
            for name in files:
                (folder / name).unlink(missing_ok=True)
                mine.pop(name, None)
        else:
            with contextlib.suppress(EditedError):
                write_products(folder, files, keep_edited=kind == "keep")
                mine = {name: mine[name] for name in mine if files.get(name) != mine[name]}
        assert {name: contents(folder).get(name) for name in mine} == mine


def test_a_full_disk_is_told_in_one_line_that_names_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "build/x.ipynb")

    with pytest.raises(SystemExit) as ended:
        products.run(full)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "build/x.ipynb: No space left on device\n"


def test_the_students_folder_is_filled_and_refreshed_around_the_students_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    course, work = tmp_path / "course", tmp_path / "work"
    write_products(course / "exercises", {"01/01.ipynb": b"release 1", "01/data.csv": b"1"})
    write_products(course / "book" / "notebooks", {"3-3.ipynb": b"chapter 1"})
    assert fill(work, course) == 0
    (work / "exercises" / "01" / "01.ipynb").write_bytes(b"my answers")
    (work / "exercises" / "01" / "notes.md").write_bytes(b"my notes")
    write_products(course / "exercises", {"01/01.ipynb": b"release 2", "01/data.csv": b"2"})
    write_products(course / "book" / "notebooks", {"3-3.ipynb": b"chapter 2"})
    capsys.readouterr()
    for _ in range(2):
        assert fill(work, course) == 0
        assert "01/01.ipynb: yours is kept" in capsys.readouterr().out
        assert contents(work) == {
            "exercises/01/01.ipynb": b"my answers",
            "exercises/01/notes.md": b"my notes",
            "exercises/01/data.csv": b"2",
            "notebooks/3-3.ipynb": b"chapter 2",
        }
