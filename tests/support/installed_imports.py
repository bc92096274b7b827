"""Which test files can run where only some of the packages are installed."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path


def cannot_run(folder: Path) -> list[str]:
    """The files of a folder of tests that import what is not installed, be it through a helper."""
    return sorted(
        path.name for path in folder.glob("test_*.py") if any(_missing(path, folder, set()))
    )


def _missing(path: Path, folder: Path, seen: set[Path]) -> Iterator[str]:
    """The modules that ``path``, and the helpers of ``folder`` that it imports, go without."""
    seen.add(path)
    for name in _imported(path):
        package = folder / name
        if package.is_dir():
            helpers = list(package.rglob("*.py"))
        else:
            helpers = [file for file in [folder / f"{name}.py"] if file.exists()]
        for helper in set(helpers) - seen:
            yield from _missing(helper, folder, seen)
        if not helpers and importlib.util.find_spec(name) is None:
            yield name


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names
