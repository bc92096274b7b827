"""The scenes of a stage, as a page holds them, and what they add up to."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import numpy as np

import dlcourse as dl
from dlcourse import Tensor

SceneData = dict[str, Any]


def shared_node() -> tuple[Tensor, dict[str, Tensor]]:
    """y = (c + sin a) * c with c = a * b: both a and c are used twice."""
    a, b = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    c = a * b
    y = (c + dl.sin(a)) * c
    return y, {"a": a, "b": b, "c": c, "y": y}


def gradient_scenes(html: str) -> list[SceneData]:
    """The scenes of the reverse sweep of the one stage in ``html``."""
    (items,) = re.findall(r'<ol data-sweep="gradients".*?>(.*?)</ol>', html, re.DOTALL)
    return [json.loads(unescape(x)) for x in re.findall(r'data-scene="([^"]*)"', items)]


def replayed(scenes: list[SceneData]) -> dict[int, Any]:
    """What each node has received at the end: the sum of what was sent to it.

    Each total on the way must be the sum so far.
    """
    sums: dict[int, Any] = {scenes[0]["node"]: np.array(scenes[0]["value"])}
    for scene in scenes:
        for sent in scene["sent"]:
            sums[sent["node"]] = sums.get(sent["node"], 0) + np.array(sent["value"])
            np.testing.assert_allclose(sums[sent["node"]], sent["total"], rtol=1e-12)
    return sums
