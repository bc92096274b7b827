"""How an operation is computed for all examples of a batch at once, for `vmap`.

A rule takes a `Call` and returns the results of all examples, along the first axis; or None: not
for these arguments, then `vmap` goes from example to example. As derivative rules, these are
written with the table's operations (``t``), so they run on arrays, Tensors and Symbols.
"""

from __future__ import annotations

import inspect
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dlcourse.ops.kernels import is_basic
from dlcourse.ops.primitive import Primitive, Value
from dlcourse.ops.primitive import operations as t


@dataclass(frozen=True)
class Call:
    """A call of an operation inside `vmap`.

    Attributes:
        op: The operation.
        values: Its array arguments. A batch has the examples along its first axis; any other is
            the same for all examples.
        batched: Which of them are batches; at least one is.
        parameters: Those of one example.
        size: How many examples there are.
    """

    op: Primitive
    values: Sequence[Value]
    batched: Sequence[bool]
    parameters: dict[str, Any]
    size: int

    @cached_property
    def ndims(self) -> list[int]:
        """Of each argument the number of axes that an example has."""
        pairs = zip(self.values, self.batched, strict=True)
        return [len(np.shape(x)) - is_batch for x, is_batch in pairs]

    def parameter(self, name: str) -> Any:
        """The value of a parameter, which may be left out if the kernel has a default."""
        if name in self.parameters:
            return self.parameters[name]
        return inspect.signature(self.op.kernel).parameters[name].default

    def shape_of_all(self) -> dict[str, Any]:
        """The parameter ``shape``, of one example, as that of the batch; none if there is none."""
        if "shape" not in self.parameters:
            return {}
        return {"shape": (self.size, *self.parameters["shape"])}

    def on(self, *values: Value, **changed: Any) -> Value:
        """The operation on other arrays, with some parameters changed."""
        arrays = values if self.op.each is None else (values,)
        return self.op(*arrays, **{**self.parameters, **changed})

    def axis_of_batch(self, axis: int) -> int:
        """The place in the batch of an axis of the first argument's examples."""
        ndim = self.ndims[0]
        if not -ndim <= axis < ndim:
            raise np.exceptions.AxisError(axis, ndim)
        return axis % ndim + 1

    def aligned(self, ndim: int | None = None) -> list[Value]:
        """The batches with axes of length 1 after the first, so that the examples' axes line up."""
        most = max(self.ndims) if ndim is None else ndim
        return [
            t.reshape(x, shape=(x.shape[0], *(1,) * (most - n), *x.shape[1:]))
            if is_batch and n < most
            else x
            for x, is_batch, n in zip(self.values, self.batched, self.ndims, strict=True)
        ]

    def all_batched(self) -> list[Value]:
        """The arguments, repeated for all examples where they are the same."""
        return [
            x if is_batch else t.broadcast_to(x, shape=(self.size, *np.shape(x)))
            for x, is_batch in zip(self.values, self.batched, strict=True)
        ]


def elementwise(call: Call) -> Value:
    """For every elementwise operation, which needs no rule in its row."""
    return call.on(*call.aligned())


def unchanged(call: Call) -> Value:
    """For an operation that treats all axes alike, or looks at the last ones alone."""
    return call.on(*call.values)


# --- Axes -----------------------------------------------------------------------------------------


def over_axes(call: Call) -> Value:
    """For a parameter ``axis`` that is an axis, several, or None for all."""
    if not call.ndims[0]:
        return None
    axis = call.parameter("axis")
    axes = range(call.ndims[0]) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return call.on(*call.values, axis=tuple(call.axis_of_batch(a) for a in axes))


def along_axis(call: Call) -> Value:
    """For a parameter ``axis`` that is one axis; arrays beside each other have the same axes."""
    if not call.ndims[0]:
        return None
    axis = call.axis_of_batch(call.parameter("axis"))
    return call.on(*call.all_batched(), axis=axis, **call.shape_of_all())


def position_along_axis(call: Call) -> Value:
    """For argmax and argmin, whose axis None stands for the elements of all axes in a row."""
    if call.parameter("axis") is not None:
        return along_axis(call)
    (x,) = call.values
    positions = call.op(t.reshape(x, shape=(call.size, math.prod(x.shape[1:]))), axis=1)
    kept = (1,) * call.ndims[0] if call.parameter("keepdims") else ()
    return t.reshape(positions, shape=(call.size, *kept))


# --- Linear algebra -------------------------------------------------------------------------------


def matmul(call: Call) -> Value:
    """A vector becomes a matrix of one row or column, so that each example is a matrix product."""
    (a, b), (n, m) = call.values, call.ndims
    if 0 in call.ndims:
        return None
    if m == 2 and not call.batched[1]:
        return call.on(a, b)  # one product of all rows
    if n == 1:
        a = t.reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1]))
    if m == 1:
        b = t.reshape(b, shape=(*b.shape, 1))
    y = call.on(*Call(call.op, [a, b], call.batched, {}, call.size).aligned())
    rows, columns = y.shape[-2:-1] if n > 1 else (), y.shape[-1:] if m > 1 else ()
    return t.reshape(y, shape=(*y.shape[:-2], *rows, *columns)) if 1 in call.ndims else y


