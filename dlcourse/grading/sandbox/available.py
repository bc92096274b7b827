"""Why there is no sandbox on a machine, and what to do about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dlcourse.grading.errors import GradingError
from dlcourse.grading.sandbox.packages import package_directories


class SandboxUnavailable(GradingError):  # noqa: N818  (GradingError says that it is one)
    """There is no working sandbox on this machine; the message names the command to run."""


def executable(name: str) -> str:
    """The path of a program that the sandbox is made with."""
    path = shutil.which(name)
    if path is None:
        package = {"bwrap": "bubblewrap", "setpriv": "util-linux"}[name]
        command = f"{as_root()}apt-get install -y {package}"
        raise SandboxUnavailable(f"{package} is not installed. Run: {command}")
    return path


def as_root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def explain(error: str) -> str:
    """What to do about bubblewrap's error message."""
    settings = {
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
        "kernel/unprivileged_userns_clone": ("0", "1"),
        "user/max_user_namespaces": ("0", "10000"),
    }
    message = f"bubblewrap is installed, but no sandbox can be started here:\n  {error}\n"
    if os.geteuid() != 0:
        for name, (bad, good) in settings.items():
            path = Path("/proc/sys", name)
            if path.exists() and path.read_text().strip() == bad:
                setting = name.replace("/", ".", 1)
                return f"{message}Allow user namespaces. Run: sudo sysctl -w {setting}={good}"
    if "ermission denied" in error or "No module named" in error:
        folder = package_directories()[0]
        return f"{message}If the packages may not be read by others, run: chmod -R a+rX {folder}"
    options = "--cap-add=SYS_ADMIN --security-opt seccomp=unconfined"
    return f"{message}Inside a Docker container, start the container with: {options}"
