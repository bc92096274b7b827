"""The notebooks that tools/notebooks.py makes of the chapters."""

from __future__ import annotations

from pathlib import Path

import nbformat
import notebooks
import pytest
from notebook_markdown import References, plain_markdown
from products import EditedError

CHAPTER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# A chapter

:::{admonition} The article says
:class: article-says
As {footcite:t}`someone2001title` show.
:::

```{code-cell} ipython3
:tags: ["tab:PyTorch"]
import sys
print("out")
print("no", file=sys.stderr)
1 + VALUE
```

```{code-cell} ipython3
class Picture:
    def __repr__(self):
        return "picture"
    def _repr_svg_(self):
        return "<svg/>"
Picture()
```
"""
BIBTEX = """\
@article{someone2001title,
  author = {Someone, Ann and Other, Bob and Third, Cy},
  title = {A Title}, journal = {J}, year = {2001}
}
@book{two2002book, author = {One, A. and Two, B.}, title = {B}, publisher = {P}, year = {2002}}
"""


@pytest.fixture
def references(tmp_path: Path) -> References:
    path = tmp_path / "references.bib"
    path.write_text(BIBTEX, encoding="utf-8")
    return References(path)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chapter in a book of its own."""
    book = tmp_path / "book"
    book.mkdir()
    (book / "references.bib").write_text(BIBTEX, encoding="utf-8")
    (book / "chapter.md").write_text(CHAPTER.replace("VALUE", "41"), encoding="utf-8")
    (tmp_path / "_toc.yml").write_text(
        "{format: jb-book, root: book/index, parts: ["
        "{caption: Chapters, chapters: [{file: book/chapter}]},"
        "{caption: Reference, chapters: [{file: book/page}]}]}",
        encoding="utf-8",
    )
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "BOOK", book)
    return book / "chapter.md"


def test_each_committed_notebook_is_its_chapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks.main(["--check"]) == 0, capsys.readouterr().out


def test_a_second_run_does_nothing_and_a_forced_one_gives_the_same_bytes(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notebooks.main([]) == 0
    first = notebooks.product(source).read_bytes()
    capsys.readouterr()
    assert notebooks.main([]) == 0
    assert "up to date" in capsys.readouterr().out
    assert notebooks.main(["--force"]) == 0
    assert notebooks.product(source).read_bytes() == first


def test_a_notebook_says_how_to_run_it_elsewhere_if_the_repository_is_known(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = notebooks.convert(source)
    assert notebooks.repository_address() is not None or "pip install" not in plain.cells[1].source
    monkeypatch.setattr(notebooks, "repository_address", lambda: "https://example.org/course")
    cells = notebooks.convert(source).cells
    assert "%pip install git+https://example.org/course" in cells[1].source
    assert len(cells) == len(plain.cells) + 1
    assert len({cell.id for cell in cells}) == len(cells)


def test_only_text_outputs_are_kept(source: Path) -> None:
    notebooks.main([])
    made = nbformat.read(notebooks.product(source), as_version=4)
    outputs = [
        output.get("text") or dict(output.data)
        for cell in made.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert outputs == ["out\n", {"text/plain": "42"}, {"text/plain": "picture"}]
    assert made.cells[1].metadata.tags == ["tab:PyTorch"]


def test_the_check_names_a_notebook_that_is_missing_stale_or_a_stray(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notebooks.main(["--check"]) == 1
    assert "book/notebooks/chapter.ipynb is not its chapter" in capsys.readouterr().out
    notebooks.main([])
    assert notebooks.main(["--check"]) == 0
    stray = notebooks.product(source).with_name("old.ipynb")
    stray.write_bytes(notebooks.product(source).read_bytes())
    assert notebooks.main(["--check"]) == 1
    assert "old.ipynb has no chapter" in capsys.readouterr().out
    stray.unlink()
    source.write_text(CHAPTER.replace("VALUE", "40"), encoding="utf-8")
    assert notebooks.main(["--check"]) == 1
    assert notebooks.COMMAND in capsys.readouterr().out
    notebooks.main([])
    notebooks.product(source).write_text(notebooks.product(source).read_text() + "\n")
    assert notebooks.main(["--check"]) == 1
    assert notebooks.COMMAND in capsys.readouterr().out


def test_a_notebook_with_notes_in_it_is_never_overwritten(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebooks.main([])
    path = notebooks.product(source)
    mine = path.read_text().replace("As ", "My note. As ")
    path.write_text(mine)
    assert notebooks.main([]) == 0
    assert "was edited by hand and is left as it is" in capsys.readouterr().out
    source.write_text(CHAPTER.replace("VALUE", "40"), encoding="utf-8")
    for arguments in ([], ["--force"]):
        with pytest.raises(EditedError, match=r"chapter\.ipynb"):
            notebooks.main(arguments)
    assert path.read_text() == mine


def test_a_failing_cell_is_reported_and_leaves_no_notebook(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text(CHAPTER.replace("VALUE", "undefined_name"), encoding="utf-8")
    assert notebooks.main([]) == 1
    assert "undefined_name" in (said := capsys.readouterr().out) and "book/chapter.md" in said
    assert not notebooks.product(source).exists()


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        ("plain $x_1$ and `code`", "plain $x_1$ and `code`"),
        ("see {footcite:t}`someone2001title`", "see Someone et al. (2001)"),
        (
            "so {footcite}`someone2001title,two2002book`.",
            "so (Someone et al., 2001; One and Two, 2002).",
        ),
        ("[next](3-4-losses.md#why)", "[next](3-4-losses.ipynb#why)"),
        ("[out](https://example.org/a.html)", "[out](https://example.org/a.html)"),
        ("(label)=\n# Title", "# Title"),
        (":::{admonition} T\n:class: c\n\na\n\nb\n:::", "> **T**\n>\n> a\n>\n> b"),
        (":::{note}\na\n:::", "> **Note**\n>\n> a"),
        (
            ":::{dropdown} A\n$x$\n:::",
            "<details>\n<summary>A</summary>\n\n$x$\n\n</details>",
        ),
        ("::::{note}\n:::{note}\na\n:::\n::::", "> **Note**\n>\n> > **Note**\n> >\n> > a"),
        ("```python\n{footcite}`x`\n:::{note}\n```", "```python\n{footcite}`x`\n:::{note}\n```"),
    ],
)
def test_myst_becomes_what_jupyter_shows(myst: str, expected: str, references: References) -> None:
    assert plain_markdown(myst, references) == expected


def test_a_bibliography_lists_what_was_cited_and_nothing_else(references: References) -> None:
    text = plain_markdown("{footcite}`two2002book`\n\n```{footbibliography}\n```", references)
    assert text.startswith("(One and Two, 2002)\n\n- ")
    assert text.count("\n- ") == 1


@pytest.mark.parametrize(
    ("myst", "message"),
    [
        ("{footcite}`nobody`", "no such entry"),
        (":::{mermaid}\na\n:::", "no form in a notebook"),
        ("{abbr}`a`", "no form in a notebook"),
        (":::{note}\na", "never closed"),
    ],
)
def test_what_cannot_be_shown_is_an_error_that_says_so(
    myst: str, message: str, references: References
) -> None:
    with pytest.raises(ValueError, match=message):
        plain_markdown(myst, references)
