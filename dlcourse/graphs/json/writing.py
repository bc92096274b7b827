"""A graph written as JSON text; its form is described in `dlcourse.graphs.json.form`."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

from dlcourse.graphs.graph import Graph
from dlcourse.graphs.json.form import (
    DTYPES,
    FORMAT,
    VERSION,
    Json,
    check_name,
    names_text,
    operations,
)
from dlcourse.graphs.result_types import result_types
from dlcourse.graphs.symbol import Symbol


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
    check_name(graph.name, "to_json")
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
        if node.op is None or operations().get(node.op.name) is not node.op:
            raise TypeError(f"{where}: the operation is not in the table, so it has no name")
        nodes.append(
            {
                "op": node.op.name,
                "operands": [operand(x, where) for x in node.operands],
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
    if node.op is None or not node.op.has_several_results:
        return [node]
    return result_types(node.op, node.operands, node.parameters)


def _type_data(x: Any, where: str) -> dict[str, Json]:
    if x.dtype not in DTYPES:
        raise TypeError(f"{where}: expected a dtype of {names_text(DTYPES)}, got {x.dtype}")
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
