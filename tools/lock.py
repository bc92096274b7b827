"""Write requirements.txt: one pinned version for each package, resolved from pyproject.toml.

    python tools/lock.py

It pins for Python 3.11 on Linux, x86-64, the platform of CI; requirements that
differ between platforms keep their markers. Needs the packages' registry.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"

HEADER = """\
# The exact environment of the course, for Python 3.11. Generated from pyproject.toml (all extras)
# by `make lock`, which runs `python tools/lock.py`; do not edit it by hand.
"""


def resolve() -> str:
    """The pins that pip's resolver chooses for all extras, starting from the present ones."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "requirements.txt")
        if LOCK.exists():
            output.write_text(LOCK.read_text())
        subprocess.run(
            [
                *(sys.executable, "-m", "piptools", "compile", "pyproject.toml", "--quiet"),
                *("--all-extras", "--strip-extras", "--allow-unsafe", "--no-annotate"),
                *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
                *("--no-emit-trusted-host", "--no-emit-options", "--output-file", str(output)),
            ],
            cwd=ROOT,
            check=True,
        )
        return output.read_text()


def without_local_versions(pins: str) -> str:
    """torch==2.13.0+cpu names one build of 2.13.0; the lock names the release."""
    return re.sub(r"(?m)^(\S+==[^+\s]+)\+\S+", r"\1", pins)


def platform_requirements() -> list[str]:
    """The requirements of pyproject.toml that hold on some platforms only; they are pinned there.

    pip-compile resolves for one platform and drops the markers, so they are taken over as they are.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [
        requirement
        for extra in project["optional-dependencies"].values()
        for requirement in extra
        if ";" in requirement
    ]


def main() -> None:
    marked = platform_requirements()
    names = {re.split(r"[=<>!~; ]", requirement)[0] for requirement in marked}
    names.add("pip")  # the installer itself, of which any version will do
    lines = without_local_versions(resolve()).splitlines()
    pins = [line for line in lines if line.split("==")[0] not in names and not line.startswith("#")]
    LOCK.write_text(HEADER + "\n".join([*filter(None, pins), *marked]) + "\n")
    print(f"{LOCK.name}: {len(pins) + len(marked)} packages pinned")


if __name__ == "__main__":
    main()
