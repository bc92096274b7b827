"""A framework's graph as a graph of dlcourse, with the values that the framework keeps for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dlcourse.frameworks.drawing import draw_program
from dlcourse.frameworks.program import Program, Table
from dlcourse.frameworks.tensorflow.operations import TABLE as TENSORFLOW
from dlcourse.frameworks.tensorflow.reader import read_concrete_function
from dlcourse.frameworks.torch.operations import TABLE as ATEN
from dlcourse.frameworks.torch.reader import read_exported, read_graph_module
from dlcourse.graphs import Graph, Symbol, placeholder
from dlcourse.graphs.show.graphviz import GraphDrawing
from dlcourse.ops import Array


@dataclass
class ImportedGraph:
    """What from_torch and from_tensorflow return.

    Attributes:
        graph: The graph in dlcourse. Its inputs are ``inputs`` in order; its outputs are those of
            the framework's function, flattened, and after them the updates.
        program: The framework's own graph, call by call.
        inputs: For each input its name and its stored value: a copy of the parameter, buffer or
            variable. None marks what `run` is given. Values may be replaced.
        updates: The names of those stored inputs that the framework's graph overwrites.
    """

    graph: Graph
    program: Program
    inputs: dict[str, Array | None]
    updates: tuple[str, ...]

    def run(self, *values: Any) -> list[Array]:
        """Compute the outputs, then the new value of each of ``updates``.

        Nothing is overwritten: to train, put the updates into ``inputs`` before the next run.

        Args:
            values: For each input that has no stored value an array, in order. Tuples, lists and
                dictionaries of arrays count as their items, in their order, as in PyTorch.

        Raises:
            TypeError: The number of values is another.
        """
        given = list(_leaves(values))
        wanted = [name for name, stored in self.inputs.items() if stored is None]
        if len(given) != len(wanted):
            raise TypeError(
                f"run: expected {len(wanted)} arrays ({', '.join(wanted)}), got {len(given)}"
            )
        remaining = iter(given)
        arrays = [next(remaining) if v is None else v for v in self.inputs.values()]
        return list(self.graph.run(*arrays))

    def draw(self, direction: Literal["TB", "LR"] = "TB") -> GraphDrawing:
        """The framework's own graph, under its own names."""
        return draw_program(self.program, direction)


def from_torch(graph: Any, *, freeze: bool = False) -> ImportedGraph:
    """Read a graph of PyTorch.

    Args:
        graph: An ExportedProgram (``torch.export.export(model.eval(), (x,))``), or a GraphModule of
            aten operations, which is how PyTorch records a training step:
            ``make_fx(torch.func.grad(loss))(parameters, x, y)``.
        freeze: Whether parameters and buffers become constants of the graph, not inputs; their
            updates are then left out.

    Raises:
        UnknownOperationError: The graph has operations, dtypes or uses of operations that dlcourse
            cannot read; they are named, with the line of the model that they come from (make_fx
            notes lines if ``record_stack_traces=True``).
        TypeError: ``graph`` is of another type.
        ValueError: A shape is dynamic.
    """
    import torch

    if isinstance(graph, torch.export.ExportedProgram):
        program = read_exported(graph, ATEN)
    elif isinstance(graph, torch.fx.GraphModule):
        program = read_graph_module(graph, ATEN)
    else:
        raise TypeError(
            "from_torch: expected an ExportedProgram (torch.export.export) or a GraphModule "
            f"(make_fx), got {type(graph).__name__}"
        )
    return _import(program, ATEN, freeze)


def from_tensorflow(function: Any, *specs: Any, freeze: bool = False) -> ImportedGraph:
    """Read a graph of TensorFlow.

    Args:
        function: A ConcreteFunction, or a ``tf.function`` and the ``specs`` to trace it with.
        specs: A ``tf.TensorSpec`` for each argument, its shape without None.
        freeze: Whether variables become constants of the graph, not inputs; their updates are then
            left out.

    Raises:
        UnknownOperationError: The graph has operations, dtypes or uses of operations that dlcourse
            cannot read; they are named, with their name in TensorFlow's graph and the line of the
            model that they come from.
        TypeError: ``function`` is of another type.
        ValueError: A shape is dynamic.
    """
    if hasattr(function, "get_concrete_function"):
        function = function.get_concrete_function(*specs)
    elif not hasattr(function, "captured_inputs"):
        raise TypeError(
            "from_tensorflow: expected a tf.function or one of its ConcreteFunctions, got "
            f"{type(function).__name__}"
        )
    return _import(read_concrete_function(function, TENSORFLOW), TENSORFLOW, freeze)


def _import(program: Program, table: Table, freeze: bool) -> ImportedGraph:
    program.check_operations(table)
    frozen: Mapping[str, Array] = program.stored if freeze else {}
    values = [
        frozen[v.name] if v.name in frozen else placeholder(v.fixed_shape(), v.dtype, v.name)
        for v in program.inputs
    ]
    results = program.evaluate(table, values)
    updates = () if freeze else tuple(program.updates)
    given = [v for v in values if isinstance(v, Symbol)]
    return ImportedGraph(
        graph=Graph(given, results[: len(program.outputs) + len(updates)], name=program.framework),
        program=program,
        inputs={v.name: program.stored.get(v.name) for v in program.inputs if v.name not in frozen},
        updates=updates,
    )


def _leaves(values: Any) -> Iterator[Array]:
    """The arrays in nested tuples, lists and dictionaries."""
    if isinstance(values, tuple | list):
        for value in values:
            yield from _leaves(value)
    elif isinstance(values, Mapping):
        yield from _leaves(tuple(values.values()))
    else:
        yield np.asarray(values)
