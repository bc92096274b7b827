"""What control flow is made of: operations with several results, and graphs inside of graphs.

An operation with several results makes one Symbol that stands for all of them, a bundle, and an
operation ``item`` for each result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.graphs.gradient import gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.result_types import result_types
from dlcourse.graphs.symbol import Symbol, as_operand, placeholder, record_symbols, type_text
from dlcourse.graphs.tracing import outer_symbols, placeholder_like
from dlcourse.ops import Primitive
from dlcourse.ops.trees import flatten


class Bundle(Symbol):
    """Stands for the several results of one operation; ``types`` has a Symbol like each."""

    def __init__(self, types: Sequence[Any], **made: Any) -> None:
        super().__init__((len(types),), np.float64, **made)
        self.types = list(types)

    def _made(self, operands: tuple[Any, ...]) -> Bundle:
        return Bundle(self.types, op=self.op, inputs=operands, parameters=self.parameters)

    def value(self, operands: Sequence[Any]) -> Any:
        assert self.op is not None
        if is_symbolic(operands):
            return self._made(tuple(as_operand(x, self.op) for x in operands))
        return self.op.kernel(*operands, **self.parameters)

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Symbol:
        """One of the results: nothing else is done with a bundle."""
        (bundle,) = arguments
        x = bundle.types[parameters["i"]]
        return Symbol(x.shape, x.dtype, op=op, inputs=arguments, parameters=parameters)


class Cotangents:
    """The gradients with respect to the results in a bundle; None where there is none.

    The reverse sweep adds them up and hands them to the bundle's rule, as it does with arrays.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)
        self.shape = (len(self.parts),)
        self.pulled: list[Any] | None = None  # what the rule gave, for all arguments at once

    def __add__(self, other: Cotangents) -> Cotangents:
        pairs = zip(self.parts, other.parts, strict=True)
        return Cotangents([b if a is None else a if b is None else a + b for a, b in pairs])

    def filled(self, types: Sequence[Any]) -> list[Any]:
        """The gradients of the floating point results, with zeros for None."""
        pairs = [(g, x) for g, x in zip(self.parts, types, strict=True) if x.dtype.kind == "f"]
        return [np.zeros(x.shape, x.dtype) if g is None else g for g, x in pairs]


def _place(g: Any, _y: Any, bundle: Bundle, i: int) -> Cotangents:
    parts: list[Any] = [None] * len(bundle.types)
    parts[i] = g
    return Cotangents(parts)


def _item_types(operands: Sequence[Any], i: int) -> Sequence[Any]:
    (bundle,) = operands
    if not isinstance(bundle, Symbol) or bundle.op is None or not bundle.op.has_several_results:
        raise ValueError("expected an operation with several results")
    every = result_types(bundle.op, bundle.operands, bundle.parameters)
    if type(i) is not int or not 0 <= i < len(every):
        raise ValueError(f"expected one of the {len(every)} results, got i={i}")
    return [every[i]]


item = Primitive(
    "item", lambda bundle, i: bundle[i], "one of the results of an operation with several",
    {"bundle": _place}, result_types=_item_types,
)  # fmt: skip


def results_of(
    op: Primitive, operands: Sequence[Any], types: Sequence[Any], parameters: Mapping[str, Any]
) -> list[Symbol]:
    inputs = tuple(as_operand(x, op) for x in operands)
    bundle = Bundle(types, op=op, inputs=inputs, parameters=dict(parameters))
    return [item(bundle, i=i) for i in range(len(bundle.types))]


def subgraph(
    function: Callable[..., Any], examples: Sequence[Any], name: str
) -> tuple[Graph, Any, list[Symbol]]:
    """The graph of a function of leaves, its result's structure, and the outer Symbols it uses.

    The outer Symbols become further inputs of the graph, after the leaves.
    """
    inputs = [placeholder_like(x, f"x{i}") for i, x in enumerate(examples)]
    with record_symbols() as nodes:
        result = function(*inputs)
    leaves, structure = flatten(result)
    outputs = [x if isinstance(x, Symbol) else np.array(x) for _, x in leaves]
    outer = outer_symbols(inputs, nodes, outputs)
    graph = _closed(inputs, outputs, name, nodes, outer)
    return graph, structure, outer


