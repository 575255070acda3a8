"""What is true?  softmax, log_softmax and their vjps as pairs of float64 with an exponent and an error bound.

A truth is computed at the cheapest speed (:mod:`reference.forward`) that is good enough for the format that will
be judged.  Whoever asks it for a verdict gets one: where its error bound reaches across a boundary, it computes
those rows again in double-double arithmetic by itself, and counts them.

Special values, by rule:

- a NaN in a row makes the whole row NaN;
- a logit of -inf beside a finite one has p = 0 and y = -inf;
- a row of nothing but -inf, or with a +inf, has no single right answer: it is *undefined*, a policy;
- so for a vjp: a NaN among the cotangents makes the whole row NaN, and an infinite one makes it *undefined*;
- of equal cotangents softmax_vjp is +0, under a mask too;
- an empty axis gives an empty result, and a 0-d array is one row of one element;
- the log-probability of the only unmasked logit is +0; one that is negative and too small for the format is -0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reference import blocks
from reference.arguments import cotangent_for, floating, known, place, refuse_flushing
from reference.comparison import LEAST, Allowed, Comparison
from reference.forward import DOUBLE_DOUBLE, FLOAT64, MIDDLE, Output, Pairs, solve
from reference.gradient import solve_vjp
from reference.twofold import two_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from reference.bounds import Bound
    from reference.formats import Format
    from reference.forward import Speed
    from reference.twofold import Numbers, Pair

    Lanes = NDArray[np.bool_]

OPS = ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp")


@dataclass(frozen=True)
class _Question:
    """What was asked, to ask a part of it again."""

    op: str
    x: Numbers
    axis: int
    cotangent: Numbers | None

    def rows(self, chosen: Lanes) -> _Question:
        """The chosen rows, side by side along a last axis."""

        def only(array: Numbers) -> Numbers:
            return np.moveaxis(array, self.axis, -1)[chosen]

        return _Question(self.op, only(self.x), 1, None if self.cotangent is None else only(self.cotangent))

    def answer(self, speed: Speed) -> Output:
        """Every row at one speed."""
        refuse_flushing()
        n = self.x.shape[self.axis]
        if self.x.size == 0:
            return Output.empty(self.x.shape)
        # Short rows lie along the first axis of a matrix, long ones along the second.
        axis = 0 if n <= blocks.SHORT else 1
        count = self.x.size // n

        def matrix(array: Numbers) -> Numbers:
            return np.moveaxis(array, self.axis, 0 if axis == 0 else -1).reshape(
                (n, count) if axis == 0 else (count, n)
            )

        x, g = matrix(self.x), None if self.cotangent is None else matrix(self.cotangent)
        out = Output.empty(x.shape)
        each_block = [
            (slice(None), slice(i, i + width)) if axis == 0 else (slice(i, i + width), slice(None))
            for width in [max(1, speed.block // n)]
            for i in range(0, count, width)
        ]
        with blocks.threads(self.x.size, speed.block) as share:
            # The threads share blocks, and a few long rows piece by piece.
            many = len(each_block) > 3
            over_blocks, over_pieces = (share, blocks.one_by_one) if many else (blocks.one_by_one, share)

            def one(at: tuple[slice, slice]) -> None:
                with np.errstate(all="ignore"):
                    block = np.ascontiguousarray(x[at])
                    if g is None:
                        solve(self.op, block, axis, speed, out[at], over_pieces)
                    else:
                        assert isinstance(speed, Pairs)  # a difference of float64 numbers would be none
                        solve_vjp(self.op, block, np.ascontiguousarray(g[at]), axis, speed, out[at], over_pieces)

            over_blocks(one, each_block)
        moved = np.moveaxis(self.x, self.axis, 0 if axis == 0 else -1).shape

        def back(part: NDArray[Any]) -> NDArray[Any]:
            return np.moveaxis(part.reshape(moved), 0 if axis == 0 else -1, self.axis)

        return Output(back(out.high), back(out.low), back(out.exponent), back(out.error))


@dataclass(eq=False)
class Truth:
    """(high + low)·2**exponent is true to ``error``·|high|·2**exponent; all arrays have the shape of the question.

    Attributes
    ----------
    high, low
        A pair: |low| ≤ ulp(high)/2.
    exponent
        int32.
    error
        Bound of the error, relative to the high part.  Where ``high`` is zero and ``error`` is one, the truth is no zero,
        has the sign of that zero, and is below every format it may be asked about; where ``error`` is above one, its
        sign is not known.
    undefined
        Lanes where no single answer is right.
    escalated
        How many rows were computed again in double-double arithmetic, because a verdict hung on it.
    """

    high: Numbers
    low: Numbers
    exponent: NDArray[np.int32]
    error: Numbers
    undefined: Lanes
    escalated: int = 0
    _question: _Question | None = None
    _speed: Speed = DOUBLE_DOUBLE
    _widest: Lanes | None = None
    """Rows that are in double-double arithmetic already."""

    @property
    def nearest(self) -> Numbers:
        """The truth as float64; it may overflow or underflow there."""
        refuse_flushing()
        with np.errstate(all="ignore"):
            return np.asarray(np.ldexp(self.high, self.exponent))

    def rounded(self, format: Format) -> Numbers:
        """Correctly rounded to the format: to nearest, ties to even, decided by the low part.

        Where :meth:`decided` is still false afterwards, it is one of the two neighbours, if ``error`` is below a unit
        in the last place; where the terms of a vjp cancel altogether ``error`` is above one, and what is left is noise.

        Raises
        ------
        ValueError
            For a format that needs a wider truth than the one that was asked for; so does every other method that
            takes a format.
        """
        self.decided(format)
        with np.errstate(all="ignore"):
            high, low, quantum = self._in_quanta(format)
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
        return np.copysign(np.where(np.isfinite(self.high), value, beyond), self.high)

    def decided(self, format: Format) -> Lanes:
        """Where the error bound does not reach across the middle between two numbers of the format."""
        lanes = self._decided(format)
        return self._decided(format) if self._settle(~lanes) else lanes

    def ulp(self, format: Format) -> Numbers:
        """The unit in the last place that the format has at the truth.

        Where it is not known on which side of a power of two the truth is, that of the binade below; where not even its
        sign is known, that of the number which stands for it.
        """
        refuse_flushing()
        with np.errstate(all="ignore"):
            self._settle(self._quantum(format, -1) != self._quantum(format, 1))
            return np.asarray(np.ldexp(1.0, self._quantum(format, -1)))

    def error_ulps(self, got: ArrayLike, format: Format) -> Numbers:
        """|got - truth| in units of the format's last place at the truth; below one only where it surely is.

        An infinity or a NaN that is right has error zero, one that is wrong an infinite one; where the truth is
        undefined, so is the error, and it is NaN.  The unit is that of :meth:`ulp`; an answer that overflowed is one unit
        beyond the largest number, and so is a truth that is larger.
        """
        got = floating(got, "got")

        def units() -> Allowed:
            return Allowed(self._quantum(format, -1), 0.0, 1.0, self._quantum(format, 1))

        share = self._share(got, units)
        if not format.has_inf:
            share = np.where(np.isinf(self.high) & ~self.undefined, np.where(np.isnan(got), 0.0, np.inf), share)
        odd = ~np.isfinite(got) & np.isfinite(self.high)
        if not odd.any():
            return share
        with np.errstate(all="ignore"):
            excess, doubt = self._beyond_the_largest(format)
            if self._settle(odd & (np.abs(excess) < doubt)):
                excess, doubt = self._beyond_the_largest(format)
            same = np.isnan(got) | (np.signbit(got) == np.signbit(self.high))
            overflowed = odd & same & (np.isnan(got) != format.has_inf) & (excess >= doubt) & (excess > 0)
            return np.where(overflowed, np.clip(1 - excess, 0.0, np.nextafter(1.0, 0.0)), share)

    def _beyond_the_largest(self, format: Format) -> Pair:
        """By how much the truth is larger than the largest number, in its last places, and how far off that may be."""
        place = format.emax - format.precision + 1
        high, low = np.ldexp(self.high, self.exponent - place), np.ldexp(self.low, self.exponent - place)
        size = np.abs(high)
        return (size - np.ldexp(format.max, -place)) + np.copysign(low, low * high), size * self.error

    def error_over(self, bound: Bound, got: ArrayLike) -> Numbers:
        """|got - truth| as a share of ``bound.relative·|truth| + bound.absolute``; at most one only where it surely is.

        What is not finite is treated as :meth:`error_ulps` does, but that an infinity is infinitely far from a number,
        whatever the format: an overflow is for :meth:`rounded` or :meth:`faithful` to judge.
        """

        def at_its_size() -> Allowed:
            nothing = np.where(self.error > 0, self._hidden(), LEAST)
            top = np.where(self.high == 0, nothing, np.frexp(self.high)[1].astype(np.int64) + self.exponent)
            top = np.maximum(top, np.where(bound.absolute == 0, LEAST, np.frexp(bound.absolute)[1]))
            return Allowed(top, bound.relative, np.ldexp(bound.absolute, -top))

        return self._share(got, at_its_size)

    def faithful(self, got: ArrayLike, format: Format) -> Lanes:
        """Lanes of ``got`` less than one unit in the last place away."""
        return np.asarray(self.error_ulps(got, format) < 1)

    def within(self, bound: Bound, got: ArrayLike) -> Lanes:
        """Lanes of ``got`` whose error is at most the bound."""
        return np.asarray(self.error_over(bound, got) <= 1)

    def _share(self, got: ArrayLike, allowed: Callable[[], Allowed]) -> Numbers:
        """The error as a share of what is allowed, each lane known widely enough to say on which side of one it is."""
        refuse_flushing()
        got = floating(got, "got")
        if np.broadcast_shapes(got.shape, self.high.shape) != self.high.shape:
            raise ValueError(f"got: its shape {got.shape} is not that of the question, {self.high.shape}")
        got = np.broadcast_to(got, self.high.shape)

        def compare() -> Comparison:
            truth = (self.high, self.low), self.exponent, self.error
            return Comparison.of(got, *truth, self._hidden(), allowed())

        with np.errstate(all="ignore"):
            compared = compare()
            if self._settle(compared.close):
                compared = compare()
            odd = ~(np.isfinite(got) & np.isfinite(self.high))
            right = (got == self.high) | (np.isnan(got) & np.isnan(self.high))
            share = np.where(odd, np.where(right, 0.0, np.inf), compared.settled())
            return np.where(self.undefined, np.nan, share)

    def _hidden(self) -> NDArray[np.int64]:
        """The exponent of a power of two that is larger than what a zero with an error of one stands for."""
        forward = self._question is not None and not self._question.op.endswith("_vjp")
        # Below exp(-reach) is each lane, a winner's log-probability at most 2**161 times that, and a cotangent, or the sum
        # of 2**40 of them, below 2**1064.
        reach = np.full(self.high.shape, self._speed.reach)
        if self._widest is not None and self._question is not None:
            rows = np.broadcast_to(np.expand_dims(self._widest, self._question.axis), self._question.x.shape)
            reach[rows.reshape(reach.shape)] = DOUBLE_DOUBLE.reach
        return np.asarray((161 if forward else 1100) - np.floor(reach / np.log(2)).astype(np.int64))

    def _quantum(self, format: Format, side: int = 0) -> NDArray[np.int64]:
        """The exponent of the format's last place at the truth; at one end of what the truth may be for a side of ±1."""
        if self._question and _speed(self._question.op, known(format)).reach > self._speed.reach:
            raise ValueError(f"format: this truth was computed for a narrower one; ask truth() for {format.name}")
        fraction, top = np.frexp(self.high)
        low = np.ldexp(self.low, -top) * np.sign(fraction)
        fraction = np.abs(fraction)
        low = low + side * fraction * np.where(self.error < 1, self.error, 0.0)
        # A power of two less something lies in the binade below, whose numbers are twice as dense.
        step = ((fraction - 1) + low >= 0).astype(np.int64) - ((fraction - 0.5) + low < 0)
        top = top.astype(np.int64) - 1 + step + self.exponent
        return np.clip(np.where(self.high == 0, format.emin, top), format.emin, format.emax) - format.precision + 1

    def _in_quanta(self, format: Format) -> tuple[Numbers, Numbers, NDArray[np.int64]]:
        refuse_flushing()
        quantum = self._quantum(format)
        shift = self.exponent - quantum
        return np.ldexp(self.high, shift), np.ldexp(self.low, shift), quantum

    def _decided(self, format: Format) -> Lanes:
        with np.errstate(all="ignore"):
            high, low, quantum = self._in_quanta(format)
            rest = high - np.rint(high)
            # rest ± ½ is exact, and the low part, however small, says on which side of the middle the truth is.
            # Touching the middle is no doubt: an error is always smaller than its bound.
            off = np.minimum(np.abs((rest - 0.5) + low), np.abs((rest + 0.5) + low))
            # Below a power of two the middle is half as far, if there is a binade below.
            above = (np.abs(high) - 2.0 ** (format.precision - 1)) + np.copysign(low, low * high)
            off = np.where(quantum > format.emin - format.precision + 1, np.minimum(off, np.abs(above + 0.25)), off)
            # An error of one says nothing of the sign.
            off = np.where(self.error < 1, off, 0.0)
            exact = ((self.high == 0) & (self.error <= 1)) | ~np.isfinite(self.high) | (self.error == 0)
            beyond = np.abs(high) * (1 - self.error) > 2.0**format.precision  # the next binade is no number
            reach = np.abs(high) * self.error * (1 - 2.0**-49)  # every bound has so much to spare; see the page
            return np.asarray((off >= reach) & (off > 0) | exact | beyond)

    def _settle(self, undecided: Lanes) -> bool:
        """Compute the rows of undecided lanes again in double-double arithmetic, each once; whether there were any."""
        question = self._question
        if question is None or not undecided.any():
            return False
        shape = question.x.shape  # that of a 0-d array has one axis more
        chosen = np.asarray(np.moveaxis(undecided.reshape(shape), question.axis, -1).any(axis=-1))
        if self._widest is not None:
            chosen &= ~self._widest
        if not chosen.any():
            return False
        self._widest = chosen if self._widest is None else self._widest | chosen
        self.escalated += int(chosen.sum())
        wide = question.rows(chosen).answer(DOUBLE_DOUBLE)
        for part, better in (
            (self.high, wide.high),
            (self.low, wide.low),
            (self.exponent, wide.exponent),
            (self.error, wide.error),
        ):
            np.moveaxis(part.reshape(shape), question.axis, -1)[chosen] = better
        return True


