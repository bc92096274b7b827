"""TensorFlow's choices and loops, which call functions.

A loop whose condition is known while the graph is read (a loop over the steps of a sequence) is
unrolled, and so has a gradient; any other becomes a while_loop of `dlcourse.graphs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import graphs, ops
from dlcourse.frameworks.tensorflow.lists import TensorList

Function = Callable[[Sequence[Any]], list[Any]]


def _is_known(a: Any) -> bool:
    return isinstance(a, bool | np.ndarray | np.generic)


def _one_or_all(values: list[Any]) -> Any:
    """As the results of an operation: one alone is no list."""
    return values[0] if len(values) == 1 else values


def _packed(values: Sequence[Any]) -> list[Any]:
    return [v.stacked() if isinstance(v, TensorList) else v for v in values]


def _unpacked(arrays: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """The arrays, those that stand for a list as one."""
    pairs = zip(arrays, like, strict=True)
    return [x.like(a) if isinstance(x, TensorList) else a for a, x in pairs]


def _loop(*start: Any, cond: Function, body: Function) -> Any:
    values = list(start)
    while _is_known(holds := cond(values)[0]):
        if not holds:
            return _one_or_all(values)
        values = body(values)
    kinds = values
    last = graphs.while_loop(
        lambda x: cond(_unpacked(x, kinds))[0],
        lambda x: _packed(body(_unpacked(x, kinds))),
        _packed(values),
    )
    return _one_or_all(_unpacked(last, kinds))


def _either(predicate: Any, arguments: Sequence[Any], yes: Function, no: Function) -> list[Any]:
    if predicate.dtype != bool:
        predicate = ops.not_equal(predicate, 0)
    if _is_known(predicate):
        return yes(arguments) if predicate else no(arguments)
    kinds: list[Any] = []

    def branch(function: Function) -> Callable[[], list[Any]]:
        def packed() -> list[Any]:
            kinds[:] = function(arguments)
            return _packed(kinds)

        return packed

    return _unpacked(graphs.cond(predicate, branch(yes), branch(no)), kinds)


def _if(predicate: Any, *arguments: Any, then_branch: Function, else_branch: Function) -> Any:
    return _one_or_all(_either(predicate, arguments, then_branch, else_branch))


def _case(number: Any, *arguments: Any, **branches: Function) -> Any:
    """The branch of that number, else the last."""
    functions = list(branches.values())

    def from_on(i: int) -> Function:
        if i == len(functions) - 1:
            return functions[i]
        return lambda given: _either(ops.equal(number, i), given, functions[i], from_on(i + 1))

    return _one_or_all(from_on(0)(arguments))


TABLE: dict[str, Callable[..., Any]] = {
    "While": _loop, "StatelessWhile": _loop,
    "If": _if, "StatelessIf": _if, "Case": _case, "StatelessCase": _case,
}  # fmt: skip
