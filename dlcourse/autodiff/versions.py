"""When the memory of an array was last changed in place: the version counter.

A derivative rule may need a value that the forward pass saw. If it was overwritten in between, the
gradient would be silently wrong; PyTorch counts versions to notice. Here each change notes its
time, and ``backward`` compares it with the time at which the operation read the value. Recording
an operation costs nothing. Views share the memory of the array that owns it, so they are covered.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from dlcourse.autodiff.array_methods import ArrayMethods
from dlcourse.autodiff.node import Node, tick
from dlcourse.ops import Array, Primitive

# By the id of the array that owns the memory: the time, by what, and whether the array still lives.
_changes: dict[int, list[Any]] = {}
latest_change = 0  # the time of the latest change of any array


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def note_change(array: Array, how: str) -> None:
    """Remember that ``array`` was changed now; ``how`` says by what, for an error message."""
    note_changes([array], how)


def note_changes(arrays: Iterable[Array], how: str) -> None:
    """Remember that each of ``arrays`` was changed now."""
    global latest_change
    latest_change = tick()
    for array in arrays:
        owner = array if array.base is None else _owner(array)
        key = id(owner)
        known = _changes.get(key)
        if known is None:
            alive = weakref.ref(owner, partial(_forget, key))
            _changes[key] = [latest_change, how, alive]
        else:
            known[0], known[1] = latest_change, how


def _forget(key: int, _dead: Any) -> None:
    _changes.pop(key, None)


def check_unchanged(node: Any) -> None:
    """Refuse to differentiate the Tensor ``node`` if a rule would read a value that has changed.

    Raises:
        RuntimeError: Such a value was changed in place after ``node`` was computed.
    """
    op, inputs = node.op, node.inputs
    values = [node.data, *node.raw_inputs]
    names = ["its result", *(op.arguments or [f"array {i}" for i in range(len(inputs))])]
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        if not isinstance(value, np.ndarray):
            continue
        time, how, _ = _changes.get(id(_owner(value)), (0, "", None))
        if time > node.created and _is_read(node, values, i):
            raise RuntimeError(
                f"{op.name}: a value that its derivative needs was changed in place\n"
                f"  Expect: {name} as it was when {op.name} was computed\n"
                f"  Actual: {name}, shape {value.shape}, was changed later by {how}\n"
                "  Make a new tensor instead (y = y + 1), or change it after backward()."
            )


class _Probe(ArrayMethods):
    """Stands for an array in a rule and notes whether its elements are read; its shape may be."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.is_read = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        raw = list(arguments)
        for i, x in enumerate(arguments):
            if isinstance(x, _Probe):
                x.is_read = True
                raw[i] = x.array
        return op(*raw, **parameters)


def _is_read(node: Any, values: list[Any], position: int) -> bool:
    """Whether a rule that ``node`` needs reads the value at ``position``; 0 is the result."""
    op = node.op
    if op.reads_all:
        return position > 0
    probe = _Probe(values[position])
    seen = [*values[:position], probe, *values[position + 1 :]]
    y, arguments = seen[0], seen[1:]
    for x, rule in zip(node.inputs, op.rules_for(len(arguments)), strict=True):
        if rule is not None and isinstance(x, Node) and x.requires_grad:
            rule(np.ones(np.shape(values[0]), probe.dtype), y, *arguments, **node.parameters)
    return probe.is_read
