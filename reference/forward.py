"""Computes p and y at three speeds, on a block of rows that fits the cache.

==============  =====================  ================  ==================================================
speed           exponential            relative error    for
==============  =====================  ================  ==================================================
float64         NumPy's                2**-49 to 2**-43  formats narrower than float64
middle          pairs, the head exact  2**-72            float64
double-double   pairs throughout       2**-99            what the others leave undecided
==============  =====================  ================  ==================================================

The middle and the double-double speed are one algorithm over two exponentials.  Every function gets one
block: a two-dimensional float64 array whose rows lie along ``axis``, and an output of the same shape.  A row
longer than a block comes in pieces: first the sums of all pieces, then each piece is finished.

The errors are derived in docs/error-bounds.md ("The error of the truth itself").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from reference.blocks import one_by_one, pieces
from reference.elementary import LIMIT, QUICK_ERROR, QUICK_LIMIT, exp, log1p, quick_exp, quick_log1p, quick_multiply
from reference.sentinels import UNDERFLOWED
from reference.twofold import add, constant, divide, fast_two_sum, multiply, power_of_two, scale, total, two_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from reference.blocks import Each
    from reference.elementary import Exponents
    from reference.twofold import Numbers, Pair

_U = 2.0**-53
FLOAT64_EXP = 8 * _U
"""Relative error of NumPy's exp and log1p: 4 ulp, which its own tests allow; see docs/error-bounds.md."""

_LOWEST = -np.finfo(np.float64).max
"""Stands for a difference that overflowed."""

_HUGE = 2.0**1023
"""The difference of two smaller numbers does not overflow."""

_UNDERFLOW = -680.0
"""Below this t the float64 speed answers 0: exp(-680) is below 2**-981, zero in every narrower format, and 2**40 times a
smallest normal number: no quotient is subnormal."""

_LOST_BITS = 150
"""A sum so many bits above each term that was lost is right to 2**-110, in rows of up to 2**40 logits."""

_FAR, _BEYOND = 2.0**-60, 2.0**-110
"""Shares of |t| below which log S is beyond the last bit of t, and beyond that of a pair."""

_LITTLE = 2.0**-40
"""The cube of such a share is below 2**-120."""

_LEVEL = 600.0
"""exp(-600) and 106 bits below it are normal numbers: no exponent has to be kept apart to add so much."""

_NONE = -(2**22)
"""An exponent below all that exp returns, for a sum without terms."""


@dataclass(frozen=True, eq=False)
class Output:
    """(high + low)·2**exponent, true to ``error``, relative to the high part; views of one block, or whole arrays."""

    high: Numbers
    low: Numbers
    exponent: NDArray[np.int32]
    error: Numbers

    @staticmethod
    def empty(shape: tuple[int, ...]) -> Output:
        """Room for a result of this shape."""
        # Zeros cost nothing until they are written over, and the float64 speed leaves them.
        return Output(np.empty(shape), np.zeros(shape), np.zeros(shape, np.int32), np.empty(shape))

    def __getitem__(self, at: tuple[slice, slice]) -> Output:
        """A view of some rows, or of a piece of them."""
        return Output(self.high[at], self.low[at], self.exponent[at], self.error[at])

    def put(self, number: float | Numbers, where: NDArray[np.bool_], error: float = 0.0) -> None:
        """Put a number there; ``where`` broadcasts, so that it may speak of whole rows."""
        if where.any():
            for part, value in ((self.high, number), (self.low, 0.0), (self.exponent, 0), (self.error, error)):
                np.copyto(part, value, where=where)

    def put_underflowed(self, where: NDArray[np.bool_]) -> None:
        """Mark lanes as negative and smaller than every format that may be asked about: -0, error ``UNDERFLOWED``."""
        self.put(-0.0, where, error=UNDERFLOWED)


class Sum(NamedTuple):
    """Of a row, or a piece of it, axis kept: how many lanes are the maximum, and Σexp(t) of all others."""

    winners: NDArray[np.int64]
    others: Pair
    exponent: Exponents
    lost: NDArray[np.bool_]
    """Whether a finite lane was too far below to be added."""


class Rows(NamedTuple):
    """What has to be known of whole rows before a piece of them is looked at."""

    top: Numbers
    """The maximum of each row, axis kept; may be NaN or infinite."""
    depth: float
    """The largest |t| of the block; NaN or infinite where a logit is."""
    near: bool
    """Whether the exponential reaches that deep."""
    length: int


def look(x: Numbers, axis: int, speed: Speed) -> Rows:
    """Find the maximum of each row, and whether anything in them is out of the ordinary."""
    top = x.max(axis=axis, keepdims=True)
    depth = float((top - x.min(axis=axis, keepdims=True)).max())
    return Rows(top, depth, depth <= speed.reach, x.shape[axis])


