"""An assignment goes out, comes back, is graded, and the student reads what came of it."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from small_course import NAME, RIGHT, answered, assignment_of, hand_in, make_course

from dlcourse.grading.assignments.assignment import grade_id
from dlcourse.grading.sandbox.available import SandboxUnavailable
from dlcourse.grading.sandbox.confinement import require_sandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def sandbox_works() -> None:
    try:
        require_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


class Place:
    """A folder in which commands are run, by the instructor or by a student."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(settings)}
        folder.mkdir(exist_ok=True)

    def run(self, program: str, *arguments: str) -> str:
        """All that a command prints."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def places(tmp_path: Path) -> tuple[Place, Place]:
    """The instructor's course with a released assignment, and a student's folder."""
    exchange, settings = tmp_path / "exchange", tmp_path / "settings"
    exchange.mkdir()
    exchange.chmod(0o777)
    settings.mkdir()
    (settings / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str(exchange)!r}\n"
        f"c.Exchange.cache = {str(tmp_path / 'cache')!r}\n"
    )
    instructor = Place(make_course(tmp_path / "course"), settings)
    shutil.copy(ROOT / "nbgrader_config.py", instructor.folder)
    source = instructor.folder / "build" / "source" / NAME / f"{NAME}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(assignment_of(instructor.folder).source, source)
    instructor.run("nbgrader", "generate_assignment", NAME)
    instructor.run("nbgrader", "release_assignment", NAME)
    return instructor, Place(tmp_path / "student", settings)


ARCHIVES = {
    "moodle.zip": "Ada Lovelace_4711_assignsubmission_file_/{name}.ipynb",
    "canvas.zip": "hopperg_LATE_4711_8472_{name}-1.ipynb",
}


def test_archives_from_moodle_and_canvas_are_collected(tmp_path: Path) -> None:
    instructor = Place(make_course(tmp_path / "course"), tmp_path)
    course = instructor.folder
    shutil.copy(ROOT / "nbgrader_config.py", course)
    folder = course / "downloaded" / NAME / "archive"
    folder.mkdir(parents=True)
    solved = nbformat.writes(answered(assignment_of(course), RIGHT))
    for archive, name in ARCHIVES.items():
        with zipfile.ZipFile(folder / archive, "w") as file:
            file.writestr(name.format(name=NAME), solved)
    instructor.run("nbgrader", "zip_collect", NAME)
    graded = instructor.run("dlcourse", "grade", NAME, "--submissions", "submitted")
    assert "Ada Lovelace: 5/10" in graded and "hopperg: 5/10" in graded
    instructor.run("nbgrader", "export")
    assert "Ada Lovelace,,,,5.0,0.0,5.0,10.0" in (course / "grades.csv").read_text()


def test_the_round_from_release_to_the_feedback_in_a_students_hands(
    places: tuple[Place, Place],
) -> None:
    instructor, student = places
    student.run("nbgrader", "fetch_assignment", NAME, "--course", "dlcourse")
    work = student.folder / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(work, as_version=4)
    for cell in notebook.cells:
        cell.source = RIGHT.get(grade_id(cell) or "", cell.source)
    nbformat.write(notebook, work)
    student.run("nbgrader", "submit", NAME, "--course", "dlcourse")

    instructor.run("nbgrader", "collect", NAME)
    course = instructor.folder
    by_mail = answered(assignment_of(course), {"square-answer": RIGHT["square-answer"]})
    hand_in(course / "submitted", "by-mail", by_mail)
    graded = instructor.run("dlcourse", "grade", NAME, "--submissions", "submitted")
    me = getpass.getuser()
    assert f"{me}: 5/10" in graded and "by-mail: 3/10" in graded
    told = instructor.run("nbgrader", "release_feedback", NAME)
    assert "The feedback for 'by-mail' is not released: the submission has no" in told

    student.run("nbgrader", "fetch_feedback", NAME, "--course", "dlcourse")
    (page,) = (student.folder / NAME / "feedback").rglob("*.html")
    assert page.read_text() == (course / "feedback" / me / NAME / f"{NAME}.html").read_text()
    assert "Hidden checks: 2 of 2 passed" in page.read_text()

    # nbgrader's own page says the same, and what is released again replaces what was released.
    instructor.run("nbgrader", "generate_feedback", NAME, "--force")
    instructor.run("nbgrader", "release_feedback", NAME)
    student.run("nbgrader", "fetch_feedback", NAME, "--course", "dlcourse")
    (page,) = (student.folder / NAME / "feedback").rglob("*.html")
    assert "Hidden checks: 2 of 2 passed" in page.read_text()
