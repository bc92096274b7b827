"""A graph read from JSON text, of which nothing is believed and nothing evaluated.

Each type is inferred again and compared. The time and memory that this takes are those of tracing
a function that makes such a graph.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse.graphs.control.bundles import Bundle
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.json.form import (
    DTYPES,
    FORMAT,
    LARGEST,
    VERSION,
    Json,
    check_name,
    names_text,
    operations,
    short,
    unexpected,
)
from dlcourse.graphs.result_types import result_types, types_text
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import Array


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote.

    Raises:
        ValueError: The text is no graph of this version; the message says where, and what was
            expected there.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
        form, version, graph = _fields(data, "the text", "format", "version", "graph")
        if form != FORMAT or version != VERSION or type(version) is not int:
            raise ValueError(
                f'expected "format": "{FORMAT}" and "version": {VERSION}, '
                f"got {short(form)} and {short(version)}"
            )
        return _read_graph(graph, "graph")
    except RecursionError:
        raise ValueError("from_json: the text is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"from_json: {error}") from error


def _read_graph(data: Json, where: str) -> Graph:
    name, inputs, constants, nodes, outputs = _fields(
        data, where, "name", "inputs", "constants", "nodes", "outputs"
    )
    check_name(name, where)
    values: list[Symbol] = []
    arrays = [
        _read_constant(item, f"{where}.constants[{i}]")
        for i, item in enumerate(_items(constants, f"{where}.constants"))
    ]
    for i, item in enumerate(_items(inputs, f"{where}.inputs")):
        place = f"{where}.inputs[{i}]"
        input_name, dtype, shape = _fields(item, place, "name", "dtype", "shape")
        if input_name is not None and type(input_name) is not str:
            raise unexpected(f"{place}.name", "a string or null", input_name)
        read = _read_type(dtype, shape, place)
        values.append(Symbol(*read, name=input_name))
    count = len(values)
    for i, item in enumerate(_items(nodes, f"{where}.nodes")):
        values.append(_read_node(item, values, arrays, f"{where}.nodes[{i}]"))
    results = [
        _read_operand(item, values, arrays, f"{where}.outputs[{i}]")
        for i, item in enumerate(_items(outputs, f"{where}.outputs"))
    ]
    return Graph(values[:count], results, name, values[count:])


def _read_node(data: Json, values: Sequence[Symbol], arrays: Sequence[Any], where: str) -> Symbol:
    name, operand_data, parameter_data, type_data = _fields(
        data, where, "op", "operands", "parameters", "types"
    )
    op = operations().get(name) if type(name) is str else None
    if op is None:
        close = difflib.get_close_matches(str(name)[:40], operations(), n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"{where}.op: unknown operation {short(name)}.{hint}")
    operands = tuple(
        _read_operand(item, values, arrays, f"{where}.operands[{i}]")
        for i, item in enumerate(_items(operand_data, f"{where}.operands"))
    )
    if op.each is None and len(operands) != len(op.arguments):
        raise ValueError(
            f"{where}.operands: {op.name} takes {len(op.arguments)} ({', '.join(op.arguments)}), "
            f"got {len(operands)}"
        )
    if type(parameter_data) is not dict or not parameter_data.keys() <= {*op.parameters}:
        expected = f"parameters of {op.name}, which has {', '.join(op.parameters) or 'none'}"
        raise unexpected(f"{where}.parameters", expected, parameter_data)
    parameters = {
        key: _read_value(item, f"{where}.parameters.{key}") for key, item in parameter_data.items()
    }
    declared = []
    for i, item in enumerate(_items(type_data, f"{where}.types")):
        dtype, shape = _fields(item, f"{where}.types[{i}]", "dtype", "shape")
        declared.append(Symbol(*_read_type(dtype, shape, f"{where}.types[{i}]")))
    try:
        inferred = result_types(op, operands, parameters)
    except (Exception, MemoryError) as error:  # a kernel that gets nonsense may raise anything
        raise ValueError(f"{where}: {op.name} does not take this: {error}") from error
    if types_text(inferred) != types_text(declared):
        raise ValueError(
            f"{where}: {op.name} of these operands is {types_text(inferred)}, "
            f"got {types_text(declared)}"
        )
    if op.has_several_results:
        return Bundle(inferred, op=op, inputs=operands, parameters=parameters)
    (y,) = inferred
    return Symbol(y.shape, y.dtype, op=op, inputs=operands, parameters=parameters)


def _read_operand(
    data: Json, values: Sequence[Symbol], arrays: Sequence[Any], where: str
) -> Symbol | Array | bool | int | float:
    if type(data) is dict and data.keys() in ({"ref"}, {"constant"}):
        ((tag, index),) = data.items()
        known: Sequence[Any] = values if tag == "ref" else arrays
        if type(index) is not int or not 0 <= index < len(known):
            raise unexpected(f"{where}.{tag}", f"one of the {len(known)} before it", index)
        return known[index]  # type: ignore[no-any-return]
    value = _read_value(data, where)
    if not isinstance(value, bool | int | float):
        raise unexpected(where, 'a number, {"ref": n} or {"constant": n}', data)
    return value


def _read_constant(data: Json, where: str) -> Any:
    value = _read_value(data, where)
    if not isinstance(value, np.ndarray | np.generic):
        raise unexpected(where, "an array or scalar", data)
    return value


def _read_value(data: Json, where: str) -> Any:
    if type(data) is float and not math.isfinite(data):
        raise unexpected(where, "a float that is finite as it is written", data)
    if data is None or type(data) in (bool, int, float, str):
        return data
    if type(data) is list:
        return [_read_value(v, f"{where}[{i}]") for i, v in enumerate(data)]
    if type(data) is not dict or len(data) != 1 or next(iter(data)) not in _READERS:
        raise unexpected(where, f"a plain value or one of the tags {', '.join(_READERS)}", data)
    ((tag, content),) = data.items()
    return _READERS[tag](content, f"{where}.{tag}")


def _read_float(data: Json, where: str) -> float:
    if data not in ("inf", "-inf", "nan"):
        raise unexpected(where, '"inf", "-inf" or "nan"', data)
    return float(data)


def _read_tuple(data: Json, where: str) -> tuple[Any, ...]:
    return tuple(_read_value(v, f"{where}[{i}]") for i, v in enumerate(_items(data, where)))


def _read_slice(data: Json, where: str) -> slice:
    parts = _read_tuple(data, where)
    if len(parts) != 3 or not all(p is None or type(p) is int for p in parts):
        raise unexpected(where, "three integers or nulls", data)
    return slice(*parts)


def _read_ellipsis(data: Json, where: str) -> Any:
    if data is not True:
        raise unexpected(where, "true", data)
    return ...


def _read_dtype(data: Json, where: str) -> np.dtype[Any]:
    found = [dtype for dtype in DTYPES if dtype.name == data]
    if not found:
        raise unexpected(where, f"one of {names_text(DTYPES)}", data)
    return found[0]


def _read_array(data: Json, where: str) -> Array:
    dtype_data, shape_data, text = _fields(data, where, "dtype", "shape", "data")
    shape, dtype = _read_type(dtype_data, shape_data, where)
    expected = math.prod(shape) * dtype.itemsize
    try:
        bits = base64.b64decode(text, validate=True) if type(text) is str else b""
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{where}.data: expected base64: {error}") from error
    if type(text) is not str or len(bits) != expected:
        raise unexpected(f"{where}.data", f"the base64 of {expected} bytes", text)
    if dtype.kind == "b" and max(bits, default=0) > 1:
        raise ValueError(f"{where}.data: expected booleans, 0 or 1 in each byte")
    little = np.frombuffer(bits, dtype.newbyteorder("<"))
    return little.astype(dtype).reshape(shape)


def _read_scalar(data: Json, where: str) -> Any:
    array = _read_array(data, where)
    if array.shape != ():
        raise ValueError(f"{where}.shape: expected [], got {list(array.shape)}")
    return array[()]


_READERS = {
    "float": _read_float,
    "tuple": _read_tuple,
    "slice": _read_slice,
    "ellipsis": _read_ellipsis,
    "dtype": _read_dtype,
    "array": _read_array,
    "scalar": _read_scalar,
    "graph": _read_graph,
}


def _read_type(dtype: Json, shape: Json, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    lengths = _items(shape, f"{where}.shape")
    if not all(type(n) is int and n >= 0 for n in lengths) or len(lengths) > 64:
        raise unexpected(f"{where}.shape", "at most 64 integers, none below 0", shape)
    if math.prod(lengths) > LARGEST:
        raise unexpected(f"{where}.shape", f"at most {LARGEST} elements", shape)
    return tuple(lengths), _read_dtype(dtype, f"{where}.dtype")


# --- Objects and lists ----------------------------------------------------------------------------


def _fields(data: Json, where: str, *names: str) -> list[Json]:
    """The values of an object that has exactly these keys."""
    if type(data) is not dict or data.keys() != {*names}:
        got = list(data) if type(data) is dict else data
        raise unexpected(where, f"an object with the keys {', '.join(names)}", got)
    return [data[name] for name in names]


def _items(data: Json, where: str) -> list[Json]:
    if type(data) is not list:
        raise unexpected(where, "a list", data)
    return data


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON; a float that is not finite is written with a tag")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object as a dict, unless a key stands in it twice."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError(f"the keys of an object must differ, got {[key for key, _ in pairs]}")
    return data
