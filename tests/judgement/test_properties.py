"""What the judge must say of any row: the right answer passes, an honest error passes, a gross one does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from questions import batch_of, due
from questions import judge as judge_batch

from conformance.values import Batch, Grade, Judgement, Severity
from reference.formats import FORMATS
from reference.ops import FORWARD, OPS, SOFTMAX, Op

FORWARD_OPS = st.sampled_from(FORWARD)
EVERY_OP = st.sampled_from(sorted(OPS.values(), key=str))
DTYPES = st.sampled_from(sorted(FORMATS))
ROWS = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-300, 300))


def ask(op: Op, dtype: str, row: np.ndarray, cotangent: np.ndarray | None = None) -> Batch:
    quantise = FORMATS[dtype].quantise
    return batch_of([quantise(row)], op, dtype, cotangents=None if cotangent is None else [quantise(cotangent)])


def judge(asked: Batch, got: Any) -> Judgement:
    return judge_batch(asked, asked.format.quantise(got))[0]


@given(EVERY_OP, DTYPES, ROWS, st.data())
def test_the_rounded_truth_is_never_worse_than_faithful(
    op: Op, dtype: str, row: np.ndarray, data: st.DataObject
) -> None:
    cotangent = hnp.arrays(np.float64, row.shape, elements=st.floats(-300, 300))
    asked = ask(op, dtype, row, data.draw(cotangent) if op.takes_cotangent else None)

    judged = judge(asked, due(asked))

    # Where the terms of a vjp cancel in all bits of the widest truth, no rounding is the right one.
    assert judged.grade in (Grade.EXACT, Grade.FAITHFUL, *([Grade.STABLE] if op.takes_cotangent else []))
    assert () == judged.findings


@given(FORWARD_OPS, DTYPES, ROWS, st.data())
def test_any_error_within_the_stable_bound_is_stable(op: Op, dtype: str, row: np.ndarray, data: st.DataObject) -> None:
    """The working part of the bound is spent in any direction, then the result is rounded once."""
    asked = ask(op, dtype, row)
    said = op.truth(asked.logits, -1, format=asked.format)
    bound = op.bounds(asked.logits, -1, format=asked.format, grade="stable")
    spend = data.draw(hnp.arrays(np.float64, asked.logits.shape, elements=st.floats(-1, 1)))
    # This test computes in float64 itself: the truth is rounded to it, and so are a product and a sum, which is as large
    # as the error where the truth is next to nothing.
    own = 3 * FORMATS["float64"].unit_roundoff * (np.abs(said.nearest) + bound.absolute)
    working = (bound.relative - asked.format.unit_roundoff) * np.abs(said.nearest) - own
    if op.log:
        working = bound.absolute - asked.format.smallest_subnormal - own
    # The rounding at the end is one of what the error has made of the truth, by which the first order is exceeded.
    got = said.nearest + spend * np.maximum(working, 0) / (1 + asked.format.unit_roundoff)

    judged = judge(asked, got if op.log else np.clip(got, 0, 1))

    assert judged.grade not in (Grade.LOOSE, Grade.DIVERGENT)
    assert Severity.VIOLATION is not judged.severity


@given(DTYPES, ROWS, st.data())
def test_a_lane_that_is_doubled_or_lost_is_a_violation(dtype: str, row: np.ndarray, data: st.DataObject) -> None:
    asked = ask(SOFTMAX, dtype, row)
    right = due(asked)
    normal = np.flatnonzero(right[0] > 8 * asked.format.smallest_normal)
    lane = data.draw(st.sampled_from(normal.tolist()))
    got = right.copy()
    got[0, lane] *= data.draw(st.sampled_from([0.0, 2.0, -1.0, np.nan]))

    assert Severity.VIOLATION is judge(asked, got).severity


@given(FORWARD_OPS, DTYPES, ROWS)
def test_the_order_of_a_row_does_not_move_its_grade(op: Op, dtype: str, row: np.ndarray) -> None:
    asked = ask(op, dtype, row)
    mirrored = ask(op, dtype, row[::-1])
    got = due(asked) * (1 + 2.0**-6)

    a, b = judge(asked, np.minimum(got, 1.0)), judge(mirrored, np.minimum(got, 1.0)[:, ::-1])

    assert a.severity is b.severity
    assert {f.kind for f in a.findings} == {f.kind for f in b.findings}


@given(FORWARD_OPS, DTYPES, ROWS, st.data())
def test_an_answer_that_is_closer_never_gets_a_worse_grade(
    op: Op, dtype: str, row: np.ndarray, data: st.DataObject
) -> None:
    """The middle between an answer and the rounded truth is no further from the truth than the answer.

    A zero in place of a probability may be a flush, which is a policy and has no grade; there is none here.
    """
    asked = ask(op, dtype, row)
    right = due(asked)
    factors = st.floats(0.5, 2.0) | st.sampled_from([1 - 2.0**-20, 1 + 2.0**-20])
    factors = factors | st.just(0.0) if op.log else factors
    quantise = asked.format.quantise
    far = quantise(right * data.draw(hnp.arrays(np.float64, right.shape, elements=factors)))
    assume(op.log or (far[right != 0] != 0).all())
    near = quantise(right + (far - right) / 2)
    assume(op.log or (near[right != 0] != 0).all())

    grades = tuple(Grade)

    assert grades.index(judge(asked, near).grade) <= grades.index(judge(asked, far).grade)
