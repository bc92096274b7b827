"""vmap: from a function of one example make the one of a batch, without a loop over the function.

Inside, an example is a `Batched`: it has the shape of one example, and holds them all, with the
batch as the first axis. An operation on it is one operation on all examples where its row in the
table has a rule for that; otherwise it runs example by example. A Batched is a Node with a graph of
its own, so that a derivative taken inside is that of each example.

Source: jax.vmap, https://docs.jax.dev/en/latest/automatic-vectorization.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.node import Node, tick
from dlcourse.autodiff.recording import is_recording
from dlcourse.ops import Primitive, batch_rules, trees


class _Levels(threading.local):
    """The sizes of the batches of the vmaps that are running in this thread, the inner one last."""

    def __init__(self) -> None:
        self.sizes: list[int] = []


_levels = _Levels()


class Batched(Node):
    """A value inside `vmap`: one for each example, or the same for all.

    Attributes:
        value: An array, Tensor or Symbol; if ``is_batched``, its first axis is the batch.
        level: How many vmaps are around it.
        shape, dtype: Those of one example.
    """

    hooks = None

    def __init__(self, value: Any, level: int, is_batched: bool = True) -> None:
        self.value, self.level, self.is_batched = value, level, is_batched
        self.created = tick()

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape[1:] if self.is_batched else self.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    def __repr__(self) -> str:
        return f"<one of a batch: shape {self.shape}, dtype {self.dtype}>"

    def __bool__(self) -> bool:
        raise TypeError(
            "vmap: a Python if needs one truth, but examples differ; use where(c, a, b)"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError(
            "vmap: a NumPy function cannot see single examples; use dlcourse's operations"
        )

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Batched:
        """``op`` on each example; arguments of outer levels are the same for all examples."""
        level = max(x.level for x in arguments if isinstance(x, Batched))
        arguments = tuple(
            x if isinstance(x, Node | np.ndarray | bool | int | float) else np.asarray(x)
            for x in arguments
        )
        own = [x if isinstance(x, Batched) and x.level == level else None for x in arguments]
        batched = [x is not None and x.is_batched for x in own]
        values = [x if b is None else b.value for x, b in zip(arguments, own, strict=True)]
        if not any(batched):
            value = op(*(values if op.each is None else (values,)), **parameters)
        else:
            size = _levels.sizes[level - 1]
            rule = batch_rules.elementwise if op.elementwise else op.batch
            call = batch_rules.Call(op, values, batched, parameters, size)
            value = rule(call) if rule else None
            if value is None and op.expand is not None:
                smaller = op.expand(*arguments, **parameters)
                if smaller is not None:
                    return smaller  # type: ignore[no-any-return]
            if value is None:
                value = _one_by_one(call)
        result = Batched(value, level, any(batched))
        takes_part = any(
            x is not None and x.requires_grad and rule is not None
            for x, rule in zip(own, op.rules_for(len(own)), strict=True)
        )
        if takes_part and is_recording() and result.dtype.kind == "f":
            result.op, result.inputs, result.parameters = op, arguments, parameters
            result._requires_grad = True
        return result


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """The function that maps ``function`` over the examples of a batch.

    Args:
        function: Takes one example and returns a value, or a tree of them (lists, tuples, dicts).
        in_axes: Which axis of each argument counts the examples; None for an argument that is the
            same for all. One for all arguments, or a tuple with one for each; in place of that of
            an argument that is a tree, a list, tuple or dict with one for each part of it.
        out_axes: Where the results have the axis of the examples: one for all, or a tree as for
            in_axes. None for a result that is the same for all examples, which has no such axis.

    Returns:
        A function of batches. ``vmap(grad(f))`` gives the gradient of each example, ``grad`` and
        ``jacobian`` of a vmap work as well. Keyword arguments are mapped over their first axis.

    Raises:
        TypeError: An axis is no integer, or the function returns something else than arrays.
        ValueError: No argument has a batch, or they have different lengths, or it is empty; an
            array has no such axis; the axes do not have the structure of the arguments or results;
            a result differs between examples although its axis is None.
    """

    def mapped(*arguments: Any, **named: Any) -> Any:
        each = tuple(in_axes) if isinstance(in_axes, list) else in_axes
        leaves, structure = trees.flatten((arguments, named))
        axes = [
            *trees.spread(each, structure[0], "vmap: in_axes"),
            *trees.spread(0, structure[1], "vmap: in_axes"),
        ]
        arrays = [x if isinstance(x, Node) else np.asarray(x) for _, x in leaves]
        axes = [_checked_axis("in_axes", x, a) for x, a in zip(arrays, axes, strict=True)]
        sizes = {x.shape[a] for x, a in zip(arrays, axes, strict=True) if a is not None}
        if len(sizes) != 1 or 0 in sizes:
            raise ValueError(
                f"vmap: expected batches of one length, at least 1, got {sorted(sizes)}"
            )
        (size,) = sizes
        _levels.sizes.append(size)
        level = len(_levels.sizes)
        examples = [
            x if a is None else Batched(ops.moveaxis(x, a, 0) if a else x, level)
            for x, a in zip(arrays, axes, strict=True)
        ]
        positional, by_name = trees.unflatten(structure, examples)
        try:
            results, result_structure = trees.flatten(function(*positional, **by_name))
        finally:
            _levels.sizes.pop()
        places = trees.spread(out_axes, result_structure, "vmap: out_axes")
        return trees.unflatten(
            result_structure,
            [_all_examples(y, level, size, a) for (_, y), a in zip(results, places, strict=True)],
        )

    return mapped


def _checked_axis(what: str, x: Any, axis: Any) -> int | None:
    """The axis counted from the front, or None."""
    if axis is None:
        return None
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(f"vmap: expected {what} to be integers or None, got {axis!r}")
    ndim = len(x.shape)
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"vmap: {what}: expected an axis of an array of shape {x.shape}, got {axis}"
        )
    return int(axis % ndim)


def batched_variable(x: Any) -> Batched | None:
    """``x`` as a variable of the innermost vmap, the same for all examples; None outside of any."""
    level = len(_levels.sizes)
    if not level:
        return None
    value, is_batched = x if isinstance(x, Node) else np.array(x), False
    if isinstance(x, Batched) and x.level == level:
        if x.requires_grad and is_recording():
            return x.astype(x.dtype)  # recorded, so that an outer derivative goes on
        value, is_batched = x.value, x.is_batched
    variable = Batched(value, level, is_batched)
    variable._requires_grad = True
    return variable


def _all_examples(y: Any, level: int, size: int, axis: Any) -> Any:
    """The results of all examples, with the batch along ``axis``."""
    is_batched = False
    if isinstance(y, Batched) and y.level == level:
        y, is_batched = y.value, y.is_batched
    y = y if isinstance(y, Node) else np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise TypeError(f"vmap: expected a function that returns arrays, got {y!r}")
    if axis is None:
        if is_batched:
            raise ValueError(
                "vmap: out_axes: expected an axis for a result that differs between the examples, "
                "got None"
            )
        return y
    if not is_batched:
        y = ops.broadcast_to(y, shape=(size, *y.shape))
    place = _checked_axis("out_axes", y, axis)
    return ops.moveaxis(y, 0, place) if place else y


def _one_by_one(call: batch_rules.Call) -> Any:
    """What is right for every operation."""
    results = []
    for i in range(call.size):
        pairs = zip(call.values, call.batched, strict=True)
        results.append(call.on(*(x[i] if is_batch else x for x, is_batch in pairs)))
    return ops.stack(results)
