"""The program that goes into a sandbox: the package ``runner``, as a zip file that Python runs."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

RUNNER = Path(__file__).with_name("runner")
MAIN = """\
import sys

sys.path.extend(sys.argv[1:])

from runner.run import main

main()
"""


@functools.cache
def program() -> bytes:
    """The zip file; the same bytes for the same sources."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), MAIN)
        for path in sorted(RUNNER.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(f"runner/{path.name}"), path.read_bytes())
    return buffer.getvalue()
