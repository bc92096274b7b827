"""The engine needs NumPy and the standard library, nothing else."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
import dlcourse, dlcourse.training.data, dlcourse.losses, dlcourse.nn, dlcourse.nn.exchange
import dlcourse.nn.saving, dlcourse.optimizers, dlcourse.training
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_the_engine_imports_numpy_and_the_standard_library_only() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    imported = set(run.stdout.split())
    assert {"numpy", "dlcourse"} <= imported
    assert imported - sys.stdlib_module_names == {"numpy", "dlcourse"}


def test_every_exported_name_exists() -> None:
    import dlcourse

    assert [name for name in dlcourse.__all__ if not hasattr(dlcourse, name)] == []
