"""Pages that load what they show and nothing else.

The theme loads two thousand icons, a script and a font of them, on every page, and the index of the
search; extensions load their styles and scripts whether a page needs them or not. After the build
each page loses what it has no use for, and the icons that no page shows leave the style sheet and
the font.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from built_pages import rewrite_pages
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

logging.getLogger("fontTools.subset").setLevel(logging.WARNING)  # it reports each table
STYLES = Path("_static/styles/pydata-sphinx-theme.css")
ICONS = Path("_static/vendor/fontawesome/webfonts/fa-solid-900.woff2")
# What a page loads, by a part of its address, and what in the page makes use of it.
NEEDED_BY = {
    "scripts/fontawesome.js": None,  # draws as pictures what the font of the icons draws as well
    "searchtools.js": 'id="search-results"',
    "language_data.js": 'id="search-results"',
    "searchindex.js": 'id="search-results"',
    "sphinx-design.min.css": 'class="sd-',
    "design-tabs.js": "sd-tab-set",
    "_static/mystnb.": 'class="cell',
    "clipboard.min.js": 'class="highlight',
    "copybutton.css": 'class="highlight',
    "copybutton.js": 'class="highlight',
    "temml.css": "<math",
}
LOADS = re.compile(
    r'\s*<(?:script|link)\b[^>]*?\b(?:src|href)="(?P<address>[^"]*)"[^>]*>(?:\s*</script>)?'
)
ICON_RULE = re.compile(r'(?P<names>(?:\.fa-[\w-]+:before,?)+)\{content:"\\(?P<code>[\da-f]+)"\}')
OTHER_FONTS = re.compile(r"@font-face\{[^}]*(?:fa-regular|fa-brands|fa-v4)[^}]*\}")


def without_unused_files(html: str) -> str:
    """A page without the styles and scripts that nothing in it needs."""
    body = html[html.find("<body") :]

    def kept(match: re.Match[str]) -> str:
        for part, mark in NEEDED_BY.items():
            if part in match["address"] and (mark is None or mark not in body):
                return ""
        return match[0]

    return LOADS.sub(kept, html)


def without_unused_icons(css: str, names: Iterable[str]) -> str:
    """A style sheet with the rules of the icons of these names, and of no other."""
    used = {f".{name}:before" for name in names}

    def kept(match: re.Match[str]) -> str:
        wanted = used.intersection(match["names"].split(","))
        return f'{",".join(sorted(wanted))}{{content:"\\{match["code"]}"}}' if wanted else ""

    return OTHER_FONTS.sub("", ICON_RULE.sub(kept, css))


def icon_characters(css: str) -> set[int]:
    """The characters of the font of icons that a style sheet uses: private ones."""
    escaped = {int(code, 16) for code in re.findall(r"\\([\da-f]{4})\b", css)}
    return {c for c in escaped | set(map(ord, css)) if 0xE000 <= c <= 0xF8FF}


def _shrink(app: Sphinx, failure: Exception | None) -> None:
    pages = rewrite_pages(app, failure, without_unused_files)
    if not pages:
        return
    output = Path(app.outdir)
    names = {name for html in pages for name in re.findall(r"\bfa-[\w-]+", html)}
    css = (output / STYLES).read_text(encoding="utf-8")
    (output / STYLES).write_text(without_unused_icons(css, names), encoding="utf-8")
    sheets = [path.read_text(encoding="utf-8") for path in output.rglob("*.css")]
    _keep_glyphs(output / ICONS, icon_characters("".join(sheets)))


def _keep_glyphs(path: Path, characters: set[int]) -> None:
    font = TTFont(path)
    subsetter = Subsetter(Options(flavor="woff2", layout_features=[], hinting=False))
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    font.flavor = "woff2"
    font.save(path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _shrink, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
