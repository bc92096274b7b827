"""A framework's graph as a list of calls, which can be drawn, interpreted and traced.

A reader (`pytorch`, `tensorflow`) writes down what the framework recorded, under the framework's
own names. A table gives for each of these names a function that computes the same with the
operations of `dlcourse.ops`. Walking the calls in order and calling those functions runs the graph
on arrays, differentiates it on Tensors, and traces it into a `dlcourse.graphs.Graph` on Symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.ops import Array

Table: TypeAlias = Mapping[str, Callable[..., Any]]


class UnknownOperationError(NotImplementedError):
    """A framework's graph has operations that the reader's table does not have."""


@dataclass(frozen=True)
class Value:
    """What a framework knows of a value of its graph.

    Attributes:
        name: Unique in the graph.
        shape: None if unknown; a length that is unknown is None.
        dtype: None if the value is no array (a tuple of arrays).
    """

    name: str
    shape: tuple[int | None, ...] | None = None
    dtype: np.dtype[Any] | None = None

    def fixed_shape(self) -> tuple[int, ...]:
        """The shape, if it is known.

        Raises:
            ValueError: It is not.
        """
        known = tuple(n for n in self.shape or () if n is not None)
        if self.shape is None or len(known) != len(self.shape):
            raise ValueError(
                f"{self.name}: expected a fixed shape, got {self.shape or 'none'}. Graphs of "
                "dlcourse have fixed shapes: record the graph without dynamic ones (PyTorch: no "
                "dynamic_shapes; TensorFlow: a tf.TensorSpec without None for each argument)."
            )
        return known


@dataclass(frozen=True)
class Ref:
    """Stands, among the arguments of a call, for the value of that name."""

    name: str


@dataclass(frozen=True)
class Call:
    """One operation of a framework's graph.

    Attributes:
        operation: The framework's name for it, such as "aten.relu.default" or "Relu".
        arguments: By position; a Ref, or a list or tuple that holds some, stands for values.
        attributes: By name.
        results: One value, or one for each item of what the operation returns.
        where: The place in the user's model that it comes from, as far as the framework knows.
    """

    operation: str
    arguments: tuple[Any, ...]
    attributes: Mapping[str, Any]
    results: tuple[Value, ...]
    where: str = ""

    def __str__(self) -> str:
        return f"{self.operation} ({self.where or self.results[0].name})"


@dataclass
class Program:
    """A framework's graph.

    Attributes:
        framework: "PyTorch" or "TensorFlow".
        inputs: What is given on each run: the user's arguments, parameters, variables.
        stored: The values of those inputs that the framework keeps, by name.
        constants: Arrays and Python values that are the same on each run, by name.
        calls: In an order in which they can run; those that no output depends on are left out.
        outputs: A Ref, or a constant that is returned as it is.
        updates: For each stored input that the graph overwrites, its new value.
    """

    framework: str
    inputs: tuple[Value, ...]
    stored: Mapping[str, Array]
    constants: Mapping[str, Any]
    calls: tuple[Call, ...]
    outputs: tuple[Any, ...]
    updates: Mapping[str, Ref] = field(default_factory=dict)

    def __post_init__(self) -> None:
        needed = {ref.name for ref in references((self.outputs, tuple(self.updates.values())))}
        live = []
        for call in reversed(self.calls):
            if not needed.isdisjoint(value.name for value in call.results):
                needed |= {ref.name for ref in references(call.arguments)}
                live.append(call)
        self.calls = tuple(reversed(live))

    def check_operations(self, table: Table) -> None:
        """Raise an UnknownOperationError if the table lacks an operation of this graph."""
        unknown = {call.operation: call for call in self.calls if call.operation not in table}
        if not unknown:
            return
        raise UnknownOperationError(
            f"dlcourse has no counterpart of these operations of {self.framework}'s graph:\n"
            + "".join(f"  {call}\n" for call in unknown.values())
            + f"It has counterparts of: {', '.join(sorted(table))}"
        )

    def evaluate(self, table: Table, values: Sequence[Any]) -> list[Any]:
        """The outputs, then the updates, for one value an input: arrays, Tensors or Symbols."""
        known = dict(self.constants)
        known.update(zip((value.name for value in self.inputs), values, strict=True))
        for call in self.calls:
            try:
                arguments = _resolve(call.arguments, known)
                result = table[call.operation](*arguments, **call.attributes)
                results = (result,) if len(call.results) == 1 else result
                for value, r in zip(call.results, results, strict=True):
                    known[value.name] = _as_recorded(r, value)
            except Exception as error:
                error.add_note(f"in {self.framework}'s operation {call}")
                raise
        return list(_resolve((*self.outputs, *self.updates.values()), known))


def references(arguments: Any) -> Iterator[Ref]:
    """Every Ref in nested lists and tuples."""
    if isinstance(arguments, Ref):
        yield arguments
    elif isinstance(arguments, list | tuple):
        for argument in arguments:
            yield from references(argument)


def _resolve(arguments: Any, known: Mapping[str, Any]) -> Any:
    """The arguments with each Ref replaced by its value."""
    if isinstance(arguments, Ref):
        return known[arguments.name]
    if isinstance(arguments, list | tuple):
        return type(arguments)(_resolve(argument, known) for argument in arguments)
    return arguments


def _as_recorded(result: Any, value: Value) -> Any:
    """The result in the dtype that the framework recorded, after a check of its shape.

    PyTorch and NumPy promote differently (a 0-d array, an integer divided by an integer), so the
    framework's own dtype decides.
    """
    if value.dtype is None or result is None:
        return result
    if result.dtype != value.dtype:
        result = ops.astype(result, dtype=value.dtype)
    if value.shape is not None and (
        len(value.shape) != len(result.shape)
        or any(n not in (None, m) for n, m in zip(value.shape, result.shape, strict=True))
    ):
        raise ValueError(
            f"{value.name}: invalid shape\n  Expect: {value.shape}, as the framework recorded\n"
            f"  Actual: {result.shape}"
        )
    return result
