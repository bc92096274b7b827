"""A decorator that shows what tf.function does: trace once for each signature, then run the graph.

The Python code runs when the function is called with a *signature* that it has not seen. From then
on its graph runs in its place, so whatever is no operation has happened for good: prints and other
side effects, the way that an ``if`` took, the length of a loop, the values of variables of Python
that it read, and random numbers from NumPy.

Where it differs from tf.function: a Python ``if`` or ``while`` on a value that is still to come is
an error (TensorFlow rewrites the function's source, AutoGraph; here `where`, `cond` and
`while_loop` are written out); shapes are always known; a variable is an argument, never captured;
1, 1.0 and True have a graph each (for TensorFlow they are equal, so the first one wins).

Source: https://www.tensorflow.org/guide/function
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np

from dlcourse.autodiff import Tensor, is_recording, raw_value
from dlcourse.graphs.compiler.writing import Compiled, compile
from dlcourse.graphs.graph import Graph
from dlcourse.graphs.symbol import Symbol, type_text
from dlcourse.graphs.tracing import trace_structured
from dlcourse.ops.trees import flatten, text, unflatten


@dataclass(frozen=True)
class Signature:
    """What decides which graph a call uses.

    Attributes:
        structure: The lists, tuples, dicts and None around the arguments, as text.
        leaves: For each leaf its name and its type (of an array) or its value (of anything else).
    """

    structure: str
    leaves: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return f"({', '.join(f'{name}: {what}' for name, what in self.leaves)})"


@dataclass(frozen=True, eq=False)
class Identity:
    """An object that is equal to itself alone. It is kept alive, so its id is not used again."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)

    def __str__(self) -> str:
        return f"this {type(self.value).__name__}"


@dataclass
class Concrete:
    """One traced function: for one signature.

    Attributes:
        graph: What was traced.
        structure: The lists, tuples and dicts around what is returned.
    """

    graph: Graph
    structure: Any

    @cached_property
    def compiled(self) -> Compiled:
        """The graph as a function of arrays."""
        return compile(self.graph)

    def run(self, values: Sequence[Any]) -> Any:
        """What the function returns for the values of its array arguments."""
        if any(isinstance(v, Symbol) for v in values):
            return unflatten(self.structure, self.graph.run(*values))
        tensors = [v for v in values if isinstance(v, Tensor)]
        if is_recording() and any(v.requires_grad for v in tensors):
            results = self.graph.run(*values)
        else:
            results = self.compiled(*[np.asarray(raw_value(v)) for v in values])
        if tensors:
            results = [y if isinstance(y, Tensor) else Tensor.wrap(y) for y in results]
        return unflatten(self.structure, results)


