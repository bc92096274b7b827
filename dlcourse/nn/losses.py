"""Loss functions as modules, under PyTorch's names; each calls a function of dlcourse.losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from dlcourse import losses
from dlcourse.nn.module import Module
from dlcourse.ops import Value


class Loss(Module):
    """A loss function with its options, called with a prediction and a target.

    Args:
        options: The options of the function, by name, such as ``reduction``.

    Raises:
        TypeError: The function has no option of that name.
    """

    function: ClassVar[Callable[..., Value]]

    def __init__(self, **options: Any) -> None:
        known = _options_of(type(self).function)
        unknown = options.keys() - known.keys()
        if unknown:
            raise TypeError(
                f"{type(self).__name__}: it has no option {min(unknown)!r}; its options are "
                f"{', '.join(known)}"
            )
        self.options = known | options

    def forward(self, *inputs: Value) -> Value:
        return type(self).function(*inputs, **self.options)

    def extra_repr(self) -> str:
        known = _options_of(type(self).function)
        changed = {n: v for n, v in self.options.items() if v is not known[n]}
        return ", ".join(f"{name}={value!r}" for name, value in changed.items())


def _options_of(function: Callable[..., Value]) -> dict[str, Any]:
    """The keyword arguments of a loss function, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _loss(name: str, function: Callable[..., Value]) -> type[Loss]:
    """The module of a loss function."""
    summary = (function.__doc__ or "").partition("\n")[0]
    options = ", ".join(f"``{option}``" for option in _options_of(function))
    text = f"""{summary}

    Called with the arguments of ``losses.{function.__name__}``; its options are {options}.

    Args:
        options: By name; see losses.{function.__name__}.

    Source: torch.nn.{name}.
    """
    members = {"function": staticmethod(function), "__doc__": text, "__module__": __name__}
    return type(name, (Loss,), members)


L1Loss = _loss("L1Loss", losses.mae)
MSELoss = _loss("MSELoss", losses.mse)
HuberLoss = _loss("HuberLoss", losses.huber)
SmoothL1Loss = _loss("SmoothL1Loss", losses.smooth_l1)
BCELoss = _loss("BCELoss", losses.binary_cross_entropy)
BCEWithLogitsLoss = _loss("BCEWithLogitsLoss", losses.binary_cross_entropy_with_logits)
CrossEntropyLoss = _loss("CrossEntropyLoss", losses.cross_entropy)
NLLLoss = _loss("NLLLoss", losses.nll)
KLDivLoss = _loss("KLDivLoss", losses.kl_div)
MultiMarginLoss = _loss("MultiMarginLoss", losses.multi_margin)
CosineEmbeddingLoss = _loss("CosineEmbeddingLoss", losses.cosine_embedding)
TripletMarginLoss = _loss("TripletMarginLoss", losses.triplet_margin)
