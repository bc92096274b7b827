"""The project as a whole: the lock file, the Makefile's help, what is committed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlcourse.grading.sandbox import require_sandbox

ROOT = Path(__file__).resolve().parent.parent


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for texts in lists for text in texts]


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
def test_the_lock_file_pins_a_version_that_the_project_asks_for(requirement: Requirement) -> None:
    pin = locked().get(canonicalize_name(requirement.name))
    assert pin is not None, f"{requirement.name} is not in requirements.txt: run `make lock`"
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert requirement.specifier.contains(specifier.version), f"run `make lock`: {requirement}"


def test_every_pin_is_exact_and_names_no_registry() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.\-]+==[\w.!]+(; .+)?", line), line


def test_every_make_command_in_the_documents_is_a_target() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    for name in ("README.md", "CONTRIBUTING.md"):
        commands = re.findall(r"(?m)(?:^    |`)make ([a-z ]+)", (ROOT / name).read_text())
        assert commands, f"{name} names no make command"
        named = {word for command in commands for word in command.split()}
        assert named <= targets, f"{name} names targets that do not exist: {named - targets}"


def test_every_local_file_that_the_documents_link_to_is_committed() -> None:
    committed = set(tracked())
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert target.startswith("http") or ROOT / target in committed, f"{name}: {target}"


def test_there_are_a_sandbox_and_a_browser_so_that_no_test_is_skipped() -> None:
    require_sandbox()
    assert shutil.which("chromium") or shutil.which("chromium-browser"), "install chromium"


def test_no_file_that_is_committed_is_large() -> None:
    large = [path.relative_to(ROOT) for path in tracked() if path.stat().st_size > 2_000_000]
    assert not large
