"""Computes the vjps of softmax and log_softmax in pairs, on a block of rows.

Differences cancel, so the error is bounded in proportion to the terms (docs/error-bounds.md) and then made
relative to what is left of them.  It is above one where that is less than the error, and the sign is not known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reference.blocks import one_by_one, pieces
from reference.forward import DOUBLE_DOUBLE, solve
from reference.sentinels import SIGN_UNKNOWN, UNDERFLOWED
from reference.twofold import add, multiply, scale, total, two_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.blocks import Each
    from reference.forward import Output, Pairs
    from reference.twofold import Numbers, Pair

_TOP, _ROOM = 300, 600
"""The largest cotangent of a row is brought to about 2**300, and p to at most 2**600 where it is multiplied: no product
overflows when it is split, and what underflows is below 2**-1300 of that cotangent."""

_UNDERFLOW = 2.0**-1070
"""More than a pair operation loses by underflow."""


def solve_vjp(op: str, x: Numbers, g: Numbers, axis: int, speed: Pairs, out: Output, each: Each = one_by_one) -> None:
    """Answer one block of p·(g - Σp·g) or g - p·Σg; see :func:`reference.forward.solve`."""
    rows = solve("softmax", x, axis, speed, out, each)
    given, largest = g, np.abs(g).max(axis=axis, keepdims=True)
    # Nothing flows through a masked lane of softmax, and its cotangent must not hide the others.
    counted = np.abs(np.where(x == -np.inf, 0.0, g)).max(axis=axis, keepdims=True) if op == "softmax_vjp" else largest
    shift = np.frexp(counted)[1] - _TOP
    winners = np.ldexp(np.take_along_axis(g, x.argmax(axis=axis, keepdims=True), axis), -shift)
    g, low = np.empty_like(given), np.zeros_like(given)
    at = pieces(x.shape[axis], axis, speed.block)

    def prepare(piece: Any) -> None:
        here = np.ldexp(given[piece], -shift)
        if op == "softmax_vjp":
            # A constant more or less in all cotangents changes nothing; without the winner's own, its lane does not cancel.
            g[piece], low[piece] = two_sum(np.where(x[piece] == -np.inf, 0.0, here), -winners)
        else:  # not nothing, or its lane would be taken for a product alone
            g[piece] = np.where((here == 0) & (given[piece] != 0), np.copysign(2.0**-1074, given[piece]), here)

    each(prepare, at)

    # What was too far below to be added is below exp(-reach) each, and may meet a large cotangent.
    lost = out.error == UNDERFLOWED
    unseen = math.floor(speed.reach / math.log(2))
    # Of p, each lane's own; and of every step after it.
    rounding = DOUBLE_DOUBLE.error("softmax", rows.length)
    least = speed.error("softmax", rows.length)
    np.clip(out.error, least, least + speed.error_per_t * speed.reach, out=out.error, where=out.high != 0)

    def sums(piece: Any) -> _Sums:
        term = g[piece], low[piece]
        if op == "log_softmax_vjp":
            return _Sums(*total(term, axis), np.abs(term[0]).sum(axis=axis, keepdims=True), np.zeros(()))
        far = _below(np.where(lost[piece], np.abs(term[0]), 0.0).sum(axis=axis, keepdims=True), unseen)
        term = multiply(_roomy(out[piece]), term)
        size = np.abs(term[0])
        error = np.ldexp((size * out[piece].error).sum(axis=axis, keepdims=True), -_ROOM)
        return _Sums(
            *scale(total(term, axis), -_ROOM),
            np.ldexp(size.sum(axis=axis, keepdims=True), -_ROOM),
            error + far + _UNDERFLOW * size.shape[axis],
        )

    parts = [np.stack(part) for part in zip(*each(sums, at), strict=True)]
    sum_high, sum_low = total((parts[0], parts[1]), 0)
    whole = _Sums(sum_high[0], sum_low[0], parts[2].sum(axis=0), parts[3].sum(axis=0))

    def back(piece: Any) -> None:
        if op == "softmax_vjp":
            _through_softmax((g[piece], low[piece]), whole, rounding, out[piece])
        else:
            missed = np.where(lost[piece], _below(whole.size, unseen), 0.0)
            _through_log_softmax(g[piece], whole, rounding, missed, out[piece])

    each(back, at)
    out.exponent[...] += shift
    if op == "log_softmax_vjp":  # nothing is taken from a masked lane
        out.put(given, where=x == -np.inf)
    out.put(0.0, where=_cancels(op, x, given, axis))
    out.put(np.nan, where=~np.isfinite(rows.top) | ~np.isfinite(largest))


def _cancels(op: str, x: Numbers, g: Numbers, axis: int) -> NDArray[np.bool_]:
    """Rows whose vjp is zero, exactly: equal cotangents, and for log_softmax equal logits too, or cotangents of zero."""
    open_ = x != -np.inf if op == "softmax_vjp" else np.ones(x.shape, bool)

    def equal(array: Numbers) -> NDArray[np.bool_]:
        highest = np.where(open_, array, -np.inf).max(axis=axis, keepdims=True)
        return np.asarray(highest == np.where(open_, array, np.inf).min(axis=axis, keepdims=True))

    return equal(g) if op == "softmax_vjp" else equal(g) & (equal(x) | ~g.any(axis=axis, keepdims=True))


class _Sums(NamedTuple):
    """Over each row, axis kept: Σp·g or Σg as a pair, the sum of its absolute terms, and of the errors that p brings in."""

    high: Numbers
    low: Numbers
    size: Numbers
    error: Numbers


def _below(size: Numbers, bits: int) -> Numbers:
    """size·2**-bits, rounded up to the smallest number where it is not zero."""
    return np.where(size == 0, 0.0, np.maximum(np.ldexp(size, -bits), 2.0**-1074))


def _roomy(p: Output) -> Pair:
    """p·2**_ROOM."""
    return scale((p.high, p.low), p.exponent + _ROOM)


def _through_softmax(g: Pair, mean: _Sums, rounding: float, out: Output) -> None:
    left = add(g, (-mean.high, -mean.low))
    nothing, lost = out.high == 0, out.error == UNDERFLOWED
    own = np.where(nothing, 0.0, out.error)
    absolute = own * np.abs(left[0]) + mean.error + rounding * (np.abs(g[0]) + mean.size)
    left, error = _relative(absolute, left)
    high, out.low[...] = multiply((out.high, out.low), left)
    # Where p is zero: nothing under a mask; of what was lost the sign, if that of what is left is known.
    out.high[...] = np.where(lost, np.copysign(0.0, left[0]), high)
    out.error[...] = np.where(nothing, np.where(lost, np.maximum(error, UNDERFLOWED), 0.0), error)


def _through_log_softmax(g: Numbers, whole: _Sums, rounding: float, missed: Numbers, out: Output) -> None:
    # A product that stands alone keeps its exponent; one that is subtracted needs none.
    alone, nothing = g == 0, out.high == 0
    exponent, room = np.where(alone, out.exponent, 0), np.where(alone, 0, _ROOM)
    p = scale((out.high, out.low), out.exponent - exponent + room)
    product = multiply(p, scale((whole.high, whole.low), -room))
    absolute = (out.error * ~nothing) * np.abs(product[0])
    absolute += rounding * (np.abs(g) + np.abs(p[0]) * np.ldexp(whole.size, -room))
    absolute += np.where(alone, 0.0, missed + _UNDERFLOW)
    lost = alone & nothing & (out.error > 0)
    left = add((g, np.zeros_like(g)), (-product[0], -product[1]))
    (out.high[...], out.low[...]), error = _relative(absolute, left)
    # A lost p times the sum, whose sign is that of what is left if it is larger than its error.
    sure = np.abs(whole.high) > rounding * whole.size
    np.copyto(out.high, np.copysign(0.0, -whole.high), where=lost)
    out.exponent[...] = exponent
    out.error[...] = np.where(lost, np.where(sure, UNDERFLOWED, SIGN_UNKNOWN), error)


def _relative(absolute: Numbers, left: Pair) -> tuple[Pair, Numbers]:
    """What is left of the terms, and its error relative to it; where nothing is, the error itself stands for it."""
    # A number that survives the product with p, and is far from the largest cotangent all the same.
    stand_in = np.maximum(absolute, 2.0**-1050)
    gone = (absolute > 0) & (np.abs(left[0]) <= np.maximum(2.0**-70 * absolute, 2.0**-1050))
    high = np.where(gone, stand_in, left[0])
    # From one end of the interval to the other, what was left, and a rounding of the product; and for the float64 in
    # which errors are added, and that of errors of errors.
    error = np.where(absolute == 0, 0.0, np.where(gone, SIGN_UNKNOWN, (1 + 2.0**-40) * absolute / np.abs(high)))
    return (high, np.where(gone, 0.0, left[1])), error