def _closed(
    inputs: Sequence[Symbol],
    outputs: Sequence[Any],
    name: str,
    nodes: Sequence[Symbol],
    outer: Sequence[Symbol],
) -> Graph:
    """The graph with inputs of its own in place of the outer Symbols."""
    own = [placeholder(x.shape, x.dtype, x.name) for x in outer]
    open_graph = Graph([*inputs, *outer], outputs, name, nodes)
    with record_symbols() as made:
        results = open_graph.run(*inputs, *own)
    return Graph([*inputs, *own], results, name, made)


def with_inputs(
    graph: Graph, values: Sequence[Any], own: Sequence[Symbol], outer: Sequence[Symbol]
) -> Graph:
    """The graph with an input for each of ``outer``, also for those that it does not use."""
    have = {id(x): graph.inputs[len(values) + i] for i, x in enumerate(own)}
    more = [have.get(id(x), placeholder(x.shape, x.dtype, x.name)) for x in outer]
    return Graph([*graph.inputs[: len(values)], *more], graph.outputs, graph.name, graph.nodes)


def check_types(what: str, got: Sequence[Any], expected: Sequence[Any]) -> None:
    texts = [", ".join(map(type_text, values)) for values in (expected, got)]
    if texts[0] != texts[1]:
        raise TypeError(f"{what}\n  Expect: {texts[0]}\n  Actual: {texts[1]}")


def of_our_own(values: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The values; arrays share no memory with one another and with what was given, a buffer."""
    others = [x for x in given if isinstance(x, np.ndarray)]
    own: list[Any] = []
    for v in values:
        if not isinstance(v, Tensor):
            is_shared = any(np.may_share_memory(v, x) for x in others)
            v = np.array(v) if is_shared else np.asarray(v)
            others.append(v)
        own.append(v)
    return own


def stacked(column: Sequence[Any], like: Any) -> Any:
    """The values one above the other; of no values, an empty array of the type of ``like``."""
    if any(isinstance(y, Tensor) for y in column):
        return ops.stack(list(column))
    return np.array(column, like.dtype).reshape(len(column), *like.shape)


def check_structure(what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise TypeError(f"{what}: they are lists, tuples or dicts of other forms")


def is_symbolic(values: Sequence[Any]) -> bool:
    return any(isinstance(x, Symbol) for x in values)


def pulled_graph(graph: Graph) -> Graph:
    """From the inputs and the gradients of the float outputs, the gradients of the float inputs."""
    if any(node.op is not None and not node.op.pure for node in _with_inner_nodes(graph)):
        raise TypeError(
            f"gradient: {graph.name} draws random numbers, and the sweep would draw others. "
            "Draw them outside of cond and scan, and use them inside."
        )
    inputs = [placeholder(x.shape, x.dtype, x.name) for x in graph.inputs]
    with record_symbols() as nodes:
        outputs = graph.run(*inputs)
        floats = [y for y in outputs if y.dtype.kind == "f"]
        seeds = [placeholder(y.shape, y.dtype) for y in floats]
        wanted = [x for x in inputs if x.dtype.kind == "f"]
        total = [np.zeros(x.shape, x.dtype) for x in wanted]
        for y, seed in zip(floats, seeds, strict=True):
            parts = gradients_of(y, wanted, seed)
            total = [a + b for a, b in zip(total, parts, strict=True)]
    return Graph([*inputs, *seeds], total, f"gradient_of_{graph.name}", nodes)


def _with_inner_nodes(graph: Graph) -> Iterator[Symbol]:
    """The operations of the graph, and those of the graphs that they carry."""
    for node in graph.nodes:
        yield node
        for inner in node.parameters.values():
            if isinstance(inner, Graph):
                yield from _with_inner_nodes(inner)


def spread(pulled: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The gradients of the floats among the inputs, with None for the others."""
    rest = iter(pulled)
    return [next(rest) if x.dtype.kind == "f" else None for x in inputs]
