"""The marks of a class as a CSV file and as a table for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dlcourse.grading.assignments.assignment import Assignment
from dlcourse.grading.records.gradebook import Row


def csv_text(assignment: Assignment, rows: Sequence[Row]) -> str:
    """One line a student; safe to open in a spreadsheet (no cell is taken for a formula)."""
    questions = [question.grade_id for question in assignment.questions]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = ["student", "timestamp", "score", "max_score", "late_penalty"]
    writer.writerow([*heads, *map(_text, questions), "status", "reason"])
    for row in rows:
        writer.writerow(
            [
                _text(row.student),
                row.timestamp.isoformat(sep=" ") if row.timestamp else "",
                f"{row.score:g}",
                f"{row.max_score:g}",
                f"{row.late_penalty:g}",
                *(_number(row.questions[name]) for name in questions),
                row.status,
                _text(row.reason),
            ]
        )
    return file.getvalue()


def terminal_table(assignment: Assignment, rows: Sequence[Row]) -> Table:
    """The marks for the eye; the questions stand as numbers, explained below the table."""
    names = [question.grade_id for question in assignment.questions]
    legend = "   ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    table = Table(title=assignment.name, caption=legend, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("student", overflow="fold", min_width=8)
    table.add_column("mark", justify="right", no_wrap=True)
    for number in range(1, len(names) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold", min_width=24)
    for row in rows:
        table.add_row(
            Text(printable(row.student)),
            f"{row.score:g}/{row.max_score:g}",
            *(_number(row.questions[name]) or "-" for name in names),
            Text(printable(row.reason)),
        )
    return table


def printable(text: str) -> str:
    """Text that cannot send commands to a terminal: it may hold names that students chose."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _text(value: str) -> str:
    """A spreadsheet takes a cell that starts so for a formula; a quote before it prevents that."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
