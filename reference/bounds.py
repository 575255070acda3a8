"""How wrong may an honest implementation be?  The bounds of each grade, elementwise.

Derived in ``docs/error-bounds.md``; nothing here is tuned, and no product of errors is left out.  With u the unit
roundoff of the working precision, v of the output format, η its smallest subnormal, t = x - max x, S = Σexp(t),
p = exp(t)/S, y = t - log S, κ = -log(1 - k_exp·u), λ = log(1 + v), and M(r) = log Σp·exp(r|t|) - log(1 - k_exp·η'·s/S)
for s subnormal exponentials, η' being the smallest subnormal of the working precision; M(r) is about r·Σp|t|:

- softmax, with B = M(u) + 2κ + u·D(n) and F = u|t| + B + u:
  |p̂ - p| ≤ R·p + ½(1 + k_exp·(1 + R))·η with R = exp(F + λ) - 1;
- log_softmax, with Λ = B + k_log·u·(log S + B) and E = (1 + u)(u|t| + Λ) + u|y|:
  |ŷ - y| ≤ v|y| + (1 + v)·E + η;
- *loose* readings, for implementations that take exp by way of 2**x, or softmax as exp(t - log S): instead of u stands
  r = exp(2.5u) - 1 before |t| and |y| and in M; F has κ + (k_log + 1)·u·(log S + B) more, and Λ has k_log + 2;
- the vjps, with α = (1 + v)(E + κ + u) + v(|y| + 1) and A = exp(α) - 1, the relative error of a p that was saved, or
  recomputed from a saved ŷ, and X = exp(α + u(D(n) + 3) + λ) - 1:
  softmax_vjp: p·(|g|·(exp(α + 2u + λ) - 1) + X·Σp|g| + (1 + X)·ΣA·p|g|)
  + η·(1 + X)·(1 + ½(1 + k_exp)·Σ(1 + A)|g| + ½n·p);
  log_softmax_vjp: |g|·(exp(u + λ) - 1) + p·Σ|g|·X + η·(1 + X)·(1 + ½(1 + k_exp)·Σ|g|).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from reference.arguments import cotangent_for, floating, known, place, refuse_flushing
from reference.forward import FLOAT64_EXP
from reference.functions import softmax_shifted
from reference.truth import OPS, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format
    from reference.truth import Truth

    Numbers = NDArray[np.float64]
    BoundedGrade = Literal["exact", "faithful", "stable", "loose"]

K_EXP = 2.0
"""Allowed error of exp, in units of u relative (2 ulp of an exp that is no worse than twice faithful)."""

K_LOG = 2.0
"""Allowed error of log, in units of u relative."""

FLOAT32_ROUNDOFF, FLOAT32_SUBNORMAL = 2.0**-24, 2.0**-149
"""A stable implementation of a narrower format works in float32."""

SCALED = 2.5
"""Roundings of t where exp is 2**(t·log₂e): the shift, that product, and half of one in the constant."""

TINY = (1 + K_EXP) / 2
"""Absolute error of p where it is subnormal, in units of η: an exponential, and the rounding of the quotient."""

GRADES = ("exact", "faithful", "stable", "loose")

_ROOM = 900
"""Cotangents below 2**900 can be added and multiplied by n without overflow."""

_OWN = 1 + 2.0**-40
"""The bounds themselves are computed in float64, with fewer than 2**12 roundings one after the other."""

CAP = 0.5
"""No reading of the contract allows half of a probability, or half a unit of its logarithm, to be lost."""


@dataclass(frozen=True)
class Bound:
    """|got - true| ≤ relative·|true| + absolute, elementwise; both of the shape of the question."""

    relative: Numbers
    absolute: Numbers


def blocked(n: int) -> float:
    """D(n) = 2⌈log₂ n⌉ + 8: the growth of a blocked or pairwise sum, in units of u."""
    return 2.0 * math.ceil(math.log2(max(n, 1))) + 8.0


def sequential(n: int) -> float:
    """D(n) = n - 1, the growth of a loop, where that is more than a blocked sum's."""
    return max(n - 1.0, blocked(n))


