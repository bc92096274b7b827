import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from small_course import NAME, NOTEBOOK, RIGHT, answered, assignment_of, make_course

from dlcourse.grading.assignments.assignment import grade_id
from dlcourse.grading.feedback.page import (
    CONTENT_SECURITY_POLICY,
    FeedbackExporter,
    question_titles,
)
from dlcourse.grading.feedback.report import refusal, report
from dlcourse.grading.feedback.sanitize import clean_html
from dlcourse.grading.marking.marks import CheckMark, Marks, QuestionMark

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://example.com/spy.png'>",
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' java\tscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<iframe src='https://example.com'></iframe>",
    "<object data='https://example.com'></object>",
    "<form action='https://example.com'><input name=password></form>",
    "</style><style>@import 'https://example.com/a.css';</style>",
    "<p style='background:url(https://example.com/a.png)'>x</p>",
    "<link rel=stylesheet href='https://example.com/a.css'>",
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "<base href='https://example.com'>",
    "</pre></div></body><script>alert(1)</script>",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
]
LOADING = {"script", "iframe", "object", "embed", "link", "base", "form", "svg", "video", "audio"}


def dangers(html: str) -> list[str]:
    """What of a page could run or load something, or lead to a script."""
    found = []
    for element in BeautifulSoup(html, "html.parser").find_all(True):
        if element.name in LOADING:
            found.append(element.name)
        for name, value in element.attrs.items():
            text = re.sub(r"\s", "", str(value)).lower()
            if name.startswith("on") or (name == "style" and "url(" in text):
                found.append(f"{name}={text}")
            if name == "src" and not text.startswith("data:image/"):
                found.append(f"{name}={text}")
            if name == "href" and not text.startswith(("http://", "https://", "#", "mailto:")):
                found.append(f"{name}={text}")
            if name == "http-equiv" and text == "refresh":
                found.append("refresh")
    return found


@pytest.mark.parametrize("attack", ATTACKS)
def test_cleaned_html_holds_nothing_that_runs_or_loads(attack: str) -> None:
    assert dangers(attack) or "<style>" in attack
    assert dangers(clean_html(attack)) == []


def test_cleaning_keeps_a_table_and_an_embedded_image() -> None:
    html = (
        '<table class="dataframe"><tbody><tr><td>1</td></tr></tbody></table>'
        '<img src="data:image/png;base64,AAAA" alt="plot">'
    )
    assert clean_html(html) == html


def render(notebook: NotebookNode) -> str:
    """The page, with made-up scores in place of the gradebook's."""
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(score=0)
    resources = {"nbgrader": {"notebook": "n", "score": 0, "max_score": 1, "late_penalty": 0}}
    html, _ = FeedbackExporter().from_notebook_node(notebook, resources)
    return str(html)


