"""Functions of functions, as in JAX: from a function make the one that computes its derivative.

They are thin: each records the function's graph once and sweeps it. What they return can be
transformed again, so ``grad(grad(f))`` is the second derivative. Arguments are arrays or Tensors of
floating point numbers.

Source: https://docs.jax.dev/en/latest/notebooks/autodiff_cookbook.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlcourse import ops
from dlcourse.autodiff.batching import batched_variable
from dlcourse.autodiff.node import Node, leaves_of
from dlcourse.autodiff.recording import enable_grad, is_recording
from dlcourse.autodiff.sweep import reverse_sweep
from dlcourse.autodiff.tensor import Tensor, gradients, raw_value

Function: TypeAlias = Callable[..., Tensor]
ArgNums: TypeAlias = int | tuple[int, ...]


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: the same value, through which no gradient flows."""
    return x.detach() if isinstance(x, Tensor) else x


def vjp(function: Function, *primals: Any) -> tuple[Tensor, Callable[[Any], tuple[Tensor, ...]]]:
    """The value at ``primals``, and the function that maps a cotangent to its pullbacks.

    Returns:
        ``(y, pullback)``. ``pullback(g)`` takes g of the shape of y and returns for each primal
        the vector-Jacobian product g . dy/dx, of the primal's shape. It may be called again.
    """
    variables = [_variable(x) for x in primals]
    y = _evaluate(function, variables)
    nested = _depends_on_others(y, variables)

    def pullback(g: Any) -> tuple[Tensor, ...]:
        cotangent = g if isinstance(g, Node) else Tensor(g)
        record = nested or (cotangent.requires_grad and is_recording())
        return _sweep(y, variables, cotangent, record)

    return y if nested else y.detach(), pullback


