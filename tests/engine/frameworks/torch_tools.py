"""How a graph that PyTorch recorded is compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

TOLERANCE = {
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-12, "atol": 1e-13},
}
both_dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float32", "float64"])


def assert_same(ours: list[np.ndarray], theirs: Any, dtype: torch.dtype = torch.float32) -> None:
    leaves = tree_leaves(theirs)
    assert len(ours) == len(leaves)
    for a, b in zip(ours, leaves, strict=True):
        expected = b.detach().numpy()
        assert (np.shape(a), a.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(a, expected, **TOLERANCE[dtype])


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def export(
    f: Callable[..., Any] | nn.Module, *inputs: torch.Tensor
) -> torch.export.ExportedProgram:
    class Wrapped(nn.Module):
        def forward(self, *arguments: torch.Tensor) -> Any:
            return f(*arguments)

    return torch.export.export(f if isinstance(f, nn.Module) else Wrapped(), inputs)


def seeded(model: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The model with parameters and running statistics that are all different from the default."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) - 0.5 * ("var" not in name))
    return model.to(dtype).eval()
