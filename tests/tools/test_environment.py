"""The lock file and the Python that the environment is made with."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import lock
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("python", lock.PYTHONS)
def test_the_pins_can_be_installed_on_every_python_that_the_course_supports(python: str) -> None:
    result = lock.dry_run(python, lock.LOCK)
    assert result.returncode == 0, result.stderr


def test_the_package_says_which_pythons_it_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    language = "Programming Language :: Python :: "
    named = [c.removeprefix(language) for c in project["classifiers"] if c.startswith(language)]
    assert named == lock.SUPPORTED
    assert project["requires-python"] == f">={lock.SUPPORTED[0]}"


def test_a_pin_that_an_early_python_refuses_is_found(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("soupsieve==4.1.2\n")  # it wants Python 3.11.5
    assert lock.dry_run("3.11.0", requirements).returncode != 0
    assert lock.dry_run("3.12.0", requirements).returncode == 0


def test_the_lock_names_releases_not_builds_and_leaves_cuda_to_torch() -> None:
    pins = ["nvidia-cublas==13.1 ; sys_platform == 'linux'", "torch==2.13.0+cpu", "triton==3"]
    assert lock.tidy([*pins, "a==1.0 ; b < '3'"]) == ["torch==2.13.0", "a==1.0 ; b < '3'"]


def program(folder: Path, name: str, version: str) -> None:
    """A program that answers as a Python of that version would; 'none' fails like a shim."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{'exit 1' if version == 'none' else f'echo {version}'}\n")
    path.chmod(0o755)


def run_script(name: str, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(ROOT / "tools" / name), *arguments]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3.11": "3.11", "python3.13": "3.13", "python3": "3.12"}, "python3.13"),
        ({"python3.13": "none", "python3.12": "3.12", "python3.11": "3.11"}, "python3.12"),
        ({"python3": "3.12"}, "python3"),
        ({"python3": "3.14", "python": "3.11"}, "python"),
        ({"python3": "3.10"}, None),
        ({}, None),
    ],
)
def test_the_newest_supported_python_is_found(pythons, chosen, tmp_path: Path) -> None:
    for name, version in pythons.items():
        program(tmp_path, name, version)
    found = run_script("find_python.sh", path=str(tmp_path)).stdout.strip()
    assert found == (str(tmp_path / chosen) if chosen else "")


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/nonexistent", "PYTHON=/nonexistent cannot be run"),
        ("old", "is 3.10"),
        ("new", "is 3.14"),
        ("", "finds none"),
    ],
)
def test_a_python_that_will_not_do_is_refused_with_what_it_is(
    python: str, said: str, tmp_path: Path
) -> None:
    program(tmp_path, "old", "3.10")
    program(tmp_path, "new", "3.14")
    result = run_script("check_python.sh", python, path=f"{tmp_path}{os.pathsep}{os.defpath}")
    assert result.returncode == 1
    assert said in result.stderr and "3.13" in result.stderr


def test_the_python_of_these_tests_will_do() -> None:
    assert run_script("check_python.sh", sys.executable, path=os.defpath).returncode == 0
