"""Reads what comes out of a sandbox. Every byte of it may have been written by student code.

Lines are bounded before they come here. Nothing is looked up, imported or called by a name that
was read; a value is rebuilt only if all of it has the expected form.
"""

import binascii
import json
import math
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import nbformat
import numpy as np
from nbformat import NotebookNode

from dlcourse.grading.sandbox.runner.protocol import DTYPES, EXCEPTIONS, TEXT_MIME_TYPES

MAX_DEPTH = 100  # of any JSON


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


ProbeStatus = Literal["data", "raised", "undefined", "timeout", "died", "unreadable", "not reached"]


@dataclass(frozen=True)
class ProbeResult:
    """What a probe returned: the data of its cases in their order, and how it ended.

    A probe that does not yield cases has one, without a name. ``error`` is the kind of exception
    that it raised, "" for one of no known kind, or the name that the notebook does not define.
    ``seconds`` of processor time it took.
    """

    status: ProbeStatus
    cases: tuple[tuple[str, object], ...] = ()
    error: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def data(self) -> object:
        """The data of a probe that does not yield cases."""
        return self.cases[0][1] if self.cases else None


def read_answer(event: dict[str, Any]) -> ProbeResult:
    """The answer of a probe; never raises."""
    lines = event.get("lines")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return ProbeResult("unreadable")
    cases: list[tuple[str, object]] = []
    for line in lines:
        word, _, text = line.partition(" ")
        try:
            value = parse_json(text)
            if word == "case":
                label, data = value
                if not isinstance(label, str):
                    raise UnreadableError("a case without a name")
                cases.append((label, decode(data)))
                continue
        except (UnreadableError, TypeError, ValueError):
            return ProbeResult("unreadable", tuple(cases))
        if word == "end":
            return ProbeResult("data", tuple(cases))
        if word == "raised":
            return ProbeResult("raised", tuple(cases), known(value))
        if word == "undefined" and isinstance(value, str):
            return ProbeResult("undefined", tuple(cases), value)
        return ProbeResult("unreadable", tuple(cases))
    ending = event.get("ending")
    return ProbeResult(ending if ending in ("timeout", "died") else "unreadable", tuple(cases))


def known(name: object) -> str:
    """The name of an exception if a report may give it, else ""."""
    return name if isinstance(name, str) and name in (*EXCEPTIONS, "timeout") else ""


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
