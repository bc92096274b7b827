"""The packages that a sandbox shows: those that may be imported, and what they require."""

from __future__ import annotations

import functools
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.metadata import packages_distributions as _packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ALWAYS = ("numpy", "matplotlib")  # what every assignment may import
RUNNER = ("IPython", "matplotlib_inline", "numpy")  # what the program in the sandbox imports
ENGINE = "dlcourse"  # is mounted by itself, without the grader


def package_directories() -> list[Path]:
    """The folders that this environment's packages are installed in."""
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return sorted(Path(path).resolve() for path in paths)


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(_packages_distributions())


def unknown(names: tuple[str, ...]) -> list[str]:
    """The names that no installed package has."""
    return sorted(set(names) - {ENGINE, *_distributions()})


@functools.cache
def visible_entries(imports: frozenset[str]) -> tuple[Path, ...]:
    """The files and folders of the packages, and of those that they require, sorted."""
    entries: set[Path] = set()
    done: set[str] = set()
    wanted = [name for each in sorted({*RUNNER, *imports} - {ENGINE}) for name in _named(each)]
    while wanted:
        name = wanted.pop()
        if name in done:
            continue
        done.add(name)
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of another platform, or an option that is not installed
            continue
        entries |= _entries(package)
        for text in package.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return tuple(sorted(entries))


def _named(name: str) -> list[str]:
    try:
        return _distributions()[name]
    except KeyError:
        raise ValueError(f"no installed package has the name {name!r}") from None


def _entries(package: Distribution) -> set[Path]:
    """What a package has at the top of the folder that it is installed in."""
    tops = {file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "bin")}
    found = {Path(str(package.locate_file(top))).resolve() for top in tops}
    return {path for path in found if path.exists() and path.name != "__pycache__"}
