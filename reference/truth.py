"""The truth: softmax, log_softmax and their vjps as pairs of float64 with an exponent and an error bound.

A truth is computed at the cheapest speed (:mod:`reference.forward`) that is good enough for the format that will be
judged.  It is frozen: where its error bound reaches across the boundary that a verdict hangs on, the verdict computes
those rows again in double-double arithmetic, and keeps nothing of them.  :meth:`Truth.decisive`, :meth:`Truth.settled`
and :meth:`Truth.widened` return the wider truth as another value, for those who have more to ask of it.

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

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from reference import verdicts
from reference.arguments import cotangent_for, floating, known, one_of, place
from reference.flushing import refuse_flushing
from reference.forward import DOUBLE_DOUBLE, Output
from reference.question import Question, speed_for

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from reference.comparison import Bound
    from reference.formats import Format
    from reference.forward import Speed
    from reference.twofold import Numbers

    Mask = NDArray[np.bool_]

_Number = TypeVar("_Number", bound=np.generic)

OPS = ("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp")


@dataclass(frozen=True, eq=False)
class Truth:
    """(high + low)·2**exponent is true to ``error``·|high|·2**exponent; all arrays have the shape of the question.

    The arrays of what :func:`truth` returns, and of what is wider, are read-only.

    Attributes
    ----------
    high, low
        float64, a pair: |low| ≤ ulp(high)/2.
    exponent
        int32.
    error
        float64, bound of the error, relative to the high part.  Where ``high`` is zero and ``error`` is one
        (:data:`reference.sentinels.UNDERFLOWED`), the truth is no zero, has the sign of that zero, and is below every
        format it may be asked about; where ``error`` is above one, its sign is not known.
    undefined
        bool, lanes where no single answer is right.
    wide
        bool, rows that are in double-double arithmetic; the axis is kept with length one.
    question
        What a wider truth is computed from; None in a truth that was computed in double-double arithmetic at once.
    speed
        Of the rows that are not wide.
    """

    high: Numbers
    low: Numbers
    exponent: NDArray[np.int32]
    error: Numbers
    undefined: Mask
    wide: Mask = field(default_factory=lambda: np.ones((), np.bool_))
    question: Question | None = field(default=None, repr=False)
    speed: Speed = field(default=DOUBLE_DOUBLE, repr=False)

    @property
    def escalated(self) -> int:
        """How many rows were computed twice: at a cheaper speed, and again in double-double arithmetic."""
        return 0 if self.question is None else int(np.count_nonzero(self.wide))

    @property
    def nearest(self) -> Numbers:
        """The truth as float64; it may overflow or underflow there."""
        refuse_flushing()
        with np.errstate(all="ignore"):
            return np.asarray(np.ldexp(self.high, self.exponent))

    def widened(self, lanes: Mask) -> Truth:
        """Compute the rows of the chosen lanes again in double-double arithmetic, as another truth.

        Where those rows are wide already, as all are in a truth without a format, it is this one.

        Parameters
        ----------
        lanes
            bool, of a shape that broadcasts to that of the question, as :attr:`wide` does.

        Raises
        ------
        TypeError, ValueError
            For lanes that are not bool, or of another shape.
        FlushesSubnormals
            On a thread that flushes subnormal numbers.
        """
        if np.asarray(lanes).dtype != np.bool_:
            raise TypeError(f"lanes: a bool array is needed, not {np.asarray(lanes).dtype}")
        lanes, question = verdicts.of_the_shape(self.high.shape, np.asarray(lanes), "lanes"), self.question
        if question is None:
            return self
        shape, axis = question.x.shape, question.axis  # that of a 0-d array has one axis more
        rows = lanes.reshape(shape).any(axis=axis, keepdims=True)
        rows &= ~self.wide.reshape(rows.shape)
        if not rows.any():
            return self
        wide = self.wide | rows.reshape(self.wide.shape)
        if rows.all():  # nothing of the first answer is copied, nor are the rows
            return self._with(question.answer(DOUBLE_DOUBLE), wide)
        chosen = np.moveaxis(rows, axis, -1)[..., 0]
        again = question.rows(chosen).answer(DOUBLE_DOUBLE)

        def patched(part: NDArray[_Number], better: NDArray[_Number]) -> NDArray[_Number]:
            part = part.reshape(shape).copy()
            np.moveaxis(part, axis, -1)[chosen] = better
            return part

        answer = Output(
            patched(self.high, again.high),
            patched(self.low, again.low),
            patched(self.exponent, again.exponent),
            patched(self.error, again.error),
        )
        return self._with(answer, wide)

    def decisive(self, format: Format) -> Truth:
        """Compute again, as another truth, what roundings to a format and its units in the last place hang on.

        What even double-double arithmetic leaves undecided stays so.  The other truth gives the same verdicts, and
        computes nothing again for :meth:`rounded`, :meth:`decided` and :meth:`ulp`.

        Raises
        ------
        ValueError
            For a format that needs a wider truth than the one that was asked for; so does every other method that
            takes a format.
        """
        return verdicts.with_known_ulps(verdicts.decided(self, format)[0], format)

    def settled(self, got: ArrayLike, *against: Bound | Format) -> Truth:
        """Compute again, as another truth, what the errors of these answers hang on.

        The other truth gives the same verdicts on these answers, and computes nothing again for :meth:`error_over` of a
        bound that stands among ``against``, and for :meth:`error_ulps` of a format.

        Raises
        ------
        TypeError
            For what is neither a bound nor a format; and whatever those methods raise.
        """
        return verdicts.settled(self, got, against)

    def rounded(self, format: Format) -> Numbers:
        """Correctly rounded to the format: to nearest, ties to even, decided by the low part.

        Where :meth:`decided` is false, it is one of the two neighbours, if the error of the widest truth is below a unit
        in the last place; where the terms of a vjp cancel altogether that error is above one, and what is left is noise.
        """
        return verdicts.rounded(self, format)

    def decided(self, format: Format) -> Mask:
        """Where the error bound, that of the widest truth, does not reach across the middle between two numbers."""
        return verdicts.decided(self, format)[1]

    def ulp(self, format: Format) -> Numbers:
        """The unit in the last place that the format has at the truth.

        Where even the widest truth does not say on which side of a power of two it is, that of the binade below; where
        not even its sign is known, that of the number which stands for it.
        """
        return verdicts.ulp(self, format)

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
        return verdicts.error_ulps(self, got, format)

    def error_over(self, bound: Bound, got: ArrayLike) -> Numbers:
        """|got - truth| as a share of ``bound.relative·|truth| + bound.absolute``; at most one only where it surely is.

        What is not finite is treated as :meth:`error_ulps` does, but that an infinity is infinitely far from a number,
        whatever the format: an overflow is for :meth:`rounded` or :meth:`faithful` to judge.

        Raises
        ------
        TypeError, ValueError
            For what is no bound, one of another shape, or one that is negative.
        """
        return verdicts.error_over(self, got, bound)

    def faithful(self, got: ArrayLike, format: Format) -> Mask:
        """Lanes of ``got`` less than one unit in the last place away."""
        return np.asarray(self.error_ulps(got, format) < 1)

    def within(self, bound: Bound, got: ArrayLike) -> Mask:
        """Lanes of ``got`` whose error is at most the bound."""
        return np.asarray(self.error_over(bound, got) <= 1)

    def _with(self, answer: Output, wide: Mask) -> Truth:
        high, low, exponent, error = _parts(answer, self.high.shape)
        return replace(self, high=high, low=low, exponent=exponent, error=error, wide=_frozen(wide))


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
    speed = DOUBLE_DOUBLE if format is None else speed_for(op, known(format))
    if speed is not DOUBLE_DOUBLE:  # rows may be computed again later, and the caller's arrays are the caller's
        x, g = x.copy(), None if g is None else g.copy()
    question = Question(op, np.atleast_1d(x), axis, None if g is None else np.atleast_1d(g))
    answer = question.answer(speed)
    with np.errstate(all="ignore"):
        top = np.max(question.x, axis=axis, keepdims=True, initial=-np.inf)
        if question.cotangent is not None:  # a NaN among either outlasts an infinity
            top = np.maximum(np.abs(top), np.abs(question.cotangent).max(axis=axis, keepdims=True, initial=0.0))
    undefined = np.broadcast_to(np.isinf(top), question.x.shape).reshape(x.shape)
    wide = np.full(top.shape if x.ndim else (), speed is DOUBLE_DOUBLE)
    return Truth(
        *_parts(answer, x.shape),
        _frozen(undefined),
        _frozen(wide),
        question=question if speed is not DOUBLE_DOUBLE else None,
        speed=speed,
    )


def _parts(answer: Output, shape: tuple[int, ...]) -> tuple[Numbers, Numbers, NDArray[np.int32], Numbers]:
    high, low, exponent, error = answer.high, answer.low, answer.exponent, answer.error
    return (
        _frozen(high.reshape(shape)),
        _frozen(low.reshape(shape)),
        _frozen(exponent.reshape(shape)),
        _frozen(error.reshape(shape)),
    )


def _frozen(array: NDArray[_Number]) -> NDArray[_Number]:
    array.setflags(write=False)
    return array
