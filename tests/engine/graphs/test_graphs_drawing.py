"""A static graph drawn: what its nodes say, and what a pass changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import concatenate, ops
from dlcourse.graphs import Graph, Symbol, cond, draw, draw_change, placeholder, trace
from dlcourse.graphs.compiler.fusion import fuse_elementwise
from dlcourse.graphs.compiler.passes import (
    eliminate_common_subexpressions,
    expand,
    fold_constants,
    optimise,
    remove_dead_code,
    simplify,
)
from dlcourse.graphs.show.graphviz import DrawnEdge, DrawnNode, GraphDrawing, Group

X = np.zeros((100, 10), np.float32)


def model(x: Any, w: Any, b: Any) -> Any:
    return (dl.relu(x @ w + b) * 2).sum(axis=0)


def model_graph() -> Graph:
    return trace(model, X, np.zeros((10, 3), np.float32), np.zeros(3, np.float32))


def texts(drawing: GraphDrawing) -> list[str]:
    return [" | ".join(node.lines) for node in drawing.nodes]


def marks(drawing: GraphDrawing, group: Group) -> dict[str, str | None]:
    """For each operation of a frame, what is marked on it."""
    nodes = [drawing.nodes[i] for i in group.nodes]
    return {n.lines[1].split(":")[0]: n.mark for n in nodes if n.kind == "operation"}


def test_a_node_shows_operation_name_and_type() -> None:
    drawing = draw(model_graph())
    assert [(n.kind, " | ".join(n.lines), n.is_output) for n in drawing.nodes] == [
        ("input", "x | f32[100,10]", False),
        ("input", "w | f32[10,3]", False),
        ("input", "b | f32[3]", False),
        ("operation", "matmul | v1: f32[100,3]", False),
        ("operation", "add | v2: f32[100,3]", False),
        ("operation", "relu | v3: f32[100,3]", False),
        ("operation", "multiply | v4: f32[100,3]", False),
        ("constant", "2", False),
        ("operation", "sum axis=0 | v5: f32[3]", True),
    ]
    assert [(e.source, e.target) for e in drawing.edges] == [
        (0, 3), (1, 3), (3, 4), (2, 4), (4, 5), (5, 6), (7, 6), (6, 8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x.sum(), "sum"),
        (lambda x: x.sum(axis=(0, 1), keepdims=True), "sum axis=(0, 1), keepdims=T…"),
        (lambda x: x.reshape(10, 100), "reshape shape=(10, 100)"),
        (lambda x: x[0:1, 0:1].reshape(1, 1, 1, 1, 1, 1), "reshape shape=(1, 1, 1, 1, 1, 1)"),
        (
            lambda x: x[0:1, 0:1].repeat(10, 0).reshape(1, 1, 1, 1, 1, 10),
            "reshape shape=(1, 1, 1, 1, 1, 1…",
        ),
        (lambda x: x[2:50, None, ..., 0:1], "getitem index=(2:50, None, ...,…"),
        (lambda x: x.astype(np.float64), "astype dtype=float64"),
        (lambda x: x.T, "transpose"),
        (lambda x: x.softmax(), "softmax"),
        (lambda x: x.softmax(axis=0), "softmax axis=0"),
    ],
)
def test_parameters_are_shown_if_they_are_no_defaults_and_cut_if_long(
    function: Callable[[Any], Any], text: str
) -> None:
    drawing = draw(trace(function, X))
    assert drawing.nodes[-1].lines[0] == text


def test_an_array_is_one_constant_and_a_number_stands_beside_each_of_its_uses() -> None:
    array = np.arange(10, dtype=np.float32)

    def function(x: Any) -> Any:
        y = x + 1
        return (y * 1).sum(), array, True

    drawing = draw(trace(function, X))
    constants = [n for n in drawing.nodes if n.kind == "constant"]
    assert [n.lines for n in constants] == [("1",), ("1",), ("f32[10]",), ("True",)]
    assert [n.is_output for n in constants] == [False, False, True, True]
    x = placeholder((10,), np.float32, "x")
    y = Symbol(x.shape, x.dtype, op=ops.add, inputs=(x, array))
    z = Symbol(x.shape, x.dtype, op=ops.multiply, inputs=(y, array))
    shared = Graph([x], [z])
    assert [n.lines[0] for n in draw(shared).nodes if n.kind == "constant"] == ["f32[10]"]


def test_an_operand_that_stands_on_both_sides_has_two_edges() -> None:
    assert len(draw(trace(lambda x: x * x, X)).edges) == 2


def test_inputs_constants_and_outputs_have_a_form_of_their_own() -> None:
    svg = ElementTree.fromstring(draw(model_graph()).svg())
    name = "{http://www.w3.org/2000/svg}"
    kinds = {}
    for g in svg.iter(f"{name}g"):
        if g.get("class", "").split()[:1] == ["node"]:
            (label, *_), (_, *forms) = [t.text for t in g.iter(f"{name}text")], [c.tag for c in g]
            kinds[label] = [form.removeprefix(name) for form in forms if form != f"{name}text"]
    assert kinds["x"] == ["ellipse"]
    assert kinds["matmul"] == ["path"]
    assert kinds["2"] == []
    assert kinds["sum axis=0"] == ["path", "path"]


def test_a_subgraph_is_drawn_in_a_frame_of_its_own() -> None:
    fused = fuse_elementwise(trace(lambda x: dl.exp(x * 2).sum(), X))
    drawing = draw(fused)
    (frame,) = drawing.groups
    (inner,) = frame.groups
    assert (frame.title, inner.title) == ("v1: fused", "body of v1")
    assert texts(drawing)[frame.nodes[0]] == "fused | v1: f32[100,10]"
    inside = {texts(drawing)[i] for i in inner.nodes}
    assert inside == {
        "x0 | f32[100,10]", "multiply | v1: f32[100,10]", "2", "exp | v2: f32[100,10]",
    }  # fmt: skip
    assert "body of v1" in drawing.svg()


def test_control_flow_shows_its_branches_and_the_types_of_its_results() -> None:
    def function(x: Any) -> Any:
        y, n = cond(x.sum() > 0, lambda x: (x * 2, 1), lambda x: (-x, 0), x)
        return y + n

    drawing = draw(trace(function, X))
    (frame,) = drawing.groups
    assert [inner.title for inner in frame.groups] == ["true of v3", "false of v3"]
    assert texts(drawing)[frame.nodes[0]] == "cond | v3: (f32[100,10], i64[])"
    assert "item i=1 | v5: i64[]" in texts(drawing)


@pytest.mark.parametrize("make", [draw, lambda g: draw_change(g, optimise(g))])
def test_the_same_graph_gives_the_same_svg(make: Callable[[Graph], GraphDrawing]) -> None:
    first, second = (make(model_graph()).svg() for _ in range(2))
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")


def test_a_small_graph_fits_on_a_phone() -> None:
    width = ElementTree.fromstring(model_graph()._repr_svg_()).get("width")
    assert width is not None
    assert float(width.removesuffix("pt")) * 4 / 3 < 340


def test_other_formats_and_directions() -> None:
    assert draw(model_graph()).render("png").startswith(b"\x89PNG")
    size = ElementTree.fromstring(draw(model_graph(), "LR").svg()).attrib
    assert float(size["width"][:-2]) > float(size["height"][:-2])


@pytest.mark.parametrize(
    ("run", "function", "before", "after"),
    [
        (
            remove_dead_code,
            lambda x: ((x - 1).exp(), x * 2)[1],
            {"v1": "removed", "v2": "removed", "v3": None},
            {"v1": None},
        ),
        (
            fold_constants,
            lambda x: x * Symbol.apply_primitive(ops.exp, (np.ones(10),), {}),
            {"v1": "removed", "v2": None},
            {"v1": None},
        ),
        (
            eliminate_common_subexpressions,
            lambda x: x.exp() + x.exp() * x.exp(),
            {"v1": None, "v2": "merged into v1", "v3": "merged into v1", "v4": None, "v5": None},
            {"v1": None, "v2": None, "v3": None},
        ),
        (
            simplify,
            lambda x: ops.negative(-(x * 1)) + x.exp(),
            {"v1": "removed", "v2": None, "v3": "removed", "v4": None, "v5": None},
            {"v1": None, "v2": None, "v3": None},  # v1 is computed in vain, for dead code to find
        ),
        (
            simplify,  # the outer multiplication goes, not the inner one
            lambda x: (x * x) * 1,
            {"v1": None, "v2": "removed"},
            {"v1": None},
        ),
        (
            simplify,  # here the inner one
            lambda x: (x * 1) * x,
            {"v1": "removed", "v2": None},
            {"v1": None},
        ),
        (
            expand,
            lambda x: x.relu() + 1,
            {"v1": "removed", "v2": None},
            {"v1": "new", "v2": None},
        ),
        (
            fuse_elementwise,
            lambda x: (x.exp() + 1).sum(),
            {"v1": "removed", "v2": "removed", "v3": None},
            {"v1": "new", "v2": None},
        ),
    ],
)
def test_a_change_marks_what_a_pass_removed_merged_and_made(
    run: Callable[[Graph], Graph],
    function: Callable[[Any], Any],
    before: dict[str, str | None],
    after: dict[str, str | None],
) -> None:
    graph = trace(function, X)
    drawing = draw_change(graph, run(graph))
    assert [group.title for group in drawing.groups] == ["before", "after"]
    left, right = drawing.groups
    assert marks(drawing, left) == before
    own = {k: v for group in (right, *right.groups) for k, v in marks(drawing, group).items()}
    assert own == after


def test_an_operation_on_another_number_of_arrays_is_another_one() -> None:
    both = trace(lambda x: (concatenate([x, x[:2]]), concatenate([x, x[:1], x[1:2]])), X)
    two, three = (Graph(both.inputs, [y]) for y in both.outputs)
    drawing = draw_change(two, three)
    marked = [marks(drawing, group) for group in drawing.groups]
    assert ["removed" in each.values() for each in marked] == [True, False]
    assert ["new" in each.values() for each in marked] == [False, True]


def test_a_drawing_lies_on_any_background_and_says_what_it_is() -> None:
    drawing = draw(trace(lambda x: x * 2, X))
    assert repr(drawing) == "<graph of 3 nodes and 2 edges>"
    assert b"bgcolor=transparent" in drawing.render("dot")


def test_a_mark_is_written_out_and_has_a_thick_border() -> None:
    graph = trace(lambda x: (x * 1).exp(), X)
    svg = draw_change(graph, simplify(graph)).svg()
    assert svg.count("removed") == 1
    assert svg.count('stroke-width="2.5"') == 1


def test_graphs_on_other_inputs_are_no_change() -> None:
    one, other = (trace(lambda x: x * 2, X) for _ in range(2))
    with pytest.raises(ValueError, match="expected two graphs on the same inputs"):
        draw_change(one, other)
    with pytest.raises(ValueError, match="expected as many outputs, got 1 and 2"):
        draw_change(one, Graph(one.inputs, [*one.outputs, 1.0]))


def test_a_deep_graph_is_compared_without_recursion() -> None:
    def deep(x: Any) -> Any:
        for _ in range(2_000):
            x = (x + 1) * 1
        return x

    graph = trace(deep, np.zeros(3))
    drawing = draw_change(graph, simplify(graph))
    assert list(marks(drawing, drawing.groups[0]).values()) == [None, "removed"] * 2_000


@pytest.mark.parametrize(
    ("number", "text"), [(1 / 3, "0.3333"), (2.0, "2"), (12345, "12345"), (1e-7, "1e-07")]
)
def test_a_number_is_drawn_in_four_digits_and_an_integer_in_all(number: float, text: str) -> None:
    drawing = draw(trace(lambda x: x * number, X))
    assert (text,) in [node.lines for node in drawing.nodes]


def test_an_edge_shows_the_gradient_that_flows_along_it() -> None:
    nodes = [DrawnNode("input", ("x",)), DrawnNode("operation", ("exp",))]
    for gradient, count in ((None, 0), ("0.25", 1)):
        svg = GraphDrawing(nodes, [DrawnEdge(0, 1, gradient)]).svg()
        assert svg.count("0.25") == count


def test_without_the_drawings_a_notebook_shows_a_graph_as_text(monkeypatch) -> None:
    graph = model_graph()
    monkeypatch.setattr(Graph, "picture", None)
    assert graph._repr_svg_() is None
    assert str(graph).startswith("def ")
