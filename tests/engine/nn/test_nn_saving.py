"""State dicts as files: what was saved is loaded, and a damaged file is an error that says why."""

from __future__ import annotations

import importlib.util
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlcourse import nn, optimizers
from dlcourse.losses import mse
from dlcourse.nn import safetensors
from dlcourse.nn.saving import (
    load_checkpoint,
    load_npz,
    load_safetensors,
    save_checkpoint,
    save_npz,
    save_safetensors,
)

FORMATS = [(save_npz, load_npz), (save_safetensors, load_safetensors)]
each_format = pytest.mark.parametrize("save, load", FORMATS, ids=["npz", "safetensors"])

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def assert_same(found: dict[str, np.ndarray], state: dict[str, np.ndarray]) -> None:
    assert sorted(found) == sorted(state)
    for name, array in state.items():
        assert found[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[name], array)


@each_format
def test_a_model_is_what_was_saved(save, load, tmp_path) -> None:
    model, other = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2))
    model(np.random.default_rng(0).normal(size=(2, 1, 5, 5)))
    save(tmp_path / "model", model.state_dict())
    other.load_state_dict(load(tmp_path / "model"))
    assert_same(other.state_dict(), model.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.dictionaries(names, arrays, max_size=4))
def test_safetensors_keep_all_arrays(state) -> None:
    data = safetensors.dumps(state)
    assert_same(safetensors.loads(data), state)
    assert int.from_bytes(data[:8], "little") % 8 == 0


AWKWARD = {
    "file": np.ones(2), "a": np.zeros(3, "i2"), "a.npy": np.array(True), "": np.array(1.5),
    "x/y": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "übung": np.ones((0, 2), ">f4"),
    "b": np.arange(10)[::-2],
}  # fmt: skip


@each_format
def test_awkward_names_and_layouts_are_kept(save, load, tmp_path) -> None:
    save(tmp_path / "state", AWKWARD)
    found = load(str(tmp_path / "state"))
    assert sorted(found) == sorted(AWKWARD)
    for name, array in AWKWARD.items():
        np.testing.assert_array_equal(found[name], array)


def test_npz_files_are_numpys_in_both_directions(tmp_path) -> None:
    save_npz(tmp_path / "ours.npz", {"a": np.ones(2), "b.c": np.arange(3)})
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as theirs:
        assert_same(dict(theirs), {"a": np.ones(2), "b.c": np.arange(3)})
    np.savez_compressed(tmp_path / "theirs.npz", a=np.arange(4.0))
    assert_same(load_npz(tmp_path / "theirs.npz"), {"a": np.arange(4.0)})


def test_a_file_of_the_published_format_is_read() -> None:
    header = (
        b'{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
        b'"n":{"dtype":"I16","shape":[],"data_offsets":[8,10]},'
        b'"none":{"dtype":"BOOL","shape":[0,3],"data_offsets":[10,10]}}   '
    )
    body = b"\x00\x00\x80\x3f\x00\x00\x00\xc0\xfe\xff"
    found = safetensors.loads(len(header).to_bytes(8, "little") + header + body)
    expected = {
        "w": np.array([[1], [-2]], np.float32),
        "n": np.array(-2, np.int16),
        "none": np.ones((0, 3), bool),
    }
    assert_same(found, expected)
    found["w"] += 1  # its own memory, which may be changed


def test_the_published_format_is_written() -> None:
    data = safetensors.dumps({"w": np.array([1, -2], np.float32), "n": np.array(-2, np.int16)})
    size = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + size]) == {
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "n": {"dtype": "I16", "shape": [], "data_offsets": [8, 10]},
    }
    assert data[8:9] == b"{"
    assert data[8 + size :] == b"\x00\x00\x80\x3f\x00\x00\x00\xc0\xfe\xff"


# The names of the published format, https://huggingface.co/docs/safetensors
CODES = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
         "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_each_dtype_has_the_name_and_the_bytes_of_the_published_format(name: str) -> None:
    array = np.array([1, 0, 1], CODES[name])
    data = safetensors.dumps({"x": array})
    size = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + size])["x"]["dtype"] == name
    assert data[8 + size :] == array.astype(array.dtype.newbyteorder("<")).tobytes()
    assert_same(safetensors.loads(data), {"x": array})


