"""The pages as a reader gets them, in Chromium."""

from __future__ import annotations

import gzip
import html
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from pdf import print_pdf
from playwright.sync_api import Browser, Page, Response

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PARTS = {part["caption"]: [entry["file"] for entry in part["chapters"]] for part in TOC["parts"]}
CHAPTERS = PARTS["Chapters"]
OTHERS = ["search", "genindex", "404"]
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
    """Open a page and wait until all that it loads is there."""
    page.goto(url, wait_until="networkidle")


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


@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
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
    # Temml shows what it does not know in colour.
    formulas = page.evaluate(
        """[...document.querySelectorAll(".math")].map(formula => ({
            text: formula.textContent.slice(0, 80),
            ok: formula.querySelector("math") !== null
                && formula.querySelector("math").getBoundingClientRect().width > 0
                && formula.querySelector("merror, .temml-error, [style*=color]") === null,
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
@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
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


def weight(response: Response) -> int:
    """The bytes that a server sends: fonts and pictures are compressed, the rest it compresses."""
    body = response.body()
    packed = response.url.split("?")[0].endswith((".woff2", ".png"))
    return len(body) if packed else len(gzip.compress(body))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(name: str, page: Page, address: str) -> None:
    """A chapter without its figures takes at most 400 kB, the index 150 kB."""
    received: list[Response] = []
    page.on("response", lambda response: received.append(response))
    visit(page, f"{address}/{name}.html")
    files = {r.url.split("/", 3)[3]: weight(r) for r in received if "/_images/" not in r.url}
    limit = 150_000 if name == TOC["root"] else 400_000
    assert sum(files.values()) <= limit, sorted(files.items(), key=lambda f: -f[1])


def test_the_fonts_have_every_character_of_the_formulas(site: Path) -> None:
    font = TTFont(ROOT / "book/_static/fonts/texgyrepagella-math-subset.woff2")
    known = {chr(code) for table in font["cmap"].tables for code in table.cmap}
    used: set[str] = set()
    for path in site.rglob("*.html"):
        for formula in re.findall(r"<math.*?</math>", path.read_text("utf-8"), re.DOTALL):
            used |= set(html.unescape(re.sub(r"<[^>]*>", "", formula)))
    invisible = {c for c in used if unicodedata.category(c) in {"Cf", "Zs", "Cc"}}
    overline = {"\u203e"}  # the font has none; a browser draws the line over a letter by itself
    assert sorted(used - known - invisible - overline) == [], "add them to tools/fonts.sh"


def test_the_fonts_have_every_chinese_character_of_the_pages(site: Path) -> None:
    font = TTFont(ROOT / "book/_static/fonts/noto-sans-sc-subset.woff2")
    known = {chr(code) for table in font["cmap"].tables for code in table.cmap}
    text = "".join(path.read_text("utf-8") for path in site.rglob("*.html"))
    used = set(re.findall(r"[\u3400-\u9fff]", text))
    assert used, "the chapters quote the article"
    assert sorted(used - known) == [], "run tools/fonts.sh chinese"


def test_the_errata_list_every_box_and_lead_to_it(site: Path) -> None:
    rows = re.findall(r'href="([\w-]+\.html)#(article-says-\d+)"',
                      (site / "book/errata.html").read_text("utf-8"))  # fmt: skip
    boxes = [
        (path.name, name)
        for path in sorted((site / "book").glob("[0-9]*.html"))
        for name in re.findall(
            r'<div class="article-says admonition"[^>]* id="(article-says-\d+)"',
            path.read_text("utf-8"),
        )
    ]
    assert sorted(rows) == sorted(boxes)
    assert {name.rsplit("-", 1)[0][:3] for name, _ in boxes} >= {"3-3", "3-4", "4-1", "4-2"}


@pytest.mark.parametrize("name", ["book/index", CHAPTERS[-1]])
def test_a_page_can_be_read_without_a_script(name: str, browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"{address}/{name}.html")
    assert opened.locator(".bd-article h1").first.is_visible()
    assert opened.locator("nav.bd-links a").first.is_visible()
    for formula in opened.locator("math").all()[:20]:
        assert formula.bounding_box() is not None
    for figure in opened.locator(".bd-article figure img").all():
        assert figure.bounding_box() is not None
    context.close()


def test_a_printed_page_shows_each_tab_and_each_answer(page: Page, address: str) -> None:
    visit(page, f"{address}/{CHAPTERS[0]}.html")
    page.emulate_media(media="print")
    hidden = page.evaluate(
        """[...document.querySelectorAll(
            ".bd-article :is(.sd-tab-content, details > :not(summary))")]
            .filter(part => part.getBoundingClientRect().height === 0)
            .map(part => part.textContent)"""
    )
    assert hidden == []


def test_a_chapter_can_be_printed(browser: Browser, address: str, tmp_path: Path) -> None:
    print_pdf(browser, f"{address}/{CHAPTERS[0]}.html", tmp_path / "chapter.pdf")
    pdf = (tmp_path / "chapter.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and b"/Outlines" in pdf and b"/MarkInfo" in pdf
    assert 8 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 40
    assert [path.name for path in tmp_path.iterdir()] == ["chapter.pdf"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_code_is_wider_than_its_box_on_a_laptop(name: str, page: Page, address: str) -> None:
    visit(page, f"{address}/{name}.html")
    cut = page.evaluate(
        """() => {
            document.querySelectorAll("details").forEach(d => d.open = true);
            const cut = [];
            for (const set of document.querySelectorAll(".sd-tab-set")) {
                set.querySelectorAll(":scope > .sd-tab-content").forEach(
                    content => content.style.display = "block");
            }
            for (const code of document.querySelectorAll(".bd-article .cell_input pre"))
                if (code.scrollWidth > code.clientWidth) cut.push(code.textContent.slice(0, 80));
            return cut;
        }"""
    )
    assert cut == []
