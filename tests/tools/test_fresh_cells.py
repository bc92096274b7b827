"""When the outputs of the book's cells are computed again."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_cells import CACHE, refresh


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small engine and the cached cells of a book about it."""
    package = tmp_path / "dlcourse"
    (package / "grading").mkdir(parents=True)
    (package / "ops.py").write_text(
        '"""Operations."""\n\ndef add(a, b):\n    return a + b  # a sum\n'
    )
    (package / "grading" / "marks.py").write_text("x = 1\n")
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\n")
    refresh(tmp_path / "build", tmp_path)
    (tmp_path / "build" / CACHE).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "runs_again"),
    [
        ("dlcourse/ops.py", "# a sum", "# the sum of both", False),
        ("dlcourse/ops.py", "a + b", "(a\n    + b)", False),
        ("dlcourse/ops.py", "a + b", "b + a", True),
        ("dlcourse/ops.py", "Operations", "The operations", True),  # a chapter may print it
        ("dlcourse/grading/marks.py", "1", "2", False),
        ("requirements.txt", "2.4.6", "2.4.7", True),
    ],
)
def test_cells_run_again_where_what_they_run_on_has_changed(
    file: str, old: str, new: str, runs_again: bool, checkout: Path
) -> None:
    path = checkout / file
    path.write_text(path.read_text().replace(old, new))
    assert refresh(checkout / "build", checkout) == runs_again
    assert (checkout / "build" / CACHE).exists() == (not runs_again)
    assert not refresh(checkout / "build", checkout)


def test_a_new_or_renamed_file_of_the_engine_counts(checkout: Path) -> None:
    (checkout / "dlcourse" / "ops.py").rename(checkout / "dlcourse" / "operations.py")
    assert refresh(checkout / "build", checkout)
