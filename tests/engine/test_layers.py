"""The engine is built in layers: imports go one way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import engine_sources
import pytest
from engine_sources import LAYERS, VIEWS

GRADER = {"grading", "__main__", "__init__"}


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
    monkeypatch.setattr(engine_sources, "PACKAGE", tmp_path)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "a.py").write_text(
        "import dlcourse.nn.init\n"
        "def f():\n    from dlcourse import training\n"
        "def g():\n    from dlcourse.graphs.graph import Graph\n"
        "from dlcourse.part.b import c\n"
    )
    assert engine_sources.imports("part") == {"nn", "training", "graphs"}


def test_a_drawn_layer_shows_what_it_imports_and_would_not_reach_otherwise() -> None:
    direct = engine_sources.direct_imports()
    for layer, lower in direct.items():
        reached = set(lower)
        for name in reversed(list(direct)):
            if name in reached:
                reached |= set(direct[name])
        assert engine_sources.imports(layer) & set(direct) <= reached
    assert direct["autodiff"] == ["array_methods"]


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
