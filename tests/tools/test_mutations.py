"""The small changes that `make mutate` makes, and how it tells who notices them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
        ("__slots__ = ('a', 'b')", []),
        ("x = a in 'iu'", ["a in 'iu' -> a in 'i'", "a in 'iu' -> a not in 'iu'"]),
        ("x = min(a, b)", []),
        ("x = zip(a, b, strict=True)", ["zip(a, b, strict=True) -> zip(b, a, strict=True)"]),
        ("Kind = Literal['view', 'fresh']", []),
        ("assert a > 0", []),
        ("def f():\n    return None", []),
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


class Project:
    """A small checkout with the tool in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in {*mutate.COPIED} - {"tools"}:
            path = folder / name
            path.touch() if "." in name else path.mkdir(parents=True)
        shutil.copytree(ROOT / "tools", folder / "tools")
        (folder / "dlcourse" / "__init__.py").touch()
        self.module.write_text(MODULE)
        (folder / "tests" / "test_module.py").write_text(TESTS)
        (folder / "tests" / "equivalent_mutants.toml").write_text(EQUIVALENT)
        shutil.copytree(ROOT / "tests" / "support", folder / "tests" / "support")
        (folder / "pyproject.toml").write_text(
            '[tool.pytest.ini_options]\npythonpath = [".", "tests/support"]\n'
        )

    @property
    def module(self) -> Path:
        return self.folder / "dlcourse" / "module.py"

    def mutate(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the tool in a process of its own, as its user would."""
        clean = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        command = [sys.executable, "tools/mutate.py", "dlcourse", "--tests", "tests"]
        return subprocess.run(
            [*command, "--count", "99", *options],
            cwd=self.folder,
            env=clean,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_small_package_is_measured(project: Project) -> None:
    done = project.mutate()
    assert done.returncode == 1
    said = done.stdout
    assert "6 of 6 changes: 3 killed, 2 survived, 1 judged equivalent; 60.0%" in said
    assert "uncovered: dlcourse/module.py:6: return 1 -> return None" in said
    assert project.module.read_text() == MODULE


def test_what_runs_at_import_is_tried_with_the_tests_of_the_file(project: Project) -> None:
    project.module.write_text("SIZES = dict(\n    a=2,\n)\n\n\n" + MODULE)
    test = "from dlcourse.module import SIZES\n\ndef test_sizes():\n    larger(1, SIZES['a'])\n"
    (project.folder / "tests" / "test_module.py").write_text(
        TESTS + test + "    assert SIZES == {'a': 2}\n"
    )
    assert "2 of 2 changes: 2 killed" in project.mutate("--change", "a=2").stdout


def test_with_reuse_the_changed_tests_alone_are_measured_again(project: Project) -> None:
    project.mutate("--count", "0")
    more = "from dlcourse.module import unused\n\ndef test_unused():\n    assert unused() == 1\n"
    (project.folder / "tests" / "test_more.py").write_text(more)
    said = project.mutate("--reuse").stdout
    assert "6 of 6 changes: 5 killed, 0 survived, 1 judged equivalent" in said
    assert len(list((project.folder / "build" / "mutate").glob("coverage-*.toml"))) == 2
    assert "finding out" not in project.mutate("--count", "0", "--reuse").stdout
    project.module.write_text("a = 1\n" + MODULE)
    refused = project.mutate("--reuse")
    assert refused.returncode == 1
    assert "leave out --reuse" in refused.stderr


def test_a_test_that_fails_without_a_change_too_kills_nothing(project: Project) -> None:
    (project.folder / "only_here").touch()
    test = "\ndef test_elsewhere():\n    larger(1, 2)\n    assert Path('only_here').exists()\n"
    test += "\ndef test_anyway():\n    assert larger(1, 2) == 1\n"
    (project.folder / "tests" / "test_module.py").write_text(
        "from pathlib import Path\n" + TESTS + test
    )
    said = project.mutate("--change", "return a").stdout
    assert "left out" in said
    assert "test_elsewhere" in said
    assert "test_anyway" in said
    assert "4 of 4 changes: 3 killed" in said
