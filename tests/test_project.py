"""The project as a whole: the lock file, the Makefile's help, what is committed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dlcourse.grading.sandbox.confinement import require_sandbox

ROOT = Path(__file__).resolve().parent.parent


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(text) for texts in lists for text in texts]


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def tracked() -> list[Path]:
    """The files of the project: those that git knows or, without git, all but products."""
    if (ROOT / ".git").exists():
        names = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]
    ignored = {".venv", "build", "work", "__pycache__"}
    top = [path for path in ROOT.iterdir() if path.name not in ignored]
    inner = [path for folder in top if folder.is_dir() for path in folder.rglob("*")]
    return [path for path in [*top, *inner] if path.is_file() and not ignored & {*path.parts}]


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
def test_the_lock_file_pins_a_version_that_the_project_asks_for(requirement: Requirement) -> None:
    pin = locked().get(canonicalize_name(requirement.name))
    assert pin is not None, f"{requirement.name} is not in requirements.txt: run `make lock`"
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    assert requirement.specifier.contains(specifier.version), f"run `make lock`: {requirement}"


def test_every_pin_is_exact_and_names_no_registry() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.\-]+==[\w.!]+( ; .+)?", line), line


def test_every_make_command_in_the_documents_is_a_target() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    for name in ("README.md", "CONTRIBUTING.md"):
        commands = re.findall(r"(?m)(?:^    |`)make ([a-z ]+)", (ROOT / name).read_text())
        assert commands, f"{name} names no make command"
        named = {word for command in commands for word in command.split()}
        assert named <= targets, f"{name} names targets that do not exist: {named - targets}"


def test_every_target_finds_what_it_is_made_from() -> None:
    """A rule that names a file that was moved stops make before its first command."""
    targets = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text())
    planned = subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert planned.returncode == 0, planned.stderr


def test_every_local_file_that_the_documents_link_to_is_committed() -> None:
    committed = set(tracked())
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert target.startswith("http") or ROOT / target in committed, f"{name}: {target}"


def test_there_are_a_sandbox_and_a_browser_so_that_no_test_is_skipped() -> None:
    require_sandbox()
    assert shutil.which("chromium") or shutil.which("chromium-browser"), "install chromium"


def test_no_two_files_of_tests_have_the_same_name() -> None:
    """pytest imports them by their names: a second one is an error where both are run."""
    names = Counter(path.name for path in tracked() if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_file_that_is_committed_is_large() -> None:
    large = [path.relative_to(ROOT) for path in tracked() if path.stat().st_size > 2_000_000]
    assert not large


def test_the_hooks_before_a_commit_are_the_linters_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    ours = [hook["entry"].replace(" --force-exclude", "") for hook in hooks]
    target = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    linters = re.findall(r"\$\(BIN\)/(.+)", target)
    assert ours == [f".venv/bin/{linter.removesuffix(' .')}" for linter in linters]


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_workflows_and_issue_forms_are_yaml_and_run_targets_that_exist(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["name"]
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"run: make ([a-z]+)", text)) <= targets


def test_the_licences_are_named_where_people_look_for_them() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert (ROOT / "LICENSE-text").read_text().startswith("Creative Commons Attribution 4.0")
    for name in ("README.md", "book/index.md"):
        text = (ROOT / name).read_text()
        assert "LICENSE" in text and "LICENSE-text" in text, name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "MIT AND CC-BY-4.0"
    assert "CC BY 4.0" in (ROOT / "_config.yml").read_text()


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text()
