"""Where each value of a graph lies in memory: buffers that are allocated once, and used again.

The plan walks through the operations in order. A result goes

- nowhere, if it is a *view* (a transpose, a slice, ...) of memory that is already bound;
- *into* a buffer, if the operation's kernel can write into a given array: over an operand that is
  read for the last time here (in place), or into the smallest free buffer that is large enough, or
  into a new one;
- into *fresh* memory that the kernel allocates in each run, if it knows no other way.

A buffer is free again after the last operation that reads it or a view of it (liveness).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dlcourse import ops
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import Array

Kind = Literal["view", "into", "fresh"]


@dataclass(frozen=True)
class Step:
    """One operation of the plan.

    Attributes:
        node: The operation.
        kind: Where its result lies, see the module's text.
        buffer: The number of the buffer, for "into".
        in_place: Whether it overwrites one of its operands.
    """

    node: Symbol
    kind: Kind
    buffer: int | None = None
    in_place: bool = False


@dataclass
class Plan:
    """The steps, in order, and the memory that is bound to them.

    Attributes:
        graph: The graph that is planned.
        steps: One for each operation.
        sizes: Bytes of each buffer.
        arrays: By the id of a Symbol, the array that is bound to it: a buffer, a view of one, or
            the memory of a donated input. A Symbol without one gets its value in each run.
        donated: By the position of an output, the position of the input whose memory it takes over.
    """

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    arrays: dict[int, Array] = field(default_factory=dict)
    donated: Mapping[int, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers together."""
        return sum(self.sizes)

    @property
    def nbytes_without_reuse(self) -> int:
        """Bytes that the results would take if each had memory of its own."""
        return sum(s.node.size * s.node.dtype.itemsize for s in self.steps if s.kind == "into")


def plan(graph: Graph, donated: Mapping[int, int] | None = None) -> Plan:
    """Plan the memory of a graph.

    Args:
        donated: Which inputs are the graph's own memory from run to run, such as parameters: maps
            the position of an output to that of the input that it overwrites.

    Raises:
        ValueError: A donated pair differs in shape or dtype, or an input is donated twice.
    """
    return _Planner(graph, dict(donated or {})).plan