def hostile_notebook(attack: str) -> NotebookNode:
    html = new_output("display_data", data={"text/html": attack, "text/plain": attack})
    html.metadata["text/html"] = {"isolated": True}
    outputs = [
        html,
        new_output("execute_result", data={"text/markdown": attack}, execution_count=1),
        new_output("display_data", data={"image/svg+xml": attack}),
        new_output("display_data", data={"text/latex": attack}),
        new_output("display_data", data={"application/javascript": "alert(1)"}),
        new_output("stream", name="stdout", text=attack),
        new_output("stream", name="stderr", text=attack),
        new_output("error", ename=attack, evalue=attack, traceback=[attack]),
    ]
    answer = {"grade": True, "solution": True, "grade_id": "essay", "points": 1, "score": 0}
    return new_notebook(
        cells=[
            new_code_cell(attack, outputs=outputs),
            new_markdown_cell(attack, metadata={"dlcourse": {"origin": "added"}}),
            new_markdown_cell(attack, metadata={"nbgrader": answer}),
            new_markdown_cell(
                f"# {attack}\n\n[x](javascript:alert(1)) ![x](https://example.com/spy.png)",
                metadata={"nbgrader": {**answer, "comment": attack}},
            ),
        ],
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_page_holds_nothing_that_runs_or_loads(attack: str) -> None:
    html = render(hostile_notebook(attack))
    assert dangers(html) == []
    page = BeautifulSoup(html, "html.parser")
    first = page.head.find(True)
    assert (first["http-equiv"], first["content"]) == (
        "Content-Security-Policy",
        CONTENT_SECURITY_POLICY,
    )
    assert all("@import" not in style.text for style in page.find_all("style"))


@pytest.mark.parametrize(
    "text", ["![x](attachment:none.png)", "> " * 5000 + "x", "[" * 50_000, "$$" * 60_000]
)
def test_markdown_that_cannot_be_rendered_is_shown_as_text(text: str) -> None:
    cell = new_markdown_cell(text, metadata={"dlcourse": {"origin": "added"}})
    assert dangers(render(new_notebook(cells=[cell]))) == []


def test_the_instructors_own_drawing_stays() -> None:
    cell = new_markdown_cell("<svg><circle r='1'></circle></svg>")
    html = render(new_notebook(cells=[cell]))
    assert "<circle" in html


def test_the_instructors_formulas_become_mathml() -> None:
    html = render(new_notebook(cells=[new_markdown_cell("So $x^2$ and\n\n$$\\frac{a}{b}$$")]))
    page = BeautifulSoup(html, "html.parser")
    assert [formula["display"] for formula in page.find_all("math")] == ["inline", "block"]
    assert page.find("mfrac") and "$" not in page.find("body").text


MARKS = Marks(
    (
        QuestionMark(
            "square",
            3,
            2,
            (
                CheckMark("square/numbers", "Square <it>.", 2, "passed"),
                CheckMark("square/arrays", "Use a < b.", 1, "wrong value"),
            ),
        ),
    ),
    True,
    "",
)


def test_the_report_of_the_checks_stands_under_their_test_cell(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    notebook = report(assignment, answered(assignment, RIGHT), MARKS)
    nbformat.validate(notebook)
    (cell,) = (cell for cell in notebook.cells if grade_id(cell) == "square")
    text = cell.outputs[-1].data["text/plain"]
    assert "1 of 2 passed" in text and "✗ 0 / 1  Use a < b. (wrong value)" in text
    assert "Square" not in text  # a check that passed needs no explanation
    assert clean_html(cell.outputs[-1].data["text/html"]) == cell.outputs[-1].data["text/html"]


def test_an_image_of_the_instructor_comes_with_the_report(tmp_path: Path) -> None:
    shown = NOTEBOOK.replace("# Squares\n", "# Squares\n\n![a square](square.svg)\n")
    course = make_course(tmp_path, notebook=shown)
    files = course / "solutions" / NAME / "files"
    files.mkdir()
    (files / "square.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assignment = assignment_of(course)
    notebook = report(assignment, answered(assignment, RIGHT), MARKS)
    html = render(notebook)
    assert 'src="data:image/svg+xml;base64,' in html and dangers(html) == []


def test_a_refusal_shows_the_reason_as_it_is(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    notebook = refusal(assignment, "the file is '<script>*x*</script>.ipynb'")
    html = render(notebook)
    text = BeautifulSoup(html, "html.parser").get_text()
    assert "could not be graded: the file is '<script>*x*</script>.ipynb'" in text


def test_a_question_has_the_title_of_the_heading_above_it() -> None:
    def cell(kind: str, source: str, **nbgrader: object) -> NotebookNode:
        new = new_code_cell if kind == "code" else new_markdown_cell
        return new(source, metadata={"nbgrader": nbgrader} if nbgrader else {})

    added = {"dlcourse": {"origin": "added"}}
    notebook = new_notebook(
        cells=[
            cell("markdown", "# Graphs\n\n## Question 1: `sums` (2 points)\n\ntext", grade_id="a"),
            cell("code", "## none", grade_id="one", grade=True),
            cell("markdown", "## Question 2 ##"),
            new_markdown_cell("# Mine", metadata=added),
            cell("markdown", "# Mine too", grade_id="essay", solution=True, grade=True),
            cell("code", "1", grade_id="three", grade=True),
            cell("code", "1", grade_id="given", grade=False),
        ]
    )
    assert question_titles(notebook) == {
        "one": "Question 1: sums (2 points)",
        "essay": "Question 2: essay",
        "three": "Question 2: three",
    }


def test_the_table_of_checks_keeps_its_columns_apart_as_text(tmp_path: Path) -> None:
    assignment = assignment_of(make_course(tmp_path))
    notebook = report(assignment, answered(assignment, RIGHT), MARKS)
    text = BeautifulSoup(render(notebook), "html.parser").get_text()
    assert "✗ 0 / 1 Use a < b. wrong value" in text
