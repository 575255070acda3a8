"""The truth is rounded right, or says that it does not know; what a verdict hangs on is computed again."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from arbiter import exact

from reference.bounds import Bound
from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import Truth, truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])


def test_a_tie_of_an_exact_quotient_goes_to_even() -> None:
    """1024 equal logits: p = 2**-10 is half the smallest float8_e4m3fn, exactly."""
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", np.zeros(1024), format=format)

    assert not said.rounded(format).any()
    assert said.decided(format).all()
    assert 1 == said.escalated


def test_what_no_arithmetic_here_can_decide_is_said() -> None:
    """The same tie, lowered by exp(-5000): below the last bit of a pair."""
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", np.append(np.zeros(1024), -5000.0), format=format)

    assert not said.decided(format)[:-1].any()


def test_a_logarithm_far_below_the_last_bit_still_breaks_a_tie() -> None:
    """-1002 lies between two bfloat16; the log-probability is that less exp(-1002)."""
    bfloat16 = FORMATS["bfloat16"]

    said = truth("log_softmax", [1000.0, -2.0], format=bfloat16)

    assert [0.0, -1004.0] == said.rounded(bfloat16).tolist()
    assert said.decided(bfloat16).all()
    assert 1 == said.escalated


def test_a_verdict_on_the_boundary_is_computed_again_and_counted() -> None:
    float32 = FORMATS["float32"]
    said = truth("softmax", [[0.0, 0.0], [0.0, 1.0]], format=float32)
    ulp = 2.0**-24

    assert [True, False] == said.faithful([[0.5 + ulp / 2, 0.5 + ulp], [0.27, 0.73]], float32)[0].tolist()
    assert 1 == said.escalated  # the first row alone, and once
    within = said.within(Bound(np.asarray(0.0), np.asarray(ulp)), [[0.5 + ulp, 0.5 + 2 * ulp], [0.0, 0.0]])
    assert [True, False] == within[0].tolist()
    assert 1 == said.escalated


def test_float64_roundings_are_decided_by_escalation() -> None:
    x = np.random.default_rng(0).standard_normal((20_000, 50))

    said = truth("softmax", x, format=FLOAT64)

    assert said.decided(FLOAT64).all()
    assert 0 < said.escalated < 100
    assert (said.rounded(FLOAT64) == truth("softmax", x).rounded(FLOAT64)).all()


def test_just_below_a_power_of_two_numbers_are_twice_as_dense() -> None:
    """Found by the certification: a truth at the middle below 0.25 was said to be decided."""
    row = [-0.4075004837686827, -0.40750048376868286, -0.4075004837686828, -0.40750048376868264]

    said = truth("softmax", row, format=FLOAT64)

    assert not said.decided(FLOAT64)[2]
    assert 2.0**-55 == said.ulp(FLOAT64)[2]


@pytest.mark.parametrize(
    ("error", "decided"), [(2.0**-14, True), (2.0**-12.5, True), (2.0**-11.5, False), (1.5, False)]
)
def test_below_a_power_of_two_the_middle_is_half_as_far(error: float, decided: bool) -> None:
    one, zero = np.ones(1), np.zeros(1)

    said = Truth(one, zero, np.zeros(1, np.int32), np.full(1, error), np.zeros(1, bool))

    assert [decided] == said.decided(FORMATS["float16"]).tolist()


@pytest.mark.parametrize("dtype", FORMATS)
def test_results_below_the_range_round_right(dtype: str) -> None:
    """Gaps that put p at the smallest subnormal, half of it, and a little around."""
    format = FORMATS[dtype]
    eta = mp.log(mp.mpf(format.smallest_subnormal))
    for units in (0.4999, 0.5001, 1, 1.4999, 1.5001, 3.4999, 3.5001):
        gap = float(eta + mp.log(units))
        said = truth("softmax", np.array([0.0, gap]), format=FLOAT64)
        due = mp.nint(exact("softmax", [0.0, gap])[1] / mp.mpf(format.smallest_subnormal))

        assert float(due) * format.smallest_subnormal == said.rounded(format)[1]


@FORWARD
def test_the_sign_of_zero_follows_from_the_truth(op: str) -> None:
    """A log-probability too small for the format is -0, that of the only logit is +0."""
    for format in (FORMATS["float32"], FLOAT64):
        alone = truth(op, [3.0, -math.inf], format=format).rounded(format)
        beside = truth(op, [0.0, -2000.0], format=format).rounded(format)

        lane = 1 if op == "softmax" else 0
        assert (alone[lane], beside[lane]) == (0.0, 0.0)
        assert (np.signbit(alone[lane]), np.signbit(beside[lane])) == (False, op == "log_softmax")


def test_a_format_without_infinity_rounds_to_nan_where_others_overflow() -> None:
    format = {f.name: f for f in FLOAT8_FORMATS.values()}["float8_e4m3fn"]
    largest = np.finfo(np.float64).max

    for x in ([0.0, -np.inf], [largest, -largest]):
        for said in (truth("log_softmax", x, format=format), truth("log_softmax", x)):
            assert [False, True] == np.isnan(said.rounded(format)).tolist()


def test_smallest_numbers_beside_a_mask_are_no_ties() -> None:
    """p of the first is above 2**-10, the tie of float8_e4m3fn that equal logits would be."""
    x = np.zeros(1025)
    x[0], x[-1] = 5e-324, -np.inf
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", x)

    assert said.error[0] > 0
    assert not said.decided(format)[0] or said.rounded(format)[0] == 2.0**-9
