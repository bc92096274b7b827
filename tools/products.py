"""Write generated files into a folder where people may have been at work.

A folder of products keeps a manifest, `.generated.json`: for each file that a tool wrote, the hash
of its content and, where the tool wants it, the hash of what it was made from. A file whose hash is
not the manifest's was edited by a person; one that the manifest does not name was put there by a
person. Neither is ever overwritten or deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlcourse.grading.records.files import atomic_write

MANIFEST = ".generated.json"
# What programs leave behind while one works in a folder; it is nobody's work and no product.
IGNORED = {".ipynb_checkpoints", "__pycache__", ".DS_Store", MANIFEST}


class EditedError(Exception):
    """Products that would have to change were edited by hand."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.paths = [folder / name for name in names]
        listed = "".join(f"\n  {shown(path)}" for path in self.paths)
        super().__init__(
            "These generated files were edited by hand and would be overwritten, so nothing was "
            f"written:{listed}\nMove them elsewhere if you want to keep them, or delete them; then "
            "run this again. (A place for your own work is work/, which `make student` fills.)"
        )


@dataclass(frozen=True)
class Written:
    """What became of the products, by their names."""

    changed: list[str]
    deleted: list[str]
    kept: list[str]  # edited by hand


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shown(path: Path) -> str:
    """The path as a person in the present folder would name it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def present_files(folder: Path) -> dict[str, Path]:
    """The files in a folder by their names relative to it, without what `IGNORED` names."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and not IGNORED & set(path.relative_to(folder).parts)
    }


def read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


def write_manifest(folder: Path, entries: Mapping[str, Mapping[str, str]]) -> None:
    text = json.dumps(dict(sorted(entries.items())), indent=1) + "\n"
    atomic_write(folder / MANIFEST, text)


def edited(folder: Path) -> set[str]:
    """The products in a folder that are not as their tool wrote them."""
    manifest = read_manifest(folder)
    return {
        name
        for name, path in present_files(folder).items()
        if name in manifest and digest(path.read_bytes()) != manifest[name]["sha256"]
    }


def write_products(
    folder: Path, products: Mapping[str, bytes], *, keep_edited: bool = False
) -> Written:
    """Make the products of a folder be these, and leave everything else in it alone.

    A product that is no longer made is deleted if nobody edited it. One that was edited stays as it
    is where its new content is that of the last time.

    Args:
        folder: Where they go; it is made if it is missing.
        products: Their contents, by names relative to the folder with forward slashes.
        keep_edited: Leave also those edited files alone that have a new content.

    Raises:
        EditedError: A file that was edited, or put there by a person, has a new content, and
            keep_edited is not set. Nothing was written.
    """
    manifest, present = read_manifest(folder), present_files(folder)
    last = {name: entry["sha256"] for name, entry in manifest.items()}
    now = {name: digest(path.read_bytes()) for name, path in present.items()}
    new = {name: digest(content) for name, content in products.items()}

    kept = [n for n in new if n in now and now[n] not in (new[n], last.get(n))]
    conflicts = [n for n in kept if new[n] != last.get(n)]
    if conflicts and not keep_edited:
        raise EditedError(folder, conflicts)
    changed = [n for n in new if n not in kept and now.get(n) != new[n]]
    deleted = [n for n in last if n not in new and now.get(n) == last[n]]

    for name in changed:
        atomic_write(folder / name, products[name])
    for name in deleted:
        (folder / name).unlink()
    # Of an edited file the manifest goes on to say what was last written there, if anything was.
    written = {
        n: last[n] if n in conflicts else new[n] for n in new if n not in conflicts or n in last
    }
    entries = {n: {"sha256": hashed} for n, hashed in written.items()}
    if entries != manifest:
        write_manifest(folder, entries)
    return Written(changed, deleted, kept)


def update_product(path: Path, content: bytes, *, made_from: str) -> None:
    """Write one product, which nobody has edited, and enter it into its folder's manifest."""
    atomic_write(path, content)
    entry = {"sha256": digest(content), "made_from": made_from}
    write_manifest(path.parent, read_manifest(path.parent) | {path.name: entry})


def run(main: Callable[[], int]) -> None:
    """End the program with what ``main`` returns; a full disk and the like is told in one line."""
    try:
        code = main()
    except EditedError as error:
        code = _failed(str(error))
    except OSError as error:
        place = shown(Path(error.filename)) if error.filename else "writing failed"
        code = _failed(f"{place}: {error.strerror or error}")
    sys.exit(code)


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
