"""A framework's graph as a list of calls, which can be drawn, interpreted and traced.

A reader (`pytorch`, `tensorflow`) writes down what the framework recorded, under the framework's
own names. A table gives for each of these names a function that computes the same with the
operations of `dlcourse.ops`. Walking the calls in order and calling those functions runs the graph
on arrays, differentiates it on Tensors, and traces it into a `dlcourse.graphs.Graph` on Symbols.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.ops import Array, trees

_WITHOUT_DTYPE = "not among the dtypes of NumPy that dlcourse computes with; use float32"

Table: TypeAlias = Mapping[str, Callable[..., Any]]


class UnknownOperationError(NotImplementedError):
    """A framework's graph has an operation, or a use of one, that dlcourse cannot read."""


@dataclass(frozen=True)
class NamedValue:
    """What a framework knows of a value of its graph.

    Attributes:
        name: Unique in the graph.
        shape: None if unknown; a length that is unknown is None.
        dtype: None if the value is no array (a tuple of arrays), or foreign.
        foreign: The name of a dtype that dlcourse does not have, such as "bfloat16".
    """

    name: str
    shape: tuple[int | None, ...] | None = None
    dtype: np.dtype[Any] | None = None
    foreign: str = ""

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
        attributes: By name. A Program is a function that the operation calls, such as the body of
            a loop.
        results: One value, or one for each item of what the operation returns.
        where: The place in the user's model that it comes from, as far as the framework knows.
    """

    operation: str
    arguments: tuple[Any, ...]
    attributes: Mapping[str, Any]
    results: tuple[NamedValue, ...]
    where: str = ""

    def __str__(self) -> str:
        return f"{self.operation} ({self.where or self.results[0].name})"

    def references(self) -> list[Ref]:
        """Each value that the call needs."""
        return references((self.arguments, tuple(self.attributes.values())))


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
    inputs: tuple[NamedValue, ...]
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
                needed |= {ref.name for ref in call.references()}
                live.append(call)
        self.calls = tuple(reversed(live))

    def check_operations(self, table: Table) -> None:
        """Raise an UnknownOperationError if dlcourse lacks an operation or dtype of this graph."""
        for value in self.inputs:
            if value.foreign:
                raise UnknownOperationError(
                    f"the input {value.name} is {value.foreign}, {_WITHOUT_DTYPE}"
                )
        calls = list(self._all_calls())
        foreign = {v.foreign: call for call in calls for v in call.results if v.foreign}
        if foreign:
            raise UnknownOperationError(
                f"operations of {self.framework}'s graph give a dtype that is {_WITHOUT_DTYPE}:\n"
                + "".join(f"  {dtype}: {call}\n" for dtype, call in foreign.items())
            )
        unknown = {call.operation: call for call in calls if call.operation not in table}
        if unknown:
            raise UnknownOperationError(
                f"dlcourse has no counterpart of these operations of {self.framework}'s graph:\n"
                + "".join(f"  {call}\n" for call in unknown.values())
                + f"It has counterparts of: {', '.join(sorted(table))}"
            )

    def _all_calls(self) -> Iterator[Call]:
        """The calls, and those of the functions that they call."""
        for call in self.calls:
            yield call
            for inner in call.attributes.values():
                if isinstance(inner, Program):
                    yield from inner._all_calls()

    def evaluate(self, table: Table, values: Sequence[Any]) -> list[Any]:
        """The outputs, then the updates, for one value an input: arrays, Tensors or Symbols."""
        known = dict(self.constants)
        known.update(zip((value.name for value in self.inputs), values, strict=True))
        for call in self.calls:
            try:
                results = self._results(call, table, known)
                known.update((v.name, r) for v, r in zip(call.results, results, strict=True))
            except UnknownOperationError:  # in a function that the operation calls
                raise
            except Exception as error:
                raise UnknownOperationError(
                    f"dlcourse cannot read this use of an operation of {self.framework}'s graph:\n"
                    f"  {call}\n{error}"
                ) from error
        return list(_resolve((*self.outputs, *self.updates.values()), known))

    def _results(self, call: Call, table: Table, known: Mapping[str, Any]) -> list[Any]:
        attributes = {
            name: functools.partial(value.evaluate, table)
            if isinstance(value, Program)
            else _resolve(value, known)
            for name, value in call.attributes.items()
        }
        result = table[call.operation](*_resolve(call.arguments, known), **attributes)
        results = (result,) if len(call.results) == 1 else result
        return [_as_recorded(r, v) for r, v in zip(results, call.results, strict=True)]


def references(arguments: Any) -> list[Ref]:
    """Every Ref in nested lists and tuples."""
    return [x for x in trees.leaves(arguments) if isinstance(x, Ref)]


def _resolve(arguments: Any, known: Mapping[str, Any]) -> Any:
    """The arguments with each Ref replaced by its value."""
    return trees.map_leaves(lambda x: known[x.name] if isinstance(x, Ref) else x, arguments)


def _as_recorded(result: Any, value: NamedValue) -> Any:
    """The result in the dtype that the framework recorded, after a check of its shape.

    PyTorch and NumPy promote differently (a 0-d array, an integer divided by an integer), so the
    framework's own dtype decides.
    """
    if value.dtype is None or result is None:
        return result
    if isinstance(result, bool | int | float):
        result = np.asarray(result)
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
