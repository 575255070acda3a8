"""Tallies say of a block what a plain look at every answer says, and add up in any order."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from operator import add
from typing import TYPE_CHECKING

import numpy as np
import pytest

from conformance.sweep.block import QUESTIONS, Block, Question
from conformance.sweep.rows import Rows, rows_of
from conformance.sweep.tally import SLACK, order_at_ends, tallied
from reference.bounds import bounds
from reference.truth import truth

if TYPE_CHECKING:
    from conformance.values import Numbers

ALL = 2**62


def rows(dtype: str, start: int, count: int) -> Rows:
    """Some consecutive gaps, as if they were all."""
    whole = rows_of("gaps", dtype, ALL)
    assert whole is not None
    zero, (base, shift, mask) = whole.lanes
    return Rows("gaps", dtype, (zero, (base + start, shift, mask)), count, count, 1)


def answers(block: Block, seed: int = 1) -> Numbers:
    """Mostly right, some a unit off, a few zeros, NaN, infinities and wild ones."""
    rng = np.random.default_rng(seed)
    got, format = block.truth.rounded.copy(), block.format
    for share, change in (
        (0.3, lambda y: format.quantise(y + format.ulp(y) * rng.choice([-1, 1], y.shape))),
        (0.02, np.zeros_like),
        (0.02, lambda y: format.quantise(y * rng.normal(1, 0.1, y.shape))),
        (0.001, lambda y: np.full_like(y, np.nan)),
        (0.001, lambda y: np.full_like(y, np.inf)),
    ):
        here = rng.random(got.shape) < share
        with np.errstate(all="ignore"):
            got[here] = change(got[here])
    return got


every_question = pytest.mark.parametrize("question", QUESTIONS, ids=str)
every_format = pytest.mark.parametrize(
    ("dtype", "start", "count"), [("float32", 150_000_000, 3000), ("float16", 9000, 9000), ("bfloat16", 10_000, 9000)]
)


@every_question
@every_format
@pytest.mark.parametrize("wrong", ["many", "few"])
def test_a_tally_counts_what_a_plain_look_at_every_answer_counts(
    question: Question, dtype: str, start: int, count: int, wrong: str
) -> None:
    block = Block.of(question, rows(dtype, start, count), 0)
    got, due, near = answers(block), block.truth.rounded, block.truth.near
    if wrong == "few":
        right = np.random.default_rng(2).random(got.shape) < 0.98
        got[right] = due[right]
    tiny, odd, differs = block.format.smallest_normal, ~np.isfinite(got), got != due
    with np.errstate(all="ignore"):
        ulps = np.abs(got - near) / block.format.ulp(np.clip(near, -block.format.max, block.format.max))
    cancels = np.abs(near) <= block.truth.least_bound if question.cotangent(2) else np.zeros(got.shape, np.bool_)
    measured = np.where(differs & ~cancels & ~odd, ulps, 0)
    zero = (got == 0) & (due != 0) & ~cancels
    for k, lane in enumerate(tallied(block, got, [0.0] * len(got)).lanes):
        assert lane.counts["rows"] == count
        assert lane.counts.get("correct", 0) == np.count_nonzero(~differs[k])
        assert lane.counts.get("nonfinite", 0) == np.count_nonzero(odd[k])
        assert (lane.worst["over_bound"][0] == np.inf) == odd[k].any()
        assert lane.counts.get("flushed_normals", 0) == np.count_nonzero((zero & (np.abs(due) >= tiny))[k])
        assert lane.counts.get("flushed_subnormals", 0) == np.count_nonzero((zero & (np.abs(due) < tiny))[k])
        if rising := question.rising[k]:
            assert lane.counts.get("out_of_order", 0) == np.count_nonzero(np.diff(got[k]) * rising < 0)
        total = np.sum(list(lane.histogram.values()), axis=0)
        assert total.sum() == count - lane.counts.get("cancelled", 0)
        for bucket, (least, most) in {1: (2.0**-60, 1), 2: (1, 2), 5: (8, 16)}.items():
            assert total[bucket] == np.count_nonzero((measured[k] >= least) & (measured[k] < most))
        assert total[-1] >= np.count_nonzero(odd[k])


@every_question
@every_format
def test_the_worst_errors_are_those_that_the_reference_has(
    question: Question, dtype: str, start: int, count: int
) -> None:
    block = Block.of(question, rows(dtype, start, count), 0)
    got, due = answers(block), block.truth.rounded
    got = np.where(np.isfinite(got), got, due)
    g = question.cotangent(2)
    cotangent = np.broadcast_to(np.array(g)[:, None], block.x.shape) if g else None
    said = truth(question.op, block.x, 0, format=block.format, cotangent=cotangent)
    shares = said.error_over(bounds(question.op, block.x, 0, format=block.format, cotangent=cotangent), got)
    shares[(got == 0) & (np.abs(due) < block.format.smallest_normal)] = 0  # a flush is a policy
    errors = np.where(got != due, said.error_ulps(got, block.format), 0)
    cancels = np.abs(block.truth.near) <= block.truth.least_bound if g else np.zeros(got.shape, np.bool_)
    errors[cancels] = 0
    for k, lane in enumerate(tallied(block, got, [0.0] * len(got)).lanes):
        assert lane.worst["over_bound"][0] <= shares[k].max() * (1 + 2.0**-40)
        assert lane.worst["over_bound"][0] * SLACK >= shares[k].max()
        normal = np.where(np.abs(block.truth.near[k]) >= block.format.smallest_normal, errors[k], 0)
        for name, measured in (("ulp", errors[k]), ("ulp_normal", normal)):
            if not measured.any():
                assert name not in lane.worst
                continue
            error, number, answer = lane.worst[name]
            place = np.flatnonzero(block.numbers == number)[0]
            assert error == pytest.approx(measured.max(), rel=2.0**-15)
            assert measured[place] == pytest.approx(measured.max(), rel=2.0**-15)
            assert answer == got[k][place]


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float16"])
@every_question
def test_correctly_rounded_answers_are_all_correct(question: Question, dtype: str) -> None:
    for kind in ("gaps", "pairs", "triples"):
        if (whole := rows_of(kind, dtype, 2**13)) is not None:
            block = Block.of(question, whole, 0)
            lanes = tallied(block, block.truth.rounded, [0.0] * len(block.x)).lanes
            assert [lane.counts["correct"] for lane in lanes] == [len(block.numbers)] * len(lanes)
            assert not any(lane.worst for lane in lanes)


def test_as_platforms_that_flush_are_measured_zero_and_the_smallest_normal_number_are_one_unit_apart() -> None:
    # Gaps of 87 and more: exp(-87.336) is the smallest normal number.
    block = Block.of(QUESTIONS[0], rows("float32", 0x42AE0000 - 0x32000000, 2**17), 0)
    near, tiny = block.truth.near, block.format.smallest_normal
    assert (near[1] < tiny).any()
    assert (near[1] > tiny).any()
    flushed = block.truth.rounded.copy()
    flushed[np.abs(flushed) < tiny] = 0.0
    worst = tallied(block, flushed, [0.0, 0.0]).lanes[1].worst
    assert worst["ulp"][0] > 2**22
    assert "ulp_flushed" not in worst or worst["ulp_flushed"][0] <= 1.0
    flushed[(near < 1.0001 * tiny) & (near >= tiny)] = 0.0  # and normal numbers, from the smallest on
    assert tallied(block, flushed, [0.0, 0.0]).lanes[1].worst["ulp_flushed"][0] > 1.0


def test_tallies_add_up_in_any_order_and_see_the_order_at_their_ends() -> None:
    whole = Block.of(QUESTIONS[0], rows("float16", 9000, 4000), 0)
    got = answers(whole)
    all_of_it = tallied(whole, got, [0.0, 0.0])
    parts = []
    for start in range(0, 4000, 1000):
        piece = slice(start, start + 1000)
        block = dataclasses.replace(whole, numbers=whole.numbers[piece], x=whole.x[:, piece])
        parts.append(tallied(block, got[:, piece], [0.0, 0.0]))
    total = functools.reduce(add, parts)
    for order in itertools.islice(itertools.permutations(parts), 0, 24, 5):
        assert functools.reduce(add, order) == total
    missing = order_at_ends(total, whole.rising, 1)
    for k, (one, other) in enumerate(zip(total.lanes, all_of_it.lanes, strict=True)):
        assert (one.histogram, one.worst, one.peaks) == (other.histogram, other.worst, other.peaks)
        assert one.counts.get("out_of_order", 0) + missing[k] == other.counts.get("out_of_order", 0)
