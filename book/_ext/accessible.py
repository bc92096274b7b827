"""What the theme and its extensions write and screen readers stumble over, put right in the pages.

Each row of `CORRECTIONS` is a pattern in the HTML and what stands there instead. A test runs
axe-core over the built pages, so a correction that a new version of the theme makes superfluous, or
undoes, is seen.
"""

from __future__ import annotations

import re

from built_pages import rewrite_pages
from sphinx.application import Sphinx

CORRECTIONS = [
    # docutils gives the bibliography roles that are deprecated, or not allowed where they stand.
    (r' role="list"(?= class="citation-list")', ""),
    (r' role="doc-(?:biblioentry|backlink)"', ""),
    # The title of the book, above the table of contents, stands outside of every landmark.
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)',
        '<div class="sidebar-primary-item" role="navigation" aria-label="The book">',
    ),
    # A name that is not what one reads on the thing: who says what is written there finds nothing.
    (r'(<summary) aria-label="Toggle hidden content"', r"\1"),
    (r'(<button class="btn search-button-field[^>]*?) title="Search" aria-label="Search"', r"\1"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r'\1 aria-hidden="true"'),
]


CHINESE = re.compile(r"[\u3400-\u9fff]+")
WITHIN_TAGS = re.compile(
    r"(<(?:script|style|title)\b.*?</(?:script|style|title)>|<[^>]*>)", re.DOTALL
)


def corrected(html: str) -> str:
    """A page with all corrections; to correct it again changes nothing."""
    for pattern, replacement in CORRECTIONS:
        html = re.sub(pattern, replacement, html)
    return with_languages(html)


def with_languages(html: str) -> str:
    """A page whose Chinese words say that they are Chinese, so that they are read as such."""
    parts = WITHIN_TAGS.split(html)
    for i in range(0, len(parts), 2):  # the text between the tags
        if i == 0 or parts[i - 1] != '<span lang="zh">':
            parts[i] = CHINESE.sub(r'<span lang="zh">\g<0></span>', parts[i])
    return "".join(parts)


def _correct_pages(app: Sphinx, failure: Exception | None) -> None:
    rewrite_pages(app, failure, corrected)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _correct_pages)
    app.add_js_file("scrollable.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
