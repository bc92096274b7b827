"""Functions of functions, as in JAX: from a function make the one that computes its derivative.

They are thin: each records the function's graph once and sweeps it. What they return can be
transformed again, so ``grad(grad(f))`` is the second derivative. Arguments and results are arrays
or Tensors of floating point numbers, or lists, tuples and dicts of them, as in `trees`.

Source: https://docs.jax.dev/en/latest/notebooks/autodiff_cookbook.html
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlcourse.autodiff.arguments import (
    ArgNums,
    Function,
    as_node,
    check_shapes,
    joined,
    of_some,
    separated,
    stacked,
    with_tangents,
)
from dlcourse.autodiff.batching import batched_variable
from dlcourse.autodiff.node import Node, leaves_of
from dlcourse.autodiff.recording import enable_grad, is_recording
from dlcourse.autodiff.sweep import gradients_at
from dlcourse.autodiff.tensor import Tensor, gradients
from dlcourse.ops import trees


def vjp(function: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value at ``primals``, and the function that maps a cotangent to its pullbacks.

    Args:
        function: Takes as many arguments as there are primals.
        primals: The arguments: arrays, Tensors, or trees of them.

    Returns:
        ``(y, pullback)``. ``pullback(g)`` takes g of the structure and shapes of y and returns for
        each primal the vector-Jacobian product g . dy/dx, like the primal. It may be called again.

    Raises:
        TypeError: A primal has no floating point numbers, or the function returns no Tensors.
        ValueError: The pullback is given another structure or shape than that of y.
    """
    y, structure, pull, _ = _linearized("vjp", function, primals)

    def pullback(g: Any) -> tuple[Any, ...]:
        parts = [as_node(part) for part in trees.leaves_like(structure, g, "vjp: cotangent")]
        check_shapes("vjp: expected a cotangent", parts, y)
        return tuple(pull(joined(parts)))

    return trees.unflatten(structure, y), pullback


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value at ``primals``, and the Jacobian-vector product sum_i dy/dx_i . tangent_i.

    Forward mode, by transposing twice: the pullback g -> g . J is linear in g, so the derivative
    of <g . J, tangent> with respect to g is J . tangent, exactly. It needs no rules of its own.

    Args:
        function: Takes as many arguments as there are primals.
        primals: The arguments: arrays, Tensors, or trees of them.
        tangents: For each the direction in which it moves, like the primal.

    Raises:
        TypeError: As vjp; or primals and tangents are no tuples or lists.
        ValueError: A tangent has not the structure or shape of its primal, or there is not one for
            each.

    Source: Townsend (2017), A new trick for calculating Jacobian vector products.
    """
    primals, directions = with_tangents("jvp", primals, tangents)
    y, structure, _, (root, variables) = _linearized("jvp", function, primals)
    cotangent = _variable(np.zeros(root.shape, root.dtype), "jvp: the result: ")
    with enable_grad():
        pulled = _sweep(root, variables, cotangent, record=True)
        inner = _inner(pulled, directions)
    record = _depends_on_others(inner, [*variables, cotangent])
    (tangent,) = _sweep(inner, [cotangent], None, record)
    return trees.unflatten(structure, y), trees.unflatten(structure, separated(tangent, y))


def value_and_grad(function: Function, argnums: ArgNums = 0) -> Callable[..., tuple[Any, Any]]:
    """The function that returns ``(value, gradient)`` of a scalar function.

    The gradient is with respect to the argument ``argnums``, and like it; a tuple of gradients for
    a tuple. Keyword arguments are handed on, and are not differentiated.

    Raises when called:
        TypeError: The function returns no Tensor with exactly one element, or ``argnums`` is no
            integer.
        ValueError: There is no argument ``argnums``.
    """
    return _value_and_grad("value_and_grad", function, argnums)


def _value_and_grad(name: str, function: Function, argnums: ArgNums) -> Callable[..., Any]:
    def derivative(*arguments: Any, **named: Any) -> tuple[Any, Any]:
        chosen, of_chosen = of_some(name, function, argnums, arguments, named)
        y, _, pull, _ = _linearized(name, of_chosen, chosen)
        if len(y) != 1 or y[0].size != 1:
            got = f"shape {y[0].shape}" if len(y) == 1 else f"{len(y)} values"
            raise TypeError(f"{name}: expected a function with a scalar value, got {got}")
        pulled = pull(Tensor.wrap(np.ones(y[0].shape, y[0].dtype)))
        return y[0], tuple(pulled) if isinstance(argnums, Sequence) else pulled[0]

    return derivative


def grad(function: Function, argnums: ArgNums = 0) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function of the same arguments.

    Args:
        function: Returns a scalar.
        argnums: By which argument to differentiate, counted from 0 or from the end by negative
            numbers; for several numbers the result is a tuple.

    Raises when called:
        TypeError, ValueError: As value_and_grad.
    """
    both = _value_and_grad("grad", function, argnums)
    return lambda *arguments, **named: both(*arguments, **named)[1]


