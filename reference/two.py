"""Rows of two logits, a block at a time: closed forms in float64, correctly rounded, with the bound that they keep.

Of x = (x₀, x₁) nothing matters but the gap g = |x₀ - x₁| and which of the two is larger.  With e = exp(-g) and s = 1 + e
nothing cancels:

=====================  ==============================  ==========================================
op, cotangent          of the larger logit             of the other one
=====================  ==============================  ==========================================
softmax                1/s                             e/s
log_softmax            -log1p(e)                       -g - log1p(e)
softmax_vjp, one lane  ±e/s², plus in the lane of the one
log_softmax_vjp, one   in the lane of the one the other's p, in the other minus its own
softmax_vjp, ones      0                               0
log_softmax_vjp, ones  expm1(-g)/s                     -expm1(-g)/s
=====================  ==============================  ==========================================

Each is wrong by at most (20 + g)·2⁻⁵³ of itself (docs/error-bounds.md, "Rows of two logits"), which says how it rounds to a
format of at most 24 bits but for one gap in millions; those, and the ties that pairs of logits make, are asked of :func:`reference.truth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reference.arguments import known, one_of
from reference.flushing import refuse_flushing
from reference.model import FLOAT32_ROUNDOFF, blocked
from reference.truth import OPS, truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format
    from reference.truth import Truth
    from reference.twofold import Numbers

UNITS = 20.0
"""Error of each closed form in units of 2⁻⁵³, beside that of the gap."""

_LEAST = 1 - 2.0**-30
"""What is computed in float64 here may be above itself by less than this."""

_ONE = np.int64(1)


@dataclass(frozen=True, eq=False)
class TwoLogits:
    """The truth of n rows of two logits; every array of numbers has the shape (2, n).

    Attributes
    ----------
    op
        One of the four.
    x
        Logits, float64, finite or -inf, not both -inf.
    ones
        Of a vjp, whether its cotangent is (1, 1), and not (1, 0).
    format
        At most 24 bits.
    """

    op: str
    x: Numbers
    ones: bool
    format: Format

    @property
    def cotangent(self) -> Numbers | None:
        """(1, 0) or (1, 1), of the shape of the logits; None where the op takes none."""
        if not self.op.endswith("_vjp"):
            return None
        return np.broadcast_to([[1.0], [float(self.ones)]], self.x.shape)

    @cached_property
    def gap(self) -> Numbers:
        """|x₀ - x₁|, shape (n,); wrong by at most 2⁻⁵³ of itself."""
        return np.asarray(np.abs(self.x[0] - self.x[1]))

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Where x₀ is the larger one, or equal; shape (n,)."""
        return np.asarray(self.x[0] >= self.x[1])

    @cached_property
    def near(self) -> Numbers:
        """The closed forms: wrong by at most (20 + gap)·2⁻⁵³ of themselves where e is not lost altogether."""
        e = np.exp(-self.gap)
        s = 1 + e
        if self.op == "softmax":
            return self._placed(1 / s, e / s)
        if self.op == "log_softmax":
            log = np.log1p(e)
            return self._placed(-log, -self.gap - log)
        if self.op == "softmax_vjp":
            both = np.zeros_like(s) if self.ones else e / (s * s)
            return np.stack([both, np.copysign(both, 0.0 if self.ones else -1.0)])
        if self.ones:
            larger = np.expm1(-self.gap) / s
            return self._placed(larger, -larger)
        other = np.where(self.first, e / s, 1 / s)  # the p of the lane that has no cotangent
        return np.stack([other, -other])

    def _placed(self, larger: Numbers, smaller: Numbers) -> Numbers:
        """The two lanes in the order of the logits."""
        if self.first.all():
            return np.stack([larger, smaller])
        return np.stack([np.where(self.first, larger, smaller), np.where(self.first, smaller, larger)])

    @cached_property
    def rounded(self) -> Numbers:
        """The truth, correctly rounded to the format."""
        found, doubt = nearest(self.near, self.format, UNITS + np.minimum(self.gap, 2.0**30))
        rows = np.flatnonzero(doubt.any(axis=0))
        if rows.size:
            sure = self.chosen(rows).decisive(self.format)
            there = doubt[:, rows] & sure.decided(self.format)
            found[:, rows] = np.where(there, sure.rounded(self.format), found[:, rows])
        return found

    @cached_property
    def ulp(self) -> Numbers:
        """The unit in the last place of the format at the truth, but where it is a power of two to 2⁻²⁰ of itself."""
        size = (self.near.view(np.int64) & (np.int64(0x7FF) << np.int64(52))).view(np.float64)
        scaled = np.clip(size, self.format.smallest_normal, 2.0**self.format.emax)
        return np.asarray(scaled * 2 * self.format.unit_roundoff)

    @cached_property
    def per_ulp(self) -> Numbers:
        """One over :attr:`ulp`: both are powers of two."""
        return np.asarray(1 / self.ulp)

    @cached_property
    def least_bound(self) -> Numbers:
        """Not more than the stable bound of :func:`reference.bounds.bounds`, its first order: within 1% of it in formats of 11 and more bits.

        Where an error is below this times a number, its share of the bound is below that number.
        """
        return np.asarray(_LEAST * self._first_order())

    def _first_order(self) -> Numbers:
        v, eta = self.format.unit_roundoff, self.format.smallest_subnormal
        u = min(v, FLOAT32_ROUNDOFF)
        e = np.exp(-self.gap)
        s = 1 + e
        p = self._placed(1 / s, e / s)
        t = self._placed(np.zeros_like(e), self.gap)
        log_sum, growth = np.log1p(e), blocked(2)
        of_sum = u * (p.min(axis=0) * np.minimum(self.gap, 2.0**30) + 4 + growth)
        if self.op == "softmax":  # where t is as large as that, p is nothing
            return np.asarray((u * (np.minimum(t, 2.0**30) + 2) + of_sum + v * (1 - v)) * p + 1.5 * eta)
        of_log = of_sum + 2 * u * log_sum
        y = t + log_sum
        if self.op == "log_softmax":
            return np.asarray(v * y + u * (t + y) + of_log + eta)
        saved = v * (y + 1) + u * (t + y + 3) + of_log
        after = u * (growth + 3) + v * (1 - v)
        g: Numbers = np.array([[1.0], [float(self.ones)]])
        total = float(g.sum())
        # Of a p that float64 cannot hold nothing is left, and y may be as large as the format.
        saved = np.where(p == 0, 0.0, saved)
        if self.op == "softmax_vjp":
            mean, of_mean = ((weight * g).sum(axis=0) for weight in (p, p * saved))
            lanes = p * (g * (saved + 2 * u + v * (1 - v)) + (saved + after) * mean + of_mean)
            return np.asarray(lanes + eta * (1 + 1.5 * (g + mean) + p * (1.5 * total + 1)))
        return np.asarray(g * (u + v) + p * total * (saved + after) + eta * (1 + 1.5 * total))

    def error_ulps(self, lane: int, at: NDArray[np.intp] | slice, got: Numbers) -> Numbers:
        """|got - truth| in units in the last place, of the rows ``at`` of a lane; to 2⁻²⁰ of a unit."""
        off = got - self.near[lane, at]
        np.abs(off, out=off)
        off *= self.per_ulp[lane, at]
        return off

    def chosen(self, rows: NDArray[np.intp] | slice) -> Truth:
        """The certified truth of some rows, of the shape (2, number of rows)."""
        g = self.cotangent
        return truth(self.op, self.x[:, rows], 0, format=self.format, cotangent=None if g is None else g[:, rows])


