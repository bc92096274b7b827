"""What several extensions do with the pages once they are built: read each, and write it better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx


def rewrite_pages(
    app: Sphinx, failure: Exception | None, change: Callable[[str], str]
) -> list[str]:
    """Replace each page of a successful HTML build by what ``change`` makes of it.

    Args:
        app, failure: Of Sphinx's event build-finished.
        change: From the HTML of a page to that of a better one.

    Returns:
        The pages as they are now; none if the build failed or made no HTML.
    """
    if failure is not None or app.builder.format != "html":
        return []
    pages = []
    for path in Path(app.outdir).rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        pages.append(better := change(html))
        if better != html:
            path.write_text(better, encoding="utf-8")
    return pages
