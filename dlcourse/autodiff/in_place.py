"""Changes in place: where a Tensor's elements may be overwritten, and where they may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcourse.autodiff.node import Node
from dlcourse.autodiff.recording import mode
from dlcourse.autodiff.versions import note_change
from dlcourse.ops import Array
from dlcourse.ops.failures import explain_change, misuse, users_line

if TYPE_CHECKING:
    from typing import Self


class InPlace(Node):
    """The part of a Tensor that changes its array ``data``.

    Raises:
        RuntimeError: The change would have to be recorded: self or ``other`` requires a gradient.
        ValueError, IndexError, TypeError: The shape or dtype of ``other`` does not fit.
    """

    data: Array

    def copy_(self, source: Any) -> Self:
        """Overwrite the elements with ``source``, which broadcasts; returns self."""
        return self._change("copy_", source, lambda old, new: np.copyto(old, new, "same_kind"))

    def zero_(self) -> Self:
        """Overwrite the elements with 0; returns self."""
        return self.copy_(0)

    def fill_(self, value: Any) -> Self:
        """Overwrite the elements with a number; returns self."""
        return self.copy_(value)

    def add_(self, other: Any, alpha: float = 1) -> Self:
        """Add ``alpha * other``, which broadcasts, to the elements; returns self."""
        return self._change("add_", other, lambda old, new: np.add(old, scaled(new, alpha), old))

    def sub_(self, other: Any, alpha: float = 1) -> Self:
        """Subtract ``alpha * other``, which broadcasts, from the elements; returns self."""
        return self.add_(other, -alpha)

    def mul_(self, other: Any) -> Self:
        """Multiply the elements by ``other``, which broadcasts; returns self."""
        return self._change("mul_", other, lambda old, new: np.multiply(old, new, old))

    def div_(self, other: Any) -> Self:
        """Divide the elements by ``other``, which broadcasts; returns self."""
        return self._change("div_", other, lambda old, new: np.true_divide(old, new, old))

    def __setitem__(self, index: Any, value: Any) -> None:
        def assign(old: Array, new: Any) -> None:
            old[raw_index(index)] = new

        self._change("assignment to a part", value, assign)

    def __iadd__(self, other: Any) -> Self:
        return self._augment("+=", np.add, other, lambda: self + other)

    def __isub__(self, other: Any) -> Self:
        return self._augment("-=", np.subtract, other, lambda: self - other)

    def __imul__(self, other: Any) -> Self:
        return self._augment("*=", np.multiply, other, lambda: self * other)

    def __itruediv__(self, other: Any) -> Self:
        return self._augment("/=", np.true_divide, other, lambda: self / other)

    def _augment(self, name: str, ufunc: np.ufunc, other: Any, compute: Callable[[], Self]) -> Self:
        """``self op= other``: in place, or as a recorded operation where the graph needs one."""
        if self._is_recorded_with(other) and not (self.is_leaf and self._requires_grad):
            return compute()
        return self._change(name, other, lambda old, new: ufunc(old, new, out=old))

    def _change(self, name: str, other: Any, change: Callable[[Array, Any], Any]) -> Self:
        if self._is_recorded_with(other):
            raise misuse(
                f"{name}: a tensor whose gradient is recorded cannot be changed in place, because "
                "the graph would not know.\n"
                "  Write an update of a parameter under `with no_grad():`, anything else as a new "
                "tensor (y = y + 1, where(...))."
            )
        value = other.data if isinstance(other, InPlace) else other
        try:
            change(self.data, value)
        except (IndexError, TypeError, ValueError) as error:
            raise explain_change(name, self.data, value, error) from error
        note_change(self.data, f"{name} at {users_line()}")
        return self

    def _is_recorded_with(self, other: Any) -> bool:
        tracked = self._requires_grad or (isinstance(other, InPlace) and other._requires_grad)
        return mode.recording and tracked


def scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else x * factor


def raw_index(index: Any) -> Any:
    """An index with arrays of its own in place of Tensors."""
    if isinstance(index, tuple):
        return tuple(raw_index(part) for part in index)
    return np.array(index.data) if isinstance(index, InPlace) else index
