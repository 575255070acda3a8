"""The truth is true: against mpmath and ball arithmetic on every family, by exact identities, and at every speed."""

from __future__ import annotations

import tracemalloc
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from arbiter import exact, number
from certification import SPEEDS, Certificate, certify, certify_random
from hypothesis import given, target
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rows import A_FORMAT_A_SPEED, FAMILIES, rows_of

from reference.comparison import Bound
from reference.formats import FORMATS
from reference.truth import OPS, truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])
SPREAD = 2**14  # beyond, the arbiter would need millions of digits; every format is far below its zero there


@pytest.mark.parametrize("dtype", A_FORMAT_A_SPEED)
@FORWARD
@pytest.mark.parametrize("family", FAMILIES)
def test_ball_arithmetic_agrees_on_every_family(family: str, op: str, dtype: str) -> None:
    found = Certificate()
    for x in rows_of(family, dtype, longest=300):
        certify(op, x, FORMATS[dtype], into=found)
        certify(op, x, None, into=found)

    assert found.lanes
    assert not found.failures


@FORWARD
@pytest.mark.parametrize("family", FAMILIES)
def test_mpmath_agrees_on_every_family(family: str, op: str) -> None:
    """Another arbiter with another way to compute, on a few rows of each."""
    rows = [row for x in rows_of(family, "float64", longest=300) for row in x if np.isfinite(row).all()][::7]

    assert rows
    for row in rows[:40]:
        said = truth(op, row)
        for i, due in enumerate(exact(op, row)):
            if abs(due) < mp.mpf(2) ** -SPREAD:
                assert abs(number(said, i)) < mp.mpf(2) ** -1100
            else:
                assert abs(number(said, i) - due) <= abs(due) * mp.mpf(float(said.error[i]))


@pytest.mark.parametrize("name", SPEEDS)
@pytest.mark.parametrize("op", OPS)
def test_ball_arithmetic_agrees_on_random_rows(op: str, name: str) -> None:
    """A thousand for each; `tox run -e nightly` takes a million."""
    found = certify_random(op, name, rows=1000)

    assert not found.failures  # to which slack belongs, over all lengths


@FORWARD
def test_the_promised_width_is_carried(op: str) -> None:
    """As docs/reference.md has it, for n = 4096: log n = 8.4 and D(n) = 33."""
    x = np.random.default_rng(0).standard_normal((3, 4096)) * 3
    t = x.max(axis=1, keepdims=True) - x

    narrow = (t if op == "softmax" else 0.0) + (8.4 + 33 + 19)
    assert (truth(op, x, format=FORMATS["float32"]).error <= narrow * 2.0**-53).all()
    middle = 2 * 2.0**-73 + 2.0**-82 * 8.4 + (25 + 3 * 12) * 2.0**-106
    middle += 2.0**-82 * t + 2.0**-76 if op == "softmax" else 0.0
    assert (truth(op, x, format=FLOAT64).error <= middle).all()
    assert (truth(op, x).error <= ((40 if op == "softmax" else 92) + 3 * 12) * 2.0**-106).all()


@FORWARD
def test_rows_longer_than_a_block_come_in_pieces(op: str) -> None:
    x = np.random.default_rng(0).standard_normal(300_000) * 3
    x[[7, 200_000]] = [60.0, -2000.0]

    whole = truth(op, x)
    narrow, middle = truth(op, x, format=FORMATS["float32"]), truth(op, x, format=FLOAT64)

    for less in (narrow, middle):
        off = np.abs(less.nearest - whole.nearest)
        assert (off <= np.abs(whole.nearest) * (less.error + whole.error + 2.0**-52)).all()
    with mp.workprec(200):
        t = [mp.mpf(v) - 60 for v in x[[0, 7, 200_000, -1]]]
        total = mp.fsum(mp.exp(mp.mpf(v) - 60) for v in x)
        for v, i in zip(t, (0, 7, 200_000, 299_999), strict=True):
            due = mp.exp(v) / total if op == "softmax" else v - mp.log(total)
            assert abs(number(whole, i) - due) <= abs(due) * mp.mpf(float(whole.error[i]))


def test_a_quotient_of_the_float64_speed_is_never_subnormal() -> None:
    """Found by review: exp(-699) over ten million is, and its rounding was not counted."""
    x = np.zeros(10_000_000)
    x[:3] = -699.5, -679.5, -1.0

    said = truth("softmax", x, format=FORMATS["float32"])

    with mp.workprec(300):
        total = len(x) - 3 + sum(mp.exp(mp.mpf(v)) for v in x[:3])
        for i in range(3):
            due = mp.exp(mp.mpf(x[i])) / total
            assert said.error[i] == 1 or abs(number(said, i) - due) <= due * mp.mpf(float(said.error[i]))
    assert [0.0, 1.0] == [said.high[0], said.error[0]]


