"""From a graph to a function: NumPy source text that writes into buffers allocated once.

What is printed by ``Compiled.source`` is what runs. All that does not change from run to run (the
buffers, transposed and sliced views of them, constants) is bound when the function is made.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.passes import optimise
from dlcourse.graphs.planning import Plan, Step, plan
from dlcourse.graphs.printing import names_of, parameter_text
from dlcourse.graphs.symbol import Symbol, type_text
from dlcourse.ops import Array


class Compiled:
    """A graph made into a function of arrays.

    Attributes:
        graph: The graph after the passes.
        plan: Where its values lie in memory.
        source: The function's text.
        state: For each donated input, in order of the outputs, the array that holds it.
    """

    def __init__(self, graph: Graph, donated: Mapping[int, int]) -> None:
        self.graph = graph
        self.plan: Plan = plan(graph, donated)
        self.source, namespace = _Writer(self.plan).written()
        exec(compile_text(self.source, graph.name), namespace)  # noqa: S102 (we wrote the text)
        self._run = namespace[graph.name]
        self._lock = threading.Lock()  # the buffers serve one call at a time
        given = set(donated.values())
        self.inputs = [x for i, x in enumerate(graph.inputs) if i not in given]
        self.state = [self.plan.arrays[id(graph.inputs[i])] for i in donated.values()]

    def __call__(self, *values: Any) -> list[Any]:
        """The outputs that are not donated, as arrays that the caller may keep.

        Args:
            values: An array of the right shape and dtype for each input that is not donated.

        Raises:
            TypeError, ValueError: The values do not fit the inputs.
        """
        for x, v in zip(self.inputs, values, strict=False):
            if type(v) is not np.ndarray or v.shape != x.shape or v.dtype != x.dtype:
                values = self._converted(values)
                break
        if len(values) != len(self.inputs):
            self._converted(values)
        with self._lock:
            result: list[Any] = self._run(*values)
        return result

    def _converted(self, values: Sequence[Any]) -> tuple[Array, ...]:
        """Python numbers as arrays; anything else that does not fit is an error."""
        Graph(self.inputs, [], self.graph.name).check(values)
        pairs = zip(self.inputs, values, strict=True)
        return tuple(np.asarray(getattr(v, "data", v), x.dtype) for x, v in pairs)


def compile(
    graph: Graph, *, donate: Mapping[int, int] | None = None, fuse: bool = False
) -> Compiled:
    """Optimise a graph, plan its memory and write its function.

    Args:
        donate: Which outputs overwrite which inputs, as ``{output: input}``. Such an input is the
            function's own memory (``state``); it is neither passed nor returned.
        fuse: Compute groups of elementwise operations piece by piece, see `fuse_elementwise`. It
            pays for arrays that are larger than the processor's cache.

    Source: donation as in jax.jit(donate_argnums=...).
    """
    return Compiled(optimise(graph, fuse), dict(donate or {}))


def compile_text(source: str, name: str) -> Any:
    """The code object of a source text, with its lines known to tracebacks and debuggers."""
    import builtins
    import linecache

    file = f"<compiled {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return builtins.compile(source, file, "exec")


# Kernels that do less work than the table's where the plan has made sure of what they check.
DIRECT: Mapping[str, Any] = {
    "sum": np.add.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
}


def _is_same_memory(a: Array, b: Array) -> bool:
    return (a.ctypes.data, a.shape, a.strides) == (b.ctypes.data, b.shape, b.strides)


class _Writer:
    """Writes the text of a plan, and gathers the objects that the text refers to."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.graph = plan.graph
        self.names = names_of(plan.graph)
        self.namespace: dict[str, Any] = {}
        self.constants: dict[Any, str] = {}
        given = set(plan.donated.values())
        self.arguments = [x for i, x in enumerate(self.graph.inputs) if i not in given]
        for x in (*self.graph.inputs, *self.graph.nodes):
            if id(x) in plan.arrays:
                self.namespace[self.names[id(x)]] = plan.arrays[id(x)]

    def written(self) -> tuple[str, dict[str, Any]]:
        """The text and the namespace that it runs in."""
        arguments = ", ".join(self.names[id(x)] for x in self.arguments)
        lines = [f"def {self.graph.name}({arguments}):"]
        body: list[tuple[str, str]] = []
        for step in self.plan.steps:
            body += [(line, self._comment(step)) for line in self._lines(step)]
        width = max((len(line) for line, _ in body), default=0)
        lines += [f"    {line:{width}}  # {comment}" for line, comment in body]
        lines += [f"    {line}" for line in self._ending()]
        return "\n".join(lines) + "\n", self.namespace

    def _comment(self, step: Step) -> str:
        where = f", buffer {step.buffer}" if step.buffer is not None else ""
        where += " in place" if step.in_place else ""
        return f"{self.names[id(step.node)]}: {type_text(step.node)}{where}"

    def _lines(self, step: Step) -> list[str]:
        node = step.node
        assert node.op is not None
        name = self.names[id(node)]
        if step.kind == "view" and id(node) in self.plan.arrays:
            return []  # bound once
        if node.op is ops.concatenate and step.kind == "into":
            return self._concatenation(node)
        operands = [self._operand(x, node) for x in node.inputs or ()]
        parameters = [f"{k}={self._parameter(v)}" for k, v in node.parameters.items()]
        function = self._function(node)
        if step.kind == "into":
            return [f"{function}({', '.join([*operands, *parameters, f'out={name}'])})"]
        return [f"{name} = {function}({', '.join([*operands, *parameters])})"]

    def _concatenation(self, node: Symbol) -> list[str]:
        """A copy for each part that is not yet where it belongs."""
        whole, lines, start = self.plan.arrays[id(node)], [], 0
        axis = node.parameters.get("axis", 0) % node.ndim
        for x in node.inputs or ():
            stop = start + x.shape[axis]
            place = whole[(slice(None),) * axis + (slice(start, stop),)]
            array = self.plan.arrays.get(id(x))
            if place.size and (array is None or not _is_same_memory(array, place)):
                target = self._constant(f"{self.names[id(node)]}_{start}", place)
                copyto = self._function_name("copyto", np.copyto)
                lines.append(f"{copyto}({target}, {self._operand(x, node)})")
            start = stop
        return lines

    def _ending(self) -> list[str]:
        """Copies of the outputs for the caller, then the donated memory brought up to date."""
        lines, returned = [], []
        late: list[tuple[str, str]] = []
        for i, x in enumerate(self.graph.outputs):
            array = self.plan.arrays.get(id(x))
            text = self._operand(x, None)
            if i not in self.plan.donated:
                is_fresh = array is None and isinstance(x, Symbol) and x.op is not None
                copy = f"{self._function_name('array', np.array)}({text})"
                returned.append(text if is_fresh and not self._is_view(x) else copy)
                continue
            state = self.graph.inputs[self.plan.donated[i]]
            own = self.plan.arrays[id(state)]
            if array is not None and _is_same_memory(array, own):
                continue
            copyto = self._function_name("copyto", np.copyto)
            late.append(
                (
                    f"new_{i} = {self._function_name('array', np.array)}({text})",
                    f"{copyto}({self.names[id(state)]}, new_{i})",
                )
            )
        lines.append(f"result = [{', '.join(returned)}]")
        lines += [first for first, _ in late] + [second for _, second in late]
        return [*lines, "return result"]

    def _is_view(self, x: Any) -> bool:
        return any(step.node is x and step.kind == "view" for step in self.plan.steps)

    def _function(self, node: Symbol) -> str:
        assert node.op is not None
        if node.op is ops.matmul and all(x.ndim in (1, 2) for x in node.inputs or ()):
            return self._function_name("dot", np.dot)
        # Without an axis the table's kernels reduce over all, NumPy's ufuncs over the first.
        direct = DIRECT.get(node.op.name) if "axis" in node.parameters else None
        return self._function_name(node.op.name, direct or node.op.kernel)

    def _function_name(self, name: str, function: Any) -> str:
        while self.namespace.setdefault(name, function) is not function:
            name += "_"
        return name

    def _operand(self, x: Any, node: Symbol | None) -> str:
        if isinstance(x, Symbol):
            return self.names[id(x)]
        if isinstance(x, np.ndarray | np.generic):
            return self._constant("c", np.asarray(x))
        dtypes = (
            {y.dtype for y in node.inputs or () if hasattr(y, "dtype")}
            if node is not None
            else set()
        )
        if (
            node is not None
            and isinstance(node.op and node.op.kernel, np.ufunc)
            and len(dtypes) == 1
        ):
            (dtype,) = dtypes
            if dtype.kind == "f":  # an array of shape () is quicker to read than a Python number
                with np.errstate(all="ignore"):
                    return self._constant("c", np.asarray(x, dtype))
        return self._parameter(x)

    def _parameter(self, value: Any) -> str:
        if isinstance(value, bool | int) or value is None or value is ...:
            return parameter_text(value)
        if isinstance(value, float) and np.isfinite(value):
            return repr(value)
        if isinstance(value, tuple) and all(isinstance(v, int) or v is None for v in value):
            return parameter_text(value)
        return self._constant("p", value)

    def _constant(self, prefix: str, value: Any) -> str:
        is_array = isinstance(value, np.ndarray) and prefix == "c"
        key = (value.dtype.str, value.shape, value.tobytes()) if is_array else id(value)
        if key not in self.constants:
            name, n = prefix, 0
            while name in self.namespace or name in self.names.values() or n == 0:
                n += 1
                name = f"{prefix}{n}" if prefix in "cp" else prefix if n == 1 else f"{prefix}_{n}"
            self.constants[key] = name
            self.namespace[name] = value
        return self.constants[key]
