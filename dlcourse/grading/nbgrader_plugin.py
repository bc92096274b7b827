"""Puts this grader where nbgrader has its own: ``nbgrader autograde`` and formgrader's button.

``nbgrader_config.py`` calls `configure`. nbgrader names its converter class in its code, not in its
settings, so the name is rebound in the modules that use it, and so is formgrader's exporter.
"""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Sequence
from pathlib import Path

import nbgrader.apps.api
import nbgrader.apps.autogradeapp
import nbgrader.converters
import nbgrader.converters.autograde
from nbgrader.converters import Autograde, NbGraderException
from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.server_extensions.formgrader import formgrader
from nbgrader.utils import notebook_hash
from traitlets import Bool
from traitlets.config import Config

from dlcourse.grading.assignments.course import course_of
from dlcourse.grading.assignments.submission import SECRET
from dlcourse.grading.errors import GradingError, UsageError
from dlcourse.grading.feedback.within_limits import MarkingExporter
from dlcourse.grading.marking.marks import Marks
from dlcourse.grading.pipeline import default_jobs, grade_class, prepared
from dlcourse.grading.records.database import find_alembic
from dlcourse.grading.records.files import atomic_write

MODULES = (
    nbgrader.converters,
    nbgrader.converters.autograde,
    nbgrader.apps.autogradeapp,
    nbgrader.apps.api,
)


# What shows a student's texts and outputs harmlessly, in place of nbconvert's own.
FILTERS = {
    "markdown2html": "dlcourse.grading.feedback.sanitize.markdown_to_html",
    "clean_html": "dlcourse.grading.feedback.sanitize.clean_html",
}


class SandboxedAutograde(Autograde):  # type: ignore[misc]
    """nbgrader's Autograde, with the pipeline of ``dlcourse grade`` in place of its own.

    ``--force``, ``--student`` and the folders that are configured mean what they mean to nbgrader.
    """

    unsafe_no_sandbox = Bool(
        False, help="Run student code with your own rights: only for code that you trust."
    ).tag(config=True)

    def start(self) -> None:
        try:
            failures = self._grade()
        except GradingError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from error
        for student, problem in failures.items():
            self.log.error("The grader failed on %s, who has no marks yet: %s", student, problem)
        if failures:
            raise NbGraderException(f"the grader failed on {', '.join(sorted(failures))}")

    def _grade(self) -> dict[str, str]:
        course = course_of(self.coursedir, self.config)
        assignment, students, runs = prepared(
            course, self.coursedir.assignment_id, unsafe_no_sandbox=self.unsafe_no_sandbox
        )
        result = grade_class(
            course,
            assignment,
            self._chosen(students, course.submitted),
            runs,
            jobs=default_jobs(),
            regrade=self.force,
            on_graded=self._log_marks,
        )
        return result.failures

    def _chosen(self, students: Sequence[str], submitted: Path) -> list[str]:
        """Those students that nbgrader's settings name."""
        directory = self.coursedir
        excluded = set(directory.student_id_exclude.split(","))
        chosen = [
            student
            for student in students
            # Equality first: a student's name may hold characters that a pattern reads otherwise.
            if student == directory.student_id or fnmatch.fnmatchcase(student, directory.student_id)
            if student not in excluded
        ]
        if not chosen:
            raise UsageError(f"no student matches {directory.student_id!r} in {submitted}")
        return chosen

    def _log_marks(self, student: str, marks: Marks | str) -> None:
        if isinstance(marks, str):
            self.log.info("%r: %s", student, marks)
        else:
            reason = marks.reason or "complete"
            self.log.info("%r: %g/%g  %s", student, marks.score, marks.max_score, reason)


class ReleaseFeedback(ExchangeReleaseFeedback):  # type: ignore[misc]
    """nbgrader's own, which stops at the first submission that did not come from the exchange."""

    def copy_files(self) -> None:
        excluded = set(self.coursedir.student_id_exclude.split(","))
        for path in sorted(map(Path, glob.glob(f"{self.src_path}/*.html"))):  # noqa: PTH207
            student = path.parents[1].name
            if student in excluded:
                continue
            if not (secret := path.with_name(SECRET)).is_file():
                self.log.warning(
                    "The feedback for %r is not released: the submission has no %s, so it did not "
                    "come from the exchange. Give %s to the student in another way.",
                    student,
                    SECRET,
                    path,
                )
                continue
            name = notebook_hash(secret=secret.read_text(), notebook_id=path.stem)
            atomic_write(Path(self.dest_path, f"{name}.html"), path.read_bytes())
            self.log.info("Released the feedback for %r", student)


def configure(config: Config) -> None:
    """Make nbgrader grade, show and return submissions as safely as ``dlcourse grade`` does."""
    find_alembic()
    for module in MODULES:
        module.Autograde = SandboxedAutograde
    formgrader.HTMLExporter = MarkingExporter
    # By their names: the settings travel to processes that have not imported this module.
    config.ExchangeFactory.release_feedback = f"{__name__}.ReleaseFeedback"
    config.GenerateFeedback.exporter_class = "dlcourse.grading.feedback.within_limits.FeedbackPages"
    # formgrader shows autograded notebooks in the instructor's browser with these.
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = FILTERS
