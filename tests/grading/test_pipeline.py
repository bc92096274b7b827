"""`dlcourse grade` on a small class, in the real sandbox."""

import csv
import errno
import hashlib
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.plugins import CsvExportPlugin
from small_course import NAME, RIGHT, answered, assignment_of, code, hand_in, make_course
from sqlalchemy.exc import OperationalError

from dlcourse.__main__ import main
from dlcourse.grading import cli, pipeline
from dlcourse.grading.assignments.course import open_course
from dlcourse.grading.errors import GradingError
from dlcourse.grading.sandbox import processes
from dlcourse.grading.sandbox.available import SandboxUnavailable
from dlcourse.grading.sandbox.confinement import require_sandbox
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.runs import Runs

try:
    require_sandbox()
except SandboxUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

# What each student writes into the cells, and the marks that are due: square (3), cube (2).
STUDENTS = {
    "perfect": (RIGHT, (3, 2)),
    "empty": ({}, (0, 0)),
    "partly": (RIGHT | {"square-answer": "def square(x):\n    return float(x) ** 2"}, (2, 2)),
    "exits": ({**RIGHT, "square-answer": "import os\nos._exit(0)"}, (0, 0)),
    "always-equal": (
        {
            "square-answer": code(
                """
                class Yes(float):
                    __eq__ = __ne__ = __lt__ = lambda *args: True
                def square(x):
                    return Yes(4)
                """
            ),
            "cube-answer": "cube = square",
        },
        (0, 0),
    ),
    "forger": (
        {"square-answer": "print('3'); 3", "cube-answer": "raise SystemExit(0)"},
        (0, 0),
    ),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose class has been graded once. Tests that change anything work on a copy."""
    course = make_course(tmp_path_factory.mktemp("course"))
    assignment = assignment_of(course)
    submissions = course / "submitted"
    for student, (answers, _) in STUDENTS.items():
        hand_in(submissions, student, answered(assignment, answers))
    hand_in(submissions, "=broken()", "{")
    (submissions / "link").symlink_to(submissions / "perfect")
    (submissions / "perfect" / NAME / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    assert grade(course) == 0
    return course


@pytest.fixture
def course(graded: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "course"
    shutil.copytree(graded, copied, symlinks=True)
    return copied


def grade(course: Path, *options: str) -> int:
    arguments = ["grade", "squares", "--course", str(course)]
    return main([*arguments, "--submissions", str(course / "submitted"), *options])


def marks(course: Path) -> dict[str, dict[str, str]]:
    with (course / "marks" / f"{NAME}.csv").open(newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def page(course: Path, student: str) -> str:
    return (course / "feedback" / student / NAME / f"{NAME}.html").read_text()


def state(course: Path) -> dict[str, object]:
    """All that a grading run leaves behind, but for random ids in the gradebook."""
    files = {
        str(path.relative_to(course)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("autograded", "feedback", "marks")
        for path in sorted((course / folder).rglob("*"))
        if path.is_file()
    }
    with sqlite3.connect(course / "gradebook.db") as connection:
        grades = connection.execute(
            "select s.student_id, c.name, g.auto_score, g.manual_score, g.needs_manual_grade "
            "from grade g join base_cell c on c.id = g.cell_id "
            "join submitted_notebook n on n.id = g.notebook_id "
            "join submitted_assignment s on s.id = n.assignment_id order by 1, 2"
        ).fetchall()
        records = connection.execute("select * from dlcourse_record order by 2").fetchall()
    return {"files": files, "grades": grades, "records": records}


@pytest.mark.parametrize("student", STUDENTS)
def test_every_student_gets_the_marks_that_were_earned(graded: Path, student: str) -> None:
    row = marks(graded)[student]
    assert (float(row["square"]), float(row["cube"])) == STUDENTS[student][1]


def test_a_broken_submission_gets_0_and_its_reason(graded: Path) -> None:
    rows = marks(graded)
    assert (rows["link"]["score"], rows["link"]["status"]) == ("0", "not graded")
    assert "symbolic link" in rows["link"]["reason"]
    # The quote keeps a spreadsheet from running the student's name as a formula.
    assert rows["'=broken()"]["score"] == "0" and "not JSON" in rows["'=broken()"]["reason"]


def test_the_gradebook_is_nbgraders_own(graded: Path) -> None:
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}", "") as book:
        submission = book.find_submission(NAME, "perfect")
        assert (submission.score, submission.max_score) == (5, 10)
        assert str(submission.timestamp) == "2026-03-01 12:00:00"
        essay = book.find_grade("essay", NAME, NAME, "perfect")
        assert essay.auto_score is None and essay.needs_manual_grade
        empty = book.find_grade("essay", NAME, NAME, "empty")
        assert empty.auto_score == 0 and not empty.needs_manual_grade
        assert book.find_comment("essay", NAME, NAME, "empty").comment == "No response."


def test_feedback_names_what_failed_and_holds_no_check(graded: Path) -> None:
    text = page(graded, "partly")
    assert "An array is squared number by number." in text and "raised TypeError" in text
    everything = "".join(page(graded, student) for student in STUDENTS)
    assert "rng" not in everything and "ns[" not in everything


def test_the_autograded_notebooks_are_valid_and_hold_the_release_once(graded: Path) -> None:
    for path in (graded / "autograded").glob("*/*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert sum("assert square(2)" in cell.source for cell in notebook.cells) == 1


def test_a_second_run_grades_nothing_and_changes_nothing(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(course)
    monkeypatch.setattr(pipeline, "grade_submission", None)
    assert grade(course) == 0
    assert state(course) == before


def test_a_run_that_was_killed_says_so_and_goes_on_to_the_same_end(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = state(course)
    for folder in ("autograded", "feedback", "marks"):
        shutil.rmtree(course / folder)
    (course / "gradebook.db").unlink()
    write = pipeline.MarkBook.write
    written = []

    def killed(self: pipeline.MarkBook, student: str, *rest: object) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(student)
        write(self, student, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline.MarkBook, "write", killed)
    assert grade(course) == cli.INTERRUPTED
    assert capsys.readouterr().err == "stopped; the same command goes on from here\n"
    monkeypatch.undo()
    graded = []
    grade_submission = pipeline.grade_submission

    def counted(assignment: object, submission: pipeline.Submission, runs: object) -> object:
        graded.append(submission.student)
        return grade_submission(assignment, submission, runs)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "grade_submission", counted)
    assert grade(course) == 0
    assert not set(graded) & set(written)
    assert state(course) == finished


def test_ctrl_c_ends_what_students_code_is_at(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    assignment = assignment_of(course)
    hand_in(course / "submitted", "quick", "no notebook")
    loop = {"square-answer": "while True: pass"}
    hand_in(course / "submitted", "slow", answered(assignment, loop))
    for_hours = Limits(cell_seconds=9999, probe_seconds=9999, total_seconds=9999)
    late = threading.Event()

    def give_up() -> None:  # so that this test fails, rather than hangs
        late.set()
        processes._stopping.set()
        for running in tuple(processes._running):
            running.kill()

    def interrupt(student: str, marks: object) -> None:
        while not processes._running:  # until the other one's code is at work
            time.sleep(0.01)
        watchdog.start()
        raise KeyboardInterrupt

    watchdog = threading.Timer(60, give_up)
    with pytest.raises(KeyboardInterrupt):
        pipeline.grade_class(
            open_course(course),
            assignment,
            ["quick", "slow"],
            Runs(limits=for_hours),
            jobs=2,
            on_graded=interrupt,
        )
    watchdog.cancel()
    processes._stopping.clear()
    assert not late.is_set()
    assert not processes._running


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "marks.csv"), "marks.csv: No space left"),
        (OperationalError("insert", {}, Exception("disk is full")), "the gradebook: disk is full"),
        (InvalidEntry("disk is full"), "the gradebook: disk is full"),
    ],
)
def test_a_full_disk_is_told_without_a_traceback(
    error: Exception,
    told: str,
    course: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "atomic_write", full)
    assert grade(course) == cli.FAILED
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_new_submission_is_graded_and_the_others_are_not(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(course / "submitted", "empty", answered(assignment_of(course), RIGHT))
    graded = []
    grade_submission = pipeline.grade_submission

    def counted(assignment: object, submission: pipeline.Submission, runs: object) -> object:
        graded.append(submission.student)
        return grade_submission(assignment, submission, runs)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "grade_submission", counted)
    assert grade(course) == 0
    assert graded == ["empty"]
    assert marks(course)["empty"]["score"] == "5"


def test_a_student_of_the_roster_without_a_submission_has_0_as_in_nbgraders_export(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> object:
        raise OSError("no space left on device")

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        book.add_student("absent")
        book.add_student("unlucky")
    hand_in(course / "submitted", "unlucky", answered(assignment_of(course), RIGHT))
    monkeypatch.setattr(pipeline, "grade_submission", fails)
    assert grade(course) == cli.FAILED
    assert "unlucky" not in marks(course)  # handed in, and not graded yet
    row = marks(course)["absent"]
    assert (row["score"], row["square"], row["status"]) == ("0", "0", "not submitted")
    export = course / "export.csv"
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        CsvExportPlugin(to=str(export)).export(book)
    with export.open(newline="") as file:
        theirs = {row["student_id"]: row for row in csv.DictReader(file)}
    assert float(theirs["absent"]["score"]) == 0
    assert float(theirs["absent"]["max_score"]) == float(row["max_score"])


def test_marks_that_a_person_gave_survive_and_are_shown(course: Path) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        essay = book.find_grade("essay", NAME, NAME, "perfect")
        essay.manual_score, essay.extra_credit, essay.needs_manual_grade = 4, 0.5, False
        book.find_comment("essay", NAME, NAME, "perfect").manual_comment = "Well argued."
        book.db.commit()
    assert grade(course) == 0
    assert marks(course)["perfect"]["score"] == "9.5"
    assert "Well argued." in page(course, "perfect")
    hand_in(
        course / "submitted",
        "perfect",
        answered(assignment_of(course), RIGHT | {"cube-answer": "pass"}),
    )
    assert grade(course) == 0
    assert marks(course)["perfect"]["score"] == "7.5"
    assert marks(course)["perfect"]["status"] == "to mark by hand"


def test_the_work_is_found_in_another_notebook_or_under_the_ids_of_cells(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    assignment, submitted = assignment_of(course), course / "submitted"
    solved, other = answered(assignment, RIGHT), answered(assignment, {"cube-answer": "1"})
    copies = {
        "beside": [("", assignment.release), (" (1)", solved)],
        "broken": [("", "{"), (" (1)", solved)],
        "draft": [("", solved), (" (1)", other)],
        "untouched": [("", assignment.release), (" (1)", assignment.release)],
        "foreign": [("", nbformat.v4.new_notebook(cells=[new_code_cell("1")]))],
    }
    stripped = answered(assignment, RIGHT)
    for cell in stripped.cells:
        if "nbgrader" in cell.metadata:
            cell["id"] = cell.metadata.pop("nbgrader")["grade_id"]
    copies["stripped"] = [("", stripped)]
    for student, files in copies.items():
        for suffix, notebook in files:
            path = hand_in(submitted, student, notebook)
            if suffix:
                path.rename(path.with_name(f"{NAME}{suffix}.ipynb"))
        for suffix, notebook in files:
            if not suffix:
                hand_in(submitted, student, notebook)
    long = submitted / ("x" * 250)
    shutil.copytree(submitted / "draft", long)
    assert grade(course) == 0
    rows = marks(course)
    assert {student: row["score"] for student, row in rows.items()} == {
        "beside": "5",
        "broken": "5",
        "draft": "5",
        "untouched": "0",
        "foreign": "0",
        "stripped": "5",
        long.name: "5",
    }
    assert f"graded '{NAME} (1).ipynb'" in rows["beside"]["reason"]
    assert f"graded '{NAME} (1).ipynb'" in rows["broken"]["reason"]
    assert f"also found, not graded: '{NAME} (1).ipynb'" in rows["draft"]["reason"]
    assert "no answers" in rows["untouched"]["reason"]
    assert "none of its cells belongs to this assignment" in rows["foreign"]["reason"]
    assert "Hidden checks: 2 of 2 passed" in page(course, long.name)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("marks", "marks"),
        ("autograded", "autograded"),
        ("feedback", "no feedback"),
        ("gradebook.db", "cannot be read as a gradebook"),
    ],
)
def test_what_cannot_be_written_is_told_in_a_line(
    tmp_path: Path, broken: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    course = make_course(tmp_path)
    hand_in(course / "submitted", "ada", answered(assignment_of(course), RIGHT))
    (course / broken).write_text("in the way")
    assert grade(course) == cli.FAILED
    captured = capsys.readouterr()
    assert told in captured.out + captured.err
    assert "Traceback" not in captured.out + captured.err
    (course / broken).unlink()
    assert grade(course) == 0
    assert marks(course)["ada"]["score"] == "5"


def test_a_locked_gradebook_is_told_in_a_line(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(course / "gradebook.db", isolation_level=None) as connection:
        connection.execute("begin exclusive")
        assert grade(course) == cli.FAILED
        connection.execute("rollback")
    captured = capsys.readouterr()
    assert "locked" in captured.err and "Traceback" not in captured.out + captured.err
    assert grade(course) == 0


def test_a_regrade_that_changes_nothing_leaves_a_marked_answer_marked(course: Path) -> None:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        essay = book.find_grade("essay", NAME, NAME, "perfect")
        essay.manual_score, essay.needs_manual_grade = 4, False
        cube = book.find_grade("cube", NAME, NAME, "perfect")
        cube.manual_score, cube.needs_manual_grade = 1, False
        book.db.commit()
    assert grade(course, "--regrade") == 0
    row = marks(course)["perfect"]
    assert (row["score"], row["cube"], row["essay"], row["status"]) == ("8", "1", "4", "partial")


def test_deadlines_extensions_and_penalties_reach_those_who_were_graded_before(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def penalties() -> dict[str, tuple[str, str]]:
        assert grade(course) == 0
        told = capsys.readouterr().out
        assert told.count("not changed since it was graded") == len(STUDENTS) + 2
        return {s: (row["score"], row["late_penalty"]) for s, row in marks(course).items()}

    stamp = course / "submitted" / "partly" / NAME / "timestamp.txt"
    stamp.write_text("2026-03-03 12:00:00 UTC")
    assert grade(course) == 0
    (course / "nbgrader_config.py").write_text(
        "c = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n"
    )
    capsys.readouterr()
    before = penalties()
    assert before["partly"] == ("4", "0")

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        book.update_or_create_assignment(NAME, duedate="2026-03-02 12:00:00 UTC")
    assert penalties() == before | {"partly": ("0", "4")}
    assert "late: 4 points less" in marks(course)["partly"]["reason"]
    assert "(Score: 0.0 / 10.0)" in page(course, "partly")
    assert "(Score: 5.0 / 10.0)" in page(course, "perfect")

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        book.grant_extension(NAME, "partly", days=2)
    assert penalties() == before

    (course / "nbgrader_config.py").unlink()
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "") as book:
        book.grant_extension(NAME, "partly")
    assert penalties() == before


def test_a_failure_of_the_grader_is_told_and_costs_nobody_a_mark(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grade_submission = pipeline.grade_submission

    def failing(assignment: object, submission: pipeline.Submission, runs: object) -> object:
        if submission.student == "partly":
            raise OSError("no space left on device")
        return grade_submission(assignment, submission, runs)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "grade_submission", failing)
    assert grade(course, "--regrade") == cli.FAILED
    shown = " ".join(capsys.readouterr().out.split())
    assert "partly: the grader failed: OSError: no space left on device" in shown
    assert "the grader failed on partly" in shown
    assert marks(course)["partly"]["score"] == "4"


def test_a_student_cannot_break_the_feedback_of_the_class(course: Path) -> None:
    notebook = answered(assignment_of(course), RIGHT | {"essay": "![x](attachment:none.png)"})
    notebook.cells.append(new_code_cell("from IPython.display import HTML\nHTML('<p>' * 20000)"))
    hand_in(course / "submitted", "partly", notebook)
    assert grade(course) == 0
    assert "attachment:none.png" in page(course, "partly")


def test_where_a_course_fails_its_own_checks_the_instructor_is_told(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = course / "solutions" / NAME / "checks.py"
    random = "import os\n" + checks.read_text().replace(
        'return ns["square"](rng.normal(size=(2, 3)))', "return list(os.urandom(8))"
    )
    checks.write_text(random)
    assert grade(course) == cli.BAD_ASSIGNMENT
    assert "square/arrays: two runs with the same seed" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade", "cubes", "--submissions", "submitted"], "no assignment is called 'cubes'"),
        (["grade", "squares", "--submissions", "nowhere"], "is not a folder"),
        (["grade", "squares", "--submissions", ".", "--course", "nowhere"], "is no course"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(
    graded: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(graded)
    assert main(arguments) == cli.USAGE
    assert message in " ".join(capsys.readouterr().err.split())


def test_without_a_sandbox_nothing_is_graded(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise SandboxUnavailable("apt-get install bubblewrap")

    monkeypatch.setattr(pipeline, "require_sandbox", missing)
    before = state(course)
    assert grade(course, "--regrade") == cli.NO_SANDBOX
    assert "apt-get install bubblewrap" in capsys.readouterr().err
    assert state(course) == before


def test_two_runs_at_once_do_not_mix(course: Path) -> None:
    with pipeline._only_grader(course / "marks"):
        assert grade(course) == cli.BUSY
    with (
        pytest.raises(GradingError, match="another grading run"),
        pipeline._only_grader(course / "marks"),
        pipeline._only_grader(course / "marks"),
    ):
        pass


def test_an_error_of_several_lines_is_printed_in_lines_without_what_a_terminal_obeys() -> None:
    lines = cli.printable_lines("full disk\nrun \x1b[2J it again").split("\n")
    assert lines[0] == "full disk"
    assert "\x1b" not in lines[1]
    assert lines[1].startswith("run ")
