"""An assignment: its notebook with the reference solution, its questions and its hidden checks.

It lives in ``solutions/NN-name/``:

* ``NN-name.md``, a MyST Markdown notebook whose cells say what they are (see `cells`),
* ``checks.py`` with the hidden checks (only for questions that are marked automatically),
* ``files/``, optional: what stands beside the notebook when a student opens it,
* ``wrong/``, optional: wrong solutions, whose misconceptions students are told (see `answers`).
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator, ValidationError
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from nbgrader.utils import is_grade, is_solution, is_task

from dlcourse.grading.assignments import settings
from dlcourse.grading.assignments.answers import Answers, read_answers
from dlcourse.grading.assignments.cells import read_notebook
from dlcourse.grading.errors import AssignmentError, UsageError

Probe = Callable[..., object]


@dataclass(frozen=True)
class Check:
    """One hidden check: a probe that runs after a test cell, and what it is worth.

    ``message`` is the sentence that a student reads when the check fails.
    """

    grade_id: str
    function: str
    points: float
    message: str

    @property
    def name(self) -> str:
        return f"{self.grade_id}/{self.function}"


@dataclass(frozen=True)
class Question:
    """A cell that earns marks. One without checks is marked by a person, as in nbgrader.

    ``imports`` are the packages that may be imported while its checks run.
    """

    grade_id: str
    points: float
    checks: tuple[Check, ...]
    imports: tuple[str, ...]

    @property
    def automatic(self) -> bool:
        return bool(self.checks)


@dataclass(frozen=True)
class Assignment:
    """All that the grader knows of an assignment. ``digest`` changes whenever any of it does.

    ``source`` holds the reference solution; ``release`` is what students get. ``student_files`` are
    the names of files that they may hand in beside the notebook.
    """

    name: str
    source: NotebookNode
    release: NotebookNode
    questions: tuple[Question, ...]
    checks_source: str
    rtol: float
    atol: float
    student_files: tuple[str, ...]
    limits: Mapping[str, Any]
    wrong: tuple[Answers, ...]
    files: Path | None
    digest: str

    @property
    def checks(self) -> tuple[Check, ...]:
        return tuple(check for question in self.questions for check in question.checks)

    @property
    def imports(self) -> tuple[str, ...]:
        """What may be imported in some question; in the run for feedback all of it is there."""
        return tuple(sorted({name for question in self.questions for name in question.imports}))

    @property
    def file_paths(self) -> tuple[Path, ...]:
        return tuple(_files_of(self.files)) if self.files else ()

    @property
    def max_score(self) -> float:
        return sum(question.points for question in self.questions)


def grade_id(cell: NotebookNode) -> str | None:
    """The cell's nbgrader id, or None for a cell that nbgrader does not know."""
    metadata = cell.metadata.get("nbgrader")
    if not isinstance(metadata, Mapping):
        return None
    name = metadata.get("grade_id")
    return name if isinstance(name, str) and name else None


def find_assignment(name: str, solutions: Path) -> Path:
    """The folder of an assignment, by its full name or by a suffix that only it has."""
    folders = sorted(p for p in solutions.glob("*") if (p / f"{p.name}.md").is_file())
    exact = [folder for folder in folders if folder.name == name]
    found = exact or [folder for folder in folders if folder.name.endswith(f"-{name}")]
    if len(found) == 1:
        return found[0]
    known = ", ".join(folder.name for folder in folders) or "none"
    problem = f"{len(found)} assignments end in" if found else "no assignment is called"
    raise UsageError(f"{problem} {name!r}; the assignments in {solutions} are: {known}")


def load_assignment(folder: Path) -> Assignment:
    """Read and verify an assignment.

    Raises AssignmentError where its cells and its checks do not fit together.
    """
    name = folder.name
    notebook_path, checks_path = folder / f"{name}.md", folder / "checks.py"
    files = folder / "files"
    source = read_notebook(notebook_path)
    _verify_cells(source, notebook_path)
    checks_source = checks_path.read_text(encoding="utf-8") if checks_path.is_file() else ""
    module = _run_checks_module(checks_source, checks_path)
    checks = _read_checks(module, checks_path)
    imports = settings.imports(module, checks_path)
    given = [path.relative_to(files).parts[0] for path in _files_of(files)]
    return Assignment(
        name=name,
        source=source,
        release=release_notebook(source),
        questions=_questions(source, checks, imports, notebook_path),
        checks_source=checks_source,
        rtol=settings.tolerance(module, "RTOL", checks_path),
        atol=settings.tolerance(module, "ATOL", checks_path),
        student_files=settings.student_files(module, [*given, f"{name}.ipynb"], checks_path),
        limits=settings.limits(module, checks_path),
        wrong=_read_wrong(folder / "wrong", source, checks),
        files=files if files.is_dir() and any(files.iterdir()) else None,
        digest=_digest(notebook_path, checks_path, files, folder / "wrong"),
    )


