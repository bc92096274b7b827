"""A plan's memory over time, as it is drawn, agrees with the plan's own arrays."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import ops
from dlcourse.graphs import Graph, Plan, compile, gradient, plan, trace
from dlcourse.views.memory import Stay, draw_memory, live_bytes, stays

F = np.float32


def network() -> Graph:
    def loss(w: Any, b: Any, v: Any, x: Any, t: Any) -> Any:
        return ((dl.tanh(x @ w + b) @ v - t) ** 2).mean()

    shapes = [(10, 10), (10,), (10, 1), (100, 10), (100, 1)]
    return gradient(trace(loss, *[np.zeros(s, F) for s in shapes]), wrt=[0, 1, 2])


def flat() -> Graph:
    """Two results that are computed right into a concatenation."""

    def function(x: Any, y: Any) -> Any:
        parts = [(x * 2).reshape(-1), y + x[0]]
        return ops.concatenate(parts) * 3

    return trace(function, np.ones((2, 3)), np.ones(3))


PLANS: list[Callable[[], Plan]] = [
    lambda: compile(network()).plan,
    lambda: plan(network()),
    lambda: plan(flat()),
    lambda: plan(trace(lambda x: (x.T.sum(axis=0) + 1).exp(), np.ones((3, 2)))),
    lambda: (
        compile(
            trace(lambda w, x: (w - 0.1 * x, x.sum()), np.ones(3), np.ones(3)), donate={0: 0}
        ).plan
    ),
]


def test_a_small_plan_stay_by_stay() -> None:
    graph = trace(lambda x: (x.exp() + 1).sum(axis=0).T * 2, np.ones((4, 3)))
    assert stays(plan(graph)) == [
        Stay("v1", 0, 0, 1, 96),
        Stay("v2", 0, 1, 3, 96, in_place=True),
        Stay("v3", 1, 2, 4, 24),
        Stay("v5", 1, 4, 5, 24, in_place=True),
    ]


def test_a_view_keeps_the_value_that_it_looks_at() -> None:
    graph = trace(lambda x: (lambda y: y.exp() @ y.T)(x.exp()), np.ones((4, 3)))
    assert [n.op.name for n in graph.nodes if n.op] == ["exp", "exp", "transpose", "matmul"]
    assert stays(plan(graph))[0] == Stay("v1", 0, 0, 4, 96)


def test_parts_of_a_concatenation_belong_to_the_whole() -> None:
    names = {s.name: (s.start, s.stop) for s in stays(plan(flat()))}
    (whole,) = [n for n in plan(flat()).graph.nodes if n.op is ops.concatenate]
    graph = plan(flat()).graph
    position = [n.op for n in graph.nodes].index(ops.concatenate)
    assert whole.shape == (9,)
    assert names[f"v{position + 1}"] == (0, position + 1)
    assert "v1" not in names


def test_donated_inputs_have_a_buffer_from_the_first_step_to_the_last() -> None:
    made = PLANS[-1]()
    first = [s for s in stays(made) if s.buffer == 0]
    assert (first[0].name, first[0].start, first[-1].stop) == ("w", 0, len(made.steps))


@pytest.mark.parametrize("make", PLANS)
def test_nobody_is_where_another_one_is_and_all_that_is_read_is_there(
    make: Callable[[], Plan],
) -> None:
    made = make()
    every = stays(made)
    for buffer, size in enumerate(made.sizes):
        own = sorted((s for s in every if s.buffer == buffer), key=lambda s: s.start)
        assert all(a.stop <= b.start for a, b in pairwise(own))
        assert max(s.nbytes for s in own) <= size
    live = live_bytes(made)
    allocated = sum(s.nbytes for s in every if s.buffer is None)
    assert len(live) == len(made.steps)
    assert 0 < max(live) <= made.nbytes + allocated
    outputs = [s for s in every if s.stop == len(made.steps)]
    assert outputs


def test_the_chart_has_a_bar_for_each_stay_and_is_the_same_each_time() -> None:
    import matplotlib as mpl

    made = PLANS[0]()
    figure = draw_memory(made)
    above, below = figure.axes
    assert len(above.patches) == len(stays(made))
    assert {t.get_text() for t in above.texts} == {s.name for s in stays(made)}
    assert above.get_yticklabels()[0].get_text() == "buffer 0: 4 kB"
    assert [line.get_ydata()[0] for line in below.lines] == [
        made.nbytes, made.nbytes_without_reuse,
    ]  # fmt: skip

    def svg() -> str:
        buffer = io.StringIO()
        with mpl.rc_context({"svg.hashsalt": "dlcourse"}):
            draw_memory(made).savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    assert svg() == svg()


def test_the_names_of_a_long_plan_are_left_out() -> None:
    def deep(x: Any) -> Any:
        for _ in range(40):
            x = dl.tanh(x) @ x
        return x

    figure = draw_memory(plan(trace(deep, np.ones((2, 2)))))
    assert list(figure.axes[0].texts) == []
