"""The reverse sweep: the gradients of one node with respect to all that it depends on.

It serves the dynamic graph, where the rules run on arrays (or on Tensors, if the sweep itself is to
be differentiable), and the static graph, where they run on Symbols.

Source: Griewank & Walther, Evaluating Derivatives (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.anomaly import checked_rule
from dlcourse.autodiff.changes import check_unchanged, latest_change
from dlcourse.autodiff.node import Node, recorded_graph
from dlcourse.autodiff.recording import mode
from dlcourse.ops.kernels import add_at, is_basic


def reverse_sweep(
    root: Node,
    seed: Any,
    *,
    raw: bool,
    retain: bool = True,
    towards: Set[int] | None = None,
    follow: Callable[[Any], bool] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Walk from root to the leaves and yield each node on the way with its gradient.

    Every node is visited once, after all the nodes that use it: by then its gradient is complete.
    The gradient of a leaf is an array that nobody else holds.

    Args:
        root: Where the sweep starts, with the gradient ``seed``, an array or a Node.
        raw: Run the rules on the arrays of Tensors (fast), else on the Nodes themselves.
        retain: Keep the graph; otherwise each node forgets its inputs as soon as it is done.
        towards: The ids of the nodes to reach; other paths are left out.
        follow: Whether to go on behind a node, by default always. Where it does not, the sweep
            ends as at a leaf, and the node's hooks are left to the caller that goes on.
    """
    graph = recorded_graph(root, follow)
    leading = None if towards is None else _leading_to(towards, graph, follow)
    oldest = next((x.created for x in graph if x.op is not None), 0)
    overwritten = oldest < latest_change() and hasattr(root, "data")
    anomaly = mode.anomaly and hasattr(root, "data")
    gradients: dict[int, Any] = {id(root): seed}
    sums: set[int] = set()  # where the gradient is an array that was made here by adding
    while graph:
        node: Any = graph.pop()
        g = gradients.pop(id(node), None)
        if g is None:  # a path that every rule cut off
            continue
        is_end = follow is not None and not follow(node)
        if node.hooks and not is_end:
            g = node.run_hooks(g)
        yield node, g
        op, inputs = node.op, node.inputs
        if op is None or is_end:
            continue
        y, arguments = (node.data, node.raw_inputs) if raw else (node, inputs)
        if overwritten:
            check_unchanged(node)
        rules = op.rules if op.each is None else op.rules_for(len(inputs))
        is_part = op is ops.getitem and not anomaly and is_basic(node.parameters["index"])
        for x, value, rule in zip(inputs, arguments, rules, strict=True):
            if rule is None or not isinstance(x, Node) or not x._requires_grad:
                continue
            if leading is not None and id(x) not in leading:
                continue
            key = id(x)
            if is_part and key in gradients:
                # Not as an array of zeros around g: in a loop over the parts it would be quadratic.
                gradients[key] = _added_at(gradients[key], g, node, raw and key in sums)
                sums.add(key)
                continue
            if anomaly:
                part = checked_rule(node, rule, g, y, arguments)
            else:
                part = rule(g, y, *arguments, **node.parameters)
            if part.shape != value.shape:
                part = ops.unbroadcast(part, value.shape)
            if part.dtype != value.dtype:
                part = ops.astype(part, value.dtype)
            if key in gradients:
                if raw and key in sums:
                    gradients[key] += part
                else:
                    gradients[key] = gradients[key] + part
                    sums.add(key)
            elif x.op is None and raw and not _is_fresh(part, g, y, arguments):
                gradients[key] = part.copy()
            else:
                gradients[key] = part
        if not retain:
            node.inputs = node.raw_inputs = None


def _added_at(total: Any, g: Any, part: Node, in_place: bool) -> Any:
    """``total``, the gradient of an array, with ``g``, that of a part of it, added."""
    if in_place and isinstance(total, np.ndarray):
        return add_at(total, g, out=total, **part.parameters)
    return ops.add_at(total, g, **part.parameters)


def _is_fresh(part: Any, g: Any, y: Any, arguments: list[Any]) -> bool:
    """Whether a rule made the array ``part`` rather than handing on one that it was given."""
    if part.base is not None or part is g or part is y:
        return False
    return id(part) not in map(id, arguments)


def _leading_to(
    towards: Set[int], graph: list[Node], follow: Callable[[Any], bool] | None
) -> set[int]:
    """The ids of the nodes in the graph (in order of creation) that depend on ``towards``."""
    leading = set(towards)
    for node in graph:
        if follow is not None and not follow(node):
            continue
        if any(id(x) in leading for x in node.inputs or ()):
            leading.add(id(node))
    return leading
