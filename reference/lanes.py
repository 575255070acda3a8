"""Finds where pairs with an exponent and an error lie among the numbers of a format, a block at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reference.sentinels import UNDERFLOWED
from reference.twofold import two_sum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    from numpy.typing import NDArray

    from reference.formats import Format
    from reference.twofold import Numbers, Pair

    At = tuple[slice, ...] | EllipsisType

_BLOCK = 2**17
"""Lanes that are looked at at a time."""


def blocks_of(shape: tuple[int, ...]) -> Iterator[At]:
    """Where the blocks of an array of that shape are, cut along its longest axis."""
    if not shape:
        yield ...
        return
    axis = shape.index(max(shape))
    step = max(1, _BLOCK * shape[axis] // max(1, np.prod(shape, dtype=int)))
    for start in range(0, max(1, shape[axis]), step):
        yield (*[slice(None)] * axis, slice(start, start + step))


class Lanes(NamedTuple):
    """(high + low)·2**exponent, true to ``error``, relative to the high part; see :class:`reference.truth.Truth`."""

    high: Numbers
    low: Numbers
    exponent: NDArray[np.int32]
    error: Numbers

    def quantum(self, format: Format, side: int = 0) -> NDArray[np.int64]:
        """The exponent of the format's last place here; at one end of where the truth may be for a side of ±1."""
        fraction, top = np.frexp(self.high)
        low = np.ldexp(self.low, -top) * np.sign(fraction)
        fraction = np.abs(fraction)
        low = low + side * fraction * np.where(self.error < UNDERFLOWED, self.error, 0.0)
        # A power of two less something lies in the binade below, whose numbers are twice as dense.
        step = ((fraction - 1) + low >= 0).astype(np.int64) - ((fraction - 0.5) + low < 0)
        top = top.astype(np.int64) - 1 + step + self.exponent
        return np.clip(np.where(self.high == 0, format.emin, top), format.emin, format.emax) - format.precision + 1

    def _in_quanta(self, quantum: NDArray[np.int64]) -> Pair:
        shift = self.exponent - quantum
        return np.ldexp(self.high, shift), np.ldexp(self.low, shift)

    def rounded(self, format: Format) -> Numbers:
        """To nearest, ties to even, decided by the low part."""
        quantum = self.quantum(format)
        high, low = self._in_quanta(quantum)
        whole = np.rint(high)
        # Rounded once by the high part; the low part may say that it was a step too few.
        rest, tail = two_sum(high - whole, low)
        half = np.abs(rest) == 0.5
        beyond = (np.abs(rest) > 0.5) | (half & (np.sign(tail) == np.sign(rest)))
        tie = half & (tail == 0) & (np.fmod(whole, 2) != 0)
        step = np.where(beyond | tie, np.sign(rest), 0.0)
        value = np.ldexp(whole + step, quantum)
        value = np.where(np.abs(value) > format.max, format.overflow, value)
        beyond = np.where(np.isinf(self.high), format.overflow, self.high)
        return np.asarray(np.copysign(np.where(np.isfinite(self.high), value, beyond), self.high))

    def decided(self, format: Format) -> NDArray[np.bool_]:
        """Where the error does not reach across the middle between two numbers."""
        quantum = self.quantum(format)
        high, low = self._in_quanta(quantum)
        rest = high - np.rint(high)
        # rest ± ½ is exact, and the low part, if it is not below 2**-1060, says on which side of the middle the truth is.
        # Touching the middle is no doubt: an error is always smaller than its bound.
        off = np.minimum(np.abs((rest - 0.5) + low), np.abs((rest + 0.5) + low))
        # Below a power of two the middle is half as far, if there is a binade below.
        above = (np.abs(high) - 2.0 ** (format.precision - 1)) + np.copysign(low, low * high)
        off = np.where(quantum > format.emin - format.precision + 1, np.minimum(off, np.abs(above + 0.25)), off)
        # From there on the error is no size; of a zero it says that the truth is below every format, with that sign.
        off = np.where(self.error < UNDERFLOWED, off, 0.0)
        exact = ((self.high == 0) & (self.error <= UNDERFLOWED)) | ~np.isfinite(self.high) | (self.error == 0)
        beyond = np.abs(high) * (1 - self.error) > 2.0**format.precision  # the next binade is no number
        reach = np.abs(high) * self.error * (1 - 2.0**-49)  # no other middle is so near; see the page
        return np.asarray((off >= reach) & (off > 0) | exact | beyond)

    def beyond_the_largest(self, format: Format) -> Pair:
        """By how much the number is larger than the largest, in its last places, and how far off that may be."""
        high, low = self._in_quanta(np.asarray(format.emax - format.precision + 1))
        size = np.abs(high)
        largest = np.ldexp(format.max, format.precision - 1 - format.emax)
        return (size - largest) + np.copysign(low, low * high), size * self.error
