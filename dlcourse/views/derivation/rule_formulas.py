"""The derivative rule of an operation as a formula, written down by the rule itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor, raw_value
from dlcourse.autodiff.sweep import gradients_at, sent_back
from dlcourse.graphs import Graph, Symbol, placeholder
from dlcourse.graphs.compiler.passes import simplify
from dlcourse.ops import Array
from dlcourse.views.derivation.formulas import Formula, expression, name_formula

# A rule with more operations than this is called by its name.
LONGEST = 30


def rule_formulas(node: Tensor, name: str, formulas: Mapping[int, Formula]) -> dict[int, Formula]:
    """For each operand, by its position, what the operation's rule makes of the gradient.

    The sweep through this one operation runs on Symbols; what it writes down, with its algebra
    simplified, is the formula. A rule that is very long, or that needs the numbers themselves, is
    only named.

    Args:
        node: The result of the operation.
        name: What it is called; its gradient has a bar.
        formulas: By id, those of ``node`` and of the operands.
    """
    written = _Written(node, formulas)
    bar = name_formula(name, node.size == 1, bar=True)
    named = _named_rule(written.op.name, bar)
    try:
        parts = sent_back(written.y, written.g, raw=False)
    except TypeError:
        return dict.fromkeys(range(len(written.operands)), named)
    made = written.formulas([part for _, part in parts], [(written.g, bar)])
    return {i: formula or named for (i, _), formula in zip(parts, made, strict=True)}


def tangent_formula(node: Tensor, formulas: Mapping[int, Formula], names: Mapping[int, str]) -> str:
    """How fast the result of an operation changes, in terms of how fast its operands do.

    Forward mode as in `dlcourse.jvp`, by transposing twice: what the operation sends back is linear
    in the gradient g, so the derivative of <sent back, tangents> with respect to g is the tangent
    of the result.

    Args:
        node: The result of the operation.
        formulas: By id, those of ``node`` and of the operands.
        names: By id, those of what has a tangent, written ``NAME_dot``.
    """
    written = _Written(node, formulas)
    try:
        parts = sent_back(written.y, written.g, raw=False)
    except TypeError:
        return f"{written.op.name}_tangent"
    known: list[tuple[Any, Formula]] = []
    inner: Any = 0.0
    for i, part in parts:
        if not _moves(node.operands[i]):
            continue
        dot = placeholder(part.shape, part.dtype)
        name = f"{names[id(node.operands[i])]}_dot"
        known.append((dot, Formula(name, "", is_scalar=dot.size == 1)))
        inner = ops.add(inner, ops.sum(ops.multiply(part, dot)))
    (tangent,) = gradients_at([written.g], inner, np.ones((), node.dtype), raw=False)
    (made,) = written.formulas([tangent], known)
    return f"{written.op.name}_tangent" if made is None else made.text


class _Written:
    """One operation on Symbols, for its rules to write down what they do.

    Args:
        node: The result of the operation.
        formulas: By id, those of ``node`` and of the operands.

    Attributes:
        op, operands, y: The operation, its operands and its result.
        g: Stands for the gradient of the result.
    """

    def __init__(self, node: Tensor, formulas: Mapping[int, Formula]) -> None:
        assert node.op is not None
        self.op = node.op
        self.operands: list[Any] = []
        for x in node.operands:
            value = raw_value(x)
            self.operands.append(_like(value) if hasattr(value, "dtype") else value)
        self.y = Symbol(
            node.shape,
            node.dtype,
            op=node.op,
            inputs=tuple(self.operands),
            parameters=node.parameters,
        )
        self.g = _like(node.data)
        self._known = [
            (x, formulas[id(v)])
            for x, v in zip((*self.operands, self.y), (*node.operands, node), strict=True)
        ]

    def formulas(
        self, results: Sequence[Any], further: Sequence[tuple[Any, Formula]]
    ) -> list[Formula | None]:
        """The formulas of Symbols made of these and of ``further``; None where one is very long."""
        known = [*self._known, *further]
        graph = simplify(Graph([x for x, _ in known if isinstance(x, Symbol)], results))
        sizes, by_id = _written_operations(graph), {id(x): formula for x, formula in known}
        return [
            expression(x, by_id) if sizes.get(id(x), 0) <= LONGEST else None for x in graph.outputs
        ]


def _moves(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _written_operations(graph: Graph) -> dict[int, int]:
    """By id, how many operations a formula writes out; one that is used twice counts twice."""
    sizes: dict[int, int] = {}
    for node in graph.nodes:
        sizes[id(node)] = 1 + sum(sizes.get(id(x), 0) for x in node.operands)
    return sizes


def _named_rule(operation: str, bar: Formula) -> Formula:
    tex = rf"\operatorname{{rule}}\left({bar.tex}\right)"
    return Formula(f"{operation}_rule({bar.text})", tex)


def _like(array: Array) -> Symbol:
    return placeholder(array.shape, array.dtype)
