"""The bounds of each grade: how wrong an honest implementation may be, elementwise.

Derived in ``docs/error-bounds.md``; nothing here is tuned, and no product of errors is left out.  With u and η' the unit
roundoff and the smallest subnormal of the working precision, v and η those of the output format, t = x - max x,
S = Σexp(t), p = exp(t)/S, y = t - log S, κ = -log(1 - k_exp·u), λ = log(1 + v), and M(r) = log Σp·exp(r|t|)
- log(1 - k_exp·η'·s/S) for s subnormal exponentials, which is about r·Σp|t|:

- softmax, with B = M(u) + 2κ + u·D(n), F = u|t| + B + 2u and τ = ½(1 + k_exp·exp(B + 2u + λ)):
  |p̂ - p| ≤ (exp(F + λ) - 1)·p + τη;
- log_softmax, with Λ = B + k_log·u·(log S + B) and E = (1 + u)(u|t| + Λ) + u|y|:
  |ŷ - y| ≤ v|y| + (1 + v)·E + η;
- *loose* readings, for implementations that take exp by way of 2**x, or softmax as exp(t - log S): r = exp(2.5u) - 1
  replaces u before |t| and |y| and in M; F has κ + (k_log + 1)·u·(log S + B) more, and Λ has k_log + 2;
- the vjps, with α = (1 + v)(E + κ + u) + v(|y| + 1) and A = exp(α) - 1, the relative error of a p that was saved, or
  recomputed from a saved ŷ, and ω = u(D(n) + 3) + λ, X = exp(α + ω) - 1, G = Σ|g|:
  softmax_vjp: p·(|g|·(exp(α + 2u + λ) - 1) + Σp|g|·(X + (1 + X)A))
  + exp(ω)·η·(1 + τ(|g| + Σ(1 + A)p|g| + τηG + ½nη) + (1 + A)p·(τG + ½n));
  log_softmax_vjp: |g|·(u + v + uv) + p·G·X + exp(ω)·η·(1 + τG).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reference.arguments import cotangent_for, floating, known, one_of, place
from reference.comparison import Bound
from reference.flushing import refuse_flushing
from reference.formats import FORMATS
from reference.forward import FLOAT64_EXP
from reference.model import K_EXP, Rows, readings, worst
from reference.truth import OPS, truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format
    from reference.model import Numbers, Reading
    from reference.truth import Truth

    BoundedGrade = Literal["exact", "faithful", "stable", "loose"]

GRADES = ("exact", "faithful", "stable", "loose")

_ROOM = 900
"""Cotangents below 2**900 can be added and multiplied by n without overflow."""

_OWN = 1 + 2.0**-40
"""The bounds themselves are computed in float64, with fewer than 2**12 roundings one after the other."""


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
        Floating logits of any shape, already rounded to the format.
    axis
        The axis of the rows.
    format
        The format of the answer.
    grade
        *exact*: half a unit in the last place of the truth (a whole one where half the smallest float64 would be
        needed), and *faithful*: one unit; both are necessary and not enough, since a tie has one right side and a
        unit itself is too much: :meth:`Truth.rounded` and :meth:`Truth.faithful` judge.  *stable*: working precision
        max(format, float32), blocked sums.  *loose*: the larger of a sequential sum in that precision, and every step
        in the format itself; capped at :data:`reference.model.CAP`.
    cotangent
        For a vjp, floating numbers of the shape of ``x``.

    Raises
    ------
    ValueError
        If the grade or the op is unknown, or a cotangent is missing, not wanted or of another shape.
    TypeError
        For numbers that are not floating, an axis that is no integer, or a format that is none.
    numpy.exceptions.AxisError
        For an axis out of range.
    FlushesSubnormals
        On a thread that flushes subnormal numbers.
    """
    one_of(OPS, op, "op")
    x = floating(x, "x")
    axis = place(axis, x.ndim)
    g = cotangent_for(op, x, cotangent)
    known(format)
    one_of(GRADES, grade, "grade")
    refuse_flushing()
    if x.size == 0:
        return Bound(np.zeros(x.shape), np.zeros(x.shape))
    if grade in ("exact", "faithful"):
        ulp = truth(op, x, axis, format=format, cotangent=cotangent).ulp(format)
        with np.errstate(under="ignore"):
            absolute = ulp if grade == "faithful" else np.maximum(ulp / 2, 2.0**-1074)
        return Bound(np.zeros(x.shape), absolute)
    rows = _along(x, axis)
    of = readings(grade, rows.shape[-1], format.unit_roundoff, format.smallest_subnormal)
    with np.errstate(all="ignore"):
        if op == "softmax":
            bound = _softmax(Rows.of(rows), of, format)
        elif op == "log_softmax":
            bound = _log_softmax(rows, of, format)
        else:
            assert g is not None
            bound = _vjp(op, Rows.of(rows), _along(g, axis), of, format)

    def back(part: Any) -> Numbers:
        return np.moveaxis(np.broadcast_to(part, rows.shape), -1, axis).reshape(x.shape)

    return Bound(back(bound.relative), back(bound.absolute))


