"""The training loop, with its history."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import numpy as np

from dlcourse.autodiff import Tensor, no_grad, raw_value
from dlcourse.nn import Module
from dlcourse.ops import Array
from dlcourse.optimizers import LRScheduler, Optimizer, ReduceLROnPlateau
from dlcourse.training.callbacks import Callback, Run
from dlcourse.training.data import batches

Metric: TypeAlias = Callable[[Any, Any], Any]  # of the prediction and the target, both batches


class History:
    """What was measured in each epoch: columns of numbers, by name.

    Attributes:
        columns: For each name a list with a number for each epoch: "loss" and the metrics, as
            means over the examples while the model was learning; with ``val_`` in front those on
            the validation data after the epoch; "lr", the learning rate of the first group.
        interrupted: Whether training was stopped from the keyboard.
        stopped: Whether training was stopped by a callback.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self.interrupted = self.stopped = False

    def append(self, **numbers: float) -> None:
        """Add an epoch."""
        for name, number in numbers.items():
            self.columns.setdefault(name, []).append(number)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.columns:
            raise KeyError(f"History has no {name!r}; it has {', '.join(self.columns) or 'none'}")
        return self.columns[name]

    def __len__(self) -> int:
        """The number of epochs."""
        return max(map(len, self.columns.values()), default=0)

    def __repr__(self) -> str:
        end = ", interrupted" if self.interrupted else ", stopped" if self.stopped else ""
        head = f"History of {len(self)} epochs{end}"
        rows = [["epoch", *self.columns]]
        for i, numbers in enumerate(zip(*self.columns.values(), strict=True), start=1):
            rows.append([str(i), *(f"{number:.4g}" for number in numbers)])
        if len(rows) > 12:
            rows[6:-5] = [["..."] * len(rows[0])]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        return "\n".join([head, *lines]) if len(self) else head


