"""Cells of several pages run beside each other, once, and their outputs get into the pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import parallel_cells
import pytest

SETTINGS = f"""
import sys
sys.path.insert(0, {str(Path(parallel_cells.__file__).parent)!r})
import parallel_cells
parallel_cells.processors = lambda: 2
extensions = ["myst_nb", "parallel_cells"]
nb_execution_mode = "cache"
nb_execution_timeout = 300
"""
PAGE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  name: python3
---
# {title}

```{{code-cell}} python
from pathlib import Path
from time import sleep
{code}
```
"""
# Tells that it runs, and waits until the other does.
MEET = """
with Path("runs.txt").open("a") as runs:
    runs.write("{own}")
while "{other}" not in Path("runs.txt").read_text():
    sleep(0.01)
print("{own} has met " + "{other}")
"""


def build(folder: Path) -> tuple[dict[str, str], str]:
    """The text of each page that was built in ``folder``, and the warnings."""
    command = [sys.executable, "-m", "sphinx", "-b", "text", "-d", "doctrees", ".", "out"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return {p.stem: p.read_text() for p in (folder / "out").glob("*.txt")}, run.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf.py").write_text(SETTINGS)
    (tmp_path / "index.md").write_text("# Index\n\n```{toctree}\none\ntwo\n```\n")
    return tmp_path


def test_two_pages_run_at_the_same_time_and_once(folder: Path) -> None:
    for own, other in ("one", "two"), ("two", "one"):
        code = MEET.format(own=own, other=other)
        (folder / f"{own}.md").write_text(PAGE.format(title=own, code=code))
    pages, warnings = build(folder)
    assert warnings == ""
    assert "one has met two" in pages["one"] and "two has met one" in pages["two"]
    (folder / "one.md").write_text((folder / "one.md").read_text() + "\nAnother sentence.\n")
    pages, _ = build(folder)
    assert "one has met two" in pages["one"] and "Another sentence." in pages["one"]
    assert sorted((folder / "runs.txt").read_text()) == sorted("onetwo")


def test_a_page_that_fails_is_reported_by_its_name_and_the_other_is_built(folder: Path) -> None:
    (folder / "one.md").write_text(PAGE.format(title="one", code="1 / 0"))
    (folder / "two.md").write_text(PAGE.format(title="two", code="print(6 * 7)"))
    pages, warnings = build(folder)
    assert "one.md" in warnings
    assert "ZeroDivisionError" in (folder / "out" / "reports" / "one.err.log").read_text()
    assert "42" in pages["two"]
