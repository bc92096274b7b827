import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlcourse.grading.marking.compare import same

NAN, INF = float("nan"), float("inf")


def equal(reference: object, answer: object) -> bool:
    return same(reference, answer, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (1, 1.0),
        (2.5, np.float64(2.5)),
        (2.5, np.array(2.5)),
        (np.float32(0.5), 0.5),
        ([1.0, 2.0], (1.0, 2.0)),
        ([1.0, 2.0], np.array([1.0, 2.0])),
        (np.eye(2), [[1, 0], [0, 1]]),
        ([[1.0], [2.0, 3.0]], (np.array([1.0]), [2, 3])),
        (1.0, 1.0 + 1e-10),
        (NAN, NAN),
        ([1.0, NAN, -INF], np.array([1.0, NAN, -INF])),
        ({"a": [1, "x"], "b": None}, {"b": None, "a": [1, "x"]}),
        (True, np.bool_(True)),
        ([], np.empty(0)),
        (10**400, 10**400),
        (1 + 2j, np.complex128(1 + 2j)),
    ],
)
def test_the_same_answer_in_another_type_is_right(reference: object, answer: object) -> None:
    assert equal(reference, answer)
    assert equal(answer, reference)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (1, 2),
        (1.0, 1.0 + 1e-6),
        (1, True),
        ([1, 0], [True, False]),
        (1, "1"),
        (1, None),
        (1.0, [1.0]),
        (np.array(1.0), np.array([1.0])),
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones((1, 3)), np.ones(3)),
        (np.ones(3), 1.0),
        ([1, 2], [1, 2, 3]),
        ([1, 2], [2, 1]),
        ("a", "A"),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1}, [1]),
        (NAN, 0.0),
        (0.0, NAN),
        (INF, -INF),
        (INF, 1e308),
        (1e308, INF),
        (1, 10**400),
        (INF, 10**400),
        (10**400, 10**400 + 1),
        (2**53, 2**53 + 1),
        (np.empty((0, 3)), np.empty((3, 0))),
        (None, []),
    ],
)
def test_a_different_answer_is_wrong(reference: object, answer: object) -> None:
    assert not equal(reference, answer)
    assert not equal(answer, reference)


def test_an_answer_nested_deeper_than_python_recurses_is_wrong_and_not_an_error() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert not equal([1.0, 2.0], deep)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(PLAIN)
def test_every_answer_equals_itself(data: object) -> None:
    assert equal(data, data)


@settings(deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(), elements=st.floats(-1e6, 1e6)), st.data())
def test_one_changed_number_makes_an_array_wrong(array: np.ndarray, data: st.DataObject) -> None:
    place = data.draw(st.tuples(*(st.integers(0, n - 1) for n in array.shape)))
    changed = array.copy()
    changed[place] += 1.0
    assert equal(array, array.tolist())
    assert not equal(array, changed)


def test_an_array_of_many_items_without_elements_costs_nothing() -> None:
    """Eighty bytes of an answer may say so; the reference's length is what is looked at."""
    many = np.zeros((2**40, 0))
    tracemalloc.start()
    for reference in ([[], []], [None, 1], ["a"], {"a": 1}, None, np.zeros((2, 0))):
        assert not same(reference, many, rtol=0, atol=0)
        assert not same([reference], [many], rtol=0, atol=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert same(np.zeros((2**40, 0)), many, rtol=0, atol=0)
    assert same([[], []], np.zeros((2, 0)), rtol=0, atol=0)
