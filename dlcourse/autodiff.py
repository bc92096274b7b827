"""Tensors, the dynamic graph that their operations record, and reverse-mode differentiation.

The graph has no class of its own. A Tensor that an operation made remembers that operation and its
inputs; following the inputs backwards gives the graph. Nothing points forwards, so a graph is
freed as soon as its last result is dropped, without the garbage collector.

Source: Griewank & Walther, Evaluating Derivatives (2008), chapter 3; the behaviour of Tensor is
that of torch.Tensor (https://pytorch.org/docs/stable/tensors.html).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from dlcourse import ops
from dlcourse.errors import explain_failure
from dlcourse.ops import Array, Axis, Primitive


class _Mode(threading.local):
    """Whether operations record the graph; each thread has its own."""

    def __init__(self) -> None:
        self.recording = True
        self.outer: list[bool] = []  # what held around each context that was entered


_mode = _Mode()
_creation = itertools.count()


class _Recording(contextlib.ContextDecorator):
    """A context, or a decorator, that sets whether operations record the graph."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        _mode.outer.append(_mode.recording)
        _mode.recording = self.enabled

    def __exit__(self, *_error: object) -> None:
        _mode.recording = _mode.outer.pop()


def no_grad() -> _Recording:
    """A context, or a decorator, in which operations record no graph (as torch.no_grad)."""
    return _Recording(False)


def enable_grad() -> _Recording:
    """A context, or a decorator, that records again inside no_grad (as torch.enable_grad)."""
    return _Recording(True)


def is_recording() -> bool:
    """Whether operations record the graph now, in this thread (as torch.is_grad_enabled)."""
    return _mode.recording


