"""What the author of an assignment may set in its ``checks.py``, beside the checks.

RTOL, ATOL = 1e-9, 1e-12              how near a number must be to the reference's
IMPORTS = ["torch"]                   what may be imported beside NumPy and Matplotlib
LIMITS = {"probe_seconds": 30}        what a run may use, by the names of `limits.Limits`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlcourse.grading.errors import AssignmentError
from dlcourse.grading.sandbox.limits import Limits
from dlcourse.grading.sandbox.packages import ALWAYS, unknown

TOLERANCES = {"RTOL": 1e-9, "ATOL": 1e-12}


def tolerance(module: Mapping[str, Any], name: str, path: Path) -> float:
    value = module.get(name, TOLERANCES[name])
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise AssignmentError(f"{path}: {name} must be a number in [0, 1), not {value!r}")
    return float(value)


def imports(module: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of packages that a student may import, sorted."""
    names = module.get("IMPORTS", ())
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise AssignmentError(f"{path}: IMPORTS must be a list of names, not {names!r}")
    if missing := unknown(tuple(names)):
        raise AssignmentError(
            f"{path}: IMPORTS names {', '.join(missing)}, which is not installed here"
        )
    return tuple(sorted({*ALWAYS, *names}))


def limits(module: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Those limits that the assignment sets, each a number above 0."""
    values = module.get("LIMITS", {})
    known = asdict(Limits())
    for name, value in values.items():
        if name not in known:
            raise AssignmentError(f"{path}: LIMITS may set {', '.join(known)}; found {name!r}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise AssignmentError(f"{path}: {name} must be a number above 0, not {value!r}")
    return {name: type(known[name])(value) for name, value in values.items()}
