"""The released exercises are what the sources give, and hold nothing that students must not see."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from exercise_grader import ROOT
from nbconvert.exporters import PythonExporter
from products import EditedError

import exercises

SOLUTIONS = ROOT / "solutions"
OUTPUT = nbformat.v4.new_output("stream", text="passed")
FOLDERS = exercises.assignments(SOLUTIONS)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """The exercises, generated again."""
    folder = tmp_path_factory.mktemp("course")
    assert exercises.generate(SOLUTIONS, folder / "source", folder / "exercises") == []
    return folder / "exercises"


def test_the_committed_exercises_are_what_the_sources_give(capsys):
    assert exercises.main(["--check"]) == 0, capsys.readouterr().out


def test_generating_twice_gives_the_same_bytes(released, tmp_path):
    exercises.generate(SOLUTIONS, tmp_path / "source", tmp_path / "exercises")
    assert exercises.differences(released, tmp_path / "exercises") == []


def test_only_the_notebook_and_the_data_files_are_staged():
    for folder in FOLDERS:
        files = [path for path in (folder / "files").rglob("*") if path.is_file()]
        data = {f"{folder.name}/{path.relative_to(folder / 'files')}" for path in files}
        assert exercises.staged_files(folder).keys() == data | {f"{folder.name}/{folder.name}.ipynb"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "checks.py").unlink(), "checks in checks.py add up to 0"),
        (
            lambda folder: (folder / "checks.py").write_text("CHECKS = []\n"),
            "checks in checks.py add up to 0",
        ),
        (
            lambda folder: (folder / f"{folder.name}.md").write_text(
                (folder / f"{folder.name}.md").read_text().replace("points: 4", "points: 5")
            ),
            "is worth 5 points",
        ),
    ],
    ids=["missing", "empty", "points"],
)
def test_an_assignment_whose_checks_do_not_fit_is_not_released(
    change, said, tmp_path, monkeypatch, capsys
):
    shutil.copytree(SOLUTIONS, tmp_path / "solutions")
    change(tmp_path / "solutions" / "01-autodiff")
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    assert exercises.main([]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "exercises").exists()


def test_a_students_answers_in_exercises_are_never_overwritten(tmp_path, monkeypatch, capsys):
    shutil.copytree(SOLUTIONS, tmp_path / "solutions")
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    assert exercises.main([]) == 0
    notebook = tmp_path / "exercises" / "01-autodiff" / "01-autodiff.ipynb"
    notebook.write_text("my answers")
    (notebook.parent / "notes.txt").write_text("my notes")
    assert exercises.main([]) == 0
    assert "was edited by hand and is left as it is" in capsys.readouterr().out
    source = tmp_path / "solutions" / "01-autodiff" / "01-autodiff.md"
    source.write_text(source.read_text().replace("20 points", "twenty points"))
    with pytest.raises(EditedError, match=r"01-autodiff\.ipynb"):
        exercises.main([])
    assert notebook.read_text() == "my answers"
    assert (notebook.parent / "notes.txt").read_text() == "my notes"
    assert exercises.main(["--check"]) == 1
    assert "Run: make exercises" in capsys.readouterr().out


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
    (path.parent / ".ipynb_checkpoints").mkdir()
    (path.parent / ".ipynb_checkpoints" / "01-autodiff-checkpoint.ipynb").touch()
    (path.parent / "graph.svg").unlink()
    text = "\n".join(exercises.differences(released, tmp_path / "exercises"))
    assert "21 points" in text
    assert "extra.txt: has no source" in text
    assert "graph.svg: is missing" in text
    assert "checkpoint" not in text


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_student_can_edit_the_answer_cells_only(folder):
    notebook = nbformat.read(ROOT / "exercises" / folder.name / f"{folder.name}.ipynb", 4)
    for cell in notebook.cells:
        metadata = cell.metadata.nbgrader
        assert metadata.locked != metadata.solution, metadata.grade_id
        assert (cell.metadata.get("editable", True) is False) == metadata.locked, metadata.grade_id


@pytest.mark.parametrize("path", sorted(ROOT.glob("exercises/*/*.ipynb")), ids=lambda p: p.stem)
def test_a_released_notebook_is_exported_to_a_python_file(path):
    _, resources = PythonExporter().from_notebook_node(nbformat.read(path, as_version=4))
    assert resources["output_extension"] == ".py"
    assert nbformat.read(path, as_version=4).metadata.language_info.file_extension == ".py"
