"""Print the whole book: build/book.pdf, with its outline, links and page numbers.

python tools/pdf.py

Sphinx makes one page of all, Chromium prints it with the book's own styles for paper.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from chromium import launched
from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
MARGIN = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}
PAGE_NUMBER = (
    '<div style="font-size: 8px; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)


def one_page() -> Path:
    """The book as a single HTML page, in a folder with what it loads."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "."]
    command += ["--config", "_config.yml", "--toc", "_toc.yml", "--path-output", str(BUILD)]
    subprocess.run([*command, "-q", "--builder", "singlehtml"], cwd=ROOT, check=True)
    site = BUILD / "_build" / "singlehtml"
    # Sphinx puts it into book/, with addresses that are right one folder above.
    return Path(shutil.copyfile(site / "book" / "index.html", site / "whole.html"))


def print_pdf(browser: Browser, address: str, target: Path) -> None:
    """Print the page at ``address``; the file is there when it is whole."""
    page = browser.new_page(color_scheme="light")
    page.goto(address, wait_until="networkidle")
    page.evaluate("document.querySelectorAll('img').forEach(img => img.loading = 'eager')")
    page.wait_for_load_state("networkidle")
    part = target.with_suffix(".part")
    page.pdf(
        path=part, format="A4", scale=0.75, margin=MARGIN, outline=True, tagged=True,
        print_background=True, display_header_footer=True, header_template="<span></span>",
        footer_template=PAGE_NUMBER,
    )  # fmt: skip
    page.close()
    part.replace(target)


def main() -> None:
    page = one_page()
    target = BUILD / "book.pdf"
    with launched() as browser:
        print_pdf(browser, page.as_uri(), target)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
