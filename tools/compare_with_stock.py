"""Grades the sample class twice, with stock nbgrader and with this grader, and compares the marks.

    python tools/compare_with_stock.py                     print the table
    python tools/compare_with_stock.py --write README.md   put it between the file's markers

Stock nbgrader runs the hostile notebooks with its own rights, so here all of it runs in bubblewrap:
no network, nothing writable but a copy of the class, and not this course.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from sample_class import write_class
from sample_students import ASSIGNMENT, STUDENTS

from exercises import staged_files

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
BEGIN, END = "<!-- stock-comparison:begin -->", "<!-- stock-comparison:end -->"
STUDENT_SECONDS, CLASS_SECONDS = 300, 1800
MEMORY_BYTES = 4 << 30


@dataclass(frozen=True)
class WholeClass:
    """What stock nbgrader did with the class in one go."""

    graded: int
    ending: str


def stock_course(folder: Path) -> Path:
    """A course as nbgrader's manual sets it up: source, release, submissions, default settings."""
    folder.mkdir()
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'stock'\n"
    )
    for name, content in staged_files(ROOT / "solutions" / ASSIGNMENT).items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    nbgrader(folder, "generate_assignment", ASSIGNMENT, seconds=STUDENT_SECONDS)
    return folder


def nbgrader(course: Path, *arguments: str, seconds: float) -> str | None:
    """Run stock nbgrader on a course, in bubblewrap; what it printed, None if it ran too long."""
    python = Path(sys.executable).resolve()
    inside = [
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),  # noqa: S108
        *("--tmpfs", str(ROOT), "--ro-bind", str(BIN.parent), str(BIN.parent)),
        *("--bind", str(course), "/mnt", "--chdir", "/mnt"),
        *("--setenv", "PATH", f"{BIN}:{python.parent}:/usr/bin:/bin", "--setenv", "HOME", "/tmp"),  # noqa: S108
        *("prlimit", f"--as={MEMORY_BYTES}", "--nproc=512", "--"),
        *(str(BIN / "nbgrader"), *arguments),
    ]
    try:
        done = subprocess.run(inside, text=True, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout + done.stderr


def stock_marks(course: Path) -> dict[str, float]:
    """The marks in the gradebook, of the students whom nbgrader did not give up on."""
    marks = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "stock") as book:
        for student in STUDENTS:
            try:
                submission = book.find_submission(ASSIGNMENT, student)
            except MissingEntry:
                continue
            if (course / "autograded" / student / ASSIGNMENT).is_dir():
                marks[student] = submission.score
    return marks


def grade_one_by_one(folder: Path) -> dict[str, float]:
    course = stock_course(folder)
    submitted = write_class(folder.with_name("handed-in"))
    shutil.copytree(submitted, course / "submitted", symlinks=True)
    for student in STUDENTS:
        print(f"stock nbgrader: {student}", file=sys.stderr, flush=True)
        nbgrader(course, "autograde", ASSIGNMENT, "--student", student, seconds=STUDENT_SECONDS)
    return stock_marks(course)


def grade_whole_class(folder: Path) -> WholeClass:
    course = stock_course(folder)
    shutil.copytree(
        folder.with_name("one-by-one") / "submitted", course / "submitted", symlinks=True
    )
    print("stock nbgrader: the whole class at once", file=sys.stderr, flush=True)
    log = nbgrader(course, "autograde", ASSIGNMENT, seconds=CLASS_SECONDS)
    if log is None:
        ending = f"was still running after {CLASS_SECONDS // 60} minutes"
    else:
        errors = [line for line in log.splitlines() if "ERROR" in line]
        ending = "ended with an error" if errors else "ended without an error"
    return WholeClass(len(stock_marks(course)), ending)


def our_marks(output: Path, submitted: Path) -> dict[str, float]:
    command = [str(BIN / "dlcourse"), "grade", ASSIGNMENT, "--course", str(ROOT)]
    command += ["--submissions", str(submitted), "--output", str(output)]
    print("this grader: the whole class", file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with (output / "marks" / f"{ASSIGNMENT}.csv").open(newline="") as file:
        return {row["student"]: float(row["score"]) for row in csv.DictReader(file)}


def table(stock: dict[str, float], ours: dict[str, float], whole: WholeClass) -> str:
    """The comparison in Markdown."""
    lines = [
        "| submission | what it does | earned | stock nbgrader | this grader |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, student in STUDENTS.items():
        theirs = f"{stock[name]:g}" if name in stock else "no mark"
        mark = f"{student.mark:g}"
        lines.append(f"| `{name}` | {student.what} | {mark} | {theirs} | {ours[name]:g} |")
    lines += [
        "",
        f"Stock is nbgrader {version('nbgrader')} with its default settings, run on one student "
        "at a time, with the visible tests only (the hidden checks are not made for it). "
        f"On the whole class at once, stock {whole.ending}, with marks for {whole.graded} of "
        f"{len(STUDENTS)} students.",
    ]
    return "\n".join(lines)


def replace_between_markers(path: Path, text: str) -> None:
    content = path.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        raise SystemExit(f"{path} must hold the lines {BEGIN} and {END} once")
    before, rest = content.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this file")
    options = parser.parse_args(arguments)
    if shutil.which("bwrap") is None:
        raise SystemExit("bubblewrap is missing: apt-get install bubblewrap")
    with tempfile.TemporaryDirectory() as folder:
        stock = grade_one_by_one(Path(folder) / "one-by-one")
        whole = grade_whole_class(Path(folder) / "at-once")
        ours = our_marks(Path(folder) / "ours", Path(folder) / "handed-in" / "submitted")
    text = table(stock, ours, whole)
    print(text)
    if options.write:
        replace_between_markers(options.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
