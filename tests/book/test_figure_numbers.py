"""Figures are numbered by chapter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from figure_numbers import by_chapter, section_of


@pytest.mark.parametrize(
    ("title", "section"),
    [("3.4.4 The noise", (3, 4, 4)), ("1 What", (1,)), ("Errata", ()), ("2021 in short", (2021,))],
)
def test_the_section_is_the_number_in_front(title: str, section: tuple[int, ...]) -> None:
    assert section_of(title) == section


def test_a_page_counts_its_own_figures_in_their_order() -> None:
    numbers = {"figure": {"b": (18,), "a": (17,)}, "table": {"t": (3,)}}
    assert by_chapter(numbers, (3, 4)) == {
        "figure": {"a": (3, 4, 1), "b": (3, 4, 2)},
        "table": {"t": (3, 4, 1)},
    }


def test_each_page_of_the_book_counts_from_1(site: Path) -> None:
    counted = 0
    for page in sorted((site / "book").glob("[0-9]*.html")):
        html = page.read_text(encoding="utf-8")
        (title,) = set(re.findall(r"<h1>([\d.]+) ", html))
        captions = re.findall(r'class="caption-number">Fig\. ([\d.]+) ', html)
        assert captions == [f"{title}.{i}" for i in range(1, len(captions) + 1)]
        counted += len(captions)
    assert counted > 20
