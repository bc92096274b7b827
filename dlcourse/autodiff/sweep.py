"""The reverse sweep: the gradients of one node with respect to all that it depends on.

It serves the dynamic graph, where the rules run on arrays (or on Tensors, if the sweep itself is to
be differentiable), and the static graph, where they run on Symbols.

Source: Griewank & Walther, Evaluating Derivatives (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import versions
from dlcourse.autodiff.anomaly import checked_rule
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
    reached = None if towards is None else _leading_to(towards, graph, follow)
    oldest = next((x.created for x in graph if x.op is not None), 0)
    was_changed = oldest < versions.latest_change and hasattr(root, "data")
    sums = _Sums(root, seed, raw)
    while graph:
        node: Any = graph.pop()
        g = sums.gradients.pop(id(node), None)
        if g is None:  # a path that every rule cut off
            continue
        goes_on = follow is None or follow(node)
        if node.hooks and goes_on:
            g = node.run_hooks(g)
        yield node, g
        if node.op is None or not goes_on:
            continue
        if was_changed:
            versions.check_unchanged(node)
        if not (node.op is ops.getitem and sums.add_part(node, g)):
            for i, part in sent_back(node, g, raw, reached):
                sums.add(node.inputs[i], part, node, g)
        if not retain:
            node.inputs = node.raw_inputs = None


def sent_back(
    node: Any,
    g: Any,
    raw: bool,
    reached: Set[int] | None = None,
    stretched: dict[int, tuple[int, ...]] | None = None,
) -> list[tuple[int, Any]]:
    """What the operation that made ``node`` contributes to the gradients of its inputs.

    This is the chain rule for one operation: d(loss)/d(input) = g times d(node)/d(input), for each
    path from the input to the loss. The gradient of a value is the sum of what all operations that
    use it send back.

    Args:
        node: The result of the operation.
        g: Its gradient d(loss)/d(node), of its shape and dtype: an array, or a Node.
        raw: Run the rules on the arrays of Tensors, else on the Nodes themselves.
        reached: The ids of the inputs to send to; by default all that require a gradient.
        stretched: Filled, if given: for each input that was broadcast, by its position, the shape
            to which. What goes to it was summed over the axes that it was stretched along.

    Returns:
        Positions of inputs, each with a part of that input's gradient, of its shape and dtype.
    """
    op, parameters = node.op, node.parameters
    y, arguments = (node.data, node.raw_inputs) if raw else (node, node.inputs)
    rules = op.rules if op.each is None else op.rules_for(len(arguments))
    is_checked = mode.anomaly and hasattr(node, "data")
    parts = []
    for i, (x, rule) in enumerate(zip(node.inputs, rules, strict=True)):
        if rule is None or not isinstance(x, Node) or not x._requires_grad:
            continue
        if reached is not None and id(x) not in reached:
            continue
        if is_checked:
            part = checked_rule(node, rule, g, y, arguments)
        else:
            part = rule(g, y, *arguments, **parameters)
        value = arguments[i]
        if part.shape != value.shape:
            if stretched is not None:
                stretched[i] = part.shape
            part = ops.unbroadcast(part, value.shape)
        if part.dtype != value.dtype:
            part = ops.astype(part, value.dtype)
        parts.append((i, part))
    return parts


def gradients_at(nodes: Sequence[Node], root: Node, seed: Any, **options: Any) -> list[Any]:
    """d(root)/d(x) for each x of ``nodes``; None where root does not depend on it.

    Args:
        nodes: Leaves or results.
        root, seed, options: As for `reverse_sweep`.
    """
    wanted = {id(x) for x in nodes}
    sweep = reverse_sweep(root, seed, towards=wanted, **options)
    found = {id(node): g for node, g in sweep if id(node) in wanted}
    return [found.get(id(x)) for x in nodes]


def _leading_to(
    towards: Set[int], graph: list[Node], follow: Callable[[Any], bool] | None
) -> set[int]:
    """The ids of the nodes in the graph (in order of creation) that depend on ``towards``."""
    leading = set(towards)
    for node in graph:
        if follow is not None and not follow(node):
            continue
        if any(id(x) in leading for x in node.operands):
            leading.add(id(node))
    return leading


# --- Adding up, in place where that is safe -----------------------------------------------------


class _Sums:
    """The gradients on their way: of each node the sum of what was sent back to it so far."""

    __slots__ = ("gradients", "made_here", "raw")

    def __init__(self, root: Node, seed: Any, raw: bool) -> None:
        self.raw = raw
        self.gradients: dict[int, Any] = {id(root): seed}
        self.made_here: set[int] = set()  # whose gradient is an array that was made by adding

    def add(self, x: Node, part: Any, sender: Any, g: Any) -> None:
        """Add what the operation of ``sender``, whose gradient is ``g``, sends back to ``x``."""
        key = id(x)
        if key not in self.gradients:
            # A leaf's gradient is given away, so it must not be an array that others hold too.
            if x.op is None and self.raw and not _is_fresh(part, g, sender):
                part = part.copy()
            self.gradients[key] = part
        elif self.raw and key in self.made_here:
            self.gradients[key] += part
        else:
            self.gradients[key] = self.gradients[key] + part
            self.made_here.add(key)

    def add_part(self, node: Any, g: Any) -> bool:
        """Add the gradient of ``node``, a part of an array, to that of the array, if there is one.

        Not as an array of zeros around ``g``: in a loop over the parts that would be quadratic.
        """
        if mode.anomaly:
            return False
        (x,) = node.inputs
        total = self.gradients.get(id(x))
        if total is None or not is_basic(node.parameters["index"]):
            return False
        in_place = self.raw and id(x) in self.made_here and isinstance(total, np.ndarray)
        add_to = add_at if in_place else ops.add_at
        options = {"out": total} if in_place else {}
        self.gradients[id(x)] = add_to(total, g, **node.parameters, **options)
        self.made_here.add(id(x))
        return True


def _is_fresh(part: Any, g: Any, sender: Any) -> bool:
    """Whether a rule made the array ``part`` rather than handing on one that it was given."""
    if part.base is not None or part is g or part is sender.data:
        return False
    return id(part) not in map(id, sender.raw_inputs)
