"""The numbers in a chapter's prose, and those that its cells state or print."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

# 4,000  0.25  -3  1e-6; not the 2 of x2, nor the parts of a version or of a date.
NUMBER = re.compile(
    r"(?<![\w.,])(?<!\w-)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?:e[+-]?\d+)?(?![\w]|[.,]?\d)"
)
HEADING = re.compile(r"\d+(?:\.\d+)* ")  # "3.4.2 Gradient descent"
SECTION = re.compile(r"[Ss]ections?\s+[\d.]+(?:\s*(?:,|and|to|–)\s*[\d.]+)*")
IN_OUTPUT = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?")
COUNTED = range(13)  # "two parameters", "the first 10": nobody computes these
YEARS = range(1600, 2100)


@functools.cache
def parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable("table")
    for plugin in (
        front_matter_plugin,
        myst_block_plugin,
        myst_role_plugin,
        colon_fence_plugin,
        dollarmath_plugin,
    ):
        markdown.use(plugin)
    return markdown


def prose_of(text: str) -> Iterator[str]:
    """The words of a page and its formulas in the line, a block at a time: no code, no address."""
    tokens = parser().parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline":
            words = "".join(_words(token.children or ()))
            yield HEADING.sub("", words, count=1) if _is_title(before) else words
        elif token.type == "colon_fence" or token.info.startswith("{figure}"):
            yield from prose_of(_without_options(token.content))


def _is_title(token: Token | None) -> bool:
    return token is not None and token.type == "heading_open" and token.tag == "h1"


def _words(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "text" and "://" not in token.content:
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type == "math_inline":
            yield " " + re.sub(r"[{}^_\\\\]", " ", token.content) + " "
        elif token.type in ("code_inline", "myst_role"):
            yield " … "


def _without_options(content: str) -> str:
    return "\n".join(line for line in content.splitlines() if not re.match(r":[\w-]+:", line))


def numbers_in(text: str) -> list[str]:
    """The numbers of a text that somebody has computed or measured, as they stand there."""
    text = SECTION.sub(" … ", text)
    found = [match[0] for match in NUMBER.finditer(text)]
    return [n for n in found if not ("." not in n and value(n) in (*COUNTED, *YEARS))]


def value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-"))


def stated(notebook: Path) -> set[float]:
    """The numbers in the cells of a notebook: those of its code and those that it printed."""
    found: set[float] = set()
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            texts = [cell.source]
            for output in cell.outputs:
                data = output.get("data", {}).get("text/plain", "")
                texts += [output.get("text", ""), data]
            for text in texts:
                found |= {abs(value(match[0])) for match in IN_OUTPUT.finditer(text)}
    return found


def is_stated(number: str, numbers: Iterable[float]) -> bool:
    """Whether one of the numbers, rounded as the text has it, is this; also as a percentage."""
    wanted, half = value(number), 0.5 * unit_of(number)
    return any(abs(factor * x - wanted) <= half * 1.000001 for x in numbers for factor in (1, 100))


def unit_of(number: str) -> float:
    """What its last digit counts: 0.01 in 0.82, 1e-7 in 1.2e-6, 1000 in 4,000."""
    digits, _, exponent = number.replace(",", "").partition("e")
    decimals = len(digits.partition(".")[2])
    # 4,000 may stand for 3,962: the zeros at the end of an integer are no digits of it.
    zeros = 0 if "." in digits else len(digits) - len(digits.rstrip("0"))
    return float(10.0 ** (min(zeros, len(digits) - 1) - decimals + int(exponent or 0)))
