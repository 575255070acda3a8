"""106 bits in float64: arithmetic of pairs (high, low) with |low| ≤ ulp(high)/2, whole arrays at a time.

Every function takes and returns pairs of float64 arrays that broadcast.  u = 2**-53; the error bounds
hold without overflow or underflow, which the callers see to by keeping exponents apart.

References
----------
T. J. Dekker, Numer. Math. 18, 1971 (splitting, product);
M. Joldes, J.-M. Muller, V. Popescu, ACM Trans. Math. Softw. 44(2), 2017, article 15 (bounds of the pair
operations, here cited as JMP);
T. Ogita, S. M. Rump, S. Oishi, SIAM J. Sci. Comput. 26(6), 2005 (error-free transformations).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Pair = tuple[Numbers, Numbers]

_SPLITTER = 2.0**27 + 1


def constant(high: float, low: float = 0.0) -> Pair:
    """A number as a pair of 0-d arrays."""
    return np.asarray(high), np.asarray(low)


def two_sum(a: Numbers, b: Numbers) -> Pair:
    """fl(a + b) and its exact error, for any order of size."""
    s = a + b
    v = s - a
    return s, (a - (s - v)) + (b - v)


def fast_two_sum(a: Numbers, b: Numbers) -> Pair:
    """fl(a + b) and its exact error, where |a| ≥ |b| or a = 0."""
    s = a + b
    return s, b - (s - a)


def split(a: Numbers) -> Pair:
    """Two halves of at most 26 bits each, their sum exact; |a| < 2**996."""
    c = _SPLITTER * a
    high = c - (c - a)
    return high, a - high


def two_product(a: Numbers, b: Numbers) -> Pair:
    """fl(a·b) and its exact error (NumPy has no fused multiply-add)."""
    p = a * b
    ah, al = split(a)
    bh, bl = split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def add(x: Pair, y: Pair) -> Pair:
    """x + y, error below 3u²(|x| + |y|) (JMP, SloppyDWPlusDW): relative where the signs agree."""
    s, e = two_sum(x[0], y[0])
    return fast_two_sum(s, e + (x[1] + y[1]))


def multiply(x: Pair, y: Pair) -> Pair:
    """x·y, relative error below 7u² (JMP, DWTimesDW1)."""
    p, e = two_product(x[0], y[0])
    return fast_two_sum(p, e + (x[0] * y[1] + x[1] * y[0]))


def divide(x: Pair, y: Pair) -> Pair:
    """x / y, relative error below 15u²: 14u² to first order, counted in docs/error-bounds.md."""
    q = x[0] / y[0]
    p, e = two_product(q, y[0])
    p, e = fast_two_sum(p, e + q * y[1])
    return fast_two_sum(q, ((x[0] - p) + (x[1] - e)) / y[0])


def scale(x: Pair, exponent: NDArray[Any] | int) -> Pair:
    """x·2**exponent, exact while nothing leaves the range."""
    if not np.any(exponent):  # the usual case, and quicker found out than computed
        return x
    return np.ldexp(x[0], exponent), np.ldexp(x[1], exponent)


def power_of_two(exponent: NDArray[np.int64]) -> Numbers:
    """2.0**exponent for exponents up to 1023; what is below the normal numbers becomes the smallest of them."""
    return ((np.maximum(exponent, -1022) + 1023) << 52).view(np.float64)


def total(x: Pair, axis: int) -> Pair:
    """Σx along an axis, kept with length one, added in pairs of pairs.

    The tree has ⌈log₂ n⌉ levels, so the error is below 3⌈log₂ n⌉u²·Σ|x|.
    """
    high, low = (np.moveaxis(part, axis, 0).copy() for part in x)
    n = len(high)
    while n > 1:
        half, rest = n // 2, n - n // 2
        high[:half], low[:half] = add((high[:half], low[:half]), (high[rest:n], low[rest:n]))
        n = rest
    # A view would keep all terms in memory.
    return np.moveaxis(high[:1].copy(), 0, axis), np.moveaxis(low[:1].copy(), 0, axis)
