"""Make the course's environment: `.venv` with the pinned requirements and this checkout.

    python3.11 tools/environment.py

Runs on the Python that the environment is to have, before anything is installed. What pip says
goes to build/environment.log; on the screen there is a line for each package that it has found.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
LOG = ROOT / "build" / "environment.log"


def make_environment() -> None:
    """An empty environment; one of another Python is replaced."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    present = ENVIRONMENT / "lib" / f"python{version}"
    try:
        venv.create(ENVIRONMENT, clear=not present.is_dir(), symlinks=True, with_pip=True)
    except subprocess.CalledProcessError:
        # Without ensurepip, venv ends here and leaves an environment without pip.
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        sys.exit(
            f"{sys.executable} cannot make environments with pip. On Debian or Ubuntu, as root: "
            f"apt-get install python{version}-venv"
        )


def pip(*arguments: str, count: int) -> None:
    """Run pip in the environment; show the packages that it takes, out of ``count``."""
    command = [
        *(str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install"),
        *("--disable-pip-version-check", "--progress-bar", "off", *arguments),
    ]
    found = 0
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process:
            for line in process.stdout or ():
                log.write(line)
                if taken := re.match(r"(?:Collecting|Requirement already satisfied:) (\S+)", line):
                    found += 1
                    show(f"  [{min(found, count)}/{count}] {taken[1]}")
                elif line.startswith("Installing collected packages"):
                    show("  installing ...")
    show("")
    if process.returncode:
        tail = LOG.read_text(encoding="utf-8").splitlines()[-15:]
        sys.exit("\n".join([*tail, f"pip failed (see {LOG.relative_to(ROOT)})"]))


def show(text: str) -> None:
    """Show a line in place of the one before; off a terminal, nothing: the log has it."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)


def main() -> None:
    LOG.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        LOG.unlink()
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    count = sum(1 for line in lines if not line.startswith("#"))
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"environment: .venv with Python {version} ({sys.executable})", flush=True)
    make_environment()
    print(f"environment: installing {count} pinned packages; pip's log is {LOG.relative_to(ROOT)}")
    sys.stdout.flush()
    pip("--requirement", str(REQUIREMENTS), count=count)
    pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT), count=1)


if __name__ == "__main__":
    main()
