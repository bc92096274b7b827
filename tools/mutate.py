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
import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

import pytest
from mutations import Key, Mutant, equivalents, mutants
from tests_of_lines import TestsOfLines
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
WORKPLACE = ROOT / "build" / "mutate"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
# What a copy of the checkout needs for its tests.
COPIED = ("dlcourse", "tests", "tools", "book/_ext", "benchmarks", "pyproject.toml")
# The tests of a line run in groups of this size, the most specific first: a few suffice for most
# changes. What is left, thousands of cases of the parity table perhaps, is the last group.
GROUPS = (25, 375)
SECONDS_PER_GROUP = 600  # a change that never ends is noticed, as is one
BYTES_PER_MUTANT = 8 << 30  # that fills the memory
# Processes that have imported already what is slow to import, and does not change.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["numpy", "torch", "hypothesis", "pytest"])


@dataclass(frozen=True)
class Sampled:
    """A change of one file, and what became of it: killed, survived, uncovered."""

    file: str
    mutant: Mutant
    text: str  # the line that it changes

    @property
    def key(self) -> Key:
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


def equivalent() -> dict[Key, str]:
    """The changes that nobody can notice, with the reason."""
    return equivalents(EQUIVALENT, "file")


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


def chosen(tests: list[str]) -> list[list[str]]:
    """The tests in groups: see ``GROUPS``."""
    parts, rest = [], tests
    for size in GROUPS:
        parts.append(rest[:size])
        rest = rest[size:]
    return [part for part in [*parts, rest] if part]


class Failures:
    """A plugin of pytest that notes what fails."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid)


def run_tests(root: Path, copy: Path, tests: list[str], answer: Connection) -> None:
    """In a process of its own: run the tests of a copy, and say which failed first."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES_PER_MUTANT, BYTES_PER_MUTANT))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(copy)
    sys.path[:] = [str(copy), *(place for place in sys.path if not _is_of_checkout(place, root))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "dlcourse"]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = str(copy)
    os.environ["PYTHONDONTWRITEBYTECODE"] = os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    failures = Failures()
    code = pytest.main(["-x", "-p", "no:cacheprovider", *tests], plugins=[failures])
    answer.send((int(code), failures.names))


def _is_of_checkout(place: str, root: Path) -> bool:
    """Whether a place of modules is the checkout's, and not that of the installed packages."""
    return Path(place).is_relative_to(root) and not Path(place).is_relative_to(sys.prefix)


def outcome(copy: Path, tests: list[str]) -> tuple[int | None, list[str]]:
    """The exit code of the tests (None: they were ended), and which of them failed."""
    answer, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=run_tests, args=(ROOT, copy, tests, there), daemon=True)
    process.start()
    there.close()
    try:
        return answer.recv() if answer.poll(SECONDS_PER_GROUP) else (None, [])
    except EOFError:
        return None, []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()


def verdict(sampled: Sampled, copy: Path, tests: list[str], passes: dict[str, bool]) -> str:
    """What becomes of one change: whether one of the tests fails with it, and only with it.

    Whether a test passes in the copy without a change is noted in ``passes``: it may need something
    that the copy lacks, or fail now and then.
    """
    if not tests:
        return "uncovered"
    target = copy / sampled.file
    source = target.read_text(encoding="utf-8")
    changed = sampled.mutant.apply(source)
    for part in chosen(tests):
        left = [test for test in part if passes.get(test, True)]
        while left:
            target.write_text(changed, encoding="utf-8")
            try:
                code, failed = outcome(copy, left)
            finally:
                target.write_text(source, encoding="utf-8")
            if code == 0:
                break
            for test in failed:
                if test not in passes:
                    passes[test] = outcome(copy, [test])[0] == 0
            if all(passes[test] for test in failed):
                return "killed"
            left = [test for test in left if passes.get(test, True)]
    return "survived"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="+", help="packages or files, such as dlcourse/autodiff")
    parser.add_argument("--tests", nargs="+", default=["tests/engine"], help="their tests")
    parser.add_argument("--count", type=int, default=50, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument(
        "--reuse",
        action="store_true",
        help="measure those tests only that changed since the last call, which had these places",
    )
    parser.add_argument("--change", help="of all changes those alone whose line or text has this")
    options = parser.parse_args(arguments)
    WORKPLACE.mkdir(parents=True, exist_ok=True)
    places = [place.rstrip("/") for place in options.places]
    population = list(all_mutants(places))
    if options.change:
        population = [s for s in population if options.change in f"{s.text} {s.mutant.what}"]
    count = min(options.count, len(population))
    sample = random.Random(options.seed).sample(population, count)  # noqa: S311
    known = equivalent()
    to_try = [sampled for sampled in sample if sampled.key not in known]
    measured = TestsOfLines(ROOT, WORKPLACE)
    measured.measure(places, options.tests, options.reuse)
    lines = {file: measured.of_file(file) for file in {sampled.file for sampled in to_try}}
    queue = copies(options.jobs)
    passes: dict[str, bool] = {}

    def tried(sampled: Sampled) -> str:
        copy = queue.get()
        try:
            tests = lines[sampled.file].get(sampled.mutant.line, [])
            result = verdict(sampled, copy, tests, passes)
        finally:
            queue.put(copy)
        if result != "killed":
            tqdm.write(f"{result}: {sampled.file}:{sampled.mutant.line}: {sampled.mutant.what}")
        return result

    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(tqdm(pool.map(tried, to_try), total=len(to_try), unit="change"))
    killed = verdicts.count("killed")
    if unsound := sorted(test for test, does in passes.items() if not does):
        print("left out, because they fail without a change too:", *unsound, sep="\n  ")
    share = killed / len(to_try) if to_try else 1.0
    print(
        f"{count} of {len(population)} changes: {killed} killed, {len(to_try) - killed} survived, "
        f"{count - len(to_try)} judged equivalent; {share:.1%} of those that can be noticed were"
    )
    return 0 if killed == len(to_try) else 1


if __name__ == "__main__":
    sys.exit(main())
