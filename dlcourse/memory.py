"""The memory of a planned graph over time: who occupies which buffer, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.graphs import Plan, Symbol
from dlcourse.graphs.printing import names_of
from dlcourse.style import BLUE, GREEN, GREY, ORANGE, use_book_style


@dataclass(frozen=True)
class Stay:
    """A value in a place in memory.

    Attributes:
        name: The value.
        buffer: The number of the buffer, or None for memory that the operation allocates itself.
        start, stop: The steps in which it is there: from the one that writes it up to, and not
            with, ``stop``. Results are there until the end.
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
    """Which value is where and when, in order of the steps; donated inputs come first.

    A view has no memory of its own: it prolongs the stay of the value that it looks at. A part of a
    concatenation that is written right into the whole belongs to the whole.
    """
    names = names_of(plan.graph)
    end = len(plan.steps)
    home: dict[int, int] = {}  # by the id of a value, the position of the stay it belongs to
    found: list[Stay] = []
    last: list[int] = []
    holder: dict[int, int] = {}  # by the number of a buffer, the position of the latest stay in it

    def add(node: Symbol, buffer: int | None, start: int, in_place: bool) -> None:
        home[id(node)] = len(found)
        nbytes = node.size * node.dtype.itemsize
        found.append(Stay(names[id(node)], buffer, start, end, nbytes, in_place))
        last.append(start)
        if buffer is not None:
            holder[buffer] = home[id(node)]

    donated = {id(plan.graph.inputs[i]) for i in plan.donated.values()}
    buffers = iter(range(len(donated)))  # the planner binds them first, in this order
    for i in plan.donated.values():
        add(plan.graph.inputs[i], next(buffers), 0, False)
    for time, step in enumerate(plan.steps):
        node = step.node
        for x in node.inputs or ():
            if id(x) in home:
                last[home[id(x)]] = time
        if step.kind == "view":
            if node.inputs and id(node.inputs[0]) in home:
                home[id(node)] = home[id(node.inputs[0])]
        elif step.buffer is not None and _is_part(plan, step.node, holder.get(step.buffer), found):
            home[id(node)] = holder[step.buffer]
        else:
            add(node, step.buffer, time, step.in_place)
    for x in plan.graph.outputs:
        if id(x) in home:
            last[home[id(x)]] = end
    return [_ended(stay, found, last, i) for i, stay in enumerate(found)]
