"""Measure the errors of many answers by one length a lane: a bound, or a unit in the last place.

``reference`` compares every lane with care for numbers of any size and for truths of any error.  Most lanes need none of
it: what the truth is, and what is allowed beside it, is prepared once, and an answer is measured in four passes of float64
arithmetic.  Lanes whose quotient is too near one to be believed go back to ``reference``, and so do whole arrays with lanes
whose size or error could spoil the arithmetic.

All arrays are float64 of the shape of the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reference.comparison import Bound
from reference.sentinels import UNDERFLOWED
from reference.truth import Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format

    Lanes = NDArray[np.bool_]
    Numbers = NDArray[np.float64]

_ROUNDING = 2.0**-49
"""Relative error of the arithmetic here: a difference of three numbers, a product and a sum, and a quotient, and as much
again to be sure."""

_WIDEST = 2.0**-10
"""Truths that are known less well than this share of what is allowed are left to ``reference``."""

_SMALL, _LARGE = 2.0**-900, 2.0**900
"""Between them no step here underflows or overflows."""

_FAR, _SHIFT = 400, 600
"""Truths of a wide format beyond 2**±_FAR are brought back by 2**_SHIFT."""

_ENOUGH = 2.0**-600
"""Beside a larger length, a truth below _SMALL is nothing."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A truth as two plain float64 numbers, whose sum it is, times a power of two where that keeps it from the ends of float64.

    Attributes
    ----------
    high, low
        0 where the truth is below every format.
    scale
        The power of two, of each lane; None where it is one everywhere.
    below
        Lanes with a truth that is no zero, and below every format; None where there is none.
    odd
        Lanes whose truth is not finite; None where there is none.
    huge
        Lanes whose truth may be larger than a quarter of the largest number; None where there is none.
    """

    high: Numbers
    low: Numbers
    scale: Numbers | None
    below: Lanes | None
    odd: Lanes | None
    huge: Lanes | None

    @staticmethod
    def of(truth: Truth, format: Format) -> Pair:
        """Take a truth apart, beside which answers in a format are measured."""
        exponent, scale = truth.exponent, None
        with np.errstate(all="ignore"):
            place = np.where(truth.high == 0, -2 * _FAR, np.frexp(truth.high)[1] + truth.exponent)
            if format.emin < -_FAR:
                shift = _SHIFT * ((place < -_FAR).astype(np.int32) - (place > _FAR))
                if shift.any():
                    exponent, scale = exponent + shift, np.ldexp(1.0, shift)
            high, low = np.ldexp(truth.high, exponent), np.ldexp(truth.low, exponent)
        below, odd, huge = (truth.high == 0) & (truth.error > 0), ~np.isfinite(truth.high), place >= format.emax
        return Pair(high, low, scale, *(lanes if lanes.any() else None for lanes in (below, odd, huge)))


@dataclass(frozen=True, eq=False)
class Ruler:
    """A length for each lane, and how near to it an error has to be before ``reference`` is asked.

    Attributes
    ----------
    pair
        The truth.
    room
        The error that is allowed.
    margin
        Quotients within it of one are not believed.
    """

    pair: Pair
    room: Numbers
    margin: float

    @staticmethod
    def of(truth: Truth, pair: Pair, bound: Bound, format: Format) -> Ruler | None:
        """Prepare a bound; None where ``reference`` has to look at every lane.

        Parameters
        ----------
        truth, pair
            The truth, and the same taken apart.
        format
            Of the answers, which has an infinity.
        """
        with np.errstate(all="ignore"):
            size = np.abs(pair.high)
            scale = 1.0 if pair.scale is None else pair.scale
            room = np.asarray(bound.relative * size + bound.absolute * scale)
            # What is known of a truth below the format is that it rounds to zero.
            doubt = np.where(truth.high == 0, 0.0, truth.error * size * (1 + bound.relative) / room)
            plain = (size >= _SMALL) | (room > _ENOUGH) | ((truth.high == 0) & (truth.error == 0))
            plain &= (size <= _LARGE) & (room >= _SMALL) & (room <= _LARGE) & (doubt <= _WIDEST)
            plain &= (truth.high != 0) | (truth.error <= UNDERFLOWED)
            if pair.below is not None:
                plain &= ~pair.below | (room > format.smallest_subnormal * scale / 2)
            if pair.odd is not None:
                plain |= pair.odd
                doubt = np.where(pair.odd, 0.0, doubt)
        return Ruler(pair, room, float(doubt.max(initial=0.0)) + _ROUNDING) if plain.all() else None

    def measure(self, got: Numbers) -> tuple[Numbers, Lanes]:
        """The error of each lane divided by its length, and the lanes where that has to be asked again.

        Where the truth is not finite the error is 0 if the answer is the same, and infinite if it is not.
        """
        pair = self.pair
        with np.errstate(all="ignore"):
            share = np.subtract(got if pair.scale is None else got * pair.scale, pair.high)
            np.subtract(share, pair.low, out=share)
            np.abs(share, out=share)
            np.divide(share, self.room, out=share)
            if pair.odd is not None:
                right = (got == pair.high) | (np.isnan(got) & np.isnan(pair.high))
                share = np.where(pair.odd, np.where(right, 0.0, np.inf), share)
            share[np.isnan(got) & np.isfinite(pair.high)] = np.inf
            close = np.abs(share - 1) <= self.margin
        if pair.below is not None:
            close |= pair.below & (got != 0)
        return share, close


def error_over(truth: Truth, ruler: Ruler | None, bound: Bound, got: Numbers) -> tuple[Truth, Numbers]:
    """What :meth:`reference.truth.Truth.error_over` says, by a prepared ruler where there is one.

    Returns
    -------
    The truth as wide as that took, and the errors.
    """
    if ruler is None:
        truth = truth.settled(got, bound)
        return truth, truth.error_over(bound, got)
    share, close = ruler.measure(got)
    if close.any():
        truth = truth.widened(close)
        share[close] = _lanes(truth, close).error_over(Bound(bound.relative[close], bound.absolute[close]), got[close])
    return truth, _undefined(truth, share)


def error_ulps(truth: Truth, ruler: Ruler | None, format: Format, got: Numbers) -> tuple[Truth, Numbers]:
    """What :meth:`reference.truth.Truth.error_ulps` says, by a prepared ruler where there is one.

    Returns
    -------
    The truth as wide as that took, and the errors.
    """
    # An answer that overflowed beside a huge truth is measured from the largest number, which is for reference to do.
    huge = None if ruler is None else ruler.pair.huge
    if ruler is None or (huge is not None and (huge & ~np.isfinite(got)).any()):
        truth = truth.settled(got, format)
        return truth, truth.error_ulps(got, format)
    share, close = ruler.measure(got)
    if close.any():
        truth = truth.widened(close)
        share[close] = _lanes(truth, close).error_ulps(got[close], format)
    return truth, _undefined(truth, share)


def _undefined(truth: Truth, share: Numbers) -> Numbers:
    share[truth.undefined] = np.nan
    return share


def _lanes(truth: Truth, chosen: Lanes) -> Truth:
    """The truth of some lanes, side by side; their rows are as wide as they can be."""
    parts = {name: getattr(truth, name)[chosen] for name in ("high", "low", "exponent", "error", "undefined")}
    return Truth(**parts)
