"""The released exercises are what the sources give, and hold nothing that students must not see."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

import exercises

SOLUTIONS = ROOT / "solutions"
OUTPUT = nbformat.v4.new_output("stream", text="passed")
FOLDERS = exercises.assignments(SOLUTIONS)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The exercises, generated anew."""
    folder = tmp_path_factory.mktemp("course")
    assert exercises.generate(SOLUTIONS, folder / "source", folder / "exercises") == []
    return folder / "exercises"


def test_the_committed_exercises_are_what_the_sources_give(released):
    assert exercises.differences(released, ROOT / "exercises") == []


def test_generating_twice_gives_the_same_bytes(released, tmp_path):
    exercises.generate(SOLUTIONS, tmp_path / "source", tmp_path / "exercises")
    assert exercises.differences(released, tmp_path / "exercises") == []


def test_only_the_notebook_and_the_data_files_are_staged(tmp_path):
    for folder in FOLDERS:
        exercises.stage(folder, tmp_path)
        staged = {
            p.relative_to(tmp_path / folder.name) for p in (tmp_path / folder.name).rglob("*")
        }
        data = {p.relative_to(folder / "files") for p in (folder / "files").rglob("*")}
        assert staged == data | {Path(f"{folder.name}.ipynb")}


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda folder, nb: (folder / "checks.py").write_text("CHECKS = []"), "not a data file"),
        (lambda folder, nb: (folder / "gradebook.db").touch(), "not a data file"),
        (lambda folder, nb: nb.cells[5].update(source="### BEGIN SOLUTION"), "a solution marker"),
        (lambda folder, nb: answer(nb).update(source="    return g, -g"), "the solution's line"),
        (lambda folder, nb: answer(nb).update(outputs=[OUTPUT]), "outputs"),
    ],
    ids=["checks", "gradebook", "marker", "solution", "outputs"],
)  # fmt: skip
def test_a_leak_is_found(spoil, found, released, tmp_path):
    folder = tmp_path / "01-autodiff"
    shutil.copytree(released / folder.name, folder)
    notebook = nbformat.read(folder / "01-autodiff.ipynb", as_version=4)
    spoil(folder, notebook)
    nbformat.write(notebook, folder / "01-autodiff.ipynb")
    (leak,) = exercises.leaks(SOLUTIONS / folder.name, folder)
    assert found in leak


def answer(notebook):
    return next(
        cell
        for cell in notebook.cells
        if cell.metadata.nbgrader.grade_id == "local-derivatives-answer"
    )


def test_drift_is_shown_as_a_readable_difference(released, tmp_path):
    shutil.copytree(released, tmp_path / "exercises")
    path = tmp_path / "exercises" / "01-autodiff" / "01-autodiff.ipynb"
    path.write_text(path.read_text().replace("20 points", "21 points"))
    (path.parent / "extra.txt").touch()
    (path.parent / "graph.svg").unlink()
    text = "\n".join(exercises.differences(released, tmp_path / "exercises"))
    assert "21 points" in text
    assert "extra.txt: has no source" in text
    assert "graph.svg: is missing" in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_student_can_edit_the_answer_cells_only(folder):
    notebook = nbformat.read(ROOT / "exercises" / folder.name / f"{folder.name}.ipynb", 4)
    for cell in notebook.cells:
        metadata = cell.metadata.nbgrader
        assert metadata.locked != metadata.solution, metadata.grade_id
        assert (cell.metadata.get("editable", True) is False) == metadata.locked, metadata.grade_id
