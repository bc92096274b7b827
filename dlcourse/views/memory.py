"""The memory of a planned graph over time: who occupies which buffer, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.graphs import Plan, Symbol
from dlcourse.graphs.show.printing import names_of
from dlcourse.views.style import BLUE, GREEN, GREY, ORANGE

# With more values than this their names would overlap.
MOST_NAMES = 60


@dataclass(frozen=True)
class Stay:
    """A value in a place in memory.

    Attributes:
        name: The value.
        buffer: The number of the buffer, or None for memory that the operation allocates itself.
        start, stop: It is there from the step ``start`` on, until the step before ``stop``.
        nbytes: What it needs; the buffer may be larger.
        in_place: Whether it was written over an operand.
    """

    name: str
    buffer: int | None
    start: int
    stop: int
    nbytes: int
    in_place: bool = False


def stays(plan: Plan) -> list[Stay]:
    """Which value of ``plan`` is where and when, in order of the steps; donated inputs come first.

    A view has no memory of its own: it prolongs the stay of the value that it looks at. A part of a
    concatenation that is computed right into the whole belongs to the whole.
    """
    names = names_of(plan.graph)
    whole_of = _parts_of_wholes(plan)
    end = len(plan.steps)
    found: list[Stay] = []
    home: dict[int, int] = {}  # by the id of a value, the position of its stay in the list

    def read(x: Any, time: int) -> None:
        if id(x) in home:
            i = home[id(x)]
            found[i] = replace(found[i], stop=time + 1)

    def add(node: Symbol, buffer: int | None, start: int, in_place: bool = False) -> None:
        home[id(node)] = len(found)
        nbytes = node.size * node.dtype.itemsize
        found.append(Stay(names[id(node)], buffer, start, start + 1, nbytes, in_place))

    donated = [plan.graph.inputs[i] for i in plan.donated.values()]
    for buffer, x in enumerate(donated):  # the plan binds them first
        add(x, buffer, 0)
    for time, step in enumerate(plan.steps):
        node, operands = step.node, step.node.operands
        for x in operands:
            read(x, time)
        whole = whole_of.get(id(node), node)
        if step.kind == "view":
            if id(operands[0]) in home:
                home[id(node)] = home[id(operands[0])]
        elif id(whole) in home:
            home[id(node)] = home[id(whole)]
            read(whole, time)
        else:
            add(whole, step.buffer, time, step.in_place)
            home[id(node)] = home[id(whole)]
    for x in (*plan.graph.outputs, *donated):
        read(x, end - 1)
    return _without_overlaps(found)


def _parts_of_wholes(plan: Plan) -> dict[int, Symbol]:
    """By id, the results that are computed right into a concatenation, with the whole."""
    views = {id(step.node): step.node for step in plan.steps if step.kind == "view"}
    parts = {}
    for step in plan.steps:
        if step.node.op is not ops.concatenate or step.kind != "into":
            continue
        for x in step.node.operands:
            while id(x) in views:
                (x, *_) = views[id(x)].operands
            array = plan.arrays.get(id(x))
            if array is not None and np.may_share_memory(array, plan.arrays[id(step.node)]):
                parts[id(x)] = step.node
    return parts


def _without_overlaps(found: Sequence[Stay]) -> list[Stay]:
    """Each stay ends when another value is written into its buffer."""
    next_start: dict[int, int] = {}
    result = []
    for stay in reversed(found):
        if stay.buffer is not None:
            stop = min(stay.stop, next_start.get(stay.buffer, stay.stop))
            next_start[stay.buffer] = stay.start
            stay = replace(stay, stop=stop)
        result.append(stay)
    return result[::-1]


def live_bytes(plan: Plan) -> list[int]:
    """For each step of ``plan``, the bytes of the values that are in memory during it."""
    every = stays(plan)
    return [sum(s.nbytes for s in every if s.start <= t < s.stop) for t in range(len(plan.steps))]


def draw_memory(plan: Plan) -> Any:
    """Draw a plan's memory over its steps: above, who is in which buffer; below, the bytes.

    Returns:
        A Matplotlib Figure. What was written in place is hatched.
    """
    from matplotlib.figure import Figure

    every = stays(plan)
    rows, labels = _rows(every, plan)
    steps, count = len(plan.steps), max(len(labels), 1)
    figure = Figure(figsize=(4.8, 1.9 + 0.24 * count), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[0.24 * count, 1.4])
    for stay, row in zip(every, rows, strict=True):
        color = GREY if stay.buffer is None else ORANGE if stay.in_place else BLUE
        above.barh(
            row, stay.stop - stay.start, left=stay.start, height=0.8, color=color, alpha=0.35,
            edgecolor=color, hatch="///" if stay.in_place else None,
        )  # fmt: skip
        if len(every) <= MOST_NAMES:
            middle = (stay.start + stay.stop) / 2
            above.text(middle, row, stay.name, ha="center", va="center", fontsize=8)
    above.set_yticks(range(len(labels)), labels, fontsize=8)
    above.invert_yaxis()
    above.grid(visible=False)
    live = live_bytes(plan)
    below.stairs(live, range(steps + 1), fill=True, color=BLUE, alpha=0.35, label="in use")
    below.axhline(plan.nbytes, color=GREEN, label="buffers")
    below.axhline(plan.nbytes_without_reuse, color=ORANGE, linestyle="--", label="without reuse")
    below.set_ylim(0, 1.15 * max(1, plan.nbytes, plan.nbytes_without_reuse, *live))
    below.xaxis.get_major_locator().set_params(integer=True)
    below.set_xlabel("step")
    below.set_ylabel("bytes")
    below.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.45), ncols=3)
    return figure


def _rows(every: Sequence[Stay], plan: Plan) -> tuple[list[int], list[str]]:
    """The row of each stay and the labels of the rows: the buffers, then rows for fresh memory."""
    labels = [f"buffer {i}: {_bytes_text(size)}" for i, size in enumerate(plan.sizes)]
    free_from: list[int] = []  # of each row of fresh memory
    rows = []
    for stay in every:
        if stay.buffer is not None:
            rows.append(stay.buffer)
            continue
        row = next((i for i, t in enumerate(free_from) if t <= stay.start), len(free_from))
        free_from[row : row + 1] = [stay.stop]
        rows.append(len(plan.sizes) + row)
    return rows, labels + ["allocated"] * len(free_from)


def _bytes_text(nbytes: int) -> str:
    units = [("MB", 1_000_000), ("kB", 1_000)]
    unit, size = next(((u, s) for u, s in units if nbytes >= s), ("B", 1))
    return f"{nbytes / size:.3g} {unit}"
