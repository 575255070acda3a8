"""Exact identities hold, and need no other library to say so: shifts, permutations, masks, sums."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from arbiter import number
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reference.formats import FORMATS
from reference.truth import truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])


VJPS = pytest.mark.parametrize("op", ["softmax_vjp", "log_softmax_vjp"])

rows = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e4, 1e4, allow_nan=False, allow_subnormal=True))
questions = rows.flatmap(
    lambda row: st.tuples(st.just(row), hnp.arrays(np.float64, row.shape, elements=st.floats(-1e4, 1e4)))
)


@given(rows, st.integers(-1000, 1000))
def test_shift_by_a_constant_that_loses_no_bit_changes_nothing(row: np.ndarray, shift: int) -> None:
    row = np.round(row)  # integers up to 11000: every sum is exact

    a, b = truth("softmax", row, format=FLOAT64), truth("softmax", row + shift, format=FLOAT64)

    assert (a.high.tolist(), a.low.tolist()) == (b.high.tolist(), b.low.tolist())


@given(rows, st.randoms())
def test_permuting_logits_permutes_the_rounded_truth(row: np.ndarray, random: Any) -> None:
    order = list(range(len(row)))
    random.shuffle(order)

    whole, permuted = (truth("log_softmax", r, format=FLOAT64) for r in (row, row[order]))

    # The order of a sum moves the last of the 106 bits, so undecided roundings may differ.
    sure = whole.decided(FLOAT64)[order] & permuted.decided(FLOAT64)
    assert (whole.rounded(FLOAT64)[order][sure] == permuted.rounded(FLOAT64)[sure]).all()


@given(rows)
def test_appending_minus_infinity_changes_no_other_lane(row: np.ndarray) -> None:
    a, b = truth("softmax", row, format=FLOAT64), truth("softmax", np.append(row, -np.inf), format=FLOAT64)

    assert a.rounded(FLOAT64).tolist() == b.rounded(FLOAT64)[:-1].tolist()
    assert 0.0 == b.rounded(FLOAT64)[-1]


@given(rows)
def test_probabilities_sum_to_one(row: np.ndarray) -> None:
    said = truth("softmax", row, format=FLOAT64)

    with mp.workprec(400):
        total = mp.fsum(number(said, i) for i in range(len(row)))
        assert abs(total - 1) <= mp.mpf(float(said.error.max()))


@VJPS
@given(questions)
def test_what_flows_back_sums_to_zero(op: str, question: tuple[np.ndarray, np.ndarray]) -> None:
    """No logit more or less in all lanes changes anything."""
    row, g = question
    said = truth(op, row, cotangent=g)

    with mp.workprec(20_000):
        found = [number(said, i) for i in range(len(row))]
        allowed = mp.fsum(abs(v) * mp.mpf(float(e)) for v, e in zip(found, said.error, strict=True))
        assert abs(mp.fsum(found)) <= allowed + mp.mpf(2) ** -1074 * len(row)


@VJPS
@given(questions, st.integers(-300, 300))
def test_what_flows_back_is_in_proportion_to_what_comes(
    op: str, question: tuple[np.ndarray, np.ndarray], power: int
) -> None:
    row, g = question
    g = np.round(g)  # no power of two here makes an integer subnormal

    once, more = truth(op, row, cotangent=g), truth(op, row, cotangent=np.ldexp(g, power))

    assert (once.high.tolist(), once.low.tolist()) == (more.high.tolist(), more.low.tolist())
    assert (once.exponent + power)[once.high != 0].tolist() == more.exponent[more.high != 0].tolist()


@given(questions, st.integers(-1000, 1000))
def test_a_constant_in_all_cotangents_flows_nowhere_through_softmax(
    question: tuple[np.ndarray, np.ndarray], constant: int
) -> None:
    row, g = question
    g = np.round(g)  # sums of integers are exact

    a, b = truth("softmax_vjp", row, cotangent=g), truth("softmax_vjp", row, cotangent=g + constant)

    with mp.workprec(400):
        for i in range(len(row)):
            off = abs(number(a, i) - number(b, i))
            allowed = sum(abs(number(said, i)) * mp.mpf(float(said.error[i])) for said in (a, b))
            assert off <= allowed + mp.mpf(2) ** -1074
