"""What a single operation contributes to the gradients of its operands."""

from __future__ import annotations

from typing import Any

from dlcourse.autodiff.sweep import reverse_sweep
from dlcourse.autodiff.tensor import Tensor


def contributions(node: Tensor, g: Any) -> dict[int, Any]:
    """What the operation that made ``node`` sends back to its operands, by their positions.

    The gradient of a value is the sum of what all the operations that use it send back. It is the
    reverse sweep of a graph of this one operation; an operand that stands at two positions is two
    leaves there.

    Args:
        node: The result of a recorded operation.
        g: Its gradient, an array of its shape and dtype.

    Returns:
        An array for each operand that requires a gradient and that has a rule.
    """
    operands = [_leaf(x) if isinstance(x, Tensor) else x for x in node.inputs or ()]
    alone = Tensor.wrap(node.data)
    alone.op, alone.inputs, alone.parameters = node.op, tuple(operands), node.parameters
    alone.raw_inputs = node.raw_inputs
    sent = {id(x): part for x, part in reverse_sweep(alone, g, raw=True)}
    return {i: sent[id(x)] for i, x in enumerate(operands) if id(x) in sent}


def _leaf(x: Tensor) -> Tensor:
    leaf = x.detach()
    leaf.requires_grad = x.requires_grad
    return leaf
