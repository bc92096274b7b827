"""The engine is built in layers: imports go one way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import engine_sources
import pytest
from engine_sources import LAYERS, VIEWS

GRADER = {"grading", "__main__", "__init__"}  # the command line and the sandbox


def test_each_part_of_dlcourse_has_its_place() -> None:
    parts = {path.stem for path in engine_sources.PACKAGE.glob("[!.]*")} - {"__pycache__", "py"}
    assert sorted([*LAYERS, *VIEWS]) == sorted(parts - GRADER)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_lower_layers_only(layer: str) -> None:
    assert engine_sources.imports(layer) <= set(LAYERS[: LAYERS.index(layer)])


@pytest.mark.parametrize("view", VIEWS)
def test_what_shows_the_engine_imports_the_engine_and_the_views_before_it(view: str) -> None:
    assert engine_sources.imports(view) <= {*LAYERS, *VIEWS[: VIEWS.index(view)]}


def test_an_import_within_a_function_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "dlcourse"
    monkeypatch.setattr(engine_sources, "PACKAGE", package)
    for name in ("nn/init.py", "training/__init__.py", "graphs/graph.py", "part/b.py"):
        (package / name).parent.mkdir(parents=True)
        (package / name).touch()
    (package / "part" / "a.py").write_text(
        "import dlcourse.nn.init\n"
        "def f():\n    from dlcourse import training\n"
        "def g():\n    from dlcourse.graphs.graph import Graph\n"
        "from dlcourse.part.b import c\n"
    )
    assert engine_sources.imports("part") == {"nn", "training", "graphs"}


def test_no_two_modules_import_each_other() -> None:
    assert engine_sources.circle() == []


@pytest.mark.parametrize(
    "line",
    [
        "import dlcourse.part.a",
        "from dlcourse.part.a import x",
        "from dlcourse.part import a",
        "from dlcourse.part import a, b",
        "def f():\n    from dlcourse.part.a import x",
        "if TYPE_CHECKING:\n    from dlcourse.part.a import x",
    ],
)
def test_a_circle_is_found_however_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    package = tmp_path / "dlcourse"
    monkeypatch.setattr(engine_sources, "PACKAGE", package)
    (package / "part").mkdir(parents=True)
    for name in ("__init__.py", "part/__init__.py", "part/c.py", "part/d.py"):
        (package / name).write_text("from dlcourse.part.c import x\n" if name[-4] == "d" else "")
    (package / "part" / "a.py").write_text("from dlcourse.part.b import x\n")
    (package / "part" / "b.py").write_text("from dlcourse.part.c import x\n")
    assert engine_sources.circle() == []
    (package / "part" / "c.py").write_text(line)
    assert sorted(engine_sources.circle()) == [f"dlcourse.part.{name}" for name in "abc"]


# Tables that have operations in them and state no fact about one.
TABLES = {
    "autodiff/array_methods.py": {"NUMPY_FUNCTIONS"},  # NumPy's names for them
    "graphs/compiler/algebra.py": {"RULES"},  # how a graph is rewritten, which is the pass itself
    "losses/reduction.py": {"_REDUCTIONS"},  # words for what to do with the losses of a batch
    "nn/init.py": {"GAINS"},  # words for what follows a layer
}


def test_what_is_known_about_an_operation_stands_in_its_row() -> None:
    parts = [part for part in LAYERS if part != "ops"]
    found = {
        file.relative_to(engine_sources.PACKAGE).as_posix(): {*names}
        for part in parts
        for file in engine_sources.files(part)
        if (names := engine_sources.tables_of_operations(file))
    }
    assert found == TABLES


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ('VIEWS = {"reshape", "flip"}', True),
        ("VIEWS = (ops.reshape, ops.flip)", True),
        ('NEUTRAL: dict[str, int] = {"add": 0}', True),
        ('NAMES = ["stride", "padding"]', False),
        ("y = ops.reshape(x)", False),
        ('def f():\n    x = {"add": 0}', False),
    ],
)
def test_a_table_of_operations_is_seen(tmp_path: Path, line: str, is_one: bool) -> None:
    (tmp_path / "a.py").write_text(line)
    assert bool(engine_sources.tables_of_operations(tmp_path / "a.py")) is is_one


def test_every_module_stands_in_a_package() -> None:
    loose = {path.stem for path in engine_sources.PACKAGE.glob("*.py")}
    assert loose == {"__init__", "__main__"}


def test_a_drawn_layer_shows_what_it_imports_and_would_not_reach_otherwise() -> None:
    direct = engine_sources.direct_imports()
    for layer, lower in direct.items():
        reached = set(lower)
        for name in reversed(list(direct)):
            if name in reached:
                reached |= set(direct[name])
        assert engine_sources.imports(layer) & set(direct) <= reached
    assert direct["autodiff"] == ["ops"]


@pytest.mark.parametrize("part", LAYERS)
def test_importing_a_layer_imports_numpy_and_the_standard_library_only(part: str) -> None:
    program = (
        "import sys; before = set(sys.modules); "
        f"import dlcourse.{part}; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(run.stdout.split()) - sys.stdlib_module_names == {"numpy", "dlcourse"}
