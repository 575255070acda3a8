"""exp and log1p to 100 bits from float64 arithmetic.

exp: t = k·(log 2)/1024 + r with |r| ≤ (log 2)/2048, then exp(t) = 2**(k // 1024) · 2**(k % 1024 / 1024) · exp(r),
the second factor from a table, the third from Taylor's polynomial.  The power of two is returned apart, so that
nothing underflows.  :func:`exp` keeps pairs throughout, to 2**-103; :func:`quick_exp` keeps single numbers but
where a product has to be exact, to 2**-73, in a quarter of the time.

Table and constants are computed by :mod:`decimal` when first needed, and not pasted.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reference.twofold import add, constant, divide, fast_two_sum, multiply, power_of_two, scale, split, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.twofold import Numbers, Pair

    Exponents = NDArray[np.int64]

_STEPS = 1024
_PER_STEP = _STEPS / math.log(2)

LIMIT = 2.0**14
"""exp takes -LIMIT ≤ t ≤ LIMIT: 2**±23636 is far outside every format."""

QUICK_LIMIT = 1100.0
"""quick_exp takes -QUICK_LIMIT ≤ t ≤ 0: 2**-1586 is far below the smallest float64."""

QUICK_ERROR = 2.0**-73, 2.0**-82
"""Relative error of quick_exp: the first, plus the second times |t|."""

_TINY = -200
"""Below this exponent log(1 + r) = r(1 - r/2 + …) is r to 2**-200."""

_HALF_STEP = 2**41
"""Of the 1024 in which a binade is cut, in the bits of a float64."""

_SERIES_LIMIT = 0.25
"""Below, log1p is a series: there Newton's step would not be accurate relative to so small a logarithm."""


class _Constants(NamedTuple):
    """Parts of (log 2)/1024, the tables of 2**(j/1024), of c = 1/(1 + j/1024) to twenty bits, and of -log c."""

    parts: tuple[float, ...]
    table: Pair
    quick_parts: tuple[float, ...]
    quick_table: Pair
    quick_log2: tuple[float, ...]
    reciprocals: Numbers
    quick_logs: Pair
    odd: list[Pair]
    factorials: list[Pair]


def _parts(value: Decimal, *last_places: int) -> tuple[float, ...]:
    """The value as a sum of floats, each but the last cut at a binary place, the last rounded."""
    parts = []
    for place in last_places:
        parts.append(math.ldexp(int((value * 2**place).to_integral_value()), -place))
        value -= Decimal(parts[-1])
    return (*parts, float(value))


@cache
def _constants() -> _Constants:
    with localcontext(Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[])):  # whatever the caller's is
        step = Decimal(2).ln() / _STEPS
        root = step.exp()
        powers = [Decimal(1)]
        while len(powers) < _STEPS:
            powers.append(powers[-1] * root)
        high, low = np.array([_pair(power) for power in powers]).T
        quick_high, quick_low = np.array([_parts(power, 30) for power in powers]).T
        reciprocals = [round(2**20 / (1 + Decimal(j) / _STEPS)) / 2**20 for j in range(_STEPS)]
        log_high, log_low = np.array([_parts(-Decimal(c).ln(), 42) for c in reciprocals]).T
        return _Constants(
            # |k| < 2**25, and products of k with 28 bits are exact.
            parts=_parts(step, 38, 66, 94),
            table=(high, low),
            # |k| < 2**21, and products of k with 32 bits are exact.
            quick_parts=_parts(step, 42),
            quick_table=(quick_high, quick_low),
            # Sums of the first with k·first are exact for k up to 32.
            quick_log2=_parts(Decimal(2).ln(), 42),
            reciprocals=np.array(reciprocals),
            quick_logs=(log_high, log_low),
            odd=[constant(*_pair(1 / Decimal(2 * j + 1))) for j in range(17)],
            factorials=[constant(*_pair(1 / Decimal(math.factorial(j)))) for j in range(9)],
        )


def _pair(value: Decimal) -> tuple[float, float]:
    high = float(value)
    return high, float(value - Decimal(high))


def exp(t: Pair) -> tuple[Pair, Exponents]:
    """exp(t) as a pair in [1/2, 2] and an exponent, for |t| ≤ LIMIT; relative error below 2**-102."""
    constants = _constants()
    k = np.rint(t[0] * _PER_STEP)
    first, second, third, fourth = constants.parts
    # Exact: t[0] and k·first cancel, and what is left has 53 bits.
    r, r_low = two_sum(t[0] - k * first, -k * second)
    tail, tail_low = two_sum(t[1], -k * third)
    r_low, rest = two_sum(r_low, tail)
    r, r_low = fast_two_sum(r, r_low)
    r_low = r_low + (rest + (tail_low - k * fourth))
    # Terms from r⁴/4! on need no pairs: they are below 2**-50.
    c = constants.factorials
    value = _plus(c[4], r * (c[5][0] + r * (c[6][0] + r * (c[7][0] + r * c[8][0]))))
    for j in (3, 2, 1):
        value = _plus(c[j], *multiply(value, (r, r_low)))
    growth = multiply(value, (r, r_low))
    index = k.astype(np.int64)
    step = index % _STEPS
    power = constants.table[0].take(step), constants.table[1].take(step)
    more = multiply(power, growth)
    return _plus(power, *more), index // _STEPS


