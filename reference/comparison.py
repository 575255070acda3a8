"""Compares errors of answers with what is allowed: in float64, and exactly where that is too near to say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reference.sentinels import UNDERFLOWED
from reference.twofold import two_product

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format
    from reference.lanes import At, Lanes
    from reference.twofold import Numbers

    Ruler = Callable[[Lanes, NDArray[np.int64], At], "Allowed"]
    """What is allowed in a block of lanes; of a zero with an error, the truth is below 2 to the second argument."""

_ROUNDING = 2.0**-50
"""Relative error of the float64 steps that compare an answer with the truth: five roundings."""

_NEGLIGIBLE = 2.0**-900
"""Beside one, if no relative bound is larger than 2**100; of what is smaller nothing is used but its sign."""

LEAST = -(2**30)
"""The exponent of nothing."""


@dataclass(frozen=True, eq=False)
class Bound:
    """|got - true| ≤ relative·|true| + absolute, elementwise; both of the shape of the question."""

    relative: Numbers
    absolute: Numbers


class Allowed(NamedTuple):
    """An error of relative·|truth| + absolute·2**exponent; all that is compared is divided by 2**exponent first.

    ``most`` is the exponent that it may have as far as the truth is known, where that is not all the same.
    """

    exponent: NDArray[np.int64]
    relative: ArrayLike
    absolute: ArrayLike
    most: NDArray[np.int64] | None = None


def units_of(format: Format) -> Ruler:
    """Allow one unit in the last place that a format has at the truth."""

    def ruler(lanes: Lanes, _hidden: NDArray[np.int64], _at: At) -> Allowed:
        return Allowed(lanes.quantum(format, -1), 0.0, 1.0, lanes.quantum(format, 1))

    return ruler


def share_of(relative: Numbers, absolute: Numbers) -> Ruler:
    """Allow relative·|truth| + absolute; both of the shape of the question."""

    def ruler(lanes: Lanes, hidden: NDArray[np.int64], at: At) -> Allowed:
        nothing = np.where(lanes.error > 0, hidden, LEAST)
        top = np.where(lanes.high == 0, nothing, np.frexp(lanes.high)[1].astype(np.int64) + lanes.exponent)
        top = np.maximum(top, np.where(absolute[at] == 0, LEAST, np.frexp(absolute[at])[1]))
        return Allowed(top, relative[at], np.ldexp(absolute[at], -top))

    return ruler


@dataclass(frozen=True, eq=False)
class Comparison:
    """Answers beside a truth that is wrong by at most ``doubt``; all arrays of one shape, divided by one power of two.

    Attributes
    ----------
    share
        |got - truth| / (relative·|truth| + absolute), to float64.
    close
        Where it is not known from that on which side of one it is.
    """

    got: Numbers
    high: Numbers
    low: Numbers
    relative: Numbers
    absolute: Numbers
    doubt: Numbers
    share: Numbers
    close: NDArray[np.bool_]

    @staticmethod
    def of(got: Numbers, truth: Lanes, hidden: NDArray[np.int64], allowed: Allowed) -> Comparison:
        """Compare in float64; 2**hidden is more than what a zero may stand for."""
        high, low = (np.ldexp(part, truth.exponent - allowed.exponent) for part in (truth.high, truth.low))
        relative, absolute = (np.broadcast_to(part, high.shape) for part in (allowed.relative, allowed.absolute))
        doubt = truth.error * np.abs(high)
        # A truth that is as good as nothing beside one, or a zero with an error, lies between zero and twice this, if its
        # sign is known.
        tiny = (np.abs(high) < _NEGLIGIBLE) & ((truth.high != 0) | (truth.error > 0))
        half = np.where(truth.high == 0, np.maximum(np.ldexp(0.5, hidden - allowed.exponent), _NEGLIGIBLE), _NEGLIGIBLE)
        high, low = np.where(tiny, np.copysign(half, truth.high), high), np.where(tiny, 0.0, low)
        doubt = np.where(tiny, np.where(truth.error > UNDERFLOWED, 3.0, 1.0) * half, doubt)
        # So does such an answer.
        scaled = np.ldexp(got, -allowed.exponent)
        tiny = (np.abs(scaled) < _NEGLIGIBLE) & (got != 0)
        got, doubt = np.where(tiny, np.copysign(_NEGLIGIBLE, got), scaled), doubt + np.where(tiny, _NEGLIGIBLE, 0.0)
        size, doubt = np.abs(high), (1 + relative) * doubt
        off, room = np.abs((got - high) - low), relative * size + absolute
        share = np.where(off == 0, 0.0, off / room)
        far = doubt / room + _ROUNDING
        least = share if allowed.most is None else np.ldexp(share, allowed.exponent - allowed.most)
        close = (least - far <= 1) & (share + far >= 1)
        return Comparison(got, high, low, relative, absolute, doubt, share, close)

    def settled(self) -> Numbers:
        """The share, at most one only where that is sure, and one itself only where error and allowance are equal."""
        lanes = self.close
        got, high, low, relative, absolute, doubt = (
            part[lanes] for part in (self.got, self.high, self.low, self.relative, self.absolute, self.doubt)
        )
        off, size = np.copysign(1.0, (got - high) - low), np.copysign(1.0, high)
        terms = [off * got, -off * high, -off * low, -absolute]
        terms += [-size * term for part in (high, low) for term in two_product(relative, part)]
        # |got - truth| - allowed; fsum gives it the sign that it has.
        excess = np.fromiter(map(math.fsum, zip(*terms, strict=True)), float, count=len(got))
        # Touching the bound is no doubt: the truth's error is always smaller than its own.
        below, same = (excess < 0) & (excess <= -doubt), (excess == 0) & (doubt == 0)
        share, found = self.share.copy(), self.share[lanes]
        under, over = np.minimum(found, np.nextafter(1.0, 0.0)), np.maximum(found, np.nextafter(1.0, 2.0))
        share[lanes] = np.where(below, under, np.where(same, 1.0, over))
        return share