@pytest.mark.skipif(importlib.util.find_spec("safetensors") is None, reason="no safetensors")
def test_the_reference_implementation_agrees() -> None:
    from safetensors.numpy import load, save

    state = {"a": np.ones((2, 3), np.float32), "b": np.array(5, np.int64), "c": np.ones(3, bool)}
    assert_same(load(safetensors.dumps(state)), state)
    assert_same(safetensors.loads(save(state)), state)


def tensor(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def with_header(header, body=bytes(8)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


MALFORMED = {
    "empty": (b"", "at least 8 bytes, got 0"),
    "shorter than the length": (bytes(7), "at least 8 bytes, got 7"),
    "a length beyond the end": (b"\x09" + bytes(15), "said to have 9 bytes; the file has 8"),
    "an enormous length": (b"\xff" * 8 + bytes(8), "said to have 18446744073709551615 bytes"),
    "no header": (bytes(8), "the header is no JSON"),
    "no JSON": (with_header(b"{'w': 1}"), "the header is no JSON"),
    "no UTF-8": (with_header(b'{"\xff": 1}'), "the header is no JSON"),
    "endless nesting": (with_header(b"[" * 100_000), "the header is no JSON"),
    "an array": (with_header([1]), r"expected a JSON object as header, got \[1\]"),
    "a name twice": (
        with_header(b'{"w":' + json.dumps(tensor()).encode() + b',"w":{}}'), "twice among"
    ),
    "no entry": (with_header({"w": 3}), "'w' to have dtype, shape and data_offsets, got 3"),
    "a key too few": (with_header({"w": {"dtype": "F32", "shape": [2]}}), "'w' to have dtype"),
    "a key too many": (with_header({"w": {**tensor(), "x": 1}}), "'w' to have dtype"),
    "an unknown dtype": (with_header({"w": tensor("F8_E4M3")}), "has the dtype 'F8_E4M3'; known"),
    "a dtype that is no text": (with_header({"w": tensor(["F32"])}), r"has the dtype \['F32'\]"),
    "a negative length": (with_header({"w": tensor(shape=(-2,))}), "whole numbers >= 0"),
    "a fraction": (with_header({"w": tensor(shape=(2.0,))}), "whole numbers >= 0"),
    "a truth value": (with_header({"w": tensor("F64", shape=(True,))}), "whole numbers >= 0"),
    "a shape that is no list": (with_header({"w": {**tensor(), "shape": 2}}), "whole numbers"),
    "one offset": (with_header({"w": tensor(offsets=(0,))}), "two as data_offsets"),
    "an end beyond the file": (with_header({"w": tensor(offsets=(4, 12))}), "bytes 4 to 12 of 8"),
    "an end before the start": (with_header({"w": tensor(offsets=(8, 0))}), "bytes 8 to 0 of 8"),
    "too few bytes": (with_header({"w": tensor(offsets=(0, 4))}), r"needs 8 bytes.*give 4"),
    "an overflowing shape": (with_header({"w": tensor(shape=(2**40, 2**40))}), "needs 4835"),
    "an overlap": (
        with_header({"w": tensor(), "v": tensor(offsets=(4, 12))}, bytes(12)),
        "'v' overlaps the tensor before it: it begins at byte 4, expected 8",
    ),
    "a gap": (
        with_header({"w": tensor(), "v": tensor(offsets=(10, 18))}, bytes(18)),
        "'v' leaves a gap: it begins at byte 10, expected 8",
    ),
    "bytes left over": (with_header({"w": tensor()}, bytes(9)), "end at byte 8, the file at 9"),
}  # fmt: skip


@pytest.mark.parametrize("data, message", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_safetensors_file_is_an_error_that_says_why(data, message, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"(?s)model.safetensors: safetensors: .*{message}"):
        load_safetensors(path)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_a_safetensors_file_with_a_changed_byte_is_read_or_is_a_value_error(data) -> None:
    good = safetensors.dumps({"w": np.arange(3.0), "b": np.ones(2, np.int16)})
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] = data.draw(st.integers(0, 255))
    try:
        safetensors.loads(bytes(bad))
    except ValueError as error:
        assert str(error).startswith("safetensors: ")


def zipped(**members: bytes):
    def write(path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name.replace("__", "."), data)

    return write


BAD_NPZ = {
    "no archive": (lambda path: path.write_bytes(b"PK\x03\x04 no"), "not a zip file"),
    "a pickle": (lambda path: path.write_bytes(b"\x80\x04N."), "not a zip file"),
    "another member": (zipped(a__txt=b"text"), "'a.txt', which is no .npy"),
    "no array": (zipped(a__npy=b"text"), "magic"),
    "an object array": (
        lambda path: np.savez(path, a=np.array([print], object)), "allow_pickle=False"
    ),
}  # fmt: skip


@pytest.mark.parametrize("write, message", BAD_NPZ.values(), ids=BAD_NPZ)
def test_a_malformed_npz_file_is_an_error_that_says_why(write, message, tmp_path) -> None:
    path = tmp_path / "model.npz"
    write(path)
    with pytest.raises(
        ValueError, match=f"model.npz: expected an .npz file of arrays; .*{message}"
    ):
        load_npz(path)


def test_a_truncated_npz_file_and_a_flipped_bit_are_errors(tmp_path) -> None:
    path = tmp_path / "model.npz"
    save_npz(path, {"a": np.arange(100.0)})
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-30])
    with pytest.raises(ValueError, match=r"model\.npz"):
        load_npz(path)
    data[400] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="CRC"):
        load_npz(path)


