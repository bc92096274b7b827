"""A style that has changed gets into the build."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_files import without_a_copy


@pytest.mark.parametrize(("copy", "is_found"), [("a{}", False), ("b{}", True), (None, True)])
def test_a_file_without_an_equal_copy_is_found(
    copy: str | None, is_found: bool, tmp_path: Path
) -> None:
    pair = tmp_path / "book.css", tmp_path / "copy.css"
    for path, text in zip(pair, ("a{}", copy), strict=True):
        if text is not None:
            path.write_text(text, encoding="utf-8")
    assert without_a_copy([pair]) == ([pair[0]] if is_found else [])
