"""Writes marks into nbgrader's gradebook, the way nbgrader's own autograder does.

Beside nbgrader's tables stands one of ours, ``dlcourse_record``: what was graded, by a fingerprint
of all that decides the mark. It is written last, so a run that was killed finds its unfinished
submissions without a record, and grades them again.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from nbgrader.utils import is_solution, is_task
from sqlalchemy import JSON, Boolean, Column, MetaData, String, Table, Text, delete, insert, select
from traitlets.config import Config

from dlcourse.grading.assignments.assignment import Assignment, grade_id
from dlcourse.grading.assignments.rebuild import unchanged
from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.marking.misplaced import is_added
from dlcourse.grading.records.database import open_gradebook

_tables = MetaData()
_records = Table(
    "dlcourse_record",
    _tables,
    Column("assignment", String(128), primary_key=True),
    Column("student", String(128), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("graded", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("notes", JSON, nullable=False),
)


@dataclass(frozen=True)
class Row:
    """A submission as the gradebook has it now, marks given by hand included.

    ``questions`` maps a grade_id to its score, None while it waits for a person.
    """

    student: str
    timestamp: datetime.datetime | None
    score: float
    max_score: float
    late_penalty: float
    questions: Mapping[str, float | None]
    status: str
    reason: str


class MarkBook:
    """nbgrader's gradebook, open for one assignment. Use it from one thread only."""

    def __init__(self, db_url: str, course_id: str, assignment: Assignment, config: Config) -> None:
        self._assignment = assignment
        self._config = config
        self._db_url = db_url
        self._gradebook = open_gradebook(db_url, course_id)
        _tables.create_all(self._gradebook.engine)
        self._save_cells()

    def __enter__(self) -> MarkBook:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gradebook.close()

    def fingerprints(self) -> dict[str, str]:
        """By student: the fingerprint of what was graded last."""
        query = select(_records.c.student, _records.c.fingerprint).where(
            _records.c.assignment == self._assignment.name
        )
        return {student: fingerprint for student, fingerprint in self._gradebook.db.execute(query)}

    def write(
        self,
        student: str,
        timestamp: datetime.datetime | None,
        marks: Marks,
        notebook: NotebookNode | None,
        fingerprint: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Record the marks of one submission; ``notebook`` is None if there was none to grade.

        A mark, extra credit or a comment that a person gave is left alone; as in nbgrader, a mark
        given by hand is then flagged for review, unless neither what was handed in nor the mark of
        the checks is another than before.
        """
        book, name = self._gradebook, self._assignment.name
        same_content = _content(self.fingerprints().get(student, "")) == _content(fingerprint)
        book.update_or_create_student(student)
        details = {} if timestamp is None else {"timestamp": timestamp}
        book.update_or_create_submission(name, student, **details)
        for question in marks.questions:
            grade = book.find_grade(question.grade_id, name, name, student)
            if not (same_content and grade.auto_score == question.score):
                grade.auto_score = question.score
                grade.needs_manual_grade = grade.manual_score is not None or question.score is None
        for cell in self._assignment.release.cells:
            if is_solution(cell):
                comment = book.find_comment(grade_id(cell), name, name, student)
                # An answer may stand in a cell that the student added.
                empty = notebook is None or (
                    unchanged(self._assignment.release, notebook, cell.metadata.nbgrader.grade_id)
                    and not any(map(is_added, notebook.cells))
                )
                comment.auto_comment = "No response." if empty else None
            elif is_task(cell):
                book.find_comment(grade_id(cell), name, name, student).auto_comment = None
        book.db.commit()
        book.db.execute(delete(_records).where(*self._key(student)))
        book.db.execute(
            insert(_records).values(
                assignment=name,
                student=student,
                fingerprint=fingerprint,
                graded=marks.graded,
                reason=marks.reason,
                notes=list(notes),
            )
        )
        book.db.commit()

    def rows(self, handed_in: Callable[[str], bool]) -> list[Row]:
        """Every submission of the assignment that was graded, and the students without one.

        Args:
            handed_in: Whether there is something of a student; one that the grader failed on is
                left out, since it is not known yet what it is worth.
        """
        book, name = self._gradebook, self._assignment.name
        book.db.expire_all()
        query = select(_records).where(_records.c.assignment == name)
        records = {record.student: record for record in book.db.execute(query)}
        rows = [
            self._row(submission, records[submission.student.id])
            for submission in book.assignment_submissions(name)
            if submission.student.id in records
        ]
        rows += [
            self._without_submission(student.id)
            for student in book.students
            if student.id not in records and not handed_in(student.id)
        ]
        return sorted(rows, key=lambda row: row.student)

    def _without_submission(self, student: str) -> Row:
        """As nbgrader's export has it: no points."""
        questions = self._assignment.questions
        points = sum(question.points for question in questions)
        no_points = {question.grade_id: 0.0 for question in questions}
        status = "not submitted"
        return Row(student, None, 0.0, points, 0.0, no_points, status, status)

    def _row(self, submission: Any, record: Any) -> Row:
        grades = {grade.name: grade for nb in submission.notebooks for grade in nb.grades}
        questions = {}
        for question in self._assignment.questions:
            grade = grades[question.grade_id]
            waits = grade.auto_score is None and grade.manual_score is None
            questions[question.grade_id] = None if waits else grade.score
        penalty = submission.late_submission_penalty or 0.0
        score, max_score = submission.score - penalty, submission.max_score
        waiting = sum(bool(grade.needs_manual_grade) for grade in grades.values())
        if waiting:
            status = "to mark by hand"
        elif not record.graded:
            status = "not graded"
        else:
            status = "complete" if score >= max_score else "partial"
        remarks = [record.reason] if record.reason else []
        if waiting:
            remarks.append(f"{waiting} to mark or review by hand")
        if penalty:
            remarks.append(f"late: {penalty:g} points less")
        reason = "; ".join([*remarks, *record.notes]) or status
        return Row(
            submission.student.id,
            submission.timestamp,
            score,
            max_score,
            penalty,
            questions,
            status,
            reason,
        )

    def _key(self, student: str) -> tuple[Any, ...]:
        return (_records.c.assignment == self._assignment.name, _records.c.student == student)

    def _resources(self, student: str | None = None) -> dict[str, Any]:
        name = self._assignment.name
        return {
            "nbgrader": {
                "assignment": name,
                "notebook": name,
                "student": student,
                "db_url": self._db_url,
            }
        }

    def _save_cells(self) -> None:
        self._gradebook.update_or_create_assignment(self._assignment.name)
        saver = SaveCells(config=self._config)
        try:
            saver.preprocess(self._assignment.release.copy(), self._resources())
        except RuntimeError as error:
            self._gradebook.close()
            raise AssignmentError(
                f"the gradebook holds marks for an earlier {self._assignment.name} that had other "
                "cells. Undo that change, or move the gradebook aside and grade again "
                f"({self._db_url})"
            ) from error

    def assign_late_penalties(self) -> None:
        """Give every submission the penalty of now: deadlines, extensions and rules may be new.

        As nbgrader does when it grades one: a part of the score, by the plugin of the course.
        """
        step = AssignLatePenalties(config=self._config)
        step.init_plugin()
        for submission in self._gradebook.assignment_submissions(self._assignment.name):
            has_deadline = submission.assignment.duedate is not None
            late = submission.total_seconds_late if has_deadline else 0
            for notebook in submission.notebooks:
                penalty = None
                if late > 0:
                    penalty = step.plugin_inst.late_submission_penalty(
                        submission.student.id, notebook.score, late
                    )
                if penalty is not None:
                    penalty = min(max(penalty, 0), notebook.score)
                notebook.late_submission_penalty = penalty
        self._gradebook.db.commit()


def fingerprint_of(content: bytes, others: bytes) -> str:
    """64 characters: half of them for what was handed in, half for all else that decides a mark."""
    return "".join(hashlib.sha256(part).hexdigest()[:32] for part in (content, others))


def _content(fingerprint: str) -> str:
    return fingerprint[:32]
