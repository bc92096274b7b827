"""The types of what an operation gives, also of one that carries graphs or has several results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse.graphs.symbol import Symbol, placeholder, type_text
from dlcourse.ops import Primitive
from dlcourse.ops.inference import infer


def result_types(
    op: Primitive, operands: Sequence[Any], parameters: Mapping[str, Any]
) -> list[Symbol]:
    """A Symbol like each result of ``op`` on these operands.

    Raises:
        ValueError, TypeError: The operands or the graphs that ``op`` carries do not fit.
    """
    if op.result_types is not None:
        return [placeholder(*type_of(x)) for x in op.result_types(operands, **parameters)]
    return [placeholder(*infer(op, operands, parameters))]


def type_of(x: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of a Symbol, an array or a number."""
    return np.shape(x), x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def types_text(values: Sequence[Any]) -> str:
    """The types in short, as in ``(f64[3], bool[])``."""
    return f"({', '.join(type_text(placeholder(*type_of(x))) for x in values)})"


def expect_types(what: str, expected: Sequence[Any], actual: Sequence[Any]) -> None:
    """Raise a ValueError unless the actual values are of the expected types."""
    if types_text(expected) != types_text(actual):
        raise ValueError(f"{what}: expected {types_text(expected)}, got {types_text(actual)}")
