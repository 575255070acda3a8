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

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reference.arguments import cotangent_for, floating, known, one_of, place, refuse_flushing
from reference.comparison import LEAST, Allowed, Bound, Comparison
from reference.forward import DOUBLE_DOUBLE, FLOAT64, MIDDLE
from reference.lanes import Lanes, blocks_of
from reference.question import Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from reference.formats import Format
    from reference.forward import Speed
    from reference.lanes import At
    from reference.twofold import Numbers

    Mask = NDArray[np.bool_]

OPS = ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp")


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
    undefined: Mask
    escalated: int = 0
    _question: Question | None = None
    _speed: Speed = DOUBLE_DOUBLE
    _widest: Mask | None = None
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
        return self._each(lambda lanes, _: lanes.rounded(format))

    def decided(self, format: Format) -> Mask:
        """Where the error bound does not reach across the middle between two numbers of the format."""
        self._refuse_wider(format)

        def decided(lanes: Lanes, _: At) -> Mask:
            return lanes.decided(format)

        found = self._each(decided)
        return self._each(decided) if self._settle(~found) else found

    def ulp(self, format: Format) -> Numbers:
        """The unit in the last place that the format has at the truth.

        Where it is not known on which side of a power of two the truth is, that of the binade below; where not even its
        sign is known, that of the number which stands for it.
        """
        self._refuse_wider(format)
        self._settle(self._each(lambda lanes, _: lanes.quantum(format, -1) != lanes.quantum(format, 1)))
        return self._each(lambda lanes, _: np.ldexp(1.0, lanes.quantum(format, -1)))

    def error_ulps(self, got: ArrayLike, format: Format) -> Numbers:
        """|got - truth| in units of the format's last place at the truth; below one only where it surely is.

        An infinity or a NaN that is right has error zero, one that is wrong an infinite one; where the truth is
        undefined, so is the error, and it is NaN.  The unit is that of :meth:`ulp`; an answer that overflowed is one unit
        beyond the largest number, and so is a truth that is larger.

        Raises
        ------
        TypeError
            For answers that are not floating numbers, as every method that takes answers does.
        ValueError
            For answers of a shape that does not broadcast to that of the question.
        """
        self._refuse_wider(format)
        got = self._answers(got)

        def unit(lanes: Lanes, _: At) -> Allowed:
            return Allowed(lanes.quantum(format, -1), 0.0, 1.0, lanes.quantum(format, 1))

        share = self._share(got, unit)
        if not format.has_inf:
            share = np.where(np.isinf(self.high) & ~self.undefined, np.where(np.isnan(got), 0.0, np.inf), share)
        odd = ~np.isfinite(got) & np.isfinite(self.high)
        if not odd.any():
            return share

        def in_doubt(lanes: Lanes, at: At) -> Mask:
            excess, doubt = lanes.beyond_the_largest(format)
            return np.asarray(odd[at] & (np.abs(excess) < doubt))

        def overflowed(lanes: Lanes, at: At) -> Numbers:
            excess, doubt = lanes.beyond_the_largest(format)
            same = np.isnan(got[at]) | (np.signbit(got[at]) == np.signbit(lanes.high))
            right = odd[at] & same & (np.isnan(got[at]) != format.has_inf) & (excess >= doubt) & (excess > 0)
            return np.where(right, np.clip(1 - excess, 0.0, np.nextafter(1.0, 0.0)), share[at])

        self._settle(self._each(in_doubt))
        return self._each(overflowed)

    def error_over(self, bound: Bound, got: ArrayLike) -> Numbers:
        """|got - truth| as a share of ``bound.relative·|truth| + bound.absolute``; at most one only where it surely is.

        What is not finite is treated as :meth:`error_ulps` does, but that an infinity is infinitely far from a number,
        whatever the format: an overflow is for :meth:`rounded` or :meth:`faithful` to judge.

        Raises
        ------
        TypeError, ValueError
            For what is no bound, one of another shape, or one that is negative.
        """
        if not isinstance(bound, Bound):
            raise TypeError(f"bound: a reference.Bound is needed, not {bound!r}")
        relative, absolute = (
            self._of_this_shape(floating(part, "bound"), "bound") for part in (bound.relative, bound.absolute)
        )
        if (relative < 0).any() or (absolute < 0).any():
            raise ValueError("bound: an error that is allowed is not negative")
        hidden = self._hidden()

        def at_its_size(lanes: Lanes, at: At) -> Allowed:
            nothing = np.where(lanes.error > 0, hidden[at], LEAST)
            top = np.where(lanes.high == 0, nothing, np.frexp(lanes.high)[1].astype(np.int64) + lanes.exponent)
            top = np.maximum(top, np.where(absolute[at] == 0, LEAST, np.frexp(absolute[at])[1]))
            return Allowed(top, relative[at], np.ldexp(absolute[at], -top))

        return self._share(self._answers(got), at_its_size)

    def faithful(self, got: ArrayLike, format: Format) -> Mask:
        """Lanes of ``got`` less than one unit in the last place away."""
        return np.asarray(self.error_ulps(got, format) < 1)

    def within(self, bound: Bound, got: ArrayLike) -> Mask:
        """Lanes of ``got`` whose error is at most the bound."""
        return np.asarray(self.error_over(bound, got) <= 1)

    def _answers(self, got: ArrayLike) -> Numbers:
        return self._of_this_shape(floating(got, "got"), "got")

    def _of_this_shape(self, array: Numbers, name: str) -> Numbers:
        try:
            return np.broadcast_to(array, self.high.shape)
        except ValueError:
            raise ValueError(
                f"{name}: its shape {array.shape} is not that of the question, {self.high.shape}"
            ) from None

    def _refuse_wider(self, format: Format) -> None:
        known(format)
        if self._question and _speed(self._question.op, format).reach > self._speed.reach:
            raise ValueError(f"format: this truth was computed for a narrower one; ask truth() for {format.name}")

    def _each(self, function: Callable[[Lanes, At], NDArray[Any]]) -> NDArray[Any]:
        """What a function says of the lanes, asked of a block at a time."""
        refuse_flushing()
        found = None
        with np.errstate(all="ignore"):
            for at in blocks_of(self.high.shape):
                said = function(self._lanes(at), at)
                if found is None:
                    found = np.empty(self.high.shape, said.dtype)
                found[at] = said
        assert found is not None
        return found

    def _lanes(self, at: At) -> Lanes:
        return Lanes(self.high[at], self.low[at], self.exponent[at], self.error[at])

    def _share(self, got: Numbers, allowed: Callable[[Lanes, At], Allowed]) -> Numbers:
        """The error as a share of what is allowed, each lane known widely enough to say on which side of one it is."""
        hidden = self._hidden()

        def compare(lanes: Lanes, at: At) -> Comparison:
            return Comparison.of(got[at], lanes, hidden[at], allowed(lanes, at))

        close = np.zeros(self.high.shape, np.bool_)

        def first(lanes: Lanes, at: At) -> Numbers:
            compared = compare(lanes, at)
            close[at] = compared.close
            return compared.share

        share = self._each(first)
        if close.any():
            widened = self._settle(close)
            hidden = self._hidden()
            share = self._each(
                lambda lanes, at: compare(lanes, at).settled() if widened or close[at].any() else share[at]
            )
        odd = ~(np.isfinite(got) & np.isfinite(self.high))
        if odd.any():
            right = (got == self.high) | (np.isnan(got) & np.isnan(self.high))
            share = np.where(odd, np.where(right, 0.0, np.inf), share)
        return np.where(self.undefined, np.nan, share) if self.undefined.any() else share

    def _hidden(self) -> NDArray[np.int64]:
        """The exponent of a power of two that is larger than what a zero with an error of one stands for."""
        forward = self._question is not None and not self._question.op.endswith("_vjp")

        # Below exp(-reach) is each lane, a winner's log-probability at most 2**161 times that, and a cotangent, or the sum
        # of 2**40 of them, below 2**1064.
        def below(reach: float) -> int:
            return (161 if forward else 1100) - math.floor(reach / math.log(2))

        if self._widest is None or self._question is None:
            return np.broadcast_to(np.int64(below(self._speed.reach)), self.high.shape)
        rows = np.where(self._widest, below(DOUBLE_DOUBLE.reach), below(self._speed.reach))
        lanes = np.broadcast_to(np.expand_dims(rows, self._question.axis), self._question.x.shape)
        return lanes.reshape(self.high.shape)

    def _settle(self, undecided: Mask) -> bool:
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
    one_of(OPS, op, "op")
    x = floating(x, "x")
    axis = place(axis, x.ndim)
    g = cotangent_for(op, x, cotangent)
    speed = DOUBLE_DOUBLE if format is None else _speed(op, known(format))
    if speed is not DOUBLE_DOUBLE:  # rows may be computed again later, and the caller's arrays are the caller's
        x, g = x.copy(), None if g is None else g.copy()
    question = Question(op, np.atleast_1d(x), axis, None if g is None else np.atleast_1d(g))
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
