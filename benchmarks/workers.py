"""One process an engine module: makes its engines, proves their steps, and times them on demand."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from benchmarks.engines import MODULES, UNIT, Step, UnavailableError
from benchmarks.problems import PROBLEMS

AGREE_AFTER, AGREE_WITHIN = 20, 2e-4


@dataclass
class Trial:
    """What an engine did before it is timed.

    Attributes:
        losses: Those of the first steps, in order.
        first_call: Seconds to build the engine and take the first step: tracing and compiling, if
            it does that, and loading the compiler.
        unavailable: Why the engine cannot run here, or an empty text.
    """

    losses: list[float] = field(default_factory=list)
    first_call: float = 0.0
    unavailable: str = ""


def try_engines(
    module: str, problem: str, skip: tuple[str, ...] = ()
) -> tuple[dict[str, Trial], dict[str, Step]]:
    """Each engine's trial, and the steps of those that run."""
    trials: dict[str, Trial] = {}
    steps: dict[str, Step] = {}
    for name, make in importlib.import_module(f"benchmarks.engines.{module}").ENGINES.items():
        if name in skip:
            trials[name] = Trial(unavailable="left out on request")
            continue
        start = time.perf_counter()
        try:
            step = make(PROBLEMS[problem])
        except UnavailableError as error:
            trials[name] = Trial(unavailable=str(error))
            continue
        losses = [step()]
        seconds = time.perf_counter() - start
        losses += [step() for _ in range(AGREE_AFTER - 1)]
        trials[name], steps[name] = Trial(losses, seconds), step
    return trials, steps


def _serve(connection: Connection, module: str, problem: str, skip: tuple[str, ...]) -> None:
    trials, steps = try_engines(module, problem, skip)
    connection.send(trials)
    while (order := connection.recv()) is not None:
        name, count = order
        step = steps[name]
        start = time.perf_counter()
        for _ in range(count):
            step()
        connection.send(time.perf_counter() - start)


class Worker:
    """The process of one engine module, idle unless it is asked."""

    def __init__(self, module: str, problem: str, skip: tuple[str, ...] = ()) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, module, problem, skip))
        self.process.start()
        theirs.close()
        self.trials: dict[str, Trial] = self.connection.recv()

    def seconds(self, name: str, count: int) -> float:
        """How long ``count`` steps of the engine ``name`` take."""
        self.connection.send((name, count))
        taken: float = self.connection.recv()
        return taken

    def close(self) -> None:
        self.connection.send(None)
        self.process.join()


def installed_modules() -> tuple[list[str], list[str]]:
    """The modules whose package is installed, and the packages that are not."""
    missing = [p for p in MODULES.values() if importlib.util.find_spec(p) is None]
    return [module for module, package in MODULES.items() if package not in missing], missing


def check_agreement(losses: dict[str, list[float]]) -> None:
    """Stop with an error if an engine's loss differs from that of the unit: it is not timed."""
    reference = losses[UNIT][AGREE_AFTER - 1]
    for name, values in losses.items():
        loss = values[AGREE_AFTER - 1]
        if not abs(loss - reference) <= AGREE_WITHIN:
            raise SystemExit(
                f"{name}: the loss of step {AGREE_AFTER} is {loss:.6f}, expected {reference:.6f} "
                f"within {AGREE_WITHIN}; a wrong step is not timed"
            )