def linear(call: Call) -> Value:
    """With the same weights for all examples these are so many more rows."""
    if call.ndims[0] == 0 or any(call.batched[1:]):
        return None
    return call.on(*call.values)


def einsum(call: Call) -> Value:
    """The examples get a letter of their own."""
    subscripts = call.parameters["subscripts"]
    letter = next((c for c in string.ascii_letters if c not in subscripts), None)
    if letter is None:
        return None
    terms, output = subscripts.split("->")
    inputs = [
        letter + term if is_batch else term
        for term, is_batch in zip(terms.split(","), call.batched, strict=True)
    ]
    return call.on(*call.values, subscripts=f"{','.join(inputs)}->{letter}{output}")


# --- Shapes ---------------------------------------------------------------------------------------


def reshape(call: Call) -> Value:
    (x,), shape = call.values, call.parameters["shape"]
    if not math.prod(x.shape):  # a length -1 would have no answer
        return None
    return call.on(x, shape=(call.size, *(shape if isinstance(shape, Sequence) else (shape,))))


def transpose(call: Call) -> Value:
    axes = call.parameter("axes") or range(call.ndims[0])[::-1]
    return call.on(*call.values, axes=(0, *map(call.axis_of_batch, axes)))


def broadcast_to(call: Call) -> Value:
    shape = call.parameters["shape"]
    return call.on(*call.aligned(len(shape)), shape=(call.size, *shape))


def pad(call: Call) -> Value:
    widths = np.broadcast_to(call.parameters["pad_width"], (call.ndims[0], 2)).tolist()
    return call.on(*call.values, pad_width=((0, 0), *map(tuple, widths)))


def roll(call: Call) -> Value:
    (x,), shift = call.values, call.parameters["shift"]
    if call.parameter("axis") is not None:
        return over_axes(call)
    row = t.reshape(x, shape=(call.size, math.prod(x.shape[1:])))  # of the elements of all axes
    rolled = call.on(row, shift=sum(shift) if isinstance(shift, tuple) else shift, axis=1)
    return t.reshape(rolled, shape=x.shape)


def tile(call: Call) -> Value:
    reps = call.parameters["reps"]
    reps = tuple(reps) if isinstance(reps, Sequence) else (reps,)
    ndim = max(len(reps), call.ndims[0])
    return call.on(*call.aligned(ndim), reps=(1, *(1,) * (ndim - len(reps)), *reps))


# --- Indices --------------------------------------------------------------------------------------


def part(call: Call) -> Value:
    """For getitem and scatter_add, where the index takes whole parts of an example."""
    index = call.parameters["index"]
    if not is_basic(index):
        return None
    return call.on(*call.values, index=_in_each(index), **call.shape_of_all())


def add_at(call: Call) -> Value:
    a, index = call.values[0], call.parameters["index"]
    if not call.batched[0] or not is_basic(index):
        return None
    place = np.broadcast_to(0, a.shape[1:])[index]
    return call.on(a, call.aligned(place.ndim)[1], index=_in_each(index))


def _in_each(index: Any) -> tuple[Any, ...]:
    return (slice(None), *(index if isinstance(index, tuple) else (index,)))


def embedding(call: Call) -> Value:
    """The tables of all examples, one below the other, are one table."""
    weight, indices = call.values
    if not call.batched[0]:
        return call.on(weight, indices)
    rows = weight.shape[1]
    table = t.reshape(weight, shape=(call.size * rows, *weight.shape[2:]))
    return call.on(table, indices + _first_rows(call, rows))


def add_rows(call: Call) -> Value:
    a, indices = call.all_batched()
    count = call.parameters["count"]
    y = call.on(a, indices + _first_rows(call, count), count=call.size * count)
    return t.reshape(y, shape=(call.size, count, *y.shape[1:]))


def _first_rows(call: Call, rows: int) -> Value:
    """Where the rows of each example begin, in a shape that broadcasts against the indices."""
    return np.reshape(np.arange(call.size) * rows, (call.size,) + (1,) * call.ndims[1])


# --- Windows --------------------------------------------------------------------------------------


def more_images(call: Call) -> Value:
    """Examples of N images each, with the same kernel, are so many more images."""
    x, *kernel = call.values
    if any(call.batched[1:]):
        return None
    count, changed = call.size * x.shape[1], {}
    if "shape" in call.parameters:
        changed["shape"] = (count, *call.parameters["shape"][1:])
    y = call.on(t.reshape(x, shape=(count, *x.shape[2:])), *kernel, **changed)
    return t.reshape(y, shape=(*x.shape[:2], *y.shape[1:]))
