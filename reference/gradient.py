"""How do cotangents flow back?  The vjps of softmax and log_softmax in pairs, on a block of rows.

Differences cancel, so the error is bounded in proportion to the terms (docs/error-bounds.md) and then made
relative to what is left of them: infinite where nothing is.
"""

from __future__ import annotations

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
    # The splitting of a product overflows near the largest float64.
    shift = np.where(np.abs(g).max(axis=axis, keepdims=True) > 2.0**900, 200, 0)
    g = np.ldexp(g, -shift) if shift.any() else g
    at = pieces(x.shape[axis], axis, speed.block)
    back = _through_softmax if op == "softmax_vjp" else _through_log_softmax

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
            (size * out[piece].error).sum(axis=axis, keepdims=True),
        )

    parts = [np.stack(part) for part in zip(*each(sums, at), strict=True)]
    high, low = total((parts[0], parts[1]), 0)
    whole = _Sums(high[0], low[0], parts[2].sum(axis=0), parts[3].sum(axis=0))
    each(lambda piece: back(g[piece], whole, rounding, out[piece]), at)
    out.exponent[...] += shift
    if rows.length == 1:  # p is 1, and the difference 0
        out.error[...] = 0.0


class _Sums(NamedTuple):
    """Over each row, axis kept: Σp·g or Σg as a pair, the sum of its absolute terms, and of their errors."""

    high: Numbers
    low: Numbers
    size: Numbers
    error: Numbers


def _value(p: Output) -> Pair:
    return scale((p.high, p.low), p.exponent)


def _through_softmax(g: Numbers, mean: _Sums, rounding: float, out: Output) -> None:
    left = add((g, np.zeros_like(g)), (-mean.high, -mean.low))
    absolute = out.error * np.abs(left[0]) + mean.error + rounding * (np.abs(g) + mean.size)
    nothing = out.high == 0
    p_error = out.error.copy()
    out.high[...], out.low[...] = multiply((out.high, out.low), left)
    _relative(absolute, left[0], out)
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
    _relative(absolute + faint * whole.size, out.high, out)
    np.maximum(out.error, lost, out=out.error)


def _relative(absolute: Numbers, left: Numbers, out: Output) -> None:
    """Make an error relative to what is left of the terms; where that is nothing it is infinite."""
    out.error[...] = np.where(absolute == 0, 0.0, absolute / np.abs(left))
    np.copyto(out.error, 0.0, where=np.isnan(out.high))
