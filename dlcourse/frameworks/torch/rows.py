"""How the rows of the tables are written: several overloads of one function, casts, axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dlcourse import ops
from dlcourse.ops import Axis

Rows: TypeAlias = dict[str, Callable[..., Any]]


def overloads(names: str, rows: Rows) -> Rows:
    """Each function under ``aten.<its name>.<each of the names>``."""
    return {f"aten.{op}.{name}": f for op, f in rows.items() for name in names.split()}


def cast(a: Any, dtype: Any) -> Any:
    return a if dtype is None else ops.astype(a, dtype=dtype)


def axis_of(dim: int | Sequence[int] | None) -> Axis:
    """What NumPy calls axis; for aten, no axes at all means each of them."""
    return dim if isinstance(dim, int) else tuple(dim or ()) or None


def same(a: Any, *_how: Any, **_parameters: Any) -> Any:
    """The same values; PyTorch's dtype is taken from what it recorded."""
    return a
