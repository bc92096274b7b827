"""A graph as JSON text, and back.

    {"format": "dlcourse.graph", "version": 1, "graph": GRAPH}
    GRAPH    {"name": str, "inputs": [INPUT], "constants": [ARRAY or SCALAR], "nodes": [NODE],
              "outputs": [OPERAND]}
    INPUT    {"name": str or null, "dtype": str, "shape": [int]}
    NODE     {"op": str, "operands": [OPERAND], "parameters": {str: VALUE}, "types": [TYPE]}
    TYPE     {"dtype": str, "shape": [int]}, one for each result
    OPERAND  {"ref": n}, the n-th of the inputs followed by the nodes; {"constant": n}; or a number
    VALUE    null, true, an integer, a finite float, a string or a list stand for themselves;
             {"float": "inf" | "-inf" | "nan"}, {"tuple": [VALUE]}, {"slice": [3 VALUEs]},
             {"ellipsis": true}, {"dtype": str}, {"graph": GRAPH},
             {"array": BITS} or {"scalar": BITS} of NumPy
    BITS     {"dtype": str, "shape": [int], "data": base64 of the little-endian bytes in C order}

Reading evaluates nothing and believes nothing: each type is inferred again and compared. Its time
and memory are those of tracing a function that makes such a graph.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import json
import keyword
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlcourse.graphs import bundles, control
from dlcourse.graphs.fusion import fused
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.result_types import has_several_results, result_types, types_text
from dlcourse.graphs.symbol import Symbol
from dlcourse.ops import PRIMITIVES, Array, Primitive

FORMAT, VERSION = "dlcourse.graph", 1
DTYPES = tuple(
    np.dtype(name)
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                 "float16", "float32", "float64")
)  # fmt: skip
# The operations that only graphs have.
GRAPH_OPERATIONS: Mapping[str, Primitive] = {
    op.name: op for op in (fused, bundles.item, control._cond, control._while, control._scan)
}
# A larger value in a file is taken for a mistake (or an attack): this many float32 take 4 GiB.
LARGEST = 1 << 30

Json: TypeAlias = Any


# --- Writing --------------------------------------------------------------------------------------


def to_json(graph: Graph) -> str:
    """The graph as text; constants keep their dtypes and exact bits.

    Raises:
        TypeError: A parameter or a constant is of a type that has no form in JSON, such as a random
            generator; or an operation is not in the table.
        ValueError: The graph's name is no identifier, or an operation comes before its operand.
    """
    document = {"format": FORMAT, "version": VERSION, "graph": _graph_data(graph)}
    return json.dumps(document, indent=1, allow_nan=False)


def _graph_data(graph: Graph) -> Json:
    _check_name(graph.name, "to_json")
    position = {id(x): i for i, x in enumerate(graph.inputs)}
    constants: dict[int, tuple[int, Json]] = {}

    def operand(x: Any, where: str) -> Json:
        if isinstance(x, Symbol):
            if id(x) not in position:
                raise ValueError(f"{where}: {x!r} is used before it is computed")
            return {"ref": position[id(x)]}
        if isinstance(x, np.ndarray | np.generic):
            if id(x) not in constants:
                constants[id(x)] = (len(constants), _value_data(x, where))
            return {"constant": constants[id(x)][0]}
        return _value_data(x, where)

    nodes = []
    for node in graph.nodes:
        where = f"to_json: graph {graph.name}: {node.operation_name()}"
        if node.op is None or _operations().get(node.op.name) is not node.op:
            raise TypeError(f"{where}: the operation is not in the table, so it has no name")
        nodes.append(
            {
                "op": node.op.name,
                "operands": [operand(x, where) for x in node.inputs or ()],
                "parameters": {
                    key: _value_data(value, f"{where}: parameter {key}")
                    for key, value in node.parameters.items()
                },
                "types": [_type_data(x, where) for x in _results(node)],
            }
        )
        position[id(node)] = len(position)
    where = f"to_json: graph {graph.name}"
    outputs = [operand(x, f"{where}: output") for x in graph.outputs]
    return {
        "name": graph.name,
        "inputs": [{"name": x.name, **_type_data(x, where)} for x in graph.inputs],
        "constants": [data for _, data in constants.values()],
        "nodes": nodes,
        "outputs": outputs,
    }


def _results(node: Symbol) -> list[Symbol]:
    if node.op is None or not has_several_results(node.op):
        return [node]
    return result_types(node.op, node.inputs or (), node.parameters)


def _type_data(x: Any, where: str) -> dict[str, Json]:
    if x.dtype not in DTYPES:
        raise TypeError(f"{where}: expected a dtype of {_names(DTYPES)}, got {x.dtype}")
    return {"dtype": x.dtype.name, "shape": list(x.shape)}


def _value_data(value: Any, where: str) -> Json:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is list:
        return [_value_data(v, where) for v in value]
    if type(value) is tuple:
        return {"tuple": [_value_data(v, where) for v in value]}
    if isinstance(value, slice):
        return {"slice": [_value_data(v, where) for v in (value.start, value.stop, value.step)]}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, np.ndarray | np.generic):
        little = np.asarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
        bits = base64.b64encode(little.tobytes()).decode()
        tag = "array" if isinstance(value, np.ndarray) else "scalar"
        return {tag: {**_type_data(value, where), "data": bits}}
    if isinstance(value, np.dtype | type):
        return {"dtype": _type_data(np.zeros((), value), where)["dtype"]}
    if isinstance(value, Graph):
        return {"graph": _graph_data(value)}
    if isinstance(value, np.random.Generator):
        raise TypeError(
            f"{where}: a random generator cannot be written, since its numbers differ from run to "
            "run. Draw them outside and make them an input of the graph."
        )
    raise TypeError(f"{where}: a value of type {type(value).__name__} has no form in JSON")


# --- Reading --------------------------------------------------------------------------------------


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
                f"got {_short(form)} and {_short(version)}"
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
    _check_name(name, where)
    values: list[Symbol] = []
    arrays = [
        _read_constant(item, f"{where}.constants[{i}]")
        for i, item in enumerate(_items(constants, f"{where}.constants"))
    ]
    for i, item in enumerate(_items(inputs, f"{where}.inputs")):
        place = f"{where}.inputs[{i}]"
        input_name, dtype, shape = _fields(item, place, "name", "dtype", "shape")
        if input_name is not None and type(input_name) is not str:
            raise _unexpected(f"{place}.name", "a string or null", input_name)
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
    op = _operations().get(name) if type(name) is str else None
    if op is None:
        close = difflib.get_close_matches(str(name)[:40], _operations(), n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"{where}.op: unknown operation {_short(name)}.{hint}")
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
        raise _unexpected(f"{where}.parameters", expected, parameter_data)
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
    if has_several_results(op):
        return bundles.Bundle(inferred, op=op, inputs=operands, parameters=parameters)
    (y,) = inferred
    return Symbol(y.shape, y.dtype, op=op, inputs=operands, parameters=parameters)


def _read_operand(
    data: Json, values: Sequence[Symbol], arrays: Sequence[Any], where: str
) -> Symbol | Array | bool | int | float:
    if type(data) is dict and data.keys() in ({"ref"}, {"constant"}):
        ((tag, index),) = data.items()
        known: Sequence[Any] = values if tag == "ref" else arrays
        if type(index) is not int or not 0 <= index < len(known):
            raise _unexpected(f"{where}.{tag}", f"one of the {len(known)} before it", index)
        return known[index]  # type: ignore[no-any-return]
    value = _read_value(data, where)
    if not isinstance(value, bool | int | float):
        raise _unexpected(where, 'a number, {"ref": n} or {"constant": n}', data)
    return value


def _read_constant(data: Json, where: str) -> Any:
    value = _read_value(data, where)
    if not isinstance(value, np.ndarray | np.generic):
        raise _unexpected(where, "an array or scalar", data)
    return value


def _read_value(data: Json, where: str) -> Any:
    if type(data) is float and not math.isfinite(data):
        raise _unexpected(where, "a float that is finite as it is written", data)
    if data is None or type(data) in (bool, int, float, str):
        return data
    if type(data) is list:
        return [_read_value(v, f"{where}[{i}]") for i, v in enumerate(data)]
    if type(data) is not dict or len(data) != 1 or next(iter(data)) not in _READERS:
        raise _unexpected(where, f"a plain value or one of the tags {', '.join(_READERS)}", data)
    ((tag, content),) = data.items()
    return _READERS[tag](content, f"{where}.{tag}")


def _read_float(data: Json, where: str) -> float:
    if data not in ("inf", "-inf", "nan"):
        raise _unexpected(where, '"inf", "-inf" or "nan"', data)
    return float(data)


def _read_tuple(data: Json, where: str) -> tuple[Any, ...]:
    return tuple(_read_value(v, f"{where}[{i}]") for i, v in enumerate(_items(data, where)))


def _read_slice(data: Json, where: str) -> slice:
    parts = _read_tuple(data, where)
    if len(parts) != 3 or not all(p is None or type(p) is int for p in parts):
        raise _unexpected(where, "three integers or nulls", data)
    return slice(*parts)


def _read_ellipsis(data: Json, where: str) -> Any:
    if data is not True:
        raise _unexpected(where, "true", data)
    return ...


def _read_dtype(data: Json, where: str) -> np.dtype[Any]:
    found = [dtype for dtype in DTYPES if dtype.name == data]
    if not found:
        raise _unexpected(where, f"one of {_names(DTYPES)}", data)
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
        raise _unexpected(f"{where}.data", f"the base64 of {expected} bytes", text)
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
        raise _unexpected(f"{where}.shape", "at most 64 integers, none below 0", shape)
    if math.prod(lengths) > LARGEST:
        raise _unexpected(f"{where}.shape", f"at most {LARGEST} elements", shape)
    return tuple(lengths), _read_dtype(dtype, f"{where}.dtype")


# --- What is checked everywhere -------------------------------------------------------------------


def _operations() -> dict[str, Primitive]:
    return {**PRIMITIVES, **GRAPH_OPERATIONS}


def _check_name(name: Any, where: str) -> None:
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name):
        raise _unexpected(f"{where}: the graph's name", "an identifier", name)


def _fields(data: Json, where: str, *names: str) -> list[Json]:
    """The values of an object that has exactly these keys."""
    if type(data) is not dict or data.keys() != {*names}:
        got = list(data) if type(data) is dict else data
        raise _unexpected(where, f"an object with the keys {', '.join(names)}", got)
    return [data[name] for name in names]


def _items(data: Json, where: str) -> list[Json]:
    if type(data) is not list:
        raise _unexpected(where, "a list", data)
    return data


def _unexpected(where: str, expected: str, got: Any) -> ValueError:
    return ValueError(f"{where}: expected {expected}, got {_short(got)}")


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) < 80 else f"{text[:76]} ..."


def _names(dtypes: Sequence[np.dtype[Any]]) -> str:
    return ", ".join(dtype.name for dtype in dtypes)


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON; a float that is not finite is written with a tag")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object as a dict, unless a key stands in it twice."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError(f"the keys of an object must differ, got {[key for key, _ in pairs]}")
    return data
