"""One answer to a question, measured lane by lane against the truth and its bounds.

Every array has the shape of the question unless it says otherwise, and every number is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import policies
from reference.twofold import total

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.judgement.question import Lanes, Numbers, Question
    from conformance.values import Choice
    from reference.ops import Op


@dataclass(frozen=True, eq=False)
class Answer:
    """What a target returned to a question; each property is computed at its first use.

    Attributes
    ----------
    got
        The answer, decoded to float64, of the shape of the question's logits.
    """

    question: Question
    got: Numbers

    @property
    def op(self) -> Op:
        """The op that was asked."""
        return self.question.op

    @property
    def x(self) -> Numbers:
        """The logits."""
        return self.question.x

    @property
    def axis(self) -> int:
        """The axis of the rows."""
        return self.question.axis

    @property
    def expected(self) -> Numbers:
        """The truth, correctly rounded to the format."""
        return self.question.expected

    @cached_property
    def finite(self) -> Lanes:
        """Lanes with a finite answer."""
        return np.isfinite(self.got)

    @cached_property
    def excess(self) -> Numbers:
        """Σp - 1, or Σexp(y) - 1, along each row, kept as an axis of length one; NaN where a lane is not finite.

        Only for an op that is a distribution.  Summed in pairs of float64, so that the sum itself adds no error to the
        one it looks for.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            p = np.exp(self.got) if self.op.log else self.got
            high, low = total((p, np.zeros_like(p)), self.axis)
            return np.asarray((high - 1.0) + low)

    @cached_property
    def row_sum(self) -> Numbers:
        """The sum of each row, kept as an axis of length one; NaN where a lane is not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            high, low = total((self.got, np.zeros_like(self.got)), self.axis)
            return np.asarray(high + low)

    @cached_property
    def error_over_stable(self) -> Numbers:
        """Error divided by the stable bound; NaN where the truth is undefined."""
        return self.question.error_over_stable(self.got)

    @cached_property
    def error_over_loose(self) -> Numbers:
        """Error divided by the loose bound; NaN where the truth is undefined."""
        return self.question.error_over_loose(self.got)

    @cached_property
    def error_ulps(self) -> Numbers:
        """Error in units of the format's last place at the truth; NaN where the truth is undefined."""
        return self.question.error_ulps(self.got)

    @cached_property
    def within_loose(self) -> Lanes:
        """Lanes within the loose bound."""
        return np.asarray(self.error_over_loose <= 1)

    @cached_property
    def nonfinite_wrong(self) -> Lanes:
        """Lanes where NaN and infinity stand in the wrong place, or with the wrong sign."""
        got, expected = self.got, self.expected
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        wrong = ~(self.finite & self.question.finite) & ~same & self.question.defined
        # Two lanes of a kind are legal, and so rare that their bounds are computed only where they occur.
        if (wrong & np.isinf(got)).any():
            wrong &= ~(np.isinf(got) & self.question.overflow_allowed & (np.signbit(got) == np.signbit(expected)))
        if (wrong & self.finite).any():
            wrong &= ~(self.finite & np.isinf(expected) & self.within_loose)
        return np.asarray(wrong)

    @cached_property
    def _lost(self) -> Lanes:
        """Lanes where zero was returned for another number."""
        return np.asarray((self.got == 0) & (self.expected != 0))

    @cached_property
    def flushed(self) -> Lanes:
        """Lanes where zero was returned for a truth that is, within the stable bound, subnormal: a policy.

        A zero that is itself within the stable bound is a rounding and no flush, and is measured like any other answer.
        Of a vjp, lanes where what was flushed on the way explains an error that no bound allows are flushed as well.
        """
        found = self._lost
        if found.any():
            found = found & self.question.flush_allowed & (self.error_over_stable > 1)
        if self.op.is_distribution:
            return found
        both = self.finite & self.question.finite & self.question.defined
        if not (both & ~(self.error_over_stable <= 1)).any():
            return found
        beyond = both & ~(self.error_over_stable <= 1) & ~self.faithful & ~self.within_loose
        if not beyond.any():
            return found
        return np.asarray(found | (beyond & (self.question.error_over_flushing(self.got) <= 1)))

    @cached_property
    def flushed_loosely(self) -> Lanes:
        """Lanes where only the loose bound lets the truth be subnormal: an error on the way, and then a flush."""
        lost = self._lost & ~self.flushed
        return lost & self.question.loose_flush_allowed if lost.any() else lost

    @cached_property
    def measured(self) -> Lanes:
        """Lanes whose accuracy is graded: finite on both sides, and no flush, which is a policy."""
        return np.asarray(self.finite & self.question.finite & self.question.defined & ~self.flushed)

    @cached_property
    def exact(self) -> Lanes:
        """Lanes that are the correctly rounded truth; none where even the widest truth leaves the rounding undecided."""
        return np.asarray((self.got == self.expected) & self.question.decided)

    @cached_property
    def faithful(self) -> Lanes:
        """Lanes less than one unit in the last place away."""
        return np.asarray(self.error_ulps < 1)

    @cached_property
    def stable(self) -> Lanes:
        """Lanes within the stable bound, or faithful."""
        return np.asarray((self.error_over_stable <= 1) | self.faithful)

    @cached_property
    def loose(self) -> Lanes:
        """Measured lanes within the loose bound, or better."""
        measured = self.measured
        found = measured & self.stable
        if np.array_equal(found, measured):  # the usual answer, which needs no loose bound
            return found
        return np.asarray(measured & (self.stable | self.within_loose | self.flushed_loosely))

    @cached_property
    def lost_normal(self) -> Lanes:
        """Measured lanes with a zero for a number that no bound lets be subnormal.

        None for an op whose zero is the upper end of its range: for a log-probability it is p = 1, an answer like any other.
        """
        if self.op.highest == 0 or not self._lost.any():
            return np.zeros(self.got.shape, dtype=bool)
        return np.asarray(self.measured & self._lost & ~self.loose)

    @cached_property
    def row_choices(self) -> Mapping[Choice, Lanes]:
        """Choice → the rows, the axis kept with length one, that make it; see :func:`policies.row_choices`."""
        return policies.row_choices(self)

    @cached_property
    def _steps(self) -> Numbers:
        return self.question.steps_of(self.got)

    def steps_where(self, rule: Callable[[Numbers, Numbers], Lanes]) -> Lanes:
        """Lanes where ``rule(step of the logit, step of the answer)`` holds, up the sorted logits of each row.

        A lane is compared with the next smaller (or equal) logit of its row; both answers are finite.
        """
        broken = rule(self.question.steps, self._steps) & np.isfinite(self._steps)
        return np.asarray(self.question.upper(broken) & self.question.defined)
