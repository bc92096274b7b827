"""Runs of code cells that become synchronised tabs."""

from __future__ import annotations

import pytest
from docutils import nodes
from docutils.utils import new_document
from framework_tabs import FrameworkTabs


def cell(text: str, *tags: str) -> nodes.container:
    metadata = {"tags": list(tags)} if tags else {}
    return nodes.container("", nodes.Text(text), nb_element="cell_code", cell_metadata=metadata)


def outline(node: nodes.Node) -> object:
    """A document as nested lists: tab sets as {label: texts}, all else as its text."""
    if isinstance(node, nodes.container) and node.get("design_component") == "tab-set":
        return {
            item[0].astext(): [child.astext() for child in item[1].children]
            for item in node.children
        }
    if isinstance(node, nodes.document | nodes.section):
        return [outline(child) for child in node.children]
    return node.astext()


DLCOURSE, TORCH, TF = "tab:dlcourse", "tab:PyTorch", "tab:TensorFlow"


@pytest.mark.parametrize(
    ("siblings", "expected"),
    [
        ([cell("a")], ["a"]),
        ([cell("a", "hide-input")], ["a"]),
        ([cell("a", DLCOURSE), cell("b", TORCH)], [{"dlcourse": ["a"], "PyTorch": ["b"]}]),
        ([cell("a", "hide-input", TORCH), cell("b")], [{"PyTorch": ["a"]}, "b"]),
        (
            [cell("a", TORCH), cell("b", TORCH), cell("c", TF), cell("d", TORCH)],
            [{"PyTorch": ["a", "b", "d"], "TensorFlow": ["c"]}],
        ),
        (
            [cell("a", TORCH), nodes.paragraph("", "between"), cell("b", TORCH)],
            [{"PyTorch": ["a"]}, "between", {"PyTorch": ["b"]}],
        ),
        (
            [cell("x"), cell("a", TORCH), nodes.section("", cell("b", TF), cell("c", TF))],
            ["x", {"PyTorch": ["a"]}, [{"TensorFlow": ["b", "c"]}]],
        ),
    ],
)
def test_consecutive_tagged_cells_become_one_tab_set(
    siblings: list[nodes.Element], expected: object
) -> None:
    document = new_document("chapter.md")
    document.extend(node.deepcopy() for node in siblings)
    FrameworkTabs(document).apply()
    assert outline(document) == expected


def test_tabs_of_one_framework_share_their_synchronisation_id() -> None:
    document = new_document("chapter.md")
    document.extend([cell("a", TORCH), nodes.paragraph("", "between"), cell("b", TORCH)])
    FrameworkTabs(document).apply()
    labels = [(r["sync_group"], r["sync_id"]) for r in document.findall(nodes.rubric)]
    assert labels == [("framework", "PyTorch")] * 2
