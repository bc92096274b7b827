"""Makes the exercises that students get from the assignments' sources.

    python tools/exercises.py           stage solutions/ in build/source/, release it to exercises/
    python tools/exercises.py --check   fail if exercises/ is not what the sources give

nbgrader copies whatever lies in its source directory into the release. So the staged folder holds
the notebook and the assignment's data files (`solutions/NAME/files/`) only, never the checks or the
wrong solutions.
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def assignments(solutions: Path) -> list[Path]:
    """The folders of all assignments, sorted by name."""
    return sorted(path for path in solutions.iterdir() if (path / f"{path.name}.md").is_file())


def read_source(assignment: Path) -> NotebookNode:
    """An assignment's notebook with its reference solution; the same bytes whenever it is read."""
    notebook = jupytext.read(assignment / f"{assignment.name}.md")
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if "nbgrader" not in cell.metadata:
            start = cell.source.strip().partition("\n")[0]
            raise ValueError(f"{assignment.name}: this cell needs nbgrader metadata: {start!r}")
        cell["id"] = cell.metadata.nbgrader.grade_id
        cell.metadata.nbgrader["cell_type"] = cell.cell_type
    nbformat.validate(notebook)
    return notebook


def stage(assignment: Path, source: Path) -> None:
    """Put the notebook and the data files of an assignment into `source`, and nothing else."""
    folder = source / assignment.name
    shutil.rmtree(folder, ignore_errors=True)
    files = assignment / "files"
    if files.is_dir():
        shutil.copytree(files, folder)
    else:
        folder.mkdir(parents=True)
    nbformat.write(read_source(assignment), folder / f"{assignment.name}.ipynb")


def release(name: str, course: Path, source: Path, target: Path) -> None:
    """Run nbgrader's generate_assignment from `source` to `target`, without a gradebook."""
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.source_directory = str(source)
    config.CourseDirectory.release_directory = str(target)
    config.CourseDirectory.assignment_id = name
    config.GenerateAssignment.no_database = True
    config.GenerateAssignment.force = True
    config.SaveCells.enabled = False
    GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()
    for path in (target / name).rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata = nbformat.from_dict(METADATA)  # without celltoolbar and the like
        nbformat.write(notebook, path)


def solution_lines(notebook: NotebookNode) -> dict[str, set[str]]:
    """The lines of the reference solution, by the grade_id of their cell."""
    found: dict[str, set[str]] = {}
    for cell in notebook.cells:
        inside = False
        for line in cell.source.splitlines():
            if END in line:
                inside = False
            if inside and line.strip():
                found.setdefault(cell.metadata.nbgrader.grade_id, set()).add(line.strip())
            inside = inside or BEGIN in line
    return found


def leaks(assignment: Path, released: Path) -> list[str]:
    """What a release holds that students must not see, a line of text each."""
    files = assignment / "files"
    name = f"{assignment.name}.ipynb"
    expected = {name, *(str(p.relative_to(files)) for p in files.rglob("*") if p.is_file())}
    present = {str(p.relative_to(released)) for p in released.rglob("*") if not p.is_dir()}
    found = [f"{path}: is not a data file of the assignment" for path in sorted(present - expected)]
    if name not in present:
        return [*found, f"{name}: is missing"]

    secret = solution_lines(read_source(assignment))
    for cell in nbformat.read(released / name, as_version=4).cells:
        grade_id = cell.metadata.nbgrader.grade_id
        if cell.get("outputs"):
            found.append(f"{name}, cell {grade_id}: has outputs")
        for line in cell.source.splitlines():
            if BEGIN in line or END in line:
                found.append(f"{name}, cell {grade_id}: has a solution marker")
            elif line.strip() in secret.get(grade_id, ()):
                found.append(f"{name}, cell {grade_id}: has the solution's line {line.strip()!r}")
    return found


def differences(expected: Path, present: Path) -> list[str]:
    """How two folders differ, as the lines of a unified diff; none if they are the same."""
    names = {
        str(p.relative_to(top))
        for top in (expected, present)
        for p in top.rglob("*")
        if not p.is_dir()
    }
    lines: list[str] = []
    for name in sorted(names):
        old, new = present / name, expected / name
        if not new.is_file():
            lines.append(f"{old}: has no source")
        elif not old.is_file():
            lines.append(f"{old}: is missing")
        elif old.read_bytes() != new.read_bytes():
            texts = [path.read_text("utf-8", errors="replace").splitlines() for path in (old, new)]
            lines += difflib.unified_diff(*texts, str(old), f"{name}, from its source", lineterm="")
    return lines


def generate(solutions: Path, source: Path, target: Path) -> list[str]:
    """Stage and release all assignments; returns what leaked, which must be nothing."""
    found = []
    for assignment in assignments(solutions):
        stage(assignment, source)
        release(assignment.name, source.parent, source, target)
        found += leaks(assignment, target / assignment.name)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="only say whether exercises/ is up to date"
    )
    check = parser.parse_args(arguments).check
    exercises = ROOT / "exercises"

    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / "exercises"
        target.mkdir()
        found = generate(
            ROOT / "solutions",
            Path(temporary) / "source" if check else ROOT / "build" / "source",
            target,
        )
        if found:
            print(
                "Not released, because students would see what they must not:", *found, sep="\n  "
            )
            return 1
        changed = differences(target, exercises)
        if check and changed:
            print(*changed, sep="\n")
            print("exercises/ is not what solutions/ gives. Run: python tools/exercises.py")
            return 1
        if changed:
            shutil.rmtree(exercises, ignore_errors=True)
            shutil.copytree(target, exercises)
    names = ", ".join(path.name for path in assignments(ROOT / "solutions"))
    print(f"exercises/: {names} {'(written)' if changed else '(up to date)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
