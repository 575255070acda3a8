"""How do cotangents flow back?  The vjps of softmax and log_softmax in pairs, on a block of rows.

Differences cancel, so the error is bounded in proportion to the terms (docs/error-bounds.md) and then made
relative to what is left of them: infinite where nothing is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reference.blocks import one_by_one, pieces
from reference.forward import DOUBLE_DOUBLE, solve
from reference.twofold import add, multiply, scale, total

if TYPE_CHECKING:
    from reference.blocks import Each
    from reference.forward import Output, Pairs
    from reference.twofold import Numbers, Pair

_FAINT = 2.0**-960
"""Share of Σ|g| that is added to what an error is in proportion to; it covers products that underflow."""


def solve_vjp(op: str, x: Numbers, g: Numbers, axis: int, speed: Pairs, out: Output, each: Each = one_by_one) -> None:
    """Answer one block of p·(g - Σp·g) or g - p·Σg; see :func:`reference.forward.solve`."""
    rows = solve("softmax", x, axis, speed, out, each)
    # The splitting of a product overflows near the largest float64, and the bounds underflow near the smallest.
    top = np.frexp(np.abs(g).max(axis=axis, keepdims=True))[1]
    shift = np.where(top > 900, 200, np.minimum(top, 0))
    given, g = g, np.ldexp(g, -shift)
    g = np.where((g == 0) & (given != 0), 2.0**-1074, g)  # not nothing, or its lane would be taken for a product alone
    at = pieces(x.shape[axis], axis, speed.block)
    back = _through_softmax if op == "softmax_vjp" else _through_log_softmax

    # What was too far below to be added is below exp(-reach) each, and may meet a large cotangent.
    lost = out.error == 1
    unseen = math.floor(speed.reach / math.log(2))
    # Of p, each lane's own; and of every step after it.
    rounding = DOUBLE_DOUBLE.error("softmax", rows.length)
    least = speed.error("softmax", rows.length)
    np.clip(out.error, least, least + speed.error_per_t * speed.reach, out=out.error, where=out.high != 0)

    def sums(piece: Any) -> _Sums:
        some, nothing = g[piece], np.zeros_like(g[piece])
        term = multiply(_value(out[piece]), (some, nothing)) if op == "softmax_vjp" else (some, nothing)
        size = np.abs(term[0])
        return _Sums(
            *total(term, axis),
            size.sum(axis=axis, keepdims=True) + _FAINT * np.abs(some).sum(axis=axis, keepdims=True),
            (size * out[piece].error).sum(axis=axis, keepdims=True)
            + _below(np.where(lost[piece], np.abs(some), 0.0).sum(axis=axis, keepdims=True), unseen),
        )

    parts = [np.stack(part) for part in zip(*each(sums, at), strict=True)]
    high, low = total((parts[0], parts[1]), 0)
    whole = _Sums(high[0], low[0], parts[2].sum(axis=0), parts[3].sum(axis=0))
    each(lambda piece: back(g[piece], whole, rounding, out[piece]), at)
    if op == "log_softmax_vjp":
        missed = np.where(lost, _below(whole.size, unseen), 0.0) + (shift > 0) * 2.0**-1074
        out.error[...] += np.where(given == 0, 0.0, _relative(missed, out.high))
    np.copyto(out.error, 0.0, where=np.isnan(out.high))
    out.exponent[...] += shift
    if rows.length == 1:  # p is 1, and the difference 0
        out.error[...] = 0.0


class _Sums(NamedTuple):
    """Over each row, axis kept: Σp·g or Σg as a pair, the sum of its absolute terms, and of their errors."""

    high: Numbers
    low: Numbers
    size: Numbers
    error: Numbers


def _below(size: Numbers, bits: int) -> Numbers:
    """size·2**-bits, rounded up to the smallest number where it is not zero."""
    return np.where(size == 0, 0.0, np.maximum(np.ldexp(size, -bits), 2.0**-1074))


def _value(p: Output) -> Pair:
    return scale((p.high, p.low), p.exponent)


def _through_softmax(g: Numbers, mean: _Sums, rounding: float, out: Output) -> None:
    left = add((g, np.zeros_like(g)), (-mean.high, -mean.low))
    absolute = out.error * np.abs(left[0]) + mean.error + rounding * (np.abs(g) + mean.size)
    nothing = out.high == 0
    p_error = out.error.copy()
    out.high[...], out.low[...] = multiply((out.high, out.low), left)
    out.error[...] = _relative(absolute, left[0])
    # Where p is zero: nothing under a mask, all of it where it was lost.
    np.copyto(out.error, p_error, where=nothing)


def _through_log_softmax(g: Numbers, whole: _Sums, rounding: float, out: Output) -> None:
    # A product that stands alone keeps its exponent; one that is subtracted needs none.
    alone, nothing = g == 0, out.high == 0
    exponent = np.where(alone, out.exponent, 0)
    p = scale((out.high, out.low), out.exponent - exponent)
    faint = np.where(alone | nothing, 0.0, 2.0**-1070)
    product = multiply(p, (whole.high, whole.low))
    absolute = (out.error * ~nothing) * np.abs(product[0]) + rounding * (np.abs(g) + np.abs(p[0]) * whole.size)
    lost = np.where(alone & nothing, out.error, 0.0)
    out.high[...], out.low[...] = add((g, np.zeros_like(g)), (-product[0], -product[1]))
    out.exponent[...] = exponent
    np.maximum(_relative(absolute + faint * whole.size, out.high), lost, out=out.error)


def _relative(absolute: Numbers, left: Numbers) -> Numbers:
    """An error relative to the truth, which is at least what is left of the terms less the error; or infinite."""
    return np.where(absolute == 0, 0.0, absolute / np.maximum(np.abs(left) - absolute, 0.0))
