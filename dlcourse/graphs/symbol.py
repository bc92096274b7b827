"""A Symbol stands for a value that is still to come: its shape and dtype are known, no number is.

An operation on Symbols computes nothing. It makes a further Symbol that remembers the operation, as
a Tensor does; so a function that is called with Symbols writes down its graph.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, cast

import numpy as np

from dlcourse import ops
from dlcourse.autodiff import Tensor, enable_grad, is_recording
from dlcourse.autodiff.node import Node, tick
from dlcourse.ops import Primitive
from dlcourse.ops.failures import KERNEL_ERRORS, explain_failure
from dlcourse.ops.inference import infer
from dlcourse.ops.trees import map_leaves


class _Records(threading.local):
    """The lists that `record_symbols` fills, the innermost last; each thread has its own."""

    def __init__(self) -> None:
        self.lists: list[list[Symbol]] = []


_records = _Records()


@contextmanager
def record_symbols() -> Iterator[list[Symbol]]:
    """A context that gives the list of the operations written down in it, in order.

    Whether gradients flow through them is decided inside: a `no_grad` around it has no effect.
    """
    made: list[Symbol] = []
    _records.lists.append(made)
    try:
        with enable_grad():
            yield made
    finally:
        _records.lists.pop()


class Symbol(Node):
    """A value of a static graph: an input, or the result of an operation.

    Attributes:
        shape, dtype: Those of the array that it stands for.
        op, inputs, parameters: The operation that makes it, as of any Node. An operand that is no
            Symbol is a constant: an array or a Python number.
        name: What an input is called, else None.
    """

    __slots__ = ("dtype", "shape")  # attributes, where a Tensor has properties: read very often
    hooks = None

    def __init__(
        self,
        shape: Sequence[int],
        dtype: Any,
        *,
        op: Primitive | None = None,
        inputs: tuple[Any, ...] = (),
        parameters: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.op = op
        self.inputs = inputs
        self.parameters = {} if parameters is None else parameters
        self.name = name
        self.created = tick()
        self._requires_grad = self.dtype.kind == "f"
        if op is not None and _records.lists:
            _records.lists[-1].append(self)

    def __repr__(self) -> str:
        made = self.name or ("input" if self.op is None else self.op.name)
        return f"<symbol {made}: {type_text(self)}>"

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Symbol:
        """The Symbol of the result; its shape and dtype are those that the kernel would give.

        Under `no_grad` it is a constant, by an operation of its own: the graph keeps that.
        """
        for x in arguments:
            if isinstance(x, Node) and not isinstance(x, (Symbol, Tensor)):
                return x.apply_primitive(op, arguments, parameters)  # type: ignore[no-any-return]
        operands = tuple([as_operand(x, op) for x in arguments])
        parameters = map_leaves(_own, parameters)
        try:
            shape, dtype = infer(op, operands, parameters)
        except KERNEL_ERRORS as error:
            raise explain_failure(op, operands, parameters, error) from error
        y = Symbol(shape, dtype, op=op, inputs=operands, parameters=parameters)
        if is_recording() or op is ops.stop_gradient or y.dtype.kind != "f":
            return y
        return cast("Symbol", ops.stop_gradient(y))

    def on(self, operands: tuple[Any, ...]) -> Symbol:
        """The same operation on other operands of the same shapes and dtypes; itself on its own."""
        if all(map(operator.is_, operands, self.operands)):
            return self
        return self._made(operands)

    def _made(self, operands: tuple[Any, ...]) -> Symbol:
        return Symbol(
            self.shape, self.dtype, op=self.op, inputs=operands, parameters=self.parameters
        )

    def value(self, operands: Sequence[Any]) -> Any:
        """What the operation makes of these operands: arrays, Tensors or Symbols."""
        assert self.op is not None
        return self.op(*(operands if self.op.each is None else (operands,)), **self.parameters)

    def __getitem__(self, index: Any) -> Symbol:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Symbol) for part in parts):
            raise TypeError(
                "getitem: an index must be known when the graph is traced, got a Symbol. "
                "Use take_along_axis(a, indices, axis) or embedding(table, indices)."
            )
        return self._apply(ops.getitem, self, index=index)

    # --- What has no answer before the numbers are there -----------------------------------------

    def _no_value(self, what: str, instead: str) -> NoReturn:
        raise TypeError(
            f"{what} needs a number, but {self!r} has none while its graph is traced. {instead}"
        )

    def __bool__(self) -> bool:
        self._no_value(
            "a Python if, while, and, or",
            "Use where(condition, a, b), or cond and while_loop of dlcourse.graphs.",
        )

    def __float__(self) -> float:
        self._no_value("float()", "Return it from the function and convert the result.")

    def __int__(self) -> int:
        self._no_value("int()", "Return it from the function and convert the result.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._no_value("a NumPy function", "Use the operation of dlcourse in its place.")

    def __format__(self, spec: str) -> str:
        if spec:
            self._no_value("a format", "Return it from the function and format the result.")
        return repr(self)

    def item(self) -> NoReturn:
        self._no_value("item()", "Return it from the function and convert the result.")


def placeholder(shape: Sequence[int], dtype: Any = np.float64, name: str | None = None) -> Symbol:
    """A Symbol for an input, to be given when the graph is run.

    Args:
        shape, dtype: Those of the array that will be given.
        name: What the input is called when the graph is printed or drawn.
    """
    return Symbol(shape, dtype, name=name)


def type_text(x: Any) -> str:
    """The type of a Symbol or array in short, as in ``f32[100,10]``."""
    is_number = x.dtype.kind in "fiu"
    name = f"{x.dtype.kind}{8 * x.dtype.itemsize}" if is_number else x.dtype.name
    return f"{name}[{','.join(map(str, x.shape))}]"


def as_operand(x: Any, op: Primitive) -> Any:
    """``x`` as an operand of a Symbol: a Symbol, a Python number, or an array of its own."""
    if isinstance(x, (Symbol, bool, int, float)):
        return x
    if isinstance(x, Tensor):
        if x.requires_grad:
            raise TypeError(
                f"{op.name}: a Tensor that requires a gradient would become a constant of the "
                "graph. Make it an argument of the traced function."
            )
        x = x.data
    array = np.array(x)  # a copy: the graph's constant does not change when the caller's array does
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{op.name}: expected numbers beside a Symbol, got {type(x).__name__} {x!r}"
        )
    return array


def _own(part: Any) -> Any:
    """A part of a parameter; an array, such as one of an index, as a copy."""
    if isinstance(part, Tensor):
        part = part.data
    return part.copy() if isinstance(part, np.ndarray) else part
