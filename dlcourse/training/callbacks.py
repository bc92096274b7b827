"""Callbacks: what a training run does besides, such as stop early or keep the best parameters.

fit(..., callbacks=[EarlyStopping("val_loss", patience=5), Checkpoint("best.safetensors")])
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dlcourse.nn import Module
from dlcourse.nn.saving import save_checkpoint
from dlcourse.ops import Array
from dlcourse.optimizers import LRScheduler, Optimizer, ReduceLROnPlateau


@dataclass
class Run:
    """A training run, as a callback sees it.

    Attributes:
        model, optimizer, schedule: As given to fit.
        epoch: The number of the epoch, from 1; 0 before the first.
        numbers: What was measured in the last epoch, by name, as in a row of the history. In an
            epoch only "loss", the mean so far.
        stop: A callback sets it to end training after this epoch.
    """

    model: Module
    optimizer: Optimizer
    schedule: LRScheduler | ReduceLROnPlateau | None = None
    epoch: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    stop: bool = False

    def number(self, name: str, who: str) -> float:
        """What was measured under ``name``.

        Args:
            name: The name of a column of the history.
            who: Who asks, for the error.

        Raises:
            ValueError: Nothing of that name was measured.
        """
        if name not in self.numbers:
            raise ValueError(
                f"{who}: expected to watch one of {', '.join(self.numbers)}; got {name!r}. What "
                "begins with val_ is there if fit is given validation data."
            )
        return self.numbers[name]


class Callback:
    """Its methods are called during training; a subclass has those that it needs.

    Source: keras.callbacks.Callback.
    """

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, run: Run) -> None:
        """After each step of the optimizer, and of a schedule that steps with the batches."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch, when all has been measured and a schedule of epochs has stepped."""

    def on_train_end(self, run: Run) -> None:
        """After the last epoch, also if training was stopped by a callback or from the keyboard."""


class _Best(Callback):
    """A callback that watches for the best value of a number."""

    def __init__(self, monitor: str, mode: Literal["min", "max"], min_delta: float = 0.0) -> None:
        name = type(self).__name__
        if mode not in ("min", "max"):
            raise ValueError(f'{name}: expected mode="min" or "max", got {mode!r}')
        if not min_delta >= 0:
            raise ValueError(f"{name}: expected min_delta >= 0, got {min_delta}")
        self.monitor, self.mode, self.min_delta = monitor, mode, min_delta

    def on_train_begin(self, run: Run) -> None:  # noqa: ARG002 (each run begins again)
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0

    def is_best(self, run: Run) -> bool:
        """Whether this epoch is the best so far; takes note of it."""
        value = run.number(self.monitor, type(self).__name__)
        sign = 1 if self.mode == "min" else -1
        if not sign * value < sign * self.best - self.min_delta:
            return False
        self.best, self.best_epoch = value, run.epoch
        return True


class EarlyStopping(_Best):
    """Stop when a number has not improved for some epochs, and go back to the best parameters.

    Args:
        monitor: The name of a column of the history.
        patience: After how many epochs in a row without improvement to stop, >= 1.
        min_delta: By how much a number must be better to count.
        mode: "min" if lower is better, "max" if higher.
        restore_best: Whether the model gets back, at the end, the parameters and buffers of its
            best epoch.

    Attributes:
        best, best_epoch: The best number, and its epoch, from 1.

    Raises:
        ValueError: A setting is out of its range; in training: nothing of that name is measured.

    Source: Prechelt (1998), Early stopping - but when?; keras.callbacks.EarlyStopping.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if patience < 1:
            raise ValueError(f"EarlyStopping: expected patience >= 1, got {patience}")
        self.patience, self.restore_best = patience, restore_best

    def on_train_begin(self, run: Run) -> None:
        super().on_train_begin(run)
        self.state: dict[str, Array] | None = None

    def on_epoch_end(self, run: Run) -> None:
        if self.is_best(run):
            self.state = run.model.state_dict() if self.restore_best else None
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop = True

    def on_train_end(self, run: Run) -> None:
        if self.state is not None:
            run.model.load_state_dict(self.state)


class Checkpoint(_Best):
    """Save the run into a file, after each epoch or after each that is the best so far.

    The file is a checkpoint of ``nn.saving`` with "model", "optimizer", "schedule" (or None),
    "epoch" and "numbers".

    Args:
        path: The file, which is replaced each time.
        monitor: The name of a column of the history.
        mode: "min" if lower is better, "max" if higher.
        best_only: Whether to save only what is better than all before.

    Attributes:
        best, best_epoch: The best number, and its epoch, from 1.

    Raises:
        ValueError: The mode has another name; in training: nothing of that name is measured.

    Source: keras.callbacks.ModelCheckpoint.
    """

    def __init__(
        self,
        path: str | Path,
        monitor: str = "val_loss",
        mode: Literal["min", "max"] = "min",
        best_only: bool = True,
    ) -> None:
        super().__init__(monitor, mode)
        self.path, self.best_only = path, best_only

    def on_epoch_end(self, run: Run) -> None:
        if self.best_only and not self.is_best(run):
            return
        state: dict[str, Any] = {
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "schedule": None if run.schedule is None else run.schedule.state_dict(),
            "epoch": run.epoch,
            "numbers": dict(run.numbers),
        }
        save_checkpoint(self.path, state)