@each_format
def test_a_file_that_could_not_be_written_leaves_the_old_one(save, load, tmp_path) -> None:
    path = tmp_path / "model"
    save(path, {"a": np.ones(2)})
    with pytest.raises(ValueError, match=r"(?i)object"):
        save(path, {"a": np.zeros(2), "b": np.array([print], object)})
    assert_same(load(path), {"a": np.ones(2)})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@each_format
def test_a_file_is_replaced_as_a_whole(save, load, tmp_path) -> None:
    path = tmp_path / "model"
    save(path, {"a": np.ones(2)})
    before = path.read_bytes()
    with path.open("rb") as reader:
        save(path, {"a": np.zeros(3)})
        assert reader.read() == before  # the old file, for those who have it open
    assert_same(load(path), {"a": np.zeros(3)})


@pytest.mark.parametrize("state", [{"w": np.array([1j])}, {"__metadata__": np.ones(2)}])
def test_what_safetensors_cannot_hold_is_an_error(state) -> None:
    with pytest.raises(
        ValueError, match=r"expected one of the dtypes float64, .* a name other than"
    ):
        safetensors.dumps(state)


@each_format
def test_a_missing_file_is_pythons_error(save, load, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


# --- Checkpoints ----------------------------------------------------------------------------------

MAKERS = {
    "sgd": lambda p: optimizers.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optimizers.Adam(p, amsgrad=True),
    "nadam": optimizers.NAdam,
    "lbfgs": lambda p: optimizers.LBFGS(p, lr=0.5, max_iter=3),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_training_goes_on_bit_for_bit_from_a_checkpoint(make, tmp_path) -> None:
    def parts():
        model = nn.Sequential(nn.Linear(3, 4, rng=np.random.default_rng(0)), nn.BatchNorm1d(4))
        optimizer = make(model.parameters())
        schedules = [
            optimizers.LinearLR(optimizer, 0.1, total_iters=4),
            optimizers.ReduceLROnPlateau(optimizer, patience=1, factor=0.5),
        ]
        return model, optimizer, schedules, np.random.default_rng(5)

    def move(model, optimizer, schedules, generator):
        x = generator.normal(size=(6, 3))

        def closure():
            optimizer.zero_grad()
            loss = mse(model(x), x[:, [0, 1, 2, 0]])
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        schedules[0].step()
        schedules[1].step(loss)

    first, second = parts(), parts()
    for _ in range(3):
        move(*first)
    model, optimizer, schedules, generator = first
    save_checkpoint(tmp_path / "state", {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "schedules": [s.state_dict() for s in schedules],
        "generator": generator.bit_generator.state, "epoch": 3,
    })  # fmt: skip
    state = load_checkpoint(tmp_path / "state")
    assert state["epoch"] == 3
    second[0].load_state_dict(state["model"])
    second[1].load_state_dict(state["optimizer"])
    for schedule, saved in zip(second[2], state["schedules"], strict=True):
        schedule.load_state_dict(saved)
    second[3].bit_generator.state = state["generator"]
    for _ in range(3):
        move(*first)
        move(*second)
    assert_same(second[0].state_dict(), first[0].state_dict())
    assert second[1].param_groups[0]["lr"] == first[1].param_groups[0]["lr"]


keys = st.one_of(names, st.integers())
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), names, arrays,
    hnp.arrays("f8", ()).map(lambda a: a[()]),
)  # fmt: skip
trees = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


