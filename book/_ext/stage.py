"""Recorded graphs that a reader can play: `dlcourse.views.stage` as a part of a page.

By itself a stage brings its style and its script along, so that it works in JupyterLab. In the book
a page with stages loads each of the two once.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

STAGE = '<div class="dl-stage"'
BROUGHT_ALONG = re.compile(
    rf"(?P<opening>{STAGE}[^>]*>)<style>.*?</style>(?P<stage>.*?)<script>.*?</script>", re.DOTALL
)
PARTS = STYLE, SCRIPT = "stage.css", "stage.js"
SOURCES = files("dlcourse.views.stage")


def _copy_parts(app: Sphinx) -> None:
    if app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        static.mkdir(parents=True, exist_ok=True)
        for name in PARTS:
            text = (SOURCES / name).read_text(encoding="utf-8")
            (static / name).write_text(text, encoding="utf-8")


def _share_parts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:  # fmt: skip
    del pagename, templatename, doctree
    if STAGE in context.get("body", ""):
        context["body"] = BROUGHT_ALONG.sub(r"\g<opening>\g<stage>", context["body"])
        app.add_css_file(STYLE)
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _copy_parts)
    app.connect("html-page-context", _share_parts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
