"""Each chapter has the form that CONTRIBUTING.md describes."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from nbformat import NotebookNode
from notebooks import chapters

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [source.stem for source in chapters()]
WORDS, LINES, COLUMNS = 4000, 25, 79
LAST_SECTIONS = ["Check yourself", "Exercises", "Summary", "Sources"]
TABS = ["dlcourse", "PyTorch", "TensorFlow"]
TITLE = re.compile(r"^# (?P<number>\d+(?:\.\d+)*) [A-Z]", re.MULTILINE)
# A cell that prints whether two numbers agree, and neither the difference nor the tolerance.
VERDICT = re.compile(r"print\([^\n]*\b(?:allclose|array_equal|isclose)\(")


def all_cells(chapter: str) -> list[NotebookNode]:
    text = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")
    return list(jupytext.reads(text, fmt="md:myst").cells)


def cells(chapter: str, kind: str) -> list[NotebookNode]:
    return [cell for cell in all_cells(chapter) if cell.cell_type == kind]


def prose(chapter: str) -> str:
    return "\n\n".join(cell.source for cell in cells(chapter, "markdown"))


def number_of(chapter: str) -> list[int]:
    match = TITLE.search(prose(chapter))
    assert match, f"the title of {chapter} starts with no section number"
    return [int(part) for part in match["number"].split(".")]


def test_the_chapters_stand_in_the_order_of_their_numbers() -> None:
    numbers = [number_of(chapter) for chapter in CHAPTERS]
    assert numbers == sorted(numbers)
    assert len({tuple(number) for number in numbers}) == len(numbers)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_number_in_the_title_is_that_of_the_file(chapter: str) -> None:
    named = [int(part) for part in re.match(r"[\d-]*\d", chapter)[0].split("-")]  # type: ignore[index]
    assert number_of(chapter)[: len(named)] == named


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_is_no_longer_than_a_reader_has_patience(chapter: str) -> None:
    assert len(prose(chapter).split()) <= WORDS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_cell_fits_on_the_screen(chapter: str) -> None:
    too_large = [
        cell.source[:60]
        for cell in cells(chapter, "code")
        if len(lines := cell.source.splitlines()) > LINES or max(map(len, lines)) > COLUMNS
    ]
    assert too_large == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_cell_prints_a_difference_and_its_tolerance_and_not_a_verdict(chapter: str) -> None:
    assert [c.source[:60] for c in cells(chapter, "code") if VERDICT.search(c.source)] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_opens_with_what_it_teaches_and_ends_as_all_do(chapter: str) -> None:
    text = prose(chapter)
    assert ":class: objectives" in text[:300]
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[-len(LAST_SECTIONS) :] == LAST_SECTIONS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_question_has_its_answer_folded_below_it_and_an_exercise_a_hint_too(chapter: str) -> None:
    text = prose(chapter)
    for section, below in (("Check yourself", 1), ("Exercises", 2)):
        body = re.split(r"^## ", text.split(f"\n## {section}\n")[1], flags=re.MULTILINE)[0]
        items = re.split(r"^\d+\. ", body, flags=re.MULTILINE)[1:]
        assert items, f"no numbered item in {section}"
        bare = [item[:60] for item in items if item.count("{dropdown}") < below]
        assert bare == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_figure_has_a_name_a_caption_and_a_description(chapter: str) -> None:
    bare = []
    for cell in cells(chapter, "code"):
        options = cell.metadata.get("mystnb", {})
        figure = options.get("figure", {})
        if "image" in options and not (
            figure.get("name", "").startswith("fig-")
            and figure.get("caption")
            and options["image"].get("alt")
        ):
            bare.append(cell.source[:60])
    assert bare == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_tabs_stand_in_one_order(chapter: str) -> None:
    runs: list[list[str]] = [[]]
    for cell in all_cells(chapter):
        tags = [t.removeprefix("tab:") for t in cell.metadata.get("tags", []) if "tab:" in t]
        if not tags:
            runs.append([])
        elif tags[0] not in runs[-1]:
            runs[-1].append(tags[0])
    known = [[name for name in run if name in TABS] for run in runs]
    assert [run for run in known if run != sorted(run, key=TABS.index)] == []