class _Planner:
    """The state of a walk through the operations: who owns which memory, and until when."""

    def __init__(self, graph: Graph, donated: dict[int, int]) -> None:
        self.graph = graph
        self.plan = Plan(graph, donated=donated)
        self.owner: dict[int, int] = {}  # by id of a value, the id of the value whose memory it has
        self.buffer: dict[int, int] = {}  # by id of an owner, the number of its buffer
        self.holder: dict[int, int] = {}  # by the number of a buffer, its owner now
        self.free: dict[int, list[int]] = {}  # by size in bytes, the buffers that are free
        self.free_sizes: list[int] = []  # in ascending order
        self.storage: list[Array] = []
        self.reserved: set[int] = set()  # the buffers of donated inputs
        self.parts = self._parts_of_concatenations()
        self.last_use = self._last_uses()
        self.ending: dict[int, list[int]] = {}
        for owner, time in self.last_use.items():
            self.ending.setdefault(time, []).append(owner)
        self._bind_donated()
        self.target = {id(graph.outputs[o]): graph.inputs[i] for o, i in donated.items()}
        for time, node in enumerate(graph.nodes):
            self.plan.steps.append(self._step(time, node))
            unused = [] if id(node) in self.last_use else [id(node)]
            for owner in (*self.ending.get(time, []), *unused):
                self._release(owner)

    # --- What is known before the walk ------------------------------------------------------------

    def _bind_donated(self) -> None:
        positions = list(self.plan.donated.values())
        if len(set(positions)) < len(positions):
            raise ValueError(f"plan: an input can be donated to one output, got {positions}")
        for output, position in self.plan.donated.items():
            if not 0 <= output < len(self.graph.outputs):
                raise ValueError(f"plan: there is no output {output} to donate to")
            if not 0 <= position < len(self.graph.inputs):
                raise ValueError(f"plan: there is no input {position} to donate")
            x, y = self.graph.inputs[position], self.graph.outputs[output]
            if np.shape(y) != x.shape or getattr(y, "dtype", None) != x.dtype:
                raise ValueError(
                    f"plan: output {output} cannot overwrite input {position}\n  Expect: "
                    f"{x.shape} {x.dtype}\n  Actual: {np.shape(y)} {getattr(y, 'dtype', None)}"
                )
            self._bind(x, *self._new_buffer(x))
            self.reserved.add(self.buffer[id(x)])
            self.plan.arrays[id(x)][...] = 0

    def _parts_of_concatenations(self) -> dict[int, tuple[Symbol, slice]]:
        """Results that are computed right where a concatenation wants them."""
        parts: dict[int, tuple[Symbol, slice]] = {}
        outputs = {id(x) for x in self.graph.outputs}
        for node in self.graph.nodes:
            if node.op is not ops.concatenate or node.ndim != 1:
                continue
            start = 0
            for x in node.operands:
                place = slice(start, start + x.shape[0])
                start = place.stop
                while isinstance(x, Symbol) and x.op is ops.reshape:
                    (x,) = x.operands
                fits = isinstance(x, Symbol) and x.op is not None and x.op.takes_out
                if fits and x.dtype == node.dtype and id(x) not in outputs and id(x) not in parts:
                    parts[id(x)] = (node, place)
        return parts

    def _last_uses(self) -> dict[int, int]:
        """By the id of an owner, the time of the last operation that reads its memory."""
        end = len(self.graph.nodes)
        source: dict[int, int] = {}
        last: dict[int, int] = {}

        def root(x: Symbol) -> int:
            return source.get(id(x), id(x))

        for time, node in enumerate(self.graph.nodes):
            for x in node.operands:
                if isinstance(x, Symbol):
                    last[root(x)] = time
            if id(node) in self.parts:
                source[id(node)] = id(self.parts[id(node)][0])
            elif _may_be_view(node) and node.inputs and isinstance(node.inputs[0], Symbol):
                source[id(node)] = root(node.inputs[0])
        for x in self.graph.outputs:
            if isinstance(x, Symbol):
                last[root(x)] = end
        return last

    # --- The walk ---------------------------------------------------------------------------------

    def _step(self, time: int, node: Symbol) -> Step:
        assert node.op is not None
        operand = node.inputs[0] if node.inputs else None
        if _may_be_view(node):
            bound = self.plan.arrays.get(id(operand))
            if bound is None and not isinstance(operand, np.ndarray):
                return Step(node, "view")  # of a value that comes with the run
            base = operand if bound is None else bound
            view = node.op.kernel(base, **node.parameters)
            if np.may_share_memory(view, base):
                self.plan.arrays[id(node)] = view
                self.owner[id(node)] = self.owner.get(id(operand), id(operand))
                return Step(node, "view")
            return Step(node, "fresh")
        if not node.op.takes_out:
            return Step(node, "fresh")
        if id(node) in self.parts:
            whole, place = self.parts[id(node)]
            if id(whole) not in self.plan.arrays:  # its memory is taken with its first part
                self._bind(whole, *self._any_buffer(whole))
            self.owner[id(node)] = id(whole)
            self.plan.arrays[id(node)] = self.plan.arrays[id(whole)][place].reshape(node.shape)
            return Step(node, "into", self.buffer[id(whole)])
        if id(node) in self.plan.arrays:  # a concatenation, of which parts are there
            return Step(node, "into", self.buffer[id(node)])
        over = self._donated_memory(time, node) or self._in_place(time, node)
        if over is not None:
            return over
        return self._bind(node, *self._any_buffer(node))

    def _bind(self, node: Symbol, array: Array, buffer: int, in_place: bool = False) -> Step:
        """Let ``node`` own ``buffer``, of which ``array`` is a view."""
        self.plan.arrays[id(node)] = array
        self.owner[id(node)] = id(node)
        self.buffer[id(node)] = buffer
        self.holder[buffer] = id(node)
        return Step(node, "into", buffer, in_place)

    def _donated_memory(self, time: int, node: Symbol) -> Step | None:
        """Compute an output right into the input that it overwrites, once nobody reads that."""
        x = self.target.get(id(node))
        if x is None:
            return None
        buffer = next(b for b in self.reserved if self.plan.arrays[id(x)].base is self.storage[b])
        holder = self.holder.get(buffer)
        operands = [y for y in node.operands if self.owner.get(id(y)) == holder]
        if holder is None or (len(operands) == 1 and self._may_overwrite(time, node, operands[0])):
            return self._bind(node, self.plan.arrays[id(x)], buffer, holder is not None)
        return None

    def _in_place(self, time: int, node: Symbol) -> Step | None:
        """Overwrite an operand that is read for the last time, element by element or in a part."""
        for x in node.operands:
            if isinstance(x, Symbol) and self._may_overwrite(time, node, x):
                array = self.plan.arrays[id(x)]
                array = array if array.dtype == node.dtype else array.view(node.dtype)
                return self._bind(node, array, self.buffer.pop(self.owner[id(x)]), True)
        return None

    def _may_overwrite(self, time: int, node: Symbol, x: Symbol) -> bool:
        assert node.op is not None
        owner = self.owner.get(id(x))
        if owner is None or self.last_use.get(owner) != time:
            return False
        array = self.plan.arrays[id(x)]
        if not (node.op.elementwise or (node.op is ops.add_at and x is node.operands[0])):
            return False
        others = [y for y in node.operands if isinstance(y, Symbol) and y is not x]
        return (
            self.holder.get(self.buffer[owner]) == owner
            and array.shape == node.shape
            and array.dtype.itemsize == node.dtype.itemsize
            and array.flags.c_contiguous
            and array.flags.writeable
            and not any(self.owner.get(id(y)) == owner for y in others)
        )

    def _any_buffer(self, node: Symbol) -> tuple[Array, int]:
        """The smallest free buffer that is large enough, or a new one."""
        nbytes = node.size * node.dtype.itemsize
        i = bisect_left(self.free_sizes, nbytes)
        if i == len(self.free_sizes):
            return self._new_buffer(node)
        buffers = self.free[self.free_sizes[i]]
        buffer = buffers.pop()
        if not buffers:
            del self.free[self.free_sizes.pop(i)]
        return self._view(node, buffer), buffer

    def _new_buffer(self, node: Symbol) -> tuple[Array, int]:
        nbytes = node.size * node.dtype.itemsize
        self.storage.append(np.empty(nbytes, np.uint8))
        self.plan.sizes.append(nbytes)
        buffer = len(self.storage) - 1
        return self._view(node, buffer), buffer

    def _view(self, node: Symbol, buffer: int) -> Array:
        nbytes = node.size * node.dtype.itemsize
        return self.storage[buffer][:nbytes].view(node.dtype).reshape(node.shape)

    def _release(self, owner: int) -> None:
        """Free the owner's buffer, unless another value has taken it over."""
        buffer = self.buffer.pop(owner, None)
        if buffer is None or self.holder.get(buffer) != owner:
            return
        del self.holder[buffer]
        if buffer in self.reserved:
            return
        size = self.plan.sizes[buffer]
        if size not in self.free:
            insort(self.free_sizes, size)
        self.free.setdefault(size, []).append(buffer)


def _may_be_view(node: Symbol) -> bool:
    assert node.op is not None
    is_view = node.op.is_view
    return is_view(**node.parameters) if callable(is_view) else is_view
