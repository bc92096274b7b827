"""Do an assignment's hidden checks notice each small change of its reference solution?

    python tools/mutate_assignment.py 01-autodiff           try all, write solutions/…/mutants.md
    python tools/mutate_assignment.py 01-autodiff --count 20 --seed 1     try some, write nothing
    python tools/mutate_assignment.py 01-autodiff --check   fail if mutants.md is of other sources

One change at a time, by the operators of `mutations` and `array_mutations`, is graded in the
sandbox as a student's answer is. It must lose a point of its own question, or stand in
`solutions/NAME/equivalent_mutants.toml` with the reason why it is right, too. Results are kept in
`build/mutate/`, so that only what has changed is tried again.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from array_mutations import array_changes
from mutations import Key, Mutant, equivalents, mutants
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution
from products import run
from tqdm import tqdm

from dlcourse.grading.assignments.assignment import (
    Assignment,
    find_assignment,
    grade_id,
    load_assignment,
)
from dlcourse.grading.assignments.rebuild import rebuild
from dlcourse.grading.errors import GradingError
from dlcourse.grading.marking.marks import mark
from dlcourse.grading.marking.reference import reference_of
from dlcourse.grading.pipeline import grader_version
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.runs import Runs
from exercises import BEGIN, END

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "mutate"
TABLE, EQUIVALENT = "mutants.md", "equivalent_mutants.toml"
# A change that never ends should cost little; the reference takes a tenth of this at most.
LIMITS = Limits(cell_seconds=10, probe_seconds=2, total_seconds=60, memory_bytes=1 << 30)

ORDINALS = ("", "", ", the second", ", the third", *(f", number {n}" for n in range(4, 100)))


@dataclass(frozen=True)
class Change:
    """A change of an answer: its question, its cell, and the text of the line that it changes.

    ``what`` tells it from others of its line: "g -> 2 * g", or "g -> 2 * g, the second".
    """

    question: str
    cell: str
    text: str
    what: str
    mutant: Mutant

    @property
    def key(self) -> Key:
        return self.cell, self.text, self.what


def changes(assignment: Assignment) -> list[Change]:
    """The changes of the reference solution, each program once."""
    found, programs, times = [], set[str](), Counter[Key]()
    for question, cell in _answers(assignment):
        lines = cell.source.splitlines()
        programs.add(ast.dump(ast.parse(cell.source)))
        for mutant in mutants(cell.source, array_changes):
            program = ast.dump(ast.parse(mutant.apply(cell.source)))
            if mutant.line in _solution_lines(lines) and program not in programs:
                programs.add(program)
                name, text = str(grade_id(cell)), lines[mutant.line - 1].strip()
                times[name, text, mutant.what] += 1
                which = ORDINALS[times[name, text, mutant.what]]
                found.append(Change(question, name, text, f"{mutant.what}{which}", mutant))
    return found


def _answers(assignment: Assignment) -> Iterator[tuple[str, NotebookNode]]:
    """The answer cells, each with the question that is marked after it."""
    waiting: list[NotebookNode] = []
    for cell in assignment.source.cells:
        if cell.cell_type != "code":
            continue
        if is_solution(cell):
            waiting.append(cell)
        elif is_grade(cell):
            yield from ((str(grade_id(cell)), answer) for answer in waiting)
            waiting = []


def _solution_lines(lines: Sequence[str]) -> set[int]:
    """The numbers, from 1, of the lines that students write."""
    found, inside = set(), False
    for number, line in enumerate(lines, start=1):
        inside = (inside or BEGIN in line) and END not in line
        if inside and BEGIN not in line:
            found.add(number)
    return found


@dataclass
class Trial:
    """An assignment whose checks are tried, with what is known from earlier trials."""

    folder: Path
    assignment: Assignment
    runs: Runs

    @cached_property
    def kept(self) -> dict[str, int]:
        path = KEPT / f"{self.assignment.name}.json"
        found: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
        return found

    def save(self) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{self.assignment.name}.json").write_text(json.dumps(self.kept))

    def lost_checks(self, change: Change) -> int:
        """How many checks of its question a change fails."""
        notebook = copy.deepcopy(self.assignment.source)
        cell = next(cell for cell in notebook.cells if grade_id(cell) == change.cell)
        cell.source = change.mutant.apply(cell.source)
        key = _digest(self.assignment.digest, grader_version(), change.cell, cell.source)
        if key not in self.kept:
            self.kept[key] = self._grade(change.question, notebook)
        return self.kept[key]

    def _grade(self, question: str, notebook: NotebookNode) -> int:
        reference = reference_of(self.assignment, self.runs)
        calls = [call for call in reference.calls if call.grade_id == question]
        rebuilt = rebuild(self.assignment.release, notebook)
        found = self.runs.probe(self.assignment, rebuilt, calls, reference.limits, second_tries=0)
        marks = mark(self.assignment, rebuilt, reference.answers, found)
        (own,) = (each for each in marks.questions if each.grade_id == question)
        return sum(check.score == 0 for check in own.checks)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def sources_digest(assignment: Assignment, folder: Path) -> str:
    """Changes whenever the changes, the checks or the reasons do."""
    own = [f"{change.cell} {change.mutant}" for change in changes(assignment)]
    reasons = [
        f"{key} {reason}"
        for key, reason in sorted(equivalents(folder / EQUIVALENT, "cell").items())
    ]
    return _digest(*own, assignment.checks_source, *reasons)[:16]


def table(assignment: Assignment, folder: Path, known: Mapping[Key, str]) -> str:
    """The result for a person to read, when every change was noticed or is right."""
    found = changes(assignment)
    total = Counter(change.question for change in found)
    right = Counter(change.question for change in found if change.key in known)
    sources = sources_digest(assignment, folder)
    lines = [
        f"# {assignment.name}: do the checks notice?",
        "",
        "Each small change of the reference solution was graded as a student's answer is. It lost",
        "points of its question, or is right, too (`equivalent_mutants.toml` says why). Written by",
        f"`make mutate ASSIGNMENT={assignment.name}`, from the sources `{sources}`.",
        "",
        "| question | changes | right, too | noticed |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, count in total.items():
        lines.append(f"| {name} | {count} | {right[name]} | {count - right[name]} |")
    sums = total.total(), right.total(), total.total() - right.total()
    lines.append("| **all** | " + " | ".join(f"**{number}**" for number in sums) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("assignment", help="as in solutions/")
    parser.add_argument("--check", action="store_true", help="only compare mutants.md's sources")
    parser.add_argument("--count", type=int, help="try a sample of so many changes")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args(arguments)
    try:
        folder = find_assignment(options.assignment, ROOT / "solutions")
        assignment = load_assignment(folder)
    except GradingError as error:
        print(error, file=sys.stderr)
        return 2
    return _check(assignment, folder) if options.check else _try(assignment, folder, options)


def _check(assignment: Assignment, folder: Path) -> int:
    path = folder / TABLE
    expected = table(assignment, folder, equivalents(folder / EQUIVALENT, "cell"))
    if path.is_file() and path.read_text(encoding="utf-8") == expected:
        return 0
    print(f"{path} is not of these sources. Run: make mutate ASSIGNMENT={assignment.name}")
    return 1


def _try(assignment: Assignment, folder: Path, options: argparse.Namespace) -> int:
    found, known = changes(assignment), equivalents(folder / EQUIVALENT, "cell")
    if stale := sorted(known.keys() - {change.key for change in found}):
        print(f"{folder / EQUIVALENT} has entries that are no changes of the solution:")
        print(*(f"  {cell}: {line}: {what}" for cell, line, what in stale), sep="\n")
        return 1
    to_try = [change for change in found if change.key not in known]
    if options.count is not None:
        to_try = random.Random(options.seed).sample(to_try, min(options.count, len(to_try)))  # noqa: S311
    trial = Trial(folder, assignment, Runs(limits=LIMITS, hidden=(ROOT,)))
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            tried = pool.map(trial.lost_checks, to_try)
            lost = list(tqdm(tried, total=len(to_try), unit="change"))
    finally:
        trial.save()
    survivors = [change for change, count in zip(to_try, lost, strict=True) if not count]
    for change in survivors:
        line = f"{change.question}, line {change.mutant.line}: {change.what}"
        print(f"not noticed: {line}\n    {change.text}")
    print(f"{assignment.name}: {len(to_try) - len(survivors)} of {len(to_try)} changes noticed")
    if options.count is None and not survivors:
        (folder / TABLE).write_text(table(assignment, folder, known), encoding="utf-8")
    return 1 if survivors else 0


if __name__ == "__main__":
    run(main)
