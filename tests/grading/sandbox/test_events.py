"""What comes out of a sandbox is read without trust: the right value, or a clear refusal."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlcourse.grading.sandbox.events import (
    MAX_DEPTH,
    UnreadableError,
    decode,
    decode_array,
    parse_json,
    read_answer,
    read_outputs,
)
from dlcourse.grading.sandbox.runner.encode import encode
from dlcourse.grading.sandbox.runner.protocol import DTYPES, EXCEPTIONS

numbers = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers())
texts = st.text(st.characters(exclude_categories=["Cs"]))
some_arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=3))
)
plain_data = st.recursive(
    numbers | texts | some_arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=12,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
words = st.sampled_from(
    ["type", "value", "items", "dtype", "shape", "base64", "ndarray", "dict", "tuple", "float"]
)
forged = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | words | st.sampled_from(DTYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, and NaN where NaN was."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and repr(a) == repr(b)


@given(plain_data)
def test_plain_data_comes_out_as_it_went_in(data: Any) -> None:
    assert same(decode(parse_json(json.dumps(encode(data)))), data)


@given(st.binary() | st.text() | json_values.map(json.dumps))
def test_any_text_is_json_or_refused(text: bytes | str) -> None:
    with suppress(UnreadableError):
        parse_json(text)


@settings(max_examples=400)
@given(forged)
def test_forged_data_is_decoded_or_refused(value: Any) -> None:
    with suppress(UnreadableError):
        decode(value)


@given(
    st.sampled_from(DTYPES) | st.text(max_size=3),
    st.lists(st.integers(-1, 3) | st.integers() | st.just(2**31 - 1), max_size=40),
    st.binary(max_size=32),
)
def test_forged_arrays_are_decoded_or_refused(dtype: str, shape: list[Any], data: bytes) -> None:
    try:
        array = decode_array(dtype, shape, base64.b64encode(data).decode())
    except UnreadableError:
        return
    assert array.shape == tuple(shape) and array.nbytes == len(data)


@pytest.mark.parametrize("shape", [[0], [0, 3], [3, 0, 2], [0, 2**31 - 1, 2**31 - 1, 2**31 - 1]])
def test_an_empty_array_is_decoded_or_refused(shape: list[int]) -> None:
    try:
        array = decode_array("f8", list(shape), "")
    except UnreadableError:
        assert max(shape) > 3
    else:
        assert array.shape == tuple(shape)


ENDINGS = ["timeout", "died"]
LINES = st.lists(
    st.text()
    | st.tuples(
        st.sampled_from(["case", "end", "raised", "undefined", "unreadable"]),
        (json_values | st.just(["case 1", 1])).map(json.dumps),
    ).map(" ".join)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={"lines": json_values | LINES, "ending": st.sampled_from(ENDINGS) | json_values},
    )
)
def test_an_answer_of_any_form_is_read_without_an_error(event: dict[str, Any]) -> None:
    answer = read_answer(event)
    assert answer.status in (*ENDINGS, "data", "raised", "undefined", "unreadable")
    assert not answer.error or answer.status in ("raised", "undefined")
    assert answer.status != "raised" or answer.error in ("", *EXCEPTIONS, "timeout")
    assert all(isinstance(label, str) for label, _ in answer.cases)


@given(json_values)
def test_outputs_of_any_form_are_read_without_an_error(value: Any) -> None:
    assert isinstance(read_outputs(value, 1), list)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "1" * 10_000,
        "NaN",
        "-Infinity",
        '"\\ud800"',
        b"\xff",
        "",
    ],
    ids=["open", "deep", "digits", "nan", "infinity", "surrogate", "not UTF-8", "empty"],
)
def test_json_that_breaks_parsers_is_refused(text: bytes | str) -> None:
    with pytest.raises(UnreadableError):
        parse_json(text)
