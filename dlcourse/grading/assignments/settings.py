"""What the author of an assignment may set in its ``checks.py``, beside the checks.

RTOL, ATOL = 1e-9, 1e-12              how near a number must be to the reference's
IMPORTS = ["torch"]                   what may be imported beside NumPy and Matplotlib, in every
                                      question; the test of a question may name further packages
STUDENT_FILES = ["utils.py"]          what a student may hand in beside the notebook
LIMITS = {"probe_seconds": 30}        what a run may use, by the names of `limits.Limits`
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
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
    """The names of packages that a student may import in every question, sorted."""
    return with_always(_names(module, "IMPORTS", path), f"{path}: IMPORTS")


def with_always(names: Iterable[str], whose: str) -> tuple[str, ...]:
    """The packages and those that may always be imported; AssignmentError if one is not here."""
    if missing := unknown(tuple(names)):
        raise AssignmentError(f"{whose} names {', '.join(missing)}, which is not installed here")
    return tuple(sorted({*ALWAYS, *names}))


def student_files(module: Mapping[str, Any], given: Iterable[str], path: Path) -> tuple[str, ...]:
    """The names of files that a student may hand in, none of which takes the place of another.

    ``given`` are the names of what lies beside the notebook already.
    """
    names, given = _names(module, "STUDENT_FILES", path), set(given)
    for name in names:
        stem, _, ending = name.partition(".")
        if Path(name).name != name or name.startswith(".") or ending == "ipynb":
            problem = "is not the name of a file beside the notebook"
        elif name in given:
            problem = "is a file of the assignment"
        elif ending == "py" and (stem in sys.stdlib_module_names or not unknown((stem,))):
            problem = f"would hide the module {stem}"
        else:
            continue
        raise AssignmentError(f"{path}: STUDENT_FILES: {name!r} {problem}")
    return tuple(sorted(names))


def _names(module: Mapping[str, Any], setting: str, path: Path) -> tuple[str, ...]:
    names = module.get(setting, ())
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise AssignmentError(f"{path}: {setting} must be a list of names, not {names!r}")
    return tuple(names)


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
