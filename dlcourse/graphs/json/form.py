"""The form of a graph in JSON, which is written by `to_json` and read by `from_json`.

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

import keyword
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlcourse.graphs.compiler.fusion import fused
from dlcourse.graphs.control.branches import cond_op
from dlcourse.graphs.control.bundles import item
from dlcourse.graphs.control.loops import scan_op, while_op
from dlcourse.ops import PRIMITIVES, Primitive

FORMAT, VERSION = "dlcourse.graph", 1
DTYPES = tuple(
    np.dtype(name)
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                 "float16", "float32", "float64")
)  # fmt: skip
# The operations that only graphs have.
GRAPH_OPERATIONS: Mapping[str, Primitive] = {
    op.name: op for op in (fused, item, cond_op, while_op, scan_op)
}
# A larger value in a file is taken for a mistake (or an attack): this many float32 take 4 GiB.
LARGEST = 1 << 30

Json: TypeAlias = Any


def operations() -> dict[str, Primitive]:
    return {**PRIMITIVES, **GRAPH_OPERATIONS}


def check_name(name: Any, where: str) -> None:
    if type(name) is not str or not name.isidentifier() or keyword.iskeyword(name):
        raise unexpected(f"{where}: the graph's name", "an identifier", name)


def unexpected(where: str, expected: str, got: Any) -> ValueError:
    return ValueError(f"{where}: expected {expected}, got {short(got)}")


def short(data: Any) -> str:
    text = repr(data)
    return text if len(text) < 80 else f"{text[:76]} ..."


def names_text(dtypes: Sequence[np.dtype[Any]]) -> str:
    return ", ".join(dtype.name for dtype in dtypes)
