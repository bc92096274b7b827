"""Clipping: gradients held to a range, or to a length.

``clip_by_value``, ``clip_by_norm`` and ``global_norm`` are pure, for arrays and for the symbols of
a static graph. ``clip_grad_value_`` and ``clip_grad_norm_`` change the gradients of parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from dlcourse import ops
from dlcourse.autodiff import Tensor
from dlcourse.autodiff.versions import note_change
from dlcourse.optimizers.base import Form


def clip_by_value(g: Any, limit: float) -> Any:
    """``g`` with each number held to -limit .. limit; the same shape and dtype.

    Source: ``torch.nn.utils.clip_grad_value_``; ``clipvalue`` of keras.optimizers.
    """
    _check_limit("clip_by_value", "limit", limit)
    return ops.minimum(ops.maximum(g, -limit), limit)


def global_norm(gradients: Sequence[Any], norm_type: float = 2.0) -> Any:
    """The length of all gradients as one vector, 0-d.

    Args:
        gradients: At least one.
        norm_type: p of the norm sum(abs(g) ** p) ** (1 / p), > 0: 2 is the Euclidean length, 1 the
            sum of the sizes, and inf the largest size.

    Source: torch.nn.utils.get_total_norm.
    """
    if not gradients:
        raise ValueError("global_norm: expected at least one gradient, got none")
    if not norm_type > 0:
        raise ValueError(f"global_norm: expected norm_type > 0, got {norm_type}")
    # The norm of the norms is that of all, and fewer squares overflow on the way.
    return _norm(ops.stack([_norm(g, norm_type) for g in gradients]), norm_type)


def _norm(g: Any, p: float) -> Any:
    if p == 2:
        return ops.norm(g)
    sizes = ops.abs(g)
    if p == math.inf:
        return ops.max(sizes)
    return ops.sum(sizes) if p == 1 else ops.sum(sizes**p) ** (1 / p)


def clip_by_norm(
    gradients: Sequence[Any], max_norm: float, form: Form = "torch", norm_type: float = 2.0
) -> list[Any]:
    """``gradients``, scaled down together so that their global norm is at most ``max_norm``.

    With norm n, each is multiplied by min(1, max_norm / (n + 1e-6)) in form "torch", and by
    max_norm / max(n, max_norm) in form "keras". For a norm of each gradient by itself (``clipnorm``
    of keras.optimizers, where this is ``global_clipnorm``) call it with one gradient at a time.
    ``norm_type`` is as for global_norm.

    Source: Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural
    networks, https://arxiv.org/abs/1211.5063; ``torch.nn.utils.clip_grad_norm_``.
    """
    _check_limit("clip_by_norm", "max_norm", max_norm)
    if form not in ("torch", "keras"):
        raise ValueError(f'clip_by_norm: expected form="torch" or form="keras", got {form!r}')
    norm = global_norm(gradients, norm_type)
    if form == "torch":
        scale = ops.minimum(max_norm / (norm + 1e-6), 1)
    else:
        scale = max_norm / ops.maximum(norm, max_norm)
    return [g * ops.astype(scale, dtype=g.dtype) for g in gradients]


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Hold each number of each gradient to -clip_value .. clip_value, in place.

    Args:
        parameters: Tensors; those without a gradient are left out.
        clip_value: The largest size of a number.

    Source: ``torch.nn.utils.clip_grad_value_``.
    """
    _check_limit("clip_grad_value_", "clip_value", clip_value)
    for gradient in _gradients(parameters):
        gradient.data[...] = clip_by_value(gradient.data, clip_value)
        note_change(gradient.data, "clip_grad_value_")


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale the gradients down together to a global norm of at most ``max_norm``, in place.

    Args:
        parameters: Tensors; those without a gradient are left out.
        max_norm: The largest norm that is left as it is.
        norm_type: Which norm, as for global_norm.
        error_if_nonfinite: Whether a norm that is nan or infinite is an error. If not, it makes
            the gradients nan or 0.

    Returns:
        The norm before; 0 if there are no gradients.

    Raises:
        ValueError: max_norm < 0 or norm_type <= 0.
        RuntimeError: The norm is nan or infinite, if asked for; the gradients are as they were.

    Source: ``torch.nn.utils.clip_grad_norm_``.
    """
    _check_limit("clip_grad_norm_", "max_norm", max_norm)
    gradients = _gradients(parameters)
    if not gradients:
        return 0.0
    before = [gradient.data for gradient in gradients]
    norm = float(global_norm(before, norm_type))
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of order {norm_type} of the gradients is {norm}, so they "
            "cannot be clipped; error_if_nonfinite=False scales them all the same"
        )
    clipped_all = clip_by_norm(before, max_norm, norm_type=norm_type)
    for gradient, clipped in zip(gradients, clipped_all, strict=True):
        gradient.data[...] = clipped
        note_change(gradient.data, "clip_grad_norm_")
    return norm


def _gradients(parameters: Iterable[Tensor] | Tensor) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]


def _check_limit(function: str, name: str, limit: float) -> None:
    if not limit >= 0:
        raise ValueError(f"{function}: expected {name} >= 0, got {limit}")
