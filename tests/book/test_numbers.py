"""The numbers in the prose of a chapter are those that its cells print, rounded, or are given."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from prose_numbers import is_stated, numbers_in, prose_of, stated

BOOK = Path(__file__).resolve().parents[2] / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("[0-9]*.md"))
GIVEN: dict[str, dict[str, str]] = tomllib.loads((BOOK / "given_numbers.toml").read_text("utf-8"))


def unstated(chapter: str) -> Iterator[tuple[str, str]]:
    """The numbers that no cell of the chapter states, each with the text around it."""
    numbers = stated(BOOK / "notebooks" / f"{chapter}.ipynb")
    for block in prose_of((BOOK / f"{chapter}.md").read_text(encoding="utf-8")):
        for number in numbers_in(block):
            if not is_stated(number, numbers):
                at = block.find(number)
                yield number, block[max(0, at - 60) : at + 60]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_number_in_prose_is_printed_or_given(chapter: str) -> None:
    given = GIVEN.get(chapter, {})
    found = [(number, text) for number, text in unstated(chapter) if number not in given]
    assert found == [], (
        "print these numbers in a cell, or list them in book/given_numbers.toml and say where they "
        "come from"
    )


@pytest.mark.parametrize(
    ("number", "formula"),
    [
        (number, origin.removeprefix("="))
        for origins in GIVEN.values()
        for number, origin in origins.items()
        if origin.startswith("=")
    ],
)
def test_a_number_that_is_computed_by_hand_is_right(number: str, formula: str) -> None:
    assert is_stated(number, [eval(formula, {**vars(math)})])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_number_is_listed_in_vain(chapter: str) -> None:
    assert GIVEN.get(chapter, {}).keys() - {number for number, _ in unstated(chapter)} == set()


def test_only_chapters_have_given_numbers() -> None:
    assert set(CHAPTERS) >= GIVEN.keys()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It takes 4,000 steps, or 0.25 s.", ["4,000", "0.25"]),
        ("Two of 12 in 1970; section 3.4 and sections 2.1 and 2.2.", []),
        ("# 3.4.2 Gradient descent in 44 steps", ["44"]),
        ("In float32, x2 and 3.11.7 are names.", []),
        ("An error of 1e-6, and -17 %.", ["1e-6", "17"]),
        ("`0.5` and <https://a.example/77> are none.", []),
        ("$\\kappa = 470$", ["470"]),
        ("$$\\kappa = 470$$", []),
        ("```{figure} a.svg\n:name: fig-77\n\nOf 88 runs.\n```", ["88"]),
        (":::{admonition} 55 steps\n:class: note-66\n\nIn 77 steps.\n:::", ["77"]),
        ("{footcite}`kingma2015adam` and {eq}`99`", []),
        ("```{code-cell}\nx = 99\n```", []),
    ],
)
def test_the_numbers_of_a_text(text: str, numbers: list[str]) -> None:
    assert [number for block in prose_of(text) for number in numbers_in(block)] == numbers


@pytest.mark.parametrize(
    ("number", "printed", "is_there"),
    [
        ("0.82", 0.8182, True),
        ("0.82", 0.8282, False),
        ("82", 0.8182, True),  # per cent
        ("4,000", 3962.0, True),
        ("4,000", 3400.0, False),
        ("3,962", 3960.0, False),
        ("442", 442.0, True),
        ("1e-6", 1.04e-6, True),
        ("1e-6", 3e-6, False),
    ],
)
def test_a_number_is_stated_if_one_rounds_to_it(
    number: str, printed: float, is_there: bool
) -> None:
    assert is_stated(number, [printed]) == is_there
