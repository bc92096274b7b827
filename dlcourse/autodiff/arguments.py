"""The arguments of the transforms: chosen, checked, and several arrays joined into one vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.node import Node
from dlcourse.autodiff.tensor import Tensor
from dlcourse.ops import trees

Function: TypeAlias = Callable[..., Any]
ArgNums: TypeAlias = int | Sequence[int]


def of_some(
    name: str, function: Function, argnums: ArgNums, arguments: Sequence[Any], named: Any
) -> tuple[list[Any], Function]:
    """The chosen arguments, and the function of them alone."""
    count = len(arguments)
    chosen = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    for i in chosen:
        if isinstance(i, bool) or not isinstance(i, int | np.integer):
            raise TypeError(
                f"{name}: expected argnums to be an integer or several, got {argnums!r}"
            )
        if not -count <= i < count:
            raise ValueError(
                f"{name}: expected {-count} <= argnums < {count}, since {count} arguments were "
                f"given by position; got {argnums!r}"
            )
    chosen = [i % count for i in chosen]
    if len({*chosen}) != len(chosen) or not chosen:
        raise ValueError(f"{name}: expected different argnums, at least one, got {argnums!r}")

    def of_chosen(*variables: Tensor) -> Any:
        all_arguments = list(arguments)
        for i, x in zip(chosen, variables, strict=True):
            all_arguments[i] = x
        return function(*all_arguments, **named)

    return [arguments[i] for i in chosen], of_chosen


def with_tangents(name: str, primals: Any, tangents: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """The primals, and the leaves of the tangents; checked."""
    for what, values in (("primals", primals), ("tangents", tangents)):
        if not isinstance(values, tuple | list):
            raise TypeError(
                f"{name}: expected a tuple of {what}, one for each argument, got "
                f"{type(values).__name__}"
            )
    leaves, structure = trees.flatten(tuple(primals))
    directions = [
        as_node(t) for t in trees.leaves_like(structure, tuple(tangents), f"{name}: tangents")
    ]
    check_shapes(f"{name}: expected tangents", directions, [as_node(x) for _, x in leaves])
    if not leaves:
        raise ValueError(f"{name}: expected at least one primal, got none")
    return tuple(primals), directions


def check_shapes(expected: str, actual: Sequence[Any], like: Sequence[Any]) -> None:
    shapes, others = [x.shape for x in like], [x.shape for x in actual]
    if shapes != others:
        raise ValueError(f"{expected} of the shapes {shapes}, got {others}")


def as_node(x: Any) -> Any:
    return x if isinstance(x, Node) else Tensor(x)


def joined(parts: Sequence[Any]) -> Any:
    """All elements in one vector; a single part as it is."""
    return parts[0] if len(parts) == 1 else ops.concatenate([x.reshape(-1) for x in parts])


def separated(whole: Any, like: Sequence[Any]) -> list[Any]:
    """The parts that `joined` put into ``whole``, in the shapes and dtypes of ``like``."""
    if len(like) == 1:
        return [whole]
    ends = np.cumsum([x.size for x in like]).tolist()
    cuts = zip([0, *ends], ends, like, strict=False)
    return [whole[start:stop].reshape(x.shape).astype(x.dtype) for start, stop, x in cuts]


def stacked(rows: Sequence[Any], x: Any) -> Any:
    """The rows of a Jacobian by ``x``, along a new first axis."""
    if not rows:
        return Tensor(np.zeros((0, *as_node(x).shape)))
    if all(isinstance(row, Tensor) and not row.requires_grad for row in rows):
        return Tensor.wrap(np.stack([row.data for row in rows]))
    return ops.stack(rows)
