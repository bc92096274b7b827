"""The pages as a reader gets them, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PARTS = {part["caption"]: [entry["file"] for entry in part["chapters"]] for part in TOC["parts"]}
CHAPTERS = PARTS["Chapters"]
PAGES = [TOC["root"], *(page for pages in PARTS.values() for page in pages)]
# In HTML what a browser loads by itself; a link that a reader may follow (<a href>) is not.
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data|srcset)="
    r"[\"'](?:https?:)?//[^\"']+"
    r"|<link\b(?=[^>]*rel=[\"']?(?:stylesheet|preload|icon|modulepreload|preconnect|dns-prefetch))"
    r"[^>]*href=[\"'](?:https?:)?//[^\"']+",
    re.IGNORECASE,
)
# All of axe-core's rules, and one that it leaves out unless it is asked for.
AXE = {
    "resultTypes": ["violations"],
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}
LOADED_BY_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')]+", re.IGNORECASE)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def visit(page: Page, url: str) -> None:
    """Open a page and wait until its formulas are typeset."""
    page.goto(url, wait_until="networkidle")
    page.evaluate("window.MathJax ? MathJax.startup.promise : null")


@pytest.mark.parametrize(
    ("markup", "is_found"),
    [
        ('<script src="https://cdn.example/a.js">', True),
        ("<script async src='//cdn.example/a.js'>", True),
        ('<link rel="stylesheet" href="https://fonts.example/a.css">', True),
        ('<link href="https://fonts.example" rel="preconnect">', True),
        ('<img alt="" src="http://example/a.png">', True),
        ('<a href="https://example/">', False),
        ('<script src="_static/a.js">', False),
    ],
)
def test_the_search_for_foreign_resources_finds_what_a_browser_would_load(
    markup: str, is_found: bool
) -> None:
    assert bool(LOADED.search(markup)) is is_found


def test_no_built_file_names_a_resource_of_another_host(site: Path) -> None:
    found = [
        f"{path.relative_to(site)}: {match.group()}"
        for pattern, suffix in ((LOADED, "html"), (LOADED_BY_CSS, "css"), (LOADED_BY_CSS, "html"))
        for path in site.rglob(f"*.{suffix}")
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("name", [*PAGES, "search", "genindex"])
def test_a_page_loads_nothing_from_another_host_and_without_an_error(
    name: str, page: Page, address: str
) -> None:
    foreign: list[str] = []
    problems: list[str] = []

    def record_request(url: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            foreign.append(url)

    page.on("request", lambda request: record_request(request.url))
    page.on("websocket", lambda socket: record_request(socket.url))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("response", lambda r: problems.append(f"{r.status}: {r.url}") if r.status >= 400 else 0)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    visit(page, f"{address}/{name}.html")
    for y in range(0, int(page.evaluate("document.body.scrollHeight")), 900):
        page.evaluate(f"scrollTo(0, {y})")  # some things load only when they are seen
    page.wait_for_load_state("networkidle")
    assert (foreign, problems) == ([], [])


@pytest.mark.parametrize("name", PAGES)
def test_every_formula_is_typeset(name: str, page: Page, address: str) -> None:
    visit(page, f"{address}/{name}.html")
    # MathJax shows an unknown macro in red, and everything else that is wrong as an error.
    formulas = page.evaluate(
        """[...document.querySelectorAll(".math")].map(formula => ({
            text: formula.textContent.slice(0, 80),
            ok: formula.querySelector("mjx-container") !== null
                && formula.querySelector("mjx-merror, mjx-mtext[style*=red]") === null,
        }))"""
    )
    assert formulas or name not in CHAPTERS, "no formula found; has the markup changed?"
    assert [formula for formula in formulas if not formula["ok"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_has_to_scroll_a_page_sideways(
    name: str, browser: Browser, address: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True)
    phone = context.new_page()
    visit(phone, f"{address}/{name}.html")
    widths = phone.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    context.close()
    assert widths == [390, 390]


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_is_shown_and_has_a_description(name: str, page: Page, address: str) -> None:
    visit(page, f"{address}/{name}.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    figures = page.evaluate(
        """[...document.querySelectorAll(".bd-article img")].map(
            image => ({src: image.src, alt: image.alt, width: image.naturalWidth}))"""
    )
    described = [f for f in figures if len(f["alt"]) > 20 and f["width"] > 0]
    assert [f for f in figures if f not in described] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, "search", "genindex"])
def test_axe_finds_nothing_that_keeps_anyone_from_reading(
    name: str, scheme: Literal["light", "dark"], width: int, browser: Browser, address: str
) -> None:
    """WCAG 2.1 A and AA, and what axe-core calls best practice."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    opened = context.new_page()
    visit(opened, f"{address}/{name}.html")
    found = Axe().run(opened, options=AXE).response["violations"]
    context.close()
    assert [(f["id"], node["html"][:200]) for f in found for node in f["nodes"]] == []


def test_a_chosen_framework_is_chosen_everywhere_and_on_the_next_page(
    page: Page, address: str
) -> None:
    # In each set that offers both: what is chosen.
    shown = """[...document.querySelectorAll(".sd-tab-set")].filter(set =>
        ["dlcourse", "PyTorch"].every(
            name => set.querySelector(`:scope > [data-sync-id=${name}]`)
        )).map(set => set.querySelector(":scope > input:checked + label").textContent.trim())"""
    visit(page, f"{address}/{CHAPTERS[0]}.html")
    assert set(page.evaluate(shown)) == {"dlcourse"}
    page.locator("label.sd-tab-label", has_text="PyTorch").last.click()
    assert set(page.evaluate(shown)) == {"PyTorch"}
    visit(page, f"{address}/{CHAPTERS[1]}.html")
    assert set(page.evaluate(shown)) == {"PyTorch"}


def test_tabs_can_be_changed_with_the_keyboard(page: Page, address: str) -> None:
    visit(page, f"{address}/{CHAPTERS[0]}.html")
    tabs = page.locator(".sd-tab-set").first
    tabs.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    assert tabs.locator("input").nth(1).is_checked()
    assert tabs.locator(".sd-tab-content").nth(1).is_visible()
