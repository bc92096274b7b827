"""Makes the exercises that students get from the assignments' sources.

    python tools/exercises.py           stage solutions/ in build/source/, release it to exercises/
    python tools/exercises.py --check   fail if exercises/ is not what the sources give

A file in exercises/ that somebody has edited is never overwritten. An assignment whose cells and
hidden checks do not fit together is not released.

nbgrader copies whatever lies in its source directory into the release. So the staged folder holds
the notebook and the assignment's data files (`solutions/NAME/files/`) only, never the checks or the
wrong solutions.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from notebook_metadata import METADATA
from products import present_files, run, shown, write_products
from traitlets.config import Config

from dlcourse.grading.assignments.assignment import load_assignment
from dlcourse.grading.assignments.cells import read_notebook
from dlcourse.grading.errors import AssignmentError

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"


def assignments(solutions: Path) -> list[Path]:
    """The folders of all assignments, sorted by name."""
    return sorted(path for path in solutions.iterdir() if (path / f"{path.name}.md").is_file())


def read_source(assignment: Path) -> NotebookNode:
    """An assignment's notebook with its reference solution; the same bytes whenever it is read."""
    notebook = read_notebook(assignment / f"{assignment.name}.md")
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if "nbgrader" not in cell.metadata:
            start = cell.source.strip().partition("\n")[0]
            raise ValueError(f"{assignment.name}: this cell needs an id: {start!r}")
        cell["id"] = cell.metadata.nbgrader.grade_id
        cell.metadata.nbgrader["cell_type"] = cell.cell_type
    nbformat.validate(notebook)
    return notebook


def staged_files(assignment: Path) -> dict[str, bytes]:
    """What nbgrader is given of an assignment: the notebook and the data files, nothing else."""
    name = assignment.name
    found = {f"{name}/{file}": path.read_bytes() for file, path in data_files(assignment).items()}
    notebook = nbformat.writes(read_source(assignment)) + "\n"
    return found | {f"{name}/{name}.ipynb": notebook.encode()}


def data_files(assignment: Path) -> dict[str, Path]:
    files = assignment / "files"
    return present_files(files) if files.is_dir() else {}


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
    name = f"{assignment.name}.ipynb"
    expected = {name, *data_files(assignment)}
    present = set(present_files(released))
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
    sources, products = present_files(expected), present_files(present)
    lines: list[str] = []
    for name in sorted(sources | products):
        old, new = products.get(name), sources.get(name)
        if new is None:
            lines.append(f"{old}: has no source")
        elif old is None:
            lines.append(f"{present / name}: is missing")
        elif old.read_bytes() != new.read_bytes():
            texts = [path.read_text("utf-8", errors="replace").splitlines() for path in (old, new)]
            lines += difflib.unified_diff(*texts, str(old), f"{name}, from its source", lineterm="")
    return lines


def generate(solutions: Path, source: Path, target: Path) -> list[str]:
    """Stage and release all assignments; returns what leaked, which must be nothing.

    Raises:
        AssignmentError: The cells and the checks of an assignment do not fit together.
        EditedError: Somebody edited a staged file, in formgrader for example.
    """
    folders = assignments(solutions)
    staged: dict[str, bytes] = {}
    for folder in folders:
        load_assignment(folder)
        staged |= staged_files(folder)
    write_products(source, staged)
    found = []
    for folder in folders:
        release(folder.name, source.parent, source, target)
        found += leaks(folder, target / folder.name)
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
        source = Path(temporary) / "source" if check else ROOT / "build" / "source"
        try:
            found = generate(ROOT / "solutions", source, target)
        except AssignmentError as error:
            print(f"Not released: {error}", file=sys.stderr)
            return 1
        if found:
            print(
                "Not released, because students would see what they must not:",
                *found,
                sep="\n  ",
                file=sys.stderr,
            )
            return 1
        if check:
            changed = differences(target, exercises)
            if changed:
                print(*changed, sep="\n")
                print("exercises/ is not what solutions/ gives. Run: make exercises")
            return 1 if changed else 0
        released = {name: path.read_bytes() for name, path in present_files(target).items()}
        written = write_products(exercises, released)
    names = ", ".join(path.name for path in assignments(ROOT / "solutions"))
    state = "written" if written.changed or written.deleted else "up to date"
    print(f"exercises/: {names} ({state})")
    for name in written.kept:
        print(f"  {shown(exercises / name)} was edited by hand and is left as it is")
    return 0


if __name__ == "__main__":
    run(main)
