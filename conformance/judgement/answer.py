"""What does the judge look at?  One batch answered, beside the truth, as whole arrays.

Every array has the shape of the question.  An element is called a *lane*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reference.bounds import bounds, flush_allowed, row_sum_bound
from reference.truth import truth
from reference.twofold import total

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from conformance.values import Batch
    from reference.comparison import Bound
    from reference.formats import Format
    from reference.truth import Truth

    Lanes = NDArray[np.bool_]
    Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """A batch with its truth and bounds: computed once, and used for every target that is asked."""

    batch: Batch

    @property
    def format(self) -> Format:
        """The format of input and answer."""
        return self.batch.format

    @cached_property
    def truth(self) -> Truth:
        """What ``reference`` says."""
        return truth(self.batch.op, self.batch.values, self.batch.axis, format=self.format)

    @property
    def escalated(self) -> int:
        """Rows whose truth had to be computed again; none while nobody has asked for it."""
        return self.truth.escalated if "truth" in vars(self) else 0

    @cached_property
    def expected(self) -> Numbers:
        """The truth, correctly rounded to the format."""
        return self.truth.rounded(self.format)

    @cached_property
    def decided(self) -> Lanes:
        """Lanes where the truth is known well enough to say how it rounds."""
        return self.truth.decided(self.format)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The places of each row's logits from the smallest to the largest, equal ones in their own order."""
        return np.argsort(self.batch.values, axis=self.batch.axis, kind="stable")

    @cached_property
    def row_sum_bound(self) -> Numbers:
        """How far a row's sum may be from 1, by the loose bound; the axis kept with length one."""
        return row_sum_bound(self.batch.op, self.batch.values, self.batch.axis, format=self.format)

    @cached_property
    def stable(self) -> Bound:
        """The bound of the grade *stable*."""
        return bounds(self.batch.op, self.batch.values, self.batch.axis, format=self.format, grade="stable")

    @cached_property
    def loose(self) -> Bound:
        """The bound of the grade *loose*."""
        return bounds(self.batch.op, self.batch.values, self.batch.axis, format=self.format, grade="loose")


