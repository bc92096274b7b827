"""The parts of a derivation: the values on the way forward, the steps on the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dlcourse.autodiff import Tensor
from dlcourse.ops import Array
from dlcourse.views.derivation.formulas import Formula


@dataclass(frozen=True)
class ForwardValue:
    """A value on the way forward.

    Attributes:
        kind: A variable (its gradient is wanted), a constant, or the result of an operation.
        name: What it is called.
        formula: The operation that makes it, else None.
        value: The number or array.
    """

    kind: Literal["variable", "constant", "operation"]
    name: str
    formula: Formula | None
    value: Array


@dataclass(frozen=True)
class Contribution:
    """What one operation adds to the gradient of one of its operands.

    Attributes:
        place: The operand's position among those of the operation.
        target: The operand's name.
        rule: The derivative rule, in terms of the names; ``v3_bar`` is the gradient of v3.
        value: What is added.
        total: The gradient of the operand so far, of all the contributions until this one.
        is_first: Whether nothing was there before.
        stretched: If the operand was broadcast, the shape to which; ``value`` is then a sum over
            the axes that it was stretched along.
    """

    place: int
    target: str
    rule: Formula
    value: Array
    total: Array
    is_first: bool
    stretched: tuple[int, ...] | None


@dataclass(frozen=True)
class Step:
    """One operation on the way back.

    Attributes:
        name: The result whose gradient is complete by now.
        formula: The operation that made it.
        gradient: Its gradient.
        contributions: What the operation sends back to its operands.
    """

    name: str
    formula: Formula
    gradient: Array
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Record:
    """The data of a `Derivation`, which describes them."""

    root: Tensor
    names: Mapping[int, str]
    values: tuple[ForwardValue, ...]
    seed: Array
    steps: tuple[Step, ...]
    gradients: Mapping[str, Array]
