"""What a Tensor is outside of its graph: an array, a Python number, a text, a pickle."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlcourse.autodiff.node import Node, tick
from dlcourse.ops import Array
from dlcourse.ops.failures import misuse


class Conversions(Node):
    """Methods of Tensor that leave the graph behind."""

    data: Array
    grad: Any

    def numpy(self) -> Array:
        """The value as an ndarray that shares memory with this tensor.

        Raises:
            RuntimeError: The tensor requires a gradient, which the array could not carry on.
        """
        if self._requires_grad:
            raise misuse(
                "numpy() would leave the graph behind: this tensor requires a gradient. "
                "Use tensor.detach().numpy()."
            )
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.data.size != 1:
            raise ValueError(f"item() needs exactly one element, got shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as Python numbers, in nested lists."""
        return self.data.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ValueError(
                f"the truth of a tensor of shape {self.shape} is ambiguous: "
                "compare a single element, or use .data.any() or .data.all()"
            )
        return bool(self.data.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else super().__format__(spec)

    def __getstate__(self) -> dict[str, Any]:
        """What copy.deepcopy and pickle keep: the value and the gradient, not hooks.

        Raises:
            RuntimeError: A recorded operation made it; its graph would have to be copied too.
        """
        if self.op is not None:
            raise misuse(
                f"only leaves can be copied or pickled; this tensor is the result of {self.op.name}"
                ". Use clone() to copy it within the graph, or detach() to leave the graph behind."
            )
        return {"data": self.data, "grad": self.grad, "_requires_grad": self._requires_grad}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, created=tick())