def bounds(
    op: str,
    x: ArrayLike,
    axis: int = -1,
    *,
    format: Format,
    grade: BoundedGrade = "stable",
    cotangent: ArrayLike | None = None,
) -> Bound:
    """The bound of a grade for one array of logits.

    Parameters
    ----------
    op
        softmax, log_softmax, softmax_vjp or log_softmax_vjp.
    x
        float64 logits, already rounded to the format.
    format
        The format of the answer.
    grade
        *exact*: half a unit in the last place of the truth (a whole one where half the smallest float64 would be
        needed).  *faithful*: one unit, which itself is excluded.  *stable*: working precision max(format,
        float32), blocked sums.  *loose*: the larger of a sequential sum in that precision, and every step in the
        format itself; capped at :data:`CAP`.
    cotangent
        For a vjp.

    Raises
    ------
    ValueError
        If the grade or the op is unknown, or a cotangent is missing, not wanted or of another shape.
    TypeError
        For numbers that are not floating, an axis that is no integer, or a format that is none.
    numpy.exceptions.AxisError
        For an axis out of range.
    """
    if op not in OPS:
        raise ValueError(f"op: unknown {op!r}; known: {', '.join(OPS)}")
    x, axis = floating(x, "x"), place(axis, np.ndim(x))
    given = cotangent_for(op, x, cotangent)
    n = x.shape[axis] if x.ndim else 1
    v, eta = known(format).unit_roundoff, format.smallest_subnormal
    u = min(v, FLOAT32_ROUNDOFF)
    if grade not in GRADES:
        raise ValueError(f"grade: unknown {grade!r}; known: {', '.join(GRADES)}")
    refuse_flushing()
    if grade in ("exact", "faithful"):
        ulp = truth(op, x, axis, format=format, cotangent=cotangent).ulp(format)
        with np.errstate(under="ignore"):
            absolute = ulp if grade == "faithful" else np.maximum(ulp / 2, 2.0**-1074)
        return Bound(np.zeros_like(x), absolute)
    working = min(eta, FLOAT32_SUBNORMAL)
    readings = [_Reading(u, working, blocked(n), plain=True)]
    if grade == "loose":
        readings = [_Reading(u, working, sequential(n), plain=False), _Reading(v, eta, blocked(n), plain=False)]
    with np.errstate(all="ignore"):
        parts = _Parts.of(x, axis)
        if op == "softmax":
            worst = _worst(grade, readings, lambda reading: np.expm1(reading.softmax(parts)))
            relative = _OWN * (np.where(parts.p == 0, 0.0, worst) * (1 + v) + v)  # nothing is in proportion to nothing
            return Bound(relative, eta * (TINY + K_EXP / 2 * relative))  # float64 has no 1.5 η and takes 2
        if op == "log_softmax":
            # What is in proportion to |t| ≤ |y| cannot hide a wrong answer and is not capped.
            # |y| = |t| + log S; and a quarter of |t| is finite where |t| itself is not.
            quarter = 0.25 * x.max(axis=axis, keepdims=True) - 0.25 * x if x.size and x.ndim else np.zeros_like(x)
            each, widest = readings[-1].exponent, readings[-1].u
            proportional = 4 * ((1 + widest) * each + each) * quarter + each * parts.log_sum
            fixed = _worst(grade, readings, lambda reading: (1 + reading.u) * reading.log_sum(parts))
            return Bound(np.full_like(x, _OWN * v), _OWN * ((1 + v) * (proportional + fixed) + eta))
        assert given is not None
        g, p, y = np.abs(given), parts.p, np.abs(parts.y)
        # Sums of the largest numbers overflow; by a power of two they are brought down, and the bound up again.
        down = np.maximum(np.frexp(g.max(axis=axis, keepdims=True, initial=0.0))[1] - _ROOM, 0)
        g = np.ldexp(g, -down)
        total = g.sum(axis=axis, keepdims=True)
        saved = (1 + v) * _worst(grade, readings, lambda reading: reading.saved(parts)) + v * (y + 1)
        saved = np.where(p == 0, 0.0, saved)  # of a p that float64 cannot hold nothing is left
        after = _worst(grade, readings, lambda reading: np.asarray(reading.u * (reading.growth + 3))) + math.log1p(v)
        more = np.expm1(saved + after)
        if op == "softmax_vjp":
            own = np.expm1(saved + 2 * readings[-1].u + math.log1p(v))
            error = np.expm1(saved)
            mean, of_mean = ((weight * g).sum(axis=axis, keepdims=True) for weight in (p, p * error))
            lanes = p * (g * own + more * mean + (1 + more) * of_mean)
            small = 1 + TINY * (1 + TINY * eta) * ((1 + error) * g).sum(axis=axis, keepdims=True)
            small = small + n / 2 * (p + TINY * eta)
        else:
            lanes = g * math.expm1(math.log1p(readings[-1].u) + math.log1p(v)) + p * total * more
            small = 1 + TINY * total
        # Upwards also where the bound itself is subnormal.
        return Bound(np.zeros_like(x), np.nextafter(_OWN * np.ldexp(lanes + eta * (1 + more) * small, down), np.inf))


