"""What an operation is: its value, its derivative rules, and the table that it is entered in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy import generic, ndarray
from numpy.exceptions import AxisError
from numpy.typing import NDArray

from dlcourse.ops.axes import axis_problem
from dlcourse.ops.axis_names import in_our_names

Array: TypeAlias = NDArray[Any]
Axis: TypeAlias = int | tuple[int, ...] | None
# An array, a Tensor or a Symbol, all with NumPy's operators; no narrower type says that.
Value: TypeAlias = Any
# A derivative rule: of the gradient, the value and the arguments, all Values.
Rule: TypeAlias = Callable[..., Any]
# Of a call inside `vmap` (see `batch_rules`) the results of all examples, or None.
BatchRule: TypeAlias = Callable[[Any], Any]


class Primitive:
    """One row of the table: an operation with its value and its derivative rules.

    Calling it computes on raw arrays (lists and numbers become such), unless an argument's type has
    a method ``apply_primitive(primitive, arguments, parameters)``: then that one decides.
    Parameters such as ``axis`` come after the array arguments, by position or by name.

    Args:
        name: The name in the table.
        kernel: Computes the value from raw arrays. Its further arguments are the operation's
            parameters, apart from ``out``: a kernel that has it can write into a given array.
        meaning: One line for the reference page.
        rules: For each array argument, by name, its derivative rule, or None if it has none.
        each: For an operation on any number of arrays, in place of ``rules``: one rule with the
            position ``i`` of the argument in front, ``each(i, g, y, *arrays, **parameters)``.
            It is called with one sequence of arrays, as np.concatenate is.
        elementwise: Each element of the result depends on one element of each argument, and the
            arguments broadcast.
        expand: The same operation written with smaller ones; a static graph is compiled from those.
            It may return None: not for these arguments.
        pure: The same arguments always give the same value (random numbers do not).
        pair: For one whose elements PyTorch gives with their indices: of an array and the other
            parameters the values along ``axis`` with their indices, which ``dim=`` asks for.
        is_view: Whether the result lies in the memory of the argument; of the parameters, if it
            depends on them.
        neutral: By the name of an argument, the number with which the result is the other one, as
            0 of a sum. Not 0 of a product, which is no 0 if the other is infinite.
        batch: How to compute a whole batch at once, see `batch_rules`; without a rule, `vmap` goes
            from example to example.
        specialise: For compiled text: of the Symbols of the arguments and the parameters, a kernel
            that does less work where their shapes and dtypes allow it, or None.
        result_types: For one that carries graphs or has several results: of the Symbols and the
            parameters something of the shape and dtype of each result, which are not inferred.
        has_several_results: Whether one Symbol stands for several values, see `graphs.control`.

    Attributes:
        arguments: The names of the array arguments; empty if there may be any number.
        parameters: The names of the parameters that are not arrays.
        takes_out: Whether the kernel can write into a given array.
    """

    reads_all = False  # whether its rules read every argument, so that none needs to be asked

    __slots__ = (
        "_known",
        "arguments",
        "batch",
        "each",
        "elementwise",
        "expand",
        "has_several_results",
        "inferred",
        "is_view",
        "kernel",
        "meaning",
        "name",
        "neutral",
        "pair",
        "parameters",
        "pure",
        "result_types",
        "rules",
        "signature",
        "specialise",
        "takes_out",
    )

    def __init__(
        self,
        name: str,
        kernel: Callable[..., Any],
        meaning: str,
        rules: Mapping[str, Rule | None],
        *,
        each: Rule | None = None,
        elementwise: bool = False,
        expand: Callable[..., Any] | None = None,
        pure: bool = True,
        pair: Callable[..., Any] | None = None,
        is_view: bool | Callable[..., bool] = False,
        neutral: Mapping[str, float] | None = None,
        batch: BatchRule | None = None,
        specialise: Callable[..., Any] | None = None,
        result_types: Callable[..., Sequence[Any]] | None = None,
        has_several_results: bool = False,
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.meaning = meaning
        self.arguments = tuple(rules)
        self.rules = tuple(rules.values())
        self.each = each
        self.elementwise = elementwise
        self.expand = expand
        self.pure = pure
        self.pair = pair
        self.is_view = is_view
        self.neutral = neutral or {}
        self.batch = batch
        self.specialise = specialise
        self.result_types = result_types
        self.has_several_results = has_several_results
        if isinstance(kernel, np.ufunc):
            named: list[str] = ["out"]
        else:
            kinds = inspect.signature(kernel).parameters.values()
            named = [p.name for p in kinds if p.kind is not p.VAR_POSITIONAL]
            named = named[len(self.arguments) :]
        self.takes_out = "out" in named
        self.parameters = tuple(n for n in named if n != "out")
        names = (*(self.arguments if each is None else ("arrays",)), *self.parameters)
        either = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.signature = inspect.Signature([inspect.Parameter(n, either) for n in names])
        self._known = frozenset(self.parameters)
        self.inferred: dict[Any, Any] = {}  # what `inference` remembers

    def __call__(self, *arguments: Any, **parameters: Any) -> Any:
        fits = len(arguments) == len(self.arguments)
        if not fits or (parameters and not parameters.keys() <= self._known):
            if self.pair is not None and parameters.get("dim") is not None:
                return self.pair(*arguments, **in_our_names(self.name, self._known, parameters))
            arguments, parameters = self._bind(arguments, parameters)
        numbers = others = 0
        for argument in arguments:
            kind = type(argument)
            if kind is ndarray:
                continue
            if kind is int or kind is float:
                numbers += 1
            elif hasattr(argument, "apply_primitive"):
                return argument.apply_primitive(self, arguments, parameters)
            elif not isinstance(argument, generic):
                others += 1
        if others or (numbers and not (self.elementwise and numbers < len(arguments))):
            arguments = self._arrays(arguments)
        try:
            return self.kernel(*arguments, **parameters)
        except (IndexError, ValueError) as error:
            if problem := axis_problem(arguments, parameters):
                raise AxisError(f"{self.name}: {problem}") from error
            raise

    def rules_for(self, count: int) -> Sequence[Rule | None]:
        """The rule of each of ``count`` array arguments."""
        if self.each is None:
            return self.rules
        return [partial(self.each, i) for i in range(count)]

    def _arrays(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as arrays. Beside an array, a number of an elementwise operation stays.

        So it takes the array's dtype, as in NumPy.
        """
        has_array = any(hasattr(x, "dtype") for x in arguments)
        stays = (bool, int, float) if self.elementwise and has_array else ()
        arrays = [
            x if hasattr(x, "dtype") or isinstance(x, stays) or _is_bundle(x) else np.asarray(x)
            for x in arguments
        ]
        for x in arrays:
            if hasattr(x, "dtype") and x.dtype.kind not in "biuf":
                raise TypeError(
                    f"{self.name}: expected booleans, integers or floating point numbers, "
                    f"got dtype {x.dtype}"
                )
        return tuple(arrays)

    def _bind(
        self, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The array arguments, and all parameters by name."""
        parameters = in_our_names(self.name, self._known, parameters)
        try:
            given = self.signature.bind_partial(*arguments, **parameters).arguments
            if self.each is not None:
                return tuple(given.pop("arrays")), given
            return tuple([given.pop(name) for name in self.arguments]), given
        except (KeyError, TypeError) as error:
            raise TypeError(
                f"{self.name}: expected {self.name}({', '.join(self.signature.parameters)}), got "
                f"{len(arguments)} arguments by position and {list(parameters) or 'none'} by name"
            ) from error

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.signature.parameters)})>"


def _is_bundle(x: Any) -> bool:
    """Whether ``x`` is the sequence of arrays that an operation with several results gave."""
    return isinstance(x, list | tuple) and any(hasattr(part, "dtype") for part in x)


def as_value(x: Any) -> Any:
    """``x`` itself if it is an array, a Tensor or a Symbol; a list or number as an array."""
    return x if hasattr(x, "shape") else np.asarray(x)


class Operations:
    """The operations of the table as attributes, for the rules that the table itself refers to."""

    def __getattr__(self, name: str) -> Primitive:
        raise AttributeError(f"there is no operation {name!r} in the table")


operations = Operations()
PRIMITIVES: dict[str, Primitive] = vars(operations)  # the same by name, in the table's order
# What may stand in a row beside the rules: the keyword arguments of Primitive.
FACTS = {
    name for name, p in inspect.signature(Primitive).parameters.items() if p.kind is p.KEYWORD_ONLY
}


def primitive(name: str, kernel: Callable[..., Any], meaning: str, **row: Any) -> Primitive:
    """Enter an operation into the table and return it.

    Args:
        name, kernel, meaning: As for Primitive.
        row: Its other keyword arguments; anything else is the rule of an array argument.
    """
    if name in PRIMITIVES:
        raise ValueError(f"primitive {name!r} is already in the table; choose another name")
    rules = {argument: rule for argument, rule in row.items() if argument not in FACTS}
    facts = {fact: value for fact, value in row.items() if fact in FACTS}
    PRIMITIVES[name] = Primitive(name, kernel, meaning, rules, **facts)
    return PRIMITIVES[name]


def elementwise(name: str, kernel: Callable[..., Any], meaning: str, **more: Any) -> Primitive:
    """Enter an elementwise operation into the table and return it."""
    return primitive(name, kernel, meaning, elementwise=True, **more)
