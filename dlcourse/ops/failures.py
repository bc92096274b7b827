"""Errors that say which operation failed, what it expected and what it got."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.exceptions import AxisError

from dlcourse.ops import Array, Primitive
from dlcourse.ops.axes import axis_problem

# Modules whose lines are not the user's; the second and third call decorated functions.
_NOT_THE_USERS = ("dlcourse", "contextlib", "functools")

# What a kernel raises for arguments that it cannot take.
KERNEL_ERRORS = (ArithmeticError, AttributeError, IndexError, TypeError, ValueError)


def users_line() -> str:
    """The line of the program, outside this package, that is running now: file, number, text."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module: str = frame.f_globals.get("__name__") or ""
        if module.partition(".")[0] not in _NOT_THE_USERS:
            break
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, number, frame.f_globals).strip()
    in_notebook = "ipykernel_" in file or file.startswith("<ipython-input")
    place = f"line {number} of the cell" if in_notebook else f"{Path(file).name}:{number}"
    return f"{place}: {text}" if text else place


def misuse(text: str) -> RuntimeError:
    """An error for a call that cannot be answered in this state, with the user's line."""
    return RuntimeError(f"{text}\n  at {users_line()}")


def explain_change(name: str, array: Array, value: Any, error: Exception) -> Exception:
    """An exception of the type of ``error`` for an array that cannot be changed as was wanted."""
    kind = next(k for k in (ValueError, IndexError, TypeError) if isinstance(error, k))
    lines = [
        f"{name}: a tensor keeps its shape and dtype when it is changed in place",
        f"tensor: {_describe(array)}",
        f"value: {_describe(value)}",
        f"NumPy says: {error}",
        f"at {users_line()}",
    ]
    return kind("\n  ".join(lines))


def explain_failure(
    op: Primitive, arguments: Sequence[Any], parameters: dict[str, Any], error: Exception
) -> Exception:
    """An exception of the type of ``error`` whose text names the operation and its arguments.

    The AttributeError of a kernel that asked a Python number for its shape becomes a TypeError; any
    other is a mistake in the kernel, and raised as it is.
    """
    if isinstance(error, AttributeError):
        if not any(x is error.obj and isinstance(x, int | float) for x in arguments):
            raise error
        error = TypeError(f"expected arrays, got {_describe(error.obj)}")
    builtin = (ValueError, IndexError, TypeError, OverflowError, FloatingPointError)
    kind: type[Exception] = next((k for k in builtin if isinstance(error, k)), ArithmeticError)
    problem = axis_problem(arguments, parameters) if isinstance(error, builtin[:2]) else None
    if problem:
        kind = AxisError
    got = [f"{name}: {_describe(x)}" for name, x in zip(op.arguments, arguments, strict=False)] + [
        f"{name}={value!r}" for name, value in parameters.items()
    ]
    lines = [f"{op.name}: invalid operation", *_expectation(op, arguments, problem or str(error))]
    return kind("\n  ".join([*lines, *got, f"at {users_line()}"]))


def _describe(x: Any) -> str:
    if hasattr(x, "shape"):
        return f"shape {x.shape}, dtype {x.dtype}"
    return f"{type(x).__name__} {x!r}"


def _expectation(op: Primitive, arguments: Sequence[Any], message: str) -> list[str]:
    shapes = [x.shape for x in arguments if hasattr(x, "shape")]
    if op.name == "matmul" and len(shapes) == 2 and all(shapes):
        a, b = shapes
        inner = "b.shape[-2]" if len(b) > 1 else "b.shape[-1]"
        if a[-1] != b[-2 if len(b) > 1 else -1]:
            return [
                f"Expect: a.shape[-1] == {inner}",
                f"Actual: {a[-1]} != {b[-2 if len(b) > 1 else -1]}",
            ]
    if op.name == "linear" and len(shapes) == 3 and all(shapes) and len(shapes[1]) == 2:
        x, weight = shapes[:2]
        if x[-1] != weight[1]:
            return ["Expect: x.shape[-1] == weight.shape[1]", f"Actual: {x[-1]} != {weight[1]}"]
    if len(shapes) > 1 and op.elementwise:
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            return [
                "Expect: shapes that broadcast: from the right, equal lengths or length 1",
                f"Actual: {' and '.join(map(str, shapes))}",
            ]
    # A kernel's own sentence says what it expected; all others are NumPy's.
    return [message if message.startswith("expected") else f"NumPy says: {message}"]
