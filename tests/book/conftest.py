"""The built book, served on loopback to a real browser."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build_book(source: Path, output: Path) -> subprocess.CompletedProcess[str]:
    """Build the book in ``source`` as `make book` does; what is up to date is not built again."""
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("jupyter-book")), "build", "."),
            *("--config", "_config.yml", "--toc", "_toc.yml", "--path-output", str(output)),
            *("-W", "-n", "--keep-going"),
        ],
        cwd=source,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def site(testrun_uid: str) -> Path:
    """The folder of the built book's pages; of several workers one builds, the others wait."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with (build / ".tests-built").open("a+") as run:
        fcntl.flock(run, fcntl.LOCK_EX)
        run.seek(0)
        if run.read() != testrun_uid:
            built = build_book(ROOT, build)
            assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
            run.truncate(0)
            run.write(testrun_uid)
    return build / "_build" / "html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the pages are served, on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
