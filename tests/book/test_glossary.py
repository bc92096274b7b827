"""One thing has one name: the terms of the glossary are used, what they replace is not."""

from __future__ import annotations

import re

import pytest
from test_form import CHAPTERS, ROOT, prose

SOURCE = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
BODY = SOURCE.split("```{glossary}\n")[1].split("```")[0]
ENTRIES = [
    (term, " ".join(text.split()))
    for term, text in re.findall(r"^(\S.*)\n((?:  .*\n)+)", BODY, re.M)
]
REPLACED = [
    word.strip()
    for _, text in ENTRIES
    if "Not: " in text
    for word in text.split("Not: ")[1].rstrip(".").split(",")
]
# The derivation of a word counts as the word: views, traced, tracing, overfits.
STEM = {"trace": "trac", "overfitting": "overfit", "underfitting": "underfit", "held out": "held"}


def found(word: str, text: str, whole: bool = False) -> bool:
    end = r"s?\b" if whole else ""
    return re.search(rf"\b{re.escape(word)}{end}", text, re.IGNORECASE) is not None


def test_the_terms_stand_in_alphabetical_order_and_once() -> None:
    terms = [term for term, _ in ENTRIES]
    assert len(terms) > 30
    assert terms == sorted(set(terms))


@pytest.mark.parametrize(("term", "text"), ENTRIES, ids=[term for term, _ in ENTRIES])
def test_a_term_has_a_chinese_name_a_meaning_and_a_use(term: str, text: str) -> None:
    assert re.match(r"[\u4e00-\u9fff]+\. [A-Z]", text)
    assert any(found(STEM.get(term, term), prose(chapter)) for chapter in CHAPTERS)


@pytest.mark.parametrize("word", REPLACED)
def test_what_a_term_replaces_is_not_used(word: str) -> None:
    assert [chapter for chapter in CHAPTERS if found(word, prose(chapter), whole=True)] == []


def test_the_search_finds_a_word_and_no_part_of_one() -> None:
    assert found("loss", "The Losses.") and not found("loss", "flossed")
    assert found("backprop", "Backprops", whole=True)
    assert not found("backprop", "backpropagation", whole=True)
    assert "cost function" in REPLACED and "mini-batch" in REPLACED
