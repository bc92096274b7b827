"""Figures are numbered by chapter: the second one of "3.4.4 The noise of minibatches" is 3.4.4.2.

Sphinx counts figures through the whole book, so that a new one would move all that follow.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

Numbers = dict[str, dict[str, tuple[int, ...]]]


def section_of(title: str) -> tuple[int, ...]:
    """The number that a title begins with; nothing if it begins with none."""
    match = re.match(r"\d+(?:\.\d+)*(?= )", title)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def by_chapter(numbers: Numbers, section: tuple[int, ...]) -> Numbers:
    """The numbers of a page's figures, by kind and id: its section, then 1, 2, ..."""
    return {
        kind: {
            name: (*section, position)
            for position, name in enumerate(sorted(ids, key=lambda name: ids[name]), start=1)
        }
        for kind, ids in numbers.items()
    }


def _number(app: Sphinx, env: BuildEnvironment) -> None:
    del app
    for page, numbers in env.toc_fignumbers.items():
        section = section_of(env.titles[page].astext())
        env.toc_fignumbers[page] = by_chapter(numbers, section)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-check-consistency", _number)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
