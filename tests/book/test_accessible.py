from __future__ import annotations

import pytest
from accessible import corrected


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('<div role="list" class="citation-list">', '<div class="citation-list">'),
        ('<div class="citation" id="a" role="doc-biblioentry">', '<div class="citation" id="a">'),
        ('<a role="doc-backlink" href="#a">', '<a href="#a">'),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<button class="btn search-button-field" title="Search" aria-label="Search" id="a">',
            '<button class="btn search-button-field" id="a">',
        ),
        (
            '<i class="theme-switch fa-sun" data-mode="light" title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light" aria-hidden="true"></i>',
        ),
        (
            '<div class="sidebar-primary-item">\n<a class="navbar-brand logo" href="#">',
            '<div class="sidebar-primary-item" role="navigation" aria-label="The book">\n'
            '<a class="navbar-brand logo" href="#">',
        ),
        ('<div class="sidebar-primary-item"><nav>', '<div class="sidebar-primary-item"><nav>'),
        ('<ul role="list">', '<ul role="list">'),
        ("<p>from 微分, the", '<p>from <span lang="zh">微分</span>, the'),
        ('<img alt="微分"><title>微分</title>', '<img alt="微分"><title>微分</title>'),
    ],
)
def test_a_page_is_corrected_once(written: str, instead: str) -> None:
    assert corrected(written) == instead
    assert corrected(instead) == instead
