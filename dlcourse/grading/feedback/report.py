"""The notebook that a student gets back: what was run, what it showed, and what the checks found.

It comes from the display run, in which no check took part, so it cannot show anything of one.
"""

from __future__ import annotations

import base64
import copy
from collections import Counter
from collections.abc import Sequence
from html import escape

import nbformat
from nbformat import NotebookNode

from dlcourse.grading.assignments.assignment import Assignment, grade_id
from dlcourse.grading.feedback.sanitize import clean_outputs
from dlcourse.grading.limited import OutOfLimitsError, limited
from dlcourse.grading.marking.marks import PASSED, Marks, QuestionMark

IMAGE_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}

STOPS = {
    "TimeoutError": "ran too long",
    "ProcessEnded": "ended the process",
    "MemoryError": "ran out of memory",
    "OutputError": "printed too much",
}


def report(assignment: Assignment, displayed: NotebookNode, marks: Marks) -> NotebookNode:
    """The displayed notebook, cleaned, with the result of the checks under each test cell."""
    notebook = _with_images(_cleaned(displayed), assignment)
    questions = {question.grade_id: question for question in marks.questions if question.checks}
    for cell in notebook.cells:
        question = questions.get(grade_id(cell) or "")
        if question is not None:
            cell.outputs.append(_check_report(question))
    return notebook


def _cleaned(displayed: NotebookNode) -> NotebookNode:
    """A copy with clean outputs; with none where to clean them takes too long."""
    try:
        cleaned: NotebookNode = limited(clean_outputs, displayed)
    except OutOfLimitsError:
        cleaned = copy.deepcopy(displayed)
        for cell in cleaned.cells:
            if cell.cell_type == "code" and cell.outputs:
                text = "[The outputs are not shown: they are too deeply nested to be checked.]\n"
                cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text=text)]
    return cleaned


def stopped_cells(displayed: NotebookNode) -> tuple[str, ...]:
    """What the sandbox had to stop in the display run, for the line that an instructor reads."""
    stops = Counter(
        STOPS[output.ename]
        for cell in displayed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
        and output.ename in STOPS
        and output.evalue.startswith("This cell ")
    )
    return tuple(
        f"{count} {'cell' if count == 1 else 'cells'} {what}" for what, count in stops.items()
    )


def refusal(assignment: Assignment, problem: str) -> NotebookNode:
    """The empty release under a note that says why the submission could not be graded."""
    notebook = _with_images(copy.deepcopy(assignment.release), assignment)
    text = f"**This submission could not be graded: {_plain_markdown(problem)}**"
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text))
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def _with_images(notebook: NotebookNode, assignment: Assignment) -> NotebookNode:
    """Attach the images that the instructor's cells show, so that the notebook stands alone."""
    texts = {grade_id(cell): cell.source for cell in assignment.release.cells}
    plain = {cell.source for cell in assignment.release.cells if grade_id(cell) is None}
    if (folder := assignment.files) is None:
        return notebook
    images = [path for path in assignment.file_paths if path.suffix in IMAGE_TYPES]
    for cell in notebook.cells:
        name = grade_id(cell)
        is_ours = cell.source == texts[name] if name in texts and name else cell.source in plain
        if cell.cell_type != "markdown" or not is_ours:
            continue
        for path in images:
            target = f"]({path.relative_to(folder).as_posix()})"
            if target in cell.source:
                content = base64.b64encode(path.read_bytes()).decode("ascii")
                bundle = NotebookNode({IMAGE_TYPES[path.suffix]: content})
                cell.setdefault("attachments", NotebookNode())[path.name] = bundle
                cell.source = cell.source.replace(target, f"](attachment:{path.name})")
    return notebook


def _check_report(question: QuestionMark) -> NotebookNode:
    passed = sum(check.outcome == PASSED for check in question.checks)
    title = f"Hidden checks: {passed} of {len(question.checks)} passed"
    heads = ("", "points", "what is checked", "what was observed")
    rows, lines = [_table_row("th", heads)], [title]
    for check in question.checks:
        good = check.outcome == PASSED
        sign, points = ("✓", "✗")[not good], f"{check.score:g} / {check.points:g}"
        texts = (PASSED, "") if good else (check.message, check.outcome)
        rows.append(_table_row("td", (sign, points, *texts)))
        lines.append(f"{sign} {points}  {PASSED if good else f'{texts[0]} ({texts[1]})'}")
    html = (
        f'<p><b>{title}</b></p>\n<table class="checks">\n<tbody>{"".join(rows)}</tbody>\n</table>'
    )
    if question.behaves_like:
        html += f"\n<p><b>Behaves like:</b> {escape(question.behaves_like)}</p>"
        lines.append(f"Behaves like: {question.behaves_like}")
    data = {"text/html": html, "text/plain": "\n".join(lines)}
    output: NotebookNode = nbformat.v4.new_output("display_data", data=data)
    return output


def _table_row(tag: str, texts: Sequence[str]) -> str:
    # With spaces, which stay between the columns where the table is read as text.
    cells = " ".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)
    return f"<tr>{cells}</tr>\n"


def _plain_markdown(text: str) -> str:
    """Text that Markdown shows as it is: the reason may quote a file name that a student chose."""
    return "".join(c if c.isalnum() or c in " .,:" else f"&#{ord(c)};" for c in text)
