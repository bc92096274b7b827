"""Loops as operations of a graph: while_loop and scan.

Source: jax.lax.while_loop and scan, https://docs.jax.dev/en/latest/jax.lax.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import raw_value
from dlcourse.graphs.control.bundles import (
    Bundle,
    Cotangents,
    check_structure,
    check_types,
    is_symbolic,
    of_our_own,
    pulled_graph,
    results_of,
    spread,
    stacked,
    subgraph,
    with_inputs,
)
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.result_types import expect_types, type_of, types_text
from dlcourse.graphs.symbol import Symbol, placeholder, record_symbols
from dlcourse.ops import Primitive
from dlcourse.ops.trees import flatten, unflatten


def while_loop(condition: Callable[[Any], Any], body: Callable[[Any], Any], start: Any) -> Any:
    """``x = body(x)`` from ``x = start`` on, as long as ``condition(x)`` holds.

    Args:
        condition: Takes x, returns a boolean of shape ().
        body: Takes x and returns a value of the same structure, shapes and dtypes.
        start: An array, or a list, tuple or dict of arrays.

    It has no derivative in reverse mode in a graph, because nobody knows beforehand how many values
    the sweep would need: use `scan` for a known number of rounds. (On Tensors it has one.)
    """
    leaves, structure = flatten(start)
    values = [x for _, x in leaves]
    if not is_symbolic(values):
        x = start
        while not isinstance(holds := condition(x), Symbol):
            if not bool(holds):
                return x
            x = body(x)
    test, _, outer_test = subgraph(
        lambda *v: condition(unflatten(structure, v)), values, "condition"
    )
    step, result, outer_step = subgraph(lambda *v: body(unflatten(structure, v)), values, "body")
    check_structure("while_loop: the body returns other types than it takes", result, structure)
    if len(test.outputs) != 1 or test.outputs[0].shape != () or test.outputs[0].dtype.kind != "b":
        raise TypeError("while_loop: expected the condition to return one boolean of shape ()")
    types = test.inputs[: len(values)]
    check_types("while_loop: the body returns other types than it takes", step.outputs, types)
    outer = list({id(x): x for x in (*outer_test, *outer_step)}.values())
    test = with_inputs(test, values, outer_test, outer)
    step = with_inputs(step, values, outer_step, outer)
    parameters = {"condition": test, "body": step, "count": len(values)}
    return unflatten(structure, results_of(while_op, [*values, *outer], types, parameters))


def _run_while(*operands: Any, condition: Graph, body: Graph, count: int) -> list[Any]:
    x, outer = list(operands[:count]), operands[count:]
    while bool(condition.run(*x, *outer)[0]):
        x = body.run(*x, *outer)
    return of_our_own(x, operands)


def _no_while_rule(*_arguments: Any, **_parameters: Any) -> NoReturn:
    raise TypeError(
        "while_loop: a loop in a graph has no derivative in reverse mode, because the number of "
        "its rounds is not known. Use scan."
    )


def _while_types(
    operands: Sequence[Any], condition: Graph, body: Graph, count: int
) -> Sequence[Any]:
    condition.check(operands)
    body.check(operands)
    expect_types("the result of the condition", [np.False_], condition.outputs)
    carried = body.inputs[:count]
    expect_types("the results of the body", carried, body.outputs)
    return carried


while_op = Primitive(
    "while_loop", _run_while, "a loop with a condition", {},
    each=_no_while_rule, result_types=_while_types, has_several_results=True,
)  # fmt: skip


# --- scan -----------------------------------------------------------------------------------------


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]], start: Any, sequences: Any
) -> tuple[Any, Any]:
    """A loop over the first axis: ``carry, y = body(carry, x)`` for each x of ``sequences``.

    Args:
        body: Takes the carry and the next item, returns the next carry and a result.
        start: The first carry: an array, or a list, tuple or dict of arrays.
        sequences: An array of shape (n, ...), or a list, tuple or dict of such.

    Returns:
        ``(carry, results)``: the last carry, and the results stacked along a new first axis.

    Raises:
        ValueError: The sequences have no common length.
        TypeError: The body returns a carry of other shapes or dtypes than it took.
    """
    first, carry_structure = flatten(start)
    xs, item_structure = flatten(sequences)
    carries, items = [x for _, x in first], [x for _, x in xs]
    shapes = [np.shape(x) for x in items]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or () in lengths:
        raise ValueError(f"scan: expected sequences of one length, got the shapes {shapes}")
    length = shapes[0][0]
    message = "scan: the body returns another carry than it takes"

    def flat_body(*values: Any) -> list[Any]:
        carry = unflatten(carry_structure, values[: len(carries)])
        carry, y = body(carry, unflatten(item_structure, values[len(carries) :]))
        (new, structure), (results, result_structure) = flatten(carry), flatten(y)
        check_structure(message, structure, carry_structure)
        flat_body.structure = result_structure  # type: ignore[attr-defined]
        return [v for _, v in (*new, *results)]

    if not is_symbolic([*carries, *items]):
        return _python_scan(body, start, items, item_structure)
    examples = [*carries, *(placeholder(x.shape[1:], x.dtype) for x in items)]
    step, _, outer = subgraph(flat_body, examples, "body")
    n = len(carries)
    check_types(message, step.outputs[:n], step.inputs[:n])
    made = _scan_symbols(step, carries, items, outer, length, reverse=False)
    return unflatten(carry_structure, made[:n]), unflatten(flat_body.structure, made[n:])  # type: ignore[attr-defined]


def _python_scan(body: Any, carry: Any, items: Any, item_structure: Any) -> tuple[Any, Any]:
    length = len(items[0])
    columns, structure = [], None
    for i in range(length):
        carry, y = body(carry, unflatten(item_structure, [x[i] for x in items]))
        leaves, structure = flatten(y)
        columns.append([v for _, v in leaves])
    if length:
        results = [ops.stack(list(column)) for column in zip(*columns, strict=True)]
        return carry, unflatten(structure, results)
    # The form of the results shows when the body is called once, on zeros.
    zeros = [np.zeros(x.shape[1:], x.dtype) for x in items]
    leaves, structure = flatten(body(carry, unflatten(item_structure, zeros))[1])
    return carry, unflatten(structure, [stacked([], raw_value(v)) for _, v in leaves])


def _scan_symbols(
    body: Graph,
    carries: Sequence[Any],
    items: Sequence[Any],
    outer: Sequence[Any],
    length: int,
    reverse: bool,
) -> list[Symbol]:
    """The scan as an operation: the last carries, then the stacked results."""
    n = len(carries)
    wholes = [placeholder((length, *y.shape), y.dtype) for y in body.outputs[n:]]
    parameters = {
        "body": body, "counts": (n, len(items)), "length": length, "reverse": reverse,
    }  # fmt: skip
    return results_of(scan_op, [*carries, *items, *outer], [*body.outputs[:n], *wholes], parameters)


def _run_scan(
    *operands: Any, body: Graph, counts: tuple[int, int], length: int, reverse: bool
) -> list[Any]:
    n, m = counts
    carry, items, outer = list(operands[:n]), operands[n : n + m], operands[n + m :]
    columns: list[list[Any]] = [[] for _ in body.outputs[n:]]
    for i in reversed(range(length)) if reverse else range(length):
        out = body.run(*carry, *[x[i] for x in items], *outer)
        carry = out[:n]
        for column, y in zip(columns, out[n:], strict=True):
            column.append(y)
    ordered = [column[::-1] if reverse else column for column in columns]
    results = [stacked(c, y) for c, y in zip(ordered, body.outputs[n:], strict=True)]
    return [*of_our_own(carry, operands), *results]


def _scan_rule(
    i: int,
    g: Cotangents,
    y: Bundle,
    *operands: Any,
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool,
) -> Any:
    """A scan in the other direction, whose carry is the gradient of the carry and the outer values.

    The carries that the forward loop went through are computed once more, by a scan that returns
    them as results.
    """
    if g.pulled is None:
        n, m = counts
        carries, items, outer = operands[:n], operands[n : n + m], operands[n + m :]
        through = Graph(body.inputs, [*body.outputs[:n], *body.inputs[:n]], "carries", body.nodes)
        before = _scan_symbols(through, carries, items, outer, length, reverse)[n:]
        g.pulled = _backward_scan(g, y, body, before, items, outer, length, reverse)
    return g.pulled[i]


def _backward_scan(
    g: Cotangents,
    y: Bundle,
    body: Graph,
    before: Sequence[Any],
    items: Sequence[Any],
    outer: Sequence[Any],
    length: int,
    reverse: bool,
) -> list[Any]:
    n, m = len(before), len(items)
    pull = pulled_graph(body)
    is_float = [x.dtype.kind == "f" for x in body.inputs]
    c = sum(is_float[:n])  # how many of the carries have a gradient
    x = sum(is_float[n : n + m])
    outer_floats = [v for v in outer if v.dtype.kind == "f"]
    seeds = Cotangents(g.parts[:n]).filled(y.types[:n])
    upstream = Cotangents(g.parts[n:]).filled(y.types[n:])

    # Arguments: gradients of carries, sums for the outer values | carries, items, upstream | outer.
    sums = [np.zeros(v.shape, v.dtype) for v in outer_floats]
    examples = [
        *seeds,
        *sums,
        *(placeholder(v.shape[1:], v.dtype) for v in (*before, *items, *upstream)),
        *outer,
    ]
    inputs = [placeholder(v.shape, v.dtype) for v in examples]
    gc, totals = inputs[:c], inputs[c : c + len(sums)]
    rest = inputs[c + len(sums) :]
    now, ups, out = (
        rest[: n + m],
        rest[n + m : n + m + len(upstream)],
        rest[n + m + len(upstream) :],
    )
    with record_symbols() as nodes:
        pulled = pull.run(*now, *out, *gc, *ups)
        new_totals = [a + b for a, b in zip(totals, pulled[c + x :], strict=True)]
    step = Graph(inputs, [*pulled[:c], *new_totals, *pulled[c : c + x]], "backward_body", nodes)
    made = _scan_symbols(
        step, [*seeds, *sums], [*before, *items, *upstream], outer, length, not reverse
    )
    by_input = [*made[:c], *made[c + len(sums) :], *made[c : c + len(sums)]]
    return spread(by_input, body.inputs)


def _scan_types(
    operands: Sequence[Any],
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool = False,
) -> Sequence[Any]:
    n, m = counts
    if min(n, m, length) < 0 or n + m > len(operands) or not isinstance(reverse, bool):
        raise ValueError(f"counts, length and reverse do not fit {len(operands)} operands")
    items = operands[n : n + m]
    if any(x.shape[0] != length for x in items):
        raise ValueError(f"expected sequences of length {length}, got {types_text(items)}")
    inner = [placeholder(x.shape[1:], x.dtype) for x in items]
    body.check([*operands[:n], *inner, *operands[n + m :]])
    expect_types("the carry from the body", body.inputs[:n], body.outputs[:n])
    results = [type_of(y) for y in body.outputs[n:]]
    stacked = [placeholder((length, *shape), dtype) for shape, dtype in results]
    return [*body.outputs[:n], *stacked]


scan_op = Primitive(
    "scan", _run_scan, "a loop over the first axis", {},
    each=_scan_rule, result_types=_scan_types, has_several_results=True,
)  # fmt: skip
