"""The stage: what it says and shows of a sweep is what the sweep does."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from stage_scenes import gradient_scenes, replayed

import dlcourse as dl
from dlcourse import Tensor
from dlcourse.autodiff.sweep import reverse_sweep
from dlcourse.views import stage as stage_package
from dlcourse.views.figures import history
from dlcourse.views.stage import Scene, Stage, play

NORMAL = np.random.default_rng(0).normal
FUNCTIONS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda a, b: (a * b + dl.sin(a)) * (a * b), (2.0, 3.0)),
    (lambda x: x * x * x, (3.0,)),
    (lambda x: dl.exp(-x) / (1 + x**2), (0.5,)),
    (lambda x, w, b, t: ((dl.relu(x @ w + b) - t) ** 2).mean(),
     (NORMAL(size=(2, 3)), NORMAL(size=(3, 2)), NORMAL(size=2), NORMAL(size=(2, 2)))),
    (lambda x, y: dl.concatenate([x[1:], y * x.sum()]).max(), (NORMAL(size=4), NORMAL(size=2))),
    (lambda x, y: dl.where(x > y, x * y, dl.maximum(x, 0.5) - y).sum(),
     (NORMAL(size=(4, 1)), NORMAL(size=3))),
    (lambda x: (dl.softmax(x, axis=0) * dl.log_softmax(x)).sum(), (NORMAL(size=(3, 3)),)),
    (lambda x: dl.stop_gradient(x) * x, (2.0,)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), FUNCTIONS)
def test_the_parts_that_are_sent_add_up_to_the_gradients_of_backward(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    variables = [Tensor(x, requires_grad=True) for x in arguments]
    root = function(*variables)
    stage = play(root)
    sums = replayed(gradient_scenes(stage.html()))
    position = {id(x): i for i, x in enumerate(history(root))}
    root.backward()
    for x in variables:
        if x.grad is not None:
            np.testing.assert_allclose(sums[position[id(x)]], x.grad.numpy(), rtol=1e-12)
    assert any(x.grad is not None for x in variables)


@pytest.mark.parametrize(("function", "arguments"), FUNCTIONS)
def test_the_last_tangent_is_that_of_forward_mode_through_the_whole(
    function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    directions = [np.random.default_rng(1).normal(size=np.shape(x)) for x in arguments]
    variables = [Tensor(x, requires_grad=True) for x in arguments]
    names = {f"input{i}": x for i, x in enumerate(variables)}
    tangents = dict(zip(names, directions, strict=True))
    stage = play(function(*variables), names=names, tangents=tangents)
    _, expected = dl.jvp(function, arguments, directions)
    np.testing.assert_allclose(stage.sweeps["tangents"][-1].value, expected, rtol=1e-12)


def test_the_rule_of_a_tangent_reads_as_mathematics() -> None:
    stage = play(lambda a, b: dl.sin(a) * b, 2.0, 3.0, tangents={"b": 1.0, "a": 0.5})
    assert [scene.title for scene in stage.sweeps["tangents"]] == [
        "a_dot = 0.5",
        "b_dot = 1",
        "v1_dot = a_dot * cos(a)",
        "v2_dot = b_dot * v1 + v1_dot * b",
    ]


def test_what_a_scene_says_is_freed_is_freed_then() -> None:
    x = Tensor(np.arange(3.0), requires_grad=True)
    root = dl.exp(x * 2).sum()
    said = [scene.node for scene in play(root).sweeps["gradients"] if scene.frees]
    results = {i: node for i, node in enumerate(history(root)) if isinstance(node, Tensor)}
    alive = {i: weakref.ref(node.data) for i, node in results.items() if node is not x}
    del results
    freed: list[int] = []
    for _ in (sweep := reverse_sweep(root, np.ones(()), raw=True, retain=False)):
        del _
        gc.collect()
        freed += [i for i, array in alive.items() if array() is None and i not in freed]
    sweep.close()
    assert freed == said
    assert len(freed) == 2


def words(scene: Scene) -> str:
    return " ".join(scene.sentences)


def test_a_scene_says_what_was_broadcast_and_what_was_added() -> None:
    stage = play(lambda x, b: ((x + b) * b).sum(), np.ones((4, 2)), np.ones(2))
    first, second = stage.sweeps["gradients"][2:4]
    assert "broadcast from (2,) to (4, 2)" in words(first)
    assert "It is added" not in words(first)
    assert "`sum(v1_bar, axis=0)` = [4, 4]. It is added to what is there" in words(second)
    assert "now [12, 12]" in words(second)


def test_a_stage_prints_as_its_derivation() -> None:
    stage = play(lambda x: x * x, 3.0)
    assert repr(stage) == stage.derivation.text()


def test_nodes_and_edges_of_the_picture_are_those_of_the_scenes() -> None:
    stage = play(lambda a, b: (a * b + dl.sin(a)) * (a * b), 2.0, 3.0)
    html = stage.html()
    svg = ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])  # type: ignore[index]
    classes = {name: part for part in svg.iter() if (name := part.get("class", "").split()[-1:])
               and (name := name[0])}  # fmt: skip
    for scene in stage.sweeps["gradients"]:
        assert any(
            t.text == f"gradient {scene.value:.4g}" for t in classes[f"n{scene.node}"].iter()
        )
        for sent in scene.sent:
            edge = classes[f"e{sent.edge}"]
            assert [t.text.strip() for t in edge.iter() if t.text and t.text.strip()] == [
                f"{sent.value:.4g}"
            ]


def test_a_stage_has_no_ids_that_would_repeat_and_loads_nothing() -> None:
    html = play(lambda x: x * x, 3.0).html()
    assert " id=" not in html
    assert not re.search(r"\b(?:src|href)=|@import|url\(", html.replace("xlink:href", ""))


def test_the_script_is_small() -> None:
    assert (Path(stage_package.__path__[0]) / "stage.js").stat().st_size <= 15_000


def test_names_are_text_and_never_markup() -> None:
    x = Tensor(2.0, requires_grad=True)
    html = play(x * x, names={"<b>'\"&": x}).html()
    assert "<b>'" not in html


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: play(lambda x: x.sum(), np.ones(101)), "at most 100 elements, got x of shape"),
        (lambda: play(lambda x: x * x, 1.0, tangents={"y": 1.0}), "tangents of x; got one of y"),
        (lambda: play(lambda x: x * x, 1.0, tangents={"x": np.ones(2)}), r"shape \(\) for x, got"),
        (lambda: play(lambda x: x * x, 1.0, gradient=[1]), "gradient of shape"),
    ],
)
def test_what_cannot_be_played_is_refused(make: Callable[[], Stage], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
