"""From the measurements to what a reader sees: tables in Markdown and charts in SVG."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engines import UNIT
from benchmarks.problems import PROBLEMS, Problem

BOOK = Path(__file__).resolve().parent.parent / "book" / "_static" / "benchmarks"
Record = Mapping[str, Any]


def write(records: Mapping[str, Record], folder: Path) -> None:
    """tables.md, speed.svg and growth.svg, and summary.json, from which they can be made again."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarised(records)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    (folder / "tables.md").write_text(tables(summary))
    for name, draw in (("speed", draw_speed), ("growth", draw_growth)):
        draw(summary, folder / f"{name}.svg")


# --- Numbers ----------------------------------------------------------------------------------


def summarised(records: Mapping[str, Record]) -> dict[str, Any]:
    """The records with the quartiles in place of the rounds."""
    summary: dict[str, Any] = {"machine": records["growth"]["machine"]}
    for name in PROBLEMS:
        engines = records[name]["measured"]
        unit = engines[UNIT]["seconds"]
        summary[name] = {
            engine: measured
            if "unavailable" in measured
            else {
                "first_call": measured["first_call"],
                "seconds": statistics.quantiles(measured["seconds"], n=4),
                "ratio": statistics.quantiles(ratios(measured["seconds"], unit), n=4),
            }
            for engine, measured in engines.items()
        }
    return summary | {part: records[part]["measured"] for part in ("growth", "parts")}


