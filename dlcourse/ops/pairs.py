"""Elements along an axis with their indices, as PyTorch gives them: what ``dim=`` asks for."""

from __future__ import annotations

from typing import Any

from dlcourse.ops.axis_names import ValuesAndIndices
from dlcourse.ops.primitive import operations as t
from dlcourse.ops.rules import squeeze


def largest(a: Any, axis: int, keepdims: bool = False) -> ValuesAndIndices:
    """The largest elements along ``axis``: the first of those that tie, and its gradient too."""
    return at(a, t.argmax(a, axis=axis, keepdims=True), axis, keepdims)


def smallest(a: Any, axis: int, keepdims: bool = False) -> ValuesAndIndices:
    """The smallest elements along ``axis``: the first of those that tie, and its gradient too."""
    return at(a, t.argmin(a, axis=axis, keepdims=True), axis, keepdims)


def sorted_pair(a: Any, axis: int) -> ValuesAndIndices:
    """The elements in ascending order along ``axis``."""
    return at(a, t.argsort(a, axis=axis), axis)


def at(a: Any, indices: Any, axis: int, keepdims: bool = True) -> ValuesAndIndices:
    """The elements at ``indices`` along ``axis``, with the indices."""
    values = t.take_along_axis(a, indices, axis=axis)
    if keepdims:
        return ValuesAndIndices(values, indices)
    return ValuesAndIndices(squeeze(values, axis), squeeze(indices, axis))
