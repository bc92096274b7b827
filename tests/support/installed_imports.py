"""Which test files can run where only some of the packages are installed."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path


def cannot_run(folder: Path) -> list[str]:
    """The test files in and below a folder that import what is not installed.

    It counts also where a helper imports it that lies beside the test, above it up to ``folder``,
    or here.
    """
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("test_*.py")
        if any(_missing(path, _places(path, folder), set()))
    )


def _places(test: Path, folder: Path) -> list[Path]:
    """Where the helpers of a test lie."""
    above = [parent for parent in test.parents if parent.is_relative_to(folder)]
    return [*above, Path(__file__).parent]


def _missing(path: Path, places: Sequence[Path], seen: set[Path]) -> Iterator[str]:
    """The modules that ``path``, and the helpers in ``places`` that it imports, go without."""
    seen.add(path)
    for name in _imported(path):
        helpers = [file for place in places for file in _helpers(place, name)]
        for helper in set(helpers) - seen:
            yield from _missing(helper, places, seen)
        if not helpers and importlib.util.find_spec(name) is None:
            yield name


def _helpers(place: Path, name: str) -> list[Path]:
    """The files of the module or package ``name`` in a folder."""
    package, module = place / name, place / f"{name}.py"
    return [*package.rglob("*.py"), *([module] if module.exists() else [])]


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names