def jacobian(function: Function, argnums: ArgNums = 0) -> Function:
    """The Jacobian, as a function of the same arguments: shape y.shape + x.shape.

    It takes one reverse sweep for each element of y; reverse mode gives a Jacobian by rows. For a
    tree of results it is a tree of Jacobians, and for a tree x each of these is a tree like x.

    Args:
        function: Returns an array, or a tree of them.
        argnums: By which argument to differentiate, as for grad.

    Raises when called:
        TypeError, ValueError: As value_and_grad; the function may return any shape.
    """

    def derivative(*arguments: Any, **named: Any) -> Any:
        chosen, of_chosen = of_some("jacobian", function, argnums, arguments, named)
        y, structure, pull, (root, _) = _linearized("jacobian", of_chosen, chosen)
        inputs, within = trees.flatten(chosen)
        rows = []
        for index in np.ndindex(root.shape):
            one_hot = np.zeros(root.shape, root.dtype)
            one_hot[index] = 1
            rows.append(pull(Tensor.wrap(one_hot), flat=True))
        columns = [stacked([row[i] for row in rows], x) for i, (_, x) in enumerate(inputs)]
        jacobians, start = [], 0
        for part in y:
            stop = start + part.size
            blocks = [c[start:stop].reshape((*part.shape, *c.shape[1:])) for c in columns]
            by_argument = trees.unflatten(within, blocks)
            several = isinstance(argnums, Sequence)
            jacobians.append(tuple(by_argument) if several else by_argument[0])
            start = stop
        return trees.unflatten(structure, jacobians)

    return derivative


def hessian(function: Function, argnums: ArgNums = 0) -> Function:
    """The matrix of second derivatives of a scalar function: shape x.shape + x.shape.

    For a tree x it is a tree like x of trees like x.

    Args:
        function: Returns a scalar.
        argnums: By which argument to differentiate, as for grad.

    Raises when called:
        TypeError, ValueError: As value_and_grad.
    """
    both = _value_and_grad("hessian", function, argnums)
    return jacobian(lambda *arguments, **named: both(*arguments, **named)[1], argnums)


def hvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar function of ``primals`` times ``tangents``, never forming it.

    Arguments and errors are those of jvp. Returns for each primal a value like it; it costs a few
    evaluations of the function.
    """
    primals, directions = with_tangents("hvp", primals, tangents)
    every = tuple(range(len(primals)))
    both = _value_and_grad("hvp", function, every)
    slope = lambda *x: _inner(trees.leaves(both(*x)[1]), directions)  # noqa: E731
    return _value_and_grad("hvp", slope, every)(*primals)[1]


# --- One vector of variables, one of results ------------------------------------------------------


def _linearized(
    name: str, function: Function, primals: Sequence[Any]
) -> tuple[list[Any], Any, Callable[..., Any], tuple[Any, list[Any]]]:
    """The leaves of the value and their structure, the pullback, and the graph's ends.

    The pullback takes a gradient of the root, which is the result, or all of them in one vector.
    """
    leaves, within = trees.flatten(list(primals))
    variables = [_variable(x, f"{name}: argument {path}: ") for path, x in leaves]
    with enable_grad():
        value = function(*trees.unflatten(within, variables))
        results, structure = trees.flatten(value)
        y = [_result(name, x) for _, x in results]
        if not y:
            raise TypeError(f"{name}: expected a function that returns a Tensor, got {value!r}")
        root = joined(y)
    nested = _depends_on_others(root, variables)

    def pull(cotangent: Any, flat: bool = False) -> Any:
        record = is_recording() and (nested or cotangent.requires_grad)
        pulled = _sweep(root, variables, cotangent, record)
        return pulled if flat else trees.unflatten(within, pulled)

    return y if nested else [x.detach() for x in y], structure, pull, (root, variables)


def _variable(x: Any, where: str) -> Any:
    """A tensor to differentiate with respect to, apart from all others that hold its value."""
    tensor: Any = as_node(x)
    if tensor.dtype.kind != "f":
        raise TypeError(
            f"{where}expected floating point numbers, since a gradient is no integer; got "
            f"{tensor.dtype}"
        )
    if (variable := batched_variable(x)) is not None:
        return variable
    if tensor.requires_grad and is_recording():
        return tensor.astype(tensor.dtype)  # recorded, so that an outer derivative goes on
    return Tensor(tensor.data, requires_grad=True)


def _result(name: str, y: Any) -> Any:
    if isinstance(y, np.ndarray | np.generic | int | float):  # a constant
        return Tensor(y)
    if not isinstance(y, Node):
        raise TypeError(
            f"{name}: expected a function that returns a Tensor, got {type(y).__name__}"
        )
    return y


def _inner(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return functools.reduce(operator.add, [(x * y).sum() for x, y in zip(a, b, strict=True)])


def _depends_on_others(y: Tensor, variables: Sequence[Tensor]) -> bool:
    """Whether something outside can ask for the derivative of a derivative of ``y``."""
    if not is_recording():
        return False
    if not isinstance(y, Tensor):
        return True
    own = {id(x) for x in variables}
    return any(id(leaf) not in own for leaf in leaves_of(y))


def _sweep(
    y: Tensor, variables: Sequence[Tensor], gradient: Any, record: bool
) -> tuple[Tensor, ...]:
    """The pullback of ``gradient`` to each variable; zeros where ``y`` does not depend on it."""
    if not all(isinstance(x, Tensor) for x in variables):
        return _sweep_nodes(y, variables, gradient, record)
    if not y.requires_grad:
        return _zeros_for_none([None] * len(variables), variables)
    found = gradients(y, variables, gradient, retain_graph=True, create_graph=record)
    return _zeros_for_none(found, variables)


def _sweep_nodes(y: Node, variables: Sequence[Any], gradient: Any, record: bool) -> tuple[Any, ...]:
    """The same inside vmap, where the rules run on the values of all examples."""
    seed = np.ones(y.shape, y.dtype) if gradient is None else gradient
    with enable_grad():
        found = gradients_at(variables, y, seed, raw=False)
    pulled = _zeros_for_none(found, variables)
    return pulled if record else tuple(x.detach() for x in pulled)


def _zeros_for_none(found: Sequence[Any], variables: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        Tensor(np.zeros(x.shape, x.dtype)) if g is None else g
        for x, g in zip(variables, found, strict=True)
    )
