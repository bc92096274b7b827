"""The feedback page: nbgrader's own, made harmless and self-contained."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import nbgrader
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades
from traitlets.config import Config

from dlcourse.grading.assignments.rebuild import ADDED
from dlcourse.grading.feedback.sanitize import clean_html, clean_outputs, markdown_to_html

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)

CHECKS_STYLE = "table.checks :is(th, td) { padding: 0 1em 0.3em 0; vertical-align: top; }"

_FORMGRADER = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"


class FeedbackExporter(HTMLExporter):
    """nbgrader's feedback template; nothing in the page runs, and nothing is loaded by it.

    ``nbgrader generate_feedback`` uses it as well (see ``nbgrader_plugin``).
    """

    def __init__(self, config: Config | None = None, **options: Any) -> None:
        # In formgrader's server the settings name another template, for the page of the grader.
        settings = copy.deepcopy(config) if config is not None else Config()
        for name in [name for name in settings.HTMLExporter if "template" in name]:
            del settings.HTMLExporter[name]
        super().__init__(config=settings, **options)  # type: ignore[no-untyped-call]

    @property
    def default_config(self) -> Config:
        config = Config()
        config.HTMLExporter.template_name = "feedback"
        config.HTMLExporter.extra_template_basedirs = [str(_FORMGRADER / "templates")]
        config.HTMLExporter.extra_template_paths = [
            str(_FORMGRADER / "static/node_modules/bootstrap/dist/css")
        ]
        config.HTMLExporter.sanitize_html = True
        config.HTMLExporter.filters = {"markdown2html": markdown_to_html, "clean_html": clean_html}
        config.merge(super().default_config)
        return config

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[str, dict[str, Any]]:
        html, resources = super().from_notebook_node(clean_outputs(nb), resources, **options)
        return _self_contained(html), resources


def feedback_page(
    notebook: NotebookNode, *, assignment: str, student: str, db_url: str, config: Config
) -> str:
    """The HTML page for one student, with the marks and comments that the gradebook has now."""
    exporter = FeedbackExporter(config=config)
    for step in (GetGrades, CSSHTMLHeaderPreprocessor):
        exporter.register_preprocessor(step(config=config), enabled=True)  # type: ignore[no-untyped-call]
    resources = {
        "metadata": {"name": assignment},
        "nbgrader": {
            "assignment": assignment,
            "notebook": assignment,
            "student": student,
            "db_url": db_url,
        },
    }
    html, _ = exporter.from_notebook_node(notebook, resources)
    return _with_titles(str(html), question_titles(notebook))


def question_titles(notebook: NotebookNode) -> dict[str, str]:
    """By the grade_id of a cell: the last heading above it in the instructor's own text."""
    titles: dict[str, str] = {}
    heading = ""
    for cell in notebook.cells:
        origin = cell.metadata.get("dlcourse", {}).get("origin")
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and origin != ADDED and not marks.get("solution"):
            for match in re.finditer(r"^#+ +(.+?)(?: *#+)? *$", cell.source, re.MULTILINE):
                heading = match[1].replace("`", "")
        if heading and (marks.get("grade") or marks.get("task")):
            titles[marks["grade_id"]] = heading
    several = Counter(titles.values())
    return {
        name: title if several[title] == 1 else f"{title}: {name}" for name, title in titles.items()
    }


def _with_titles(html: str, titles: Mapping[str, str]) -> str:
    """The list of questions with their titles, where nbgrader's has "Test cell" or an id."""
    page = BeautifulSoup(html, "html.parser")
    for link in page.select("#toc a"):
        name = str(link["href"]).removeprefix("#")
        link.string = titles.get(name, name)
    return str(page)


def plain_page(
    assignment: str, student: str, marks: Mapping[str, float | None], total: str, problem: str
) -> str:
    """The marks without the notebook, for one whose own page takes too much time or memory."""
    rows = [
        f"<tr><td>{escape(name)}</td><td>{'' if score is None else f'{score:g}'}</td></tr>"
        for name, score in marks.items()
    ]
    return _self_contained(
        "<!DOCTYPE html><html><head><meta charset='utf-8'>"
        f"<title>{escape(assignment)}</title></head><body>"
        f"<h1>{escape(assignment)}</h1><p>{escape(student)}: {escape(total)}</p>"
        f"<table><tbody>{''.join(rows)}</tbody></table>"
        f"<p>The notebook is not shown: to make its page takes {escape(problem)}. Its marks stand. "
        "Very long texts, outputs or deeply nested HTML are the usual cause.</p></body></html>"
    )


def _self_contained(html: str) -> str:
    """Take out nbconvert's scripts, and forbid the browser to run or to load anything."""
    page = BeautifulSoup(html, "html.parser")
    for script in page.find_all("script"):
        script.decompose()
    policy = page.new_tag("meta", content=CONTENT_SECURITY_POLICY)
    policy["http-equiv"] = "Content-Security-Policy"
    style = page.new_tag("style")
    style.string = CHECKS_STYLE
    viewport = page.new_tag("meta", content="width=device-width, initial-scale=1")
    viewport["name"] = "viewport"
    for head in page.find_all("head"):
        head.append(style)
        head.insert(0, viewport)
        head.insert(0, policy)  # first: a policy governs only what comes after it
    for root in page.find_all("html"):
        root["lang"] = "en"
    return str(page)
