"""The arithmetic model behind :mod:`reference.bounds`: what an honest implementation may do, and how far off it is then.

Derived in docs/error-bounds.md.  An error here is the logarithm of the factor by which a number is wrong, unless it is
said to be absolute; such errors add up, and nothing is neglected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reference.functions import softmax_shifted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

K_EXP = 2.0
"""Allowed error of exp, in units of u relative: those of a faithful one, which is less than 1 ulp off."""

K_LOG = 2.0
"""Allowed error of log, in units of u relative."""

FLOAT32_ROUNDOFF, FLOAT32_SUBNORMAL = 2.0**-24, 2.0**-149
"""A stable implementation of a narrower format works in float32."""

SCALED = 2.5
"""Roundings of t where exp is 2**(t·log₂e): the shift, that product, and half of one in the constant."""

CAP = 0.5
"""No reading of the contract allows half of a probability, or half a unit of its logarithm, to be lost."""


def blocked(n: int) -> float:
    """D(n) = 2⌈log₂ n⌉ + 10: the growth of a blocked or pairwise sum, in units of u."""
    return 2.0 * math.ceil(math.log2(max(n, 1))) + 10.0


def sequential(n: int) -> float:
    """D(n) = n - 1, the growth of a loop, where that is more than a blocked sum's."""
    return max(n - 1.0, blocked(n))


@dataclass(frozen=True, eq=False)
class Rows:
    """|t|, p, |y| and log S of rows along the last axis, in float64, which is enough for a bound; log S has one lane."""

    t: Numbers
    p: Numbers
    y: Numbers
    log_sum: Numbers

    @staticmethod
    def of(x: Numbers) -> Rows:
        """The rows of an array that is contiguous, so that NumPy adds in pairs, and not empty."""
        t = x - x.max(axis=-1, keepdims=True)
        log_sum = np.log(np.exp(t).sum(axis=-1, keepdims=True))
        return Rows(np.abs(t), softmax_shifted(x, -1), np.abs(t - log_sum), np.abs(log_sum))

    def moved_by_arguments(self, r: float) -> Numbers:
        """log Σp·exp(r|t|): how far log S moves where each t is wrong by the share r."""
        # 0·inf: a logit that far away has no share in the mean.
        lanes = np.where(self.p > 0, self.p * np.expm1(r * self.t), 0.0)
        return np.asarray(np.log1p(lanes.sum(axis=-1, keepdims=True)))

    def moved_by_subnormals(self, u: float, eta: float) -> Numbers:
        """How far log S moves where each exponential below 2·(smallest normal number) is wrong by k_exp·η; at most log 2."""
        below = np.where(np.isfinite(self.t) & (np.exp(-self.t) < eta / u), 1.0, 0.0)
        share = K_EXP * eta * below.sum(axis=-1, keepdims=True) * np.exp(-self.log_sum)
        return np.asarray(-np.log1p(-np.minimum(share, 0.5)))


@dataclass(frozen=True)
class Reading:
    """One way to read the contract.

    Attributes
    ----------
    u, eta
        Unit roundoff and smallest subnormal of the working precision.
    growth
        D(n).
    plain
        Whether exp is taken plainly and p is a quotient; else exp may be a power of two, or p may be exp(t - log S).
    """

    u: float
    eta: float
    growth: float
    plain: bool

    @property
    def argument(self) -> float:
        """Relative error of t as an exponential gets it."""
        return self.u if self.plain else math.expm1(SCALED * self.u)

    @property
    def exp(self) -> float:
        """κ, of an exponential."""
        return -math.log1p(-K_EXP * self.u)

    def of_sum(self, rows: Rows) -> Numbers:
        """B, of Σexp(t) and of one exponential beside it."""
        moved = rows.moved_by_arguments(self.argument) + rows.moved_by_subnormals(self.u, self.eta)
        return np.asarray(moved + 2 * self.exp + self.u * self.growth)

    def of_p(self, rows: Rows) -> Numbers:
        """F, of p before it is converted."""
        error = self.argument * rows.t + self.of_sum(rows) + 2 * self.u
        more = self.exp + (K_LOG + 1) * self.u * (rows.log_sum + self.of_sum(rows))
        return np.asarray(error if self.plain else error + more)

    def of_log_sum(self, rows: Rows) -> Numbers:
        """Λ, of log Σexp(t), absolute."""
        logs = K_LOG if self.plain else K_LOG + 2
        return np.asarray(self.of_sum(rows) + logs * self.u * (rows.log_sum + self.of_sum(rows)))

    def of_saved_p(self, rows: Rows) -> Numbers:
        """E + κ + u, of p where it is exp of a saved log-probability, before anything is converted."""
        of_y = (1 + self.u) * (self.argument * rows.t + self.of_log_sum(rows)) + self.argument * rows.y
        return np.asarray(of_y + self.exp + self.u)


def readings(grade: str, n: int, u: float, eta: float) -> list[Reading]:
    """The arithmetics that a grade, *stable* or *loose*, admits in rows of n.

    ``u`` and ``eta`` are the unit roundoff and the smallest number of the output format.
    """
    working = min(u, FLOAT32_ROUNDOFF), min(eta, FLOAT32_SUBNORMAL)
    if grade == "stable":
        return [Reading(*working, blocked(n), plain=True)]
    return [Reading(*working, sequential(n), plain=False), Reading(u, eta, blocked(n), plain=False)]


def worst(of: Sequence[Reading], size: Callable[[Reading], Numbers]) -> Numbers:
    """The largest error over the readings; the *loose* ones are capped."""
    largest = np.maximum.reduce([size(reading) for reading in of])
    return np.asarray(largest if of[0].plain else np.minimum(largest, CAP))
