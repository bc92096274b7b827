"""Times a training step in every engine, how it grows, and where its time goes.

    python -m benchmarks.run                        all of it, into build/benchmarks
    python -m benchmarks.run --only article         one part: article, digits, growth or parts
    python -m benchmarks.run --skip "PyTorch, torch.compile"
    python -m benchmarks.run --record               and the book's table and charts from it

Every engine starts from the same weights, and must reach the same loss. Rounds are interleaved, so
that a busy moment of the machine meets all engines.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import track

from benchmarks import growth, parts, report
from benchmarks.problems import PROBLEMS
from benchmarks.workers import Worker, check_agreement, installed_modules

PARTS = (*PROBLEMS, "growth", "parts")
OUTPUT = Path("build/benchmarks")
console = Console()


def measure(problem: str, rounds: int, round_seconds: float, skip: tuple[str, ...]) -> Any:
    """One problem in every engine.

    Returns:
        By engine: "first_call" in seconds, "seconds" a step with one number a round, and "steps" in
        a round; or, for an engine that did not run, the reason under "unavailable".
    """
    modules, missing = installed_modules()
    engines: dict[str, Any] = {}
    workers: dict[str, Worker] = {}
    started = []
    try:
        for module in track(modules, f"{problem}: first steps", console=console):
            worker = Worker(module, problem, skip)
            started.append(worker)
            for name, trial in worker.trials.items():
                if trial.unavailable:
                    engines[name] = {"unavailable": trial.unavailable}
                else:
                    workers[name] = worker
                    engines[name] = {"first_call": trial.first_call, "seconds": []}
        engines |= {package: {"unavailable": "not installed"} for package in missing}
        for name, engine in engines.items():
            if "unavailable" in engine:
                console.print(f"{name}: skipped, {engine['unavailable']}")
        check_agreement({n: w.trials[n].losses for n, w in workers.items()})
        for name, worker in workers.items():
            step = worker.seconds(name, 5) / 5  # also the warm-up
            engines[name]["steps"] = max(1, round(round_seconds / step))
        for _ in track(range(rounds), f"{problem}: {rounds} rounds", console=console):
            for name, worker in workers.items():
                steps = engines[name]["steps"]
                engines[name]["seconds"].append(worker.seconds(name, steps) / steps)
    finally:
        for worker in started:
            worker.close()
    return engines


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    packages = ("numpy", "torch", "tensorflow-cpu")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": cpu,
        "system": platform.system(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages if _is_installed(package)},
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _is_installed(distribution: str) -> bool:
    return next(distributions(name=distribution), None) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one training step in several engines.")
    parser.add_argument("--only", choices=PARTS, action="append", help="one of the parts")
    parser.add_argument("--skip", action="append", default=[], help="an engine to leave out")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--round-seconds", type=float, default=0.05, help="of each engine")
    parser.add_argument("--record", action="store_true", help="write the book's products too")
    options = parser.parse_args()

    OUTPUT.mkdir(parents=True, exist_ok=True)
    for part in options.only or PARTS:
        if part == "growth":
            measured = growth.measure(console)
        elif part == "parts":
            measured = parts.measure(console)
        else:
            measured = measure(part, options.rounds, options.round_seconds, tuple(options.skip))
        record = {"machine": machine(), "measured": measured}
        (OUTPUT / f"{part}.json").write_text(json.dumps(record, indent=1) + "\n")
    missing = [part for part in PARTS if not (OUTPUT / f"{part}.json").exists()]
    if missing:
        console.print(f"No tables yet: {', '.join(missing)} not measured.")
        return
    records = {part: json.loads((OUTPUT / f"{part}.json").read_text()) for part in PARTS}
    for folder in [OUTPUT, *([report.BOOK] if options.record else [])]:
        report.write(records, folder)
        console.print(f"Written to {folder}.")
    console.print(Markdown((OUTPUT / "tables.md").read_text()))


if __name__ == "__main__":
    main()