@dataclass(frozen=True)
class Answer:
    """What a target returned to a question, decoded to float64."""

    question: Question
    got: Numbers

    @property
    def op(self) -> str:
        """The op that was asked."""
        return self.question.batch.op

    @property
    def x(self) -> Numbers:
        """The logits."""
        return self.question.batch.values

    @property
    def axis(self) -> int:
        """The axis of the rows."""
        return self.question.batch.axis

    @property
    def expected(self) -> Numbers:
        """The truth, correctly rounded to the format."""
        return self.question.expected

    @cached_property
    def defined(self) -> Lanes:
        """Lanes where one answer is right; elsewhere it is a policy."""
        return np.asarray(~self.question.truth.undefined)

    @cached_property
    def excess(self) -> Numbers:
        """Σp - 1, or Σexp(y) - 1, along each row, kept as an axis of length one; NaN where a lane is not finite.

        Summed in pairs, so that the sum itself adds no error to the one it looks for.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            p = np.exp(self.got) if self.op == "log_softmax" else self.got
            high, low = total((p, np.zeros_like(p)), self.axis)
            return np.asarray((high - 1.0) + low)

    @cached_property
    def error_over_loose(self) -> Numbers:
        """Error divided by the loose bound."""
        return self.question.truth.error_over(self.question.loose, self.got)

    @cached_property
    def error_over_stable(self) -> Numbers:
        """Error divided by the stable bound."""
        return self.question.truth.error_over(self.question.stable, self.got)

    @cached_property
    def error_ulps(self) -> Numbers:
        """Error in units of the truth's last place."""
        return self.question.truth.error_ulps(self.got, self.question.format)

    @cached_property
    def overflow_allowed(self) -> Lanes:
        """Lanes whose truth is so near the largest finite number that a legal error reaches ±inf."""
        bound, size = self.question.loose, np.abs(self.question.truth.nearest)
        with np.errstate(over="ignore"):
            return np.isinf(self.question.format.quantise(size + bound.relative * size + bound.absolute))

    @cached_property
    def nonfinite_wrong(self) -> Lanes:
        """Lanes where NaN and infinity stand in the wrong place, or with the wrong sign."""
        got, expected = self.got, self.expected
        legal_infinity = np.isinf(got) & self.overflow_allowed & (np.signbit(got) == np.signbit(expected))
        nearly_infinite = np.isfinite(got) & np.isinf(expected) & self.within_loose
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        either = ~np.isfinite(got) | ~np.isfinite(expected)
        return np.asarray(either & ~same & ~legal_infinity & ~nearly_infinite & self.defined)

    @cached_property
    def flushed(self) -> Lanes:
        """Lanes where zero was returned for a truth that is, within its bound, subnormal: a policy."""
        allowed = flush_allowed(self.question.truth, self.question.stable, self.question.format)
        return np.asarray((self.got == 0) & allowed & (self.expected != 0))

    @cached_property
    def flushed_loosely(self) -> Lanes:
        """Lanes where only the loose bound lets the truth be subnormal: an error on the way, and then a flush."""
        allowed = flush_allowed(self.question.truth, self.question.loose, self.question.format)
        return np.asarray((self.got == 0) & allowed & (self.expected != 0) & ~self.flushed)

    @cached_property
    def exact(self) -> Lanes:
        """Lanes that are the correctly rounded truth; where even the widest truth is undecided there is none."""
        return np.asarray((self.got == self.expected) & self.question.decided)

    @cached_property
    def faithful(self) -> Lanes:
        """Lanes less than one unit in the last place away."""
        return np.asarray(self.error_ulps < 1)

    @cached_property
    def within_loose(self) -> Lanes:
        """Lanes within the loose bound."""
        return np.asarray(self.error_over_loose <= 1)

    @cached_property
    def stable(self) -> Lanes:
        """Lanes within the stable bound, or faithful."""
        return np.asarray((self.error_over_stable <= 1) | self.faithful)

    @cached_property
    def loose(self) -> Lanes:
        """Lanes within the loose bound, or better."""
        return np.asarray(self.stable | self.within_loose | self.flushed_loosely)

    @cached_property
    def lost_normal(self) -> Lanes:
        """Zeros for a probability that no bound lets be subnormal."""
        if self.op == "log_softmax":  # a log-probability near zero may be lost within its absolute bound
            return np.zeros(self.got.shape, dtype=bool)
        return np.asarray(self.measured & (self.got == 0) & (self.expected != 0) & ~self.loose)

    @cached_property
    def measured(self) -> Lanes:
        """Lanes whose accuracy is graded: finite on both sides, and not a policy."""
        finite = np.isfinite(self.got) & np.isfinite(self.expected)
        return np.asarray(finite & self.defined & ~self.flushed)

    def steps_where(self, rule: Callable[[Numbers, Numbers], Lanes]) -> Lanes:
        """Lanes where ``rule(step of the logit, step of the answer)`` holds, up the sorted logits of each row.

        A lane is compared with the next smaller (or equal) logit of its row; both answers are finite.
        """
        order = self.question.order
        up = np.take_along_axis(self.got, order, self.axis)
        with np.errstate(invalid="ignore", over="ignore"):
            dx = np.diff(np.take_along_axis(self.x, order, self.axis), axis=self.axis)
            dy = np.diff(up, axis=self.axis)
        lanes = np.zeros(self.x.shape, dtype=bool)
        upper = np.take(order, np.arange(1, order.shape[self.axis]), axis=self.axis)
        np.put_along_axis(lanes, upper, rule(dx, dy) & np.isfinite(dy), self.axis)
        return np.asarray(lanes & self.defined)
