"""Grades a class: reads each submission, runs it in the sandbox, marks it, writes what came out.

    submission -> rebuilt notebook -> display run -> report -> autograded notebook, feedback page
                                   -> probe run   -> marks  -> gradebook, CSV

Submissions are graded side by side by a pool of threads, each of which waits for its own sandbox.
One thread, the caller's, writes. Every file is written whole or not at all, and the gradebook's
record of a submission comes last, so a run may be killed and started again at any time.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment, find_assignment, load_assignment
from dlcourse.grading.assignments.course import Course
from dlcourse.grading.assignments.rebuild import has_answers, has_known_cells, rebuild, with_names
from dlcourse.grading.assignments.submission import (
    SECRET,
    Submission,
    SubmissionError,
    find_students,
    parsed_within_limits,
    read_submission,
)
from dlcourse.grading.errors import GraderBusy, GradingError
from dlcourse.grading.feedback.report import refusal, report, stopped_cells
from dlcourse.grading.feedback.within_limits import feedback
from dlcourse.grading.marking.marks import Marks, mark, no_marks
from dlcourse.grading.marking.misconceptions import with_misconceptions
from dlcourse.grading.marking.reference import reference_of
from dlcourse.grading.records.files import atomic_write
from dlcourse.grading.records.gradebook import MarkBook, Row, fingerprint_of
from dlcourse.grading.records.summary import csv_text
from dlcourse.grading.sandbox.confinement import require_sandbox
from dlcourse.grading.sandbox.processes import all_ended
from dlcourse.grading.sandbox.runs import NO_FILES, Runs

# What nbgrader's exchange needs beside the notebook and the page, to give the page back.
EXCHANGED = ("timestamp.txt", SECRET)


@dataclass(frozen=True)
class Graded:
    """A submission and its marks. ``notebook`` is the rebuilt one, None if there was none to run;
    ``reported`` is what the student gets back."""

    submission: Submission
    marks: Marks
    notebook: NotebookNode | None
    reported: NotebookNode


@dataclass(frozen=True)
class ClassResult:
    """The class as the gradebook has now; ``failures``: whom the grader itself failed, and how."""

    rows: Sequence[Row]
    failures: dict[str, str]
    marks_file: Path


def prepared(
    course: Course, name: str, *, unsafe_no_sandbox: bool
) -> tuple[Assignment, list[str], Runs]:
    """What it takes to grade an assignment: the assignment, its students, and a sandbox that works.

    Raises:
        UsageError: There is no such assignment, or nobody has handed anything in.
        AssignmentError: The assignment is at fault.
        SandboxUnavailable: There is nothing to run student code in.
    """
    assignment = load_assignment(find_assignment(name, course.solutions))
    students = find_students(course.submitted, assignment.name)
    if not unsafe_no_sandbox:
        require_sandbox()
    return assignment, students, Runs(hidden=course.private, unsafe_no_sandbox=unsafe_no_sandbox)


def grade_class(
    course: Course,
    assignment: Assignment,
    students: Sequence[str],
    runs: Runs,
    *,
    jobs: int,
    regrade: bool = False,
    on_graded: Callable[[str, Marks | str], None] = lambda *_: None,
) -> ClassResult:
    """Grade the submissions of these students and write everything that comes of it.

    What was graded before, from the same bytes by the same grader, is not graded again unless
    ``regrade`` is set. ``on_graded`` is called with each student as it is done; in place of marks,
    with the reason why there are no new ones.
    """
    course.marks.mkdir(parents=True, exist_ok=True)
    failures: dict[str, str] = {}
    with _only_grader(course.marks), _open_book(course, assignment) as book:
        recorded = {} if regrade else book.fingerprints()

        def grade(student: str) -> tuple[Graded, str] | None:
            folder = course.submitted / student / assignment.name
            submission = read_submission(student, folder, assignment.name, assignment.student_files)
            fingerprint = _fingerprint(assignment, submission, runs)
            unchanged = recorded.get(student) == fingerprint
            if unchanged and _autograded(course, assignment, student).is_file():
                return None
            return grade_submission(assignment, submission, runs), fingerprint

        pool = ThreadPoolExecutor(max_workers=jobs)
        try:
            futures = {pool.submit(grade, student): student for student in students}
            for future in as_completed(futures):
                student = futures.pop(future)
                try:
                    done = future.result()
                    if done is not None:
                        _write(course, assignment, book, *done)
                except GradingError:
                    raise
                except Exception as error:  # our own failure: the class goes on, and it is told
                    failures[student] = f"{type(error).__name__}: {error}"
                    on_graded(student, f"the grader failed: {failures[student]}")
                else:
                    on_graded(student, done[0].marks if done else "not changed since it was graded")
        except BaseException:  # Ctrl-C too: nobody waits for what students' code is at
            with all_ended():
                pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()
        book.assign_late_penalties()
        rows = book.rows(
            lambda student: os.path.lexists(course.submitted / student / assignment.name)
        )
        marks_file = course.marks / f"{assignment.name}.csv"
        atomic_write(marks_file, csv_text(assignment, rows))
        with ThreadPoolExecutor(max_workers=jobs) as pool:  # each thread waits for a process
            pages = [pool.submit(_write_feedback, course, assignment, row) for row in rows]
        for row, page in zip(rows, pages, strict=True):
            if (problem := page.exception()) is not None:
                failures[row.student] = f"no feedback: {type(problem).__name__}: {problem}"
    return ClassResult(rows, failures, marks_file)


def grade_submission(assignment: Assignment, submission: Submission, runs: Runs) -> Graded:
    """Grade one submission. Writes nothing; whatever is wrong with it is in the marks."""
    try:
        if submission.problem is not None:
            raise SubmissionError(submission.problem)
        submission, student_notebook = _with_the_work(assignment, submission)
    except SubmissionError as error:
        problem = str(error)
        return Graded(submission, no_marks(assignment, problem), None, refusal(assignment, problem))
    notebook = rebuild(assignment.release, student_notebook)
    marks = marks_of(assignment, notebook, runs, submission.files)
    limits = reference_of(assignment, runs).limits
    displayed = runs.display(assignment, notebook, limits, submission.files)
    if stops := stopped_cells(displayed):
        marks = replace(marks, reason="; ".join(filter(None, [*stops, marks.reason])))
    return Graded(submission, marks, notebook, report(assignment, displayed, marks))


def marks_of(
    assignment: Assignment,
    notebook: NotebookNode,
    runs: Runs,
    own_files: Mapping[str, bytes] = NO_FILES,
) -> Marks:
    """Run the probes on a rebuilt notebook, beside a student's own files; mark what they return."""
    reference = reference_of(assignment, runs)
    run = runs.probe(assignment, notebook, reference.calls, reference.limits, own_files)
    marks = mark(assignment, notebook, reference.answers, run)
    return with_misconceptions(marks, assignment, reference, run.answers, runs)


