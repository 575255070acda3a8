"""One op of one array, with its truth and its bounds: everything about a question that no answer changes.

Every array has the shape of the logits unless it says otherwise, and every number is float64.  An element is called a
*lane*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from conformance.judgement import rulers
from conformance.judgement.rulers import Pair, Ruler
from reference.bounds import flush_allowed
from reference.comparison import Bound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference.formats import Format
    from reference.ops import Op
    from reference.truth import Truth

    Lanes = NDArray[np.bool_]
    Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Question:
    """An op of an array of logits along an axis, answered in a format; each property is computed at its first use.

    Attributes
    ----------
    x
        The logits, float64; an array without an axis is taken for one row of one logit, of shape (1,).
    axis
        The axis of the rows.
    format
        The format of the answer.
    cotangent
        For a vjp, float64 of the shape of ``x``.
    """

    op: Op
    x: Numbers
    axis: int
    format: Format
    cotangent: Numbers | None = None

    def __post_init__(self) -> None:
        if self.x.ndim == 0:
            object.__setattr__(self, "x", self.x.reshape(1))
            object.__setattr__(self, "axis", 0)
            if self.cotangent is not None:
                object.__setattr__(self, "cotangent", self.cotangent.reshape(1))

    @cached_property
    def truth(self) -> Truth:
        """The truth, wide enough to say how it rounds to the format, and for all errors that were measured so far."""
        return self.op.truth(self.x, self.axis, format=self.format, cotangent=self.cotangent).decisive(self.format)

    @property
    def escalated(self) -> int:
        """How many rows had their truth computed twice, because a verdict hung on it; 0 before the first verdict."""
        return self.truth.escalated if "truth" in vars(self) else 0

    def error_over_stable(self, got: Numbers) -> Numbers:
        """The error of an answer divided by the stable bound; NaN where the truth is undefined."""
        return self._kept(rulers.error_over(self.truth, self._stable_ruler, self.stable, got))

    def error_over_loose(self, got: Numbers) -> Numbers:
        """The error of an answer divided by the loose bound; NaN where the truth is undefined."""
        return self._kept(rulers.error_over(self.truth, self._loose_ruler, self.loose, got))

    def error_ulps(self, got: Numbers) -> Numbers:
        """The error of an answer in units of the format's last place at the truth; NaN where the truth is undefined."""
        return self._kept(rulers.error_ulps(self.truth, self._ulp_ruler, self.format, got))

    def error_over_flushing(self, got: Numbers) -> Numbers:
        """For a vjp: the error of an answer divided by the bound of an implementation that flushes."""
        return self._kept(rulers.error_over(self.truth, self._ruler(self.flushing), self.flushing, got))

    @cached_property
    def _pair(self) -> Pair:
        return Pair.of(self.truth, self.format)

    @cached_property
    def _stable_ruler(self) -> Ruler | None:
        return self._ruler(self.stable)

    @cached_property
    def _loose_ruler(self) -> Ruler | None:
        return self._ruler(self.loose)

    @cached_property
    def _ulp_ruler(self) -> Ruler | None:
        return self._ruler(Bound(np.zeros(()), self.truth.ulp(self.format)))

    def _ruler(self, bound: Bound) -> Ruler | None:
        # Where overflow is NaN, a NaN may be right where the truth is infinite.
        return Ruler.of(self.truth, self._pair, bound, self.format) if self.format.has_inf else None

    def _kept(self, verdict: tuple[Truth, Numbers]) -> Numbers:
        """Keep the truth that a verdict had to widen, so that the next answer does not compute the same rows again."""
        # It takes the place of a cached value that gives the same verdicts, and so nothing that is seen changes.
        vars(self)["truth"], error = verdict
        return error

    @cached_property
    def expected(self) -> Numbers:
        """The truth, correctly rounded to the format."""
        return self.truth.rounded(self.format)

    @cached_property
    def decided(self) -> Lanes:
        """Lanes where the truth is known well enough to say how it rounds."""
        return self.truth.decided(self.format)

    @cached_property
    def finite(self) -> Lanes:
        """Lanes whose expected number is finite."""
        return np.isfinite(self.expected)

    @cached_property
    def subnormal(self) -> Lanes:
        """Lanes whose expected number is subnormal in the format, where one answer is right."""
        tiny = np.abs(self.expected) < self.format.smallest_normal
        return np.asarray(tiny & (self.expected != 0) & self.defined)

    @cached_property
    def cancelled(self) -> Lanes:
        """Lanes of a vjp whose truth is within its own stable bound of zero: what is left there has no last place."""
        if not self.op.takes_cotangent:
            return np.zeros(self.expected.shape, np.bool_)
        size = np.abs(self.expected)
        return np.asarray(size <= self.stable.relative * size + self.stable.absolute)

    @cached_property
    def defined(self) -> Lanes:
        """Lanes where one answer is right; elsewhere it is a policy."""
        return np.asarray(~self.truth.undefined)

    @cached_property
    def undefined_rows(self) -> Lanes:
        """Rows to which no single answer is right; the axis kept with length one."""
        return np.asarray(self.truth.undefined.any(axis=self.axis, keepdims=True))

    @cached_property
    def stable(self) -> Bound:
        """The bound of the grade *stable*."""
        return self.op.bounds(self.x, self.axis, format=self.format, grade="stable", cotangent=self.cotangent)

    @cached_property
    def loose(self) -> Bound:
        """The bound of the grade *loose*."""
        return self.op.bounds(self.x, self.axis, format=self.format, grade="loose", cotangent=self.cotangent)

    @cached_property
    def flushing(self) -> Bound:
        """For a vjp: the loose bound of an implementation that flushes subnormal numbers on the way."""
        assert self.cotangent is not None
        more = self.op.flushed_vjp(self.x, self.axis, format=self.format, cotangent=self.cotangent)
        return Bound(self.loose.relative, self.loose.absolute + more)

    @cached_property
    def row_sum_bound(self) -> Numbers:
        """How far a row's sum may be from 1, by the loose bound; the axis kept with length one."""
        return self.op.row_sum_bound(self.x, self.axis, format=self.format)

    @cached_property
    def flush_allowed(self) -> Lanes:
        """Lanes whose truth is, within the stable bound, below the smallest normal number."""
        return flush_allowed(self.truth, self.stable, self.format)

    @cached_property
    def loose_flush_allowed(self) -> Lanes:
        """Lanes whose truth is, within the loose bound, below the smallest normal number."""
        return flush_allowed(self.truth, self.loose, self.format)

    @cached_property
    def overflow_allowed(self) -> Lanes:
        """Lanes whose truth is so near the largest finite number that an error within the loose bound reaches ±inf."""
        bound, size = self.loose, np.abs(self.truth.nearest)
        with np.errstate(over="ignore"):
            return np.isinf(self.format.quantise(size + bound.relative * size + bound.absolute))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The places of each row's logits from the smallest to the largest, equal ones in their own order."""
        return np.argsort(self.x, axis=self.axis, kind="stable")

    @cached_property
    def steps(self) -> Numbers:
        """Differences of neighbours in each row's sorted logits; the axis is shorter by one."""
        return self.steps_of(self.x)

    def steps_of(self, numbers: Numbers) -> Numbers:
        """Differences of neighbours where each row of ``numbers`` is put in the order of the row's logits.

        NaN between two infinities of one sign; the axis is shorter by one.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            return np.diff(np.take_along_axis(numbers, self.order, axis=self.axis), axis=self.axis)

    def upper(self, steps: Lanes) -> Lanes:
        """The lanes at the upper ends of the chosen steps, where ``steps`` is of the shape of :attr:`steps`."""
        lanes = np.zeros(self.x.shape, dtype=bool)
        if steps.any():
            ends = np.take(self.order, np.arange(1, self.order.shape[self.axis]), axis=self.axis)
            np.put_along_axis(lanes, ends, steps, self.axis)
        return lanes