def accuracy(scores: Any, labels: Any) -> float:
    """The share of examples whose largest score is that of their label.

    Args:
        scores: (N, C), or (N,) and (N, 1) for two classes: then a score > 0, a logit, means 1.
        labels: (N,), or of the shape of the scores; integers.
    """
    scores, labels = np.asarray(raw_value(scores)), np.asarray(raw_value(labels))
    if scores.ndim == 2 and scores.shape[1] > 1:
        chosen = scores.argmax(axis=1)
    else:
        chosen, labels = scores.reshape(len(scores)) > 0, labels.reshape(len(scores))
    if labels.shape != chosen.shape:
        raise ValueError(
            f"accuracy: expected scores (N, C) and labels (N,), got {scores.shape} and "
            f"{labels.shape}"
        )
    return float(np.mean(chosen == labels))


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    data: tuple[Array, Array],
    epochs: int,
    batch_size: int,
    generator: np.random.Generator,
    validation: tuple[Array, Array] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    schedule: LRScheduler | ReduceLROnPlateau | None = None,
    schedule_each: Literal["epoch", "batch"] = "epoch",
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train ``model``: for each epoch the data in new random order, a step for each batch.

    Args:
        model: Called with a batch of x. In training mode while it learns, in evaluation mode on
            the validation data; afterwards in the mode in which it came.
        loss: Of the model's result and a batch of y, a scalar: the mean over the examples.
        optimizer: Of the model's parameters.
        data: x and y, with an example in each row.
        epochs: How often to go through the data.
        batch_size: The number of examples in a step; in the last of an epoch the rest.
        generator: Shuffles the data.
        validation: x and y to measure loss and metrics on after each epoch.
        metrics: Functions of the model's result and a batch of y, such as ``accuracy``, by name.
        schedule: Has its ``step`` called after each epoch, or after each batch if so said in
            ``schedule_each``. One that waits for a plateau is given the validation loss, or
            without validation the loss, of the epoch.
        progress: Whether to show a progress bar, if tqdm is installed.
        callbacks: What else is to be done, and when to stop: see ``dlcourse.training.callbacks``.

    Returns:
        The history. Ctrl-C ends training, and the history has the epochs so far.

    Raises:
        FloatingPointError: The loss is nan or infinite. The parameters are those before this step;
            ``error.history`` is the history so far.
        ValueError: epochs < 0, the lengths of x and y differ, or there are no examples.

    Source: keras.Model.fit.
    """
    if epochs < 0:
        raise ValueError(f"fit: expected epochs >= 0, got {epochs}")
    if schedule_each not in ("epoch", "batch"):
        raise ValueError(f'fit: expected schedule_each="epoch" or "batch", got {schedule_each!r}')
    for part in (data, validation):
        if part is not None and len(part[0]) == 0:
            raise ValueError("fit: expected at least one example, got none")
    metrics = metrics or {}
    history = History()
    run = Run(model, optimizer, schedule)
    steps = epochs * math.ceil(len(data[0]) / max(batch_size, 1))
    with _modes_kept(model), _progress_bar(steps, progress) as advance:
        try:
            _tell(callbacks, "on_train_begin", run)
            for epoch in range(1, epochs + 1):
                run.epoch = epoch
                _tell(callbacks, "on_epoch_begin", run)
                model.train()
                means = _Means()
                for x, y in batches(*data, size=batch_size, generator=generator):
                    lr = optimizer.param_groups[0]["lr"]
                    value, prediction = _step(model, loss, optimizer, x, y, history)
                    means.add({"loss": value, **_measured(metrics, prediction, y)}, len(x))
                    advance(f"epoch {epoch}/{epochs}, loss {means.value('loss'):.4g}")
                    if schedule is not None and schedule_each == "batch":
                        _step_schedule(schedule, means.value("loss"))
                    if callbacks:
                        run.numbers = {"loss": means.value("loss")}
                        _tell(callbacks, "on_batch_end", run)
                row = means.values()
                if validation is not None:
                    later = evaluate(model, {"loss": loss, **metrics}, validation, batch_size)
                    row |= {f"val_{name}": value for name, value in later.items()}
                history.append(**row, lr=lr)
                if schedule is not None and schedule_each == "epoch":
                    _step_schedule(schedule, row.get("val_loss", row["loss"]))
                run.numbers = {**row, "lr": lr}
                _tell(callbacks, "on_epoch_end", run)
                if run.stop:
                    history.stopped = True
                    break
        except KeyboardInterrupt:
            history.interrupted = True
        _tell(callbacks, "on_train_end", run)
    return history


def evaluate(
    model: Module, measures: Mapping[str, Metric], data: tuple[Array, Array], batch_size: int = 256
) -> dict[str, float]:
    """The mean of each measure over the examples, with the model in evaluation mode.

    Args:
        model: Called with batches of x; afterwards in the mode in which it came.
        measures: Functions of the model's result and a batch of y, by name.
        data: x and y.
        batch_size: How many examples to hold in memory at a time.
    """
    means = _Means()
    with _modes_kept(model), no_grad():
        model.eval()
        for x, y in batches(*data, size=batch_size):
            means.add(_measured(measures, model(Tensor.wrap(x)), y), len(x))
    return means.values()


class DivergenceError(FloatingPointError):
    """The loss is nan or infinite; ``history`` has the epochs before."""

    def __init__(self, loss: float, history: History) -> None:
        super().__init__(
            f"fit: the loss became {loss} in epoch {len(history) + 1}. Usual reasons: the learning "
            "rate is too large, an input is nan, or a logarithm or quotient has left its domain. "
            "`with detect_anomaly():` names the operation."
        )
        self.history = history


class _Means:
    """Means over examples, gathered batch by batch."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, numbers: Mapping[str, float], count: int) -> None:
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + count * number
        self.count += count

    def value(self, name: str) -> float:
        return self.sums[name] / self.count

    def values(self) -> dict[str, float]:
        return {name: self.value(name) for name in self.sums}


def _step(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    x: Array,
    y: Array,
    history: History,
) -> tuple[float, Tensor]:
    """Move the parameters once; the loss and the model's result before the move."""
    first: list[tuple[float, Tensor]] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        prediction = model(Tensor.wrap(x))
        value: Tensor = loss(prediction, y)
        # Later calls are those of a line search, which may try a step that is too large.
        if not first and not math.isfinite(float(value)):
            raise DivergenceError(float(value), history)
        first.append((float(value), prediction.detach()))
        value.backward()
        return value

    optimizer.step(closure)
    return first[0]


def _measured(measures: Mapping[str, Metric], prediction: Any, y: Array) -> dict[str, float]:
    with no_grad():
        return {name: float(measure(prediction, y)) for name, measure in measures.items()}


def _tell(callbacks: Sequence[Callback], event: str, run: Run) -> None:
    for callback in callbacks:
        getattr(callback, event)(run)


def _step_schedule(schedule: LRScheduler | ReduceLROnPlateau, loss: float) -> None:
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(loss)
    else:
        schedule.step()


@contextmanager
def _modes_kept(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _progress_bar(total: int, wanted: bool) -> Iterator[Callable[[str], None]]:
    """A function to be called after each step, with a text to show."""
    try:
        tqdm = importlib.import_module("tqdm").tqdm if wanted else None
    except ImportError:
        tqdm = None
    if tqdm is None:
        yield lambda _text: None
        return
    with tqdm(total=total, unit="step") as bar:

        def advance(text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield advance
