"""How a graph that TensorFlow recorded is compared with TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlcourse.frameworks import ImportedGraph, from_tensorflow

TOLERANCE = {"float32": {"rtol": 1e-5, "atol": 1e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}
both_dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE))


@pytest.fixture(scope="module")
def tf() -> Any:
    """TensorFlow, which takes seconds to import, for the tests that ask for it."""
    return pytest.importorskip("tensorflow")


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def specs(tf: Any, *inputs: np.ndarray) -> list[Any]:
    return [tf.TensorSpec(x.shape, x.dtype) for x in inputs]


def assert_same(ours: list[np.ndarray], theirs: list[Any], dtype: str = "float32") -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        expected = np.asarray(b)
        assert (np.shape(a), a.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(a, expected, **TOLERANCE[dtype])


def assert_runs_the_same(
    tf: Any, f: Any, *inputs: np.ndarray, dtype: str = "float32"
) -> ImportedGraph:
    """Outputs, and the values that variables have afterwards, are those of TensorFlow."""
    function = tf.function(f).get_concrete_function(*specs(tf, *inputs))
    imported = from_tensorflow(function)
    ours = imported.run(*inputs)
    theirs = tf.nest.flatten(function(*map(tf.constant, inputs)))
    variables = {v.name.removesuffix(":0"): v for v in function.variables}
    assert_same(ours, [*theirs, *(variables[name] for name in imported.updates)], dtype)
    return imported
