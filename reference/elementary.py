"""How does one get exp and log1p to 100 bits from float64 arithmetic?

exp: t = k·(log 2)/64 + r with |r| ≤ (log 2)/128, then exp(t) = 2**(k // 64) · T[k mod 64] · exp(r), where
T[j] = 2**(j/64) comes from a table of pairs and exp(r) from its Taylor polynomial.  The exponent is
returned apart, so that nothing underflows.  Table and constants are computed by :mod:`decimal` at
import, to 60 digits, and not pasted.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np

from reference.twofold import add, constant, divide, fast_two_sum, multiply, scale, two_product, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.twofold import Pair

_STEPS = 64
_DEGREE = 12
"""Taylor's remainder at |r| ≤ (log 2)/128 is |r|**13/13! < 2**-130."""

_LIMIT = 2.0**20
"""exp is asked for -2**20 ≤ t ≤ 2**20: 2**(t/log 2) is then far outside every format."""


def _pair(value: Decimal) -> tuple[float, float]:
    high = float(value)
    return high, float(value - Decimal(high))


with localcontext() as _context:
    _context.prec = 60
    _LOG2 = Decimal(2).ln() / _STEPS
    # Cody and Waite: the leading part has 25 bits, so that k times it is exact for |k| < 2**28.
    _LEADING = math.ldexp(math.floor(math.ldexp(float(_LOG2), 31)), -31)
    _REST = _pair(_LOG2 - Decimal(_LEADING))
    _TABLE = np.array([_pair((Decimal(j) * _LOG2).exp()) for j in range(_STEPS)]).T
    _TAYLOR = [_pair(1 / Decimal(math.factorial(j))) for j in range(_DEGREE + 1)]
    _ODD = [_pair(1 / Decimal(2 * j + 1)) for j in range(12)]


def exp(t: Pair) -> tuple[Pair, NDArray[np.int64]]:
    """exp(t) as a pair in [1/2, 2] and an exponent, for |t| ≤ 2**20 (further out it is clipped).

    Relative error below 2**-98: the reduced argument is wrong by at most |k|·2**-131 < 2**-102, the
    polynomial and the product with the table by 2**-101 together.
    """
    high = np.clip(t[0], -_LIMIT, _LIMIT)
    low = np.where(high == t[0], t[1], 0.0)
    k = np.rint(high / float(_LOG2))
    r = add(two_sum(high, -k * _LEADING), (low, np.zeros_like(low)))
    p, e = two_product(k, np.asarray(_REST[0]))
    r = add(r, fast_two_sum(-p, -(e + k * _REST[1])))
    # Horner; the leading terms in pairs, the far ones need no more than float64.
    far = np.full_like(r[0], _TAYLOR[_DEGREE][0])
    for j in range(_DEGREE - 1, 6, -1):
        far = far * r[0] + _TAYLOR[j][0]
    value: Pair = (far, np.zeros_like(far))
    for j in range(6, -1, -1):
        value = add(multiply(value, r), constant(*_TAYLOR[j]))
    index = k.astype(np.int64)
    step = index % _STEPS
    return multiply(value, (_TABLE[0][step], _TABLE[1][step])), index // _STEPS


def log1p(r: Pair, exponent: NDArray[np.int64]) -> tuple[Pair, NDArray[np.int64]]:
    """log(1 + r·2**exponent) as a pair and an exponent, for r ≥ 0; relative error below 2**-95.

    Small arguments: 2·artanh(s) with s = r/(2 + r), whose series has positive terms.  Others: one step
    of Newton from float64's log, log S = z + log(S·exp(-z)), the last logarithm being of 1 + O(u).
    """
    tiny = exponent < -200  # there log(1 + r) = r(1 - r/2 + …) is r to 2**-200
    plain = scale(r, np.where(tiny, 0, exponent))
    small = plain[0] < 2.0**-6
    s = divide(plain, add(constant(2.0), plain))
    s = np.where(small, s[0], 0.0), np.where(small, s[1], 0.0)
    square = multiply(s, s)
    series: Pair = (np.full_like(s[0], _ODD[-1][0]), np.zeros_like(s[0]))
    for odd in reversed(_ODD[:-1]):
        series = add(multiply(series, square), constant(*odd))
    near = multiply(series, (2 * s[0], 2 * s[1]))
    whole = add(constant(1.0), plain)
    z = np.log(whole[0])
    back, shift = exp((-z, np.zeros_like(z)))
    w = add(multiply(whole, scale(back, shift)), constant(-1.0))
    # |w| ≤ 2**-50: log(1 + w) = w - w²/2 + O(2**-150), and w² needs only float64.
    far = add((z, np.zeros_like(z)), add(w, (-0.5 * w[0] * w[0], np.zeros_like(z))))
    value = tuple(np.where(tiny, r[i], np.where(small, near[i], far[i])) for i in (0, 1))
    return (value[0], value[1]), np.where(tiny, exponent, 0)
