"""A probe's data as JSON: plain values only, and arrays of numbers."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any

from .own import (
    BUILTINS,
    numpy,
)
from .protocol import DTYPES, MAX_DATA_DEPTH

__builtins__ = BUILTINS  # type: ignore[assignment]

Json = dict[str, Any]


class NotPlainDataError(Exception):
    """A probe returned something else than numbers, strings, arrays and containers of them."""


def encode(value: Any, depth: int = 0) -> Any:
    """`value` for JSON: lists as they are, all that JSON lacks as an object with a "type".

    Raises NotPlainDataError for other classes, deep nesting, arrays of objects and keys of dicts
    that are no str.
    """
    if depth > MAX_DATA_DEPTH:
        raise NotPlainDataError("nested too deeply")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, numpy.generic | numpy.ndarray):
        return encode_array(numpy.asarray(value))
    # A subclass is read through its base class's methods: it may have overridden them.
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        number = float.__float__(value)
        return number if isfinite(number) else {"type": "float", "value": repr(number)}
    if isinstance(value, complex):
        z = complex.__complex__(value)
        return {"type": "complex", "value": [repr(z.real), repr(z.imag)]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [encode(item, depth + 1) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"type": "tuple", "items": [encode(x, depth + 1) for x in tuple.__iter__(value)]}
    if isinstance(value, dict):
        pairs = []
        for key, item in dict.items(value):
            if not isinstance(key, str):
                raise NotPlainDataError("a dict with a key that is no str")
            pairs.append([str.__str__(key), encode(item, depth + 1)])
        return {"type": "dict", "items": pairs}
    raise NotPlainDataError(type(value).__name__)


def encode_array(array: Any) -> Json:
    """An array of bool, int, float or complex numbers, its bytes in little-endian C order."""
    if array.dtype.str[1:] not in DTYPES:
        raise NotPlainDataError(f"an array of dtype {array.dtype}")
    little = array.astype(array.dtype.newbyteorder("<"))
    return {
        "type": "ndarray",
        "dtype": little.dtype.str[1:],
        "shape": list(little.shape),
        "base64": b64encode(little.tobytes()).decode("ascii"),
    }
