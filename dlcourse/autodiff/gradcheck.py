"""Derivative rules, and the rules of their rules, checked against difference quotients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlcourse.autodiff.recording import enable_grad
from dlcourse.autodiff.tensor import Tensor
from dlcourse.autodiff.transforms import vjp
from dlcourse.ops import Array, concatenate


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Compare the Jacobian from ``backward`` with central differences.

    Every element of each input that requires a gradient is moved by ``eps`` up and down, which
    gives a column of the Jacobian; ``backward`` gives its rows.

    Args:
        function: Takes the inputs, returns one Tensor of any shape; must be deterministic.
        inputs: float64 Tensors; those with requires_grad=True are checked.
        eps: The step of the difference quotient, in the units of the input.
        atol, rtol: Bounds: abs(backward - numeric) <= atol + rtol * abs(numeric).

    Returns:
        True. A difference raises, so that the result need not be looked at.

    Raises:
        AssertionError: A derivative differs; the message names the input and the element.
        TypeError: An input that requires a gradient is not float64 (single precision is too
            coarse for differences) or no Tensor, or the function returns no Tensor.
        ValueError: No input requires a gradient.

    Source: torch.autograd.gradcheck, https://pytorch.org/docs/stable/notes/gradcheck.html
    """
    inputs, checked = _inputs("gradcheck", inputs)
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise TypeError(f"gradcheck: expected float64, input {i} is {inputs[i].dtype}")
    if not isinstance(function(*inputs), Tensor):
        raise TypeError("gradcheck: expected a function that returns a Tensor")

    analytic = _jacobians_by_backward(function, inputs, checked)
    for i, by_backward in zip(checked, analytic, strict=True):
        numeric = _jacobian_by_differences(function, inputs, i, eps)
        wrong = ~np.isclose(by_backward, numeric, rtol=rtol, atol=atol, equal_nan=True)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            element = tuple(map(int, np.unravel_index(column, inputs[i].shape)))
            raise AssertionError(
                f"gradcheck: d(output element {row})/d(input {i}, element {element}): "
                f"backward gives {by_backward[row, column]:.8g}, "
                f"differences give {numeric[row, column]:.8g}; "
                f"{int(wrong.sum())} of {wrong.size} derivatives of this input differ"
            )
    return True


def gradgradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """Run `gradcheck` on the gradient: compare second derivatives with differences of first ones.

    The function that is checked takes the inputs and g, a gradient of the loss with respect to
    the output, and returns the gradients of all inputs that require one. So the derivative by g is
    checked too. An error message numbers g after the inputs.

    Arguments, result and errors are those of `gradcheck`.

    Source: torch.autograd.gradgradcheck
    """
    inputs, checked = _inputs("gradgradcheck", inputs)
    output = function(*inputs)
    seed = np.random.default_rng(0).normal(size=output.shape)

    def gradient(*inputs_and_g: Tensor) -> Tensor:
        *values, g = inputs_and_g

        def of_checked(*variables: Tensor) -> Tensor:
            arguments = list(values)
            for i, x in zip(checked, variables, strict=True):
                arguments[i] = x
            return function(*arguments)

        _, pullback = vjp(of_checked, *(values[i] for i in checked))
        flat: Tensor = concatenate([part.reshape(-1) for part in pullback(g)])
        return flat

    return gradcheck(
        gradient, [*inputs, Tensor(seed, requires_grad=True)], eps=eps, atol=atol, rtol=rtol
    )


def _inputs(name: str, inputs: Tensor | Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
    """The inputs, and the positions of those that require a gradient."""
    every = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if wrong := [x for x in every if not isinstance(x, Tensor)]:
        raise TypeError(f"{name}: expected Tensors, got {type(wrong[0]).__name__}")
    checked = [i for i, x in enumerate(every) if x.requires_grad]
    if not checked:
        raise ValueError(f"{name}: expected an input with requires_grad=True, found none")
    return every, checked


def _jacobians_by_backward(
    function: Callable[..., Tensor], inputs: list[Tensor], checked: list[int]
) -> list[Array]:
    """For each checked input the Jacobian, shape (output elements, input elements)."""
    copies = [Tensor(x.data, requires_grad=x.requires_grad) for x in inputs]
    with enable_grad():
        output = function(*copies)
    jacobians = [np.zeros((output.size, inputs[i].size)) for i in checked]
    for row in range(output.size if output.requires_grad else 0):
        one_hot = np.zeros(output.shape)
        one_hot.flat[row] = 1.0
        output.backward(one_hot, retain_graph=True)
        for jacobian, i in zip(jacobians, checked, strict=True):
            gradient = copies[i].grad
            if gradient is not None:
                jacobian[row] = gradient.data.ravel()
                copies[i].zero_grad()
    return jacobians


def _jacobian_by_differences(
    function: Callable[..., Tensor], inputs: list[Tensor], i: int, eps: float
) -> Array:
    """The Jacobian of input ``i``, shape (output elements, input elements)."""

    def value(moved: Array) -> Array:
        arguments = [Tensor(x.data) for x in inputs]
        arguments[i] = Tensor(moved)
        return function(*arguments).data.astype(np.float64).ravel()

    columns = []
    for element in np.ndindex(inputs[i].shape):
        up, down = inputs[i].data.copy(), inputs[i].data.copy()
        up[element] += eps
        down[element] -= eps
        columns.append((value(up) - value(down)) / (up[element] - down[element]))
    return np.stack(columns, axis=1) if columns else np.zeros((function(*inputs).size, 0))
