"""Write requirements.txt: one pinned version for each package, resolved from pyproject.toml.

    python tools/lock.py             resolve all extras; keep the present pins where they fit
    python tools/lock.py --check     fail if a supported Python could not install the present file

One file serves every Python and platform that the course supports: where they need different
packages, a pin carries a marker. Needs the packages' registry.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
UV = Path(sys.executable).with_name("uv")

# The oldest release of each Python that the course supports. A package may refuse an early patch
# release (as Debian's 3.11.2), so the first one is what a check must try.
SUPPORTED = (ROOT / "tools" / "supported_pythons.txt").read_text(encoding="utf-8").split()
PYTHONS = [f"{version}.0" for version in SUPPORTED]
PLATFORM = "x86_64-manylinux_2_28"

# What only torch's CUDA build for Linux needs. It pins them itself, and the CPU build wants none.
CUDA = r"(nvidia|cuda|triton)\b"

HEADER = f"""\
# The exact environment of the course, for Python {PYTHONS[0]} and later, up to \
{PYTHONS[-1].rpartition(".")[0]}. Generated from
# pyproject.toml (all extras) by `make lock`, which runs `python tools/lock.py`; do not edit it.
"""


def resolve() -> list[str]:
    """The pins for all extras, for every supported Python, starting from the present ones."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "requirements.txt")
        if LOCK.exists():
            output.write_text(LOCK.read_text())
        command = [
            *(str(UV), "pip", "compile", "pyproject.toml", "--quiet", "--all-extras"),
            *("--universal", "--python-version", PYTHONS[0]),
            *("--no-annotate", "--no-header", "--output-file", str(output)),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        return output.read_text().splitlines()


def tidy(pins: list[str]) -> list[str]:
    """The pins without CUDA's packages and without the names of single builds (2.13.0+cpu)."""
    kept = [pin for pin in pins if not re.match(CUDA, pin)]
    return [re.sub(r"^([^+\s]+)\+[^\s;]+", r"\1", pin) for pin in kept]


def dry_run(python: str, requirements: Path) -> subprocess.CompletedProcess[str]:
    """Resolve ``requirements`` for a release of Python, installing nothing."""
    with tempfile.TemporaryDirectory() as target:
        command = [
            *(str(UV), "pip", "install", "--dry-run", "--target", target, "--only-binary", ":all:"),
            *("--python", sys.executable, "--python-version", python),
            *("--python-platform", PLATFORM, "--requirements", str(requirements)),
        ]
        return subprocess.run(command, capture_output=True, text=True)


def check(requirements: Path = LOCK) -> int:
    """Say whether each supported Python can install the pins, and print uv's reason if not."""
    failed = 0
    for python in PYTHONS:
        result = dry_run(python, requirements)
        print(f"Python {python}: {'installable' if result.returncode == 0 else 'NOT installable'}")
        if result.returncode:
            failed += 1
            print(result.stderr)
    if failed:
        print(f"Run `make lock`; if that is no help, change {requirements.name}'s sources.")
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Pin the requirements of the course.")
    parser.add_argument("--check", action="store_true", help="write nothing, try the present pins")
    if parser.parse_args(arguments).check:
        return check()
    pins = tidy(resolve())
    LOCK.write_text(HEADER + "\n".join(pins) + "\n")
    print(f"{LOCK.name}: {len(pins)} packages pinned")
    return check()


if __name__ == "__main__":
    sys.exit(main())
