"""Makes what a student's notebook shows harmless to the browser that shows it.

Nothing that a student wrote may run a script or load anything, neither in the feedback page nor in
formgrader, where the reader is an instructor.
"""

from __future__ import annotations

from contextlib import suppress
from html import escape
from typing import Any

import bleach
from jinja2 import pass_context
from jinja2.runtime import Context
from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from dlcourse.grading.assignments.rebuild import ADDED

# fmt: off
TAGS = frozenset({
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "s", "samp", "small", "span",
    "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u",
    "ul", "var",
})
ATTRIBUTES = frozenset({
    "align", "alt", "class", "colspan", "height", "open", "rowspan", "scope", "title", "width",
})
# fmt: on
EMBEDDED_IMAGES = ("data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;")
LINKS = ("https://", "http://", "mailto:", "#")
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
MAX_MARKDOWN = 50_000  # characters of a student's cell; parsing much more could take minutes
TEXTS = ("text/plain", "text/html", "text/latex", "text/markdown")


class MathMLRenderer(IPythonRenderer):
    """Writes formulas as MathML, which browsers show without any script."""

    def inline_math(self, body: str) -> str:
        return str(convert(body))

    def block_math(self, body: str) -> str:
        return f"<p>{convert(body, display='block')}</p>"


def clean_html(html: str) -> str:
    """HTML without scripts, styles, forms, and without anything that a browser would load."""
    try:
        cleaned: str = bleach.clean(
            html,
            tags=TAGS,
            attributes=_allowed,
            protocols=frozenset({"http", "https", "mailto", "data"}),
            strip=True,
            strip_comments=True,
        )
    except RecursionError:
        return escape(html)
    return cleaned


def clean_outputs(notebook: NotebookNode) -> NotebookNode:
    """Clean the outputs of every cell, in place: known types only, HTML cleaned, no metadata."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [clean for output in cell.outputs if (clean := _clean_output(output))]
    return notebook


@pass_context
def markdown_to_html(context: Context, source: str) -> str:
    """nbconvert's filter ``markdown2html``, but for a student's text cleaned afterwards.

    The instructor's own read-only cells are left as they are: they may hold an inline drawing.
    """
    cell: Any = context.get("cell", {})
    attachments = cell.get("attachments", {})
    if _is_instructors(cell, source):
        renderer = MathMLRenderer(escape=False, attachments=attachments)
        return str(MarkdownWithMath(renderer=renderer).render(source))
    markdown = MarkdownWithMath(renderer=IPythonRenderer(escape=False, attachments=attachments))
    if len(source) <= MAX_MARKDOWN:
        with suppress(Exception):  # text that nbconvert cannot render is shown as text
            return clean_html(markdown.render(source))
    return f"<pre>{escape(source)}</pre>"


def _is_instructors(cell: Any, source: str) -> bool:
    if cell.get("cell_type") != "markdown" or cell.get("source") != source:
        return False
    metadata = cell.get("metadata", {})
    origin = metadata.get("dlcourse", {}).get("origin")
    return origin != ADDED and not metadata.get("nbgrader", {}).get("solution", False)


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag == "img" and name == "src":
        return value.lower().startswith(EMBEDDED_IMAGES)
    if tag == "a" and name == "href":
        return value.lower().startswith(LINKS)
    return name in ATTRIBUTES


def _clean_output(output: NotebookNode) -> NotebookNode | None:
    kind = output.output_type
    if kind in ("stream", "error"):
        return output
    if kind not in ("display_data", "execute_result"):
        return None
    data = NotebookNode()
    for mime, value in output.data.items():
        if mime in TEXTS or mime in IMAGES:
            text = value if isinstance(value, str) else "".join(map(str, value))
            data[mime] = clean_html(text) if mime in ("text/html", "text/markdown") else text
    if not data:
        return None
    cleaned = NotebookNode(output_type=kind, data=data, metadata=NotebookNode())
    if kind == "execute_result":
        cleaned["execution_count"] = output.get("execution_count")
    return cleaned
