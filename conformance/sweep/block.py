"""A block of rows and its truth, once for all targets.

The truth is that of closed forms for two logits of at most 24 bits (:mod:`reference.two`), else of the reference as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from conformance.sweep.tally import BUCKETS
from reference.bounds import bounds
from reference.truth import OPS, truth
from reference.two import two_logits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.sweep.rows import Rows
    from conformance.values import Numbers
    from reference.formats import Format
    from reference.truth import Truth


class BlockTruth(Protocol):
    """The truth of n rows; every array of numbers has the shape (lanes, n)."""

    @property
    def near(self) -> Numbers:
        """The truth as float64."""

    @property
    def rounded(self) -> Numbers:
        """Correctly rounded to the format."""

    @property
    def ulp(self) -> Numbers:
        """The unit in the last place of the format at the truth."""

    @property
    def least_bound(self) -> Numbers:
        """Not more than the stable bound."""

    def chosen(self, rows: NDArray[np.intp] | slice) -> Truth:
        """The certified truth of some rows."""

    def error_ulps(self, lane: int, at: NDArray[np.intp] | slice, got: Numbers) -> Numbers:
        """|got - truth| in units in the last place, of some rows of a lane."""


@dataclass(frozen=True, eq=False)
class Certified:
    """Any rows, by :func:`reference.truth.truth`."""

    op: str
    x: Numbers
    cotangent: Numbers | None
    format: Format

    @cached_property
    def _truth(self) -> Truth:
        return truth(self.op, self.x, 0, format=self.format, cotangent=self.cotangent).decisive(self.format)

    @cached_property
    def near(self) -> Numbers:
        """See :class:`BlockTruth`."""
        return self._truth.nearest

    @cached_property
    def rounded(self) -> Numbers:
        """See :class:`BlockTruth`."""
        return self._truth.rounded(self.format)

    @cached_property
    def ulp(self) -> Numbers:
        """See :class:`BlockTruth`."""
        return self._truth.ulp(self.format)

    @cached_property
    def least_bound(self) -> Numbers:
        """See :class:`BlockTruth`."""
        bound = bounds(self.op, self.x, 0, format=self.format, cotangent=self.cotangent)
        with np.errstate(all="ignore"):
            return np.asarray((bound.relative * np.abs(self.near) + bound.absolute) * (1 - 2.0**-30))

    def chosen(self, rows: NDArray[np.intp] | slice) -> Truth:
        """See :class:`BlockTruth`."""
        g = None if self.cotangent is None else self.cotangent[:, rows]
        return truth(self.op, self.x[:, rows], 0, format=self.format, cotangent=g)

    def error_ulps(self, lane: int, at: NDArray[np.intp] | slice, got: Numbers) -> Numbers:
        """See :class:`BlockTruth`."""
        answers = self.rounded[:, at].copy()
        answers[lane] = got
        return np.asarray(self.chosen(at).error_ulps(answers, self.format)[lane])


@dataclass(frozen=True)
class Question:
    """What is asked about rows.

    Attributes
    ----------
    op
        One of the four.
    ones
        Of a vjp: whether the cotangent is all ones; else it is one in the first lane, and zero in the others.
    """

    op: str
    ones: bool = False

    def __str__(self) -> str:
        if not self.op.endswith("_vjp"):
            return self.op
        return f"{self.op}, {'ones' if self.ones else 'one-hot'}"

    def cotangent(self, lanes: int) -> list[float]:
        """Of each lane; empty where the op takes none."""
        return [1.0, *[float(self.ones)] * (lanes - 1)] if self.op.endswith("_vjp") else []

    @property
    def rising(self) -> tuple[int, ...]:
        """For the two lanes of [0, -d]: 1 where the truth rises with d, −1 where it falls, 0 where it is zero."""
        if self.op in ("softmax", "log_softmax"):
            return 1, -1
        return (0, 0) if self.ones and self.op == "softmax_vjp" else (-1, 1)


QUESTIONS = tuple(Question(op, ones) for op in OPS for ones in ((False, True) if op.endswith("_vjp") else (False,)))
"""Every op, the vjps with two cotangents."""


@dataclass(frozen=True, eq=False)
class Block:
    """Rows, and what is true of them.

    Attributes
    ----------
    ordered
        Whether the gap rises with the number of the row.
    numbers
        Of those rows that have a truth: without NaN, +inf, or nothing but -inf.
    defined
        Places of these among all rows of the block, or ``slice(None)``.
    x
        Their logits, float64, (lanes, n).
    """

    question: Question
    format: Format
    ordered: bool
    numbers: NDArray[np.int64]
    defined: Any
    x: Numbers

    @staticmethod
    def of(question: Question, rows: Rows, number: int) -> Block:
        """A block of some rows."""
        start, count = rows.block(number)
        x = rows.logits(start, count)
        numbers = start + np.arange(count, dtype=np.int64) * rows.step
        ordered = rows.kind == "gaps"
        top = x.max(axis=0)  # NaN where there is one
        if np.isfinite(top).all():
            return Block(question, rows.format, ordered, numbers, slice(None), x)
        defined = np.flatnonzero(np.isfinite(top))
        return Block(question, rows.format, ordered, numbers[defined], defined, x[:, defined])

    @property
    def rising(self) -> tuple[int, ...]:
        """For each lane, see :attr:`Question.rising`; zeros for rows in no order."""
        return self.question.rising if self.ordered else (0,) * len(self.x)

    @property
    def op(self) -> str:
        """The op that is asked."""
        return self.question.op

    @cached_property
    def truth(self) -> BlockTruth:
        """Of every row."""
        if self.format.precision <= 24 and len(self.x) == 2:
            return two_logits(self.op, self.x, format=self.format, ones=self.question.ones)
        g = self.question.cotangent(len(self.x))
        cotangent = np.broadcast_to(np.array(g)[:, None], self.x.shape) if g else None
        return Certified(self.op, self.x, cotangent, self.format)

    @cached_property
    def overflows(self) -> bool:
        """Whether the truth of a lane rounds to an infinity, or to NaN in its place."""
        return not np.isfinite(self.truth.rounded).all()

    @cached_property
    def smallest(self) -> Numbers:
        """The smallest size of the truth, of each lane."""
        return np.asarray(np.abs(self.truth.near).min(axis=1))

    @cached_property
    def units_over_bound(self) -> Numbers:
        """The most that a unit in the last place is over the stable bound, of each lane."""
        return np.asarray((self.truth.ulp / self.truth.least_bound).max(axis=1))

    @cached_property
    def cancels(self) -> NDArray[np.bool_]:
        """Where the truth of a vjp is within its bound of zero."""
        return np.asarray(np.abs(self.truth.near) <= self.truth.least_bound)

    @cached_property
    def binades(self) -> NDArray[np.int64]:
        """The exponent of the leading bit of the largest gap of each row; that below the smallest number where it is zero."""
        if self.ordered and (ends := _binades(self.x[:, [0, -1]], self.format))[0] == ends[1]:
            return np.broadcast_to(ends[:1], self.numbers.shape)
        return _binades(self.x, self.format)

    @cached_property
    def by_binade(self) -> dict[int, tuple[int, ...]]:
        """How many rows each binade has, in the bucket of the correctly rounded."""
        if self.binades.strides == (0,):
            return {int(self.binades[0]): (len(self.numbers), *[0] * (BUCKETS - 1))}
        found, counts = np.unique(self.binades, return_counts=True)
        return {int(b): (int(n), *[0] * (BUCKETS - 1)) for b, n in zip(found, counts, strict=True)}

    def shares(self, at: NDArray[np.intp], answers: Numbers) -> Numbers:
        """The errors of the answers to some rows, over their stable bounds."""
        truth = self.truth.chosen(at)
        g = self.question.cotangent(len(self.x))
        cotangent = np.broadcast_to(np.array(g)[:, None], (len(g), len(at))) if g else None
        bound = bounds(self.op, self.x[:, at], 0, format=self.format, cotangent=cotangent)
        return truth.error_over(bound, answers[:, at])


def _binades(x: Numbers, format: Format) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        top = x.max(axis=0)
        gap = top - np.where(np.isfinite(x), x, top).min(axis=0)
    return np.where(gap > 0, np.frexp(gap)[1].astype(np.int64) - 1, format.emin - format.precision)
