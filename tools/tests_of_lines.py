"""Which tests run which line of a program: measured once by coverage, and kept.

A test whose file has changed since is measured again; after a change of the program all are.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


class TestsOfLines:
    """The measurements in a folder, each of some test files, and what they say of a line."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.record = folder / "measured.json"

    def measure(self, places: Sequence[str], tests: Sequence[str], reuse: bool) -> None:
        """Run the tests under coverage; with ``reuse`` only those that are not known yet."""
        sources = self._digests(places, "*.py")
        now = self._digests(tests, "test_*.py")
        known = json.loads(self.record.read_text()) if reuse and self.record.exists() else {}
        runs = known.get("runs", [])
        if known:
            for file, digest in sources.items():
                if known["sources"].get(file) != digest:
                    sys.exit(f"{file} is not as it was measured: leave out --reuse")
        else:
            known = {"sources": sources, "places": list(places)}
            for old in [self.record, *self.folder.glob("coverage*")]:
                old.unlink(missing_ok=True)
        held = {file: digest for run in runs for file, digest in run.items()}
        new = {file: digest for file, digest in now.items() if held.get(file) != digest}
        if new:
            self._run(known["places"], sorted(new) if held else tests, len(runs))
            runs.append(new)
        self.record.write_text(json.dumps(known | {"runs": runs}))

    def _digests(self, places: Iterable[str], pattern: str) -> dict[str, str]:
        files = (
            file
            for place in places
            for path in [self.root / place.partition("::")[0]]
            for file in (path.rglob(pattern) if path.is_dir() else [path])
        )
        return {
            file.relative_to(self.root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
        }

    def _run(self, places: Sequence[str], tests: Sequence[str], number: int) -> None:
        settings = self.folder / f"coverage-{number}.toml"
        include = [f"{place}/*" if (self.root / place).is_dir() else place for place in places]
        settings.write_text(
            f"[tool.coverage.run]\ninclude = {json.dumps(include)}\n"
            "disable_warnings = ['no-data-collected']\n"
        )
        print("finding out which tests run which line ...", flush=True)
        environment = os.environ | {"COVERAGE_SETTINGS": str(settings), "OMP_NUM_THREADS": "1"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            *tests,
            "-p",
            "line_contexts",
            "-n",
            "2",
            "-q",
            "-p",
            "no:nbval",
        ]  # which takes seconds to import
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout[-3000:])
        if done.returncode > 1:  # more is wrong than that a test fails
            sys.exit("the tests do not run without any change; nothing was measured")

    def of_file(self, file: str) -> dict[int, list[str]]:
        """For each line that runs, its tests, those that run the fewest lines of the file first.

        A line that runs when the module is imported, such as a part of a table's row, has its own
        tests, those of the statement that it belongs to, then all others of the file, and the test
        files of its name: they may look at what the line has made without running any of the file.
        """
        found = self._found(file)
        size: dict[str, int] = {}
        for tests in found.values():
            for test in tests:
                size[test] = size.get(test, 0) + 1

        def ordered(tests: Iterable[str]) -> list[str]:
            return sorted(set(tests) - {""}, key=lambda test: (size[test], test))

        everything = dict.fromkeys(ordered(size))
        named = sorted(self.root.glob(f"tests/**/test_{Path(file).stem}.py"))
        everything |= dict.fromkeys(path.relative_to(self.root).as_posix() for path in named)
        result: dict[int, list[str]] = {}
        for lines in _statements((self.root / file).read_text(encoding="utf-8")):
            together = ordered(test for line in lines for test in found.get(line, ()))
            if any("" in found.get(line, ()) for line in lines):
                already = set(together)
                together += [test for test in everything if test not in already]
            for line in lines:
                own = ordered(found.get(line, ()))
                if "" in found.get(line, ()) or not own:
                    own = list(dict.fromkeys([*own, *together]))
                if own:
                    result[line] = own
        return result

    def _found(self, file: str) -> dict[int, set[str]]:
        """For each line what runs it: tests, and "" where that is none of them, but an import."""
        from coverage import CoverageData

        runs = json.loads(self.record.read_text())["runs"]
        latest = {test: number for number, run in enumerate(runs) for test in run}
        found: dict[int, set[str]] = {}
        for path in sorted(self.folder.glob("coverage-*.data")):
            number = int(path.name.split("-")[1].partition(".")[0])
            data = CoverageData(str(path))
            data.read()
            for line, contexts in data.contexts_by_lineno(str(self.root / file)).items():
                now = {c for c in contexts if not c or latest.get(c.partition("::")[0]) == number}
                found.setdefault(line, set()).update(now)
        return found


def _statements(source: str) -> Iterator[range]:
    """The lines of each statement; of a block its head alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno if isinstance(body, list) else (node.end_lineno or 0) + 1
            yield range(node.lineno, max(last, node.lineno + 1))
