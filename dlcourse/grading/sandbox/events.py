"""Reads what comes out of a sandbox. Every byte of it may have been written by student code.

Lines are bounded before they come here. Nothing is looked up, imported or called by a name that
was read; a value is rebuilt only if all of it has the expected form.
"""

import binascii
import builtins
import json
import math
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Literal

import nbformat
import numpy as np
from nbformat import NotebookNode

MAX_DEPTH = 100  # of any JSON
DTYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
TEXT_MIME_TYPES = (
    "text/plain",
    "text/html",
    "text/markdown",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/svg+xml",
)
BUILTIN_EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)


class UnreadableError(Exception):
    """What came out of the sandbox has not the form that it must have."""


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text of bounded depth, every string of it valid Unicode.

    Raises UnreadableError for all else, among it NaN, Infinity and integers of thousands of digits.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {type(error).__name__}") from None
    frontier = [(value, 0)]
    while frontier:
        item, depth = frontier.pop()
        if depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        if isinstance(item, dict):
            frontier += [(key, depth + 1) for key in item]
            frontier += [(part, depth + 1) for part in item.values()]
        elif isinstance(item, list):
            frontier += [(part, depth + 1) for part in item]
        elif isinstance(item, str) and not item.isascii():
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise UnreadableError("a string that is not valid Unicode") from None
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# --- A probe's data ---------------------------------------------------------------------------


def decode(value: Any) -> object:
    """The plain data that the runner's `encode` made `value` from.

    None, bool, int, float, complex, str, list, tuple, dict with str keys, and NumPy arrays of bool,
    int, float and complex dtypes (NumPy's own scalars come as 0-d arrays). Raises UnreadableError.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [decode(item) for item in value]
    match value:
        case {"type": "float", "value": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case {"type": "complex", "value": [str(real), str(imag)], **rest} if not rest:
            return complex(_float(real), _float(imag))
        case {"type": "tuple", "items": list(items), **rest} if not rest:
            return tuple(decode(item) for item in items)
        case {"type": "dict", "items": list(items), **rest} if not rest:
            pairs = [item for item in items if isinstance(item, list) and len(item) == 2]
            if len(pairs) == len(items) and all(isinstance(key, str) for key, _ in pairs):
                return {key: decode(item) for key, item in pairs}
        case {
            "type": "ndarray",
            "dtype": str(dtype),
            "shape": list(shape),
            "base64": str(data),
            **rest,
        } if not rest:
            return decode_array(dtype, shape, data)
    raise UnreadableError("an unknown kind of value")


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UnreadableError("not a number") from None


def decode_array(dtype: str, shape: list[object], data: str) -> np.ndarray[Any, Any]:
    """An array from its dtype (one of DTYPES), shape, and base64 of its little-endian bytes."""
    if dtype not in DTYPES:
        raise UnreadableError("an array of an unknown dtype")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise UnreadableError("an array of an impossible shape")
    try:
        buffer = b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise UnreadableError("an array whose bytes are not base64") from None
    sizes = [n for n in shape if isinstance(n, int)]
    little = np.dtype("<" + dtype)
    if math.prod(sizes) * little.itemsize != len(buffer):
        raise UnreadableError("an array whose bytes do not fit its shape")
    if dtype == "b1" and not set(buffer) <= {0, 1}:
        raise UnreadableError("a boolean array with other values than 0 and 1")
    try:
        array = np.frombuffer(buffer, little).reshape(sizes)
    except ValueError:  # without an element, but larger along other axes than an array can be
        raise UnreadableError("an array of an impossible shape") from None
    return array.astype(little.newbyteorder("="))


ProbeStatus = Literal["data", "raised", "timeout", "died", "unreadable", "not reached"]


def read_answer(event: dict[str, Any]) -> tuple[ProbeStatus, object, str | None]:
    """The (status, data, name of the exception) of a probe's answer; never raises."""
    status, payload = event.get("status"), event.get("payload")
    if not isinstance(payload, str):
        return "unreadable", None, None
    if status == "data":
        try:
            return "data", decode(parse_json(payload)), None
        except UnreadableError:
            return "unreadable", None, None
    if status == "raised":
        return "raised", None, payload if payload in BUILTIN_EXCEPTIONS else "an exception"
    if status == "timeout":
        return "timeout", None, None
    if status == "died":
        return "died", None, None
    return "unreadable", None, None


# --- A cell's outputs -------------------------------------------------------------------------


def read_outputs(value: object, execution_count: int) -> list[NotebookNode]:
    """nbformat outputs, rebuilt from the known fields; what is not of their form is left out."""
    outputs = []
    for item in value if isinstance(value, list) else []:
        output = _read_output(item, execution_count) if isinstance(item, dict) else None
        if output is not None:
            outputs.append(output)
    return outputs


def _read_output(item: dict[str, Any], execution_count: int) -> NotebookNode | None:
    new: Callable[..., NotebookNode] = nbformat.v4.new_output
    match item:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return new("stream", name=name, text=text)
        case {
            "output_type": "error",
            "ename": str(ename),
            "evalue": str(evalue),
            "traceback": list(lines),
        } if all(isinstance(line, str) for line in lines):
            return new("error", ename=ename, evalue=evalue, traceback=lines)
        case {"output_type": "display_data", "data": dict(data), "metadata": dict(sizes)}:
            return new("display_data", data=_read_data(data), metadata=_read_sizes(sizes))
        case {"output_type": "execute_result", "data": dict(data), "metadata": dict(sizes)}:
            return new(
                "execute_result",
                data=_read_data(data),
                metadata=_read_sizes(sizes),
                execution_count=execution_count,
            )
    return None


def _read_data(data: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        mime: data[mime] for mime in TEXT_MIME_TYPES if isinstance(data.get(mime), str)
    }
    if "application/json" in data:
        kept["application/json"] = data["application/json"]
    return kept


def _read_sizes(metadata: dict[str, Any]) -> dict[str, Any]:
    """Of the metadata of images, their width and height in pixels."""
    sizes: dict[str, Any] = {}
    for mime in TEXT_MIME_TYPES:
        extra = metadata.get(mime)
        if isinstance(extra, dict):
            sizes[mime] = {
                key: extra[key]
                for key in ("width", "height")
                if type(extra.get(key)) is int and 0 < extra[key] < 10_000
            }
    return sizes
