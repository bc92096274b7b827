"""The operators and methods that a Tensor and a Symbol of a static graph have in common."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from dlcourse import ops
from dlcourse.ops import Primitive

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


class _Method:
    """For type checkers: a method that returns what it is called on."""

    def __get__(self, instance: T, owner: type) -> Callable[..., T]:
        raise NotImplementedError


def _method(operation: Callable[..., Any]) -> _Method:
    """The operation as a method: its first argument is the object."""
    known: frozenset[str] | None = None
    text, signature = operation.__doc__, inspect.signature(operation)
    if isinstance(operation, Primitive):
        text, signature = f"{operation.meaning}.", operation.signature
        known = frozenset(operation.parameters) if len(operation.arguments) == 1 else None

    def method(self: Any, *arguments: Any, **parameters: Any) -> Any:
        if known is None or (parameters and not parameters.keys() <= known):
            return operation(self, *arguments, **parameters)
        if arguments:
            by_name = dict(zip(operation.parameters, arguments, strict=False))  # type: ignore[attr-defined]
            if len(by_name) < len(arguments) or by_name.keys() & parameters.keys():
                return operation(self, *arguments, **parameters)  # which says what is wrong
            parameters |= by_name
        return self.apply_primitive(operation, (self,), parameters)

    first, *rest = signature.parameters.values()
    own = first.replace(name="self", annotation=inspect.Parameter.empty)
    method.__signature__ = signature.replace(parameters=[own, *rest])  # type: ignore[attr-defined]
    method.__doc__ = text
    return cast(_Method, method)


class ArrayMethods:
    """What NumPy's arrays can do, handed to ``apply_primitive`` as operations of the table.

    It is no ABC, since isinstance is asked of every argument and takes ten times as long for one.
    """

    # NumPy hands its functions to these two: `array * value`, np.exp(value), np.mean(value).

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and ufunc in UFUNCS:
            return UFUNCS[ufunc](*inputs)
        call = getattr(ufunc, method)
        return call(*map(_plain, inputs), **{k: _plain(v) for k, v in options.items()})

    def __array_function__(self, function: Any, _types: Any, inputs: Any, options: Any) -> Any:
        name = function.__name__
        if name in ("shape", "ndim", "size") and len(inputs) == 1:
            return getattr(inputs[0], name)
        if name in NUMPY_FUNCTIONS:
            return getattr(ops, name)(*inputs, **options)
        return function(*map(_plain, inputs), **{k: _plain(v) for k, v in options.items()})

    @staticmethod
    @abstractmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        """The value of ``op``; at least one of ``arguments`` is of this type."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]: ...

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements, as in NumPy; PyTorch's ``size()`` is ``shape`` here."""
        return math.prod(self.shape)

    def numel(self) -> int:
        return self.size

    def dim(self) -> int:
        return self.ndim

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a value of shape () has no length: it has no axis")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        if not self.shape:
            raise TypeError("cannot iterate over a 0-d value: it has no axis")
        return (self[i] for i in range(len(self)))

    # --- Operators ----------------------------------------------------------------------------

    def _apply(self, op: Primitive, *arguments: Any, **parameters: Any) -> Self:
        return self.apply_primitive(op, arguments, parameters)  # type: ignore[no-any-return]

    def __add__(self, other: Any) -> Self:
        return self._apply(ops.add, self, other)

    def __radd__(self, other: Any) -> Self:
        return self._apply(ops.add, other, self)

    def __sub__(self, other: Any) -> Self:
        return self._apply(ops.subtract, self, other)

    def __rsub__(self, other: Any) -> Self:
        return self._apply(ops.subtract, other, self)

    def __mul__(self, other: Any) -> Self:
        return self._apply(ops.multiply, self, other)

    def __rmul__(self, other: Any) -> Self:
        return self._apply(ops.multiply, other, self)

    def __truediv__(self, other: Any) -> Self:
        return self._apply(ops.divide, self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._apply(ops.divide, other, self)

    def __pow__(self, other: Any) -> Self:
        return self._apply(ops.power, self, other)

    def __rpow__(self, other: Any) -> Self:
        return self._apply(ops.power, other, self)

    def __matmul__(self, other: Any) -> Self:
        return self._apply(ops.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self._apply(ops.matmul, other, self)

    def __mod__(self, other: Any) -> Self:
        return self._apply(ops.remainder, self, other)

    def __rmod__(self, other: Any) -> Self:
        return self._apply(ops.remainder, other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self._apply(ops.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._apply(ops.floor_divide, other, self)

    def __neg__(self) -> Self:
        return self._apply(ops.negative, self)

    def __abs__(self) -> Self:
        return self._apply(ops.abs, self)

    # Comparisons are elementwise, as in NumPy; so a value is hashed by identity.
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]
        return self._apply(ops.equal, self, other)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]
        return self._apply(ops.not_equal, self, other)

    def __lt__(self, other: Any) -> Self:
        return self._apply(ops.less, self, other)

    def __le__(self, other: Any) -> Self:
        return self._apply(ops.less_equal, self, other)

    def __gt__(self, other: Any) -> Self:
        return self._apply(ops.greater, self, other)

    def __ge__(self, other: Any) -> Self:
        return self._apply(ops.greater_equal, self, other)

    def __getitem__(self, index: Any) -> Self:
        return self._apply(ops.getitem, self, index=index)

    def __invert__(self) -> Self:
        return self._apply(ops.logical_not, self._condition("~"))

    def __and__(self, other: Any) -> Self:
        return self._apply(ops.logical_and, self._condition("&"), other)

    def __or__(self, other: Any) -> Self:
        return self._apply(ops.logical_or, self._condition("|"), other)

    def _condition(self, operator: str) -> Self:
        if self.dtype.kind != "b":
            raise TypeError(f"{operator}: expected booleans, got dtype {self.dtype}")
        return self

    # --- Methods: an operation each, whose further arguments are the operation's ----------------

    # Elementwise
    exp = _method(ops.exp)
    expm1 = _method(ops.expm1)
    log = _method(ops.log)
    log1p = _method(ops.log1p)
    sqrt = _method(ops.sqrt)
    rsqrt = _method(ops.rsqrt)
    square = _method(ops.square)
    reciprocal = _method(ops.reciprocal)
    pow = _method(ops.power)
    sin = _method(ops.sin)
    cos = _method(ops.cos)
    tan = _method(ops.tan)
    arctan = _method(ops.arctan)
    sinh = _method(ops.sinh)
    cosh = _method(ops.cosh)
    tanh = _method(ops.tanh)
    erf = _method(ops.erf)
    sigmoid = _method(ops.sigmoid)
    relu = _method(ops.relu)
    softplus = _method(ops.softplus)
    abs = _method(ops.abs)
    sign = _method(ops.sign)
    floor = _method(ops.floor)
    ceil = _method(ops.ceil)
    round = _method(ops.round)
    isnan = _method(ops.isnan)
    isfinite = _method(ops.isfinite)
    clip = _method(ops.clip)
    clamp = _method(ops.clamp)
    masked_fill = _method(ops.masked_fill)
    maximum = _method(ops.maximum)
    minimum = _method(ops.minimum)
    # Arithmetic and comparisons by name
    add = _method(ops.add)
    sub = _method(ops.subtract)
    mul = _method(ops.multiply)
    div = _method(ops.divide)
    neg = _method(ops.negative)
    remainder = _method(ops.remainder)
    floor_divide = _method(ops.floor_divide)
    eq = _method(ops.equal)
    ne = _method(ops.not_equal)
    lt = _method(ops.less)
    le = _method(ops.less_equal)
    gt = _method(ops.greater)
    ge = _method(ops.greater_equal)
    logical_and = _method(ops.logical_and)
    logical_or = _method(ops.logical_or)
    logical_not = _method(ops.logical_not)
    # Reductions; with dim= max and min give their indices too
    sum = _method(ops.sum)
    mean = _method(ops.mean)
    prod = _method(ops.prod)
    var = _method(ops.var)
    std = _method(ops.std)
    norm = _method(ops.norm)
    max = _method(ops.max)
    min = _method(ops.min)
    amax = _method(ops.amax)
    amin = _method(ops.amin)
    argmax = _method(ops.argmax)
    argmin = _method(ops.argmin)
    any = _method(ops.any)
    all = _method(ops.all)
    logsumexp = _method(ops.logsumexp)
    # Along an axis
    cumsum = _method(ops.cumsum)
    sort = _method(ops.sort)
    argsort = _method(ops.argsort)
    topk = _method(ops.topk)
    softmax = _method(ops.softmax)
    log_softmax = _method(ops.log_softmax)
    # Products
    matmul = _method(ops.matmul)
    mm = _method(ops.matmul)
    dot = _method(ops.matmul)
    # Shapes
    squeeze = _method(ops.squeeze)
    unsqueeze = _method(ops.unsqueeze)
    flatten = _method(ops.flatten)
    swapaxes = _method(ops.swapaxes)
    moveaxis = _method(ops.moveaxis)
    broadcast_to = _method(ops.broadcast_to)
    flip = _method(ops.flip)
    roll = _method(ops.roll)
    tile = _method(ops.tile)
    repeat = _method(ops.repeat)
    tril = _method(ops.tril)
    triu = _method(ops.triu)
    chunk = _method(ops.chunk)
    unbind = _method(ops.unbind)

    def where(self, condition: Any, other: Any) -> Self:
        """The elements where ``condition`` holds, else those of ``other``."""
        return self._apply(ops.where, condition, self, other)

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
        return self._apply(ops.reshape, self, shape=_one_tuple(shape))

    view = reshape  # of PyTorch, which makes no copy; nor does reshape if it can do without

    def reshape_as(self, other: Any) -> Self:
        return self.reshape(other.shape)

    view_as = reshape_as

    def expand(self, *shape: Any) -> Self:
        """Repeated to fill the shape; -1 keeps an axis' length."""
        return cast("Self", ops.expand(self, _one_tuple(shape)))

    def expand_as(self, other: Any) -> Self:
        return self.broadcast_to(other.shape)

    def transpose(self, *axes: Any) -> Self:
        """The axes in another order, as ndarray.transpose; reversed if none are given.

        PyTorch's ``transpose(0, 1)``, which exchanges two axes, is ``swapaxes`` here and in NumPy;
        for a matrix both are the same.
        """
        return self._apply(ops.transpose, self, axes=_one_tuple(axes) or None)

    def permute(self, *dims: Any) -> Self:
        """The axes in the order ``dims``."""
        return self.transpose(*dims)

    def t(self) -> Self:
        """The transpose of a matrix; a vector as it is."""
        if self.ndim > 2:
            raise ValueError(f"t: expected at most two axes, got shape {self.shape}")
        return self.T

    @property
    def T(self) -> Self:
        return self._apply(ops.transpose, self)

    @property
    def mT(self) -> Self:
        """The transpose of each matrix of a batch, whose last two axes are exchanged."""
        if self.ndim < 2:
            raise ValueError(f"mT: expected at least two axes, got shape {self.shape}")
        return self.swapaxes(-1, -2)

    def astype(self, dtype: Any) -> Self:
        return self._apply(ops.astype, self, dtype=np.dtype(dtype))

    detach = _method(ops.stop_gradient)

    def clone(self) -> Self:
        """A copy within the graph: its gradient flows on to self."""
        return self.astype(self.dtype)

    def contiguous(self) -> Self:
        """Self: every operation takes an array of any layout."""
        return self

    def to(self, dtype: Any) -> Self:
        """In another dtype; there are no devices."""
        return self.astype(dtype)

    def float(self) -> Self:
        """In single precision, as in PyTorch."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """In double precision."""
        return self.astype(np.float64)

    def long(self) -> Self:
        """In 64-bit integers."""
        return self.astype(np.int64)


# NumPy's functions that are operations here, under another name or the same.
UFUNCS: dict[np.ufunc, Primitive] = {
    ufunc: op
    for name, op in ops.PRIMITIVES.items()
    if isinstance(ufunc := getattr(np, name, None), np.ufunc)
}
UFUNCS[np.rint] = ops.round
NUMPY_FUNCTIONS = {
    "all", "any", "argmax", "argmin", "argsort", "broadcast_to", "clip", "concatenate", "cumsum",
    "einsum", "expand_dims", "flip", "max", "mean", "min", "moveaxis", "pad", "prod", "repeat",
    "reshape", "roll", "round", "sort", "split", "squeeze", "stack", "std", "sum", "swapaxes",
    "take_along_axis", "tile", "transpose", "tril", "triu", "var", "where",
}  # fmt: skip


def _plain(x: Any) -> Any:
    """``x`` for a function of NumPy that has no counterpart here: arrays in place of our values."""
    if isinstance(x, ArrayMethods):
        return np.asarray(x)
    return type(x)(map(_plain, x)) if type(x) in (list, tuple) else x


def _one_tuple(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) == 1 and not isinstance(arguments[0], int | np.integer):
        return tuple(arguments[0] or ())
    return arguments
