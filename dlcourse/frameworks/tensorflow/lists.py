"""TensorFlow's lists of tensors, which TensorArray, map_fn and the layers over time are made of.

A list that a loop of known length fills is a tuple of values while its graph is read, and leaves no
trace in the graph of dlcourse. A loop whose length is known only when it runs carries its lists as
arrays; their lengths must then be known.
"""

# ruff: noqa: ARG001 (a function has every input of the operation, used or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.frameworks.compositions import known_int, known_ints, take


@dataclass(frozen=True)
class TensorList:
    """A list of tensors.

    Attributes:
        items: The elements; None for one that is not set.
        shape: That of each element; -1 for a length that is unknown, None if all is unknown.
        dtype: Of each element.
    """

    items: tuple[Any, ...]
    shape: tuple[int, ...] | None
    dtype: Any

    def known_shape(self) -> tuple[int, ...]:
        """The shape of an element, from one that is set or as it was declared."""
        for item in self.items:
            if item is not None:
                return tuple(item.shape)
        if self.shape is None or -1 in self.shape:
            raise ValueError(
                "a list of tensors is read before one is set, and the shape of its elements is "
                "unknown: give the TensorArray its element_shape"
            )
        return self.shape

    def filled(self) -> list[Any]:
        """The elements, with zeros where none is set, as in TensorFlow."""
        if all(item is not None for item in self.items):
            return list(self.items)
        zeros = np.zeros(self.known_shape(), self.dtype)
        return [zeros if item is None else item for item in self.items]

    def stacked(self) -> Any:
        return ops.stack(self.filled()) if self.items else np.zeros(
            (0, *self.known_shape()), self.dtype)  # fmt: skip

    def like(self, stacked: Any) -> TensorList:
        """A list of the same kind with the elements of an array."""
        return replace(self, items=tuple(stacked[i] for i in range(stacked.shape[0])))


def _declared(shape: Any) -> tuple[int, ...] | None:
    """An element's shape as an input of the operation; the single number -1 means unknown."""
    return known_ints(shape) if np.ndim(shape) else None


def _refined(values: TensorList, shape: Any) -> TensorList:
    declared = _declared(shape)
    return values if declared is None or -1 in declared else replace(values, shape=declared)


def _reserve(shape: Any, count: Any, *, element_dtype: Any) -> TensorList:
    dtype = np.dtype(element_dtype.as_numpy_dtype)
    return TensorList((None,) * known_int(count), _declared(shape), dtype)


def _empty(shape: Any, limit: Any, *, element_dtype: Any) -> TensorList:
    if element_dtype == "variant":  # a list of lists, in the gradient of a loop
        return TensorList((), None, None)
    return TensorList((), _declared(shape), np.dtype(element_dtype.as_numpy_dtype))


def _from_tensor(a: Any, shape: Any) -> TensorList:
    items = tuple(a[i] for i in range(a.shape[0]))
    return TensorList(items, tuple(a.shape[1:]), a.dtype)


def _get_item(values: TensorList, i: Any, shape: Any) -> Any:
    elements = _refined(values, shape).filled()
    if isinstance(i, np.ndarray | np.generic):
        return elements[known_int(i)]
    return take(ops.stack(elements), [i])


def _set_item(
    values: TensorList, i: Any, item: Any, *, resize_if_index_out_of_bounds: bool
) -> TensorList:
    if not isinstance(i, np.ndarray | np.generic):  # the place is computed when the graph runs
        old = replace(values, shape=tuple(item.shape)).filled()
        items = [ops.where(ops.equal(i, j), item, x) for j, x in enumerate(old)]
        return replace(values, items=tuple(items))
    place, items = known_int(i), list(values.items)
    if resize_if_index_out_of_bounds:
        items += [None] * (place + 1 - len(items))
    items[place] = item
    return replace(values, items=tuple(items))


def _push(values: TensorList, item: Any) -> TensorList:
    return replace(values, items=(*values.items, item))


def _pop(values: TensorList, shape: Any) -> tuple[TensorList, Any]:
    last = values.items[-1]
    if last is None:
        last = np.zeros(_refined(values, shape).known_shape(), values.dtype)
    return replace(values, items=values.items[:-1]), last


def _resize(values: TensorList, count: Any) -> TensorList:
    n = known_int(count)
    return replace(values, items=(values.items + (None,) * n)[:n])


def _gather(values: TensorList, indices: Any, shape: Any) -> Any:
    return take(_refined(values, shape).stacked(), [indices])


def _scatter(a: Any, indices: Any, shape: Any, count: Any) -> TensorList:
    items = (None,) * max(known_int(count), 0)
    return _scatter_into(TensorList(items, tuple(a.shape[1:]), a.dtype), a, indices)


def _scatter_into(values: TensorList, a: Any, indices: Any) -> TensorList:
    places = known_ints(indices)
    missing = max((i + 1 for i in places), default=0) - len(values.items)
    items = [*values.items, *[None] * missing]
    for k, i in enumerate(places):
        items[i] = a[k]
    return replace(values, items=tuple(items))


def _concatenated(values: TensorList, shape: Any, leading: Any) -> tuple[Any, Any]:
    elements = values.filled()
    return ops.concatenate(elements), np.array([x.shape[0] for x in elements])


def _split(a: Any, shape: Any, lengths: Any) -> TensorList:
    cuts = np.cumsum(known_ints(lengths))[:-1].tolist()
    return TensorList(tuple(ops.split(a, cuts)), None, a.dtype)


def _element_shape(values: TensorList, *, shape_type: Any) -> Any:
    if values.shape is None and not any(x is not None for x in values.items):
        return np.array(-1)
    return np.array(values.known_shape(), int)


def added(*terms: Any) -> Any:
    """AddN, of arrays or of lists; an element that is not set counts as zeros."""
    if not isinstance(terms[0], TensorList):
        return _sum(terms)
    columns = zip(*(t.items for t in terms), strict=True)
    sums = [[x for x in column if x is not None] for column in columns]
    return replace(terms[0], items=tuple(_sum(column) if column else None for column in sums))


def _sum(terms: Sequence[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def zeros_like(a: Any) -> Any:
    if isinstance(a, TensorList):
        shape = a.known_shape() if any(x is not None for x in a.items) else a.shape
        return replace(a, items=(None,) * len(a.items), shape=shape)
    return np.zeros(a.shape, a.dtype)


TABLE: dict[str, Callable[..., Any]] = {
    "AddN": added, "ZerosLike": zeros_like,
    "TensorListReserve": _reserve, "EmptyTensorList": _empty,
    "TensorListFromTensor": _from_tensor,
    "TensorListStack": lambda values, shape: _refined(values, shape).stacked(),
    "TensorListGetItem": _get_item, "TensorListSetItem": _set_item,
    "TensorListPushBack": _push, "TensorListPopBack": _pop,
    "TensorListLength": lambda values: np.array(len(values.items)),
    "TensorListElementShape": _element_shape,
    "TensorListResize": _resize, "TensorListGather": _gather,
    "TensorListScatterV2": _scatter, "TensorListScatterIntoExistingList": _scatter_into,
    "TensorListConcatV2": _concatenated,
    "TensorListSplit": _split,
}  # fmt: skip