def assert_same_tree(a, b) -> None:
    if isinstance(b, np.ndarray | np.generic):
        assert a.dtype == b.dtype.newbyteorder("=")
        np.testing.assert_array_equal(a, b)
        return
    assert type(a) is type(b)
    if isinstance(b, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(b, list | tuple):
        for x, y in zip(a, b, strict=True):
            assert_same_tree(x, y)
    else:
        assert a == b


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tree=st.dictionaries(keys, trees, max_size=4))
def test_a_checkpoint_keeps_every_tree_of_arrays_and_plain_values(tree, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("checkpoint") / "tree"
    save_checkpoint(path, tree)
    assert_same_tree(load_checkpoint(path), tree)


def test_keys_that_look_alike_and_names_with_dots_keep_their_arrays(tmp_path) -> None:
    tree = {1: np.ones(2), "1": np.zeros(3), "a": {"b": np.array(1)}, "a.b": np.array(2)}
    save_checkpoint(tmp_path / "tree", tree)
    assert_same_tree(load_checkpoint(tmp_path / "tree"), tree)


def test_what_a_checkpoint_cannot_hold_is_an_error_that_says_where_and_writes_nothing(
    tmp_path,
) -> None:
    for state, message in [
        ({"a": [1, {"b": print}]}, "a.1.b is builtin_function_or_method; expected dicts"),
        ({"a": {1.5: 2}}, r"expected texts and integers as keys of a, got 1\.5"),
        ({"a": {2, 3}}, "a is set"),
    ]:
        with pytest.raises(TypeError, match=message):
            save_checkpoint(tmp_path / "state", state)
    assert list(tmp_path.iterdir()) == []


def checkpoint_of(tree: str) -> bytes:
    return safetensors.dumps({"a": np.ones(2)}, {"dlcourse.checkpoint": tree})


@pytest.mark.parametrize(
    "data, message",
    [
        (safetensors.dumps({"a": np.ones(2)}), "it has arrays alone; load_safetensors reads those"),
        (checkpoint_of("{"), "expected a checkpoint; "),
        (checkpoint_of("[1]"), "expected a dict, got list"),
        (checkpoint_of('{"dict": [["x", {"array": "b"}]]}'), "no meaning for {'array': 'b'}"),
        (checkpoint_of('{"dict": [["x"]]}'), "no meaning for"),
        (checkpoint_of('{"dict": [[[], 1]]}'), "no meaning for"),
        (checkpoint_of('{"call": "print"}'), "no meaning for {'call': 'print'}"),
        (checkpoint_of("[" * 100_000), "expected a checkpoint; "),
        (checkpoint_of("{}")[:-1], "expected a checkpoint; safetensors: "),
        (with_header({"__metadata__": {"dlcourse.checkpoint": 3}}, b""), "expected texts by name"),
        (b"", "expected at least 8 bytes, got 0"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_an_error_that_says_why(data, message, tmp_path) -> None:
    (tmp_path / "state").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "state")


def test_bytes_behind_an_array_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, w=np.ones(3))
    with zipfile.ZipFile(path) as archive:
        content = archive.read("w.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", content + b"x")
    with pytest.raises(ValueError, match=r"'w\.npy' goes on after its array"):
        load_npz(path)
