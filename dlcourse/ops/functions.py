"""Functions that are written with the operations of the table, and so need no rules."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse.ops import table
from dlcourse.ops.axes import position
from dlcourse.ops.axis_names import ValuesAndIndices, takes_dim
from dlcourse.ops.primitive import as_value
from dlcourse.ops.rules import expand_dims as plain_expand_dims
from dlcourse.ops.rules import slice_along, swapaxes
from dlcourse.ops.rules import squeeze as plain_squeeze

__all__ = [
    "einsum", "expand_dims", "moveaxis", "one_hot", "split", "squeeze", "stack", "swapaxes", "topk",
]  # fmt: skip


expand_dims = takes_dim(plain_expand_dims)
squeeze = takes_dim(plain_squeeze)


@takes_dim
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays, all of one shape, joined along a new axis.

    Args:
        arrays: At least one.
        axis: The position of the new axis in the result.

    Source: numpy.stack.
    """
    arrays = [as_value(a) for a in arrays]
    shapes = {a.shape for a in arrays}
    if len(shapes) != 1:
        raise ValueError(f"stack: expected arrays of one shape, got {sorted(shapes) or 'none'}")
    return table.concatenate([expand_dims(a, axis) for a in arrays], axis=axis)


@takes_dim
def split(a: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """The parts of ``a`` along an axis.

    Args:
        indices_or_sections: The number of parts, all of one length; or where to cut: [2, 5] gives
            the elements before 2, those from 2 on before 5, and the rest.

    Raises:
        ValueError: ``a`` does not divide into parts of one length.

    Source: numpy.split. torch.split takes the length of the parts instead.
    """
    a = as_value(a)
    n = a.shape[position("split", axis, len(a.shape))]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1 or n % count:
            raise ValueError(
                f"split: expected a number of parts that divides the axis' length {n}, got {count}"
            )
        cuts = [n // count * i for i in range(1, count)]
    else:
        cuts = list(indices_or_sections)
    bounds = zip([0, *cuts], [*cuts, n], strict=True)
    return [slice_along(a, axis, start, stop) for start, stop in bounds]


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """``a`` with the axes ``source`` at the positions ``destination``; the others keep their order.

    Source: numpy.moveaxis.
    """
    a = as_value(a)
    n = len(a.shape)
    moved, targets = (
        [position("moveaxis", axis, n) for axis in np.atleast_1d(axes).tolist()]
        for axes in (source, destination)
    )
    if len(moved) != len(targets):
        raise ValueError(
            f"moveaxis: expected a destination for each source, got {source} and {destination}"
        )
    order = [axis for axis in range(n) if axis not in moved]
    for target, axis in sorted(zip(targets, moved, strict=True)):
        order.insert(target, axis)
    return table.transpose(a, axes=tuple(order))


def topk(a: Any, k: int, axis: int = -1, largest: bool = True, *, dim: int | None = None) -> Any:
    """The ``k`` largest elements along an axis in descending order, or the smallest in ascending.

    Args:
        a: Any shape with at least one axis.
        k: How many elements.
        axis: Along which axis.
        largest: False for the smallest elements.
        dim: In place of axis; the result is a pair then, ``(values, indices)``.

    Raises:
        ValueError: The axis has fewer than k elements, or a has no such axis.

    Source: torch.topk, which gives the pair always.
    """
    a = as_value(a)
    along = axis if dim is None else dim
    n = a.shape[position("topk", along, len(a.shape))]
    if not 0 <= k <= n:
        raise ValueError(f"topk: expected 0 <= k <= {n}, the length of axis {along}, got k={k}")

    def ends(ordered: Any) -> Any:
        if not largest:
            return slice_along(ordered, along, 0, k)
        return table.flip(slice_along(ordered, along, n - k, n), axis=along)

    if dim is None:
        return ends(table.sort(a, axis=along))
    indices = ends(table.argsort(a, axis=along))
    return ValuesAndIndices(table.take_along_axis(a, indices, axis=along), indices)


def one_hot(labels: Any, classes: int, dtype: Any = np.float64) -> Any:
    """For each label a vector with 1 at that position and 0 elsewhere.

    Args:
        labels: Integers of any shape, an array, a Tensor or a Symbol. One that is not in
            0 .. classes - 1 gives zeros only.
        classes: The length of the vectors, which lie along a new last axis.
        dtype: Of the vectors.

    Source: jax.nn.one_hot.
    """
    return table.astype(
        table.equal(expand_dims(labels, -1), np.arange(classes)), dtype=np.dtype(dtype)
    )


def einsum(subscripts: str, *operands: Any) -> Any:
    """A sum of products of the operands, by Einstein's convention: ``einsum("ij,jk->ik", a, b)``.

    Args:
        subscripts: For each operand a term with one letter an axis. ``...`` stands for the axes
            that have no letter; they broadcast. After ``->`` come the axes of the result; by
            default those of ``...`` and then, in alphabetical order, the letters that occur once.

    Raises:
        ValueError: There is not one term for each operand, or not one letter for each axis.

    Source: numpy.einsum, torch.einsum. As in PyTorch, ``...`` may be absent from the result; its
    axes are summed over then.
    """
    dims = [len(np.shape(x)) for x in operands]
    return table._einsum(operands, subscripts=_explicit(subscripts, dims))


def _explicit(subscripts: str, dims: Sequence[int]) -> str:
    """The same subscripts without ``...`` and with ``->``, for operands of ``dims`` axes."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(dims):
        raise ValueError(
            f"einsum: expected an operand for each of the terms {inputs!r}, got {len(dims)}"
        )
    covered = [n - len(term.replace("...", "")) for term, n in zip(terms, dims, strict=True)]
    for term, n, rest in zip(terms, dims, covered, strict=True):
        if rest < 0 or (rest > 0 and "..." not in term):
            raise ValueError(f"einsum: expected {term!r} to name {n} axes, those of the operand")
    unused = "".join(c for c in string.ascii_letters if c not in subscripts)
    dots = unused[: max(covered, default=0)]
    if not arrow:
        once = sorted(c for c in set(inputs) - set(".,") if inputs.count(c) == 1)
        output = "..." * ("." in inputs) + "".join(once)
    terms = [
        term.replace("...", dots[len(dots) - rest :])
        for term, rest in zip(terms, covered, strict=True)
    ]
    return f"{','.join(terms)}->{output.replace('...', dots)}"