def jvp(
    function: Function, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """The value at ``primals``, and the Jacobian-vector product sum_i dy/dx_i . tangent_i.

    Forward mode, by transposing twice: the pullback g -> g . J is linear in g, so the derivative
    of <g . J, tangent> with respect to g is J . tangent, exactly. It needs no rules of its own.

    Args:
        function: Takes as many arrays or Tensors as there are primals, returns one.
        primals: The arguments.
        tangents: For each the direction in which it moves, of its shape.

    Raises:
        ValueError: A tangent has not the shape of its primal, or there is not one for each.

    Source: Townsend (2017), A new trick for calculating Jacobian vector products.
    """
    directions = [t if isinstance(t, Node) else Tensor(t) for t in tangents]
    shapes, expected = [t.shape for t in directions], [np.shape(raw_value(x)) for x in primals]
    if shapes != expected:
        raise ValueError(f"jvp: expected tangents of the shapes {expected}, got {shapes}")
    variables = [_variable(x) for x in primals]
    y = _evaluate(function, variables)
    cotangent = _variable(np.zeros(y.shape, y.dtype))
    with enable_grad():
        pulled = _sweep(y, variables, cotangent, record=True)
        inner = sum(((p * t).sum() for p, t in zip(pulled, directions, strict=True)), Tensor(0.0))
    record = _depends_on_others(inner, [*variables, cotangent])
    (tangent,) = _sweep(inner, [cotangent], None, record)
    return y if record else y.detach(), tangent


def value_and_grad(function: Function, argnums: ArgNums = 0) -> Callable[..., tuple[Tensor, Any]]:
    """The function that returns ``(value, gradient)`` of a scalar function.

    The gradient is with respect to the argument ``argnums``; a tuple of gradients for a tuple.

    Raises when called:
        TypeError: The function returns no Tensor with exactly one element.
    """

    def derivative(*arguments: Any) -> tuple[Tensor, Any]:
        y, pullback = vjp(*_of_some(function, argnums, arguments))
        if y.size != 1:
            raise TypeError(f"grad: expected a function with a scalar value, got shape {y.shape}")
        pulled = pullback(np.ones(y.shape, y.dtype))
        return y, pulled if isinstance(argnums, tuple) else pulled[0]

    return derivative


def grad(function: Function, argnums: ArgNums = 0) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function of the same arguments.

    Args:
        function: Takes arrays or Tensors, returns a scalar.
        argnums: By which argument to differentiate; for a tuple of numbers the result is a tuple.
    """
    both = value_and_grad(function, argnums)
    return lambda *arguments: both(*arguments)[1]


def jacobian(function: Function, argnums: int = 0) -> Function:
    """The Jacobian, as a function of the same arguments: shape y.shape + x.shape.

    It takes one reverse sweep for each element of y; reverse mode gives a Jacobian by rows.

    Args:
        function: Takes arrays or Tensors, returns one.
        argnums: By which argument to differentiate.
    """

    def derivative(*arguments: Any) -> Tensor:
        y, pullback = vjp(*_of_some(function, argnums, arguments))
        shape = (*y.shape, *np.shape(raw_value(arguments[argnums])))
        rows = Tensor(np.zeros(shape, y.dtype))
        for index in np.ndindex(y.shape):
            one_hot = np.zeros(y.shape, y.dtype)
            one_hot[index] = 1
            (row,) = pullback(one_hot)
            if row.requires_grad or not isinstance(row, Tensor):
                rows = rows + ops.scatter_add(row, index=index, shape=shape)
            else:
                rows.data[index] = row.data
        return rows

    return derivative


def hessian(function: Function, argnums: int = 0) -> Function:
    """The matrix of second derivatives of a scalar function: shape x.shape + x.shape.

    Args:
        function: Takes arrays or Tensors, returns a scalar.
        argnums: By which argument to differentiate.
    """
    return jacobian(grad(function, argnums), argnums)


def hvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar function of ``primals`` times ``tangents``, never forming it.

    Returns a Tensor for each primal, of its shape; it costs a few evaluations of the function.
    """
    every = tuple(range(len(primals)))
    gradient = grad(function, every)

    def slope(*x: Any) -> Tensor:
        parts = zip(gradient(*x), tangents, strict=True)
        return sum(((g * t).sum() for g, t in parts), Tensor(0.0))

    return grad(slope, every)(*primals)


def _variable(x: Any) -> Any:
    """A tensor to differentiate with respect to, apart from all others that hold its value."""
    tensor: Any = x if isinstance(x, Node) else Tensor(x)
    if tensor.dtype.kind != "f":
        raise TypeError(
            f"expected floating point arguments, since a gradient is no integer; got {tensor.dtype}"
        )
    if (variable := batched_variable(x)) is not None:
        return variable
    if tensor.requires_grad and is_recording():
        return tensor.astype(tensor.dtype)  # recorded, so that an outer derivative goes on
    return Tensor(tensor.data, requires_grad=True)


def _evaluate(function: Function, variables: Sequence[Tensor]) -> Tensor:
    with enable_grad():
        y = function(*variables)
    if isinstance(y, np.ndarray | np.generic | int | float):  # a constant
        return Tensor(y)
    if not isinstance(y, Node):
        raise TypeError(f"expected a function that returns a Tensor, got {type(y).__name__}")
    return y


def _depends_on_others(y: Tensor, variables: Sequence[Tensor]) -> bool:
    """Whether something outside can ask for the derivative of a derivative of ``y``."""
    if not isinstance(y, Tensor):
        return True
    own = {id(x) for x in variables}
    return is_recording() and any(id(leaf) not in own for leaf in leaves_of(y))


def _sweep(
    y: Tensor, variables: Sequence[Tensor], gradient: Any, record: bool
) -> tuple[Tensor, ...]:
    """The pullback of ``gradient`` to each variable; zeros where ``y`` does not depend on it."""
    if not isinstance(y, Tensor):
        return _sweep_nodes(y, variables, gradient)
    if not y.requires_grad:
        return tuple(Tensor(np.zeros(x.shape, x.dtype)) for x in variables)
    found = gradients(y, variables, gradient, retain_graph=True, create_graph=record)
    return tuple(
        Tensor(np.zeros(x.shape, x.dtype)) if g is None else g
        for x, g in zip(variables, found, strict=True)
    )


def _sweep_nodes(y: Node, variables: Sequence[Any], gradient: Any) -> tuple[Any, ...]:
    """The same inside vmap, where the rules run on the values of all examples."""
    seed = np.ones(y.shape, y.dtype) if gradient is None else gradient
    wanted = {id(x) for x in variables}
    with enable_grad():
        sweep = reverse_sweep(y, seed, raw=False, towards=wanted)
        found = {id(x): g for x, g in sweep if id(x) in wanted}
    return tuple(found.get(id(x), Tensor(np.zeros(x.shape, x.dtype))) for x in variables)


def _of_some(function: Function, argnums: ArgNums, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The function of the chosen arguments alone, followed by their values."""
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)

    def of_chosen(*variables: Tensor) -> Tensor:
        all_arguments = list(arguments)
        for i, x in zip(chosen, variables, strict=True):
            all_arguments[i] = x
        return function(*all_arguments)

    return (of_chosen, *(arguments[i] for i in chosen))
