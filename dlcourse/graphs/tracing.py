"""From a Python function to its graph: call it once, with Symbols."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, placeholder, record_symbols
from dlcourse.ops.trees import flatten, unflatten


def trace(function: Callable[..., Any], *examples: Any, name: str | None = None) -> Graph:
    """The graph of ``function`` for arguments like ``examples``.

    The function's Python code runs once, now: its prints and other side effects happen now, a
    Python ``if`` takes one way for good, a loop is unrolled. Only the operations are in the graph.

    Args:
        examples: For each argument something with a shape and a dtype (an array, a Tensor, a
            Symbol), or a list, tuple or dict of such. Their numbers are not looked at.
        name: The graph's name; by default the function's.

    Returns:
        The graph. Its inputs are the leaves of the arguments in order, named after the function's
        parameters; its outputs the leaves of what the function returns.

    Raises:
        TypeError: An argument is no array, or the function returns something else than arrays.

    Source: https://docs.jax.dev/en/latest/tracing.html, tf.function.
    """
    return trace_structured(function, examples, name)[0]


def trace_structured(
    function: Callable[..., Any], examples: Sequence[Any], name: str | None = None
) -> tuple[Graph, Any]:
    """As `trace`; also the structure of the result, for `unflatten`."""
    names = _argument_names(function, len(examples))
    leaves, structure = flatten(tuple(examples), names)
    inputs = [placeholder_like(leaf, path) for path, leaf in leaves]
    with record_symbols() as nodes:
        result = function(*unflatten(structure, inputs))
    outputs, result_structure = flatten(result)
    title = name or getattr(function, "__name__", "graph").replace("<lambda>", "function")
    for x in outer_symbols(inputs, nodes, [x for _, x in outputs]):
        raise ValueError(
            f"trace: {title} uses {x!r}, a Symbol of another graph. Make it an argument."
        )
    graph = Graph(inputs, [_output(x, title) for _, x in outputs], title, nodes)
    return graph, result_structure


def outer_symbols(
    inputs: Sequence[Symbol], nodes: Sequence[Symbol], outputs: Sequence[Any]
) -> list[Symbol]:
    """The Symbols that are used and are neither inputs nor results, in order of creation."""
    own = {id(x) for x in (*inputs, *nodes)}
    used = [x for node in nodes for x in node.operands] + list(outputs)
    outer = {id(x): x for x in used if isinstance(x, Symbol) and id(x) not in own}
    return sorted(outer.values(), key=lambda x: x.created)


def placeholder_like(x: Any, name: str) -> Symbol:
    if isinstance(x, bool | int | float):
        x = np.asarray(x)
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(
            f"trace: argument {name} must have a shape and a dtype (an array, a Tensor, a Symbol), "
            f"got {type(x).__name__}"
        )
    return placeholder(x.shape, x.dtype, name)


def _output(x: Any, title: str) -> Any:
    if isinstance(x, Symbol):
        return x
    if isinstance(x, Tensor):
        if x.requires_grad:
            raise TypeError(
                f"trace: {title} returns a Tensor that requires a gradient, which would become a "
                "constant of the graph. Make it an argument."
            )
        x = x.data
    if isinstance(x, np.ndarray | bool | int | float | np.generic):
        return np.array(x)
    raise TypeError(
        f"trace: expected {title} to return Symbols (or lists, tuples, dicts of them), got "
        f"{type(x).__name__}"
    )


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """What the function calls its arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have no signature
        parameters = []
    names: list[str] = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}{i}" for i in range(count - len(names))]
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
    names = names[:count]
    return names + [f"x{i}" for i in range(len(names), count)]
