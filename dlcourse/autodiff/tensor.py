"""The Tensor: an array that remembers how it was computed.

Source: the behaviour is that of torch.Tensor, https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.conversions import Conversions
from dlcourse.autodiff.hooks import Hook, HookHandle, run_hooks
from dlcourse.autodiff.in_place import InPlace, raw_index
from dlcourse.autodiff.node import tick
from dlcourse.autodiff.recording import Recording, mode
from dlcourse.autodiff.sweep import gradients_at, reverse_sweep
from dlcourse.ops import Array, Primitive
from dlcourse.ops.failures import KERNEL_ERRORS, explain_failure, misuse


class Tensor(InPlace, Conversions):
    """An array that can remember how it was computed, so that it can be differentiated.

    Args:
        data: An array or anything np.array takes; it is copied. Booleans, integers and floating
            point numbers are accepted; the dtype is NumPy's (a list of Python floats is float64).
        requires_grad: Whether ``backward`` should leave d(loss)/d(this tensor) in ``grad``.
        dtype: The dtype to convert to, by default the one that ``data`` has.

    Attributes:
        data: The value, an ndarray.
        grad: The gradient gathered by ``backward``, a Tensor of the same shape and dtype, or None.

    Raises:
        TypeError: ``data`` is not numeric, or ``requires_grad`` is set on a tensor of integers.
    """

    grad: Tensor | None = None
    hooks: dict[int, Hook] | None = None
    raw_inputs: list[Any] | None = None  # the inputs' arrays, as the operation got them
    _retains_grad: bool = False

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        array = np.array(data.data if isinstance(data, Tensor) else data, dtype=dtype)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"Tensor: expected booleans, integers or floating point numbers, "
                f"got dtype {array.dtype}"
            )
        self.data = array
        self.created = tick()
        self.requires_grad = requires_grad

    @classmethod
    def wrap(cls, array: Any) -> Tensor:
        """A Tensor on this very array, without a copy."""
        tensor = cls.__new__(cls)
        tensor.data = array if type(array) is np.ndarray else np.asarray(array)
        tensor.created = tick()
        return tensor

    # --- What it is ---------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether this tensor takes part in differentiation; may be set on leaves only."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise misuse(
                "requires_grad can be changed on leaf tensors only; this one is the result of "
                f"{self.operation_name()}. Use detach() for a copy outside the graph."
            )
        if value and self.data.dtype.kind != "f":
            raise TypeError(
                "requires_grad needs a floating point tensor, because a gradient is no integer; "
                f"got dtype {self.data.dtype}. Pass dtype=float, or write 1.0 instead of 1."
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad``; returns self."""
        self.requires_grad = requires_grad
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", precision=4, prefix="Tensor(")
        if self.data.dtype not in (np.float64, np.int64, np.bool_):
            text += f", dtype={self.data.dtype}"
        if self.op is not None:
            text += f", op={self.op.name}"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return f"Tensor({text})"

    # --- Differentiation -----------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add d(self)/d(leaf) to ``leaf.grad`` for each leaf that requires a gradient.

        Args:
            gradient: d(loss)/d(self), of the shape of self; may be left out if self has exactly
                one element, and is 1 then.
            retain_graph: Keep the graph for another ``backward``; by default as create_graph.
            create_graph: Record the sweep itself, so that gradients can be differentiated again.
            inputs: The tensors to whose ``grad`` is added, leaves or results; by default all
                leaves.

        Raises:
            TypeError: Something in ``inputs`` is no Tensor.
            RuntimeError: Nothing to differentiate; self is no scalar and gradient is missing or
                has another shape; the graph was freed by an earlier ``backward``; a value that a
                rule needs was changed in place; an input requires no gradient.
        """
        seed: Any = _seed(self, gradient)
        wanted = None if inputs is None else {id(x) for x in _checked_inputs("backward", inputs)}
        if wanted is not None and not wanted:
            raise misuse("backward(inputs=...): expected at least one input, got none")
        retain = create_graph if retain_graph is None else retain_graph
        if not create_graph:
            # A NumPy number, where it is one, is quicker to calculate with than an array of it.
            seed = seed.data.copy() if self.op is None else seed.data[()]
        outer, mode.recording = mode.recording, create_graph
        try:
            for tensor, g in reverse_sweep(
                self, seed, raw=not create_graph, retain=retain, towards=wanted
            ):
                if tensor.op is None:
                    if wanted is None or id(tensor) in wanted:
                        tensor._accumulate(g)
                elif tensor._retains_grad or (wanted is not None and id(tensor) in wanted):
                    tensor._accumulate(g if create_graph else g.copy())
        finally:
            mode.recording = outer

    def _accumulate(self, g: Any) -> None:
        """Add g to self.grad; g is a Tensor if the sweep is recorded, else an array of our own."""
        if self.grad is None:
            # A recorded gradient may be that of several tensors, or the seed of the caller.
            self.grad = g.astype(g.dtype) if isinstance(g, Tensor) else Tensor.wrap(g)
        elif isinstance(g, Tensor):
            self.grad = self.grad + g
        elif self.grad.is_leaf:
            self.grad.data += g
        else:  # it is part of a graph (create_graph), whose values must not change
            self.grad = Tensor.wrap(self.grad.data + g)

    def retain_grad(self) -> None:
        """Let ``backward`` fill ``grad`` also if this tensor is not a leaf."""
        if not self._requires_grad:
            raise misuse("retain_grad() needs a tensor that requires a gradient")
        self._retains_grad = True

    def zero_grad(self) -> None:
        """Forget the gathered gradient; the next ``backward`` starts from zero."""
        self.grad = None

    def register_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook`` with this tensor's gradient in each sweep, before anything uses it.

        What the hook returns, unless None, takes the gradient's place; it must have its shape.
        Hooks run in the order in which they were registered.

        Returns:
            A handle, whose ``remove()`` removes the hook.

        Source: torch.Tensor.register_hook.
        """
        if not self._requires_grad:
            raise misuse("register_hook() needs a tensor that requires a gradient")
        if self.hooks is None:
            self.hooks = {}
        return HookHandle(self.hooks, hook)

    run_hooks = run_hooks

    # --- Operations ----------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        return self._apply(ops.getitem, self, index=raw_index(index))

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        """Compute ``op`` and record it in the graph if an argument requires a gradient."""
        raw: list[Any] = []
        is_recorded = False
        for i, x in enumerate(arguments):
            if isinstance(x, Tensor):
                raw.append(x.data)
                if x._requires_grad and (op.each is not None or op.rules[i] is not None):
                    is_recorded = True
            elif isinstance(x, bool | int | float):
                raw.append(x)  # NumPy lets a Python number take the other operand's dtype
            elif hasattr(x, "apply_primitive"):
                return x.apply_primitive(op, arguments, parameters)
            else:
                raw.append(_as_array(x, op))
                arguments = (*arguments[:i], raw[i], *arguments[i + 1 :])
        try:
            value = op.kernel(*raw, **parameters)
        except KERNEL_ERRORS as error:
            raise explain_failure(op, raw, parameters, error) from error
        result = Tensor.__new__(Tensor)
        result.data = value if type(value) is np.ndarray else np.asarray(value)
        result.created = tick()
        if is_recorded and mode.recording and result.data.dtype.kind == "f":
            result.op, result.inputs, result.parameters = op, arguments, parameters
            result.raw_inputs = raw
            result._requires_grad = True
        for observe in mode.observers:
            observe(op, arguments, result)
        return result


def gradients(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    follow: Callable[[Tensor], bool] | None = None,
) -> list[Tensor | None]:
    """d(output)/d(input) for each input; nothing is stored in any ``grad``.

    Args:
        output: A tensor that requires a gradient.
        inputs: One Tensor or several that require one, leaves or results; of each, its own shape
            comes back.
        gradient, retain_graph, create_graph: As for ``Tensor.backward``.
        follow: Whether to go on behind a tensor, to what it was computed from; by default always.

    Returns:
        For each input a Tensor, or None if the output does not depend on it.

    Raises:
        TypeError: An input is no Tensor.
        RuntimeError: As for ``Tensor.backward``.

    Source: torch.autograd.grad.
    """
    inputs = _checked_inputs("gradients", inputs)
    seed = _seed(output, gradient)
    start = seed if create_graph else seed.data
    retain = create_graph if retain_graph is None else retain_graph
    with Recording(create_graph):
        found = gradients_at(
            inputs, output, start, raw=not create_graph, retain=retain, follow=follow
        )
        # Copies: one may be the gradient of several tensors, the seed, or a view.
        return [
            None if g is None else g.astype(g.dtype) if create_graph else Tensor(g) for g in found
        ]


def _checked_inputs(name: str, inputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
    chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for x in chosen:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected inputs to be Tensors, got {type(x).__name__}")
        if not x._requires_grad:
            raise misuse(
                f"{name}: expected inputs that require a gradient, got one of shape {x.shape} that "
                "does not"
            )
    return chosen


def raw_value(x: Any) -> Any:
    """The array of a Tensor ``x``; any other ``x`` as it is."""
    return x.data if isinstance(x, Tensor) else x


def _as_array(x: Any, op: Primitive) -> Array:
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{op.name}: expected booleans, integers or floating point numbers beside a tensor, "
            f"got {type(x).__name__} {x!r}"
        )
    return array


def _seed(root: Tensor, gradient: Any) -> Tensor:
    """The gradient that the sweep starts from, checked."""
    if not root.requires_grad:
        raise misuse(
            "backward() found no graph: this tensor does not depend on a tensor with "
            "requires_grad=True (or it was computed under no_grad, or detached)"
        )
    if gradient is None:
        if root.data.size != 1:
            raise misuse(
                f"backward() needs a scalar to differentiate, got shape {root.shape}. Reduce it, "
                "for example with .sum() or .mean(), or pass gradient= of that shape."
            )
        return Tensor.wrap(np.array(1, root.dtype).reshape(root.shape))
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if seed.shape != root.shape:
        raise misuse(
            f"backward(gradient=...): expected the shape of the tensor, {root.shape}, "
            f"got {seed.shape}"
        )
    return seed if seed.dtype == root.dtype else seed.astype(root.dtype)
