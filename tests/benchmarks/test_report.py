"""The report is made from recorded measurements: here from small ones whose answers are known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.engines import UNIT
from benchmarks.problems import PROBLEMS

MACHINE = {"date": "2025-01-31", "processor": "abacus", "numpy": "2.4.0"}


def engines() -> dict[str, Any]:
    return {
        UNIT: {"first_call": 0.001, "seconds": [1e-4, 2e-4, 1e-4, 4e-4]},
        "dlcourse, compiled": {"first_call": 0.25, "seconds": [0.5e-4, 1e-4, 0.5e-4, 2e-4]},
        "JAX": {"unavailable": "jax is not installed"},
    }


def growth_rows() -> list[dict[str, Any]]:
    return [
        {
            "series": series,
            "size": n,
            "dynamic_seconds": 1e-3 * n,
            "dynamic_bytes": 1000 * n,
            "compiled_seconds": 1e-5 * n**2,
            "compiled_bytes": 500,
            "trace_and_compile_seconds": 0.1 * n**0.5,
        }
        for series in ("depth", "batch")
        for n in (10, 100, 1000)
    ]


def parts() -> dict[str, Any]:
    phases = {
        "dlcourse, dynamic": {"forward": 1e-5, "loss": 2e-6},
        "PyTorch": {"forward": 3e-5, "loss": 0},
    }
    lines = {"add": {"calls": 2, "seconds": 1e-6}, "dot": {"calls": 3, "seconds": 3e-6}}
    return {name: {"phases": phases, "lines": lines} for name in PROBLEMS}


@pytest.fixture
def summary() -> dict[str, Any]:
    measured = {**dict.fromkeys(PROBLEMS, engines()), "growth": growth_rows(), "parts": parts()}
    return report.summarised(
        {part: {"machine": MACHINE, "measured": value} for part, value in measured.items()}
    )


def row(text: str, first: str) -> list[str]:
    """The cells after the first one of the first row of a table that starts with ``first``."""
    (cells, *_) = re.findall(rf"(?m)^\| {re.escape(first)} \|(.*) \|$", text)
    return [cell.strip() for cell in cells.split(" | ")]


def test_a_ratio_compares_the_times_of_one_round() -> None:
    assert report.ratios([2.0, 6.0], [1.0, 2.0]) == [2.0, 3.0]


def test_a_busy_round_that_met_all_engines_leaves_the_ratio_alone(summary: dict[str, Any]) -> None:
    assert summary["article"]["dlcourse, compiled"]["ratio"] == [0.5, 0.5, 0.5]
    assert summary["article"][UNIT]["seconds"] == pytest.approx([1e-4, 1.5e-4, 3.5e-4])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power: float) -> None:
    sizes = [10, 100, 1000, 10000]
    assert report.exponent(sizes, [3 * n**power for n in sizes]) == pytest.approx(power)


def test_the_tables_give_times_ratios_goals_and_what_is_missing(summary: dict[str, Any]) -> None:
    text = report.tables(summary)
    assert "Measured 2025-01-31: processor abacus, numpy 2.4.0; one thread." in text
    assert row(text, UNIT) == ["150 (100 to 350)", "1.00", "1.00 to 1.00", ""]
    assert row(text, "dlcourse, compiled")[1:] == ["0.50", "0.50 to 0.50", "≤ 0.90"]
    assert row(text, "JAX")[:2] == ["not measured", "jax is not installed"]
    first_call = text.partition("### The first call")[2]
    assert row(first_call, "dlcourse, compiled") == ["250", "250"]


def test_the_growth_table_ends_with_the_exponents(summary: dict[str, Any]) -> None:
    text = report.tables(summary)
    assert row(text, "1,000") == ["1,000", "10,000", "3,160", "3.16", "1", "0.0005"]
    assert row(text, "fitted exponent") == ["1.00", "2.00", "0.50", "-0.50", "1.00", "0.00"]


def test_the_parts_are_listed_by_their_share(summary: dict[str, Any]) -> None:
    text = report.tables(summary)
    assert row(text, "forward") == ["10", "30"]
    assert row(text, "`dot`") == ["3", "3.0", "75%"]
    assert text.index("`dot`") < text.index("`add`")


def test_what_is_written_is_complete_and_can_be_made_again(
    summary: dict[str, Any], tmp_path: Path
) -> None:
    measured = {**dict.fromkeys(PROBLEMS, engines()), "growth": growth_rows(), "parts": parts()}
    records = {part: {"machine": MACHINE, "measured": value} for part, value in measured.items()}
    report.write(records, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "growth.svg",
        "speed.svg",
        "summary.json",
        "tables.md",
    }
    again = json.loads((tmp_path / "summary.json").read_text())
    assert report.tables(again) == (tmp_path / "tables.md").read_text() == report.tables(summary)
    assert (tmp_path / "speed.svg").read_text().count("dlcourse, compiled") == len(PROBLEMS)
    assert "dynamic, exponent 1.00" in (tmp_path / "growth.svg").read_text()


def test_the_tables_in_the_book_are_those_of_its_summary() -> None:
    summary = json.loads((report.BOOK / "summary.json").read_text())
    assert (report.BOOK / "tables.md").read_text() == report.tables(summary)
