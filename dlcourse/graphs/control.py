"""Choices and loops as operations of a graph: cond, while_loop and scan.

A Python ``if`` or ``for`` is over when the trace is: one branch was taken, the loop is unrolled.
These operations carry whole graphs (of the branches, of the loop's body) and decide when they run.
On arrays and Tensors they are plain Python control flow, so the same function runs in either way.

An operation with several results makes one Symbol that stands for all of them, a bundle, and an
operation ``item`` for each result. Its derivative is an operation of the same kind: the gradient of
a cond is a cond over the branches' gradients, that of a scan is a scan that runs backwards.

Source: jax.lax.cond, while_loop and scan, https://docs.jax.dev/en/latest/jax.lax.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor, raw_value
from dlcourse.graphs.gradient import gradients_of
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.structure import flatten, unflatten
from dlcourse.graphs.symbol import Symbol, as_operand, placeholder, record_symbols, type_text
from dlcourse.graphs.tracing import outer_symbols, placeholder_like
from dlcourse.ops import Primitive


class Bundle(Symbol):
    """Stands for the several results of one operation; ``types`` has a Symbol like each."""

    def __init__(self, types: Sequence[Any], **made: Any) -> None:
        super().__init__((len(types),), np.float64, **made)
        self.types = list(types)

    def on(self, operands: tuple[Any, ...]) -> Bundle:
        return Bundle(self.types, op=self.op, inputs=operands, parameters=self.parameters)

    def value(self, operands: Sequence[Any]) -> Any:
        assert self.op is not None
        if _is_symbolic(operands):
            return self.on(tuple(as_operand(x, self.op) for x in operands))
        return self.op.kernel(*operands, **self.parameters)

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Symbol:
        """One of the results: nothing else is done with a bundle."""
        (bundle,) = arguments
        x = bundle.types[parameters["i"]]
        return Symbol(x.shape, x.dtype, op=op, inputs=arguments, parameters=parameters)


class Cotangents:
    """The gradients with respect to the results in a bundle; None where there is none.

    The reverse sweep adds them up and hands them to the bundle's rule, as it does with arrays.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)
        self.shape = (len(self.parts),)
        self.pulled: list[Any] | None = None  # what the rule gave, for all arguments at once

    def __add__(self, other: Cotangents) -> Cotangents:
        pairs = zip(self.parts, other.parts, strict=True)
        return Cotangents([b if a is None else a if b is None else a + b for a, b in pairs])

    def filled(self, types: Sequence[Any]) -> list[Any]:
        """The gradients of the floating point results, with zeros for None."""
        pairs = [(g, x) for g, x in zip(self.parts, types, strict=True) if x.dtype.kind == "f"]
        return [np.zeros(x.shape, x.dtype) if g is None else g for g, x in pairs]


def _place(g: Any, _y: Any, bundle: Bundle, i: int) -> Cotangents:
    parts: list[Any] = [None] * len(bundle.types)
    parts[i] = g
    return Cotangents(parts)


item = Primitive(
    "item", lambda bundle, i: bundle[i], "one of the results of an operation with several",
    {"bundle": _place},
)  # fmt: skip


def _bundle(
    op: Primitive, operands: Sequence[Any], types: Sequence[Any], parameters: Mapping[str, Any]
) -> list[Symbol]:
    inputs = tuple(as_operand(x, op) for x in operands)
    bundle = Bundle(types, op=op, inputs=inputs, parameters=dict(parameters))
    return [item(bundle, i=i) for i in range(len(bundle.types))]


def _subgraph(
    function: Callable[..., Any], examples: Sequence[Any], name: str
) -> tuple[Graph, Any, list[Symbol]]:
    """The graph of a function of leaves, its result's structure, and the outer Symbols it uses.

    The outer Symbols become further inputs of the graph, after the leaves.
    """
    inputs = [placeholder_like(x, f"x{i}") for i, x in enumerate(examples)]
    with record_symbols() as nodes:
        result = function(*inputs)
    leaves, structure = flatten(result)
    outputs = [x if isinstance(x, Symbol) else np.array(x) for _, x in leaves]
    outer = outer_symbols(inputs, nodes, outputs)
    graph = _closed(inputs, outputs, name, nodes, outer)
    return graph, structure, outer


