"""In which precision a kernel calculates.

NumPy adds numbers of float16 in float16, whose largest is 65,504, and calculates with integers in
their own type, in which 20 of uint8 is 236 when it is negated. What a formula needs on the way may
so be lost although its result is an ordinary number. The decorators give a kernel room for it:
narrow arguments are converted, and what it gives is rounded once.

Source: PyTorch, which accumulates float16 in float32 (`at::opmath_type` and `at::acc_type`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

Kernel: TypeAlias = Callable[..., Any]
Wider: TypeAlias = Mapping[str, type]  # by the character of a dtype, in what to calculate with it


def calculating_in(wider: Wider) -> Callable[[Kernel], Kernel]:
    """A decorator for a kernel that is to calculate with arrays of wider dtypes.

    Its result has the dtype that the arguments promote to, if they are of floating point.
    """

    def decorate(kernel: Kernel) -> Kernel:
        @wraps(kernel)
        def wide(a: Any, *others: Any, **parameters: Any) -> Any:
            if not others and a.dtype.char not in wider:
                return kernel(a, **parameters)
            arguments = (a, *others)
            dtypes = [x.dtype for x in arguments if hasattr(x, "dtype")]
            if not any(dtype.char in wider for dtype in dtypes):
                return kernel(*arguments, **parameters)
            result = np.result_type(*dtypes)
            out = parameters.pop("out", None)
            y = kernel(*[_converted(x, wider) for x in arguments], **parameters)
            if result.kind == "f":
                y = y.astype(result, copy=False)
            if out is None:
                return y
            np.copyto(out, y)
            return out

        return wide

    return decorate


def _converted(x: Any, wider: Wider) -> Any:
    if not hasattr(x, "dtype") or x.dtype.char not in wider:
        return x
    return x.astype(wider[x.dtype.char])


_HALF: Wider = {"e": np.float32}
_INTEGERS: Wider = dict.fromkeys("?" + np.typecodes["AllInteger"], np.float64)

#: Sums and products of float16 in float32.
in_float32 = calculating_in(_HALF)
#: The same, and integers and booleans as float64: for formulas whose result is no integer.
in_floating_point = calculating_in({**_HALF, **_INTEGERS})
#: A running sum has no pairs to add, so that its error would grow with its length.
in_float64 = calculating_in({"e": np.float64, "f": np.float64})