def ratios(seconds: Sequence[float], unit: Sequence[float]) -> list[float]:
    """Each round's time by the unit's in the same round, in which the machine was as busy."""
    return [a / b for a, b in zip(seconds, unit, strict=True)]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The k of the power law values = c * sizes ** k that fits best (least squares in the logs)."""
    return statistics.linear_regression(list(map(math.log, sizes)), list(map(math.log, values)))[0]


def significant(x: float) -> str:
    """``x`` with three significant digits."""
    return f"{float(f'{x:.3g}'):,g}"


# --- Tables -----------------------------------------------------------------------------------


def tables(summary: Record) -> str:
    """All tables, under headings of the third level."""
    sections = [
        _when(summary["machine"]),
        *(_speed_section(problem, summary[name]) for name, problem in PROBLEMS.items()),
        _section("The first call", _first_calls(summary)),
        *(
            _section(f"Growth with the {series}", _growth(summary["growth"], series))
            for series in ("depth", "batch")
        ),
        *(
            _section(f"The parts of a step: {name}", _phases(parts) + "\n" + _lines(parts))
            for name, parts in summary["parts"].items()
        ),
    ]
    return "\n".join(sections)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, rule, *rows))


def _section(heading: str, body: str) -> str:
    return f"### {heading}\n\n{body}"


def _when(machine: Mapping[str, str]) -> str:
    about = dict(machine)
    date = about.pop("date")
    return f"Measured {date}: {', '.join(f'{k} {v}' for k, v in about.items())}; one thread.\n"


def _speed_section(problem: Problem, engines: Mapping[str, Any]) -> str:
    rows = []
    for name, engine in engines.items():
        if "unavailable" in engine:
            rows.append((name, "not measured", engine["unavailable"], "", ""))
            continue
        low, median, high = (1e6 * s for s in engine["seconds"])
        least, ratio, most = engine["ratio"]
        goal = problem.goals.get(name)
        rows.append(
            (
                name,
                f"{median:.0f} ({low:.0f} to {high:.0f})",
                f"{ratio:.2f}",
                f"{least:.2f} to {most:.2f}",
                "" if goal is None else f"≤ {goal:.2f}",
            )
        )
    headings = ("engine", "µs a step (quartiles)", "ratio", "its quartiles", "goal")
    return _section(problem.title, markdown_table(headings, rows))


def _first_calls(summary: Record) -> str:
    def row(engine: str) -> list[str]:
        each = [summary[name][engine] for name in PROBLEMS]
        return [
            engine,
            *(f"{1e3 * e['first_call']:.0f}" if "first_call" in e else "" for e in each),
        ]

    engines = [e for e in summary["article"] if "first_call" in summary["article"][e]]
    headings = ("engine", *(f"ms, {name}" for name in PROBLEMS))
    return markdown_table(headings, map(row, engines))


# By heading, the number that a row of "growth" has for it.
COLUMNS: Mapping[str, Callable[[Record], float]] = {
    "dynamic, ms": lambda row: 1e3 * row["dynamic_seconds"],
    "compiled, ms": lambda row: 1e3 * row["compiled_seconds"],
    "to compile, ms": lambda row: 1e3 * row["trace_and_compile_seconds"],
    "to compile, dynamic steps": lambda row: (
        row["trace_and_compile_seconds"] / row["dynamic_seconds"]
    ),
    "dynamic, MB": lambda row: row["dynamic_bytes"] / 1e6,
    "compiled, MB": lambda row: row["compiled_bytes"] / 1e6,
}


def _growth(rows: Sequence[Record], series: str) -> str:
    of_series = [row for row in rows if row["series"] == series]
    body = [
        [f"{row['size']:,}", *(significant(number(row)) for number in COLUMNS.values())]
        for row in of_series
    ]
    sizes = [row["size"] for row in of_series]
    fitted = [
        f"{exponent(sizes, [number(row) for row in of_series]):z.2f}" for number in COLUMNS.values()
    ]
    return markdown_table((series, *COLUMNS), [*body, ["fitted exponent", *fitted]])


def _phases(parts: Record) -> str:
    engines = parts["phases"]
    phases = next(iter(engines.values()))
    rows = [[phase, *(f"{1e6 * engines[e][phase]:.0f}" for e in engines)] for phase in phases]
    return markdown_table(("phase", *(f"{engine}, µs" for engine in engines)), rows)


def _lines(parts: Record) -> str:
    lines = sorted(parts["lines"].items(), key=lambda line: -line[1]["seconds"])
    total = math.fsum(line["seconds"] for _, line in lines)
    rows = [
        (
            f"`{name}`",
            str(int(x["calls"])),
            f"{1e6 * x['seconds']:.1f}",
            f"{x['seconds'] / total:.0%}",
        )
        for name, x in lines
    ]
    return markdown_table(("in the compiled step", "calls", "µs", "share"), rows)


# --- Charts -----------------------------------------------------------------------------------


def draw_speed(summary: Record, path: Path) -> None:
    """Each engine's ratio, with its quartiles and the goals, on a logarithmic scale."""
    import matplotlib.pyplot as plt

    from dlcourse.views.style import BLUE, GREY, ORANGE, use_book_style

    use_book_style()
    figure, panels = plt.subplots(len(PROBLEMS), figsize=(4.8, 6.0))
    for panel, (name, problem) in zip(panels, PROBLEMS.items(), strict=True):
        measured = {e: m["ratio"] for e, m in summary[name].items() if "ratio" in m}
        ordered = sorted(measured, key=lambda engine: -measured[engine][1])
        for position, engine in enumerate(ordered):
            low, median, high = measured[engine]
            color = BLUE if engine.startswith("dlcourse") else GREY
            panel.plot([low, high], [position] * 2, color=color, linewidth=4, alpha=0.5)
            panel.plot(median, position, "o", color=color, markersize=6)
            panel.annotate(
                f"{median:.2f}", (high, position), (6, 0), textcoords="offset points", va="center"
            )
            if engine in problem.goals:
                panel.plot(problem.goals[engine], position, "|", color=ORANGE, markersize=14)
        panel.set_yticks(range(len(ordered)), ordered)
        panel.set_xscale("log")
        panel.set_xlim(0.4, 2.5 * max(high for _, _, high in measured.values()))
        panel.axvline(1, color=GREY, linewidth=1)
        panel.set_title(problem.title.replace(", ", ",\n", 1), fontsize=8, loc="right")
        panel.set_xlabel("time of a step, NumPy by hand = 1 (| goal)")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_growth(summary: Record, path: Path) -> None:
    """Time and memory by depth and by batch, on logarithmic scales, where a power law is a line."""
    import matplotlib.pyplot as plt

    from dlcourse.views.style import BLUE, ORANGE, use_book_style

    use_book_style()
    figure, panels = plt.subplots(2, 2, figsize=(4.8, 4.4), sharex="col")
    for column, series in enumerate(("depth", "batch")):
        rows = [row for row in summary["growth"] if row["series"] == series]
        sizes = [row["size"] for row in rows]
        for row_of_panels, quantity, unit in ((0, "seconds", "s a step"), (1, "bytes", "bytes")):
            panel = panels[row_of_panels, column]
            for engine, color in (("dynamic", BLUE), ("compiled", ORANGE)):
                values = [row[f"{engine}_{quantity}"] for row in rows]
                label = f"{engine}, exponent {exponent(sizes, values):.2f}"
                panel.loglog(sizes, values, "o-", color=color, label=label)
            panel.legend(fontsize=7, loc="upper left")
            panel.margins(y=0.5)
            panel.set_ylabel(unit)
        panels[1, column].set_xlabel(series)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
