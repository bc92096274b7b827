"""Reads PyTorch's graphs: what torch.export, or make_fx, recorded.

Source: https://docs.pytorch.org/docs/stable/export.html (ExportedProgram and its signature),
https://docs.pytorch.org/docs/stable/fx.html (the nodes of a graph).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse.frameworks.program import Call, Program, Ref, Value
from dlcourse.ops import Array

# How PyTorch lays values out in memory, which does not change the numbers.
LAYOUT = frozenset(
    {"device", "implicit", "layout", "memory_format", "non_blocking", "pin_memory", "requires_grad"}
)


def read_exported(exported: Any) -> Program:
    """The graph of an ExportedProgram; parameters and buffers are stored inputs, by their path."""
    if any(_is_in_place(node) for node in exported.graph.nodes):
        exported = exported.run_decompositions({})  # the same without in-place operations
    signature = exported.graph_signature
    given, stored, constants, names = [], {}, {}, {}
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    for spec in signature.input_specs:
        kind, name = spec.kind.name, spec.arg.name
        if kind in ("PARAMETER", "BUFFER"):
            source = exported.state_dict if spec.persistent is not False else exported.constants
            names[name] = spec.target
            stored[spec.target] = _array(source[spec.target])
            given.append(_value(spec.target, values[name]))
        elif kind == "CONSTANT_TENSOR":
            constants[name] = _array(exported.constants[spec.target])
        elif hasattr(values[name], "dtype"):  # a number is written into the calls that use it
            given.append(_value(name, values[name]))
    outputs, updates = [], {}
    for spec, result in zip(signature.output_specs, _outputs(exported.graph, names), strict=True):
        if spec.kind.name == "BUFFER_MUTATION":
            updates[spec.target] = result
        else:
            outputs.append(result)
    return Program(
        framework="PyTorch",
        inputs=tuple(given),
        stored=stored,
        constants=constants,
        calls=_calls(exported.graph, names),
        outputs=tuple(outputs),
        updates=updates,
    )


def read_graph_module(module: Any) -> Program:
    """The graph of a GraphModule of aten operations, as make_fx records it."""
    given = [_given(node) for node in module.graph.nodes if node.op == "placeholder"]
    if any(_is_in_place(node) for node in module.graph.nodes):
        module = _without_in_place(module, given)
    nodes = module.graph.nodes
    placeholders = [node.name for node in nodes if node.op == "placeholder"]
    names = {own: value.name for own, value in zip(placeholders, given, strict=True)}
    return Program(
        framework="PyTorch",
        inputs=tuple(given),
        stored={},
        constants={n.name: _attribute(module, n.target) for n in nodes if n.op == "get_attr"},
        calls=_calls(module.graph, names),
        outputs=_outputs(module.graph, names),
        updates={
            names[n.args[0].name]: _arguments(n.args[1], names)
            for n in nodes
            if str(n.target) == "aten.copy_.default"
        },
    )


def _without_in_place(module: Any, given: Sequence[Value]) -> Any:
    """The same graph, in which only a copy_ at the end overwrites inputs."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def run(*inputs: Any) -> Any:
        return torch.fx.Interpreter(module).run(*inputs, enable_io_processing=False)

    zeros = [torch.from_numpy(np.zeros(value.shape, value.dtype)) for value in given]
    return make_fx(torch.func.functionalize(run))(*zeros)


def _calls(graph: Any, names: Mapping[str, str]) -> tuple[Call, ...]:
    return tuple(
        Call(
            operation=_operation(node),
            arguments=_arguments(node.args, names),
            attributes={k: _arguments(v, names) for k, v in node.kwargs.items() if k not in LAYOUT},
            results=(_value(node.name, node.meta.get("val")),),
            where=_where(node),
        )
        for node in graph.nodes
        if node.op not in ("placeholder", "get_attr", "output")
    )


def _operation(node: Any) -> str:
    return "getitem" if node.target is operator.getitem else str(node.target)


def _is_in_place(node: Any) -> bool:
    name = str(node.target)
    if name == "aten.batch_norm.default":
        _, _, _, running_mean, _, training, *_ = node.args
        return bool(training) and running_mean is not None
    return node.op == "call_function" and re.search(r"[a-z]_\.", name) is not None


def _outputs(graph: Any, names: Mapping[str, str]) -> tuple[Any, ...]:
    (result,) = next(node for node in graph.nodes if node.op == "output").args
    results = result if isinstance(result, list | tuple) else (result,)
    return tuple(_arguments(results, names))


def _arguments(arguments: Any, names: Mapping[str, str]) -> Any:
    """The arguments of a node: values as Ref, dtypes as NumPy's, all else as it is."""
    import torch

    if isinstance(arguments, list | tuple):
        return tuple(_arguments(argument, names) for argument in arguments)
    if isinstance(arguments, torch.fx.Node):
        return Ref(names.get(arguments.name, arguments.name))
    if isinstance(arguments, torch.dtype):
        return _dtype(arguments)
    return arguments


def _given(node: Any) -> Value:
    value = _value(node.name, node.meta.get("val"))
    if value.dtype is None:
        raise ValueError(
            f"{node.name}: expected an input whose shape and dtype PyTorch recorded. Record the "
            "graph with torch.export or make_fx (torch.fx.symbolic_trace records neither)."
        )
    return value


def _value(name: str, recorded: Any) -> Value:
    if not hasattr(recorded, "dtype"):
        return Value(name)
    shape = tuple(n if type(n) is int else None for n in recorded.shape)
    return Value(name, shape, _dtype(recorded.dtype))


def _dtype(dtype: Any) -> np.dtype[Any]:
    return np.dtype(str(dtype).removeprefix("torch."))


def _array(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().numpy())


def _attribute(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return _array(module)


def _where(node: Any) -> str:
    """The last line outside PyTorch of the node's stack trace, or the module that it belongs to."""
    frames = re.findall(
        r'File "(.+)", line (\d+), in (.+)\n\s*(.+)', node.meta.get("stack_trace") or ""
    )
    for file, line, function, text in reversed(frames):
        if "/torch/" not in file:
            return f"{file}, line {line}, in {function}: {text}"
    modules = node.meta.get("nn_module_stack") or {}
    return next((path for path, _ in reversed(modules.values())), "")
