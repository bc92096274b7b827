"""Where the parts of a course lie, by the settings of ``nbgrader_config.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

from dlcourse.grading.errors import UsageError


@dataclass(frozen=True)
class Course:
    """The folders and the gradebook of a course.

    ``autograded``, ``feedback`` and ``submitted`` hold STUDENT/ASSIGNMENT folders.
    """

    root: Path
    course_id: str
    solutions: Path
    submitted: Path
    autograded: Path
    feedback: Path
    marks: Path
    db_url: str
    config: Config

    @property
    def private(self) -> tuple[Path, ...]:
        """What no student's code may see, wherever it lies."""
        return (self.root, self.submitted, self.autograded, self.feedback, self.marks)


def open_course(root: Path, output: Path | None = None, submitted: Path | None = None) -> Course:
    """The course in a folder; with ``output``, everything is written there instead."""
    root = root.absolute()
    if not (root / "solutions").is_dir():
        raise UsageError(
            f"{root} is no course: it has no folder 'solutions'; run the command in the course's "
            "folder or name it with --course"
        )
    try:
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except ConfigFileNotFound:
        config = Config()
    course = course_of(CourseDirectory(config=config, root=str(root)), config)
    if submitted is not None:
        course = replace(course, submitted=submitted.absolute())
    if output is not None:
        output = output.absolute()
        course = replace(
            course,
            autograded=output / "autograded",
            feedback=output / "feedback",
            marks=output / "marks",
            db_url=f"sqlite:///{output / 'gradebook.db'}",
        )
    return course


def course_of(directory: CourseDirectory, config: Config) -> Course:
    """The course that an nbgrader command works on."""
    root = Path(directory.root)
    layout = "{nbgrader_step}/{student_id}/{assignment_id}"
    if directory.directory_structure != layout:
        raise UsageError(
            f"CourseDirectory.directory_structure is {directory.directory_structure!r}; the grader "
            f"needs nbgrader's own layout, {layout!r}"
        )
    return Course(
        root=root,
        course_id=directory.course_id,
        solutions=root / "solutions",
        submitted=root / directory.submitted_directory,
        autograded=root / directory.autograded_directory,
        feedback=root / directory.feedback_directory,
        marks=root / "marks",
        db_url=directory.db_url,
        config=config,
    )
