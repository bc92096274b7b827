"""Synchronised tabs made of executed code cells.

myst-nb executes only the code cells that stand at the top level of a page, so a chapter cannot put
them into a ``{tab-set}``. Instead a cell names its tab by a tag, ``tab:PyTorch``. Each run of such
cells that follow one another becomes one tab set of sphinx-design; cells with the same name share a
tab. All sets are synchronised: a reader who picks PyTorch once reads PyTorch everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx_design.shared import create_component

TAG_PREFIX = "tab:"
SYNC_GROUP = "framework"


def tab_name(node: nodes.Node) -> str | None:
    """The tab that a code cell asks for, or None for any other node."""
    if not isinstance(node, nodes.container) or node.get("nb_element") != "cell_code":
        return None
    names = [
        tag.removeprefix(TAG_PREFIX)
        for tag in node["cell_metadata"].get("tags", [])
        if tag.startswith(TAG_PREFIX)
    ]
    return names[0].strip() if names else None


def tab_runs(siblings: list[nodes.Node]) -> Iterator[list[nodes.Element]]:
    """Each run of consecutive cells that carry a tab tag."""
    for tagged, run in groupby(siblings, key=lambda node: tab_name(node) is not None):
        if tagged:
            yield [node for node in run if isinstance(node, nodes.Element)]


def make_tab_set(cells: list[nodes.Element]) -> nodes.container:
    """A sphinx-design tab set of the cells, a tab a name, in the order of first appearance."""
    by_name: dict[str, list[nodes.Element]] = {}
    for cell in cells:
        by_name.setdefault(str(tab_name(cell)), []).append(cell)
    tabs = []
    for name, members in by_name.items():
        label = nodes.rubric(name, name, classes=["sd-tab-label"])
        label["sync_group"], label["sync_id"] = SYNC_GROUP, name
        content = create_component("tab-content", children=members, classes=["sd-tab-content"])
        tabs.append(
            create_component("tab-item", children=[label, content], classes=["sd-tab-item"])
        )
    tab_set = create_component("tab-set", children=tabs, classes=["sd-tab-set"])
    tab_set.source, tab_set.line = cells[0].source, cells[0].line
    return tab_set


class FrameworkTabs(SphinxTransform):
    """Replaces each run of tagged cells by a tab set."""

    # After the page is read, before sphinx-design's post-transform turns tab sets into HTML.
    default_priority = 210

    def apply(self, **kwargs: Any) -> None:  # noqa: ARG002
        parents = list(dict.fromkeys(n.parent for n in self.document.findall() if tab_name(n)))
        for parent in parents:
            for cells in list(tab_runs(list(parent.children))):
                position = parent.index(cells[0])
                for cell in cells:
                    parent.remove(cell)
                parent.insert(position, make_tab_set(cells))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(FrameworkTabs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
