"""How many small changes of a package do its tests notice?

    python tools/mutate.py dlcourse/autodiff --tests tests/engine --count 200 --seed 0

A seeded sample of the changes in `mutations`, one at a time, each in a copy of the checkout: the
tests that run the changed line (coverage says which) are run until one fails. Prints what was
killed, what survived, and what `tests/equivalent_mutants.toml` says nobody can notice.

Kept tools were tried: mutmut does not change the lambdas of a table, and its wrappers change the
signatures that the engine reads; cosmic-ray changes the checkout itself and runs every test.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from mutations import Mutant, mutants
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
WORKPLACE = ROOT / "build" / "mutate"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
# What a copy of the checkout needs for its tests.
COPIED = ("dlcourse", "tests", "tools", "book/_ext", "benchmarks", "pyproject.toml")
# Beyond these, tests of one line are more of the same: the parity table has thousands of cases.
TESTS_PER_MUTANT = 400
SECONDS_PER_MUTANT = 300  # a change that never ends is noticed


@dataclass(frozen=True)
class Sampled:
    """A change of one file, and what became of it: killed, survived, timeout, uncovered."""

    file: str
    mutant: Mutant
    text: str  # the line that it changes

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.text, self.mutant.what


def all_mutants(places: Sequence[str]) -> Iterator[Sampled]:
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            source = file.read_text(encoding="utf-8")
            lines = source.splitlines()
            for mutant in mutants(source):
                name = file.relative_to(ROOT).as_posix()
                yield Sampled(name, mutant, lines[mutant.line - 1].strip())


def equivalent() -> dict[tuple[str, str, str], str]:
    """The changes that nobody can notice, with the reason."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", [])
    return {(e["file"], e["line"], e["change"]): e["reason"] for e in entries}


# --- Which tests run which line ------------------------------------------------------------------


def tests_by_line(places: Sequence[str], tests: Sequence[str]) -> dict[str, dict[int, list[str]]]:
    """For each file and line the tests that run it, those that run the fewest lines first."""
    from coverage import CoverageData

    data_file = WORKPLACE / "coverage"
    for old in WORKPLACE.glob("coverage*"):
        old.unlink()
    settings = WORKPLACE / "coverage.toml"
    include = [f"{place}/*" if (ROOT / place).is_dir() else place for place in places]
    settings.write_text(
        f"[tool.coverage.run]\ndata_file = {json.dumps(str(data_file))}\n"
        f"include = {json.dumps(include)}\ndisable_warnings = ['no-data-collected']\n"
    )
    print("finding out which tests run which line ...", flush=True)
    environment = os.environ | {"COVERAGE_SETTINGS": str(settings), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *tests, "-p", "line_contexts", "-n", "2", "-q"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-3000:]}\nthe tests fail without any change; nothing was measured")
    lines: dict[str, dict[int, list[str]]] = {}
    size: dict[str, int] = {}
    for part in sorted(WORKPLACE.glob("coverage.*.data")):
        data = CoverageData(str(part))
        data.read()
        for file in data.measured_files():
            name = Path(file).relative_to(ROOT).as_posix()
            for line, contexts in data.contexts_by_lineno(file).items():
                named = [context for context in contexts if context]
                lines.setdefault(name, {}).setdefault(line, []).extend(named)
                for context in named:
                    size[context] = size.get(context, 0) + 1
    for found in lines.values():
        for line in found:
            found[line] = sorted(set(found[line]), key=lambda test: (size[test], test))
    return lines


# --- Trying a change ------------------------------------------------------------------------------


def copies(count: int) -> SimpleQueue[Path]:
    """That many copies of the checkout to make changes in."""
    queue: SimpleQueue[Path] = SimpleQueue()
    for number in range(count):
        copy = WORKPLACE / f"copy-{number}"
        shutil.rmtree(copy, ignore_errors=True)
        for name in COPIED:
            source, target = ROOT / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        queue.put(copy)
    return queue


def chosen(tests: list[str]) -> list[str]:
    """At most so many tests: the most specific ones, and a sample of the others."""
    half = TESTS_PER_MUTANT // 2
    if len(tests) <= TESTS_PER_MUTANT:
        return tests
    return tests[:half] + random.Random(0).sample(tests[half:], half)  # noqa: S311


def verdict(sampled: Sampled, copy: Path, tests: list[str]) -> str:
    """What becomes of one change: whether one of the tests fails with it."""
    if not tests:
        return "uncovered"
    target = copy / sampled.file
    source = target.read_text(encoding="utf-8")
    arguments = copy / "arguments.txt"
    arguments.write_text("\n".join(tests), encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "@arguments.txt",
    ]
    target.write_text(sampled.mutant.apply(source), encoding="utf-8")
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS_PER_MUTANT
        )
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        target.write_text(source, encoding="utf-8")
    return "survived" if done.returncode == 0 else "killed"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="+", help="packages or files, such as dlcourse/autodiff")
    parser.add_argument("--tests", nargs="+", default=["tests/engine"], help="their tests")
    parser.add_argument("--count", type=int, default=50, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args(arguments)
    WORKPLACE.mkdir(parents=True, exist_ok=True)
    population = list(all_mutants([place.rstrip("/") for place in options.places]))
    count = min(options.count, len(population))
    sample = random.Random(options.seed).sample(population, count)  # noqa: S311
    known = equivalent()
    to_try = [sampled for sampled in sample if sampled.key not in known]
    lines = tests_by_line(options.places, options.tests)
    queue = copies(options.jobs)

    def tried(sampled: Sampled) -> str:
        copy = queue.get()
        try:
            tests = lines.get(sampled.file, {}).get(sampled.mutant.line, [])
            return verdict(sampled, copy, chosen(tests))
        finally:
            queue.put(copy)

    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(tqdm(pool.map(tried, to_try), total=len(to_try), unit="change"))
    killed = verdicts.count("killed")
    for sampled, result in zip(to_try, verdicts, strict=True):
        if result != "killed":
            print(f"{result}: {sampled.file}:{sampled.mutant.line}: {sampled.mutant.what}")
    share = killed / len(to_try) if to_try else 1.0
    print(
        f"{count} of {len(population)} changes: {killed} killed, {len(to_try) - killed} survived, "
        f"{count - len(to_try)} judged equivalent; {share:.1%} of those that can be noticed were"
    )
    return 0 if killed == len(to_try) else 1


if __name__ == "__main__":
    sys.exit(main())