@dataclass(eq=False, repr=False)
class Function:
    """A Python function that is traced once for each signature. Made by `function`.

    Attributes:
        python_function: The function that is traced.
        input_signature: The only types that are accepted, or None for any.
        max_traces: With more traces than this there is a warning.
        cache: The traced functions, by their signatures.
        traces: How often the Python function has run.
        owner: The class of which it is a method, or None.
        name: What it is called.
        parameters: The Python function's.
    """

    python_function: Callable[..., Any]
    input_signature: Sequence[Any] | None = None
    max_traces: int = 8
    cache: dict[Signature, Concrete] = field(default_factory=dict)
    traces: int = 0
    owner: type | None = None

    def __post_init__(self) -> None:
        functools.update_wrapper(self, self.python_function)
        self.name = getattr(self.python_function, "__name__", "function")
        self.parameters = inspect.signature(self.python_function)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        concrete, values = self._find(arguments, named)
        return concrete.run(values)

    def concrete(self, *arguments: Any, **named: Any) -> Concrete:
        """The traced function that a call with such arguments uses; it is traced if need be."""
        return self._find(arguments, named)[0]

    def graph_for(self, *arguments: Any, **named: Any) -> Graph:
        """The graph that a call with such arguments runs."""
        return self.concrete(*arguments, **named).graph

    def __get__(self, instance: Any, owner: type | None = None) -> Function:
        """The method of one object: it has a cache of its own, which lives as long as the object.

        Raises:
            TypeError: The class has ``__slots__``, so an object has no room for its cache.
        """
        if instance is None:
            return self
        if not hasattr(instance, "__dict__"):
            raise TypeError(
                f"function: an object of {type(instance).__name__} cannot keep the traces of its "
                "method, since its class has __slots__. Add '__dict__' to them."
            )
        # Found under its name from the next time on, without a call of this method. A method that
        # a subclass has overridden, and that super() asks for, must not take that place.
        overridden = getattr(type(instance), self.name, self) is not self
        key = self.python_function.__qualname__ if overridden else self.name
        if key not in instance.__dict__:
            bound = Function(
                self.python_function.__get__(instance, owner), self.input_signature, self.max_traces
            )
            bound.name, bound.owner = self.name, self.owner
            instance.__dict__[key] = bound
        method: Function = instance.__dict__[key]
        return method

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.owner = name, owner

    def __reduce__(self) -> Any:
        """Copied and pickled by name, without traces; a method is that of the copied object."""
        if self.owner is None or not hasattr(self.python_function, "__self__"):
            return self.python_function.__qualname__
        return _method_of, (self.python_function.__self__, self.owner, self.name)

    def __repr__(self) -> str:
        lines = [f"<function {self.name}, traced for {len(self.cache)} signatures>"]
        return "\n  ".join([*lines, *map(str, self.cache)])

    def _find(
        self, arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[Concrete, list[Any]]:
        """The traced function for the arguments, and the values of those that are arrays."""
        given = self.parameters.bind(*arguments, **named)
        given.apply_defaults()
        leaves, structure = flatten(tuple(given.arguments.values()), list(given.arguments))
        values = [x for _, x in leaves if _is_array(x)]
        if self.input_signature is not None:
            self._check_input_signature(values)
        signature = Signature(text(structure), tuple((name, _kind(x)) for name, x in leaves))
        if signature not in self.cache:
            self.cache[signature] = self._trace(leaves, structure)
        return self.cache[signature], values

    def _trace(self, leaves: Sequence[tuple[str, Any]], structure: Any) -> Concrete:
        names = [name for name, x in leaves if _is_array(x)]
        parameters = self.parameters

        def of_arrays(*arrays: Any) -> Any:
            rest = iter(arrays)
            items = unflatten(structure, [next(rest) if _is_array(x) else x for _, x in leaves])
            given = parameters.bind_partial()
            given.arguments.update(zip(parameters.parameters, items, strict=True))
            return self.python_function(*given.args, **given.kwargs)

        self.traces += 1
        if self.traces == self.max_traces + 1:
            warnings.warn(
                f"function {self.name} was traced {self.traces} times. Each trace takes time. "
                "Pass a number that changes as an array, pad to the same shape, and decorate the "
                f"function once, outside of any loop. {self!r}",
                RuntimeWarning,
                stacklevel=4,
            )
        arrays = [x for _, x in leaves if _is_array(x)]
        graph, result = trace_structured(
            of_arrays, arrays, self.name.replace("<lambda>", "function")
        )
        for x, name in zip(graph.inputs, names, strict=True):
            x.name = name
        return Concrete(graph, result)

    def _check_input_signature(self, values: Sequence[Any]) -> None:
        expected = [type_text(x) for _, x in flatten(tuple(self.input_signature or ()))[0]]
        actual = [type_text(x) for x in values]
        if actual != expected:
            raise TypeError(
                f"function {self.name}: the arguments are not of its input_signature\n"
                f"  Expect: {', '.join(expected)}\n  Actual: {', '.join(actual)}"
            )


@overload
def function(python_function: Callable[..., Any], /) -> Function: ...


@overload
def function(
    *, input_signature: Sequence[Any] | None = None, max_traces: int = 8
) -> Callable[[Callable[..., Any]], Function]: ...


def function(
    python_function: Callable[..., Any] | None = None,
    /,
    *,
    input_signature: Sequence[Any] | None = None,
    max_traces: int = 8,
) -> Any:
    """Trace a function when it is called with a new signature, else run the graph of that one.

    A signature has the shape and dtype of each array (a Tensor, a Symbol), and the value of each
    Python number, string or other object, in lists, tuples and dicts. What is not in it (a global
    variable, the contents of an object) is frozen as it was.

    On arrays the compiled graph runs. On Tensors that require a gradient the graph runs operation
    by operation and is recorded, so that ``backward`` goes through it. On Symbols the graph becomes
    a part of the one that is being traced.

    Args:
        python_function: The function. Without it ``function(...)`` is a decorator.
        input_signature: What the array arguments must be like: anything with a shape and a dtype,
            such as `placeholder`, one for each of their leaves in order.
        max_traces: Warn when there are more traces than this.

    Raises when called:
        TypeError: The arguments do not fit the parameters or the input_signature; Python asks for
            a value that is still to come (``if``, ``float()``); something else than arrays and
            numbers is returned.

    Source: tf.function, https://www.tensorflow.org/api_docs/python/tf/function
    """
    if python_function is None:
        return functools.partial(Function, input_signature=input_signature, max_traces=max_traces)
    return Function(python_function)


def _method_of(instance: Any, owner: type, name: str) -> Function:
    method: Function = owner.__dict__[name].__get__(instance, owner)
    return method


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | Tensor | Symbol)


def _kind(x: Any) -> Any:
    """What of a leaf counts in a signature: a text, or the object itself."""
    if _is_array(x):
        return type_text(x)
    if isinstance(x, bool | int | float | complex | str | bytes):
        return f"{x!r}"  # so that 1, 1.0 and True differ, and 0.0 and -0.0
    return Identity(x)