@pytest.mark.parametrize("format", [FORMATS["float32"], FLOAT64, None], ids=str)
@pytest.mark.parametrize("op", OPS)
def test_memory_is_bounded_by_the_answers_and_a_block(op: str, format: Any) -> None:
    """So that one row of ten million fits in 1 GiB, its verdicts included, but for a vjp that is computed again.

    The first answer is there until the second is, and after that for as long as somebody keeps it.
    """
    n, vjp = 4_000_000, op.endswith("vjp")
    x = np.random.default_rng(0).standard_normal(n)
    g = np.where(np.arange(n) % 2, 1.0, -1.0) if vjp else None
    again = format == FORMATS["float32"] or (format == FLOAT64 and not vjp)
    tracemalloc.start()
    try:
        said = truth(op, x, format=format, cotangent=g)
        asked = tracemalloc.get_traced_memory()[1]
        said.faithful(said.rounded(format or FLOAT64), format or FLOAT64)
        got = said.nearest
        bound = Bound(np.zeros(()), abs(got[0]))
        got[0] *= 2  # at the very boundary
        said.within(bound, got)
        assert not said.escalated
        said = said.decisive(format or FLOAT64).settled(got, bound)
        said.faithful(said.rounded(format or FLOAT64), format or FLOAT64)
        left, judged = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # The question may be kept; cotangents are kept, scaled, in pairs, and once more to be scaled.
    answer, question = 3 * 8 + 4, 5 * 8 if vjp else 8
    blocks = 2 * 30 * 8 * 2**17  # two threads, each some thirty arrays of a block
    assert said.escalated == again
    assert asked < (answer + question) * n + blocks
    # Those that are judged, the rounded answer, the shares, and what of them is finite or in doubt.
    assert judged < ((1 + again) * answer + question + 8 + 8 + 8 + 4) * n + blocks
    # One answer, its undefined lanes, those that are judged, and a question.
    assert left < (answer + 1 + 8 + (8 + 8 * vjp if again else 0)) * n + 2**20


rows = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e4, 1e4, allow_nan=False, allow_subnormal=True))


@given(rows)
def test_log_softmax_is_relatively_right_for_the_winner(row: np.ndarray) -> None:
    found = certify("log_softmax", row[None], None)
    target(found.worst_ratio)

    assert not found.failures


@given(rows, st.sampled_from(sorted(FORMATS)), st.sampled_from(["softmax", "log_softmax"]))
def test_no_row_is_found_where_a_speed_breaks_its_word(row: np.ndarray, name: str, op: str) -> None:
    format = FORMATS[name]
    found = certify(op, format.quantise(row)[None], format)
    target(found.worst_ratio)

    assert not found.failures


@given(
    rows.flatmap(
        lambda row: st.tuples(st.just(row), hnp.arrays(np.float64, row.shape, elements=st.floats(-1e300, 1e300)))
    ),
    st.sampled_from(sorted(SPEEDS)),
    st.sampled_from(["softmax_vjp", "log_softmax_vjp"]),
)
def test_no_cotangent_is_found_where_a_speed_breaks_its_word(
    question: tuple[np.ndarray, np.ndarray], name: str, op: str
) -> None:
    row, g = question
    format = SPEEDS[name]
    found = certify(op, (format or FLOAT64).quantise(row)[None], format, g[None])
    target(found.worst_ratio)

    assert not found.failures


@pytest.mark.parametrize(
    ("format", "reach"), [(FORMATS["bfloat16"], 680), (FLOAT64, 1100), (None, 2**14)], ids=["narrow", "middle", "wide"]
)
def test_what_lies_beyond_reach_is_counted_as_an_error(format: Any, reach: int) -> None:
    """Found by the certification: the winner's log-probability is the sum of lanes at both sides of the reach."""
    rng = np.random.default_rng(0)
    for inside, outside in ((1, 1), (8, 8), (20, 1), (60, 40), (200, 1), (1e-3, 1e-3)):
        row = np.array([[0.0, inside - reach, -reach - outside, -reach - outside]])
        # Found by the certification's millionth row: together they are more than the one within reach.
        several = np.r_[0.0, inside - reach, -reach - rng.uniform(0, outside, 6)][None]

        for x in (row, several):
            assert not certify("log_softmax", x, format).failures
            assert not certify("softmax", x, format).failures


@pytest.mark.parametrize(("name", "format"), SPEEDS.items())
def test_a_winner_alone_is_right_beside_rows_of_any_other_kind(name: str, format: Any) -> None:
    """Rows are computed in blocks, and what holds of one must not be done to the others."""
    largest = (format or FLOAT64).max
    rows = np.array(
        [
            [3.0, -np.inf, -np.inf], [0.0, -500.0, -1500.0], [0.0, -20_000.0, -np.inf], [0.0, 0.0, -900.0],
            [largest, -largest, 0.0], [-largest, -largest, -np.inf],
        ]
    )  # fmt: skip
    for op in ("softmax", "log_softmax"):
        assert not certify(op, rows, format).failures, name
    said = truth("log_softmax", rows, format=format)
    assert [0.0, 0.0] == [said.high[0, 0], said.error[0, 0]]
    assert not np.signbit(said.high[0, 0])
    assert np.signbit(said.high[2, 0])
