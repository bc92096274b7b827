"""What the reference reads from the engine's sources."""

from __future__ import annotations

from pathlib import Path

import engine_sources
import pytest


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("", 0),
        ("x = 1", 1),
        ("x = 1\n\n\ny = 2\n", 2),
        ("# a comment\nx = 1  # another\n    # and one\n", 1),
        ('"""One line."""\nx = 1\n', 1),
        ('"""A line.\n\nMore of it.\n"""\n\nx = 1\n', 1),
        ('x = """Not a\ndocstring."""\n', 2),
        ('x = 1\n"""A string after the first statement."""\n', 2),
        ("f()\n", 1),
        ("1\n", 1),
        ('def f(a):\n    """What it does.\n\n    Args: a.\n    """\n    return a\n', 2),
        ('class C:\n    """What it is."""\n\n    def f(self):\n        """And this."""\n', 2),
        ("async def f():\n    'One.'\n    return 1\n", 2),
        ("x = [\n    1,\n\n    2,  # two\n    # nothing\n]\n", 4),
        ("if a:\n    b\nelse:\n    c\n", 4),
        ("x = lambda: 0\n", 1),
        ("x = 1; y = 2\n", 1),
    ],
)
def test_lines_of_code_are_counted_without_docstrings_comments_and_blanks(
    source: str, count: int, tmp_path: Path
) -> None:
    file = tmp_path / "module.py"
    file.write_text(source, encoding="utf-8")
    assert engine_sources.code_lines(file) == count


def test_letters_of_several_bytes_are_read_as_such(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("x = 'é'\n", encoding="utf-8")
    assert engine_sources.code_lines(file) == 1


def test_an_operation_has_the_heading_above_it_and_the_rules_of_its_row() -> None:
    rows = {row.name: row for row in engine_sources.operations()}
    assert rows["add"].signature == "add(a, b)"
    assert [title for title, _ in rows["add"].rules] == ["gradient of a", "gradient of b"]
    assert "elementwise" in rows["add"].notes
    assert "elementwise" not in rows["matmul"].notes
    assert set(engine_sources.headings()) == set(rows)
