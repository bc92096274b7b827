"""Functions that come with their own pullback: one written by the user, one that recomputes.

Both become a single operation of the graph. Unlike the operations of the table it gives the
gradients of all its arguments at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, TypeAlias

import numpy as np

from dlcourse.autodiff.array_methods import ArrayMethods
from dlcourse.autodiff.node import Node, recorded_graph, tick
from dlcourse.autodiff.recording import enable_grad, is_recording
from dlcourse.autodiff.tensor import Tensor, gradients
from dlcourse.ops import Primitive

# (g, y, *arrays) -> the gradient for each array, or None for one that has none.
Pullback: TypeAlias = Callable[..., Sequence[Any]]


class WholePrimitive(Primitive):
    """An operation on any number of arrays whose pullback gives all their gradients at once.

    It stands in no table. It counts as reading all its arguments for its derivative.

    Args:
        name, kernel: As for `Primitive`.
        pullback: ``pullback(g, y, *arrays)``, called once in each sweep.
    """

    __slots__ = ("pullback",)
    reads_all = True

    def __init__(self, name: str, kernel: Callable[..., Any], pullback: Pullback) -> None:
        one = lambda i, g, y, *arrays: pullback(g, y, *arrays)[i]  # noqa: E731
        super().__init__(name, kernel, "a function with its own pullback", {}, each=one)
        self.pullback = pullback

    def rules_for(self, count: int) -> Sequence[Callable[..., Any]]:
        """The rules for one visit of a sweep: the first that is asked computes for all."""
        parts: list[Any] = []

        def rule(i: int, g: Any, y: Any, *arrays: Any) -> Any:
            if not parts:
                parts.extend(_gradient_like(g, p) for p in self.pullback(g, y, *arrays))
            return _zeros_like(arrays[i], g) if parts[i] is None else parts[i]

        return [partial(rule, i) for i in range(count)]


def custom_gradient(function: Callable[..., tuple[Any, Callable[[Any], Any]]]) -> Any:
    """A decorator for a function that brings its own derivative.

    Args:
        function: Takes arrays, Tensors or Symbols and returns ``(y, pullback)``. ``pullback(g)``
            takes the gradient of the loss with respect to y and returns that with respect to the
            argument; for several arguments a tuple, with None for one that has no gradient.

    Returns:
        A function of the same arguments that returns y. Keyword arguments are handed on, and are
        not differentiated. If the pullback is written with operations, it can be differentiated
        again. In a static graph it is one operation, and ``function`` must do without numbers.

    Raises when called:
        TypeError: ``function`` returns no such pair, or its value depends on a Tensor that
            requires a gradient and is no argument, whose gradient would be lost.
        ValueError: The pullback gives another number of gradients than there are arguments.

    Source: tf.custom_gradient; jax.custom_vjp.
    """
    name = getattr(function, "__name__", "custom_gradient")

    @wraps(function)
    def apply(*arguments: Any, **options: Any) -> Any:
        def evaluate(*xs: Any) -> tuple[Any, Callable[[Any], Any]]:
            pair = function(*xs, **options)
            if not (isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1])):
                raise TypeError(f"{name}: expected it to return (value, pullback), got {pair!r}")
            return pair

        def pull(pullback: Callable[[Any], Any], g: Any) -> Sequence[Any]:
            parts = pullback(g)
            parts = tuple(parts) if isinstance(parts, tuple | list) else (parts,)
            if len(parts) != len(arguments):
                raise ValueError(
                    f"{name}: expected one gradient for each of {len(arguments)} arguments from "
                    f"its pullback, got {len(parts)}"
                )
            return parts

        if any(isinstance(x, ArrayMethods) and not isinstance(x, Tensor) for x in arguments):
            # Symbols: each run or derivative of the graph evaluates the function again.
            op = WholePrimitive(
                name,
                lambda *xs: evaluate(*xs)[0],
                lambda g, _y, *xs: pull(evaluate(*xs)[1], g),
            )
            return op(arguments)
        start = tick()
        y, pullback = evaluate(*arguments)
        if not isinstance(y, Tensor) or not y.requires_grad or not is_recording():
            return y
        if lost := [x for x in _outside(y, start) if all(x is not a for a in arguments)]:
            raise TypeError(
                f"{name}: the value depends on a Tensor of shape {lost[0].shape} that requires a "
                "gradient and is no argument; its gradient would be lost. Make it an argument."
            )
        value = y.data
        op = WholePrimitive(
            name, lambda *_xs: value, lambda g, _y, *_xs: pull(pullback, _as_tensor(g))
        )
        return op(arguments)

    return apply


def checkpoint(
    function: Callable[..., Any], *arguments: Any, generators: Sequence[np.random.Generator] = ()
) -> Any:
    """``function(*arguments)``, whose intermediate values are computed again for the gradient.

    They are dropped when the function returns, so a long chain of checkpoints keeps only what
    stands between them. The price is a second evaluation of the function in each sweep. Gradients
    of any order are those of the plain call, also for Tensors that the function closes over, such
    as the parameters of a module.

    Args:
        function: Returns one value, the same whenever it is called with the same arguments and
            the same state of the generators.
        arguments: Whatever it takes. Arrays are computed with at once, and Symbols are traced.
        generators: The random generators that it draws from, for example in dropout. For the
            second evaluation each is put back to where it was, and afterwards to where it is.

    Raises:
        TypeError: The function returns several values.
        RuntimeError: In the sweep, the second evaluation gives another shape, or an argument was
            changed in place since the first.

    Source: Chen et al. (2016), Training deep nets with sublinear memory cost;
    torch.utils.checkpoint.
    """
    states = [generator.bit_generator.state for generator in generators]
    start = tick()
    y = function(*arguments)
    if isinstance(y, tuple | list | dict):
        raise TypeError(
            f"checkpoint: expected a function that returns one value, got {type(y).__name__}"
        )
    if not isinstance(y, Tensor) or not y.requires_grad or y.is_leaf or y.created < start:
        return y
    inputs = _outside(y, start)
    value = y.data

    def again() -> Tensor:
        current = [generator.bit_generator.state for generator in generators]
        try:
            for generator, state in zip(generators, states, strict=True):
                generator.bit_generator.state = state
            with enable_grad():
                result: Tensor = function(*arguments)
        finally:
            for generator, state in zip(generators, current, strict=True):
                generator.bit_generator.state = state
        if result.shape != value.shape:
            raise RuntimeError(
                f"checkpoint: the function must give the same value each time it is called; it "
                f"gave shape {value.shape}, then {result.shape}"
            )
        return result

    def pullback(g: Any, _y: Any, *_xs: Any) -> Sequence[Tensor | None]:
        restart = tick()
        return gradients(
            again(), inputs, g, create_graph=isinstance(g, Tensor),
            follow=lambda x: x.created > restart,
        )  # fmt: skip

    del y  # and with it, the intermediate values
    return WholePrimitive("checkpoint", lambda *_xs: value, pullback)(inputs)


def _outside(y: Tensor, start: int) -> list[Any]:
    """The Tensors older than ``start`` from which younger ones, and finally ``y``, were made."""
    graph = recorded_graph(y, follow=lambda x: x.created > start)
    return [x for x in graph if x.created < start]


def _as_tensor(g: Any) -> Any:
    return g if isinstance(g, Node) else Tensor.wrap(g)


def _gradient_like(g: Any, part: Any) -> Any:
    """``part`` as an array of its own if the sweep runs on arrays, else as it is."""
    if part is None or isinstance(g, ArrayMethods):
        return part if part is None or isinstance(part, ArrayMethods) else Tensor(part)
    return np.array(part.data if isinstance(part, Tensor) else part)


def _zeros_like(x: Any, g: Any) -> Any:
    zeros = np.zeros(x.shape, x.dtype)
    return Tensor.wrap(zeros) if isinstance(g, Tensor) else zeros
