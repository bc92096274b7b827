"""Reads TensorFlow's graphs: what tf.function recorded for one signature, a ConcreteFunction.

Source: https://www.tensorflow.org/guide/intro_to_graphs, https://www.tensorflow.org/guide/function.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dlcourse.frameworks.program import Call, Program, Ref, Table, Value
from dlcourse.ops import Array

FUNCTION_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


@dataclass(frozen=True)
class Variable:
    """Stands for a resource, the handle of a tf.Variable."""

    name: str


Bound: TypeAlias = dict[str, Ref | Variable]  # what each tensor of a TensorFlow graph stands for


def read_concrete_function(function: Any, table: Table) -> Program:
    """The graph of a ConcreteFunction; its variables are stored inputs, by name.

    Reading and assigning a variable become ordinary values: an assignment makes the variable's next
    value, and the last one is its update. Calls of other functions are replaced by their graphs.
    """
    names = _unique_names(function.variables)
    captured = {internal.name: external for external, internal in function.graph.captures}
    reader = _Reader(table)
    bound: Bound = {}
    given, stored = [], {}
    for tensor in function.inputs:
        external = captured.get(tensor.name)
        if external is None:
            given.append(_value(tensor.op.name, tensor))
            bound[tensor.name] = Ref(tensor.op.name)
        elif tensor.dtype == "resource":
            variable = next((v for v in function.variables if v.handle is external), None)
            if variable is None:
                raise ValueError(f"{tensor.name}: expected variables only, got another resource")
            name = names[id(variable)]
            stored[name] = np.array(variable.numpy())
            given.append(Value(name, stored[name].shape, stored[name].dtype))
            bound[tensor.name] = Variable(name)
            reader.state[name] = Ref(name)
        else:
            reader.constants[tensor.name] = np.array(external.numpy())
            bound[tensor.name] = Ref(tensor.name)
    before = dict(reader.state)
    reader.read(function.graph, bound, "")
    return Program(
        framework="TensorFlow",
        inputs=tuple(given),
        stored=stored,
        constants=reader.constants,
        calls=tuple(reader.calls),
        outputs=tuple(bound[tensor.name] for tensor in function.outputs),
        updates={name: ref for name, ref in reader.state.items() if ref != before[name]},
    )


class _Reader:
    """Collects the calls of a graph, and of the functions that it calls.

    Attributes:
        state: The present value of each variable.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.calls: list[Call] = []
        self.constants: dict[str, Array] = {}
        self.state: dict[str, Ref] = {}

    def read(self, graph: Any, bound: Bound, prefix: str) -> None:
        """Read the operations in the order of their creation, and bind their results."""
        import tensorflow as tf  # type: ignore[import-untyped]

        for op in graph.get_operations():
            arguments = [bound[tensor.name] for tensor in op.inputs]
            if op.type in FUNCTION_CALLS:
                # Private, but TensorFlow has no public way to the graph of a called function.
                called = graph._get_function(op.get_attr("f").name).graph
                inner = {t.name: a for t, a in zip(called.inputs, arguments, strict=True)}
                self.read(called, inner, f"{prefix}{op.name}/")
                results = [inner[tensor.name] for tensor in called.outputs]
                bound.update(zip((t.name for t in op.outputs), results, strict=True))
            elif op.type == "Const":
                name = prefix + op.outputs[0].name
                self.constants[name] = np.asarray(tf.make_ndarray(op.get_attr("value")))
                bound[op.outputs[0].name] = Ref(name)
            elif op.type not in ("Placeholder", "NoOp"):
                self._add(op, arguments, bound, prefix)

    def _add(self, op: Any, arguments: list[Any], bound: Bound, prefix: str) -> None:
        variables = [a.name for a in arguments if isinstance(a, Variable)]
        if op.outputs:
            results = [_value(prefix + tensor.name, tensor) for tensor in op.outputs]
            bound.update((t.name, Ref(prefix + t.name)) for t in op.outputs)
        else:  # what has a variable and no result assigns to it
            results = [Value(f"{prefix}{op.name}:{name}") for name in variables]
        self.calls.append(
            Call(
                operation=op.type,
                arguments=tuple(
                    self.state[a.name] if isinstance(a, Variable) else a for a in arguments
                ),
                attributes=_attributes(op, self.table),
                results=tuple(results),
                where=_where(op, prefix),
            )
        )
        if not op.outputs:
            self.state.update((n, Ref(r.name)) for n, r in zip(variables, results, strict=True))


def _attributes(op: Any, table: Table) -> dict[str, Any]:
    """Those attributes that the table's function asks for: its keyword-only arguments."""
    if op.type not in table:
        return {}
    parameters = inspect.signature(table[op.type]).parameters.values()
    values = {p.name: op.get_attr(p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def _value(name: str, tensor: Any) -> Value:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return Value(name, shape, np.dtype(tensor.dtype.as_numpy_dtype))


def _unique_names(variables: Any) -> Mapping[int, str]:
    """A name for each variable, by id; the second "w" is "w_1"."""
    names: dict[int, str] = {}
    for variable in variables:
        name, n = variable.name.removesuffix(":0"), 0
        while (unique := f"{name}_{n}" if n else name) in names.values():
            n += 1
        names[id(variable)] = unique
    return names


def _where(op: Any, prefix: str) -> str:
    """The operation's name, and the last line outside TensorFlow and Keras that led to it."""
    own = ("/tensorflow/", "/keras/")
    frames = [f for f in op.traceback or () if not any(part in f.filename for part in own)]
    if not frames:
        return f"{prefix}{op.name}"
    file, number = frames[-1].filename, frames[-1].lineno
    text = linecache.getline(file, number).strip()
    return f"{prefix}{op.name}; {file}, line {number}, in {frames[-1].name}: {text}"