def two_logits(op: str, x: Numbers, *, format: Format, ones: bool = False) -> TwoLogits:
    """The truth of rows of two logits.

    Parameters
    ----------
    op
        softmax, log_softmax, softmax_vjp or log_softmax_vjp.
    x
        float64 of the shape (2, n), representable in the format; no NaN, no +inf, no row of two -inf.
    format
        Of the answer, at most 24 bits.
    ones
        Of a vjp: whether the cotangent is (1, 1); else it is (1, 0).

    Raises
    ------
    ValueError
        For an unknown op, another shape, or a format that is wider.
    FlushesSubnormals
        On a thread that flushes subnormal numbers.
    """
    one_of(OPS, op, "op")
    if known(format).precision > 24:
        raise ValueError(f"format: at most 24 bits, not {format.name}")
    if x.ndim != 2 or len(x) != 2:
        raise ValueError(f"x: the shape (2, n) is wanted, not {x.shape}")
    refuse_flushing()
    return TwoLogits(op, x, ones, format)


def nearest(z: Numbers, format: Format, units: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """float64 numbers rounded to a format of at most 24 bits, to nearest, ties to even, and where that is in doubt.

    Parameters
    ----------
    units
        How wrong the numbers may be, in units of 2⁻⁵³ of themselves; of a shape that broadcasts.
    """
    bits = z.view(np.int64)
    shift = np.int64(53 - format.precision)
    below, half = (_ONE << shift) - _ONE, _ONE << (shift - _ONE)
    found = ((bits + (half - _ONE) + ((bits >> shift) & _ONE)) & ~below).view(np.float64)
    # A unit of 2⁻⁵³ of a number is at most one of its last places.
    doubt = np.abs((bits & below) - half) <= units
    size = np.abs(z)
    small = size < format.smallest_normal
    if small.any():
        large = 1.5 * 2.0**52 * format.smallest_subnormal  # a number of the same last place
        few = size[small]
        whole = (few + large) - large
        found[small] = np.copysign(whole, z[small])
        apart = np.abs(np.abs(few - whole) - format.smallest_subnormal / 2)
        doubt[small] = apart <= 2.0**-53 * np.broadcast_to(units, z.shape)[small] * few + 2.0**-1074
    with np.errstate(invalid="ignore"):
        beyond = np.abs(found) > format.max
    if beyond.any():
        found[beyond] = np.copysign(format.overflow, found[beyond])
        doubt[beyond] = True  # rare, and the threshold is not the middle of two numbers
    return found, doubt
