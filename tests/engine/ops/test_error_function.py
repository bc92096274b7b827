"""erf, erfc and the normal distribution, compared with mpmath's numbers of 50 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import dlcourse as dl
from dlcourse import graphs
from dlcourse.ops.error_function import erf, erfc, normal_cdf

inf, nan = math.inf, math.nan
rng = np.random.default_rng(0)
EDGES = [0.84375, 1.25, 1 / 0.35]
AROUND_EDGES = [np.nextafter(x, x + way) for x in EDGES for way in (-1, 0, 1)]
POINTS = np.concatenate(
    [
        np.linspace(-7, 27.5, 1001),
        rng.normal(size=1000),
        rng.uniform(0, 27.3, 1000),
        10.0 ** rng.uniform(-320, 1, 300),
        AROUND_EDGES,
        np.negative(AROUND_EDGES),
    ]
)
EXACT: dict[Callable[..., Any], Callable[[Any], Any]] = {
    erf: mpmath.erf,
    erfc: mpmath.erfc,
    normal_cdf: lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
}


def units_of_error(function: Callable[..., Any], points: np.ndarray) -> np.ndarray:
    """The distance from the exact values, in units of the last place of these."""
    with mpmath.workdps(50):
        exact = [EXACT[function](mpmath.mpf(x)) for x in points.tolist()]
        units = np.spacing(np.abs(np.array(list(map(float, exact)))))
        values = function(points).tolist()
        errors = [
            abs(mpmath.mpf(value) - e) / mpmath.mpf(unit)
            for value, e, unit in zip(values, exact, units.tolist(), strict=True)
        ]
    return np.array(errors, float)


@pytest.mark.parametrize(
    ("function", "points", "most"),
    [
        (erf, POINTS, 1.0),
        (erfc, POINTS, 3.0),
        (normal_cdf, np.concatenate([-POINTS, np.linspace(-38.6, -25, 500)]), 5.5),
    ],
    ids=["erf", "erfc", "normal_cdf"],
)
def test_the_last_digits_are_right_over_the_whole_range(
    function: Callable[..., Any], points: np.ndarray, most: float
) -> None:
    assert units_of_error(function, points).max() <= most


def test_they_agree_with_the_standard_library() -> None:
    for ours, theirs in [(erf, math.erf), (erfc, math.erfc)]:
        np.testing.assert_allclose(ours(POINTS), list(map(theirs, POINTS)), rtol=2e-15)


def test_they_have_their_limits_and_erf_the_sign_of_zero() -> None:
    with np.errstate(all="raise", under="ignore"):
        x = np.array([nan, -inf, -1e300, -0.0, 0.0, 1e300, inf])
        np.testing.assert_array_equal(erf(x), [nan, -1, -1, -0.0, 0.0, 1, 1])
        assert np.signbit(erf(x)).tolist()[3:5] == [True, False]
        np.testing.assert_array_equal(erfc(x), [nan, 2, 2, 1, 1, 0, 0])
        np.testing.assert_array_equal(normal_cdf(x), [nan, 0, 0, 0.5, 0.5, 1, 1])


def test_single_and_half_precision_are_the_rounded_exact_values() -> None:
    for dtype in (np.float32, np.float16):
        x = np.linspace(-6, 9, 301, dtype=dtype)
        for function in (erf, erfc, normal_cdf):
            np.testing.assert_array_equal(function(x), function(x.astype(float)).astype(dtype))


def test_shapes_are_kept_and_pieces_join() -> None:
    for shape in [(), (0,), (2, 0, 3), (3, 7), (20_000,)]:
        x = rng.normal(size=shape)
        assert erf(x).shape == shape
        np.testing.assert_array_equal(np.ravel(erf(x)), [erf(v)[()] for v in np.ravel(x)])
    x = rng.normal(size=(30, 40))
    np.testing.assert_array_equal(erf(x.T), erf(x).T)


def test_gelu_keeps_its_digits_far_below_zero() -> None:
    x = np.array([-37.0, -30.0, -10.0, -3.0, 0.5, 40.0])
    with mpmath.workdps(50):
        exact = [float(mpmath.mpf(v) * EXACT[normal_cdf](mpmath.mpf(v))) for v in x.tolist()]
    np.testing.assert_allclose(dl.gelu(x), exact, rtol=2e-15)


def test_a_compiled_graph_has_the_same_values() -> None:
    def f(x: Any) -> Any:
        return dl.erf(x) + dl.erfc(x) * dl.gelu(x)

    x = rng.normal(size=(50, 3))
    (y,) = graphs.compile(graphs.trace(f, x))(x)
    np.testing.assert_array_equal(y, f(x))