def _closed(
    inputs: Sequence[Symbol],
    outputs: Sequence[Any],
    name: str,
    nodes: Sequence[Symbol],
    outer: Sequence[Symbol],
) -> Graph:
    """The graph with inputs of its own in place of the outer Symbols."""
    own = [placeholder(x.shape, x.dtype, x.name) for x in outer]
    open_graph = Graph([*inputs, *outer], outputs, name, nodes)
    with record_symbols() as made:
        results = open_graph.run(*inputs, *own)
    return Graph([*inputs, *own], results, name, made)


def _check_types(what: str, got: Sequence[Any], expected: Sequence[Any]) -> None:
    texts = [", ".join(map(type_text, values)) for values in (expected, got)]
    if texts[0] != texts[1]:
        raise TypeError(f"{what}\n  Expect: {texts[0]}\n  Actual: {texts[1]}")


def _of_our_own(values: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The values; arrays share no memory with one another and with what was given, a buffer."""
    others = [x for x in given if isinstance(x, np.ndarray)]
    own: list[Any] = []
    for v in values:
        if not isinstance(v, Tensor):
            is_shared = any(np.may_share_memory(v, x) for x in others)
            v = np.array(v) if is_shared else np.asarray(v)
            others.append(v)
        own.append(v)
    return own


def _stacked(column: Sequence[Any], like: Any) -> Any:
    """The values one above the other; of no values, an empty array of the type of ``like``."""
    if any(isinstance(y, Tensor) for y in column):
        return ops.stack(list(column))
    return np.array(column, like.dtype).reshape(len(column), *like.shape)


def _check_structure(what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise TypeError(f"{what}: they are lists, tuples or dicts of other forms")


def _is_symbolic(values: Sequence[Any]) -> bool:
    return any(isinstance(x, Symbol) for x in values)


def _pulled_graph(graph: Graph) -> Graph:
    """From the inputs and the gradients of the float outputs, the gradients of the float inputs."""
    if any(node.op is not None and not node.op.pure for node in _with_inner_nodes(graph)):
        raise TypeError(
            f"gradient: {graph.name} draws random numbers, and the sweep would draw others. "
            "Draw them outside of cond and scan, and use them inside."
        )
    inputs = [placeholder(x.shape, x.dtype, x.name) for x in graph.inputs]
    with record_symbols() as nodes:
        outputs = graph.run(*inputs)
        floats = [y for y in outputs if y.dtype.kind == "f"]
        seeds = [placeholder(y.shape, y.dtype) for y in floats]
        wanted = [x for x in inputs if x.dtype.kind == "f"]
        total = [np.zeros(x.shape, x.dtype) for x in wanted]
        for y, seed in zip(floats, seeds, strict=True):
            parts = gradients_of(y, wanted, seed)
            total = [a + b for a, b in zip(total, parts, strict=True)]
    return Graph([*inputs, *seeds], total, f"gradient_of_{graph.name}", nodes)


def _with_inner_nodes(graph: Graph) -> Iterator[Symbol]:
    """The operations of the graph, and those of the graphs that they carry."""
    for node in graph.nodes:
        yield node
        for inner in node.parameters.values():
            if isinstance(inner, Graph):
                yield from _with_inner_nodes(inner)


def _spread(pulled: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The gradients of the floats among the inputs, with None for the others."""
    rest = iter(pulled)
    return [next(rest) if x.dtype.kind == "f" else None for x in inputs]


# --- cond -----------------------------------------------------------------------------------------


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
        branches.append(_subgraph(lambda *v, f=function: f(*unflatten(structure, v)), values, name))
    (yes, result, outer_yes), (no, other_result, outer_no) = branches
    _check_structure("cond: the branches return different types", other_result, result)
    outer = list({id(x): x for x in (*outer_yes, *outer_no)}.values())
    yes, no = (_with_inputs(g, values, own, outer) for g, own in ((yes, outer_yes), (no, outer_no)))
    _check_types("cond: the branches return different types", no.outputs, yes.outputs)
    made = _bundle(_cond, [predicate, *values, *outer], yes.outputs, {"true": yes, "false": no})
    return unflatten(result, made)


def _with_inputs(
    graph: Graph, values: Sequence[Any], own: Sequence[Symbol], outer: Sequence[Symbol]
) -> Graph:
    """The graph with an input for each of ``outer``, also for those that it does not use."""
    have = {id(x): graph.inputs[len(values) + i] for i, x in enumerate(own)}
    more = [have.get(id(x), placeholder(x.shape, x.dtype, x.name)) for x in outer]
    return Graph([*graph.inputs[: len(values)], *more], graph.outputs, graph.name, graph.nodes)


def _run_cond(predicate: Any, *operands: Any, true: Graph, false: Graph) -> list[Any]:
    return _of_our_own((true if predicate else false).run(*operands), operands)


def _cond_rule(
    i: int, g: Cotangents, y: Bundle, predicate: Any, *operands: Any, true: Graph, false: Graph
) -> Any:
    if g.pulled is None:
        yes, no = _pulled_graph(true), _pulled_graph(false)
        seeds = g.filled(y.types)
        made = _bundle(
            _cond, [predicate, *operands, *seeds], yes.outputs, {"true": yes, "false": no}
        )
        g.pulled = [None, *_spread(made, operands)]
    return g.pulled[i]


_cond = Primitive("cond", _run_cond, "one of two graphs", {}, each=_cond_rule)


# --- while_loop -----------------------------------------------------------------------------------


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
    if not _is_symbolic(values):
        x = start
        while not isinstance(holds := condition(x), Symbol):
            if not bool(holds):
                return x
            x = body(x)
    test, _, outer_test = _subgraph(
        lambda *v: condition(unflatten(structure, v)), values, "condition"
    )
    step, result, outer_step = _subgraph(lambda *v: body(unflatten(structure, v)), values, "body")
    _check_structure("while_loop: the body returns other types than it takes", result, structure)
    if len(test.outputs) != 1 or test.outputs[0].shape != () or test.outputs[0].dtype.kind != "b":
        raise TypeError("while_loop: expected the condition to return one boolean of shape ()")
    types = test.inputs[: len(values)]
    _check_types("while_loop: the body returns other types than it takes", step.outputs, types)
    outer = list({id(x): x for x in (*outer_test, *outer_step)}.values())
    test = _with_inputs(test, values, outer_test, outer)
    step = _with_inputs(step, values, outer_step, outer)
    parameters = {"condition": test, "body": step, "count": len(values)}
    return unflatten(structure, _bundle(_while, [*values, *outer], types, parameters))


def _run_while(*operands: Any, condition: Graph, body: Graph, count: int) -> list[Any]:
    x, outer = list(operands[:count]), operands[count:]
    while bool(condition.run(*x, *outer)[0]):
        x = body.run(*x, *outer)
    return _of_our_own(x, operands)


def _no_while_rule(*_arguments: Any, **_parameters: Any) -> NoReturn:
    raise TypeError(
        "while_loop: a loop in a graph has no derivative in reverse mode, because the number of "
        "its rounds is not known. Use scan."
    )


_while = Primitive("while_loop", _run_while, "a loop with a condition", {}, each=_no_while_rule)


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
        _check_structure(message, structure, carry_structure)
        flat_body.structure = result_structure  # type: ignore[attr-defined]
        return [v for _, v in (*new, *results)]

    if not _is_symbolic([*carries, *items]):
        return _python_scan(body, start, items, item_structure)
    examples = [*carries, *(placeholder(x.shape[1:], x.dtype) for x in items)]
    step, _, outer = _subgraph(flat_body, examples, "body")
    n = len(carries)
    _check_types(message, step.outputs[:n], step.inputs[:n])
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
        stacked = [ops.stack(list(column)) for column in zip(*columns, strict=True)]
        return carry, unflatten(structure, stacked)
    # The form of the results shows when the body is called once, on zeros.
    zeros = [np.zeros(x.shape[1:], x.dtype) for x in items]
    leaves, structure = flatten(body(carry, unflatten(item_structure, zeros))[1])
    return carry, unflatten(structure, [_stacked([], raw_value(v)) for _, v in leaves])


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
    stacked = [placeholder((length, *y.shape), y.dtype) for y in body.outputs[n:]]
    parameters = {
        "body": body, "counts": (n, len(items)), "length": length, "reverse": reverse,
    }  # fmt: skip
    return _bundle(_scan, [*carries, *items, *outer], [*body.outputs[:n], *stacked], parameters)


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
    results = [_stacked(c, y) for c, y in zip(ordered, body.outputs[n:], strict=True)]
    return [*_of_our_own(carry, operands), *results]


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
    pull = _pulled_graph(body)
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
    return _spread(by_input, body.inputs)


_scan = Primitive("scan", _run_scan, "a loop over the first axis", {}, each=_scan_rule)
