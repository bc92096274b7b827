"""Forget the cached outputs of the book's cells when what they run on has changed.

    python tools/fresh_cells.py build/_build

The cache of executed cells knows the chapters, but not the engine and the packages that they call.
Their content decides, comments and layout apart, and not the time of a file: a fresh checkout or a
better comment runs nothing again.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE, PAGES, KEY = ".jupyter_cache", ".doctrees", "cells.key"


def engine_files(package: Path) -> list[Path]:
    """What a chapter can call: everything but the grader, of which the book says nothing."""
    return [p for p in sorted(package.rglob("*.py")) if "grading" not in p.parts]


def key(root: Path) -> str:
    """A hash of the engine's code and of the versions of all packages."""
    package = root / "dlcourse"
    digest = hashlib.sha256((root / "requirements.txt").read_bytes())
    for path in engine_files(package):
        code = ast.dump(ast.parse(path.read_text(encoding="utf-8")))
        digest.update(f"{path.relative_to(package).as_posix()}\0{code}\0".encode())
    return digest.hexdigest()


def refresh(build: Path, root: Path = ROOT) -> bool:
    """Empty the cache in ``build`` if its key is another; returns whether it did."""
    stored, current = build / KEY, key(root)
    if stored.is_file() and stored.read_text(encoding="utf-8") == current:
        return False
    for name in (CACHE, PAGES):  # a page that Sphinx holds as read would not run its cells again
        shutil.rmtree(build / name, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    stored.write_text(current, encoding="utf-8")
    return True


def main(arguments: Iterable[str]) -> None:
    (build,) = map(Path, arguments)
    refresh(build)


if __name__ == "__main__":
    main(sys.argv[1:])
