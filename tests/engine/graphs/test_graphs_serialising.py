"""Graphs as JSON: what is read is what was written, and what cannot be right is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import CASES, Case

import dlcourse as dl
from dlcourse import ops
from dlcourse.graphs import (
    Graph,
    Symbol,
    cond,
    from_json,
    gradient,
    placeholder,
    scan,
    to_json,
    trace,
    while_loop,
)
from dlcourse.graphs.compiler.fusion import fuse_elementwise
from dlcourse.graphs.compiler.writing import compile
from dlcourse.ops import Primitive

X = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
ROWS = np.array([2, 0, 0])
LARGE = np.linspace(0, 1, 12).reshape(3, 4)


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def operand_types(graph: Graph) -> list[Any]:
    return [type(x) for node in graph.nodes for x in node.inputs]


# A step takes some values of shape (3, 4) and makes one of that shape; x is float32 at first.
STEPS: list[Callable[..., Any]] = [
    lambda x: x + 1,
    lambda x: x * 0.1,
    lambda x: x - True,
    lambda x: ops.where(x > 0.5, x, -x),
    lambda x: ops.maximum(x, -np.inf) + ops.minimum(x, np.inf),
    lambda x: x + LARGE,
    lambda x: x.astype(np.float64).tanh(),
    lambda x: ops.astype(x, dtype=np.dtype(np.float32)),
    lambda x: x.sum(axis=(0, 1), keepdims=True) + x,
    lambda x: x.mean(axis=-1, keepdims=True) * x,
    lambda x: x.reshape(4, 3).T,
    lambda x: x.T.reshape(-1, 4),
    lambda x: x[::-1, ...],
    lambda x: x[ROWS],
    lambda x: x[np.array([True, False, True])].broadcast_to((1, 2, 4))[0, 0] + x,
    lambda x: x[None, :, 1:2, np.newaxis][0, :, :, 0] * x,
    lambda x: ops.scatter_add(x, index=ROWS, shape=(3, 4)),
    lambda x: ops.transpose(x, axes=[1, 0]).T,
    lambda x: x + np.float32(3),
    lambda x: x * np.array(np.nan),
    lambda x: ops.concatenate([x, x[:1]], axis=0)[1:],
    lambda x, y: ops.concatenate([x[:, :2], y[:, 2:]], axis=1),
    lambda x, y: x @ y.T @ y,
    lambda x, y: (x * y).sum() + ops.where(x == y, x, y),
    lambda x, y: ops.linear(x, y[:, :4], y[:, 0]).sum(axis=1, keepdims=True) + y,
]


def random_graph(choices: list[tuple[int, int, int]], fuse: bool) -> Graph:
    def function(x: Any, y: Any) -> list[Any]:
        values = [x, y]
        for step, i, j in choices:
            run = STEPS[step]
            operands = [values[i % len(values)], values[j % len(values)]]
            values.append(run(*operands[: run.__code__.co_argcount]))
        return [values[-1], values[len(values) // 2], 1.5, x]

    graph = trace(function, X, X)
    return fuse_elementwise(graph) if fuse else graph


choice = st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 9), st.integers(0, 9))
graphs = st.builds(random_graph, st.lists(choice, min_size=1, max_size=8), st.booleans())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(graph=graphs)
def test_a_random_graph_survives_the_round_trip_and_computes_the_same_bits(graph: Graph) -> None:
    text = to_json(graph)
    read = from_json(text)
    assert to_json(read) == text
    assert str(read) == str(graph)
    assert operand_types(read) == operand_types(graph)
    with np.errstate(all="ignore"):
        results = graph.run(X, X.T.reshape(3, 4)), read.run(X, X.T.reshape(3, 4))
    assert all(same_bits(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("run", STEPS)
def test_each_kind_of_step_survives_the_round_trip(run: Callable[..., Any]) -> None:
    count = run.__code__.co_argcount
    graph = trace(run, *[X] * count)
    read = from_json(to_json(graph))
    assert str(read) == str(graph)
    assert all(map(same_bits, graph.run(*[X] * count), read.run(*[X] * count)))


@pytest.mark.parametrize("case", [c for c in CASES if ops.PRIMITIVES[c.op].pure], ids=str)
def test_each_operation_of_the_table_survives_the_round_trip(case: Case) -> None:
    graph = trace(case.ours, *case.inputs)
    text = to_json(graph)
    read = from_json(text)
    assert to_json(read) == text
    with np.errstate(all="ignore"):
        assert all(map(same_bits, graph.run(*case.inputs), read.run(*case.inputs)))


def test_a_gradient_graph_survives_and_compiles() -> None:
    graph = gradient(trace(lambda x, w: (dl.relu(x @ w) ** 2).mean(), X, np.ones((4, 2), "f4")))
    read = from_json(to_json(graph))
    for a, b in zip(compile(graph)(X, np.ones((4, 2), "f4")), read.run(X, np.ones((4, 2), "f4"))):  # noqa: B905
        np.testing.assert_allclose(a, b, rtol=1e-6)


def kernel_of_everything(a: Any, value: Any = None) -> Any:
    return a


@pytest.fixture
def carries(monkeypatch: pytest.MonkeyPatch) -> Primitive:
    """An operation with a parameter that may be anything."""
    op = Primitive("carries", kernel_of_everything, "a", {"a": None})
    monkeypatch.setitem(ops.PRIMITIVES, "carries", op)
    return op


NAN_WITH_PAYLOAD = np.array([0x7FC12345, 0xFF812345], np.uint32).view(np.float32)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**80), 0.1, -0.0, 5e-324, float("inf"), -float("inf"), "text ü \ud800",
        [], [1, [2.5, None]], (), (1,), (slice(None), slice(-1, 2**40, None), ..., None), ...,
        np.dtype("float16"), np.dtype(bool), [(np.float32(0.1), np.int8(-1), np.bool_(True))],
        NAN_WITH_PAYLOAD, np.float16(65504), np.arange(6).reshape(2, 3)[:, ::-1],
        np.zeros((0, 3), np.uint8), np.asfortranarray(LARGE), np.array(True),
    ],
    ids=repr,
)  # fmt: skip
def test_a_parameter_comes_back_with_its_type_and_bits(carries: Primitive, value: Any) -> None:
    graph = trace(lambda x: carries(x, value=value), X)
    back = from_json(to_json(graph)).nodes[0].parameters["value"]

    def check(a: Any, b: Any) -> None:
        assert type(a) is type(b)
        if isinstance(a, list | tuple):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                check(x, y)
        elif isinstance(a, np.ndarray | np.generic):
            assert same_bits(a, b)
        else:
            assert (a, str(a)) == (b, str(b))

    check(value, back)


def test_a_nan_parameter_and_a_type_as_a_parameter(carries: Primitive) -> None:
    graph = trace(lambda x: carries(carries(x, value=float("nan")), value=np.float32), X)
    first, second = from_json(to_json(graph)).nodes
    assert np.isnan(first.parameters["value"])
    assert second.parameters["value"] == np.dtype("float32")


def test_a_nested_graph_comes_back(carries: Primitive) -> None:
    inner = trace(lambda x: x.exp() * LARGE, LARGE, name="inner")
    graph = trace(lambda x: carries(x, value=inner), X)
    back = from_json(to_json(graph)).nodes[0].parameters["value"]
    assert str(back) == str(inner)
    assert all(map(same_bits, back.run(LARGE), inner.run(LARGE)))


def with_control_flow(x: Any, w: Any) -> Any:
    y = cond(x.sum() > 0, lambda x: x * 2, lambda x: x - w, x)
    z = while_loop(lambda v: v.sum() < 100, lambda v: v * 2, y.exp())
    carry, ys = scan(lambda c, row: (c * w + row.sum(), c), w, x)
    return y, z, carry, ys


def test_control_flow_comes_back_with_its_subgraphs_and_its_gradient() -> None:
    w = np.array(0.5)
    graph = trace(with_control_flow, LARGE, w)
    gradients = gradient(trace(lambda x, w: (with_control_flow(x, w)[3] ** 2).sum(), LARGE, w))
    for g in (graph, gradients):
        read = from_json(to_json(g))
        assert to_json(read) == to_json(g)
        for x in (LARGE, -LARGE):
            assert all(map(same_bits, g.run(x, w), read.run(x, w)))
    again = gradient(from_json(to_json(Graph(graph.inputs, [ops.sum(graph.outputs[3] ** 2)]))))
    assert all(map(same_bits, again.run(LARGE, w), gradients.run(LARGE, w)))


@pytest.mark.parametrize(
    ("node", "path", "value", "message"),
    [
        ("cond", "operands/0", {"ref": 0}, r"the predicate: expected \(bool\[\]\), got \(f64"),
        ("cond", "operands", [], "cond does not take this"),
        ("cond", "parameters/true/graph/outputs", [1.5], r"branch false: expected \(f64\[\]\)"),
        ("while_loop", "parameters/count", 0, r"results of the body: expected \(\)"),
        ("while_loop", "parameters/body/graph/outputs", [True], r"the body: .* got \(bool\[\]\)"),
        ("while_loop", "parameters/condition/graph/outputs", [1], r"condition: expected \(bool"),
        ("scan", "parameters/length", 4, r"expected sequences of length 4, got \(f64\[3,4\]\)"),
        ("scan", "parameters/counts", {"tuple": [1, 9]}, "counts, length and reverse do not fit"),
        ("scan", "parameters/body/graph/outputs/0", 1, r"the carry from the body: expected"),
        ("scan", "types", [], r"scan of these operands is \(f64\[\], f64\[3\]\), got \(\)"),
        ("item", "parameters/i", 2, "item does not take this: expected one of the 1 results"),
        ("item", "operands/0", {"ref": 0}, "expected an operation with several results"),
    ],
)
def test_an_operation_with_subgraphs_is_checked(
    node: str, path: str, value: Any, message: str
) -> None:
    data = json.loads(to_json(trace(with_control_flow, LARGE, np.array(0.5))))
    place = next(n for n in data["graph"]["nodes"] if n["op"] == node)
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in way:
        place = place[part]
    place[last] = value
    with pytest.raises(ValueError, match=message):
        from_json(json.dumps(data))


def document(*, op: str, operands: list[Any], parameters: Any, types: list[Any]) -> str:
    """A graph of one input f64[] and one operation."""
    node = {"op": op, "operands": operands, "parameters": parameters, "types": types}
    graph = {"name": "f", "inputs": [{"name": "x", **SCALAR}], "constants": [], "nodes": [node],
             "outputs": [{"ref": 0}]}  # fmt: skip
    return json.dumps({"format": "dlcourse.graph", "version": 1, "graph": graph})


SCALAR, VECTOR = ({"dtype": "float64", "shape": shape} for shape in ([], [3]))
TRUE = {"scalar": {"dtype": "bool", "shape": [], "data": "AQ=="}}


def inner(type_of_input: Any, *, returns_truth: bool = False) -> Any:
    """A graph that returns its input, or True."""
    output = {"constant": 0} if returns_truth else {"ref": 0}
    return {"graph": {"name": "g", "inputs": [{"name": "v", **type_of_input}],
                      "constants": [TRUE], "nodes": [], "outputs": [output]}}  # fmt: skip


@pytest.mark.parametrize(
    ("op", "operands", "parameters", "types"),
    [
        ("while_loop", [{"ref": 0}], {"condition": inner(VECTOR, returns_truth=True),
         "body": inner(SCALAR), "count": 1}, [SCALAR]),
        ("while_loop", [{"ref": 0}], {"condition": inner(SCALAR, returns_truth=True),
         "body": inner(VECTOR), "count": 1}, [VECTOR]),
        ("cond", [True, {"ref": 0}], {"true": inner(VECTOR), "false": inner(VECTOR)}, [VECTOR]),
        ("scan", [{"ref": 0}], {"body": inner(VECTOR), "counts": {"tuple": [1, 0]}, "length": 2},
         [VECTOR]),
    ],
)  # fmt: skip
def test_a_subgraph_takes_the_operands(op, operands, parameters, types) -> None:
    with pytest.raises(
        ValueError, match=rf"{op} does not take this: graph g: input v\n  Expect: f64\[3"
    ):
        from_json(document(op=op, operands=operands, parameters=parameters, types=types))


def test_of_two_branches_each_takes_the_operands() -> None:
    for name in ("true", "false"):
        branches = {"true": inner(SCALAR), "false": inner(SCALAR)} | {name: inner(VECTOR)}
        text = document(op="cond", operands=[True, {"ref": 0}], parameters=branches, types=[SCALAR])
        with pytest.raises(ValueError, match="graph g: input v"):
            from_json(text)


def test_a_long_value_is_shown_in_part() -> None:
    for length, shown in ((77, "x" * 77 + "'"), (78, "x" * 75 + " ...")):
        text = json.dumps({"format": "x" * length, "version": 1, "graph": {}})
        with pytest.raises(ValueError, match=f"got '{shown} and 1"):
            from_json(text)


def test_a_constant_that_is_used_twice_is_written_once() -> None:
    x = placeholder((3, 4), np.float64, "x")
    y = Symbol(x.shape, x.dtype, op=ops.add, inputs=(x, LARGE))
    z = Symbol(x.shape, x.dtype, op=ops.multiply, inputs=(y, LARGE))
    text = to_json(Graph([x], [z, LARGE]))
    assert text.count('"data"') == 1
    first, second = from_json(text).nodes
    assert first.inputs[1] is second.inputs[1]


def test_unused_operations_and_names_are_kept() -> None:
    graph = trace(lambda params: (params["w"].exp(), params["b"])[1], {"w": X, "b": X}, name="both")
    read = from_json(to_json(graph))
    assert [x.name for x in read.inputs] == ["params.b", "params.w"]
    assert (read.name, len(read.nodes), read.outputs[0] is read.inputs[0]) == ("both", 1, True)


# --- What cannot be written ---------------------------------------------------------------------


def test_what_has_no_form_in_json_is_refused_when_written(carries: Primitive) -> None:
    def with_value(value: Any) -> Graph:
        return trace(lambda x: carries(x, value=value), X, name="g")

    rng = np.random.default_rng(0)
    dropout = trace(lambda x: ops.dropout(x, rate=0.5, generator=rng), X, name="g")
    with pytest.raises(TypeError, match="mask: parameter generator: a random generator cannot be"):
        to_json(dropout)
    with pytest.raises(TypeError, match="a value of type complex has no form in JSON"):
        to_json(with_value([1j]))
    with pytest.raises(TypeError, match=r"expected a dtype of bool, int8, .* got >f4"):
        to_json(with_value(np.zeros(2, ">f4")))
    own = Primitive("own", kernel_of_everything, "a", {"a": None})
    with pytest.raises(TypeError, match="own: the operation is not in the table"):
        to_json(trace(own, X))
    with pytest.raises(ValueError, match="the graph's name: expected an identifier, got 'a b'"):
        to_json(trace(lambda x: x, X, name="a b"))
    x = placeholder((), np.float64)
    later = x + 1
    with pytest.raises(ValueError, match="is used before it is computed"):
        to_json(Graph([x], [later], nodes=[later * 2, later]))


# --- What cannot be read ------------------------------------------------------------------------

VALID = json.loads(
    to_json(trace(lambda x: ((x + LARGE).sum(axis=0) * np.inf, x[0:2]), X, name="valid"))
)


def changed(path: str, value: Any) -> str:
    data = copy.deepcopy(VALID)
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = data
    for part in way:
        place = place[part]
    place[last] = value
    return json.dumps(data)


DEEP = changed("graph/nodes/3/parameters/index", 888777)


def test_the_text_that_is_changed_below_is_valid() -> None:
    assert [node.op.name for node in from_json(json.dumps(VALID)).nodes] == [
        "add", "sum", "multiply", "getitem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, 'expected "format": "dlcourse.graph" and "version": 1, got .* and 2'),
        ("version", True, "and True"),
        ("format", "onnx", "got 'onnx'"),
        ("more", 1, "the text: expected an object with the keys format, version, graph, got"),
        ("graph", [], r"graph: expected an object with the keys name, .*, got \[\]"),
        ("graph/name", "f():\n  import os", "graph: the graph's name: expected an identifier"),
        ("graph/name", "lambda", "expected an identifier, got 'lambda'"),
        ("graph/inputs/0/name", 3, r"graph.inputs\[0\].name: expected a string or null, got 3"),
        ("graph/inputs/0/dtype", "O", r"graph.inputs\[0\].dtype: expected one of bool, int8"),
        ("graph/inputs/0/shape", [3, -4], "expected at most 64 integers, none below 0"),
        ("graph/inputs/0/shape", [3, True], r"got \[3, True\]"),
        ("graph/inputs/0/shape", [2**40], "expected at most 1073741824 elements"),
        ("graph/inputs/0/shape", [4, 4], r"nodes\[0\]: add does not take this"),
        ("graph/nodes/1/op", "summ", r"nodes\[1\].op: unknown operation 'summ'. Did you mean sum"),
        ("graph/nodes/1/op", ["sum"], "unknown operation"),
        ("graph/nodes/1/operands", [], r"nodes\[1\].operands: sum takes 1 \(a\), got 0"),
        ("graph/nodes/1/operands/0", {"ref": 2}, r"\[0\].ref: expected one of the 2 before"),
        ("graph/nodes/1/operands/0", {"ref": -1}, "got -1"),
        ("graph/nodes/1/operands/0", {"ref": True}, "got True"),
        ("graph/nodes/0/operands/1", {"constant": 1}, "expected one of the 1 before it, got 1"),
        ("graph/nodes/0/operands/1", "1", "expected a number, {\"ref\": n} or {\"constant\": n}"),
        ("graph/nodes/1/parameters", {"out": 1}, "expected parameters of sum, which has axis"),
        ("graph/nodes/1/parameters/axis", 2, r"nodes\[1\]: sum does not take this: axis 2 is out"),
        ("graph/nodes/1/parameters/axis", 1, r"sum .* is \(f64\[3\]\), got \(f64\[4\]\)"),
        ("graph/nodes/1/types/0/dtype", "float32", r"sum .* is \(f64\[4\]\), got \(f32"),
        ("graph/nodes/3/parameters/index", {"eval": "1"}, "a plain value or one of the tags"),
        ("graph/nodes/3/parameters/index", {"slice": [0, 1]}, "expected three integers or nulls"),
        ("graph/nodes/3/parameters/index", {"slice": [0, 1.5, None]}, "three integers or nulls"),
        ("graph/nodes/3/parameters/index", {"ellipsis": 1}, "ellipsis: expected true, got 1"),
        ("graph/nodes/2/operands/1", {"float": "infinity"}, 'expected "inf", "-inf" or "nan"'),
        ("graph/nodes/2/operands/1", {"float": [1]}, 'expected "inf", "-inf" or "nan"'),
        ("graph/constants/0", 1.0, r"constants\[0\]: expected an array or scalar, got 1.0"),
        ("graph/constants/0/array/data", "AAAA", r"array.data: expected the base64 of 96 bytes"),
        ("graph/constants/0/array/data", "A!==", "expected base64"),
        ("graph/constants/0/array/data", None, "expected the base64 of 96 bytes, got None"),
        ("graph/outputs", {}, "graph.outputs: expected a list"),
        ("graph/outputs/0", [1], r"outputs\[0\]: expected a number"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named_with_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(changed(path, value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("[1]", "the text: expected an object"),
        ('{"format": NaN}', "NaN is no JSON"),
        ('{"format": 1, "format": 2}', "the keys of an object must differ"),
        ("[" * 100_000, "nested too deeply"),
        (changed("graph/nodes/2/operands/1", 0.5).replace("0.5", "1e999"), "a float that is fin"),
        (DEEP.replace("888777", "[" * 400 + "]" * 400), "getitem"),
        (DEEP.replace("888777", '{"tuple": [' * 450 + "]}" * 450), "getitem|nested too deeply"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_such_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(text)


def test_an_array_of_booleans_has_no_other_bytes() -> None:
    graph = trace(lambda x: x[np.array([True, False, True])], X)
    data = json.loads(to_json(graph))
    data["graph"]["nodes"][0]["parameters"]["index"]["array"]["data"] = "AgAB"
    with pytest.raises(ValueError, match="expected booleans, 0 or 1 in each byte"):
        from_json(json.dumps(data))


def test_the_body_of_a_fused_operation_is_checked() -> None:
    data = json.loads(to_json(fuse_elementwise(trace(lambda x: (x + 1) * 2, X))))
    body = data["graph"]["nodes"][0]["parameters"]["body"]["graph"]
    body["outputs"] = [{"ref": 0}]
    with pytest.raises(ValueError, match="fused does not take this: the body must have one output"):
        from_json(json.dumps(data))
    body["nodes"] = []
    with pytest.raises(ValueError, match="fused does not take this: the body must have one output"):
        from_json(json.dumps(data))
    data["graph"]["nodes"][0]["operands"] = []
    with pytest.raises(ValueError, match="expected 1 values, got 0"):
        from_json(json.dumps(data))


def places(data: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*way, key))


DATA = [
    json.loads(to_json(random_graph([(step, 2, 1) for step in steps], fuse)))
    for steps, fuse in [((3, 13, 16), False), ((0, 7, 4), True), ((20, 23, 24, 14), False)]
] + [json.loads(to_json(trace(with_control_flow, LARGE, np.array(0.5))))]
JUNK = [
    None, True, 0, 1, -1, 3, 2**70, 0.5, -0.0, "", "sum", "float32", [], [0], [3, 4], {},
    {"ref": 0}, {"ref": 3}, {"constant": 0}, {"tuple": [1, 0]}, {"slice": [None, 1, None]},
    {"ellipsis": True},
    {"float": "nan"}, {"dtype": "bool"}, {"array": {"dtype": "int8", "shape": [1], "data": "/w=="}},
]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused_and_never_fails_otherwise(data: st.DataObject) -> None:
    document = copy.deepcopy(data.draw(st.sampled_from(DATA)))
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from([p for p in places(document) if p]))
        place = document
        for part in way:
            place = place[part]
        change = data.draw(st.sampled_from(["replace", "delete", "copy"]))
        if change == "delete":
            del place[last]
        elif change == "copy" and isinstance(place, list):
            place.insert(last, copy.deepcopy(place[last]))
        else:
            place[last] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    text = json.dumps(document)
    if data.draw(st.booleans()):
        position = data.draw(st.integers(0, len(text)))
        text = text[:position] + data.draw(st.text(max_size=2)) + text[position + 1 :]
    try:
        graph = from_json(text)
    except ValueError:
        return
    assert to_json(from_json(to_json(graph))) == to_json(graph)


def test_a_number_is_no_array() -> None:
    data = json.loads(to_json(trace(lambda x: x * np.float64(2.5), X)))
    text = json.dumps(data)
    assert '"shape": []' in text
    for place in places(data):
        inner = data
        for part in place:
            inner = inner[part]
        if isinstance(inner, dict) and inner.get("shape") == [] and "data" in inner:
            inner["shape"] = [1]
    with pytest.raises(ValueError, match=r"shape: expected \[\]|got \[1\]"):
        from_json(json.dumps(data))
