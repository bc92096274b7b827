"""Test the engine by itself on each supported Python that this machine has.

    python tools/engine_tests.py

Each gets an environment with NumPy, Graphviz and the test runner, in build/engine; the tests that
compare the engine with PyTorch or TensorFlow are left out. Pythons are looked for on the PATH and
among pyenv's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / "build" / "engine"
SUPPORTED = (ROOT / "tools" / "supported_pythons.txt").read_text(encoding="utf-8").split()
PACKAGES = ("numpy", "pygraphviz", "pytest", "pytest-xdist", "hypothesis")
VERSION = "import sys; print(*sys.version_info[:3], sep='.')"


def candidates() -> Iterator[Path]:
    names = [f"python{version}" for version in SUPPORTED] + ["python3"]
    for folder in os.get_exec_path():
        yield from (Path(folder, name) for name in names)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/*/bin/python3"))


def pythons() -> dict[str, Path]:
    """A program for each release of a supported Python that is found, by its version."""
    found: dict[str, Path] = {}
    for path in filter(Path.is_file, candidates()):
        try:
            answer = subprocess.run([path, "-c", VERSION], capture_output=True, text=True)
        except OSError:
            continue
        version = answer.stdout.strip()
        if answer.returncode == 0 and version.rpartition(".")[0] in SUPPORTED:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def environment(version: str, python: Path) -> Path:
    """The Python of an environment with the packages at the versions of the lock file."""
    folder = ENVIRONMENTS / version
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pins = [pin for name in PACKAGES for pin in re.findall(rf"(?m)^{name}==\S+", lock)]
    pip = [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", *pins], check=True)
    return interpreter


def main() -> int:
    found = pythons()
    print(f"Python {', '.join(found) or 'of a supported version: none'}", flush=True)
    failed = [] if found else ["no Python was found"]
    for version, python in found.items():
        print(f"--- Python {version} ({python})", flush=True)
        command = [environment(version, python), "-m", "pytest", "tests/engine", "-n", "2"]
        command += ["-p", "no:cacheprovider"]
        alone = os.environ | {"ENGINE_ALONE": "1", "PYTHONPATH": str(ROOT)}
        if subprocess.run(command, cwd=ROOT, env=alone).returncode:
            failed.append(version)
    if failed:
        print("failed:", *failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
