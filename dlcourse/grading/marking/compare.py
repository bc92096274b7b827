"""Compares what a probe returned for a student with what it returned for the reference.

Structure is strict: the same keys, lengths, shapes and strings. Number types are lenient: an int,
a float, a NumPy scalar and a 0-d array of the same value are the same answer, and so are a list, a
tuple and an array of the same content. A bool is not a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

WRONG = "wrong value"


def same(reference: object, answer: object, *, rtol: float, atol: float) -> bool:
    """Whether there is no `difference`."""
    return difference(reference, answer, rtol=rtol, atol=atol) is None


def difference(reference: object, answer: object, *, rtol: float, atol: float) -> str | None:
    """How the answer differs from the reference, in a few fixed words; None if it does not.

    Each number must be within ``atol + rtol * |reference|``. NaN equals NaN, and an infinity equals
    the same infinity only. Both arguments are plain data: None, bool, int, float, complex, str,
    ndarray, and lists, tuples and dicts of these. Of the answer nothing is quoted: it comes from a
    process that holds the hidden checks.
    """
    # A stack of pairs rather than recursion: the answer may be nested deeper than Python recurses.
    pairs = [(reference, answer)]
    while pairs:
        expected, actual = pairs.pop()
        if actual is None and expected is not None:
            return "None"
        if isinstance(expected, Mapping) or isinstance(actual, Mapping):
            if not (isinstance(expected, Mapping) and isinstance(actual, Mapping)):
                return "wrong type"
            if missing := [key for key in expected if key not in actual]:
                return f"no entry {missing[0]!r}"
            if len(expected) < len(actual):
                return "an entry too many"
            pairs.extend((expected[key], actual[key]) for key in reversed(list(expected)))
            continue
        if _is_exact(expected) or _is_exact(actual):
            if isinstance(expected, str | bytes) != isinstance(actual, str | bytes):
                return "wrong type"
            if not (_is_exact(expected) and _is_exact(actual) and expected == actual):
                return WRONG
            continue
        expected_array, actual_array = _as_array(expected), _as_array(actual)
        if expected_array is not None and actual_array is not None:
            if (problem := _differing(expected_array, actual_array, rtol, atol)) is not None:
                return problem
            continue
        if not _has_items(expected) or not _has_items(actual):
            return "wrong type"
        if len(expected) != len(actual):
            return "wrong length"
        pairs.extend(reversed(list(zip(expected, actual, strict=True))))
    return None


def _is_exact(value: object) -> bool:
    """Whether a value has no tolerance: None, text, and integers that NumPy cannot hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return not -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | bytes)


def _as_array(value: object) -> Array | None:
    """The numbers of a scalar, an array or a rectangular nesting of them; else None."""
    if _is_exact(value):
        return None
    if isinstance(value, bool | int | float | complex | np.generic):
        array = np.asarray(value)
    elif isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, list | tuple):
        items = [_as_array(item) for item in value] if _is_shallow(value) else [None]
        arrays = [item for item in items if item is not None]
        if len(arrays) < len(items):
            return None
        kinds = {item.dtype.kind == "b" for item in arrays}
        if len({item.shape for item in arrays}) > 1 or len(kinds) > 1:
            return None
        array = np.stack(arrays) if arrays else np.empty(0)
    else:
        return None
    return array if array.dtype.kind in "biufc" else None


def _is_shallow(value: Sequence[object], limit: int = 32) -> bool:
    """Whether a nesting is at most ``limit`` deep (NumPy's own limit is 64 dimensions)."""
    level: list[object] = [value]
    for _ in range(limit):
        level = [x for item in level if isinstance(item, list | tuple) for x in item]
        if not level:
            return True
    return False


def _has_items(value: object) -> TypeGuard[Sequence[object]]:
    """Whether a value is a sequence. An array of shape (n, 0) has n items in no bytes at all."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _differing(expected: Array, actual: Array, rtol: float, atol: float) -> str | None:
    if expected.shape != actual.shape:
        return "wrong shape"
    if expected.size == 0:
        return None
    if (expected.dtype.kind == "b") != (actual.dtype.kind == "b"):
        return "wrong type"
    if expected.dtype.kind in "biu" and actual.dtype.kind in "biu":
        return None if np.array_equal(expected, actual) else WRONG
    with np.errstate(all="ignore"):
        if np.allclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True):
            return None
        return "NaN" if np.any(np.isnan(actual) & ~np.isnan(expected)) else WRONG
