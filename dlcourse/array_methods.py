"""The operators and methods that a Tensor and a Symbol of a static graph have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcourse import ops
from dlcourse.ops import Axis, Primitive

if TYPE_CHECKING:
    from typing import Self


class ArrayMethods:
    """What NumPy's arrays can do, handed to ``apply_primitive`` as operations of the table.

    It is no ABC, since isinstance is asked of every argument and takes ten times as long for one.
    """

    __array_ufunc__ = None  # so that `array * value` calls value.__rmul__

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
        return math.prod(self.shape)

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

    # --- Methods --------------------------------------------------------------------------------

    def exp(self) -> Self:
        return self._apply(ops.exp, self)

    def log(self) -> Self:
        return self._apply(ops.log, self)

    def sqrt(self) -> Self:
        return self._apply(ops.sqrt, self)

    def square(self) -> Self:
        return self._apply(ops.square, self)

    def sin(self) -> Self:
        return self._apply(ops.sin, self)

    def cos(self) -> Self:
        return self._apply(ops.cos, self)

    def tanh(self) -> Self:
        return self._apply(ops.tanh, self)

    def sigmoid(self) -> Self:
        return self._apply(ops.sigmoid, self)

    def relu(self) -> Self:
        return self._apply(ops.relu, self)

    def abs(self) -> Self:
        return self._apply(ops.abs, self)

    def log1p(self) -> Self:
        return self._apply(ops.log1p, self)

    def expm1(self) -> Self:
        return self._apply(ops.expm1, self)

    def rsqrt(self) -> Self:
        return self._apply(ops.rsqrt, self)

    def reciprocal(self) -> Self:
        return self._apply(ops.reciprocal, self)

    def erf(self) -> Self:
        return self._apply(ops.erf, self)

    def floor(self) -> Self:
        return self._apply(ops.floor, self)

    def ceil(self) -> Self:
        return self._apply(ops.ceil, self)

    def round(self) -> Self:
        return self._apply(ops.round, self)

    def isnan(self) -> Self:
        return self._apply(ops.isnan, self)

    def isfinite(self) -> Self:
        return self._apply(ops.isfinite, self)

    def clip(self, low: float | None = None, high: float | None = None) -> Self:
        """Each element held to the range from ``low`` to ``high``; None is no bound."""
        return self._apply(ops.clip, self, low=low, high=high)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.min, self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.prod, self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Self:
        return self._apply(ops.var, self, axis=axis, keepdims=keepdims, ddof=ddof)

    def std(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Self:
        return self._apply(ops.std, self, axis=axis, keepdims=keepdims, ddof=ddof)

    def norm(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.norm, self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Self:
        return self._apply(ops.argmax, self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Self:
        return self._apply(ops.argmin, self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int) -> Self:
        return self._apply(ops.cumsum, self, axis=axis)

    def sort(self, axis: int = -1) -> Self:
        return self._apply(ops.sort, self, axis=axis)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return self._apply(ops.logsumexp, self, axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Self:
        return self._apply(ops.softmax, self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Self:
        return self._apply(ops.log_softmax, self, axis=axis)

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
        return self._apply(ops.reshape, self, shape=_one_tuple(shape))

    def transpose(self, *axes: Any) -> Self:
        """The axes in another order, as ndarray.transpose; reversed if none are given."""
        return self._apply(ops.transpose, self, axes=_one_tuple(axes) or None)

    @property
    def T(self) -> Self:
        return self._apply(ops.transpose, self)

    def flip(self, axis: Axis = None) -> Self:
        return self._apply(ops.flip, self, axis=axis)

    def tril(self, k: int = 0) -> Self:
        return self._apply(ops.tril, self, k=k)

    def triu(self, k: int = 0) -> Self:
        return self._apply(ops.triu, self, k=k)

    def broadcast_to(self, shape: tuple[int, ...]) -> Self:
        return self._apply(ops.broadcast_to, self, shape=shape)

    def astype(self, dtype: Any) -> Self:
        return self._apply(ops.astype, self, dtype=np.dtype(dtype))


def _one_tuple(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) == 1 and not isinstance(arguments[0], int | np.integer):
        return tuple(arguments[0] or ())
    return arguments
