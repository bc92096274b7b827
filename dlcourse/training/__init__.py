"""Training a model: data, the loop, callbacks, and a whole step as one compiled function."""

from dlcourse.training.callbacks import Callback, Checkpoint, EarlyStopping, Run
from dlcourse.training.compiled_step import CompiledStep, compile_step
from dlcourse.training.data import Dataset, batches, split, standardise
from dlcourse.training.loop import DivergenceError, History, Metric, accuracy, evaluate, fit

__all__ = [
    "Callback", "Checkpoint", "CompiledStep", "Dataset", "DivergenceError", "EarlyStopping",
    "History", "Metric", "Run", "accuracy", "batches", "compile_step", "evaluate", "fit", "split",
    "standardise",
]  # fmt: skip
