"""A choice as an operation of a graph: cond.

Source: jax.lax.cond, https://docs.jax.dev/en/latest/jax.lax.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse.graphs.control.bundles import (
    Bundle,
    Cotangents,
    check_structure,
    check_types,
    of_our_own,
    pulled_graph,
    results_of,
    spread,
    subgraph,
    with_inputs,
)
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.result_types import expect_types
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import Primitive
from dlcourse.ops.trees import flatten, unflatten


def cond(
    predicate: Any, true: Callable[..., Any], false: Callable[..., Any], *operands: Any
) -> Any:
    """``true(*operands)`` if ``predicate`` holds, else ``false(*operands)``; decided when it runs.

    Args:
        predicate: A boolean of shape (), a Symbol, a Tensor or a number.
        true, false: Functions that return the same structure of the same shapes and dtypes.

    Raises:
        TypeError: The branches return different types, or the predicate is no scalar boolean.
    """
    if not isinstance(predicate, Symbol):
        return true(*operands) if bool(predicate) else false(*operands)
    if predicate.shape != () or predicate.dtype.kind != "b":
        raise TypeError(f"cond: expected a boolean of shape () to decide on, got {predicate!r}")
    leaves, structure = flatten(tuple(operands))
    values = [x for _, x in leaves]
    branches = []
    for function, name in ((true, "true"), (false, "false")):
        branches.append(subgraph(lambda *v, f=function: f(*unflatten(structure, v)), values, name))
    (yes, result, outer_yes), (no, other_result, outer_no) = branches
    check_structure("cond: the branches return different types", other_result, result)
    outer = list({id(x): x for x in (*outer_yes, *outer_no)}.values())
    yes, no = (with_inputs(g, values, own, outer) for g, own in ((yes, outer_yes), (no, outer_no)))
    check_types("cond: the branches return different types", no.outputs, yes.outputs)
    made = results_of(
        cond_op, [predicate, *values, *outer], yes.outputs, {"true": yes, "false": no}
    )
    return unflatten(result, made)


def _run_cond(predicate: Any, *operands: Any, true: Graph, false: Graph) -> list[Any]:
    return of_our_own((true if predicate else false).run(*operands), operands)


def _cond_rule(
    i: int, g: Cotangents, y: Bundle, predicate: Any, *operands: Any, true: Graph, false: Graph
) -> Any:
    if g.pulled is None:
        yes, no = pulled_graph(true), pulled_graph(false)
        seeds = g.filled(y.types)
        made = results_of(
            cond_op, [predicate, *operands, *seeds], yes.outputs, {"true": yes, "false": no}
        )
        g.pulled = [None, *spread(made, operands)]
    return g.pulled[i]


def _cond_types(operands: Sequence[Any], true: Graph, false: Graph) -> Sequence[Any]:
    predicate, *rest = operands
    expect_types("the predicate", [np.False_], [predicate])
    true.check(rest)
    false.check(rest)
    expect_types("the results of the branch false", true.outputs, false.outputs)
    return true.outputs


cond_op = Primitive(
    "cond", _run_cond, "one of two graphs", {},
    each=_cond_rule, result_types=_cond_types, has_several_results=True,
)  # fmt: skip
