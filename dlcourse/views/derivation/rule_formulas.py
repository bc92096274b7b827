"""The derivative rule of an operation as a formula, written down by the rule itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlcourse.autodiff import Tensor, raw_value
from dlcourse.autodiff.sweep import sent_back
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
    assert node.op is not None
    operands: list[Any] = []
    for x in node.operands:
        value = raw_value(x)
        operands.append(_like(value) if hasattr(value, "dtype") else value)
    y = Symbol(
        node.shape, node.dtype, op=node.op, inputs=tuple(operands), parameters=node.parameters
    )
    g = _like(node.data)
    known = {id(x): formulas[id(v)] for x, v in zip(operands, node.operands, strict=True)}
    known |= {id(y): formulas[id(node)], id(g): name_formula(name, node.size == 1, bar=True)}
    named = _named_rule(node.op.name, known[id(g)])
    try:
        parts = list(sent_back(y, g, raw=False))
    except TypeError:
        return dict.fromkeys(range(len(operands)), named)
    given = [x for x in (*operands, y, g) if isinstance(x, Symbol)]
    graph = simplify(Graph(given, [part for _, part in parts]))
    sizes = _written_operations(graph)
    return {
        i: expression(part, known) if sizes.get(id(part), 0) <= LONGEST else named
        for (i, _), part in zip(parts, graph.outputs, strict=True)
    }


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
