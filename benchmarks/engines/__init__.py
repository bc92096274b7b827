"""The engines, a module a framework. Each module is timed in a process of its own.

A module has a table ``ENGINES``: by the engine's name a function that takes a `Problem` and returns
a step: a function without arguments that moves the weights once and returns the loss before the
move, a Python float.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.problems import Problem

Step = Callable[[], float]
Engine = Callable[[Problem], Step]

# By module, the package that it needs.
MODULES = {
    "numpy_steps": "numpy",
    "dlcourse_steps": "dlcourse",
    "torch_steps": "torch",
    "tensorflow_steps": "tensorflow",
    "jax_steps": "jax",
    "autograd_steps": "autograd",
}

UNIT = "NumPy by hand, out="  # counts as 1.0


class UnavailableError(Exception):
    """An engine cannot run on this machine; the text says why."""
