"""MyST Markdown in the words that JupyterLab and Colab understand.

Admonitions become quotations, dropdowns become <details>, citations become author and year, and a
bibliography becomes the list of what the chapter cites.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from pybtex.database import Entry, parse_file
from pybtex.plugin import find_plugin

OPENING = re.compile(r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w:-]+)\}[ ]*(?P<title>.*)$")
CODE_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})(?!\{)")
OPTION = re.compile(r"^:[\w-]+:.*$")
TARGET = re.compile(r"^\([\w-]+\)=$")
ROLE = re.compile(r"\{(?P<name>[a-z:]+)\}`(?P<text>[^`]+)`")
CHAPTER_LINK = re.compile(r"\]\((?P<file>[\w./-]+)\.md(?P<anchor>#[\w-]+)?\)")
ADMONITIONS = {"note", "tip", "hint", "warning", "important", "caution", "seealso"}


class References:
    """The bibliography of the book; remembers what a chapter cites.

    Args:
        path: A BibTeX file.
    """

    def __init__(self, path: Path) -> None:
        self._data = parse_file(str(path))
        self._cited: dict[str, None] = {}

    def entry(self, key: str) -> Entry:
        if key not in self._data.entries:
            raise ValueError(f"{{footcite}}`{key}`: no such entry in references.bib; add it there")
        self._cited[key] = None
        return self._data.entries[key]

    def names(self, key: str) -> str:
        """The authors as a text says them: one, two, or the first with "et al."."""
        people = self.entry(key).persons.get("author") or self.entry(key).persons.get("editor", [])
        last = [" ".join([*p.prelast_names, *p.last_names]).strip("{}") for p in people]
        if not last:
            return str(self.entry(key).fields["title"]).replace("{", "").replace("}", "")
        if len(last) <= 2:
            return " and ".join(last)
        return f"{last[0]} et al."

    def year(self, key: str) -> str:
        return str(self.entry(key).fields.get("year", "n.d."))

    def listing(self) -> str:
        """What was cited so far, as a Markdown list in the order of the names."""
        style = find_plugin("pybtex.style.formatting", "plain")()
        backend = find_plugin("pybtex.backends", "markdown")()
        entries = [self.entry(key) for key in self._cited]
        formatted = style.format_entries(entries, self._data)
        return "\n".join(f"- {item.text.render(backend)}" for item in formatted)


def plain_markdown(text: str, references: References) -> str:
    """``text`` without MyST's directives and roles.

    Raises:
        ValueError: A directive or role that has no form in a notebook, or an unknown citation.
    """
    return _lines(text.split("\n"), references)


def _lines(lines: list[str], references: References) -> str:
    out: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        opening, code = OPENING.match(line), CODE_FENCE.match(line)
        if opening or code:
            end = _closing(lines, position, (opening or code)["fence"])  # type: ignore[index]
            if opening:
                inside = lines[position + 1 : end]
                out.append(_directive(opening["name"], opening["title"], inside, references))
            else:
                out += lines[position : end + 1]
            position = end
        elif not TARGET.match(line):
            out.append(_inline(line, references))
        position += 1
    return "\n".join(out)


def _closing(lines: list[str], start: int, fence: str) -> int:
    """Where the block ends that ``fence`` opens: a line of the same sign, at least as long."""
    end = re.compile(rf"^{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for position in range(start + 1, len(lines)):
        if end.match(lines[position]):
            return position
    raise ValueError(f"line {lines[start]!r} opens a block that is never closed")


def _directive(name: str, title: str, inside: list[str], references: References) -> str:
    while inside and OPTION.match(inside[0]):
        inside = inside[1:]
    if name == "footbibliography":
        return references.listing()
    body = _lines(inside, references).strip("\n")
    title = _inline(title, references)
    if name == "dropdown":
        return f"<details>\n<summary>{escape(title)}</summary>\n\n{body}\n\n</details>"
    if name == "admonition" or name in ADMONITIONS:
        quoted = f"**{title or name.capitalize()}**\n\n{body}"
        return "\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))
    raise ValueError(
        f"the directive {{{name}}} has no form in a notebook; "
        "give it one in tools/notebook_markdown.py, or write plain Markdown"
    )


def _inline(line: str, references: References) -> str:
    line = ROLE.sub(lambda match: _role(match["name"], match["text"], references), line)
    return CHAPTER_LINK.sub(lambda match: f"]({match['file']}.ipynb{match['anchor'] or ''})", line)


def _role(name: str, text: str, references: References) -> str:
    keys = [key.strip() for key in text.split(",")]
    if name == "footcite:t":
        return ", ".join(f"{references.names(k)} ({references.year(k)})" for k in keys)
    if name in ("footcite", "footcite:p"):
        return f"({'; '.join(f'{references.names(k)}, {references.year(k)}' for k in keys)})"
    if name == "math":
        return f"${text}$"
    raise ValueError(
        f"the role {{{name}}} has no form in a notebook; "
        "give it one in tools/notebook_markdown.py, or write plain Markdown"
    )
