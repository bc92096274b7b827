"""Graphs, drawn from the graph that was recorded."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from stage_scenes import shared_node

from dlcourse import Tensor
from dlcourse.views.figures import GraphDrawing, draw_graph


def by_text(drawing: GraphDrawing) -> dict[str, str | None]:
    return {" ".join(node.lines): node.gradient for node in drawing.nodes}


def test_nodes_show_operations_names_and_values() -> None:
    y, names = shared_node()
    drawing = draw_graph(y, names)
    assert [(node.kind, node.lines) for node in drawing.nodes] == [
        ("input", ("a = 2",)),
        ("input", ("b = 3",)),
        ("operation", ("multiply", "c = 6")),
        ("operation", ("sin", "0.9093")),
        ("operation", ("add", "6.909")),
        ("operation", ("multiply", "y = 41.46")),
    ]
    assert sorted((e.source, e.target) for e in drawing.edges) == [
        (0, 2), (0, 3), (1, 2), (2, 4), (2, 5), (3, 4), (4, 5),
    ]  # fmt: skip


def test_gradients_are_those_of_backward_and_the_edges_add_up_to_them() -> None:
    y, names = shared_node()
    drawing = draw_graph(y, names, gradients=True)
    assert names["a"].grad is None
    y.backward(retain_graph=True)
    assert drawing.nodes[0].gradient == f"{names['a'].grad.item():.4g}"
    assert drawing.nodes[1].gradient == f"{names['b'].grad.item():.4g}"
    for position, node in enumerate(drawing.nodes[:-1]):
        arriving = sum(float(e.gradient) for e in drawing.edges if e.source == position)
        assert arriving == pytest.approx(float(node.gradient), abs=0.01)


def test_an_operand_that_stands_on_both_sides_has_two_edges() -> None:
    x = Tensor(3.0, requires_grad=True)
    drawing = draw_graph(x * x, {"x": x}, gradients=True)
    assert [edge.gradient for edge in drawing.edges] == ["3", "3"]
    assert drawing.nodes[0].gradient == "6"


def test_constants_and_arrays_are_told_apart() -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert by_text(draw_graph((x * 5).sum(), gradients=True)) == {
        "shape 1×2": "shape 1×2",
        "5": None,
        "multiply shape 1×2": "shape 1×2",
        "sum 15": "1",
    }


def test_the_svg_is_well_formed_and_the_same_each_time() -> None:
    drawings = [draw_graph(*shared_node(), gradients=True).svg() for _ in range(2)]
    assert drawings[0] == drawings[1]
    texts = [node.text for node in ElementTree.fromstring(drawings[0]).iter() if node.text]
    assert {"sin", "c = 6", "gradient 12.91"} <= set(texts)


def test_a_deep_graph_is_walked_without_recursion() -> None:
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(5_000):
        y = y + 1.0
    assert len(draw_graph(y, {"x": x}, gradients=True).nodes) == 5_002


def test_a_graph_of_pytorch_has_the_same_form() -> None:
    torch = pytest.importorskip("torch")
    a = torch.tensor(2.0, requires_grad=True)
    b = torch.tensor(3.0, requires_grad=True)
    c = a * b
    y = (c + torch.sin(a)) * c
    drawing = draw_graph(y, {"a": a, "c": c})
    own, names = shared_node()
    expected = draw_graph(own, names)
    assert [(e.source, e.target) for e in drawing.edges] == [
        (e.source, e.target) for e in expected.edges
    ]
    assert drawing.nodes[0].lines == ("a = 2",)
    assert drawing.nodes[2].lines == ("MulBackward0", "c = 6")


def freed() -> Tensor:
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    y.backward()
    return y


@pytest.mark.parametrize(
    ("tensor", "options", "error", "message"),
    [
        ([1.0], {}, TypeError, "expected a dlcourse.Tensor or a torch.Tensor, got list"),
        (Tensor([1.0, 2.0]), {"gradients": True}, ValueError, r"needs a scalar, got shape \(2,\)"),
        (freed(), {}, RuntimeError, "retain_graph=True"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tensor: object, options: dict[str, bool], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        draw_graph(tensor, **options)
