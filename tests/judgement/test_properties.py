"""What the judge must say of any row: the right answer passes, an honest error passes, a gross one does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.judgement import Judge
from conformance.values import Answered, Batch, Case, Grade, Judgement, Severity
from reference.bounds import bounds
from reference.formats import FORMATS
from reference.truth import truth

OPS = st.sampled_from(["softmax", "log_softmax"])
DTYPES = st.sampled_from(sorted(FORMATS))
ROWS = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-300, 300))


def ask(op: str, dtype: str, row: np.ndarray) -> Batch:
    return Batch((Case("family", "row", op, dtype, FORMATS[dtype].quantise(row)),))


def judge(asked: Batch, got: Any) -> Judgement:
    stored = asked.format.encode(asked.format.quantise(got))
    return Judge().judge(asked, Answered(asked.format.name, stored.shape, stored, 0.0))[0]


@given(OPS, DTYPES, ROWS)
def test_the_rounded_truth_is_never_worse_than_faithful(op: str, dtype: str, row: np.ndarray) -> None:
    asked = ask(op, dtype, row)

    judged = judge(asked, truth(op, asked.values, format=asked.format).rounded(asked.format))

    assert judged.grade in (Grade.EXACT, Grade.FAITHFUL)
    assert () == judged.findings


@given(OPS, DTYPES, ROWS, st.data())
def test_any_error_within_the_stable_bound_is_stable(op: str, dtype: str, row: np.ndarray, data: st.DataObject) -> None:
    """The working part of the bound is spent in any direction, then the result is rounded once."""
    asked = ask(op, dtype, row)
    said = truth(op, asked.values, format=asked.format)
    bound = bounds(op, asked.values, format=asked.format)
    spend = data.draw(hnp.arrays(np.float64, asked.values.shape, elements=st.floats(-1, 1)))
    # This test computes in float64 itself: the truth is rounded to it, and so are a product and a sum.
    own = 3 * FORMATS["float64"].unit_roundoff * np.abs(said.nearest)
    working = (bound.relative - asked.format.unit_roundoff) * np.abs(said.nearest) - own
    if op == "log_softmax":
        working = bound.absolute - asked.format.smallest_subnormal - own
    # The rounding at the end is one of what the error has made of the truth, by which the first order is exceeded.
    got = said.nearest + spend * np.maximum(working, 0) / (1 + asked.format.unit_roundoff)

    judged = judge(asked, np.clip(got, 0, 1) if op == "softmax" else got)

    assert judged.grade not in (Grade.LOOSE, Grade.DIVERGENT)
    assert Severity.VIOLATION is not judged.severity


@given(DTYPES, ROWS, st.data())
def test_a_lane_that_is_doubled_or_lost_is_a_violation(dtype: str, row: np.ndarray, data: st.DataObject) -> None:
    asked = ask("softmax", dtype, row)
    right = truth("softmax", asked.values, format=asked.format).rounded(asked.format)
    normal = np.flatnonzero(right[0] > 8 * asked.format.smallest_normal)
    lane = data.draw(st.sampled_from(normal.tolist()))
    got = right.copy()
    got[0, lane] *= data.draw(st.sampled_from([0.0, 2.0, -1.0, np.nan]))

    assert Severity.VIOLATION is judge(asked, got).severity


@given(OPS, DTYPES, ROWS)
def test_the_order_of_a_row_does_not_move_its_grade(op: str, dtype: str, row: np.ndarray) -> None:
    asked = ask(op, dtype, row)
    mirrored = ask(op, dtype, row[::-1])
    got = truth(op, asked.values, format=asked.format).rounded(asked.format) * (1 + 2.0**-6)

    a, b = judge(asked, np.minimum(got, 1.0)), judge(mirrored, np.minimum(got, 1.0)[:, ::-1])

    assert a.severity is b.severity
    assert {f.kind for f in a.findings} == {f.kind for f in b.findings}
