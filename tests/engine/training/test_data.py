"""Data sets are as documented; parts, scaling and batches lose no example and invent none."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sklearn.datasets
import sklearn.preprocessing
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.training import data

# For each set: shape of x, classes, and two known entries of the source.
SETS = [
    (data.digits, (1797, 64), 10, {(0, 2): 5.0, (0, 3): 13.0}),
    (data.iris, (150, 4), 3, {(0, 0): 5.1, (149, 3): 1.8}),
    (data.wine, (178, 13), 3, {(0, 0): 14.23, (0, 12): 1065.0}),
    (data.breast_cancer, (569, 30), 2, {(0, 0): 17.99, (0, 3): 1001.0}),
    (data.diabetes, (442, 10), None, {(0, 0): 59.0, (0, 2): 32.1}),
]


@pytest.mark.parametrize("load, shape, classes, entries", SETS)
def test_a_data_set_is_as_documented_and_as_in_scikit_learn(load, shape, classes, entries) -> None:
    x, y = load()
    assert x.shape == shape
    assert x.dtype == np.float64
    assert y.shape == shape[:1]
    for place, number in entries.items():
        assert x[place] == number
    if classes is None:
        assert y.dtype == np.float64
        assert (y.min(), y.max()) == (25, 346)
    else:
        assert y.dtype == np.int64
        assert sorted(set(y.tolist())) == list(range(classes))
    their_y = getattr(sklearn.datasets, f"load_{load.__name__}")().target
    np.testing.assert_array_equal(y, their_y)
    single = load(np.float32)
    assert single.x.dtype == np.float32
    assert single.y.dtype == (np.float32 if classes is None else np.int64)


def test_digits_are_grey_levels() -> None:
    assert (data.digits().x.min(), data.digits().x.max()) == (0, 16)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"data.iris .* run: pip install scikit-learn"):
        data.iris()


# --- Preparation ----------------------------------------------------------------------------------

some = settings(max_examples=60, deadline=None, derandomize=True)


def numbered(n: int) -> data.Dataset:
    return data.Dataset(np.arange(n)[:, np.newaxis] * [1.0, 10.0], np.arange(n) % 3)


@some
@given(st.integers(2, 40), st.data(), st.booleans())
def test_each_example_is_in_one_part_with_its_target(n, draw, stratified) -> None:
    count = draw.draw(st.integers(1, n - 1))
    whole = numbered(n)
    train, test = data.split(whole, count, np.random.default_rng(0), stratified)
    assert len(test.x) == len(test.y) == count
    x = np.concatenate([train.x, test.x])
    assert sorted(x[:, 0].tolist()) == list(range(n))
    np.testing.assert_array_equal(np.concatenate([train.y, test.y]), whole.y[x[:, 0].astype(int)])


@pytest.mark.parametrize(
    "test, count", [(0.25, 38), (0.1, 15), (7, 7), (np.int64(7), 7), (np.float32(0.5), 75)]
)
def test_the_size_of_the_test_part_is_a_share_or_a_number(test, count) -> None:
    train, rest = data.split(numbered(150), test, np.random.default_rng(0))
    assert (len(train.x), len(rest.x)) == (150 - count, count)


@some
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.data())
def test_a_stratified_part_has_each_class_to_within_one_example(sizes, draw) -> None:
    n = sum(sizes)
    if n == 1:
        return
    count = draw.draw(st.integers(1, n - 1))
    y = np.repeat(np.arange(len(sizes)), sizes)
    seed = np.random.default_rng(draw.draw(st.integers(0, 9)))
    _, test = data.split((y[:, np.newaxis], y), count, seed, stratified=True)
    for label, size in enumerate(sizes):
        assert abs(np.sum(test.y == label) - count * size / n) < 1


def test_the_generator_decides_the_parts_and_mixes_them() -> None:
    for stratified in (False, True):
        one, same, other = (
            data.split(numbered(60), 20, np.random.default_rng(seed), stratified)
            for seed in (0, 0, 1)
        )
        for a, b in zip(one, same, strict=True):
            np.testing.assert_array_equal(a.x, b.x)
        assert set(one[1].x[:, 0]) != set(other[1].x[:, 0])
        assert not np.all(np.diff(one[0].y) >= 0)
        assert not np.all(np.diff(one[1].y) >= 0)


def test_standardised_columns_are_scikit_learns_and_use_the_training_part_alone() -> None:
    train, test = data.split(data.wine(), 0.3, np.random.default_rng(0))
    scaler = sklearn.preprocessing.StandardScaler().fit(train.x)
    x, other = data.standardise(train.x, test.x)
    np.testing.assert_allclose(x, scaler.transform(train.x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other, scaler.transform(test.x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=0), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_becomes_zero_and_the_dtype_stays(dtype) -> None:
    train = np.array([[0.1, 1], [0.1, 2], [0.1, 3]], dtype)
    x, other = data.standardise(train, train + 1)
    assert x.dtype == other.dtype == dtype
    assert np.abs(x[:, 0]).max() < 1e-6
    np.testing.assert_allclose(other[:, 0], 1, rtol=1e-6)


# --- Batches --------------------------------------------------------------------------------------


@some
@given(st.integers(0, 30), st.integers(1, 12), st.booleans(), st.booleans())
def test_an_epoch_has_each_example_once(n, size, shuffled, drop_last) -> None:
    generator = np.random.default_rng(0) if shuffled else None
    x = np.arange(n)
    found = list(data.batches(x, 10 * x, size=size, generator=generator, drop_last=drop_last))
    lengths = [len(a) for a, _ in found]
    rest = [] if drop_last or n % size == 0 else [n % size]
    assert lengths == [size] * (n // size) + rest
    for a, b in found:
        np.testing.assert_array_equal(10 * a, b)
    seen = np.concatenate([a for a, _ in found]) if found else np.array([])
    assert len(set(seen.tolist())) == len(seen)
    if not shuffled:
        np.testing.assert_array_equal(seen, x[: len(seen)])


def test_each_epoch_is_shuffled_anew_and_can_be_repeated() -> None:
    def epochs(seed: int) -> list[list[int]]:
        generator = np.random.default_rng(seed)
        return [
            [int(i) for (a,) in data.batches(np.arange(50), size=8, generator=generator) for i in a]
            for _ in range(2)
        ]

    first, second = epochs(0)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(50))
    assert epochs(0) == [first, second]
    assert epochs(1) != [first, second]


ERRORS = [
    (lambda: data.batches(np.ones(3), np.ones(4), size=2), r"equally many; got shapes \(3,\), \(4"),
    (lambda: data.batches(size=2), "got shapes none"),
    (lambda: data.batches(np.array(1.0), size=2), r"got shapes \(\)"),
    (lambda: data.batches(np.ones(3), size=0), "batches: expected size >= 1, got 0"),
    (lambda: data.split((np.ones(3), np.ones(4)), 1, np.random.default_rng()), "split: expected"),
    (lambda: data.split(numbered(4), 4, np.random.default_rng()), "from 1 to 3.*test=4 of 4"),
    (lambda: data.split(numbered(4), 0.0, np.random.default_rng()), "test=0.0 of 4"),
    (lambda: data.split(numbered(4), 0.05, np.random.default_rng()), "no part is empty"),
    (lambda: data.standardise(np.arange(3)), "expected floating point arrays"),
    (lambda: data.standardise(np.ones((3, 2)), np.ones((3, 4))), r"\(2,\), got shape \(3, 4\)"),
    (lambda: data.standardise(np.ones((0, 2))), "at least one example"),
]  # fmt: skip


@pytest.mark.parametrize("call, message", ERRORS, ids=range(len(ERRORS)))
def test_what_does_not_fit_is_an_error_at_once(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