@dataclass(frozen=True)
class _Parts:
    """|t|, p, y and log S of each row, in float64, which is enough for a bound."""

    t: Numbers
    p: Numbers
    y: Numbers
    log_sum: Numbers
    axis: int

    @staticmethod
    def of(x: Numbers, axis: int) -> _Parts:
        if x.size == 0 or x.ndim == 0:
            one = np.ones_like(x)
            return _Parts(0 * one, one, 0 * one, 0 * one, axis)
        t = x - x.max(axis=axis, keepdims=True)
        p = softmax_shifted(x, axis)
        log_sum = np.log(np.exp(t).sum(axis=axis, keepdims=True))
        return _Parts(np.abs(t), p, t - log_sum, np.abs(log_sum), axis)

    def sum(self, lanes: Numbers) -> Numbers:
        """Along the rows, the axis kept."""
        return np.asarray(lanes.sum(axis=self.axis, keepdims=True) if lanes.ndim else lanes)

    def moved(self, r: float) -> Numbers:
        """Log Σp·exp(r|t|): how far log S moves where each t is wrong by the share r."""
        # 0·inf: a logit that far away has no share in the mean.
        return np.log1p(self.sum(np.where(self.p > 0, self.p * np.expm1(r * self.t), 0.0)))

    def blurred(self, normal: float, error: float) -> Numbers:
        """How far log S moves where each exponential below ``normal`` is wrong by ``error``, but by no more than log 2."""
        below = np.where(np.isfinite(self.t) & (np.exp(-self.t) < normal), 1.0, 0.0)
        return -np.log1p(-np.minimum(error * self.sum(below) * np.exp(-self.log_sum), 0.5))


@dataclass(frozen=True)
class _Reading:
    """One way to read the contract: unit roundoff, smallest number, growth of a sum, and whether exp is taken plainly."""

    u: float
    eta: float
    growth: float
    plain: bool

    @property
    def exponent(self) -> float:
        """Relative error of t before it is exponentiated."""
        return self.u if self.plain else math.expm1(SCALED * self.u)

    @property
    def exp(self) -> float:
        """κ: an exponential is right but for a factor between exp(-κ) and exp(κ)."""
        return -math.log1p(-K_EXP * self.u)

    def sum(self, row: _Parts) -> Numbers:
        """The logarithm of Ŝ/S, with one exponential to spare."""
        moved = row.moved(self.exponent) + row.blurred(self.eta / self.u, K_EXP * self.eta)
        return np.asarray(moved + 2 * self.exp + self.u * self.growth)

    def softmax(self, row: _Parts) -> Numbers:
        """The logarithm of p̂/p, before p̂ is converted."""
        error = self.exponent * row.t + self.sum(row) + self.u
        more = self.exp + (K_LOG + 1) * self.u * (row.log_sum + self.sum(row))
        return np.asarray(error if self.plain else error + more)

    def log_sum(self, row: _Parts) -> Numbers:
        """The error of log Σexp(t)."""
        logs = K_LOG if self.plain else K_LOG + 2
        return np.asarray(self.sum(row) + logs * self.u * (row.log_sum + self.sum(row)))

    def saved(self, row: _Parts) -> Numbers:
        """The logarithm of p̂/p where p̂ is exp(ŷ), before anything is converted."""
        of_y = (1 + self.u) * (self.exponent * row.t + self.log_sum(row)) + self.exponent * np.abs(row.y)
        return np.asarray(of_y + self.exp + self.u)


def _worst(grade: str, readings: list[_Reading], size: Callable[[_Reading], Numbers]) -> Numbers:
    """The largest error over the readings of the grade; *loose* ones are capped."""
    worst = np.maximum.reduce([size(reading) for reading in readings])
    return np.asarray(worst if grade == "stable" else np.minimum(worst, CAP))


def row_sum_bound(op: str, x: ArrayLike, axis: int = -1, *, format: Format, grade: BoundedGrade = "loose") -> Numbers:
    """The allowed |Σp̂ - 1|, or |Σexp(ŷ) - 1|, of each row (axis kept with length one).

    Each lane may be wrong by its own bound, so the sum by the sum of the bounds; and whoever adds exp(ŷ) takes
    exponentials in float64, whose error is granted too.
    """
    x, axis = floating(x, "x"), place(axis, np.ndim(x))
    bound = bounds(op, x, axis, format=format, grade=grade)
    with np.errstate(all="ignore"):
        parts = _Parts.of(x, axis)
        if op == "softmax":
            lanes = bound.relative * parts.p + bound.absolute
        else:
            off = bound.relative * np.abs(parts.y) + bound.absolute
            moved = np.where(parts.p > 0, parts.p * np.expm1(off), 0.0)
            lanes = moved + FLOAT64_EXP * (parts.p + moved)
        return np.asarray(lanes.sum(axis=axis, keepdims=True) if x.ndim else lanes)


def flush_allowed(truth: Truth, bound: Bound, format: Format) -> NDArray[np.bool_]:
    """Where zero is a *flush*, a policy: the truth, within its bound, is below the smallest normal number."""
    size = np.abs(truth.nearest)
    with np.errstate(all="ignore"):
        return np.asarray(size - (bound.relative * size + bound.absolute) < format.smallest_normal)
