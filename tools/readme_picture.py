"""Take the README's picture: the built book in Chromium, at the graph of a reverse sweep.

python tools/readme_picture.py    needs `make book` first
"""

from __future__ import annotations

from pathlib import Path

from chromium import launched

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "build/_build/html/book/3-3-automatic-differentiation.html"
FIGURE = "figure:has(.dl-stage)"
PICTURE = ROOT / "book/_static/readme-book.png"


def main() -> None:
    if not PAGE.is_file():
        raise SystemExit(f"{PAGE.relative_to(ROOT)} is missing; run `make book` first")
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.goto(PAGE.as_uri(), wait_until="networkidle")
        page.locator(FIGURE).first.evaluate("figure => figure.scrollIntoView({block: 'end'})")
        page.mouse.wheel(0, 60)  # a little below it
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
