"""What search engines, social media and notebook services are told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import on_the_web
import pytest
from on_the_web import notebook_buttons
from test_pages import CHAPTERS, PAGES

SETTINGS = f"""
import sys
sys.path.insert(0, {str(Path(on_the_web.__file__).parent)!r})
extensions = ["myst_parser", "on_the_web"]
html_theme = "sphinx_book_theme"
html_title = "A small book"
language = "en"
"""


def build(folder: Path, url: str) -> Path:
    """A book of two pages, with a chapter that is a notebook too."""
    (folder / "conf.py").write_text(SETTINGS)
    (folder / "index.md").write_text(
        "# A book\n\nWhat it is about.\n\n```{toctree}\nsub/1-one\n```\n"
    )
    (folder / "sub").mkdir()
    (folder / "sub" / "1-one.md").write_text("# 1 One\n\nWhat the chapter teaches.\n")
    (folder / on_the_web.SOURCES).mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), folder / on_the_web.SOURCES / "1-one.ipynb")
    environment = {k: v for k, v in os.environ.items() if k != "BOOK_URL"}
    if url:
        environment["BOOK_URL"] = url
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", ".", "out"]
    subprocess.run(command, cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
    return folder / "out"


def meta(html: str, name: str) -> str | None:
    found = re.search(rf'<meta (?:name|property)="{name}" content="([^"]*)"', html)
    return found and found[1]


def test_a_published_page_has_its_address_its_description_and_its_card(tmp_path: Path) -> None:
    out = build(tmp_path, "https://example.org/book")
    html = (out / "sub" / "1-one.html").read_text(encoding="utf-8")
    address = "https://example.org/book/sub/1-one.html"
    assert f'<link rel="canonical" href="{address}"' in html
    assert meta(html, "og:url") == address
    assert meta(html, "description") == "What the chapter teaches."
    assert meta(html, "og:site_name") == "A small book"
    card = meta(html, "og:image") or ""
    picture = out / card.removeprefix("https://example.org/book/")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_sitemap_lists_the_pages_by_their_addresses(tmp_path: Path) -> None:
    root = ElementTree.parse(build(tmp_path, "https://example.org/book/") / "sitemap.xml").getroot()
    listed = {element.text for element in root.iter() if element.tag.endswith("loc")}
    pages = {"index", "sub/1-one", "404", "search", "genindex"}
    assert {f"https://example.org/book/{name}.html" for name in ("index", "sub/1-one")} <= listed
    assert listed <= {f"https://example.org/book/{name}.html" for name in pages}


@pytest.mark.parametrize(
    ("url", "prefix"), [("", "/"), ("https://example.org", "/"), ("https://example.org/a/", "/a/")]
)
def test_the_page_for_wrong_addresses_finds_its_styles_from_anywhere(
    tmp_path: Path, url: str, prefix: str
) -> None:
    out = build(tmp_path, url)
    html = (out / "404.html").read_text(encoding="utf-8")
    assert f'href="{prefix}index.html"' in html
    loaded = re.findall(r'<(?:link|script|a)\b[^>]*(?:href|src)="([^"#:]+)"', html)
    assert len(loaded) > 5
    assert [address for address in loaded if not address.startswith(prefix)] == []


def test_without_an_address_nothing_claims_to_have_one(tmp_path: Path) -> None:
    out = build(tmp_path, "")
    html = (out / "sub" / "1-one.html").read_text(encoding="utf-8")
    assert meta(html, "description") == "What the chapter teaches."
    assert "canonical" not in html and meta(html, "og:image") is None
    assert not (out / "sitemap.xml").exists()


def test_a_chapter_can_be_downloaded_as_a_notebook_and_another_page_cannot(tmp_path: Path) -> None:
    out = build(tmp_path, "")
    html = (out / "sub" / "1-one.html").read_text(encoding="utf-8")
    (link,) = re.findall(r'href="([^"]*\.ipynb)"', html)
    assert nbformat.read((out / "sub" / link).resolve(), as_version=4).cells == []
    assert ".ipynb" not in (out / "index.html").read_text(encoding="utf-8")


def test_colab_and_binder_are_offered_where_the_repository_is_known() -> None:
    alone = notebook_buttons("1-one.ipynb", "../notebooks/1-one.ipynb", None)
    assert (alone["type"], alone["url"]) == ("link", "../notebooks/1-one.ipynb")
    group = notebook_buttons(
        "1-one.ipynb", "../notebooks/1-one.ipynb", "https://github.com/ours/course.git"
    )
    assert [button["url"] for button in group["buttons"]] == [
        "../notebooks/1-one.ipynb",
        "https://colab.research.google.com/github/ours/course/blob/main/book/notebooks/1-one.ipynb",
        "https://mybinder.org/v2/gh/ours/course/main?urlpath=lab/tree/book/notebooks/1-one.ipynb",
    ]


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_notebook_of_each_chapter_stands_behind_its_button(name: str, site: Path) -> None:
    html = (site / f"{name}.html").read_text(encoding="utf-8")
    (link,) = re.findall(r'href="([^"]*\.ipynb)"', html)
    assert nbformat.read((site / name).parent / link, as_version=4).cells


def test_each_page_has_a_description_of_its_own(site: Path) -> None:
    found = {
        page: meta((site / f"{page}.html").read_text("utf-8"), "description") for page in PAGES
    }
    assert [page for page, text in found.items() if not text or len(text) < 40] == []
    assert len(set(found.values())) == len(found)