def release_notebook(source: NotebookNode) -> NotebookNode:
    """The notebook as students get it, made by nbgrader's own preprocessors."""
    notebook = copy.deepcopy(source)
    resources: dict[str, Any] = {"nbgrader": {}}
    for preprocessor in (
        LockCells,
        ClearSolutions,
        ClearOutput,
        ClearHiddenTests,
        ClearMarkScheme,
        ComputeChecksums,
    ):
        step = preprocessor()
        step.log = logging.getLogger(__name__)
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


def _verify_cells(notebook: NotebookNode, path: Path) -> None:
    MetadataValidator().upgrade_notebook_metadata(notebook)
    try:
        MetadataValidator().validate_nb(notebook)
    except (ValidationError, ValueError) as error:
        raise AssignmentError(f"{path}: {error}") from error
    ids = Counter(filter(None, map(grade_id, notebook.cells)))
    if repeated := sorted(name for name, count in ids.items() if count > 1):
        raise AssignmentError(f"{path}: a grade_id must be unique; repeated: {', '.join(repeated)}")
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code" and grade_id(cell) is None:
            raise AssignmentError(
                f"{path}: code cell {number} has no grade_id, so the grader could not tell it "
                "from a student's own cell; give it an id"
            )


def _run_checks_module(source: str, path: Path) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": "checks", "__file__": str(path)}
    try:
        exec(compile(source, str(path), "exec"), module)  # noqa: S102 - the instructor's own file
    except Exception as error:
        raise AssignmentError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _read_checks(module: Mapping[str, Any], path: Path) -> tuple[Check, ...]:
    checks = []
    for row in module.get("CHECKS", ()):
        try:
            cell, probe, points, message = row
            check = Check(str(cell), probe.__name__, float(points), str(message))
        except (TypeError, ValueError, AttributeError) as error:
            raise AssignmentError(
                f"{path}: a row of CHECKS is (grade_id, probe, points, message); found {row!r}"
            ) from error
        if module.get(check.function) is not probe:
            raise AssignmentError(
                f"{path}: the probe of {check.name} must be a function at the top of the file"
            )
        if not check.points > 0:
            raise AssignmentError(f"{path}: {check.name} must be worth more than 0 points")
        checks.append(check)
    names = Counter(check.name for check in checks)
    if repeated := sorted(name for name, count in names.items() if count > 1):
        raise AssignmentError(f"{path}: each check needs a name of its own: {', '.join(repeated)}")
    return tuple(checks)


def _questions(
    notebook: NotebookNode, checks: tuple[Check, ...], imports: tuple[str, ...], path: Path
) -> tuple[Question, ...]:
    questions = []
    unplaced = {check.grade_id for check in checks}
    for cell in notebook.cells:
        if not (is_grade(cell) or is_task(cell)):
            continue
        name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        own = tuple(check for check in checks if check.grade_id == name)
        unplaced.discard(name)
        if is_task(cell) or is_solution(cell):
            if own:
                raise AssignmentError(
                    f"{path}: {name} is marked by hand, so it cannot have checks; "
                    "move them to a test cell (grade: true, solution: false)"
                )
        elif abs(sum(check.points for check in own) - points) > 1e-9:
            raise AssignmentError(
                f"{path}: {name} is worth {points:g} points, but its checks in checks.py "
                f"add up to {sum(check.points for check in own):g}"
            )
        further = cell.metadata.get("dlcourse", {}).get("imports", ())
        allowed = settings.with_always({*imports, *further}, f"{path}: {name}: imports")
        questions.append(Question(name, points, own, allowed))
    if unplaced:
        names = ", ".join(sorted(unplaced))
        raise AssignmentError(f"{path}: no test cell for the checks of {names}")
    if not questions:
        raise AssignmentError(f"{path}: no cell earns points (grade: true)")
    return tuple(questions)


def _read_wrong(
    folder: Path, source: NotebookNode, checks: tuple[Check, ...]
) -> tuple[Answers, ...]:
    known = {check.name for check in checks}
    cells = {grade_id(cell) for cell in source.cells if is_solution(cell)}
    found = []
    for path in sorted(folder.glob("*.py")):
        try:
            answers = read_answers(path)
        except (ValueError, SyntaxError) as error:
            raise AssignmentError(f"{path}: {error}") from error
        if unknown := sorted({*(answers.loses - known), *(answers.parts.keys() - cells)}):
            raise AssignmentError(
                f"{path}: there is no check or answer cell {', '.join(unknown)} in the assignment"
            )
        found.append(answers)
    return tuple(found)


def _digest(notebook: Path, checks: Path, *folders: Path) -> str:
    digest = hashlib.sha256()
    for path in _existing(notebook, checks, *folders):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(notebook.parent)}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def _existing(notebook: Path, checks: Path, *folders: Path) -> Iterator[Path]:
    yield notebook
    if checks.is_file():
        yield checks
    for folder in folders:
        yield from _files_of(folder)


def _files_of(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts)
