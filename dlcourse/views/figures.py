"""Drawings of graphs, made from the graph itself.

`draw_graph` walks what a tensor remembers: the recorded operations of a `dlcourse.Tensor`, or the
``grad_fn`` of a `torch.Tensor`. Graphviz (through pygraphviz) places the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse.autodiff import Tensor, raw_value
from dlcourse.autodiff.sweep import reverse_sweep, sent_back
from dlcourse.graphs.show.graphviz import Direction, DrawnEdge, DrawnNode, GraphDrawing


def draw_graph(
    tensor: Any,
    names: Mapping[str, Any] | None = None,
    *,
    gradients: bool = False,
    direction: Direction = "TB",
) -> GraphDrawing:
    """Draw how ``tensor`` was computed.

    Args:
        tensor: A `dlcourse.Tensor`, or a `torch.Tensor` whose history PyTorch kept.
        names: What to call tensors of the graph, as in ``dict(x=x, loss=loss)``.
        gradients: Also write d(tensor)/d(node) into each node and, on each edge, the part of it
            that arrives along that edge. Only for a `dlcourse.Tensor` with one element whose
            graph was not freed; nobody's ``grad`` changes.
        direction: "TB" draws downwards, "LR" to the right.

    Raises:
        TypeError: ``tensor`` is of another type, or gradients of a PyTorch graph are asked for.
        ValueError: Gradients are asked for and ``tensor`` has more than one element.
        RuntimeError: The graph was freed by an earlier ``backward``.
    """
    if isinstance(tensor, Tensor):
        return _draw_own(tensor, names or {}, gradients, direction)
    if hasattr(tensor, "grad_fn"):
        if gradients:
            raise TypeError("draw_graph: gradients=True is for dlcourse tensors; got torch.Tensor")
        return _draw_torch(tensor, names or {}, direction)
    raise TypeError(
        f"draw_graph: expected a dlcourse.Tensor or a torch.Tensor, got {type(tensor).__name__}"
    )


def short_text(value: Any) -> str:
    """A number as it is, the shape of anything larger.

    Args:
        value: A number, an array or a Tensor.
    """
    array = np.asarray(value)
    if array.size == 1:
        return f"{array.item():.4g}"
    return "shape " + "×".join(map(str, array.shape))


# --- A graph of dlcourse ------------------------------------------------------------------------


def _draw_own(
    root: Tensor, names: Mapping[str, Any], gradients: bool, direction: Direction
) -> GraphDrawing:
    called = {id(value): name for name, value in names.items()}
    total, arriving = _gradients(root) if gradients else ({}, {})
    return drawn_history(root, called, total, arriving, direction)


def drawn_history(
    root: Tensor,
    called: Mapping[int, str],
    total: Mapping[int, Any],
    arriving: Mapping[tuple[int, int], Any],
    direction: Direction = "TB",
) -> GraphDrawing:
    """The drawing of a dynamic graph with given gradients.

    Node i is ``history(root)[i]``, and edge j is ``operands(history(root))[j]``.

    Args:
        root: Where the graph ends.
        called: Names, by the id of what is called so.
        total: The gradient of each node that has one, by its id.
        arriving: What is sent along each edge, by the id of the result and the operand's position.
        direction: As for `draw_graph`.
    """
    graph = history(root)
    position = {id(value): i for i, value in enumerate(graph)}
    drawing = GraphDrawing(direction=direction)
    for value in graph:
        gradient = short_text(total[id(value)]) if id(value) in total else None
        drawing.nodes.append(_own_node(value, called.get(id(value)), gradient))
    for value, place, x in operands(graph):
        g = arriving.get((id(value), place))
        text = None if g is None else short_text(g)
        drawing.edges.append(DrawnEdge(position[id(x)], position[id(value)], text))
    return drawing


def operands(graph: Sequence[Any]) -> list[tuple[Any, int, Any]]:
    """Of each value of a history, and in that order: the value, a position, the operand there.

    Args:
        graph: What `history` returns.
    """
    return [(value, place, x) for value in graph for place, x in enumerate(_inputs(value))]


def _inputs(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, Tensor):
        return ()
    if value.inputs is None:
        raise RuntimeError(
            "draw_graph: the graph was freed by an earlier backward(). Draw it before, or pass "
            "retain_graph=True to backward()."
        )
    return value.inputs


def history(root: Tensor) -> list[Any]:
    """Everything that ``root`` was computed from, constants included; inputs before results.

    Raises:
        RuntimeError: The graph was freed by an earlier ``backward``.
    """
    found: dict[int, Any] = {}
    stack = [(root, False)]
    while stack:
        value, is_ready = stack.pop()
        if is_ready:
            found[id(value)] = value
        elif id(value) not in found:
            stack.append((value, True))
            stack += [(x, False) for x in reversed(_inputs(value))]
    return list(found.values())


def _own_node(value: Any, name: str | None, gradient: str | None) -> DrawnNode:
    array = raw_value(value)
    text = short_text(array)
    named = text if name is None else f"{name} = {text}"
    if isinstance(value, Tensor) and value.op is not None:
        return DrawnNode("operation", (value.op.name, named), gradient)
    is_input = isinstance(value, Tensor) and value.requires_grad
    return DrawnNode("input" if is_input or name else "constant", (named,), gradient)


def _gradients(root: Tensor) -> tuple[dict[int, Any], dict[tuple[int, int], Any]]:
    """The gradient of each node, and what backward sends along each edge.

    Nodes are keyed by id, edges by the id of the result and the operand's position.
    """
    if root.size != 1:
        raise ValueError(f"draw_graph: gradients=True needs a scalar, got shape {root.shape}")
    total: dict[int, Any] = {}
    arriving: dict[tuple[int, int], Any] = {}
    for node, g in reverse_sweep(root, np.ones_like(root.data), raw=True):
        total[id(node)] = g
        for place, part in sent_back(node, g, raw=True) if node.op else ():
            arriving[id(node), place] = part
    return total, arriving


# --- A graph of PyTorch -------------------------------------------------------------------------


def _draw_torch(root: Any, names: Mapping[str, Any], direction: Direction) -> GraphDrawing:
    if root.grad_fn is None:
        text = next((f"{name} = " for name, value in names.items() if value is root), "")
        return GraphDrawing([DrawnNode("input", (text + _torch_text(root),))], [], direction)
    called: dict[Any, tuple[str, Any]] = {}
    for name, value in names.items():
        called[value if value.grad_fn is None else value.grad_fn] = (name, value)
    functions = list(_torch_functions(root.grad_fn))
    position = {function: i for i, function in enumerate(functions)}

    drawing = GraphDrawing(direction=direction)
    for function in functions:
        leaf = getattr(function, "variable", None)
        name, value = called.get(function if leaf is None else leaf, ("", leaf))
        lines: tuple[str, ...] = () if leaf is not None else (function.name(),)
        if value is not None:
            lines += ((f"{name} = " if name else "") + _torch_text(value),)
        drawing.nodes.append(DrawnNode("operation" if leaf is None else "input", lines))
    for function in functions:
        for source, _ in function.next_functions:
            if source is not None:
                drawing.edges.append(DrawnEdge(position[source], position[function]))
    return drawing


def _torch_text(tensor: Any) -> str:
    return short_text(tensor.detach().numpy())


def _torch_functions(root: Any) -> Iterator[Any]:
    """The backward functions that root leads to, those of the inputs first."""
    seen = set()
    stack = [(root, False)]
    while stack:
        function, is_ready = stack.pop()
        if is_ready:
            yield function
        elif function not in seen:
            seen.add(function)
            stack.append((function, True))
            stack += [(f, False) for f, _ in reversed(function.next_functions) if f is not None]