def truth(
    op: str, x: ArrayLike, axis: int = -1, *, format: Format | None = None, cotangent: ArrayLike | None = None
) -> Truth:
    """What ``op`` of ``x`` along ``axis`` is.

    Parameters
    ----------
    op
        softmax, log_softmax, softmax_vjp or log_softmax_vjp.
    x
        Floating logits of any shape; computed with as float64.
    axis
        The axis of the rows.
    format
        The format that will be judged, which chooses the speed; without one, double-double arithmetic.
    cotangent
        For a vjp, floating numbers of the shape of ``x``.

    Raises
    ------
    ValueError
        For an unknown op, a missing cotangent or one of another shape.
    TypeError
        For numbers that are not floating, an axis that is no integer, or a format that is none.
    numpy.exceptions.AxisError
        For an axis out of range.
    FlushesSubnormals
        If somebody set the processor to flush on this thread, as ``torch.set_flush_denormal(True)`` does.
    """
    if op not in OPS:
        raise ValueError(f"op: unknown {op!r}; known: {', '.join(OPS)}")
    x = floating(x, "x")
    axis = place(axis, x.ndim)
    g = cotangent_for(op, x, cotangent)
    speed = DOUBLE_DOUBLE if format is None else _speed(op, known(format))
    if speed is not DOUBLE_DOUBLE:  # rows may be computed again later, and the caller's arrays are the caller's
        x, g = x.copy(), None if g is None else g.copy()
    question = _Question(op, np.atleast_1d(x), axis, None if g is None else np.atleast_1d(g))
    answer = question.answer(speed)
    with np.errstate(all="ignore"):
        top = np.max(question.x, axis=axis, keepdims=True, initial=-np.inf)
        if question.cotangent is not None:  # a NaN among either outlasts an infinity
            top = np.maximum(np.abs(top), np.abs(question.cotangent).max(axis=axis, keepdims=True, initial=0.0))
    shape = x.shape
    return Truth(
        answer.high.reshape(shape),
        answer.low.reshape(shape),
        answer.exponent.reshape(shape),
        answer.error.reshape(shape),
        np.broadcast_to(np.isinf(top), question.x.shape).reshape(shape),
        _question=question if speed is not DOUBLE_DOUBLE else None,
        _speed=speed,
    )


def _speed(op: str, format: Format) -> Speed:
    """The cheapest speed whose error is far below the format's rounding; a vjp cancels, and takes the next one."""
    # No cheaper speed knows what is below 2**-486: see Truth._hidden.
    narrow = format.precision <= 24 and format.emin - format.precision > -486
    if op.endswith("_vjp"):
        return MIDDLE if narrow else DOUBLE_DOUBLE
    return FLOAT64 if narrow else MIDDLE
