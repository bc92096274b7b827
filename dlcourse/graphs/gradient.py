"""The derivative of a graph is a graph, made by the same rules and the same sweep as the tape's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse.autodiff.sweep import gradients_at
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, record_symbols


def gradients_of(output: Any, inputs: Sequence[Symbol], seed: Any = None) -> list[Any]:
    """d(output)/d(input) for each input, as Symbols; zeros where the output does not depend on it.

    Args:
        output: A Symbol. Without a seed it must have exactly one element.
        inputs: Floating point Symbols that the output may depend on.
        seed: d(loss)/d(output), of the shape of the output; ones by default.
    """
    found: list[Any] = [None] * len(inputs)
    if seed is None and np.size(output) != 1:
        raise TypeError(f"gradient: expected a scalar to differentiate, got {np.shape(output)}")
    if isinstance(output, Symbol) and output.dtype.kind == "f":
        if seed is None:
            seed = np.ones(output.shape, output.dtype)
        found = gradients_at(inputs, output, seed, raw=False)
    return [
        np.zeros(x.shape, x.dtype) if g is None else g for x, g in zip(inputs, found, strict=True)
    ]


def gradient(graph: Graph, wrt: Sequence[int] | None = None, with_value: bool = True) -> Graph:
    """The graph of the gradient of a graph with one scalar output.

    Args:
        wrt: The positions of the inputs to differentiate with respect to; by default all of
            floating point type.
        with_value: Return the value too, in front of the gradients.

    Raises:
        TypeError: The graph has not exactly one output, it is no scalar, or an input is no float.
    """
    if len(graph.outputs) != 1:
        raise TypeError(f"gradient: expected a graph with 1 output, got {len(graph.outputs)}")
    positions = [i for i, x in enumerate(graph.inputs) if x.dtype.kind == "f"]
    chosen = [graph.inputs[i] for i in (positions if wrt is None else wrt)]
    for x in chosen:
        if x.dtype.kind != "f":
            raise TypeError(f"gradient: input {x.name} has dtype {x.dtype}, expected a float")
    (output,) = graph.outputs
    with record_symbols() as made:
        found = gradients_of(output, chosen)
    outputs = [output, *found] if with_value else found
    return Graph(graph.inputs, outputs, f"gradient_of_{graph.name}", [*graph.nodes, *made])
