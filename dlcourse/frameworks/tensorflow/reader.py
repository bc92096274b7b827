"""Reads TensorFlow's graphs: what tf.function recorded for one signature, a ConcreteFunction.

Source: https://www.tensorflow.org/guide/intro_to_graphs, https://www.tensorflow.org/guide/function.
"""

from __future__ import annotations

import importlib.util
import inspect
import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dlcourse.frameworks.program import Call, NamedValue, Program, Ref, Table
from dlcourse.ops import Array

# Operations that call functions: the attributes that name them.
LOOPS = frozenset({"While", "StatelessWhile"})
CONTROL: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(LOOPS, ("cond", "body")),
    **dict.fromkeys(("If", "StatelessIf"), ("then_branch", "else_branch")),
    **dict.fromkeys(("Case", "StatelessCase"), ("branches",)),
}
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
            given.append(NamedValue(name, stored[name].shape, stored[name].dtype))
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
        """Read the operations in an order in which they can run, and bind their results."""
        import tensorflow as tf  # type: ignore[import-untyped]

        for op in _in_order(graph):
            arguments = [bound[tensor.name] for tensor in op.inputs]
            if op.type in FUNCTION_CALLS:
                called = _function(graph, op.get_attr("f"))
                inner = {t.name: a for t, a in zip(called.inputs, arguments, strict=True)}
                self.read(called, inner, f"{prefix}{op.name}/")
                results = [inner[tensor.name] for tensor in called.outputs]
                bound.update(zip((t.name for t in op.outputs), results, strict=True))
            elif op.type in CONTROL:
                self._add_control(graph, op, arguments, bound, prefix)
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
            results = [NamedValue(f"{prefix}{op.name}:{name}") for name in variables]
        self._call(op, arguments, _attributes(op, self.table), results, prefix)
        if not op.outputs:
            self.state.update((n, Ref(r.name)) for n, r in zip(variables, results, strict=True))

    def _add_control(
        self, graph: Any, op: Any, arguments: list[Any], bound: Bound, prefix: str
    ) -> None:
        """A choice or a loop: its functions become Programs, a variable a value that they change.

        A loop returns the variables that it is given. A choice gives, after its own results, the
        next value of each variable.
        """
        loops = op.type in LOOPS
        given = arguments if loops else arguments[1:]
        programs, changed = {}, set()
        for attribute in CONTROL[op.type]:
            functions = op.get_attr(attribute)
            for i, function in enumerate(functions if isinstance(functions, list) else [functions]):
                name = f"{attribute}{i}" if isinstance(functions, list) else attribute
                called = _function(graph, function)
                program, own = self._program(called, given, f"{prefix}{op.name}/{name}/", loops)
                programs[name] = program
                changed |= own
        results = [_value(prefix + tensor.name, tensor) for tensor in op.outputs]
        bound.update(
            (t.name, Ref(value.name)) for t, value in zip(op.outputs, results, strict=True)
        )
        if loops:
            pairs = list(zip(op.outputs, arguments, strict=True))
            new = {a.name: Ref(prefix + t.name) for t, a in pairs if isinstance(a, Variable)}
            bound.update((t.name, a) for t, a in pairs if isinstance(a, Variable))
        else:
            variables = dict.fromkeys(a.name for a in given if isinstance(a, Variable))
            results += [NamedValue(f"{prefix}{op.name}:{name}") for name in variables]
            new = {name: Ref(f"{prefix}{op.name}:{name}") for name in variables}
        self._call(op, arguments, programs, results, prefix)
        self.state.update((name, ref) for name, ref in new.items() if name in changed)

    def _program(
        self, graph: Any, arguments: list[Any], prefix: str, loops: bool
    ) -> tuple[Program, set[str]]:
        """A function as a Program, and the names of the variables that it changes."""
        reader = _Reader(self.table)
        bound: Bound = {}
        inputs = []
        for tensor, argument in zip(graph.inputs, arguments, strict=True):
            value = _value(prefix + tensor.op.name, tensor)
            inputs.append(value)
            bound[tensor.name] = argument if isinstance(argument, Variable) else Ref(value.name)
            if isinstance(argument, Variable):
                reader.state.setdefault(argument.name, Ref(value.name))
        before = dict(reader.state)
        reader.read(graph, bound, prefix)
        results = [bound[tensor.name] for tensor in graph.outputs]
        outputs = [reader.state[r.name] if isinstance(r, Variable) else r for r in results]
        program = Program(
            framework="TensorFlow",
            inputs=tuple(inputs),
            stored={},
            constants=reader.constants,
            calls=tuple(reader.calls),
            outputs=tuple(outputs if loops else [*outputs, *reader.state.values()]),
        )
        return program, {name for name, ref in reader.state.items() if ref != before[name]}

    def _call(
        self, op: Any, arguments: list[Any], attributes: Any, results: list[NamedValue], prefix: str
    ) -> None:
        values = (self.state[a.name] if isinstance(a, Variable) else a for a in arguments)
        where = _where(op, prefix)
        self.calls.append(Call(op.type, tuple(values), attributes, tuple(results), where))


def _in_order(graph: Any) -> Iterator[Any]:
    """The operations as they were created, each after those that it needs.

    The gradient of a loop gives the loop further inputs, which are created after it.
    """
    done: set[str] = set()
    for op in graph.get_operations():
        waiting = [op]
        while waiting:
            needed = [*(t.op for t in waiting[-1].inputs), *waiting[-1].control_inputs]
            missing = [other for other in needed if other.name not in done]
            if missing:
                waiting.append(missing[0])
                continue
            ready = waiting.pop()
            if ready.name not in done:
                done.add(ready.name)
                yield ready


def _function(graph: Any, reference: Any) -> Any:
    """The graph of a function that an operation of ``graph`` calls."""
    # Private, but TensorFlow has no public way to the graph of a called function.
    return graph._get_function(reference.name).graph


def _attributes(op: Any, table: Table) -> dict[str, Any]:
    """Those attributes that the table's function asks for: its keyword-only arguments."""
    if op.type not in table:
        return {}
    parameters = inspect.signature(table[op.type]).parameters.values()
    values = {p.name: op.get_attr(p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def _value(name: str, tensor: Any) -> NamedValue:
    if tensor.dtype in ("variant", "resource"):  # a list of tensors, or a variable
        return NamedValue(name)
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    dtype = np.dtype(tensor.dtype.as_numpy_dtype)
    if dtype.kind not in "biuf":
        return NamedValue(name, shape, foreign=tensor.dtype.name)
    return NamedValue(name, shape, dtype)


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
    own = _own_folders()
    frames = [f for f in op.traceback or () if not f.filename.startswith(own)]
    if not frames:
        return f"{prefix}{op.name}"
    file, number = frames[-1].filename, frames[-1].lineno
    text = linecache.getline(file, number).strip()
    return f"{prefix}{op.name}; {file}, line {number}, in {frames[-1].name}: {text}"


def _own_folders() -> tuple[str, ...]:
    """Where TensorFlow and Keras are installed."""
    found = map(importlib.util.find_spec, ("tensorflow", "keras"))
    return tuple(str(Path(spec.origin).parent) for spec in found if spec and spec.origin)