def _plus(x: Pair, high: Numbers, low: Numbers | float = 0.0) -> Pair:
    """x + (high + low) for |x| ≥ 2**9·|high|: two roundings of size u·2**-9 and u², relative."""
    s, e = fast_two_sum(x[0], high)
    return fast_two_sum(s, e + (x[1] + low))


def quick_exp(t: Pair) -> tuple[Pair, Exponents]:
    """exp(t) as a pair in [1/2, 2] and an exponent, for -QUICK_LIMIT ≤ t ≤ 0; see QUICK_ERROR."""
    constants = _constants()
    k = np.rint(t[0] * _PER_STEP)
    first, second = constants.quick_parts
    high = t[0] - k * first  # exact, as in exp
    low = t[1] - k * second
    r = high + low
    low = low + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120))))
    # exp(r) - 1 = head + rest, where the head has 22 bits, so that its product with the table's 31 is exact.
    head = (high + 1.5 * 2.0**19) - 1.5 * 2.0**19
    rest = (high - head) + low
    index = k.astype(np.int64)
    step = index & (_STEPS - 1)
    power, power_low = constants.quick_table[0].take(step), constants.quick_table[1].take(step)
    value, error = fast_two_sum(power, power * head)
    return fast_two_sum(value, error + (power_low + (power * rest + power_low * (head + rest)))), index >> 10


def quick_multiply(x: Pair, y: Pair) -> Pair:
    """x·y for x in [1/2, 2], where y is far smaller an array; relative error below 2**-76.

    The leading parts, of 26 bits each, have an exact product, and the rest is 2**-25 of it.
    """
    high, low = split(y[0])
    low = low + y[1]
    head = (x[0] + 1.5 * 2.0**27) - 1.5 * 2.0**27
    return fast_two_sum(head * high, head * low + ((x[0] - head) + x[1]) * y[0])


def log1p(r: Pair, exponent: Exponents) -> tuple[Pair, Exponents]:
    """log(1 + r·2**exponent) as a pair and an exponent, for r ≥ 0; relative error below 75u².

    Small arguments: 2·artanh(s) with s = r/(2 + r), whose series has positive terms.  Others: one step
    of Newton from float64's log, log S = z + log(S·exp(-z)), the last logarithm being of 1 + O(u).
    """
    tiny = exponent < _TINY
    high, low = (part.copy() for part in r)
    plain = scale(r, np.where(tiny, 0, exponent))
    small = plain[0] < _SERIES_LIMIT
    for these, compute in ((small & ~tiny & (high > 0), _series), (~small & ~tiny, _newton)):
        if these.any():
            high[these], low[these] = compute((plain[0][these], plain[1][these]))
    return (high, low), np.where(tiny, exponent, 0)


def _series(r: Pair) -> Pair:
    """2·artanh(r/(2 + r)) to degree 33; the remainder is below 2**-108 of it for r < 1/4."""
    odd = _constants().odd
    s = divide(r, add(constant(2.0), r))
    square = multiply(s, s)
    far = np.zeros_like(s[0])
    for term in reversed(odd[9:]):  # so small that float64 is enough for them
        far = far * square[0] + term[0]
    value: Pair = (far, np.zeros_like(far))
    for term in reversed(odd[:9]):
        value = add(multiply(value, square), term)
    return multiply(value, (2 * s[0], 2 * s[1]))


def _newton(r: Pair) -> Pair:
    whole = add(constant(1.0), r)
    z = np.log(whole[0])
    back, shift = exp((-z, np.zeros_like(z)))
    high, low = multiply(whole, scale(back, shift))
    # w = (high - 1) + low is as small as the error of z: log(1 + w) = w - w²/2 + O(w³), the square in float64.
    w = (high - 1) + low
    value, error = two_sum(z, high - 1)
    return fast_two_sum(value, error + (low - 0.5 * w * w))


def quick_log1p(r: Pair, exponent: Exponents) -> tuple[Pair, Exponents]:
    """The same to QUICK_ERROR[0]: log(1 + r) = k·log 2 - log c + log1p(f), for r·2**exponent < 2**32, as it is in rows.

    2**k/c is 1 + r to ten bits and c has twenty, so that f = (1 + r)·c/2**k - 1 is a pair without a rounding of
    size: |f| < 2**-10.9, and f = r where r is as small as that.
    """
    constants = _constants()
    tiny = exponent < _TINY
    x = scale(r, exponent)
    nearest = (1.0 + x[0]).view(np.int64) + _HALF_STEP >> 42
    k, step = (nearest >> 10) - 1023, nearest & (_STEPS - 1)
    c = constants.reciprocals.take(step) * power_of_two(-k)
    head, rest = split(x[0])
    f, low = fast_two_sum((c - 1) + c * head, c * rest)
    low = low + c * x[1]
    # f - f²/2 exactly; of the terms after it float64 is enough.
    head, rest = split(f)
    value, error = fast_two_sum(f, -0.5 * head * head)
    low = low - (rest * (head + 0.5 * rest) + f * low)
    low = low + (error + f * f * f * (1 / 3 - f * (1 / 4 - f * (1 / 5 - f * (1 / 6 - f * (1 / 7))))))
    first, second = constants.quick_log2
    leading, further = constants.quick_logs[0].take(step) + k * first, constants.quick_logs[1].take(step) + k * second
    value, error = two_sum(leading, value)
    high, low = fast_two_sum(value, error + (low + further))
    return (np.where(tiny, r[0], high), np.where(tiny, r[1], low)), np.where(tiny, exponent, 0)
