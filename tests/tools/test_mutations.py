"""The small changes that `make mutate` makes, and how it tells who notices them."""

from __future__ import annotations

import shutil
from pathlib import Path

import mutate
import mutations
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x = a + b", ["a + b -> a - b"]),
        ("x = a < b", ["a < b -> a <= b"]),
        ("x = a is None", ["a is None -> a is not None"]),
        ("x = a and b", ["a and b -> a", "a and b -> a or b", "a and b -> b"]),
        ("x = -a", ["-a -> a"]),
        ("x = True", ["True -> False"]),
        ("x = 1.5", ["1.5 -> 2.5"]),
        ("x = 'out'", ["'out' -> 'out_'"]),
        ("f(a, b)", ["f(a, b) -> f(b, a)", "f(a, b) -> pass"]),
        ("x = f(a, axis=b)", ["f(a, axis=b) -> f(a)"]),
        ("if a:\n    b = c", ["a -> False", "a -> True"]),
        ("x = a if b else c", ["a if b else c -> a", "a if b else c -> c"]),
        ("def f():\n    return a", ["return a -> return None"]),
        ("if a:\n    raise E('text')", ["a -> False", "a -> True", "raise E('text') -> pass"]),
        ("s.x = a", ["s.x = a -> pass"]),
        ('def f(a: "int" = b) -> "int":\n    """Text."""', []),
        ("if TYPE_CHECKING:\n    import a", []),
        ("x = f'{a} is {b}'", []),
        ("x = 'some words'", []),
        ("__all__ = ['a', 'b']", []),
        ("match a:\n    case 1 if b:\n        x = 2", ["2 -> 3"]),
    ],
)
def test_the_changes_of_a_program(source: str, changes: list[str]) -> None:
    found = mutations.mutants(source)
    assert sorted(mutant.what for mutant in found) == changes
    for mutant in found:
        assert mutant.apply(source) != source


def test_positions_hold_beside_letters_of_several_bytes() -> None:
    (mutant,) = mutations.mutants("é = 'é'; x = a * b")[1:]
    assert mutant.apply("é = 'é'; x = a * b") == "é = 'é'; x = (a / b)"


MODULE = """\
def larger(a, b):
    return a if a > b else b


def unused():
    return 1
"""
TESTS = """\
import pytest
from dlcourse.module import larger

@pytest.mark.parametrize("a", [1, 3])
def test_larger(a):
    assert larger(a, 2) == max(a, 2)
"""
EQUIVALENT = """\
[[mutant]]
file = "dlcourse/module.py"
line = "return a if a > b else b"
change = "a > b -> a >= b"
reason = "Where both are equal, either is the larger one."
"""


def test_a_small_package_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in mutate.COPIED:
        (tmp_path / name).mkdir(parents=True) if "." not in name else (tmp_path / name).touch()
    (tmp_path / "dlcourse" / "__init__.py").touch()
    (tmp_path / "dlcourse" / "module.py").write_text(MODULE)
    (tmp_path / "tests" / "test_module.py").write_text(TESTS)
    (tmp_path / "tests" / "equivalent_mutants.toml").write_text(EQUIVALENT)
    shutil.copytree(ROOT / "tests" / "support", tmp_path / "tests" / "support")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\npythonpath = [".", "tests/support"]\n'
    )
    monkeypatch.setattr(mutate, "ROOT", tmp_path)
    monkeypatch.setattr(mutate, "WORKPLACE", tmp_path / "build")
    monkeypatch.setattr(mutate, "EQUIVALENT", tmp_path / "tests" / "equivalent_mutants.toml")
    assert mutate.main(["dlcourse", "--tests", "tests", "--count", "99"]) == 1
    said = capsys.readouterr().out
    assert "6 of 6 changes: 3 killed, 2 survived, 1 judged equivalent; 60.0%" in said
    assert "uncovered: dlcourse/module.py:6: return 1 -> return None" in said
    assert (tmp_path / "dlcourse" / "module.py").read_text() == MODULE
