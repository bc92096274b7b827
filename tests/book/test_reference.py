"""The reference says everything that there is, and nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import engine_sources
import pytest
import yaml
from engine_reference import indented_is_literal

from dlcourse.ops import PRIMITIVES

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "book" / "reference"
DOCUMENTED = sorted(
    {
        module
        for page in REFERENCE.glob("*.md")
        for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
    }
)
# "As mse", "as for mse", "see ops.conv2d", "those of RNN": the arguments are described there.
ELSEWHERE = re.compile(r"\b(?:as for|as of|as|see|those of) [`]*([\w.]*\w)", re.IGNORECASE)


def public(module_name: str) -> dict[str, Any]:
    """The functions and classes that a module shows on its page."""
    module = importlib.import_module(module_name)
    own = [n for n, x in vars(module).items() if getattr(x, "__module__", "") == module_name]
    names = getattr(module, "__all__", None) or [n for n in own if not n.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {n: x for n, x in found.items() if inspect.isclass(x) or inspect.isfunction(x)}


PUBLIC = [(name, thing) for module in DOCUMENTED for name, thing in public(module).items()]


def described(name: str, things: dict[str, Any]) -> set[str]:
    """The words of a docstring and of those that it points to."""
    seen: set[str] = set()
    words: set[str] = set()
    todo = [name]
    while todo:
        name = todo.pop()
        if name in seen or name not in things:
            continue
        seen.add(name)
        text = things[name].__doc__ or ""
        words |= set(re.findall(r"\w+", text))
        todo += [found.rpartition(".")[2] for found in ELSEWHERE.findall(text)]
    return words


def test_the_reference_has_a_row_for_each_operation_of_the_table_in_its_order() -> None:
    assert [row.name for row in engine_sources.operations()] == list(PRIMITIVES)


@pytest.mark.parametrize("row", engine_sources.operations(), ids=lambda row: row.name)
def test_an_operation_has_its_meaning_and_a_text_for_each_of_its_rules(
    row: engine_sources.Row,
) -> None:
    op = PRIMITIVES[row.name]
    differentiable = [a for a, r in zip(op.arguments, op.rules, strict=True) if r is not None]
    expected = ["arrays[i]"] if op.each else differentiable
    titles = [title.removeprefix("gradient of ") for title, _ in row.rules]
    assert [t for t in titles if not t.startswith("written")] == expected
    assert ("written with smaller operations" in titles) is (op.expand is not None)
    assert row.meaning
    assert all(text.strip() for _, text in row.rules)


def test_a_rule_reads_as_the_table_has_it() -> None:
    rules = {row.name: dict(row.rules) for row in engine_sources.operations()}
    assert rules["multiply"] == {"gradient of a": "g * b", "gradient of b": "g * a"}
    assert rules["power"]["gradient of a"].startswith("def power_a(")


def test_the_built_page_has_each_operation_and_each_rule(site: Path) -> None:
    html = (site / "book" / "reference" / "operations.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", "", unescape(re.sub(r"<[^>]*>", "", html)))
    missing = [
        (row.name, title)
        for row in engine_sources.operations()
        for title, rule in [("signature", row.signature), *row.rules]
        if re.sub(r"\s+", "", rule) not in text
    ]
    assert missing == []


def test_each_reference_page_is_in_the_table_of_contents() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [e["file"] for part in toc["parts"] for e in part["chapters"]]
    pages = [f"book/reference/{path.stem}" for path in REFERENCE.glob("*.md")]
    assert sorted(name for name in listed if "/reference/" in name) == sorted(pages)


@pytest.mark.parametrize("name", engine_sources.LAYERS)
def test_each_layer_of_the_engine_has_its_docstrings_on_a_page(name: str) -> None:
    assert any(f"{module}.".startswith(f"dlcourse.{name}.") for module in DOCUMENTED)


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_a_public_name_has_a_summary_and_its_arguments_are_described(
    name: str, thing: Callable[..., Any]
) -> None:
    summary = (thing.__doc__ or "").partition("\n")[0]
    assert summary.endswith((".", ":"))
    try:
        parameters = set(inspect.signature(thing).parameters)
    except ValueError:  # an exception of Python's own signature
        return
    assert parameters - described(name, {**dict(PUBLIC), name: thing}) == set()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["One step:", "", "    p = p - g", "", "Next."],
            "One step:\n\n::\n\n    p = p - g\n\nNext.",
        ),
        (["Args:", "    a: One.", "", "    more"], "Args:\n    a: One.\n\n    more"),
        (["Text", "", "More"], "Text\n\nMore"),
    ],
)
def test_what_stands_indented_in_a_docstring_is_literal(lines: list[str], expected: str) -> None:
    indented_is_literal(None, lines)
    assert "\n".join(lines) == expected