class Speed(Protocol):
    """One way to compute p and y; ``reach`` is the largest |t| whose exponential is not answered by zero."""

    reach: float
    block: int
    """Elements of a block: few enough that its arrays fit a shared cache, and enough that two threads do not keep each
    other waiting for the interpreter (NumPy gives its lock away only inside an operation)."""

    def begin(self, op: str, x: Numbers, axis: int, rows: Rows, out: Output) -> Sum:
        """Keep in ``out`` what is needed later, and sum."""

    def finish(self, op: str, rows: Rows, whole: Sum, out: Output) -> None:
        """Turn what was kept into the answer, given the sum of the whole row."""


class _Float64:
    """Plain float64 arithmetic; the error is counted for each lane in units of u."""

    reach = -_UNDERFLOW
    block = 2**18

    def begin(self, op: str, x: Numbers, axis: int, rows: Rows, out: Output) -> Sum:
        """Keep e or t, and sum."""
        t = np.subtract(x, rows.top, out=out.error)
        if not rows.near:
            t[(t == -np.inf) & (x != -np.inf)] = _LOWEST  # the difference overflowed, and is no mask
        e = np.exp(t)
        lost = np.zeros(rows.top.shape, bool)
        if not rows.near:
            far = t < _UNDERFLOW
            e[far] = 0.0
            lost = (far & (x != -np.inf)).any(axis=axis, keepdims=True)
        if op == "softmax":
            out.high[...] = e
            # Nothing is gained by summing the others apart.
            others = e.sum(axis=axis, keepdims=True)
            winners = np.zeros(others.shape, np.int64)
        else:
            out.high[...] = t
            below = t < 0
            others = np.where(below, e, 0.0).sum(axis=axis, keepdims=True)
            winners = x.shape[axis] - np.count_nonzero(below, axis=axis, keepdims=True)
        return Sum(winners, (others, np.zeros_like(others)), np.zeros(others.shape, np.int64), lost)

    def finish(self, op: str, rows: Rows, whole: Sum, out: Output) -> None:
        """Divide, or subtract the logarithm."""
        n = rows.length
        # The mean of |t| over a distribution is its entropy less log S, so at most log n.
        common = math.log(n) + 2 * FLOAT64_EXP / _U + _growth(n) + 3
        s = whole.others[0]
        if op == "softmax":
            np.divide(out.high, s, out=out.high)
            far = None if rows.near else out.error < _UNDERFLOW
            masked = None if rows.near else out.error == -np.inf
            # (common - t)·u; t is what begin() left in out.error.
            np.subtract(common, out.error, out=out.error)
            np.multiply(out.error, _U, out=out.error)
            if far is not None and masked is not None:
                out.error[far] = UNDERFLOWED
                out.error[masked] = 0.0
            return
        overflowed = None if rows.near else out.high == _LOWEST
        r = s + (whole.winners - 1)
        logarithm = np.log1p(r)
        np.subtract(out.high, logarithm, out=out.high)
        out.error[...] = _U * (common + np.clip(-np.log(r), 0.0, 750.0))
        # No lane but the maximum was within reach, or none beside which those that were not are nothing.
        alone = r < np.where(whole.lost, 2.0**-820, 2.0**-1022)
        if alone.any():
            won = alone & (out.high == -logarithm)
            out.put(0.0, won & ~whole.lost)
            out.put_underflowed(won & whole.lost)
        if not rows.near:
            out.error[out.high == -np.inf] = 0.0
        if overflowed is not None and overflowed.any():
            # From 2**1024 to twice that and a little, halfway.
            out.put(-1.5 * 2.0**1023, overflowed, error=0.34)
            out.exponent[overflowed] = 1


def _growth(n: int) -> float:
    """Roundings that a term passes through in NumPy's sum: one loop across short rows, pairwise by 128 along long."""
    return n - 1 if n <= 128 else 28 + math.ceil(math.log2(n / 128))


@dataclass(frozen=True)
class Errors:
    """Relative errors of what pair arithmetic is made of; the exponential's also grows with |t|."""

    exp: float
    exp_per_t: float
    product: float
    log1p: float


