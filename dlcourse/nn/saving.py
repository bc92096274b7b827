"""State dicts as files: NumPy's .npz and safetensors. Neither can hold code.

    save_npz(path, model.state_dict())
    model.load_state_dict(load_npz(path))

A checkpoint holds several of them, and the numbers that training needs to go on:

    save_checkpoint(path, {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                           "schedule": schedule.state_dict(), "epoch": 3})
    checkpoint = load_checkpoint(path)
    optimizer.load_state_dict(checkpoint["optimizer"])

A file is written under another name first and then takes its place, so that a crash leaves the old
file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import json
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

    Args:
        path: The file.
        state: Arrays or Tensors by name.

    Raises:
        ValueError: A value is no array of numbers.
    """
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, value in state.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)


def load_npz(path: str | Path) -> dict[str, Array]:
    """The arrays of an .npz file, by name; nothing is unpickled.

    Args:
        path: The file.

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

    Args:
        path: The file.
        state: Arrays or Tensors by name.

    Raises:
        ValueError: The format has no such dtype.
    """
    data = safetensors.dumps(state)
    with replacing(path) as file:
        file.write(data)


def load_safetensors(path: str | Path) -> dict[str, Array]:
    """The arrays of a safetensors file, by name.

    Args:
        path: The file.

    Raises:
        ValueError: The file is damaged, no safetensors file, or has a dtype that NumPy lacks.
    """
    try:
        return safetensors.loads(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


# --- Checkpoints ----------------------------------------------------------------------------------


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of arrays, numbers and texts into a safetensors file.

    So the state dicts of a model, its optimizer and a schedule go into one file, and also the state
    of a random generator, ``generator.bit_generator.state``. The arrays are the tensors of the
    file; all else is JSON in its metadata.

    Args:
        path: The file.
        state: A dict. Its values are dicts (with texts or integers as keys), lists, tuples, arrays,
            Tensors, numbers, texts, truth values and None.

    Raises:
        TypeError: Something else is among the values; the text says where.
        ValueError: The format has no such dtype.
    """
    arrays: dict[str, Array] = {}
    tree = json.dumps(_without_arrays("", dict(state), arrays))
    data = safetensors.dumps(arrays, {_TREE: tree})
    with replacing(path) as file:
        file.write(data)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """What save_checkpoint has written, with arrays as NumPy's; nothing is unpickled.

    Args:
        path: The file.

    Raises:
        ValueError: The file is damaged, or no such checkpoint.
    """
    data = Path(path).read_bytes()
    try:
        arrays = safetensors.loads(data)
        metadata = safetensors.metadata_of(data)
        if _TREE not in metadata:
            raise ValueError("it has arrays alone; load_safetensors reads those")
        found = _with_arrays(json.loads(metadata[_TREE]), arrays)
        if not isinstance(found, dict):
            raise ValueError(f"expected a dict, got {type(found).__name__}")
        return found
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected a checkpoint; {error}") from error


_TREE = "dlcourse.checkpoint"  # the name of the metadata with everything but the arrays


def _without_arrays(name: str, value: Any, arrays: dict[str, Array]) -> Any:
    """``value`` as JSON has it, with the arrays in ``arrays`` and their names in their places.

    A list stands for itself; an object says with its only key what it stands for.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(
                    f"save_checkpoint: expected texts and integers as keys of {name or 'the dict'},"
                    f" got {key!r}"
                )
        return {"dict": [
            [key, _without_arrays(f"{name}.{key}" if name else str(key), item, arrays)]
            for key, item in value.items()
        ]}  # fmt: skip
    if type(value) in (list, tuple):
        items = [_without_arrays(f"{name}.{i}", item, arrays) for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if not hasattr(value, "dtype"):
        raise TypeError(
            f"save_checkpoint: {name} is {type(value).__name__}; expected dicts, lists, tuples, "
            "arrays, numbers, texts, truth values or None"
        )
    while name in arrays:  # as with the keys 1 and "1" in one dict
        name += "'"
    arrays[name] = np.asarray(value)
    return {"array": name}


def _with_arrays(value: Any, arrays: Mapping[str, Array]) -> Any:
    """What ``_without_arrays`` was given."""
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"dict": list(items)} if all(_is_item(item) for item in items):
            return {key: _with_arrays(item, arrays) for key, item in items}
        case {"tuple": list(items)}:
            return tuple(_with_arrays(item, arrays) for item in items)
        case {"array": str(name)} if name in arrays:
            return arrays[name]
    raise ValueError(f"it has no meaning for {value!r:.60}")


def _is_item(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and type(item[0]) in (str, int)


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
