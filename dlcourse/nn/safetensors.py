"""The safetensors format: 8 bytes with the length of a header, the header in JSON, the numbers.

The header has for each tensor its dtype, its shape, and where in the rest of the file its bytes
begin and end, without gaps or overlaps. All numbers are little-endian, in C order.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dlcourse.ops import Array

DTYPES = {
    name: np.dtype(code)
    for name, code in {
        "F64": "<f8", "F32": "<f4", "F16": "<f2",
        "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
        "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
        "BOOL": "?",
    }.items()
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}
MAX_HEADER = 100_000_000  # bytes, as in the reference implementation
METADATA = "__metadata__"  # a key of the header with texts about the file


def dumps(state: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """Arrays by name as the bytes of a file.

    Args:
        state: The arrays.
        metadata: Texts by name, about the file.

    Raises:
        ValueError: The format has no such dtype, or the name is its own key for metadata.
    """
    header: dict[str, Any] = {} if metadata is None else {METADATA: dict(metadata)}
    parts: list[bytes] = []
    stop = 0
    arrays = {name: np.asarray(value) for name, value in state.items()}
    # The widest numbers first, so that all are aligned.
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        dtype = array.dtype.newbyteorder("<")
        if dtype not in NAMES or name == METADATA:
            raise ValueError(
                f"safetensors: expected one of the dtypes {', '.join(map(str, NAMES))} and a name "
                f"other than {METADATA}; got {name!r} of dtype {array.dtype}"
            )
        parts.append(array.astype(dtype).tobytes())
        start, stop = stop, stop + len(parts[-1])
        header[name] = {
            "dtype": NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [start, stop],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def loads(data: bytes) -> dict[str, Array]:
    """The arrays by name, from the bytes of a file; metadata is passed over.

    Raises:
        ValueError: What is wrong with the file.
    """
    header, body = _parts(data)
    found = {
        name: _entry(name, entry, len(body)) for name, entry in header.items() if name != METADATA
    }
    _check_layout({name: place for name, (_, _, place) in found.items()}, len(body))
    return {
        name: np.frombuffer(body[place], dtype).reshape(shape).astype(dtype.newbyteorder("="))
        for name, (dtype, shape, place) in found.items()
    }


def metadata_of(data: bytes) -> dict[str, str]:
    """The texts about the file, by name, from its bytes.

    Raises:
        ValueError: What is wrong with the header.
    """
    texts = _parts(data)[0].get(METADATA, {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f"safetensors: expected texts by name as {METADATA}, got {texts!r:.40}")
    return texts


def _parts(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header, and the bytes behind it."""
    if len(data) < 8:
        raise ValueError(f"safetensors: expected at least 8 bytes, got {len(data)}")
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER, len(data) - 8):
        raise ValueError(
            f"safetensors: the header is said to have {length} bytes; the file has {len(data) - 8} "
            f"after its length, and {MAX_HEADER} are allowed"
        )
    return _header(data[8 : 8 + length]), memoryview(data)[8 + length :]


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"safetensors: the header is no JSON; {error}") from error
    if not isinstance(header, dict):
        raise ValueError(f"safetensors: expected a JSON object as header, got {header!r:.40}")
    return header


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a name is there twice among {[name for name, _ in pairs]}")
    return found


def _entry(name: str, entry: Any, size: int) -> tuple[np.dtype[Any], tuple[int, ...], slice]:
    """The dtype, the shape and the place of a tensor, from its entry in the header."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(
            f"safetensors: expected {name!r} to have dtype, shape and data_offsets, got {entry!r}"
        )
    dtype = DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if dtype is None:
        raise ValueError(
            f"safetensors: {name!r} has the dtype {entry['dtype']!r}; known are {', '.join(DTYPES)}"
        )
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(
            f"safetensors: expected whole numbers >= 0 as shape and two as data_offsets of "
            f"{name!r}, got {shape!r} and {offsets!r}"
        )
    start, stop = offsets
    if not start <= stop <= size:
        raise ValueError(
            f"safetensors: {name!r} is said to lie in bytes {start} to {stop} of {size}"
        )
    if stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError(
            f"safetensors: {name!r} of shape {shape} and dtype {entry['dtype']} needs "
            f"{math.prod(shape) * dtype.itemsize} bytes, its data_offsets give {stop - start}"
        )
    return dtype, tuple(shape), slice(start, stop)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


def _check_layout(places: Mapping[str, slice], size: int) -> None:
    """Refuse tensors that overlap or leave bytes unused, in which something could hide."""
    stop = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].stop)):
        if place.start != stop:
            kind = "overlaps the tensor before it" if place.start < stop else "leaves a gap"
            raise ValueError(
                f"safetensors: {name!r} {kind}: it begins at byte {place.start}, expected {stop}"
            )
        stop = place.stop
    if stop != size:
        raise ValueError(f"safetensors: the tensors end at byte {stop}, the file at {size}")
