"""Styles, scripts and fonts that have changed get into the build, also if no page has.

Sphinx copies them when it writes a page. If none is out of date, it stops before that, and the old
files stay. So one page, the first, counts as out of date when such a file does.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterable
from pathlib import Path

import stage
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def without_a_copy(pairs: Iterable[tuple[Path, Path]]) -> list[Path]:
    """The files of which there is no copy, or another one."""
    return [
        source
        for source, copy in pairs
        if not copy.exists() or not filecmp.cmp(source, copy, shallow=False)
    ]


def _outdated(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    if app.builder.format != "html" or added | changed | removed:
        return []
    copies = Path(app.outdir) / "_static"
    folders = [Path(app.srcdir) / folder for folder in app.config.html_static_path]
    pairs = [
        (path, copies / path.relative_to(folder))
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".md"
    ]
    pairs += [(Path(str(stage.SOURCES / name)), copies / name) for name in stage.PARTS]
    return [env.config.root_doc] if without_a_copy(pairs) else []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-outdated", _outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