def _along(x: Numbers, axis: int) -> Numbers:
    """The rows along the last axis, contiguous; a 0-d array has one."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_1d(x), axis, -1))


def _softmax(rows: Rows, of: Sequence[Reading], format: Format) -> Bound:
    v, eta = format.unit_roundoff, format.smallest_subnormal
    # Nothing is in proportion to nothing.
    off = np.where(rows.p == 0, 0.0, worst(of, lambda one: np.expm1(one.of_p(rows))))
    return Bound(_OWN * (off * (1 + v) + v), _units(_OWN * _of_subnormal_p(rows, of, v), eta))


def _of_subnormal_p(rows: Rows, of: Sequence[Reading], v: float) -> Numbers:
    """τ: what is absolute in exp(t), divided by the sum, and one rounding, in units of η."""
    off_sum = worst(of, lambda one: np.expm1(one.of_sum(rows) + 2 * one.u))
    return np.asarray((1 + K_EXP * (1 + off_sum) * (1 + v)) / 2)


def _log_softmax(x: Numbers, of: Sequence[Reading], format: Format) -> Bound:
    v, eta, rows = format.unit_roundoff, format.smallest_subnormal, Rows.of(x)
    # What is in proportion to |t| ≤ |y| cannot hide a wrong answer and is not capped.
    # |y| = |t| + log S; and a quarter of |t| is finite where |t| itself is not.
    quarter = 0.25 * x.max(axis=-1, keepdims=True) - 0.25 * x
    each, widest = of[-1].argument, of[-1].u
    proportional = 4 * ((1 + widest) * each + each) * quarter + each * rows.log_sum
    fixed = worst(of, lambda one: (1 + one.u) * one.of_log_sum(rows))
    return Bound(np.asarray(_OWN * v), _OWN * ((1 + v) * (proportional + fixed) + eta))


def _vjp(op: str, rows: Rows, cotangent: Numbers, of: Sequence[Reading], format: Format) -> Bound:
    v, eta, n, p = format.unit_roundoff, format.smallest_subnormal, rows.p.shape[-1], rows.p
    # Sums of the largest numbers overflow; by a power of two they are brought down, and the bound up again.
    g = np.abs(cotangent)
    down = np.maximum(np.frexp(g.max(axis=-1, keepdims=True))[1] - _ROOM, 0)
    g = np.ldexp(g, -down)
    total = g.sum(axis=-1, keepdims=True)
    saved = (1 + v) * worst(of, lambda one: one.of_saved_p(rows)) + v * (rows.y + 1)
    saved = np.where(p == 0, 0.0, saved)  # of a p that float64 cannot hold nothing is left
    after = worst(of, lambda one: np.asarray(one.u * (one.growth + 3))) + math.log1p(v)
    both, tau = np.expm1(saved + after), _of_subnormal_p(rows, of, v)
    if op == "softmax_vjp":
        own = np.expm1(saved + 2 * of[-1].u + math.log1p(v))
        mean, of_mean = ((weight * g).sum(axis=-1, keepdims=True) for weight in (p, p * np.expm1(saved)))
        lanes = p * (g * own + both * mean + (1 + both) * of_mean)
        small = 1 + tau * (g + mean + of_mean + tau * eta * total + n / 2 * eta)
        small = small + np.exp(saved) * p * (tau * total + n / 2)
    else:
        lanes = g * (of[-1].u + v + of[-1].u * v) + p * total * both
        small = 1 + tau * total
    # The products in lanes may underflow themselves.
    absolute = np.nextafter(_OWN * (lanes + _units(np.exp(after) * small, eta)), np.inf)
    return Bound(np.asarray(0.0), np.ldexp(absolute, down))


def _units(count: Numbers, eta: float) -> Numbers:
    """count·η, upwards where float64 has no fraction of it."""
    return (np.ceil(count) if eta == FORMATS["float64"].smallest_subnormal else count) * eta


def row_sum_bound(op: str, x: ArrayLike, axis: int = -1, *, format: Format, grade: BoundedGrade = "loose") -> Numbers:
    """The allowed |Σp̂ - 1| of softmax, or |Σexp(ŷ) - 1| of log_softmax, for each row.

    Each lane may be wrong by its own bound, so the sum by the sum of the bounds; and exp(ŷ) is taken in
    float64, whose error is granted too.  Parameters and errors are those of :func:`bounds`; the result
    has the shape of ``x`` with the axis kept with length one, and no row is masked as a whole.

    Raises
    ------
    ValueError
        Also for a vjp, whose rows have another sum.
    """
    one_of(("softmax", "log_softmax"), op, "op")
    bound, x = bounds(op, x, axis, format=format, grade=grade), floating(x, "x")
    axis = place(axis, x.ndim)
    if x.size == 0:
        return np.asarray(np.zeros(x.shape).sum(axis=axis, keepdims=True))
    relative, absolute = (_along(part, axis) for part in (bound.relative, bound.absolute))
    with np.errstate(all="ignore"):
        rows = Rows.of(_along(x, axis))
        lanes = relative * rows.p + absolute
        if op == "log_softmax":
            moved = np.where(rows.p > 0, rows.p * np.expm1(relative * rows.y + absolute), 0.0)
            lanes = moved + FLOAT64_EXP * (rows.p + moved)
        sums = np.moveaxis(_OWN * lanes.sum(axis=-1, keepdims=True), -1, axis)
        return np.asarray(sums if x.ndim else sums.reshape(()))


def flush_allowed(truth: Truth, bound: Bound, format: Format) -> NDArray[np.bool_]:
    """Where zero is a *flush*, a policy: the truth, within its bound, is below the smallest normal number.

    Lanes of the shape of the question; for a truth to float64, which a bound is far above.

    Raises
    ------
    TypeError
        For a format that is none.
    """
    known(format)
    size = np.abs(truth.nearest)
    with np.errstate(all="ignore"):
        return np.asarray(size - (bound.relative * size + bound.absolute) < format.smallest_normal)


def flushed_vjp(x: ArrayLike, axis: int = -1, *, op: str, format: Format, cotangent: ArrayLike) -> Numbers:
    """How much wronger, absolutely, a vjp may be where numbers below the smallest normal one are taken for zero.

    With λ the smallest normal number of max(format, float32) and M = Σp|g| (docs/error-bounds.md):

    - softmax_vjp: λ·(2 + 2(|g_i| + M + 2λΣ|g|) + p_i(2Σ|g| + 2n));
    - log_softmax_vjp: λ·(3 + 2Σ|g| + 2n·p_i).

    Parameters and errors are those of :func:`bounds`; float64 of the shape of ``x``.
    """
    one_of(("softmax_vjp", "log_softmax_vjp"), op, "op")
    x = floating(x, "x")
    axis = place(axis, x.ndim)
    given = cotangent_for(op, x, cotangent)
    assert given is not None
    known(format)
    refuse_flushing()
    if x.size == 0:
        return np.zeros(x.shape)
    least = min(format.smallest_normal, FORMATS["float32"].smallest_normal)
    with np.errstate(all="ignore"):
        p, g = Rows.of(_along(x, axis)).p, np.abs(_along(given, axis))
        n, total = p.shape[-1], (least * g).sum(axis=-1, keepdims=True)
        if op == "softmax_vjp":
            mean = (p * (least * g)).sum(axis=-1, keepdims=True)
            lanes = 2 * (least + least * g + mean + 2 * least * total + p * (total + n * least))
        else:
            lanes = 3 * least + 2 * total + 2 * n * p * least
    return np.asarray(np.moveaxis(np.nextafter(_OWN * lanes, np.inf), -1, axis).reshape(x.shape))
