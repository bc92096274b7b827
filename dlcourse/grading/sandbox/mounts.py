"""What a sandbox shows of this machine, as arguments of bubblewrap: everything read-only.

The system's programs and libraries, the Python interpreter and the packages that may be imported
are visible, and of the course nothing but, where it is asked for, the engine.
"""

import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import dlcourse
from dlcourse.grading.sandbox.packages import visible_entries

COURSE_ROOT = Path(dlcourse.__file__).resolve().parents[1]
ENGINE = Path(dlcourse.__file__).resolve().parent

# What is shown of the system; a part that does not exist is left out.
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share")
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
SYSTEM_SETTINGS = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
)


def interpreter() -> Path:
    """The real Python executable, outside any virtual environment."""
    return Path(sys.executable).resolve()


def hide(path: Path, is_folder: bool) -> list[str]:
    """bwrap's arguments that cover a file or folder with an empty one."""
    if is_folder:
        return ["--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path)]
    return ["--ro-bind", "/dev/null", str(path)]


def folders(*paths: str | Path) -> list[str]:
    """bwrap's arguments that make folders and their parents; by itself it makes them private."""
    every = {parent for path in paths for parent in (Path(path), *Path(path).parents)}
    ordered = sorted(every - {Path("/")}, key=lambda path: len(path.parts))
    return [part for path in ordered for part in ("--perms", "0755", "--dir", str(path))]


def symlink(path: Path) -> list[str]:
    """bwrap's arguments that make the same symbolic link inside."""
    return ["--symlink", str(path.readlink()), str(path)]


def system_mounts(hidden: Sequence[Path]) -> list[str]:
    """The read-only system and the interpreter, without what lies in `hidden`."""
    prefix = interpreter().parents[1]
    places = [Path(path) for path in SYSTEM]
    places += [prefix / name for name in ("bin", "lib", "lib64")]
    shown = [path for path in dict.fromkeys(places) if path.is_dir() and not path.is_symlink()]
    steps = [(path, ["--ro-bind", str(path), str(path)]) for path in shown]
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in [*(path.resolve() for path in hidden), (stdlib / "site-packages").resolve()]:
        if path.exists() and any(path.is_relative_to(place) for place in shown):
            steps.append((path, hide(path, path.is_dir())))
    # The deeper path is mounted later and so wins, whichever way the two lie in each other.
    steps.sort(key=lambda step: len(step[0].parts))
    arguments = folders("/etc", *(path.parent for path in shown))
    arguments += [argument for _, mount in steps for argument in mount]
    if (prefix / "lib64").is_symlink() and prefix != Path("/usr"):
        arguments += symlink(prefix / "lib64")
    for link in SYSTEM_LINKS:
        if Path(link).is_symlink():
            arguments += symlink(Path(link))
        elif Path(link).is_dir():
            arguments += ["--ro-bind", link, link]
    for setting in SYSTEM_SETTINGS:
        arguments += ["--ro-bind-try", setting, setting]
    return arguments


def package_mounts(names: frozenset[str]) -> tuple[list[str], list[str]]:
    """bwrap's arguments for the packages that may be imported, and the folders to import from."""
    arguments = folders("/packages")
    for path in visible_entries(names):
        arguments += ["--ro-bind", str(path), f"/packages/{path.name}"]
    imports = ["/packages"]
    if "dlcourse" in names:
        arguments += folders("/engine/dlcourse")
        for path in sorted(ENGINE.iterdir()):
            if path.name not in ("grading", "__main__.py", "__pycache__"):
                arguments += ["--ro-bind", str(path), f"/engine/dlcourse/{path.name}"]
        imports.append("/engine")
    return arguments, imports
