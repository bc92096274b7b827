"""State dicts as files: NumPy's .npz and safetensors. Neither can hold code.

    save_npz(path, model.state_dict())
    model.load_state_dict(load_npz(path))

A file is written under another name first and then takes its place, so that a crash leaves the old
file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from dlcourse.nn import safetensors
from dlcourse.ops import Array


def save_npz(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write arrays by name into an .npz file, which np.load can read.

    np.savez would refuse a Tensor that is called "file".

    Raises:
        ValueError: A value is no array of numbers.
    """
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, value in state.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)


def load_npz(path: str | Path) -> dict[str, Array]:
    """The arrays of an .npz file, by name; nothing is unpickled.

    Raises:
        ValueError: The file is no .npz file, is damaged, or holds something else than arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): _member(archive, name) for name in archive.namelist()
            }
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError) as error:
        raise ValueError(f"{path}: expected an .npz file of arrays; {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> Array:
    if not name.endswith(".npy"):
        raise ValueError(f"it has {name!r}, which is no .npy")
    with archive.open(name) as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):
            raise ValueError(f"{name!r} goes on after its array")
        return array


def save_safetensors(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write arrays by name into a safetensors file.

    Raises:
        ValueError: The format has no such dtype.
    """
    data = safetensors.dumps(state)
    with replacing(path) as file:
        file.write(data)


def load_safetensors(path: str | Path) -> dict[str, Array]:
    """The arrays of a safetensors file, by name.

    Raises:
        ValueError: The file is damaged, no safetensors file, or has a dtype that NumPy lacks.
    """
    try:
        return safetensors.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` if the block ends without an error."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
