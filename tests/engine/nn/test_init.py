"""Initial values have the moments and bounds that their formulas promise, and PyTorch's fans."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dlcourse.nn import init

SHAPES = [(300, 200), (40, 30, 5), (32, 16, 3, 5)]
FANS = {(300, 200): (200, 300), (40, 30, 5): (150, 200), (32, 16, 3, 5): (240, 480)}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [*SHAPES, (7, 1), (5, 0, 3)])
def test_fans_are_pytorchs(shape) -> None:
    theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init.fans(shape) == theirs
    assert FANS.get(shape, theirs) == theirs


@pytest.mark.parametrize(
    "name, arguments", [(n, ()) for n in init.GAINS] + [("leaky_relu", ()), ("leaky_relu", (0.3,))]
)
def test_gains_are_pytorchs(name, arguments) -> None:
    theirs = torch.nn.init.calculate_gain(name, *arguments)
    assert init.gain_of(name, *arguments) == pytest.approx(theirs, rel=1e-12)


# For each initialiser the standard deviation, given (fan_in, fan_out).
UNIFORM = [
    (init.xavier_uniform, {}, lambda i, o: math.sqrt(2 / (i + o))),
    (init.xavier_uniform, {"gain": 3.0}, lambda i, o: 3 * math.sqrt(2 / (i + o))),
    (init.kaiming_uniform, {}, lambda i, o: math.sqrt(2 / i)),
    (init.kaiming_uniform, {"mode": "fan_out", "nonlinearity": "tanh"},
     lambda i, o: 5 / 3 / math.sqrt(o)),
]  # fmt: skip
NORMAL = [
    (init.xavier_normal, {}, lambda i, o: math.sqrt(2 / (i + o))),
    (init.xavier_normal, {"gain": 0.5}, lambda i, o: 0.5 * math.sqrt(2 / (i + o))),
    (init.kaiming_normal, {}, lambda i, o: math.sqrt(2 / i)),
    (init.kaiming_normal, {"mode": "fan_out", "nonlinearity": "leaky_relu", "negative_slope": 2.0},
     lambda i, o: math.sqrt(2 / 5 / o)),
    (init.normal, {}, lambda i, o: 1.0),
    (init.normal, {"std": 0.2}, lambda i, o: 0.2),
]  # fmt: skip


def assert_moments(a: np.ndarray, mean: float, std: float, kurtosis: float) -> None:
    """To within five standard errors."""
    n = a.size
    assert a.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(n))
    assert a.std() == pytest.approx(std, rel=5 * math.sqrt((kurtosis - 1) / 4 / n))
    assert (((a - mean) / std) ** 4).mean() == pytest.approx(kurtosis, rel=0.15)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function, options, std", UNIFORM)
def test_uniform_initialisers_have_their_standard_deviation_and_bounds(
    function, options, std, shape
) -> None:
    values = function(shape, rng(), **options)
    expected = std(*FANS[shape])
    assert values.shape == shape
    assert_moments(values, 0, expected, 9 / 5)
    assert np.abs(values).max() <= math.sqrt(3) * expected
    assert np.abs(values).max() > 0.999 * math.sqrt(3) * expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function, options, std", NORMAL)
def test_normal_initialisers_have_their_standard_deviation(function, options, std, shape) -> None:
    values = function(shape, rng(), **options)
    assert values.shape == shape
    assert_moments(values, 0, std(*FANS[shape]), 3)


def test_uniform_and_normal_have_the_given_parameters() -> None:
    values = init.uniform((100, 300), rng(), -1, 3)
    assert_moments(values, 1, 4 / math.sqrt(12), 9 / 5)
    assert -1 <= values.min() < values.max() < 3
    assert_moments(init.normal((100, 300), rng(), mean=5, std=2), 5, 2, 3)


def test_constants_fill_the_shape() -> None:
    np.testing.assert_array_equal(init.constant((2, 3), 1.5), np.full((2, 3), 1.5))
    np.testing.assert_array_equal(init.zeros((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(init.ones((4,)), np.ones(4))


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (4, 2, 3), (8, 2, 1, 2), (1, 6)])
def test_orthogonal_matrices_have_orthogonal_rows_or_columns(shape) -> None:
    a = init.orthogonal(shape, rng(), gain=2.0)
    assert a.shape == shape
    m = a.reshape(shape[0], -1)
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, 4 * np.eye(min(m.shape)), atol=1e-12)


def test_orthogonal_matrices_point_everywhere_alike() -> None:
    # Without the correction of signs the diagonal of Q has a mean far from 0.
    generator = rng()
    corners = [init.orthogonal((2, 2), generator)[0, 0] for _ in range(2000)]
    assert abs(np.mean(corners)) < 5 * math.sqrt(0.5 / 2000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "function",
    [init.uniform, init.normal, init.xavier_uniform, init.xavier_normal, init.kaiming_uniform,
     init.kaiming_normal, init.orthogonal],
)  # fmt: skip
def test_the_generator_and_the_dtype_decide_the_values(function, dtype) -> None:
    a, b = (function((4, 3), rng(), dtype=dtype) for _ in range(2))
    assert a.dtype == dtype
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, function((4, 3), np.random.default_rng(1), dtype=dtype))
    np.testing.assert_array_equal(a, function((4, 3), rng()).astype(dtype))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: init.xavier_uniform((3,), rng()), r"at least 2 axes, got shape \(3,\)"),
        (lambda: init.orthogonal((), rng()), r"at least 2 axes, got shape \(\)"),
        (lambda: init.kaiming_normal((3, 2), rng(), mode="fan"), 'mode="fan_in" or "fan_out"'),
        (lambda: init.gain_of("sine"), "leaky_relu; got 'sine'"),
    ],
)
def test_what_has_no_meaning_is_an_error(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
