"""The hidden checks of an assignment are tried on small changes of its reference solution."""

from __future__ import annotations

from pathlib import Path

import mutate_assignment
import mutations
import pytest
from array_mutations import array_changes
from small_course import CHECKS, NAME, assignment_of, make_course


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x = b.T", ["b.T -> b"]),
        ("x = g.sum(axis=a)", [
            "g.sum(axis=a) -> g", "g.sum(axis=a) -> g.mean(axis=a)", "g.sum(axis=a) -> g.sum()",
            "g.sum(axis=a) -> g.sum(axis=a, keepdims=True)"]),
        ("x = np.sum(g)", ["np.sum(g) -> g", "np.sum(g) -> np.mean(g)"]),
        ("x = np.maximum(a, b)", ["np.maximum(a, b) -> np.minimum(a, b)"]),
        ("x = a.copy()", ["a.copy() -> a"]),
        ("x = a * b", ["a * b -> a", "a * b -> a / b", "a * b -> b"]),
        ("x = a - b", ["a - b -> a", "a - b -> a + b", "a - b -> b", "a - b -> b - a"]),
        ("x = a**2", ["2 -> 3", "a ** 2 -> a", "a ** 2 -> a * 2"]),
        ("x += a", ["x += a -> pass", "x += a -> x = a"]),
        ("x = x + a", [
            "x + a -> a", "x + a -> x", "x + a -> x - a", "x = x + a -> pass",
            "x = x + a -> x += a"]),
        ("x = f(x)", ["x = f(x) -> pass"]),
        ("def f():\n    return a, b", [
            "a -> -a", "a -> 2 * a", "b -> -b", "b -> 2 * b",
            "return (a, b) -> return (b, a)", "return (a, b) -> return None"]),
        ("for a in b:\n    pass", ["b -> list(b)[1:]", "b -> list(b)[:-1]"]),
        ("for a in reversed(b):\n    break", [
            "break -> pass", "reversed(b) -> b", "reversed(b) -> list(reversed(b))[1:]",
            "reversed(b) -> list(reversed(b))[:-1]"]),
        ("while a:\n    pass", ["a -> False"]),
        ("x = a[b:]", ["a[b:] -> a"]),
        ("order.append(a)", ["order.append(a) -> order.extend(a)", "order.append(a) -> pass"]),
    ],
)  # fmt: skip
def test_the_slips_of_the_subject(source: str, changes: list[str]) -> None:
    found = mutations.mutants(source, array_changes)
    assert sorted(mutant.what for mutant in found) == sorted(changes)
    for mutant in found:
        compile(mutant.apply(source), "changed", "exec")


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    course = make_course(tmp_path)
    monkeypatch.setattr(mutate_assignment, "ROOT", course)
    monkeypatch.setattr(mutate_assignment, "KEPT", course / "build")
    return course


def entry(cell: str, line: str, change: str) -> str:
    fields = {"cell": cell, "line": line, "change": change, "reason": "For a test."}
    return "[[mutant]]\n" + "".join(f"{name} = {value!r}\n" for name, value in fields.items())


def equivalent(course: Path, *entries: str) -> None:
    path = course / "solutions" / NAME / "equivalent_mutants.toml"
    path.write_text("\n".join(entries))


def test_only_the_lines_of_the_solution_are_changed_each_program_once(course: Path) -> None:
    found = mutate_assignment.changes(assignment_of(course))
    assert {(change.question, change.cell) for change in found} == {
        ("square", "square-answer"),
        ("cube", "cube-answer"),
    }
    assert {change.text for change in found} == {"return x * x", "return x * x * x"}
    assert len({change.key for change in found}) == len(found)
    # The factor that is left out of x * x may be the first or the second: that is one program.
    assert {change.what for change in found if change.cell == "square-answer"} == {
        "return x * x -> return None",
        "x * x -> -(x * x)",
        "x * x -> 2 * (x * x)",
        "x * x -> x",
        "x * x -> x / x",
    }


def test_when_all_changes_are_noticed_the_table_is_written_and_kept(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = course / "solutions" / NAME / "mutants.md"
    assert mutate_assignment.main(["squares", "--check"]) == 1
    assert "Run: make mutate ASSIGNMENT=01-squares" in capsys.readouterr().out
    assert mutate_assignment.main(["squares"]) == 0, capsys.readouterr().out
    count = len(mutate_assignment.changes(assignment_of(course)))
    assert f"| **all** | **{count}** | **0** | **{count}** |" in table.read_text()
    assert mutate_assignment.main(["squares", "--check"]) == 0

    monkeypatch.setattr(mutate_assignment.Trial, "_grade", None)  # nothing is graded again
    assert mutate_assignment.main(["squares"]) == 0
    checks = course / "solutions" / NAME / "checks.py"
    checks.write_text(f"{checks.read_text()}\n# An edit.\n")
    assert mutate_assignment.main(["squares", "--check"]) == 1


def test_a_change_that_no_check_notices_is_printed_and_nothing_written(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = course / "solutions" / NAME / "checks.py"
    checks.write_text(CHECKS.replace('ns["cube"](x)', 'abs(ns["cube"](x))'))
    assert mutate_assignment.main(["squares"]) == 1
    shown = capsys.readouterr().out
    assert "not noticed: cube, line 3: x * x * x -> -(x * x * x)\n    return x * x * x" in shown
    assert not (course / "solutions" / NAME / "mutants.md").exists()

    equivalent(course, entry("cube-answer", "return x * x * x", "x * x * x -> -(x * x * x)"))
    assert mutate_assignment.main(["squares"]) == 0, capsys.readouterr().out
    assert "| cube | 7 | 1 | 6 |" in (course / "solutions" / NAME / "mutants.md").read_text()


def test_an_entry_that_is_no_change_any_more_is_an_error(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    equivalent(course, entry("cube-answer", "return x ** 3", "x ** 3 -> x"))
    assert mutate_assignment.main(["squares"]) == 1
    assert "cube-answer: return x ** 3: x ** 3 -> x" in capsys.readouterr().out


def test_an_unknown_assignment_is_a_clear_error(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mutate_assignment.main(["triangles"]) == 2
    assert "no assignment is called 'triangles'" in capsys.readouterr().err
