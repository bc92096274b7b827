"""A node of a graph: a value that remembers the operation that made it.

A graph has no class of its own here. Following the inputs of a node backwards gives the graph.
Nothing points forwards, so a dynamic graph is freed as soon as its last result is dropped, without
the garbage collector.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from dlcourse.autodiff.array_methods import ArrayMethods
from dlcourse.ops import Primitive
from dlcourse.ops.failures import misuse

# The time of creation. An operation's inputs exist before its result, so it orders every graph.
tick = itertools.count(1).__next__


class Node(ArrayMethods):
    """What a Tensor (a value) and a Symbol (a value to come) have in common.

    Attributes:
        op: The operation that made it, or None for a leaf: a variable, an input, a constant.
        inputs: The operation's array arguments, Nodes and others; None once they were freed.
        parameters: The operation's other arguments, such as ``axis``.
        created: The time of creation.
        line: The line of the program that made it, if it was made in anomaly mode.
    """

    # A leaf has these; an operation's result sets its own.
    op: Primitive | None = None
    inputs: tuple[Any, ...] | None = ()
    parameters: Mapping[str, Any] = MappingProxyType({})
    _requires_grad: bool = False
    created: int
    line: str | None = None

    @property
    def is_leaf(self) -> bool:
        """True for a value that no recorded operation made."""
        return self.op is None

    @property
    def operands(self) -> tuple[Any, ...]:
        """The inputs, or none once they were freed."""
        return self.inputs or ()

    @property
    def requires_grad(self) -> bool:
        """Whether the value takes part in differentiation."""
        return self._requires_grad

    def operation_name(self) -> str:
        return "no operation" if self.op is None else self.op.name


def recorded_graph(root: Node, follow: Callable[[Any], bool] | None = None) -> list[Node]:
    """The nodes that root depends on and that require a gradient, in order of creation.

    That is a topological order, and its last element is root.

    Args:
        root: Where the walk starts.
        follow: Whether to go on behind a node, to its inputs; by default always.
    """
    seen = {id(root)}
    found = [root]
    for node in found:  # the list grows while it is walked: no recursion, hence no depth limit
        if follow is not None and not follow(node):
            continue
        if node.inputs is None:
            raise misuse(
                f"the graph through {node.operation_name()} was freed by an earlier backward(). "
                "Compute the loss again, or pass retain_graph=True to the first backward()."
            )
        for x in node.inputs:
            if isinstance(x, Node) and x._requires_grad and id(x) not in seen:
                seen.add(id(x))
                found.append(x)
    return sorted(found, key=attrgetter("created"))


def leaves_of(root: Node) -> list[Any]:
    """The leaves that ``root`` depends on and that require a gradient."""
    return [x for x in recorded_graph(root) if x.op is None and x._requires_grad]
