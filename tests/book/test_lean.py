"""What a page loads, and formulas as MathML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from lean import icon_characters, without_unused_files, without_unused_icons
from mathml import mathml

PAGE = """<html><head>
<link rel="stylesheet" href="_static/basic.css?v=1" />
<link rel="stylesheet" href="_static/sphinx-design.min.css?v=1" />
<script defer src="_static/scripts/fontawesome.js?digest=1"></script>
<script src="_static/design-tabs.js"></script>
<script>let kept = "searchtools.js";</script>
</head><body>BODY</body></html>"""


def test_a_page_keeps_what_it_needs() -> None:
    lean = without_unused_files(PAGE)
    assert "basic.css" in lean and "let kept" in lean
    assert "sphinx-design" not in lean
    assert "design-tabs" not in lean
    tabs = without_unused_files(PAGE.replace("BODY", '<div class="sd-tab-set"></div>'))
    assert "sphinx-design" in tabs and "design-tabs" in tabs
    assert "fontawesome" not in tabs
    assert without_unused_files(tabs) == tabs


def test_a_style_sheet_keeps_the_icons_that_are_used() -> None:
    css = (
        r'.fa-a:before{content:"\f001"}.fa-b:before,.fa-c:before{content:"\f002"}p{color:red}'
        "@font-face{font-family:x;src:url(fa-brands-400.woff2)}"
    )
    assert without_unused_icons(css, ["fa-c"]) == r'.fa-c:before{content:"\f002"}p{color:red}'


def test_characters_of_icons_are_found_escaped_and_as_they_are() -> None:
    assert icon_characters('a{content:"\\f107"} b{--x:"\uf0c9"} c{content:"\\2014"}') == {
        0xF107,
        0xF0C9,
    }


@pytest.mark.parametrize(
    ("latex", "display", "parts"),
    [
        (r"x_1^2", False, ["msubsup"]),
        (r"\frac{1}{n}\sum_{i=1}^n", True, ["mfrac", "munderover"]),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", True, ["mtable"]),
    ],
)
def test_a_formula_becomes_mathml(latex: str, display: bool, parts: list[str]) -> None:
    element = ElementTree.fromstring(mathml(latex, display))
    assert element.get("display", "inline") == ("block" if display else "inline")
    assert [part for part in parts if element.find(f".//{part}") is None] == []


@pytest.mark.parametrize("latex", [r"\unknown", r"\frac{1", r"x_"])
def test_a_formula_that_is_not_understood_is_an_error_that_names_it(latex: str) -> None:
    with pytest.raises(ValueError, match="not a formula that can be shown") as caught:
        mathml(latex, display=False)
    assert repr(latex) in str(caught.value)
