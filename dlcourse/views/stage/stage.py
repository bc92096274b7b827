"""The picture, the words and the script together: what Jupyter and the book show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from dlcourse.autodiff import Tensor
from dlcourse.graphs.show.graphviz import GRADIENT_COLOR, Direction, GraphDrawing
from dlcourse.ops import Array
from dlcourse.views.derivation import Derivation, derive
from dlcourse.views.figures import drawn_history, short_text
from dlcourse.views.stage.scenes import (
    Cast,
    Scene,
    gradient_scenes,
    shown,
    tangent_scenes,
    value_scenes,
)

# A stage is for looking at every number; of a larger graph `derive` and `draw_graph` show more.
MOST_ELEMENTS = 100
TITLES = {
    "values": "Forward: the values",
    "gradients": "Backward: the gradients",
    "tangents": "Forward mode: the tangents",
}


@dataclass(frozen=True, repr=False)
class Stage:
    """A graph whose sweeps can be played; Jupyter shows it, and it prints as its derivation.

    Attributes:
        derivation: What is played.
        drawing: The graph, with all gradients.
        sweeps: The scenes of each sweep: "values", "gradients" and "tangents".
        description: What the still picture shows, for those who cannot see it.
    """

    derivation: Derivation
    sweeps: Mapping[str, tuple[Scene, ...]]
    drawing: GraphDrawing
    description: str

    def __repr__(self) -> str:
        return self.derivation.text()

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """The stage as a piece of a page: it works by itself, and in any number on a page."""
        transcript = "".join(
            f'<p class="dl-stage-sweep">{TITLES[name]}</p>'
            f'<ol data-sweep="{name}" data-title="{TITLES[name]}">'
            f"{''.join(map(_scene_html, scenes))}</ol>"
            for name, scenes in self.sweeps.items()
        )
        return (
            f'<div class="dl-stage" data-gradient-color="{GRADIENT_COLOR}">'
            f"<style>{_text_of('stage.css')}</style>"
            f'<div class="dl-stage-picture" role="img" aria-label="{escape(self.description)}">'
            f"{_inline_svg(self.drawing)}</div>"
            f'<details class="dl-stage-transcript"><summary>The sweeps in words</summary>'
            f"{transcript}</details>"
            f"<script>{_text_of('stage.js')}</script></div>"
        )


def play(
    expression: Tensor | Callable[..., Tensor],
    *arguments: Any,
    names: Mapping[str, Any] | None = None,
    gradient: Any = None,
    tangents: Mapping[str, Any] | None = None,
    direction: Direction = "TB",
) -> Stage:
    """The graph of an expression, to play its sweeps on, forward, backward and in forward mode.

    Args:
        expression, arguments, names, gradient: As for `dlcourse.views.derivation.derive`.
        tangents: How the variables move in forward mode: by name, of the shape of the variable.
            Those left out stand still; by default the first moves at the rate 1.
        direction: "TB" draws downwards, "LR" to the right.

    Raises:
        TypeError, RuntimeError: As derive.
        ValueError: As derive; a value has more than 100 elements; a tangent is that of no variable,
            or of another shape.
    """
    derivation = derive(expression, *arguments, names=names, gradient=gradient)
    for v in derivation.values:
        if v.value.size > MOST_ELEMENTS:
            raise ValueError(
                f"play: expected arrays of at most {MOST_ELEMENTS} elements, got {v.name} of shape "
                f"{v.value.shape}. Play a smaller example; `derive` takes any."
            )
    cast = Cast(derivation)
    sweeps = {
        "values": value_scenes(cast),
        "gradients": gradient_scenes(cast),
        "tangents": tangent_scenes(cast, tangents),
    }
    drawing = _drawing(cast, sweeps["gradients"], direction)
    gradients = ", ".join(f"{name} {shown(g)}" for name, g in derivation.gradients.items())
    description = (
        f"The recorded graph of {cast.root}, with {len(drawing.nodes)} nodes. "
        f"The gradients of its variables: {gradients}."
    )
    return Stage(derivation, sweeps, drawing, description)


def _drawing(cast: Cast, scenes: tuple[Scene, ...], direction: Direction) -> GraphDrawing:
    """The still picture: each node with its gradient, each edge with what went back along it."""
    total = {id(cast.graph[scene.node]): scene.value for scene in scenes}
    by_edge = {j: key for key, j in cast.edge.items()}
    arriving = {by_edge[sent.edge]: sent.value for scene in scenes for sent in scene.sent}
    root = cast.derivation.root
    return drawn_history(root, cast.derivation.names, total, arriving, direction)


def _scene_html(scene: Scene) -> str:
    """A scene as an item of a list: its words, and its numbers as data for the script."""
    data = {
        "node": scene.node,
        **_numbers(scene.value, "value", "text"),
        "sent": [
            {
                "edge": sent.edge,
                "node": sent.node,
                **_numbers(sent.value, "value", "text"),
                **_numbers(sent.total, "total", "totalText"),
            }
            for sent in scene.sent
        ],
        "frees": scene.frees,
    }
    said = "".join(f"<p>{_code_html(sentence)}</p>" for sentence in scene.sentences)
    return (
        f'<li data-scene="{escape(json.dumps(data))}"><code>{escape(scene.title)}</code>{said}</li>'
    )


def _numbers(value: Array, key: str, text_key: str) -> dict[str, Any]:
    return {key: value.tolist(), text_key: short_text(value)}


def _code_html(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _inline_svg(drawing: GraphDrawing) -> str:
    """The SVG as a part of a page: without a head, and without ids, which must not repeat."""
    svg = drawing.svg()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<!--.*?-->\s*|<title>.*?</title>\s*", "", svg, flags=re.DOTALL)
    return re.sub(r' id="[^"]*"', "", svg)


@cache
def _text_of(name: str) -> str:
    return (files("dlcourse.views.stage") / name).read_text(encoding="utf-8").strip()
