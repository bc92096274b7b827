"""The error function, its complement and the normal distribution on arrays; NumPy has none.

    erf(x)  = 2 / sqrt(pi) * (the integral of exp(-t * t) from 0 to x)
    erfc(x) = 1 - erf(x)

A quotient of two polynomials gives, for y = |x|, what is hard to get exactly, beside a larger part
that is simple. So a rounding error of the quotient hardly counts:

    from 0        erf(y) = y + y * quotient(y * y)
    from 0.84375  erf(y) = 0.84506... + quotient(y - 1)
    from 1.25     erfc(y) = exp(-y * y - 0.5625 + quotient(1 / (y * y))) / y

All is calculated in float64. A value of erf is wrong by one unit in its last place at most, one of
erfc by three, down to the smallest numbers, and one of normal_cdf by five.

Source: Sun Microsystems, fdlibm (1993), s_erf.c, https://www.netlib.org/fdlibm/s_erf.c: the places
where the formulas change, and the coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from dlcourse.ops.precision import in_floating_point
from dlcourse.ops.primitive import Array

Polynomials: TypeAlias = tuple[Sequence[float], Sequence[float]]

# The coefficients of each quotient's two polynomials, from the highest power to the constant.
FROM_0 = (
    (-2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
     -3.25042107247001499370e-01, 1.28379167095512558561e-01),
    (-3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
     6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0),
)  # fmt: skip
FROM_0_84375 = (
    (-2.16637559486879084300e-03, 3.54783043256182359371e-02, -1.10894694282396677476e-01,
     3.18346619901161753674e-01, -3.72207876035701323847e-01, 4.14856118683748331666e-01,
     -2.36211856075265944077e-03),
    (1.19844998467991074170e-02, 1.36370839120290507362e-02, 1.26171219808761642112e-01,
     7.18286544141962662868e-02, 5.40397917702171048937e-01, 1.06420880400844228286e-01, 1.0),
)  # fmt: skip
FROM_1_25 = (
    (-9.81432934416914548592e+00, -8.12874355063065934246e+01, -1.84605092906711035994e+02,
     -1.62396669462573470355e+02, -6.23753324503260060396e+01, -1.05586262253232909814e+01,
     -6.93858572707181764372e-01, -9.86494403484714822705e-03),
    (-6.04244152148580987438e-02, 6.57024977031928170135e+00, 1.08635005541779435134e+02,
     4.29008140027567833386e+02, 6.45387271733267880336e+02, 4.34565877475229228821e+02,
     1.37657754143519042600e+02, 1.96512716674392571292e+01, 1.0),
)  # fmt: skip
FROM_2_857 = (
    (-4.83519191608651397019e+02, -1.02509513161107724954e+03, -6.37566443368389627722e+02,
     -1.60636384855821916062e+02, -1.77579549177547519889e+01, -7.99283237680523006574e-01,
     -9.86494292470009928597e-03),
    (-2.24409524465858183362e+01, 4.74528541206955367215e+02, 2.55305040643316442583e+03,
     3.19985821950859553908e+03, 1.53672958608443695994e+03, 3.25792512996573918826e+02,
     3.03380607434824582924e+01, 1.0),
)  # fmt: skip
ABOUT_ERF_OF_1 = 8.45062911510467529297e-01
FARTHEST = 40.0  # the functions have long become 0, 1 or 2 in float64

# Elements that are taken through all steps together: their arrays stay in the processor's cache.
PIECE = 8192


@in_floating_point
def erf(x: Array) -> Array:
    """The error function, of the shape of ``x`` and its floating point dtype."""
    return _in_pieces(_erf, x)


@in_floating_point
def erfc(x: Array) -> Array:
    """1 - erf(x), also where erf(x) is so close to 1 that the difference would be lost."""
    return _in_pieces(lambda x: _erfc(x, 1.0), x)


@in_floating_point
def normal_cdf(x: Array) -> Array:
    """The probability that a standard normal variable is at most x, erfc(-x / sqrt(2)) / 2."""
    return _in_pieces(lambda x: _erfc(-x, 0.5) / 2, x)


def _in_pieces(function: Callable[[Array], Array], x: Array) -> Array:
    flat = np.ravel(x)
    y = np.empty_like(flat)
    for start in range(0, flat.size, PIECE):
        piece = slice(start, start + PIECE)
        y[piece] = function(np.clip(flat[piece].astype(np.float64), -FARTHEST, FARTHEST))
    return y.reshape(np.shape(x))


def _erf(x: Array) -> Array:
    return np.copysign(
        _by_parts(
            np.abs(x),
            1.0,
            lambda y: y + y * _quotient(FROM_0, y * y),
            lambda y: ABOUT_ERF_OF_1 + _quotient(FROM_0_84375, y - 1),
            lambda y, polynomials: 1 - _tail(y, polynomials, 1.0),
        ),
        x,
    )


def _erfc(x: Array, square: float) -> Array:
    """erfc(sqrt(square) * x), for a power of 2 as ``square``."""
    scale = math.sqrt(square)

    def near(x: Array) -> Array:
        z = x * scale
        return (1 - z) - z * _quotient(FROM_0, z * z)

    def middle(x: Array) -> Array:
        quotient = _quotient(FROM_0_84375, np.abs(x) * scale - 1)
        return np.where(x < 0, 1 + ABOUT_ERF_OF_1 + quotient, 1 - ABOUT_ERF_OF_1 - quotient)

    def far(x: Array, polynomials: Polynomials) -> Array:
        tail = _tail(np.abs(x), polynomials, square)
        return np.where(x < 0, 2 - tail, tail)

    return _by_parts(x, scale, near, middle, far)


def _by_parts(
    x: Array,
    scale: float,
    near: Callable[[Array], Array],
    middle: Callable[[Array], Array],
    far: Callable[[Array, Polynomials], Array],
) -> Array:
    """For each element the formula of that part of the axis in which ``scale * x`` lies."""
    y = np.abs(x) * scale
    below = [y < edge for edge in (0.84375, 1.25, 1 / 0.35)]
    value = np.empty_like(x)
    for inside, formula in [
        (below[0], near),
        (below[1] & ~below[0], middle),
        (below[2] & ~below[1], lambda x: far(x, FROM_1_25)),
        (~below[2], lambda x: far(x, FROM_2_857)),
    ]:
        places = np.flatnonzero(inside)  # positions select faster than a mask does
        if places.size:
            value[places] = formula(x[places])
    return value


def _tail(x: Array, polynomials: Polynomials, square: float) -> Array:
    """erfc(y) for y = sqrt(square) * x, by the third formula.

    The rounding of y * y would cost up to y * y units in the last place. So x is split into a
    number s of few binary digits, whose square is exact, and a rest, (x - s) * (x + s).
    No factor but the last is so small that it has lost digits.
    """
    s = np.floor(x * 2**20) / 2**20
    rest = (s - x) * (s + x) * square + _quotient(polynomials, 1 / (x * x * square))
    exponent = s * s * -square - 0.5625
    normal = np.maximum(exponent, -700)
    tail: Array = np.exp(rest) / (x * math.sqrt(square)) * np.exp(normal)
    return tail if np.array_equal(normal, exponent) else tail * np.exp(exponent - normal)


def _quotient(polynomials: Polynomials, x: Array) -> Array:
    """The quotient of the two polynomials, each by Horner's rule."""
    values = []
    for first, second, *others in polynomials:
        value = x * first
        value += second
        for coefficient in others:
            value *= x
            value += coefficient
        values.append(value)
    quotient: Array = values[0] / values[1]
    return quotient
