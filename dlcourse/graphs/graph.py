"""A static graph: its inputs, its outputs, and the operations between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dlcourse.graphs.show.printing import code
from dlcourse.graphs.symbol import Symbol, record_symbols, type_text

# The kinds of inputs for which a Python number of a type may stand.
TAKEN_BY = {bool: "biuf", int: "iuf", float: "f"}


@dataclass(eq=False)
class Graph:
    """A function as data: it can be printed, drawn, differentiated, rewritten, compiled and run.

    Attributes:
        inputs: The Symbols to give values for.
        outputs: What is computed: Symbols, or constants.
        name: The function's name.
        nodes: The operations, each after those that it depends on. By default those that the
            outputs depend on; a traced graph also has those whose results are not used.

    Raises:
        ValueError: No nodes are given, and an output depends on a Symbol that is not an input.
    """

    inputs: Sequence[Symbol]
    outputs: Sequence[Any]
    name: str = "graph"
    nodes: Sequence[Symbol] = ()

    # Draws a graph: a function of `dlcourse.graphs.show.picture`, which enters it here.
    picture: ClassVar[Callable[[Graph], Any] | None] = None

    def __post_init__(self) -> None:
        self.nodes = self.nodes or self.needed_nodes()

    def needed_nodes(self) -> list[Symbol]:
        """The operations that the outputs depend on, in order of creation."""
        seen = {id(x) for x in self.inputs}
        found = []
        stack = [x for x in self.outputs if isinstance(x, Symbol)]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            if node.op is None:
                raise ValueError(f"graph {self.name}: {node!r} is used but is not among the inputs")
            seen.add(id(node))
            found.append(node)
            stack += [x for x in node.operands if isinstance(x, Symbol)]
        return sorted(found, key=lambda node: node.created)

    def run(self, *values: Any) -> list[Any]:
        """The outputs, computed operation by operation.

        Args:
            values: One for each input: arrays, or Tensors (the result can be differentiated), or
                Symbols (the graph becomes a part of a larger one).

        Raises:
            TypeError, ValueError: The number, a shape or a dtype of the values is not the inputs'.
        """
        checked = self.check(values)
        known: dict[int, Any] = {id(x): v for x, v in zip(self.inputs, checked, strict=True)}
        for node in self.nodes:
            known[id(node)] = node.value([known.get(id(x), x) for x in node.operands])
        # A constant is copied, so that the graph keeps its own.
        return [known[id(x)] if id(x) in known else np.array(x) for x in self.outputs]

    def check(self, values: Sequence[Any]) -> list[Any]:
        """The values, Python numbers as arrays, if they have the inputs' shapes and dtypes.

        Raises:
            TypeError, ValueError: As for `run`.
        """
        if len(values) != len(self.inputs):
            raise TypeError(
                f"graph {self.name}: expected {len(self.inputs)} values, got {len(values)}"
            )
        checked = []
        for i, (x, v) in enumerate(zip(self.inputs, values, strict=True)):
            if type(v) in (bool, int, float):
                v = np.asarray(v, x.dtype if x.dtype.kind in TAKEN_BY[type(v)] else None)
            if not hasattr(v, "shape"):
                raise TypeError(
                    f"graph {self.name}: input {x.name or i} must be an array, a Tensor or a "
                    f"Symbol, got {type(v).__name__}"
                )
            if v.shape != x.shape or v.dtype != x.dtype:
                raise ValueError(
                    f"graph {self.name}: input {x.name or i}\n  Expect: {type_text(x)}\n"
                    f"  Actual: {type_text(v)}"
                )
            checked.append(v)
        return checked

    def __str__(self) -> str:
        return code(self)

    def _repr_svg_(self) -> str | None:
        return None if Graph.picture is None else str(Graph.picture(self).svg())


# Takes an operation of a graph and its operands in the new graph, and returns the value that
# replaces it there: a Symbol or a constant. None leaves the operation as it is, on these operands.
RewriteRule: TypeAlias = Callable[[Symbol, tuple[Any, ...]], Any]


def rewrite(graph: Graph, *rules: RewriteRule) -> Graph:
    """The graph in which each operation, in order, is what the first rule makes of it that can."""
    new: dict[int, Any] = {}
    with record_symbols() as nodes:
        for node in graph.nodes:
            operands = tuple([new.get(id(x), x) for x in node.operands])
            for rule in rules:
                y = rule(node, operands)
                if y is not None:
                    break
            else:
                y = node.on(operands)
            if y is node:
                nodes.append(node)
            else:
                new[id(node)] = y
    return Graph(graph.inputs, [new.get(id(x), x) for x in graph.outputs], graph.name, nodes)
