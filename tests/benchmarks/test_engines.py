"""Each engine's first steps have the losses of the loop by hand; nothing is timed here."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks import workers
from benchmarks.engines import MODULES, UNIT, Engine, UnavailableError, numpy_steps
from benchmarks.problems import PROBLEMS, Array, Problem
from benchmarks.workers import AGREE_AFTER, Trial, Worker, check_agreement, try_engines

# torch.compile takes half a minute; `make bench` checks it in the same way.
SLOW = ("PyTorch, torch.compile",)
INSTALLED, MISSING = workers.installed_modules()


@cache
def trials(module: str, problem: str) -> dict[str, Trial]:
    """Tried as `make bench` tries them: the modules settle threads for their whole process."""
    worker = Worker(module, problem, SLOW)
    worker.close()
    return worker.trials


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("module", INSTALLED)
def test_the_losses_are_those_of_numpy_by_hand(module: str, problem: str) -> None:
    made = trials(module, problem)
    ran = {name: trial.losses for name, trial in made.items() if not trial.unavailable}
    assert ran.keys() == made.keys() - set(SLOW)
    check_agreement({UNIT: trials("numpy_steps", problem)[UNIT].losses, **ran})
    reference = trials("numpy_steps", problem)[UNIT].losses
    for losses in ran.values():
        np.testing.assert_allclose(losses, reference, atol=2e-4)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_loop_by_hand_learns(problem: str) -> None:
    losses = trials("numpy_steps", problem)[UNIT].losses
    assert len(losses) == AGREE_AFTER
    assert losses[-1] < 0.95 * losses[0]


class ProblemAt(Problem):
    """A problem with start weights that are given."""

    def __init__(self, problem: Problem, weights: list[Array]) -> None:
        super().__init__(**vars(problem))
        object.__setattr__(self, "weights", weights)

    def start(self) -> list[Array]:
        return self.weights


@pytest.mark.parametrize("make", [numpy_steps.in_place, numpy_steps.allocating])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_step_by_hand_goes_down_its_own_loss_as_predicted(make: Engine, problem: Problem) -> None:
    """By finite differences, so that the unit is not proved by the engines that it proves."""
    start = problem.start()
    moved = [p.copy() for p in start]
    make(ProblemAt(problem, moved))()
    direction = [(b - a) / np.float32(problem.lr) for a, b in zip(start, moved, strict=True)]
    slope = -sum(float((d * d).sum()) for d in direction)
    eps = np.float32(0.01)
    ahead, behind = (
        make(
            ProblemAt(problem, [p + sign * eps * d for p, d in zip(start, direction, strict=True)])
        )()
        for sign in (1, -1)
    )
    assert (ahead - behind) / (2 * eps) == pytest.approx(slope, rel=1e-2)


def test_a_wrong_step_is_refused() -> None:
    losses = [1.0] * AGREE_AFTER
    check_agreement({UNIT: losses, "other": [*losses[:-1], 1.0001]})
    for wrong in (1.0003, float("nan")):
        with pytest.raises(SystemExit, match="other: the loss of step 20"):
            check_agreement({UNIT: losses, "other": [*losses[:-1], wrong]})


def test_a_worker_is_a_process_that_times_the_steps_that_it_is_asked_for() -> None:
    worker = Worker("numpy_steps", "article")
    try:
        assert worker.trials[UNIT].losses == trials("numpy_steps", "article")[UNIT].losses
        assert 0 < worker.seconds(UNIT, 1) < worker.seconds(UNIT, 2000)
    finally:
        worker.close()
    assert worker.process.exitcode == 0


def test_an_engine_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(problem: object) -> None:
        raise UnavailableError("no compiler")

    monkeypatch.setitem(numpy_steps.ENGINES, "broken", broken)  # type: ignore[arg-type]
    made, steps = try_engines("numpy_steps", "article", skip=(UNIT,))
    assert made["broken"].unavailable == "no compiler"
    assert made[UNIT].unavailable == "left out on request"
    assert steps.keys() == {"NumPy by hand, allocating"}


def test_a_module_is_left_out_only_if_its_package_is_not_installed() -> None:
    required = {"numpy_steps", "dlcourse_steps", "torch_steps", "tensorflow_steps"}
    assert required <= set(INSTALLED) <= set(MODULES)
    assert {MODULES[module] for module in MODULES.keys() - set(INSTALLED)} == set(MISSING)
