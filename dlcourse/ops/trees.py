"""Lists, tuples, named tuples and dicts of arrays as a flat list of leaves, and back.

Source: JAX calls such values pytrees, https://docs.jax.dev/en/latest/pytrees.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

LEAF = object()


def flatten(
    value: Any, names: Sequence[str] | None = None, none_is_leaf: bool = False
) -> tuple[list[tuple[str, Any]], Any]:
    """The leaves with their names, such as ``("params.w", leaf)``, and the structure around them.

    Args:
        value: A leaf, or a list, tuple or dict (by sorted keys) of values.
        names: What to call the items of the outermost tuple.
        none_is_leaf: Whether None is a leaf; else it is a structure that has none.
    """
    found: list[tuple[str, Any]] = []

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            return {k: walk(value[k], _join(path, k)) for k in sorted(value)}
        if isinstance(value, list | tuple):
            return _like(value, [walk(v, _join(path, i)) for i, v in enumerate(value)])
        if value is None and not none_is_leaf:
            return None
        found.append((path, value))
        return LEAF

    if names is None:
        return found, walk(value, "")
    return found, tuple([walk(v, n) for v, n in zip(value, names, strict=True)])


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """``value`` with ``function`` of each leaf in its place; None is a leaf."""
    if isinstance(value, list | tuple):
        return _like(value, [map_leaves(function, v) for v in value])
    if isinstance(value, dict):
        return {k: map_leaves(function, v) for k, v in value.items()}
    return function(value)


def leaves(value: Any, none_is_leaf: bool = False) -> list[Any]:
    """The leaves without their names; ``value`` and ``none_is_leaf`` are as for flatten."""
    return [x for _, x in flatten(value, none_is_leaf=none_is_leaf)[0]]


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


def leaves_like(structure: Any, value: Any, what: str) -> list[Any]:
    """The leaves of ``value``, which must have that structure; ``what`` it is, for the error.

    Raises:
        ValueError: It has another structure.
    """
    found, actual = flatten(value)
    if text(actual) != text(structure):
        raise ValueError(f"{what}: expected the structure {text(structure)}, got {text(actual)}")
    return [x for _, x in found]


def spread(prefix: Any, structure: Any, what: str) -> list[Any]:
    """For each leaf of ``structure`` what ``prefix`` says of it, or of a part that it is in.

    Args:
        prefix: A value for all leaves, or a list, tuple or dict with one for each part.
        structure: What `flatten` gave.
        what: What the prefix is, for the error.

    Raises:
        ValueError: The prefix has other parts than the structure.
    """
    if not isinstance(prefix, dict | list | tuple):
        return [prefix] * len(leaves(structure))
    if isinstance(prefix, dict):
        fits = isinstance(structure, dict) and prefix.keys() == structure.keys()
        keys: Sequence[Any] = sorted(prefix)
    else:
        fits = isinstance(structure, list | tuple) and len(prefix) == len(structure)
        keys = range(len(prefix))
    if not fits:
        raise ValueError(
            f"{what}: expected one value, or one for each part of {text(structure)}, got {prefix!r}"
        )
    return [x for key in keys for x in spread(prefix[key], structure[key], what)]


def text(structure: Any) -> str:
    """A structure of containers as text: equal structures have equal texts."""
    if structure is LEAF:
        return "."
    if isinstance(structure, dict):
        return "{" + ", ".join(f"{k!r}: {text(v)}" for k, v in structure.items()) + "}"
    if isinstance(structure, list | tuple):
        return f"{type(structure).__name__}({', '.join(map(text, structure))})"
    return "None"


def _like(sequence: Any, items: list[Any]) -> Any:
    """The items in a list or tuple, also a named tuple, of the sequence's type."""
    make = getattr(type(sequence), "_make", type(sequence))
    return make(items)


def _join(path: str, part: Any) -> str:
    return f"{path}.{part}" if path else str(part)