def _with_the_work(
    assignment: Assignment, submission: Submission
) -> tuple[Submission, NotebookNode]:
    """The notebook that holds the student's work; notes say which of several it is.

    It is the first of the submission that can be read and is not as it was released.
    """
    release, own = assignment.release, f"{assignment.name}.ipynb"
    found: dict[str, NotebookNode] = {}
    problems: list[SubmissionError] = []
    for name, content in {own: submission.content, **submission.others}.items():
        try:
            notebook = with_names(release, parsed_within_limits(content))
            if not has_known_cells(release, notebook):
                raise SubmissionError("none of its cells belongs to this assignment")
            found[name] = notebook
        except SubmissionError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    chosen = next((name for name in found if has_answers(release, found[name])), None)
    chosen = chosen or next(iter(found))
    notes = submission.notes
    if chosen != own:
        notes += (f"graded {chosen!r}: {own!r} has no answers",)
    if left := sorted({*submission.others, own} - {own, chosen}):
        notes += (f"also found, not graded: {', '.join(map(repr, left))}",)
    return replace(submission, notes=notes), found[chosen]


def _write(
    course: Course, assignment: Assignment, book: MarkBook, graded: Graded, fingerprint: str
) -> None:
    submission = graded.submission
    path = _autograded(course, assignment, submission.student)
    atomic_write(path, nbformat.writes(graded.reported), mode=0o444)
    moment = submission.timestamp
    for name, text in {
        "timestamp.txt": None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC\n",
        SECRET: submission.secret,
    }.items():
        if text is not None:
            atomic_write(path.with_name(name), text, mode=0o444)
        else:
            path.with_name(name).unlink(missing_ok=True)
    book.write(
        submission.student,
        submission.timestamp,
        graded.marks,
        graded.notebook,
        fingerprint,
        submission.notes,
    )


def _write_feedback(course: Course, assignment: Assignment, row: Row) -> None:
    """Write a student's feedback page if it is missing or older than the marks that it shows."""
    notebook = _autograded(course, assignment, row.student)
    page = course.feedback / row.student / assignment.name / f"{assignment.name}.html"
    shown = course.marks / ".shown" / assignment.name / row.student
    if not notebook.is_file():
        return
    content = notebook.read_text(encoding="utf-8")
    state = hashlib.sha256(f"{content}\n{row}\n{grader_version()}".encode()).hexdigest()
    if page.is_file() and shown.is_file() and shown.read_text() == state:
        return
    html = feedback(
        nbformat.reads(content, as_version=4),
        assignment=assignment.name,
        student=row.student,
        db_url=course.db_url,
        config=course.config,
        marks=row.questions,
        total=f"{row.score:g} / {row.max_score:g}",
    )
    atomic_write(page, html)
    for name in EXCHANGED:
        if (file := notebook.with_name(name)).is_file():
            atomic_write(page.with_name(name), file.read_bytes())
        else:
            page.with_name(name).unlink(missing_ok=True)
    atomic_write(shown, state)


def _open_book(course: Course, assignment: Assignment) -> MarkBook:
    return MarkBook(course.db_url, course.course_id, assignment, course.config)


def _autograded(course: Course, assignment: Assignment, student: str) -> Path:
    return course.autograded / student / assignment.name / f"{assignment.name}.ipynb"


@contextmanager
def _only_grader(folder: Path) -> Iterator[None]:
    """Keep a second grading run from writing to the same gradebook."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GraderBusy(
                f"another grading run is at work in {folder.parent}; wait until it has ended"
            ) from None
        yield


def _fingerprint(assignment: Assignment, submission: Submission, runs: Runs) -> str:
    """Changes whenever the marks could: submission, assignment, grader or the way of running.

    The deadline is not in it: penalties are assigned in every run.
    """
    parts = [
        assignment.digest,
        submission.problem,
        str(submission.timestamp),
        submission.notes,
        submission.secret,
        sorted(submission.files),
        asdict(runs.limits),
        runs.unsafe_no_sandbox,
        grader_version(),
    ]
    contents = [submission.content, *submission.others.values(), *submission.files.values()]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    return fingerprint_of("".join(digests).encode(), json.dumps(parts).encode())


@functools.cache
def grader_version() -> str:
    """The grader's own source, and the packages that student code meets."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    for package in ("numpy", "ipython", "nbgrader", "nbconvert"):
        digest.update(f"{package} {version(package)}\n".encode())
    return digest.hexdigest()


def default_jobs() -> int:
    return len(os.sched_getaffinity(0))
