"""From a graph to a function: NumPy source text that writes into buffers allocated once.

What is printed by ``Compiled.source`` is what runs. All that does not change from run to run (the
buffers, transposed and sliced views of them, constants) is bound when the function is made.
"""

from __future__ import annotations

import builtins
import keyword
import linecache
import re
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import raw_value
from dlcourse.graphs.compiler.passes import optimise
from dlcourse.graphs.compiler.planning import Plan, Step, plan
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.show.printing import call_text, names_of, operand_text
from dlcourse.graphs.symbol import Symbol, type_text
from dlcourse.ops import Array

_numbers = count(1)  # of the compiled texts


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
        title = function_name(graph)
        file = f"<compiled {title} {next(_numbers)}>"
        exec(compile_text(self.source, file), namespace)  # noqa: S102 (we wrote the text)
        weakref.finalize(self, linecache.cache.pop, file, None)
        self._run = namespace[title]
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
        """Tensors and Python numbers as arrays; anything else that does not fit is an error."""
        checked = Graph(self.inputs, [], self.graph.name).check(values)
        return tuple(np.asarray(raw_value(v)) for v in checked)


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


def function_name(graph: Graph) -> str:
    """What the compiled function is called: the graph's name, if need be made an identifier."""
    name = re.sub(r"\W", "_", graph.name)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"_{name}"


def compile_text(source: str, file: str) -> Any:
    """The code object of a source text, with its lines known to tracebacks and debuggers.

    Args:
        source: The text of a program.
        file: What to call it; another name for each text that is alive.
    """
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return builtins.compile(source, file, "exec")


def _is_same_memory(a: Array, b: Array) -> bool:
    return (a.ctypes.data, a.shape, a.strides) == (b.ctypes.data, b.shape, b.strides)


class _Writer:
    """Writes the text of a plan, and gathers the objects that the text refers to."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.graph = plan.graph
        self.title = function_name(plan.graph)
        self.names = names_of(plan.graph, taken={self.title})
        self.taken = {self.title, *self.names.values()}
        self.functions: dict[int, str] = {}
        self.numbers: dict[str, Iterator[int]] = {}
        self.views = {id(step.node) for step in plan.steps if step.kind == "view"}
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
        lines = [f"def {self.title}({arguments}):"]
        body: list[tuple[str, str]] = []
        for step in self.plan.steps:
            body += [(line, self._comment(step)) for line in self._lines(step)]
        width = max((len(line) for line, _ in body), default=0)
        ending = self._ending()
        for name in self.constants.values():
            lines.append(f"    # {name} = {operand_text(self.namespace[name], {})}")
        lines += [f"    {line:{width}}  # {comment}" for line, comment in body]
        lines += [f"    {line}" for line in ending]
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
            return [f"# {name} = {call_text(node, self.names)}, bound once"]
        if node.op is ops.concatenate and step.kind == "into":
            return self._concatenation(node)
        operands = [self._operand(x, node) for x in node.operands]
        parameters = [f"{k}={self._parameter(v)}" for k, v in node.parameters.items()]
        function = self._function(node)
        if step.kind == "into":
            return [f"{function}({', '.join([*operands, *parameters, f'out={name}'])})"]
        return [f"{name} = {function}({', '.join([*operands, *parameters])})"]

    def _concatenation(self, node: Symbol) -> list[str]:
        """A copy for each part that is not yet where it belongs."""
        whole, lines, start = self.plan.arrays[id(node)], [], 0
        axis = node.parameters.get("axis", 0) % node.ndim
        for x in node.operands:
            stop = start + x.shape[axis]
            place = whole[(slice(None),) * axis + (slice(start, stop),)]
            array = self.plan.arrays.get(id(x))
            if place.size and (array is None or not _is_same_memory(array, place)):
                target = self._object(f"{self.names[id(node)]}_", place)
                copyto = self._function_name("copyto", np.copyto)
                lines.append(f"{copyto}({target}, {self._operand(x, node)})")
            start = stop
        return lines

    def _ending(self) -> list[str]:
        """Copies of the outputs for the caller, then the donated memory brought up to date."""
        lines, returned = [], []
        late: list[tuple[str, str]] = []
        seen: set[int] = set()
        for i, x in enumerate(self.graph.outputs):
            array = self.plan.arrays.get(id(x))
            text = self._value(x)
            if i not in self.plan.donated:
                is_fresh = array is None and isinstance(x, Symbol) and x.op is not None
                is_own = is_fresh and id(x) not in self.views | seen and x.shape
                seen.add(id(x))
                returned.append(text if is_own else self._copy(text))
                continue
            state = self.graph.inputs[self.plan.donated[i]]
            own = self.plan.arrays[id(state)]
            if array is not None and _is_same_memory(array, own):
                continue
            copyto = self._function_name("copyto", np.copyto)
            new = self._free_name("new")
            late.append(
                (f"{new} = {self._copy(text)}", f"{copyto}({self.names[id(state)]}, {new})")
            )
        result = self._free_name("result")
        lines.append(f"{result} = [{', '.join(returned)}]")
        lines += [first for first, _ in late] + [second for _, second in late]
        return [*lines, f"return {result}"]

    def _copy(self, text: str) -> str:
        return f"{self._function_name('array', np.array)}({text})"

    def _function(self, node: Symbol) -> str:
        assert node.op is not None
        if node.dtype.char == "e":  # the table's kernels add float16 in float32
            return self._function_name(node.op.name, node.op.kernel)
        special = node.op.specialise
        kernel = special(*node.operands, **node.parameters) if special else None
        name = "dot" if kernel is np.dot else node.op.name
        return self._function_name(name, kernel or node.op.kernel)

    def _function_name(self, name: str, function: Any) -> str:
        key = id(function)
        if key not in self.functions:
            self.functions[key] = self._free_name(name)
            self.namespace[self.functions[key]] = function
        return self.functions[key]

    def _free_name(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _value(self, x: Any) -> str:
        return self.names[id(x)] if isinstance(x, Symbol) else self._array(np.asarray(x))

    def _operand(self, x: Any, node: Symbol) -> str:
        if isinstance(x, Symbol | np.ndarray | np.generic):
            return self._value(x)
        assert node.op is not None
        dtypes = {y.dtype for y in node.operands if hasattr(y, "dtype")}
        if isinstance(node.op.kernel, np.ufunc) and len(dtypes) == 1:
            (dtype,) = dtypes
            if dtype.kind == "f":  # an array of shape () is quicker to read than a Python number
                with np.errstate(all="ignore"):
                    return self._array(np.asarray(x, dtype))
        return self._parameter(x)

    def _parameter(self, value: Any) -> str:
        is_plain = type(value) in (bool, int) or value is None or value is ...
        if is_plain or (type(value) is float and np.isfinite(value)):
            return repr(value) if value is not ... else "..."
        if type(value) is tuple and all(type(v) is int or v is None for v in value):
            return repr(value)
        return self._object("p", value)

    def _array(self, value: Array) -> str:
        """The name of a constant array; equal arrays have one name."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.constants:
            self.constants[key] = self._object("c", value)
        return self.constants[key]

    def _object(self, prefix: str, value: Any) -> str:
        """A name for an object: the prefix and the next number."""
        numbers = self.numbers.setdefault(prefix, count(1))
        name = next(name for n in numbers if (name := f"{prefix}{n}") not in self.taken)
        self.taken.add(name)
        self.namespace[name] = value
        return name
