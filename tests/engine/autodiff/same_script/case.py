"""Programs that do the same with PyTorch's tensors and with dlcourse's.

Each takes a library and returns numbers, or raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dlcourse import Tensor, enable_grad, gradients, is_grad_enabled, no_grad, ops, set_grad_enabled

Script = Callable[[Any], Any]


class Ours:
    """The names that the scripts use, in dlcourse."""

    no_grad, enable_grad = staticmethod(no_grad), staticmethod(enable_grad)
    set_grad_enabled = staticmethod(set_grad_enabled)
    is_grad_enabled = staticmethod(is_grad_enabled)
    where, relu = ops.where, ops.relu

    @staticmethod
    def tensor(data: Any, requires_grad: bool = False, dtype: str | None = "float64") -> Tensor:
        return Tensor(data, requires_grad=requires_grad, dtype=dtype)

    @staticmethod
    def variable(data: Any, dtype: str = "float64") -> Tensor:
        return Ours.tensor(data, True, dtype)

    @staticmethod
    def grad(y: Tensor, xs: list[Tensor], seed: Any = None, **options: Any) -> Any:
        return gradients(y, xs, seed, **options)


class Theirs:
    """The same names in PyTorch."""

    no_grad, enable_grad, set_grad_enabled = (
        torch.no_grad,
        torch.enable_grad,
        torch.set_grad_enabled,
    )
    is_grad_enabled = staticmethod(torch.is_grad_enabled)
    where, relu = torch.where, torch.relu

    @staticmethod
    def tensor(data: Any, requires_grad: bool = False, dtype: str | None = "float64") -> Any:
        kind = None if dtype is None else getattr(torch, dtype)
        return torch.tensor(data, requires_grad=requires_grad, dtype=kind)

    @staticmethod
    def variable(data: Any, dtype: str = "float64") -> Any:
        return Theirs.tensor(data, True, dtype)

    @staticmethod
    def grad(y: Any, xs: list[Any], seed: Any = None, **options: Any) -> Any:
        return torch.autograd.grad(y, xs, seed, allow_unused=True, **options)


def plain(result: Any) -> Any:
    """A result in Python's own terms: shape, dtype and rounded elements of a tensor."""
    if isinstance(result, list | tuple):
        return [plain(x) for x in result]
    if isinstance(result, Tensor):
        return (result.shape, result.dtype.name, np.round(result.data, 10).tolist())
    if isinstance(result, torch.Tensor):
        array = result.numpy(force=True)
        return (array.shape, array.dtype.name, np.round(array, 10).tolist())
    return result


def outcome(script: Script, library: Any) -> Any:
    try:
        return plain(script(library))
    except Exception as error:
        return type(error)


class Scripts(list[Script]):
    """A list of programs, and the decorator that puts one into it."""

    def __call__(self, program: Script) -> Script:
        self.append(program)
        return program


def assert_same(program: Script) -> None:
    assert plain(program(Ours)) == plain(program(Theirs))