class Pairs:
    """Pair arithmetic with the given exponential, product and logarithm."""

    block = 2**17

    def __init__(
        self,
        exponential: Callable[[Pair], tuple[Pair, Exponents]],
        product: Callable[[Pair, Pair], Pair],
        logarithm: Callable[[Pair, Exponents], tuple[Pair, Exponents]],
        reach: float,
        errors: Errors,
    ) -> None:
        self._exp, self._multiply, self._log1p, self.reach, self._errors = (
            exponential,
            product,
            logarithm,
            reach,
            errors,
        )

    def error(self, op: str, n: int) -> float:
        """Relative error of a lane in a row of n, but for the part that grows with |t|."""
        errors = self._errors
        # A tree over each piece and one over the pieces, the winners, and four to spare: for products of errors,
        # for what was lost, and for the float64 in which all this is added up.
        added = errors.exp + (3 * (math.ceil(math.log2(max(n, 2))) + 1) + 3 + 4) * _U**2
        if op == "softmax":
            # The mean of |t| over a distribution is its entropy less log S, so at most log n.
            return added + errors.exp_per_t * math.log(n) + errors.exp + errors.product + 15 * _U**2
        return added + errors.log1p + 3 * _U**2

    @property
    def error_per_t(self) -> float:
        """What is added to it for each unit of |t|."""
        return self._errors.exp_per_t

    def begin(self, op: str, x: Numbers, axis: int, rows: Rows, out: Output) -> Sum:
        """Keep e or t, and sum."""
        lost = np.zeros(rows.top.shape, bool)
        out.error[...] = self.error(op, rows.length)
        if rows.near:
            within = t = two_sum(x, -rows.top)
            e, exponent = self._exp(t)
            below, places = t[0] < 0, np.zeros((), int)
        else:
            masked = x == -np.inf
            top = np.where(np.isfinite(rows.top), rows.top, 0.0)
            inside = np.where(np.isfinite(x), x, top)
            # At a quarter of its size no difference of two float64 overflows; a quarter of the smallest numbers is
            # not exact, but beside a huge one they are nothing.
            places = np.where((np.abs(inside) >= _HUGE) | (np.abs(top) >= _HUGE), 2, 0)
            t = two_sum(np.ldexp(inside, -places), -np.ldexp(top, -places))
            within = scale(t, places)
            far = (within[0] < -self.reach) | masked
            e, exponent = self._exp((np.where(far, -self.reach, within[0]), np.where(far, 0.0, within[1])))
            e = np.where(far, 0.0, e[0]), np.where(far, 0.0, e[1])
            lost = (far & np.isfinite(x)).any(axis=axis, keepdims=True)
            t = np.where(masked, -np.inf, t[0]), np.where(masked, 0.0, t[1])
            below = t[0] < 0
        if op == "softmax" and self.error_per_t:
            out.error[...] -= self.error_per_t * within[0]
        if not rows.near:
            out.error[masked] = 0.0
            if op == "softmax":
                out.error[far & ~masked] = UNDERFLOWED
        kept = (e, exponent) if op == "softmax" else (t, places)
        (out.high[...], out.low[...]), out.exponent[...] = kept
        if rows.depth < _LEVEL:
            highest = np.zeros(rows.top.shape, np.int64)
            weight = np.where(below, power_of_two(exponent), 0.0)
        else:
            highest = np.where(below, exponent, _NONE).max(axis=axis, keepdims=True)
            weight = np.where(below, power_of_two(exponent - highest), 0.0)
        winners = x.shape[axis] - np.count_nonzero(below, axis=axis, keepdims=True)
        return Sum(winners, total((e[0] * weight, e[1] * weight), axis), highest, lost)

    def finish(self, op: str, rows: Rows, whole: Sum, out: Output) -> None:
        """Divide, or subtract the logarithm."""
        if op == "log_softmax":
            self._subtract_log(rows, whole, out)
            return
        kept, winners = (out.high, out.low), whole.winners.astype(np.float64)
        below = scale(whole.others, np.maximum(whole.exponent, -1000))
        dominated = (np.frexp(winners)[0] == 0.5) & (below[0] < _LITTLE * winners)
        won = dominated & (out.high == 1) & (out.low == 0) & (out.exponent == 0) if dominated.any() else None
        s = add((winners, np.zeros_like(below[0])), below)
        out.high[...], out.low[...] = self._multiply(kept, divide(constant(1.0), s))
        if won is not None:
            _just_below(winners, below, whole.lost, won, out)

    def _subtract_log(self, rows: Rows, whole: Sum, out: Output) -> None:
        t = out.high, out.low
        several = whole.winners > 1
        others = scale(whole.others, np.where(several, np.maximum(whole.exponent, -1000), 0))
        others = add(((whole.winners - 1).astype(np.float64), np.zeros_like(others[0])), others)
        nothing = others[0] == 0
        exponent = np.where(several | nothing, 0, whole.exponent)
        if self.error_per_t:
            # The mean of |t| over all lanes but the winner is at most log n - log of their sum.
            spread = math.log(rows.length) - np.minimum(np.log(others[0]) + exponent * math.log(2), 0.0)
            out.error[...] += np.where(nothing, 0.0, self.error_per_t * spread)
        log, exponent = self._log1p(others, exponent)
        won, masked = t[0] == 0, t[0] == -np.inf
        here = scale(log, exponent if rows.near else exponent - out.exponent)
        y = add(t, (-here[0], -here[1]))
        if not here[0].min() >= _FAR * rows.depth:
            y = _beyond_the_last_bit(t, here[0], y, out)
        out.high[...], out.low[...] = y
        if exponent.any():
            out.high[...] = np.where(won, -log[0], out.high)
            out.low[...] = np.where(won, -log[1], out.low)
            out.exponent[...] = np.where(won, exponent, out.exponent)
        # Alone in its row, or alone within reach; or what was lost counts beside a sum that is hardly larger.
        faint = whole.lost & (nothing | (exponent < _LOST_BITS - self.reach / math.log(2)))
        out.put(0.0, won & nothing & ~whole.lost)
        out.put_underflowed(won & faint)
        if not rows.near:
            out.put(-np.inf, masked)


