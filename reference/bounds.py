"""How wrong may an honest implementation be?  The bounds of each grade, elementwise.

Derived in ``docs/error-bounds.md``; nothing here is tuned.  With u the unit roundoff of the working
precision, v of the output format, η its smallest subnormal, t = x - max x, S = Σexp(t), p = exp(t)/S,
y = t - log S, T = Σp|t|, and F = |t| + T + 2·k_exp + D(n):

- softmax: |p̂ - p| ≤ (u·(F + 1) + v)·p + ½(1 + k_exp)·η;
- log_softmax: |ŷ - y| ≤ v·|y| + u·(F + k_log·|log S| + |y|) + η;
- *loose* readings, for implementations that take exp by way of 2**x, or softmax as exp(t - log S): |t|, T and |y|
  count 2.5 times; for softmax there is a third k_exp and (k_log + 1)·log S, for log_softmax log S counts k_log + 2 times;
- with A = exp(u·(F + k_exp + k_log·|log S| + |y| + 1) + v·(|y| + 1)) - 1, the relative error of a p that was saved,
  or recomputed from a saved ŷ, and Δ = u·(D(n) + 3) + v:
  softmax_vjp: p·(|g| + Σp|g|)·(A + Δ) + p·ΣA·p|g| + η·(1 + ½(1 + k_exp)·Σ|g| + ½n·p);
  log_softmax_vjp: |g|·Δ + p·Σ|g|·(A + Δ) + η·(1 + ½(1 + k_exp)·Σ|g|).
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

FLOAT32_ROUNDOFF = 2.0**-24
"""A stable implementation of a narrower format works in float32."""

SCALED = 2.5
"""Growth of the error in t where exp is 2**(t·log₂e): the shift, that product, and half a unit in the constant."""

TINY = (1 + K_EXP) / 2
"""Absolute error of p where it is subnormal, in units of η: an exponential, and the rounding of the quotient."""

GRADES = ("exact", "faithful", "stable", "loose")

_ROOM = 900
"""Cotangents below 2**900 can be added and multiplied by n without overflow."""

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
    with np.errstate(all="ignore"):
        parts = _Parts.of(x, axis)
        far = np.isposinf(parts.t)  # p is 0 there, and nothing is in proportion to that
        if op == "softmax":
            worst = np.where(far, 0.0, _worst(grade, u, v, n, parts.softmax))
            return Bound(worst + v, np.full_like(x, TINY * eta))  # float64 has no 1.5 η and takes 2
        if op == "log_softmax":
            # What is in proportion to |t| ≤ |y| cannot hide a wrong answer and is not capped.
            # |y| = |t| + log S; and a quarter of |t| is finite where |t| itself is not.
            quarter = 0.25 * x.max(axis=axis, keepdims=True) - 0.25 * x if x.size and x.ndim else np.zeros_like(x)
            each = u if grade == "stable" else v * SCALED
            proportional = 8 * each * quarter + each * parts.log_sum
            fixed = _worst(grade, u, v, n, parts.log_sum_exp)
            return Bound(np.full_like(x, v), proportional + fixed + eta)
        assert given is not None
        g, p, y = np.abs(given), parts.p, np.abs(parts.y)
        # Sums of the largest numbers overflow; by a power of two they are brought down, and the bound up again.
        down = np.maximum(np.frexp(g.max(axis=axis, keepdims=True, initial=0.0))[1] - _ROOM, 0)
        g = np.ldexp(g, -down)
        saved = _worst(grade, u, v, n, lambda d, k: parts.log_sum_exp(d, k) + k * (parts.t + y) + K_EXP + 1)
        # In a narrow format v·|y| is not small beside 1.  Of a p that float64 cannot hold nothing is left.
        saved = np.where(p == 0, 0.0, np.expm1(saved + v * (y + 1)))
        after = _worst(grade, u, v, n, lambda d, _: np.full_like(x, d + 3)) + v
        total = g.sum(axis=axis, keepdims=True)
        if op == "softmax_vjp":
            size = p * (g + (p * g).sum(axis=axis, keepdims=True))
            error = size * (saved + after) + p * (saved * p * g).sum(axis=axis, keepdims=True)
            small = 1 + TINY * total + n / 2 * p
        else:
            error = g * after + p * total * (saved + after)
            small = 1 + TINY * total
        return Bound(np.zeros_like(x), np.ldexp(error + eta * small, down))


@dataclass(frozen=True)
class _Parts:
    """|t|, p, y, T and log S of each row, in float64, which is enough for a bound."""

    t: Numbers
    p: Numbers
    y: Numbers
    mean: Numbers
    log_sum: Numbers

    @staticmethod
    def of(x: Numbers, axis: int) -> _Parts:
        if x.size == 0 or x.ndim == 0:
            one = np.ones_like(x)
            return _Parts(0 * one, one, 0 * one, 0 * one, 0 * one)
        t = x - x.max(axis=axis, keepdims=True)
        p = softmax_shifted(x, axis)
        log_sum = np.log(np.exp(t).sum(axis=axis, keepdims=True))
        # 0·inf: a logit that far away has no share in the mean.
        mean = np.where(p > 0, p * np.abs(t), 0.0).sum(axis=axis, keepdims=True)
        return _Parts(np.abs(t), p, t - log_sum, mean, np.abs(log_sum))

    def softmax(self, d: float, k: float) -> Numbers:
        """Relative error of p in units of u, for a sum that grows by d and an exponent that counts k times."""
        more = 0.0 if k == 1 else K_EXP + (K_LOG + 1) * self.log_sum
        return np.asarray(k * (self.t + self.mean) + 2 * K_EXP + d + 1 + more)

    def log_sum_exp(self, d: float, k: float) -> Numbers:
        """Absolute error of log Σexp(t) in units of u, with one exponential to spare."""
        logs = K_LOG if k == 1 else K_LOG + 2
        return np.asarray(k * self.mean + 2 * K_EXP + d + logs * self.log_sum)


def _worst(grade: str, u: float, v: float, n: int, size: Callable[[float, float], Numbers]) -> Numbers:
    """Unit roundoff times ``size(D(n), how often the exponent counts)``, by the reading of the grade."""
    if grade == "stable":
        return np.asarray(u * size(blocked(n), 1.0))
    return np.asarray(np.minimum(np.maximum(u * size(sequential(n), SCALED), v * size(blocked(n), SCALED)), CAP))


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
