"""A graph as text that reads as code."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from dlcourse.graphs.symbol import Symbol, type_text


class GraphLike(Protocol):
    """What is read of a graph to print it; `dlcourse.graphs.Graph`, which prints itself, has it."""

    inputs: Sequence[Symbol]
    outputs: Sequence[Any]
    name: str
    nodes: Sequence[Symbol]


def names_of(graph: GraphLike, taken: Iterable[str] = ()) -> dict[int, str]:
    """What to call each input and each result, by id: an input's own name, then v1, v2, ...

    Args:
        taken: Names that are not free.
    """
    names: dict[int, str] = {}
    taken = set(taken)
    for i, x in enumerate(graph.inputs):
        name = (x.name or f"x{i}").replace(".", "_")
        if not name.isidentifier():
            name = f"x{i}"
        while name in taken or keyword.iskeyword(name):
            name += "_"
        taken.add(name)
        names[id(x)] = name
    fresh = (f"v{i}" for i in range(1, 1 << 62))
    for node in graph.nodes:
        names[id(node)] = next(name for name in fresh if name not in taken)
    return names


def code(graph: GraphLike) -> str:
    """The graph as a function of typed arguments, an operation a line."""
    names = names_of(graph)
    arguments = ", ".join(f"{names[id(x)]}: {type_text(x)}" for x in graph.inputs)
    lines = [f"def {graph.name}({arguments}):"]
    left = [f"{names[id(n)]}: {type_text(n)}" for n in graph.nodes]
    width = max(map(len, left), default=0)
    for node, target in zip(graph.nodes, left, strict=True):
        lines.append(f"    {target:{width}} = {call_text(node, names)}")
    lines.append(f"    return {', '.join(operand_text(x, names) for x in graph.outputs)}")
    return "\n".join(lines)


def call_text(node: Symbol, names: dict[int, str]) -> str:
    """The operation of ``node``, as in ``sum(v1, axis=0)``."""
    operands = [operand_text(x, names) for x in node.operands]
    parameters = [f"{k}={parameter_text(v)}" for k, v in node.parameters.items()]
    return f"{node.operation_name()}({', '.join([*operands, *parameters])})"


def operand_text(x: Any, names: dict[int, str]) -> str:
    """The name of a value, the number itself, or the type of a constant array."""
    if isinstance(x, Symbol):
        return names[id(x)]
    if isinstance(x, np.ndarray) and x.size > 4:
        return f"constant({type_text(x)})"
    return str(x.tolist()) if isinstance(x, np.ndarray | np.generic) else repr(x)


def parameter_text(value: Any) -> str:
    """A parameter such as an axis, a slice or a dtype, in short."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, slice):
        parts = ["" if p is None else str(p) for p in (value.start, value.stop)]
        return ":".join(parts) + (f":{value.step}" if value.step is not None else "")
    if isinstance(value, tuple):
        inner = ", ".join(map(parameter_text, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if hasattr(value, "nodes"):  # a graph
        return str(value.name)
    if isinstance(value, np.ndarray | np.generic):
        return operand_text(value, {})
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, np.random.Generator):
        return "generator"  # its own text has an address
    return "..." if value is ... else repr(value)
