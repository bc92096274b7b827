"""Reads PyTorch's graphs: what torch.export, or make_fx, recorded.

Source: https://docs.pytorch.org/docs/stable/export.html (ExportedProgram and its signature),
https://docs.pytorch.org/docs/stable/fx.html (the nodes of a graph).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.frameworks.program import Call, NamedValue, Program, Ref, UnknownOperationError
from dlcourse.ops import Array

# How PyTorch lays values out in memory, which does not change the numbers.
LAYOUT = frozenset(
    {"device", "implicit", "layout", "memory_format", "non_blocking", "pin_memory", "requires_grad"}
)


DECOMPOSITIONS = 5  # so often PyTorch is asked to decompose what its decompositions gave


def read_exported(exported: Any, known: Container[str]) -> Program:
    """The graph of an ExportedProgram; parameters and buffers are stored inputs, by their path.

    Args:
        exported: What torch.export gave.
        known: The operations that dlcourse has; others are decomposed, if PyTorch knows how.
    """
    exported = _in_known_operations(exported, known, lambda e, rules: e.run_decompositions(rules))
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


def read_graph_module(module: Any, known: Container[str]) -> Program:
    """The graph of a GraphModule of aten operations, as make_fx records it."""
    given = [_given(node) for node in module.graph.nodes if node.op == "placeholder"]
    if not any(value.foreign for value in given):
        module = _in_known_operations(module, known, functools.partial(_recorded_again, given))
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
        updates=_updates(nodes, names),
    )


def _updates(nodes: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """The new value of each input that the graph overwrites."""
    copies = [node for node in nodes if str(node.target) == "aten.copy_.default"]
    for node in copies:
        if node.args[0].name not in names:
            raise UnknownOperationError(
                f"the graph overwrites {node.args[0].name}, which is not an input. Make buffers "
                f"arguments of the recorded function.\n  {node.target} ({_where(node)})"
            )
    return {names[n.args[0].name]: _arguments(n.args[1], names) for n in copies}


def _in_known_operations(
    graph: Any, known: Container[str], decomposed: Callable[[Any, dict[Any, Any]], Any]
) -> Any:
    """The same graph without operations in place, and without those that PyTorch can decompose.

    Args:
        graph: An ExportedProgram or a GraphModule.
        known: Operations that stay as they are.
        decomposed: Records a graph again, given a rule for each operation that is to go.
    """
    for _ in range(DECOMPOSITIONS):
        nodes = [node for node in graph.graph.nodes if node.op == "call_function"]
        unknown = {node.target for node in nodes if _operation(node) not in known}
        rules = {target: rule for target in unknown if (rule := _decomposition(target))}
        if not rules and not any(_is_in_place(node) for node in nodes):
            break
        try:
            graph = decomposed(graph, rules)
        except Exception:
            break  # an operation failed on zeros, or a rule did: what is unknown is then named
    return graph


def _decomposition(target: Any) -> Any:
    """PyTorch's own rule that writes an operation with others of aten, or None."""
    import torch
    from torch._decomp import decomposition_table

    if not isinstance(target, torch._ops.OpOverload):
        return None
    composite = torch._C.DispatchKey.CompositeImplicitAutograd
    if target.has_kernel_for_dispatch_key(composite):
        return target.py_kernels.get(composite) or functools.partial(target._op_dk, composite)
    rule = decomposition_table.get(target)
    # Those of torch._refs end in operations of another set, prims.
    return None if getattr(rule, "__module__", "").startswith("torch._refs") else rule


def _recorded_again(given: Sequence[NamedValue], module: Any, rules: dict[Any, Any]) -> Any:
    """The module's graph, decomposed, in which only a copy_ at the end overwrites inputs."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def run(*inputs: Any) -> Any:
        return torch.fx.Interpreter(module).run(*inputs, enable_io_processing=False)

    zeros = [torch.from_numpy(np.zeros(value.shape, value.dtype)) for value in given]
    with torch.fx.traceback.preserve_node_meta():
        return make_fx(torch.func.functionalize(run), decomposition_table=rules)(*zeros)


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


def _given(node: Any) -> NamedValue:
    value = _value(node.name, node.meta.get("val"))
    if value.dtype is None:
        raise ValueError(
            f"{node.name}: expected an input whose shape and dtype PyTorch recorded. Record the "
            "graph with torch.export or make_fx (torch.fx.symbolic_trace records neither)."
        )
    return value


def _value(name: str, recorded: Any) -> NamedValue:
    if not hasattr(recorded, "dtype"):
        return NamedValue(name)
    shape = tuple(n if type(n) is int else None for n in recorded.shape)
    dtype = _dtype(recorded.dtype)
    if isinstance(dtype, str):
        return NamedValue(name, shape, foreign=dtype)
    return NamedValue(name, shape, dtype)


def _dtype(dtype: Any) -> np.dtype[Any] | str:
    """NumPy's dtype of that name, or the name alone if dlcourse does not compute with it."""
    name = str(dtype).removeprefix("torch.")
    try:
        found = np.dtype(name)
    except TypeError:
        return name
    return found if found.kind in "biuf" else name


def _array(tensor: Any) -> Array:
    if isinstance(_dtype(tensor.dtype), str):  # the graph is refused when its operations are known
        return np.zeros(tuple(tensor.shape))
    return np.array(tensor.detach().cpu().numpy())


def _attribute(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return _array(module)


def _where(node: Any) -> str:
    """The last line outside PyTorch of the node's stack trace, or the module that it belongs to."""
    import torch

    own = str(Path(torch.__file__).parent)
    frames = re.findall(
        r'File "(.+)", line (\d+), in (.+)\n\s*(.+)', node.meta.get("stack_trace") or ""
    )
    for file, line, function, text in reversed(frames):
        if not file.startswith(own):
            return f"{file}, line {line}, in {function}: {text}"
    modules = node.meta.get("nn_module_stack") or {}
    return next((path for path, _ in reversed(modules.values())), "")
