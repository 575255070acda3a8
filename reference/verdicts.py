"""Verdicts on a truth: how it rounds, and how far answers are from it.

A verdict computes the rows in doubt again (:meth:`reference.truth.Truth.widened`) where the carried error could overturn
it.  The functions that return a truth beside the verdict return the one that was wide enough for it; the truth that was
asked never changes.  All arrays have the shape of the question, and are looked at a block at a time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reference.arguments import floating, known
from reference.comparison import Bound, Comparison, share_of, units_of
from reference.flushing import refuse_flushing
from reference.formats import Format
from reference.forward import DOUBLE_DOUBLE
from reference.lanes import Lanes, blocks_of
from reference.question import speed_for
from reference.sentinels import UNDERFLOWED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from reference.comparison import Ruler
    from reference.lanes import At
    from reference.truth import Truth
    from reference.twofold import Numbers

    Mask = NDArray[np.bool_]


def rounded(truth: Truth, format: Format) -> Numbers:
    """See :meth:`reference.truth.Truth.rounded`."""
    wider, _ = decided(truth, format)
    return _each(wider, lambda lanes, _: lanes.rounded(format))


def decided(truth: Truth, format: Format) -> tuple[Truth, Mask]:
    """See :meth:`reference.truth.Truth.decided`."""
    _refuse_wider(truth, format)

    def here(lanes: Lanes, _: At) -> Mask:
        return lanes.decided(format)

    found = _each(truth, here)
    wider = truth.widened(~found)
    return wider, found if wider is truth else _each(wider, here)


def ulp(truth: Truth, format: Format) -> Numbers:
    """See :meth:`reference.truth.Truth.ulp`."""
    return _each(with_known_ulps(truth, format), lambda lanes, _: np.ldexp(1.0, lanes.quantum(format, -1)))


def with_known_ulps(truth: Truth, format: Format) -> Truth:
    """Widen the rows where the truth may lie at either side of a power of two, or of zero."""
    _refuse_wider(truth, format)

    def in_doubt(lanes: Lanes, _: At) -> Mask:
        either_sign = (lanes.high != 0) & (lanes.error >= UNDERFLOWED)
        return np.asarray(either_sign | (lanes.quantum(format, -1) != lanes.quantum(format, 1)))

    return truth.widened(_each(truth, in_doubt))


def settled(truth: Truth, got: ArrayLike, against: tuple[Bound | Format, ...]) -> Truth:
    """See :meth:`reference.truth.Truth.settled`."""
    for one in against:
        if isinstance(one, Bound):
            truth = _compared(truth, _answers(truth, got), _ruler_of(truth, one)).truth
        elif isinstance(one, Format):
            _refuse_wider(truth, one)
            truth = _compared(truth, _answers(truth, got), units_of(one)).truth
            truth = _with_known_overflows(truth, _answers(truth, got), one)
        else:
            raise TypeError(f"against: a reference.Bound or a reference.Format is needed, not {one!r}")
    return truth


def error_over(truth: Truth, got: ArrayLike, bound: Bound) -> Numbers:
    """See :meth:`reference.truth.Truth.error_over`."""
    if not isinstance(bound, Bound):
        raise TypeError(f"bound: a reference.Bound is needed, not {bound!r}")
    ruler = _ruler_of(truth, bound)
    return _shares(truth, _answers(truth, got), ruler)[1]


def error_ulps(truth: Truth, got: ArrayLike, format: Format) -> Numbers:
    """See :meth:`reference.truth.Truth.error_ulps`."""
    _refuse_wider(truth, format)
    got = _answers(truth, got)
    truth, share = _shares(truth, got, units_of(format))
    if not format.has_inf:
        right = np.where(np.isnan(got), 0.0, np.inf)
        share = np.where(np.isinf(truth.high) & ~truth.undefined, right, share)
    odd = ~np.isfinite(got) & np.isfinite(truth.high)
    if not odd.any():
        return share

    def overflowed(lanes: Lanes, at: At) -> Numbers:
        excess, doubt = lanes.beyond_the_largest(format)
        same = np.isnan(got[at]) | (np.signbit(got[at]) == np.signbit(lanes.high))
        right = odd[at] & same & (np.isnan(got[at]) != format.has_inf) & (excess >= doubt) & (excess > 0)
        return np.where(right, np.clip(1 - excess, 0.0, np.nextafter(1.0, 0.0)), share[at])

    return _each(_with_known_overflows(truth, got, format), overflowed)


def of_the_shape(shape: tuple[int, ...], array: NDArray[Any], name: str) -> NDArray[Any]:
    """Broadcast an argument to the shape of the question.

    Raises
    ------
    ValueError
        Naming the argument and both shapes.
    """
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name}: its shape {array.shape} is not that of the question, {shape}") from None


def _answers(truth: Truth, got: ArrayLike) -> Numbers:
    return of_the_shape(truth.high.shape, floating(got, "got"), "got")


def _refuse_wider(truth: Truth, format: Format) -> None:
    known(format)
    if truth.question and speed_for(truth.question.op, format).reach > truth.speed.reach:
        raise ValueError(f"format: this truth was computed for a narrower one; ask truth() for {format.name}")


def _ruler_of(truth: Truth, bound: Bound) -> Ruler:
    relative, absolute = (
        of_the_shape(truth.high.shape, floating(part, "bound"), "bound") for part in (bound.relative, bound.absolute)
    )
    if (relative < 0).any() or (absolute < 0).any():
        raise ValueError("bound: an error that is allowed is not negative")
    return share_of(relative, absolute)


def _with_known_overflows(truth: Truth, got: Numbers, format: Format) -> Truth:
    """Widen the rows where an answer is infinite or NaN, and the truth may lie at either side of the largest number."""
    odd = ~np.isfinite(got) & np.isfinite(truth.high)
    if not odd.any():
        return truth

    def in_doubt(lanes: Lanes, at: At) -> Mask:
        excess, doubt = lanes.beyond_the_largest(format)
        return np.asarray(odd[at] & (np.abs(excess) < doubt))

    return truth.widened(_each(truth, in_doubt))


class _Compared(NamedTuple):
    truth: Truth
    """Wide where that is needed to say on which side of one a share is."""
    share: Numbers
    """To float64, by the truth that was not yet wide."""
    close: Mask
    """Lanes whose share may lie at either side of one."""


def _compared(truth: Truth, got: Numbers, ruler: Ruler) -> _Compared:
    compare, close = _comparison(truth, got, ruler), np.zeros(truth.high.shape, np.bool_)

    def here(lanes: Lanes, at: At) -> Numbers:
        compared = compare(lanes, at)
        close[at] = compared.close
        return compared.share

    share = _each(truth, here)
    return _Compared(truth.widened(close), share, close)


def _shares(truth: Truth, got: Numbers, ruler: Ruler) -> tuple[Truth, Numbers]:
    """Errors as shares of what the ruler allows, at most one only where that is sure; and the truth that was needed."""
    wider, share, close = _compared(truth, got, ruler)
    if close.any():
        first, compare = share, _comparison(wider, got, ruler)

        def exactly(lanes: Lanes, at: At) -> Numbers:
            return compare(lanes, at).settled() if wider is not truth or close[at].any() else first[at]

        share = _each(wider, exactly)
    odd = ~(np.isfinite(got) & np.isfinite(wider.high))
    if odd.any():
        right = (got == wider.high) | (np.isnan(got) & np.isnan(wider.high))
        share = np.where(odd, np.where(right, 0.0, np.inf), share)
    return wider, np.where(wider.undefined, np.nan, share) if wider.undefined.any() else share


def _comparison(truth: Truth, got: Numbers, ruler: Ruler) -> Callable[[Lanes, At], Comparison]:
    hidden = _hidden(truth)
    return lambda lanes, at: Comparison.of(got[at], lanes, hidden[at], ruler(lanes, hidden[at], at))


def _each(truth: Truth, function: Callable[[Lanes, At], NDArray[Any]]) -> NDArray[Any]:
    """Apply a function to a block of the truth's lanes at a time, and put the results together."""
    refuse_flushing()
    found = None
    with np.errstate(all="ignore"):
        for at in blocks_of(truth.high.shape):
            part = function(Lanes(truth.high[at], truth.low[at], truth.exponent[at], truth.error[at]), at)
            if found is None:
                found = np.empty(truth.high.shape, part.dtype)
            found[at] = part
    assert found is not None
    return found


def _hidden(truth: Truth) -> NDArray[np.int64]:
    """The exponent of a power of two that is larger than the truth where a zero with an error stands for it."""
    forward = truth.question is not None and not truth.question.op.endswith("_vjp")

    # Below exp(-reach) is each lane, a winner's log-probability at most 2**161 times that, and a cotangent, or the sum
    # of 2**40 of them, below 2**1064.
    def below(reach: float) -> int:
        return (161 if forward else 1100) - math.floor(reach / math.log(2))

    rows = np.where(truth.wide, below(DOUBLE_DOUBLE.reach), below(truth.speed.reach))
    return np.broadcast_to(rows, truth.high.shape)