class Tensor:
    """An array that can remember how it was computed, so that it can be differentiated.

    Args:
        data: An array or anything np.array takes; it is copied. Booleans, integers and floating
            point numbers are accepted; the dtype is NumPy's (a list of Python floats is float64).
        requires_grad: Whether ``backward`` shall leave d(loss)/d(this tensor) in ``grad``.
        dtype: The dtype to convert to, by default the one that ``data`` has.

    Attributes:
        data: The value, an ndarray.
        grad: The gradient gathered by ``backward``, a Tensor of the same shape and dtype, or None.

    Raises:
        TypeError: ``data`` is not numeric, or ``requires_grad`` is set on a tensor of integers.
    """

    __slots__ = (
        "__weakref__",
        "_created",
        "_inputs",
        "_op",
        "_params",
        "_requires_grad",
        "_retains_grad",
        "data",
        "grad",
    )
    __array_ufunc__ = None  # so that `array * tensor` calls Tensor.__rmul__

    data: Array
    grad: Tensor | None
    _requires_grad: bool
    _op: Primitive | None
    _inputs: tuple[Any, ...] | None
    _params: dict[str, Any]

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        array = np.array(data.data if isinstance(data, Tensor) else data, dtype=dtype)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"Tensor: expected booleans, integers or floating point numbers, "
                f"got dtype {array.dtype}"
            )
        self._fill(array)
        self.requires_grad = requires_grad

    def _fill(self, array: Array) -> None:
        self.data = array
        self.grad = None
        self._requires_grad = False
        self._retains_grad = False
        self._op = None
        self._inputs = ()
        self._params = {}
        self._created = next(_creation)

    @classmethod
    def _wrap(cls, array: Any) -> Tensor:
        """A Tensor on this very array, without a copy."""
        tensor = cls.__new__(cls)
        tensor._fill(array if type(array) is np.ndarray else np.asarray(array))
        return tensor

    # --- What it is ---------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether this tensor takes part in differentiation; may be set on leaves only."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError(
                "requires_grad can be changed on leaf tensors only; this one is the result of "
                f"{self._operation_name()}. Use detach() for a copy outside the graph."
            )
        if value and self.data.dtype.kind != "f":
            raise TypeError(
                "requires_grad needs a floating point tensor, because a gradient is no integer; "
                f"got dtype {self.data.dtype}. Pass dtype=float, or write 1.0 instead of 1."
            )
        self._requires_grad = bool(value)

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation made."""
        return self._op is None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        text = np.array2string(self.data, separator=", ", precision=4, prefix="Tensor(")
        if self.data.dtype not in (np.float64, np.int64, np.bool_):
            text += f", dtype={self.data.dtype}"
        if self._op is not None:
            text += f", op={self._op.name}"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return f"Tensor({text})"

    def _operation_name(self) -> str:
        return "no operation" if self._op is None else self._op.name

    # --- The value without the graph -----------------------------------------------------------

    def numpy(self) -> Array:
        """The value as an ndarray that shares memory with this tensor.

        Raises:
            RuntimeError: The tensor requires a gradient, which the array could not carry on.
        """
        if self._requires_grad:
            raise RuntimeError(
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

    def detach(self) -> Tensor:
        """A tensor with the same memory and no history."""
        return Tensor._wrap(self.data)

    # --- Differentiation -----------------------------------------------------------------------

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add d(self)/d(leaf) to ``leaf.grad`` for each leaf that requires a gradient.

        Args:
            gradient: d(loss)/d(self), of the shape of self; may be left out if self has exactly
                one element, and is 1 then.
            retain_graph: Keep the graph for another ``backward``; by default as create_graph.
            create_graph: Record the sweep itself, so that gradients can be differentiated again.

        Raises:
            RuntimeError: Nothing to differentiate; self is no scalar and gradient is missing or
                has another shape; the graph was freed by an earlier ``backward``.
        """
        if not self._requires_grad:
            raise RuntimeError(
                "backward() found no graph: this tensor does not depend on a tensor with "
                "requires_grad=True (or it was computed under no_grad, or detached)"
            )
        seed = _seed(self, gradient)
        retain = create_graph if retain_graph is None else retain_graph
        with _Recording(create_graph):
            for tensor, g in _reverse_sweep(self, seed, retain=retain, create_graph=create_graph):
                if tensor.is_leaf or tensor._retains_grad:
                    tensor._accumulate(g)

    def _accumulate(self, g: Any) -> None:
        """Add g to self.grad; g is a Tensor if the sweep is recorded, else an ndarray."""
        # A first gradient is copied, since one array may be the gradient of several tensors, the
        # seed of the caller, or a view.
        if isinstance(g, Tensor):
            self.grad = g.astype(g.dtype) if self.grad is None else self.grad + g
        elif self.grad is None:
            self.grad = Tensor._wrap(np.array(g))
        elif self.grad.is_leaf:
            self.grad.data += g
        else:  # it is part of a graph (create_graph), whose values must not change
            self.grad = Tensor._wrap(self.grad.data + g)

    def retain_grad(self) -> None:
        """Let ``backward`` fill ``grad`` also if this tensor is not a leaf."""
        if not self._requires_grad:
            raise RuntimeError("retain_grad() needs a tensor that requires a gradient")
        self._retains_grad = True

    def zero_grad(self) -> None:
        """Forget the gathered gradient; the next ``backward`` starts anew."""
        self.grad = None

    # --- Operations ----------------------------------------------------------------------------

    @staticmethod
    def apply_primitive(
        op: Primitive, arguments: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Tensor:
        """Compute ``op`` and record it in the graph if an argument requires a gradient."""
        return _apply(op, *arguments, **parameters)

    def __add__(self, other: Any) -> Tensor:
        return _apply(ops.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _apply(ops.add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _apply(ops.subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _apply(ops.subtract, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _apply(ops.multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _apply(ops.multiply, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _apply(ops.divide, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _apply(ops.divide, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _apply(ops.power, self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _apply(ops.power, other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _apply(ops.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _apply(ops.matmul, other, self)

    def __neg__(self) -> Tensor:
        return _apply(ops.negative, self)

    def __abs__(self) -> Tensor:
        return _apply(ops.abs, self)

    # Comparisons are elementwise, as in NumPy; so a Tensor is hashed by identity.
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return _apply(ops.equal, self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return _apply(ops.not_equal, self, other)

    def __lt__(self, other: Any) -> Tensor:
        return _apply(ops.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return _apply(ops.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _apply(ops.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _apply(ops.greater_equal, self, other)

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        raw = tuple(np.array(part.data) if isinstance(part, Tensor) else part for part in parts)
        return _apply(ops.getitem, self, index=raw if isinstance(index, tuple) else raw[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("cannot iterate over a 0-d tensor: it has no axis")
        return (self[i] for i in range(len(self)))

    def exp(self) -> Tensor:
        return _apply(ops.exp, self)

    def log(self) -> Tensor:
        return _apply(ops.log, self)

    def sqrt(self) -> Tensor:
        return _apply(ops.sqrt, self)

    def square(self) -> Tensor:
        return _apply(ops.square, self)

    def sin(self) -> Tensor:
        return _apply(ops.sin, self)

    def cos(self) -> Tensor:
        return _apply(ops.cos, self)

    def tanh(self) -> Tensor:
        return _apply(ops.tanh, self)

    def sigmoid(self) -> Tensor:
        return _apply(ops.sigmoid, self)

    def relu(self) -> Tensor:
        return _apply(ops.relu, self)

    def abs(self) -> Tensor:
        return _apply(ops.abs, self)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return _apply(ops.sum, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return _apply(ops.mean, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return _apply(ops.max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return _apply(ops.min, self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return _apply(ops.logsumexp, self, axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Tensor:
        return _apply(ops.softmax, self, axis=axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        return _apply(ops.log_softmax, self, axis=axis)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
        return _apply(ops.reshape, self, shape=_one_tuple(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, as ndarray.transpose; reversed if none are given."""
        return _apply(ops.transpose, self, axes=_one_tuple(axes) or None)

    @property
    def T(self) -> Tensor:
        return _apply(ops.transpose, self)

    def broadcast_to(self, shape: tuple[int, ...]) -> Tensor:
        return _apply(ops.broadcast_to, self, shape=shape)

    def astype(self, dtype: Any) -> Tensor:
        return _apply(ops.astype, self, dtype=np.dtype(dtype))


def gradients(
    output: Tensor,
    inputs: Sequence[Tensor],
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """d(output)/d(input) for each input; nothing is stored in any ``grad``.

    Args:
        output: A tensor that requires a gradient.
        inputs: Tensors that require one, leaves or results; of each, its own shape comes back.
        gradient, retain_graph, create_graph: As for ``Tensor.backward``.

    Returns:
        For each input a Tensor, or None if the output does not depend on it.

    Source: torch.autograd.grad.
    """
    wanted = {id(x) for x in inputs}
    seed = _seed(output, gradient)
    retain = create_graph if retain_graph is None else retain_graph
    found: dict[int, Any] = {}
    with _Recording(create_graph):
        sweep = _reverse_sweep(
            output, seed, retain=retain, create_graph=create_graph, towards=wanted
        )
        for tensor, g in sweep:
            if id(tensor) in wanted:
                # A copy, as in Tensor._accumulate.
                found[id(tensor)] = g.astype(g.dtype) if create_graph else Tensor(g)
    return [found.get(id(x)) for x in inputs]


def _one_tuple(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if len(arguments) == 1 and not isinstance(arguments[0], int | np.integer):
        return tuple(arguments[0] or ())
    return arguments


def _as_operand(x: Any, op: Primitive) -> Any:
    """Python numbers stay as they are, since NumPy lets them take the other operand's dtype."""
    if isinstance(x, Tensor | bool | int | float):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{op.name}: expected booleans, integers or floating point numbers beside a tensor, "
            f"got {type(x).__name__} {x!r}"
        )
    return array


def _apply(op: Primitive, *arguments: Any, **parameters: Any) -> Tensor:
    arguments = tuple([x if type(x) is Tensor else _as_operand(x, op) for x in arguments])
    raw = [x.data if isinstance(x, Tensor) else x for x in arguments]
    try:
        result = Tensor._wrap(op.kernel(*raw, **parameters))
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise explain_failure(op, raw, parameters, error) from error
    if _mode.recording and result.data.dtype.kind == "f":
        for x, rule in zip(arguments, op.rules, strict=True):
            if rule is not None and isinstance(x, Tensor) and x._requires_grad:
                result._op, result._inputs, result._params = op, arguments, parameters
                result._requires_grad = True
                break
    return result


def _seed(root: Tensor, gradient: Any) -> Tensor:
    """The gradient that the sweep starts from, checked."""
    if gradient is None:
        if root.size != 1:
            raise RuntimeError(
                f"backward() needs a scalar to differentiate, got shape {root.shape}. Reduce it, "
                "for example with .sum() or .mean(), or pass gradient= of that shape."
            )
        return Tensor._wrap(np.ones_like(root.data))
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if seed.shape != root.shape:
        raise RuntimeError(
            f"backward(gradient=...): expected the shape of the tensor, {root.shape}, "
            f"got {seed.shape}"
        )
    return seed if seed.dtype == root.dtype else seed.astype(root.dtype)


def _recorded_graph(root: Tensor) -> list[Tensor]:
    """The tensors that root depends on and that require a gradient, in order of creation.

    An operation's inputs exist before its result. So the order of creation is a topological
    order, and the last element is root.
    """
    seen = {id(root)}
    found = [root]
    for tensor in found:  # the list grows while it is walked: no recursion, hence no depth limit
        if tensor._inputs is None:
            raise RuntimeError(
                f"the graph through {tensor._operation_name()} was freed by an earlier backward(). "
                "Compute the loss again, or pass retain_graph=True to the first backward()."
            )
        for x in tensor._inputs:
            if isinstance(x, Tensor) and x._requires_grad and id(x) not in seen:
                seen.add(id(x))
                found.append(x)
    return sorted(found, key=_time_of_creation)


def leaves_of(root: Tensor) -> list[Tensor]:
    """The leaves that ``root`` depends on and that require a gradient."""
    return [x for x in _recorded_graph(root) if x.is_leaf and x.requires_grad]


def _time_of_creation(tensor: Tensor) -> int:
    return tensor._created


def _reverse_sweep(
    root: Tensor,
    seed: Tensor,
    *,
    retain: bool,
    create_graph: bool,
    towards: Set[int] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Walk from root to the leaves and yield each tensor on the way with its gradient.

    Every tensor is visited once, after all the tensors that use it: by then its gradient is
    complete. The rules run on Tensors if the sweep shall itself be recorded, else on raw arrays.
    With ``towards``, a set of ids, it follows only the paths that lead to these tensors.
    """
    graph = _recorded_graph(root)
    leading = None if towards is None else _leading_to(towards, graph)
    gradients: dict[int, Any] = {id(root): seed if create_graph else seed.data}
    value: Callable[[Any], Any] = _itself if create_graph else raw_value
    while graph:
        tensor = graph.pop()
        g = gradients.pop(id(tensor), None)
        if g is None:  # a path that every rule cut off
            continue
        yield tensor, g
        if tensor._op is None:
            continue
        assert tensor._inputs is not None
        y, arguments = value(tensor), [value(x) for x in tensor._inputs]
        for x, rule in zip(tensor._inputs, tensor._op.rules, strict=True):
            if rule is None or not isinstance(x, Tensor) or not x._requires_grad:
                continue
            if leading is not None and id(x) not in leading:
                continue
            contribution = _fit(rule(g, y, *arguments, **tensor._params), x)
            already = gradients.get(id(x))
            gradients[id(x)] = contribution if already is None else already + contribution
        if not retain:
            tensor._inputs = None


def _leading_to(towards: Set[int], graph: list[Tensor]) -> set[int]:
    """The ids of the tensors in the graph (in order of creation) that depend on ``towards``."""
    leading = set(towards)
    for tensor in graph:
        if any(id(x) in leading for x in tensor._inputs or ()):
            leading.add(id(tensor))
    return leading


def _itself(x: Any) -> Any:
    return x


def raw_value(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x.data if isinstance(x, Tensor) else x


def _fit(g: Any, x: Tensor) -> Any:
    """``g`` in the shape and dtype of ``x``, whose gradient it is."""
    g = ops.unbroadcast(g, x.shape)
    return g if g.dtype == x.dtype else g.astype(x.dtype)
