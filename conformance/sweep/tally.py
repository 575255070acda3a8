"""What is kept of the answers to a block of rows: counts that add up, and the worst row of each lane.

Answers are compared with the correctly rounded truth first, and an error is computed only where they differ.  Two tallies
add up in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conformance.sweep.block import Block
    from conformance.values import Numbers
    from reference.formats import Format

COUNTS = {
    "rows": "rows that were asked",
    "searched": "rows around the worst ones of a sample that were asked as well, and count for the worst alone",
    "correct": "answers that are the correctly rounded truth",
    "flushed_subnormals": "zeros where the truth rounds to a subnormal number",
    "flushed_normals": "zeros where the truth rounds to a normal number",
    "nonfinite": "NaN or an infinity where the truth rounds to a number, or a number where it rounds to an infinity",
    "cancelled": "other answers of a vjp whose truth is within the bound of zero: their error is in no unit in the last place",
    "out_of_order": "answers that fall from one gap to the next where the truth rises, or rise where it falls",
}
"""Count of a lane → what is counted."""

MEASURES = {
    "ulp": "error in units in the last place",
    "ulp_normal": "the same, where the truth is no subnormal number",
    "ulp_flushed": "the same, where 0 and the smallest normal number are one unit apart and all below it are 0",
    "over_bound": "error over the stable bound, but of a subnormal number that was flushed to zero",
}
"""Measure of an error → what it is."""

SLACK = 1 + 2.0**-10
"""A larger error over bound is looked for as long as it may be so many times that which was found."""

CERTIFIED = 32
"""Rows that are asked of the reference at once."""

PICKED = 16
"""The wrong answers among a block are picked out where there are fewer than one in so many."""

BUCKETS = 34
"""Of a histogram: correctly rounded, below one unit, below 2, 4, …, 2³¹, and more or no number.  Lanes that cancel are in none."""

Worst = tuple[float, int, float]
"""The size of an error, the number of its row, the smallest that has it, and the answer."""


@dataclass(frozen=True)
class Lane:
    """The tally of one lane.

    Attributes
    ----------
    counts
        By a name of :data:`COUNTS`.
    worst
        By a name of :data:`MEASURES`; none where no answer differs from the correctly rounded truth.
    histogram
        Binade of the gap (the exponent of its leading bit) → number of answers in each of the :data:`BUCKETS`.
    peaks
        Binade → the largest error in units in the last place; none where all are correctly rounded.
    """

    counts: Mapping[str, int]
    worst: Mapping[str, Worst]
    histogram: Mapping[int, tuple[int, ...]]
    peaks: Mapping[int, float]

    def errors_alone(self) -> Lane:
        """The same without the rows of it being counted: they are not evenly spread."""
        return Lane({"searched": self.counts["rows"]}, self.worst, {}, {})

    def __add__(self, other: Lane) -> Lane:
        histogram = {binade: tuple(counts) for binade, counts in self.histogram.items()}
        for binade, counts in other.histogram.items():
            histogram[binade] = tuple(map(sum, zip(histogram.get(binade, (0,) * BUCKETS), counts, strict=True)))
        return Lane(
            Counter(self.counts) + Counter(other.counts),
            {name: worse(self.worst.get(name), other.worst.get(name)) for name in {**self.worst, **other.worst}},
            histogram,
            {b: max(self.peaks.get(b, 0.0), other.peaks.get(b, 0.0)) for b in {**self.peaks, **other.peaks}},
        )


def worse(one: Worst | None, other: Worst | None) -> Worst:
    """The larger error; of equal ones, that of the smaller row."""
    found = [worst for worst in (one, other) if worst is not None]
    assert found
    return max(found, key=lambda worst: (worst[0], -worst[1]))


@dataclass(frozen=True)
class Tally:
    """The tally of a target's answers to consecutive rows in one placement.

    Attributes
    ----------
    ends
        First row → (number of rows, first answer, last answer) of each block, for the order of what stands at its ends.
    """

    lanes: tuple[Lane, ...]
    ends: Mapping[int, tuple[int, tuple[float, ...], tuple[float, ...]]]

    def errors_alone(self) -> Tally:
        """The same with nothing but the worst rows."""
        return Tally(tuple(lane.errors_alone() for lane in self.lanes), {})

    def __add__(self, other: Tally) -> Tally:
        lanes = tuple(one + two for one, two in zip(self.lanes, other.lanes, strict=True))
        return Tally(lanes, {**self.ends, **other.ends})


def tallied(block: Block, got: Numbers, best: Sequence[float]) -> Tally:
    """The tally of the answers to a block.

    Parameters
    ----------
    got
        float64, of the shape (lanes, n).
    best
        For each lane the largest error over bound so far: no smaller one is looked for.
    """
    lanes = tuple(_lane(block, lane, got, best[lane]) for lane in range(len(got)))
    first, last = (tuple(float(value) for value in got[:, at]) for at in (0, -1))
    return Tally(lanes, {int(block.numbers[0]): (len(block.numbers), first, last)} if any(block.rising) else {})


def _lane(block: Block, lane: int, answers: Numbers, best: float) -> Lane:
    got, due = answers[lane], block.truth.rounded[lane]
    wrong = got != due
    if block.overflows:  # to NaN, in a format without an infinity
        wrong &= ~(np.isnan(got) & np.isnan(due))
    many = int(np.count_nonzero(wrong))
    counts = Counter(rows=len(got), correct=len(got) - many, out_of_order=_out_of_order(got, block.rising[lane]))
    if not many:
        return Lane(+counts, {}, block.by_binade, {})
    # A few are picked out; of many, all are looked at where they are.
    at = np.flatnonzero(wrong) if many < len(got) // PICKED else slice(None)
    wrong = wrong[at]
    errors = block.truth.error_ulps(lane, at, got[at])
    errors = np.where(wrong, errors, 0.0)
    largest = float(errors.max())
    if not largest < np.inf or block.overflows:
        odd = wrong & ~(np.isfinite(got[at]) & np.isfinite(due[at]))
        errors[odd] = np.inf
        counts["nonfinite"] = int(np.count_nonzero(odd))
        largest = float(errors.max())
    worst: dict[str, Worst] = {}
    if largest * block.units_over_bound[lane] > best * SLACK:
        most = errors * block.truth.ulp[lane, at] / block.truth.least_bound[lane, at]
        most[(got[at] == 0) & (np.abs(due[at]) < block.format.smallest_normal)] = 0.0  # a flush, which is a policy
        if (found := _largest_share(block, lane, at, answers, most, best)) is not None:
            worst["over_bound"] = found
    if block.op.endswith("_vjp") and block.cancels[lane].any():
        cancels = block.cancels[lane, at] & (errors > 0) & (errors < np.inf)
        counts["cancelled"] = int(np.count_nonzero(cancels))
        errors[cancels] = 0.0
    normal = flushed = errors
    # A zero where the truth is twice the smallest normal number is wrong by half of all units that it has.
    if block.smallest[lane] < 2 * block.format.smallest_normal or largest > 0.25 / block.format.unit_roundoff:
        normal, flushed = _below_normal(block, lane, at, got[at], errors, counts)
    for name, measured in (("ulp", errors), ("ulp_normal", normal), ("ulp_flushed", flushed)):
        place = int(np.argmax(measured))
        if measured[place] > 0:
            worst[name] = float(measured[place]), int(block.numbers[at][place]), float(got[at][place])
    return Lane(+counts, worst, *_by_binade(block, at, wrong, errors))


def _below_normal(
    block: Block, lane: int, at: NDArray[np.intp] | slice, got: Numbers, errors: Numbers, counts: Counter[str]
) -> tuple[Numbers, Numbers]:
    """Errors where the truth is normal, and as if what is not were zero; zeros that were returned for it are counted."""
    near, due, tiny = block.truth.near[lane, at], block.truth.rounded[lane, at], block.format.smallest_normal
    zero, large = (got == 0) & (due != 0) & (errors > 0), np.abs(due) >= tiny
    counts["flushed_normals"] = int(np.count_nonzero(zero & large))
    counts["flushed_subnormals"] = int(np.count_nonzero(zero & ~large))
    size = np.abs(near)
    small = ((size < tiny) | (np.abs(got) < tiny)) & (errors > 0)
    contracted = _as_flushed(got, near, block.format) / block.truth.ulp[lane, at]
    return np.where(size >= tiny, errors, 0.0), np.where(small, contracted, errors)


def _out_of_order(got: Numbers, rising: int) -> int:
    if not rising:
        return 0
    before, after = got[:-1], got[1:]
    return int(np.count_nonzero(after < before if rising > 0 else after > before))


def _as_flushed(got: Numbers, near: Numbers, format: Format) -> Numbers:
    """|got - truth| where all numbers below the smallest normal one are zero, and that is the smallest one above."""

    def contracted(value: Numbers) -> Numbers:
        size = np.abs(value) - format.smallest_normal + format.smallest_subnormal
        return np.copysign(np.where(np.abs(value) < format.smallest_normal, 0.0, size), value)

    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(contracted(got) - contracted(near)))


def _largest_share(
    block: Block, lane: int, at: NDArray[np.intp] | slice, answers: Numbers, most: Numbers, best: float
) -> Worst | None:
    """An error over the stable bound that no other exceeds by more than :data:`SLACK`, if it is above ``best``.

    ``most`` is not below any of them.
    """
    places = np.arange(len(block.numbers))[at]
    found: Worst | None = None
    while (largest := float(most.max())) > best * SLACK:
        if np.isinf(largest):
            return _witness(block, lane, answers, places[int(np.argmax(most))], largest)
        few = min(CERTIFIED, len(most))
        chosen = np.argpartition(most, -few)[-few:]
        chosen = np.sort(chosen[most[chosen] > best])
        shares = block.shares(places[chosen], answers)[lane]
        place = int(np.argmax(shares))
        found = worse(found, _witness(block, lane, answers, places[chosen[place]], float(shares[place])))
        best = max(best, found[0])
        most[chosen] = 0.0
    return found if found is not None and found[0] >= best else None


def _witness(block: Block, lane: int, answers: Numbers, place: int, size: float) -> Worst:
    return size, int(block.numbers[place]), float(answers[lane, place])


def _by_binade(
    block: Block, at: NDArray[np.intp] | slice, wrong: NDArray[np.bool_], errors: Numbers
) -> tuple[dict[int, tuple[int, ...]], dict[int, float]]:
    """The histogram and the peaks of a lane."""
    histogram, peaks = dict(block.by_binade), dict[int, float]()
    alone = len(histogram) == 1
    for binade in histogram if alone else np.unique(block.binades[at][wrong]).tolist():
        here: Any = slice(None) if alone else block.binades[at] == binade
        found = errors[here]
        peaks[binade] = float(found.max())
        # How many are not below a unit, 2 units, 4 units, …, as long as there are any.
        last = min(BUCKETS - 2, max(0, int(np.frexp(min(peaks[binade], 2.0**BUCKETS))[1])))
        above = [int(np.count_nonzero(found >= least)) for least in (2.0**-1000, *(2.0**k for k in range(last)))]
        correct = histogram[binade][0] - int(np.count_nonzero(wrong[here]))
        counts = [correct, *(one - other for one, other in pairwise([*above, 0]))]
        histogram[binade] = (*counts, *[0] * (BUCKETS - len(counts)))
    return histogram, peaks


def order_at_ends(tally: Tally, rising: Sequence[int], step: int) -> tuple[int, ...]:
    """For each lane, how often the order is broken between one block and the next."""
    broken = [0] * len(tally.lanes)
    for start, (count, _, last) in tally.ends.items():
        if (after := tally.ends.get(start + count * step)) is None:
            continue
        for lane, direction in enumerate(rising):
            broken[lane] += _out_of_order(np.array([last[lane], after[1][lane]]), direction)
    return tuple(broken)
