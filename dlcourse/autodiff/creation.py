"""Tensors made from numbers, as in PyTorch and NumPy.

The dtype is NumPy's where none is given: float64 for floating point numbers, where PyTorch has
float32. Random numbers come from a generator that the caller names, so there is no hidden state
and no ``manual_seed``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from dlcourse.autodiff.tensor import Tensor

__all__ = [
    "arange", "eye", "from_numpy", "full", "full_like", "linspace", "ones", "ones_like", "rand",
    "randn", "tensor", "zeros", "zeros_like",
]  # fmt: skip

Generator: TypeAlias = "np.random.Generator"


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of ``data``, as the class makes it.

    Args:
        data: Numbers, in lists or arrays.
        dtype: The dtype to convert to.
        requires_grad: Whether ``backward`` leaves a gradient in it.
    """
    return Tensor(data, requires_grad=requires_grad, dtype=dtype)


def from_numpy(array: Any) -> Tensor:
    """A Tensor that shares the memory of a NumPy array.

    Args:
        array: Booleans, integers or floating point numbers.

    Raises:
        TypeError: Not a NumPy array.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    return Tensor.wrap(array)


def full(shape: Any, value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """``value`` everywhere.

    Args:
        shape: The lengths of the axes.
        value: A number.
        dtype, requires_grad: As for tensor.
    """
    return Tensor.wrap(np.full(shape, value, dtype)).requires_grad_(requires_grad)


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``.

    Args:
        shape: The lengths of the axes.
        dtype, requires_grad: As for tensor.
    """
    return full(_lengths(shape), 0.0, dtype or np.float64, requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones: ``ones(2, 3)`` or ``ones((2, 3))``.

    Args:
        shape: The lengths of the axes.
        dtype, requires_grad: As for tensor.
    """
    return full(_lengths(shape), 1.0, dtype or np.float64, requires_grad)


def full_like(x: Any, value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """``value`` everywhere, in the shape and dtype of ``x``.

    Args:
        x: Anything with a shape and a dtype.
        value: A number.
        dtype, requires_grad: As for tensor.
    """
    return full(x.shape, value, dtype or x.dtype, requires_grad)


def zeros_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of ``x``.

    Args:
        x, dtype, requires_grad: As for full_like.
    """
    return full_like(x, 0, dtype, requires_grad)


def ones_like(x: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of ``x``.

    Args:
        x, dtype, requires_grad: As for full_like.
    """
    return full_like(x, 1, dtype, requires_grad)


def arange(*limits: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The numbers from start up to stop, without it: ``arange(stop)``, ``arange(start, stop)``.

    Args:
        limits: ``(stop)``, ``(start, stop)`` or ``(start, stop, step)``.
        dtype, requires_grad: As for tensor.
    """
    return Tensor.wrap(np.arange(*limits, dtype=dtype)).requires_grad_(requires_grad)


def linspace(
    start: float, stop: float, steps: int, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers at equal distances, with both ends.

    Args:
        start, stop: The ends.
        steps: How many numbers.
        dtype, requires_grad: As for tensor.
    """
    return Tensor.wrap(np.linspace(start, stop, steps, dtype=dtype)).requires_grad_(requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A matrix with ones on its diagonal and zeros elsewhere.

    Args:
        n, m: The numbers of rows and of columns; by default as many columns as rows.
        dtype, requires_grad: As for tensor.
    """
    return Tensor.wrap(np.eye(n, m, dtype=dtype or np.float64)).requires_grad_(requires_grad)


def rand(
    *shape: Any, generator: Generator, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Random numbers, uniform between 0 and 1.

    Args:
        shape: The lengths of the axes.
        generator: Where they come from: ``np.random.default_rng(seed)``.
        dtype, requires_grad: As for tensor.
    """
    return Tensor(generator.random(_lengths(shape)), requires_grad, dtype)


def randn(
    *shape: Any, generator: Generator, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Random numbers of the standard normal distribution.

    Args:
        shape: The lengths of the axes.
        generator: Where they come from: ``np.random.default_rng(seed)``.
        dtype, requires_grad: As for tensor.
    """
    return Tensor(generator.standard_normal(_lengths(shape)), requires_grad, dtype)


def _lengths(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
