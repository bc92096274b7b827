"""Lists, tuples and dicts of arrays as a flat list of leaves, and back.

Source: JAX calls such values pytrees, https://docs.jax.dev/en/latest/pytrees.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

LEAF = object()


def flatten(value: Any, names: Sequence[str] | None = None) -> tuple[list[tuple[str, Any]], Any]:
    """The leaves with their names, such as ``("params.w", leaf)``, and the structure around them.

    Args:
        value: A leaf, or a list, tuple or dict (by sorted keys) of values; None has no leaf.
        names: What to call the items of the outermost tuple.
    """
    leaves: list[tuple[str, Any]] = []

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {k: walk(value[k], _join(path, k)) for k in sorted(value)}
        if isinstance(value, list | tuple):
            return _like(value, [walk(v, _join(path, i)) for i, v in enumerate(value)])
        if value is None:
            return None
        leaves.append((path, value))
        return LEAF

    if names is None:
        return leaves, walk(value, "")
    return leaves, tuple([walk(v, n) for v, n in zip(value, names, strict=True)])


def unflatten(structure: Any, leaves: Sequence[Any]) -> Any:
    """The value with the given structure and leaves."""
    rest: Iterator[Any] = iter(leaves)

    def build(structure: Any) -> Any:
        if structure is LEAF:
            return next(rest)
        if isinstance(structure, dict):
            return {k: build(v) for k, v in structure.items()}
        if isinstance(structure, list | tuple):
            return _like(structure, [build(v) for v in structure])
        return None

    return build(structure)


def _like(sequence: Any, items: list[Any]) -> Any:
    """The items in a list or tuple, also a named tuple, of the sequence's type."""
    make = getattr(type(sequence), "_make", type(sequence))
    return make(items)


def _join(path: str, part: Any) -> str:
    return f"{path}.{part}" if path else str(part)
