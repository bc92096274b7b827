"""The errata of the article: a list of all boxes "The article says", with a link to each.

The boxes stand in the chapters, beside the cell that shows what is true. The directive ``errata``
makes a table of them, a row a box, in the order of the chapters.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

BOX = "article-says"
COLUMNS = (("What the article says, and what is true", 70), ("Where it is shown", 30))


class ErrataList(nodes.General, nodes.Element):
    """Where the table will stand; it is made when all pages have been read."""


class Errata(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [ErrataList()]


def _boxes(env: BuildEnvironment) -> dict[str, list[tuple[str, str]]]:
    """Of each page, the boxes: the id and the words of the first paragraph."""
    if not hasattr(env, "article_says"):
        env.article_says = {}  # type: ignore[attr-defined]
    return env.article_says  # type: ignore[attr-defined, no-any-return]


def _collect(app: Sphinx, doctree: nodes.document) -> None:
    found = []
    for box in doctree.findall(nodes.admonition):
        if BOX in box["classes"]:
            name = f"{BOX}-{len(found) + 1}"
            box["ids"].append(name)
            found.append((name, _first_paragraph(box)))
    _boxes(app.env)[app.env.docname] = found
    if next(iter(doctree.findall(ErrataList)), None) is not None:
        app.env.errata_pages = {app.env.docname}  # type: ignore[attr-defined]


def _first_paragraph(box: nodes.admonition) -> str:
    paragraph = next(box.findall(nodes.paragraph)).deepcopy()
    for citation in list(paragraph.findall(nodes.footnote_reference)):
        citation.parent.remove(citation)
    return " ".join(paragraph.astext().split()).replace(" .", ".").replace(" ,", ",")


def _forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    del app
    _boxes(env).pop(docname, None)


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str],
              removed: set[str]) -> list[str]:  # fmt: skip
    """The page of the errata, whenever another page has changed."""
    del app
    return list(getattr(env, "errata_pages", ())) if added | changed | removed else []


def _fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for place in list(doctree.findall(ErrataList)):
        place.replace_self(_table(app, docname))


def _table(app: Sphinx, docname: str) -> nodes.table:
    body = nodes.tbody()
    for page in app.env.collect_relations():  # in the order of the table of contents
        title = app.env.titles[page].astext()
        for name, text in _boxes(app.env).get(page, ()):
            link = nodes.reference("", title, internal=True)
            link["refuri"] = f"{app.builder.get_relative_uri(docname, page)}#{name}"
            cells = nodes.paragraph("", text), nodes.paragraph("", "", link)
            body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
    group = nodes.tgroup("", cols=len(COLUMNS))
    group += [nodes.colspec(colwidth=width) for _, width in COLUMNS]
    head = nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text, _ in COLUMNS))
    group += nodes.thead("", head)
    group += body
    return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(ErrataList)
    app.add_directive("errata", Errata)
    app.connect("doctree-read", _collect)
    app.connect("env-purge-doc", _forget)
    app.connect("env-get-outdated", _outdated)
    app.connect("doctree-resolved", _fill)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
