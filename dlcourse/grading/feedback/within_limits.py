"""Pages within limits: what a student handed in may take a library minutes to render."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from traitlets.config import Config

from dlcourse.grading.feedback.page import FeedbackExporter, feedback_page, plain_page
from dlcourse.grading.feedback.sanitize import clean_outputs
from dlcourse.grading.limited import OutOfLimitsError, limited

# A page with many figures takes two seconds of processor time.
SECONDS = 60
MAX_SHOWN = 2000  # characters of a cell, where the page of the whole takes too long


def feedback(
    notebook: NotebookNode,
    *,
    assignment: str,
    student: str,
    db_url: str,
    config: Config,
    marks: Mapping[str, float | None],
    total: str,
) -> str:
    """The feedback page for one student, or a plain one with the marks where it takes too long."""
    try:
        html: str = limited(
            feedback_page,
            notebook,
            assignment=assignment,
            student=student,
            db_url=db_url,
            config=config,
            seconds=SECONDS,
        )
    except OutOfLimitsError as error:
        return plain_page(assignment, student, marks, total, str(error))
    return html


class FeedbackPages(FeedbackExporter):
    """What ``nbgrader generate_feedback`` makes its pages with: the same ones."""

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **_: Any
    ) -> tuple[str, dict[str, Any]]:
        found = self._init_resources(resources)  # type: ignore[no-untyped-call]
        names = found["nbgrader"]
        assignment, student, db_url = (names[k] for k in ("assignment", "student", "db_url"))
        with Gradebook(db_url) as book:
            submission = book.find_submission(assignment, student)
            marks = {g.name: g.score for each in submission.notebooks for g in each.grades}
            penalty = submission.late_submission_penalty or 0.0
            total = f"{submission.score - penalty:g} / {submission.max_score:g}"
        html = feedback(
            nb,
            assignment=assignment,
            student=student,
            db_url=db_url,
            config=self.config,
            marks=marks,
            total=total,
        )
        return html, found


class MarkingExporter(HTMLExporter):
    """What formgrader shows an instructor who marks by hand; nothing comes from another host."""

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **_: Any
    ) -> tuple[str, dict[str, Any]]:
        settings = Config({"HTMLExporter": self.config.HTMLExporter})
        try:
            html = limited(marking_page, nb, resources, settings, seconds=SECONDS)
        except OutOfLimitsError:
            html = limited(marking_page, shortened(nb), resources, settings, seconds=SECONDS)
        return html, self._init_resources(resources)  # type: ignore[no-untyped-call]


def marking_page(notebook: NotebookNode, resources: dict[str, Any] | None, config: Config) -> str:
    """formgrader's page, without scripts of other hosts: our formulas are MathML."""
    exporter = HTMLExporter(config=config)
    html, _ = exporter.from_notebook_node(clean_outputs(notebook), resources)
    page = BeautifulSoup(html, "html.parser")
    for script in page.find_all("script", src=True):
        if urlsplit(str(script["src"])).netloc:
            script.decompose()
    return str(page)


def shortened(notebook: NotebookNode) -> NotebookNode:
    """A copy without outputs, and with the beginnings of long texts only."""
    short = copy.deepcopy(notebook)
    for cell in short.cells:
        if len(cell.source) > MAX_SHOWN:
            cell.source = f"{cell.source[:MAX_SHOWN]}\n[The rest is not shown.]"
        if cell.cell_type == "code":
            cell.outputs = []
    return short
