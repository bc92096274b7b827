"""Every link within the site leads somewhere: the file is there, and so is the place in it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

LINKS = {"a": "href", "img": "src", "script": "src", "link": "href", "source": "src"}


@cache
def parsed(page: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The places in a page that can be linked to, and the addresses that it links to."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    places = {element["id"] for element in soup.find_all(id=True)}
    addresses = {
        element[attribute]
        for tag, attribute in LINKS.items()
        for element in soup.find_all(tag)
        if element.get(attribute)
    }
    return frozenset(places), frozenset(addresses)


def broken_links(site: Path) -> Iterator[str]:
    """Each link of a page of ``site`` that leads nowhere, with the page."""
    for page in sorted(site.rglob("*.html")):
        name = page.relative_to(site).as_posix()
        if name.startswith("_static/"):  # templates of the theme
            continue
        for address in sorted(parsed(page)[1]):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), parts.path))
            target = site / unquote(path).lstrip("/") if parts.path else page
            place = unquote(parts.fragment)
            if not target.is_file():
                yield f"{name}: there is no {address}"
            elif place and target.suffix == ".html" and place not in parsed(target)[0]:
                yield f"{name}: there is no such place: {address}"


def test_no_link_within_the_book_is_broken(site: Path) -> None:
    parsed.cache_clear()
    assert list(broken_links(site)) == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ('<a href="b.html#here">', False),
        ('<a href="sub/../b.html">', False),
        ('<a href="/b.html?v=1">', False),
        ('<a href="#here">', True),
        ('<a href="b.html#gone">', True),
        ('<a href="c.html">', True),
        ('<img src="gone.png" alt="">', True),
        ('<a href="https://example.org/gone">', False),
        ('<a href="mailto:a@example.org">', False),
    ],
)
def test_the_search_for_broken_links_finds_them(tmp_path: Path, link: str, is_broken: bool) -> None:
    parsed.cache_clear()
    (tmp_path / "a.html").write_text(link)
    (tmp_path / "b.html").write_text('<p id="here">')
    assert bool(list(broken_links(tmp_path))) is is_broken
