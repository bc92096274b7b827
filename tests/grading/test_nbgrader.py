"""nbgrader's own commands, with the course's nbgrader_config.py, on a hostile class."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser
from small_course import NAME, RIGHT, answered, assignment_of, hand_in, make_course

from dlcourse.grading.sandbox.available import SandboxUnavailable
from dlcourse.grading.sandbox.confinement import require_sandbox

try:
    require_sandbox()
except SandboxUnavailable as error:
    pytest.skip(str(error), allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]

# What nbgrader's own autograder would give full marks for, follow, or stop the class at.
HOSTILE = {
    "strips-asserts": (
        "import ast\n"
        "class Strip(ast.NodeTransformer):\n"
        "    def visit_Assert(self, node):\n"
        "        return ast.Pass()\n"
        "get_ipython().ast_transformers.append(Strip())\n"
        "square = cube = None"
    ),
    "exits": "import os\nos._exit(0)",
    "kills-its-parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "shows-html": (
        "from IPython.display import HTML, display\n"
        "display(HTML('<script>alert(1)</script><b>shown</b>'))"
    ),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = make_course(tmp_path_factory.mktemp("course"))
    shutil.copy(ROOT / "nbgrader_config.py", course)
    exchange = tmp_path_factory.mktemp("exchange")
    exchange.chmod(0o777)
    (course / ".jupyter").mkdir()
    (course / ".jupyter" / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str(exchange)!r}\n"
    )
    assignment = assignment_of(course)
    submitted = course / "submitted"
    hand_in(submitted, "perfect", answered(assignment, RIGHT))
    for student, text in HOSTILE.items():
        hand_in(submitted, student, answered(assignment, {"square-answer": text}))
    doubled = answered(assignment, RIGHT)
    doubled.cells += [doubled.cells[3].copy(), doubled.cells[5].copy()]
    hand_in(submitted, "doubles-tests", doubled)
    hand_in(submitted, "not-json", "{")
    (submitted / "link" / NAME).mkdir(parents=True)
    (submitted / "link" / NAME / f"{NAME}.ipynb").symlink_to(
        submitted / "perfect" / NAME / f"{NAME}.ipynb"
    )
    (submitted / "perfect" / NAME / "secret.txt").symlink_to("/etc/passwd")
    run(course, "nbgrader", "autograde", NAME)
    return course


def run(course: Path, program: str, *arguments: str) -> str:
    """Run a command of this environment in the course; returns all that it printed."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(course / ".jupyter")}
    done = subprocess.run(
        command, cwd=course, env=environment, text=True, capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def marks(course: Path) -> dict[str, str]:
    with (course / "marks" / f"{NAME}.csv").open(newline="") as file:
        return {row["student"]: row["score"] for row in csv.DictReader(file)}


def test_nbgrader_autograde_gives_the_marks_that_were_earned(course: Path) -> None:
    assert marks(course) == {
        "perfect": "5",
        "doubles-tests": "5",
        "strips-asserts": "0",
        "exits": "0",
        "kills-its-parent": "0",
        "shows-html": "0",
        "not-json": "0",
        "link": "0",
    }


def test_dlcourse_grade_gives_the_same_marks(course: Path, tmp_path: Path) -> None:
    run(course, "dlcourse", "grade", NAME, "--submissions", "submitted", "--output", str(tmp_path))
    assert marks(tmp_path) == marks(course)


def test_nothing_that_a_link_points_to_is_copied(course: Path) -> None:
    copied = {path.name for path in (course / "autograded").rglob("*") if path.is_file()}
    assert copied == {f"{NAME}.ipynb"}


def test_generate_feedback_and_export_work_on_the_result(course: Path) -> None:
    run(course, "nbgrader", "generate_feedback", NAME, "--force")
    page = (course / "feedback" / "shows-html" / NAME / f"{NAME}.html").read_text()
    assert "<b>shown</b>" in page and "Hidden checks: 0 of 2 passed" in page
    assert "<script" not in page and "Content-Security-Policy" in page
    run(course, "nbgrader", "export")
    with (course / "grades.csv").open(newline="") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == {student: float(score) for student, score in marks(course).items()}


@contextmanager
def formgrader(course: Path) -> Iterator[tuple[Callable[[str, str], Any], str]]:
    """A real Jupyter server with formgrader, on loopback: what calls its API, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(str(Path(sys.executable).with_name("jupyter-server")), "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--IdentityProvider.token=t"),
        *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={course}"),
    ]
    settings = {**os.environ, "JUPYTER_CONFIG_DIR": str(course / ".jupyter")}
    log = (course / "server.log").open("w")
    server = subprocess.Popen(command, cwd=course, env=settings, stdout=log, stderr=log)

    def call(method: str, path: str) -> Any:
        address = f"http://127.0.0.1:{port}/formgrader/api/{path}"
        request = Request(address, method=method, headers={"Authorization": "token t"})
        with urlopen(request, timeout=300) as response:
            return json.load(response)

    try:
        for _ in range(240):
            try:
                call("GET", "assignments")
                break
            except URLError:
                assert server.poll() is None, (course / "server.log").read_text()
                time.sleep(0.25)
        yield call, f"http://127.0.0.1:{port}/formgrader/"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def test_the_buttons_of_formgrader_run_the_same_pipeline(course: Path, browser: Browser) -> None:
    (source := course / "build" / "source" / NAME).mkdir(parents=True, exist_ok=True)
    shutil.copy(course / "submitted" / "perfect" / NAME / f"{NAME}.ipynb", source)
    page = course / "feedback" / "strips-asserts" / NAME / f"{NAME}.html"
    page.unlink()
    with formgrader(course) as (call, address):
        assert [assignment["name"] for assignment in call("GET", "assignments")] == [NAME]
        (course / "autograded" / "strips-asserts" / NAME / f"{NAME}.ipynb").unlink()
        result = call("POST", f"submission/{NAME}/strips-asserts/autograde")
        assert result["success"], result
        assert "'strips-asserts': 0/10" in result["log"] and "'perfect'" not in result["log"]
        assert "Hidden checks: 0 of" in page.read_text()
        view = browser.new_page(extra_http_headers={"Authorization": "token t"})
        requests: list[str] = []
        view.on("request", lambda request: requests.append(request.url))
        view.goto(f"{address}manage_assignments")
        for column, told in [
            ("generate-feedback", "Successfully generated feedback"),
            ("release-feedback", "Successfully released feedback"),
        ]:
            view.locator(f"td.{column} a").click()
            modal = view.locator("#success-modal, #error-modal")
            modal.wait_for(timeout=300_000)
            assert told in modal.inner_text()
            modal.get_by_role("button", name="OK").click()
            modal.wait_for(state="detached")
        submissions = call("GET", f"submitted_notebooks/{NAME}/{NAME}")
        (one,) = (each for each in submissions if each["student"] == "shows-html")
        view.goto(f"{address}submissions/{one['id']}")
        view.get_by_text("Hidden checks: 0 of 2 passed").wait_for()
        assert {urlsplit(url).netloc for url in requests} == {urlsplit(address).netloc}
        view.close()
    assert "<script" not in page.read_text()
    assert marks(course)["perfect"] == "5"


def test_a_configuration_that_cannot_be_loaded_stops_nbgrader(course: Path, tmp_path: Path) -> None:
    broken = tmp_path / "nbgrader_config.py"
    text = (ROOT / "nbgrader_config.py").read_text()
    assert "dlcourse.grading.nbgrader_plugin" in text
    broken.write_text(text.replace("dlcourse.grading.nbgrader_plugin", "dlcourse.gone"))
    shutil.copytree(course / "submitted", tmp_path / "submitted", symlinks=True)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("nbgrader")), "autograde", NAME],
        cwd=tmp_path,
        text=True,
        capture_output=True,
    )
    assert done.returncode != 0 and "without the sandbox" in done.stderr
    assert not (tmp_path / "autograded").exists()
