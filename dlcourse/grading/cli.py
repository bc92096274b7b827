"""The command ``dlcourse grade``."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

from nbgrader.api import InvalidEntry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from sqlalchemy.exc import DatabaseError

from dlcourse.grading.assignments.course import open_course
from dlcourse.grading.errors import AssignmentError, GraderBusy, GradingError, UsageError
from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.pipeline import ClassResult, default_jobs, grade_class, prepared
from dlcourse.grading.records.summary import printable, terminal_table
from dlcourse.grading.sandbox.available import SandboxUnavailable

DONE, FAILED, USAGE, NO_SANDBOX, BAD_ASSIGNMENT, BUSY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = """\
exit codes:
  0  every submission has its marks, whatever they are
  1  the grader itself failed on a submission; it is named, and it is graded in the next run
  2  the command was wrong: no such assignment or folder
  3  there is no sandbox to run student code in
  4  the assignment is at fault: its notebook, its checks or its reference solution
  5  another grading run writes to the same gradebook
"""


def add_grade_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "grade",
        help="grade a class",
        description="Grade the submissions of an assignment, each in a sandbox of its own.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("assignment", help="as in solutions/: 01-autodiff, or autodiff for short")
    parser.add_argument(
        "--submissions",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder that holds STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb",
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=default_jobs(),
        metavar="N",
        help="submissions at a time (default: one a core, here %(default)s)",
    )
    parser.add_argument(
        "--course", type=Path, default=Path(), metavar="DIR", help="the course (default: here)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where gradebook.db, autograded/, feedback/ and marks/ go (default: the course)",
    )
    parser.add_argument(
        "--regrade", action="store_true", help="grade again what has not changed since"
    )
    parser.add_argument(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run student code with your own rights: only for code that you trust",
    )
    parser.set_defaults(run=grade)


def grade(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    logging.getLogger("nbgrader").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"nbgrader\.")
    console, errors = Console(), Console(stderr=True)
    try:
        return _grade(arguments, console)
    except GradingError as error:
        errors.print(Text.assemble(("error: ", "bold red"), printable_lines(str(error))))
        return _exit_code(error)
    except (OSError, DatabaseError, InvalidEntry) as error:  # a full disk, a read-only folder
        errors.print(Text.assemble(("error: ", "bold red"), printable_lines(_told(error))))
        return FAILED
    except KeyboardInterrupt:
        errors.print("stopped; the same command goes on from here")
        return INTERRUPTED


def _told(error: OSError | DatabaseError | InvalidEntry) -> str:
    if isinstance(error, DatabaseError):
        reason = f"the gradebook: {error.orig}"
    elif isinstance(error, InvalidEntry):  # so nbgrader calls what its database refuses
        reason = f"the gradebook: {error}"
    else:
        reason = ": ".join(filter(None, [str(error.filename or ""), error.strerror or str(error)]))
    return f"{reason}\nWhat was graded is kept; the same command goes on from here."


def printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))


def _grade(arguments: argparse.Namespace, console: Console) -> int:
    course = open_course(arguments.course, arguments.output, arguments.submissions)
    assignment, students, runs = prepared(
        course, arguments.assignment, unsafe_no_sandbox=arguments.unsafe_no_sandbox
    )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task(f"grading {assignment.name}", total=len(students))

        def show(student: str, marks: Marks | str) -> None:
            progress.console.print(Text(_line(student, marks)), highlight=False, soft_wrap=True)
            progress.advance(task)

        result = grade_class(
            course,
            assignment,
            students,
            runs,
            jobs=arguments.jobs,
            regrade=arguments.regrade,
            on_graded=show,
        )
    console.print(terminal_table(assignment, result.rows))
    _print_places(console, result, course.feedback, course.db_url)
    return FAILED if result.failures else DONE


def _line(student: str, marks: Marks | str) -> str:
    if isinstance(marks, str):
        return f"{printable(student)}: {printable(marks)}"
    reason = printable(marks.reason) or "complete"
    return f"{printable(student)}: {marks.score:g}/{marks.max_score:g}  {reason}"


def _print_places(console: Console, result: ClassResult, feedback: Path, db_url: str) -> None:
    for name, place in (
        ("marks", result.marks_file),
        ("feedback", feedback),
        ("gradebook", db_url.removeprefix("sqlite:///")),
    ):
        console.print(f"{name + ':':<10} {place}", highlight=False, markup=False, soft_wrap=True)
    for student, problem in sorted(result.failures.items()):
        text = f"the grader failed on {printable(student)}, grade again: {problem}"
        console.print(Text(text, style="bold red"))


def _exit_code(error: GradingError) -> int:
    codes = {
        UsageError: USAGE,
        SandboxUnavailable: NO_SANDBOX,
        AssignmentError: BAD_ASSIGNMENT,
        GraderBusy: BUSY,
    }
    return next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
