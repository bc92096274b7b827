"""PyTorch's names of axes beside NumPy's: ``dim`` for ``axis``, ``keepdim`` for ``keepdims``.

They are translated here for all operations, functions and methods. A call with ``dim=`` speaks
PyTorch: max, min, sort and topk give a pair then, the values and their indices.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

NAMES = {"dim": "axis", "keepdim": "keepdims"}


class ValuesAndIndices(NamedTuple):
    """What max, min, sort and topk give with ``dim=``, as in PyTorch.

    Attributes:
        values: The elements.
        indices: Where along the axis they stand.
    """

    values: Any
    indices: Any


def in_our_names(name: str, known: Collection[str], given: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments ``given`` for the function ``name`` that knows ``known``.

    Raises:
        TypeError: An argument is given under both names.
    """
    found: dict[str, Any] = {}
    for key, value in given.items():
        ours = NAMES.get(key, key)
        if key not in known and ours in known:
            if ours in given:
                raise TypeError(f"{name}: expected {ours}= or {key}=, got both")
            key = ours
        found[key] = value
    return found


def takes_dim(function: F) -> F:
    """A decorator for a function with ``axis``, which may be called ``dim`` then."""
    known = inspect.signature(function).parameters

    @wraps(function)
    def with_both(*arguments: Any, **named: Any) -> Any:
        if named:
            named = in_our_names(function.__name__, known, named)
        return function(*arguments, **named)

    return with_both  # type: ignore[return-value]