def _just_below(winners: Numbers, below: Pair, lost: NDArray[np.bool_], won: NDArray[np.bool_], out: Output) -> None:
    """p = 1/(k + R) = (1 - R/k + …)/k of k winners, a power of two, beside so little else; 1/k may be a tie."""
    share = below[0] / winners
    high, low = add(constant(1.0), (-share, share * share - below[1] / winners))
    error = np.minimum(2 * _U**2, share * 2.0**-50)
    # Where even a pair has no room for it, all that is left to say is that p lies below 1/k.
    beyond = (share < _BEYOND) & ((share > 0) | lost)
    low, error = np.where(beyond, -_BEYOND / 2, low), np.where(beyond, _BEYOND / 2, error)
    for part, value in ((out.high, high / winners), (out.low, low / winners), (out.error, error)):
        np.copyto(part, value, where=won)


def _beyond_the_last_bit(t: Pair, log: Numbers, y: Pair, out: Output) -> Pair:
    """y = t - log where log is far below the last bit of t; such a tie of t is broken, and ``out.error`` says so."""
    # t is exact, and so is its low part less the log, but for the error of the log and one rounding.  Of a single number
    # t all that counts may be that y lies beyond it.
    size = np.abs(t[0])
    exact = (out.exponent == 0) & (log < _FAR * size)
    single = t[1] == 0
    least = single & (log < _BEYOND * size)
    little = _BEYOND / 2 * size
    low, rest = two_sum(t[1], -np.where(least, little, log))
    doubt = np.where(least, little, log * 2.0**-50 + 2.0**-1074)
    # The rounding is to odd where it is known on which side of it y lies, since a middle is even: the interval from one
    # number to the next then touches a middle, and does not hold it.
    stuck = (low == t[1]) & ~single  # and the log may be nothing in float64
    known = stuck | (np.abs(rest) > doubt)
    beside = np.nextafter(low, np.where(stuck | (rest < 0), -np.inf, np.inf))
    error = np.where(known, np.abs(low - beside) * (1 + 2.0**-51), 1.25 * np.abs(rest) + doubt) / size
    low = np.where(known & (low.view(np.int64) % 2 == 0), beside, low)
    # Upwards, since it may be subnormal; of a single number it is not, and may touch a middle exactly.
    error = np.where(single, error, np.nextafter(error, np.inf))
    out.error[...] = np.where(exact, error, out.error)
    high, low = fast_two_sum(t[0], low)
    return np.where(exact, high, y[0]), np.where(exact, low, y[1])


def combine(sums: list[Sum]) -> Sum:
    """The sum of a row from those of its pieces."""
    if len(sums) == 1:
        return sums[0]
    highest = np.max([s.exponent for s in sums], axis=0)
    scaled = [scale(s.others, s.exponent - highest) for s in sums]
    pieces = np.stack([high for high, _ in scaled]), np.stack([low for _, low in scaled])
    high, low = total(pieces, 0)
    return Sum(np.sum([s.winners for s in sums], axis=0), (high[0], low[0]), highest,
               np.any([s.lost for s in sums], axis=0))  # fmt: skip


def solve(op: str, x: Numbers, axis: int, speed: Speed, out: Output, each: Each = one_by_one) -> Rows:
    """Answer one block; ``each`` maps a function over the pieces of a long row, in whatever order."""
    rows = look(x, axis, speed)
    at = pieces(x.shape[axis], axis, speed.block)
    whole = combine(each(lambda piece: speed.begin(op, x[piece], axis, rows, out[piece]), at))
    each(lambda piece: speed.finish(op, rows, whole, out[piece]), at)
    out.put(np.nan, where=~np.isfinite(rows.top))
    return rows


FLOAT64 = _Float64()
MIDDLE = Pairs(quick_exp, quick_multiply, quick_log1p, QUICK_LIMIT, Errors(*QUICK_ERROR, 2.0**-76, QUICK_ERROR[0]))
DOUBLE_DOUBLE = Pairs(exp, multiply, log1p, LIMIT, Errors(4 * _U**2, 0.0, 7 * _U**2, 75 * _U**2))
