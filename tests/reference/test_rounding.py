"""The truth is rounded right, or says that it does not know; what a verdict hangs on is computed again."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from arbiter import balls, exact
from certification import SPEEDS, Certificate, certify, random_rows

from reference.comparison import Bound
from reference.formats import EVERY_FORMAT, FLOAT8_FORMATS, FORMATS, Format
from reference.truth import Truth, truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])


def test_a_tie_of_an_exact_quotient_goes_to_even() -> None:
    """1024 equal logits: p = 2**-10 is half the smallest float8_e4m3fn, exactly."""
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", np.zeros(1024), format=format)

    assert not said.rounded(format).any()
    assert said.decided(format).all()
    assert 1 == said.decisive(format).escalated


@pytest.mark.parametrize("gap", [5000.0, 20_000.0, 1e300])
def test_a_tie_is_lowered_by_what_is_far_below_the_last_bit(gap: float) -> None:
    """The same tie, less exp(-gap); and half of a pair, whose last place is that of the numbers below one half."""
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", np.append(np.zeros(1024), -gap), format=format)

    assert said.decided(format).all()
    assert not said.rounded(format).any()
    half = truth("softmax", [0.0, 0.0, -gap])
    assert [2.0**-54, 2.0**-54] == half.ulp(FLOAT64)[:2].tolist()
    assert [True, False] == half.faithful([0.5 - 2.0**-54, 0.5 + 2.0**-53, 0.0], FLOAT64)[:2].tolist()


@pytest.mark.parametrize("k", [1, 2, 64])
@pytest.mark.parametrize("name", SPEEDS)
def test_a_winner_that_dominates_is_known_to_more_than_its_last_bit(k: int, name: str) -> None:
    found = Certificate()
    for gap in np.r_[np.linspace(20, 45, 26), np.linspace(60, 90, 31), 690.0, 1110.0]:
        certify("softmax", np.r_[np.zeros(k), -gap, -gap - 1][None], SPEEDS[name], into=found)
        certify("softmax", np.r_[np.full(k, 3.0), -np.inf, 3 - gap][None], SPEEDS[name], into=found)

    assert not found.failures
    assert not found.undecided


def test_what_no_arithmetic_here_can_decide_is_said() -> None:
    """Two logits one unit apart: p is within 2**-150 of the middle between two float64."""
    x = [1.0, 1.0 + 2.0**-52]

    said = truth("softmax", x, format=FLOAT64)

    assert not said.decided(FLOAT64).all()
    assert 1 == said.decisive(FLOAT64).escalated


def test_a_logarithm_far_below_the_last_bit_still_breaks_a_tie() -> None:
    """-1002 lies between two bfloat16; the log-probability is that less exp(-1002)."""
    bfloat16 = FORMATS["bfloat16"]

    said = truth("log_softmax", [1000.0, -2.0], format=bfloat16)

    assert [0.0, -1004.0] == said.rounded(bfloat16).tolist()
    assert said.decided(bfloat16).all()
    assert 1 == said.decisive(bfloat16).escalated


@pytest.mark.parametrize("tiny", [2.0**-116, 2.0**-126, 2.0**-1050, -(2.0**-116), -(2.0**-126), -(2.0**-1050)])
@pytest.mark.parametrize("row", [(-990.0, "bfloat16"), (-1002.0, "bfloat16"), (-2049.0, "float32")])
def test_a_tiny_part_of_the_difference_is_not_drowned(row: Any, tiny: float) -> None:
    """Found by review: 2**-111 of t stood for a logarithm below 2**-1400, beside a low part that was smaller."""
    loser, dtype = row
    narrow = FORMATS["float16"] if dtype == "float32" else FORMATS[dtype]  # in which the loser is a middle

    said = truth("log_softmax", [tiny, loser], format=FORMATS[dtype if abs(tiny) > 2.0**-127 else "float64"])
    wide = truth("log_softmax", [tiny, loser])

    due = np.nextafter(np.float64(loser), -math.inf if tiny > 0 else math.inf)
    for one in (said, wide):
        assert one.decided(narrow)[1]
        assert narrow.quantise(due) == one.rounded(narrow)[1]
        assert one.error[1] != 0


@pytest.mark.parametrize("third", [-45.0, -47.0, -48.5, -50.0, -55.0])
@pytest.mark.parametrize("format", [FLOAT64, None], ids=str)
def test_a_low_part_is_rounded_to_odd(format: Any, third: float) -> None:
    """Found by review: less the logarithm, the low part rounds to a middle, and the error of that says on which side."""
    for off in range(-6, 7):  # numbers beside -47 and a logarithm that bring the low part to half a unit
        with mp.workprec(400):
            log = mp.log1p(mp.exp(third) + mp.exp(-100))
            top = float(mp.mpf(2) ** -47 - log) + off * 2.0**-100
        x = [top, -100.0, third]
        said, due = truth("log_softmax", x, format=format), exact("log_softmax", x)[1]
        assert said.decided(FLOAT64)[1]
        with mp.workprec(53):
            assert float(+due) == said.rounded(FLOAT64)[1]


def test_below_the_smallest_normal_number_no_binade_is_denser() -> None:
    """A quarter of the last place below it is no middle, as it is below every other power of two."""
    float16 = FORMATS["float16"]
    least, eta = float16.smallest_normal, float16.smallest_subnormal
    for due in (least - eta / 4, least - eta / 4 * (1 + 2.0**-40)):
        said = Truth(
            *(np.array([part]) for part in (due, 0.0)), np.zeros(1, np.int32), np.full(1, 2.0**-30), np.zeros(1, bool)
        )
        assert said.decided(float16)[0]
        assert least == said.rounded(float16)[0]


def test_a_bound_that_is_subnormal_is_rounded_upwards() -> None:
    """Found by review: to nearest it was up to 1.35 times too small, which a ratio of two float64 does not show."""
    for power in range(-1018, -1006):
        for x in ([sign * 2.0**power, gap] for sign in (1, -1) for gap in (-740.0, -760.0, -800.0)):
            said, due = truth("log_softmax", x), exact("log_softmax", x)[1]
            with mp.workprec(3000):
                found = (mp.mpf(said.high[1]) + mp.mpf(said.low[1])) * mp.mpf(2) ** int(said.exponent[1])
                assert abs(found - due) <= mp.mpf(said.error[1]) * abs(mp.mpf(said.high[1])), x


@pytest.mark.parametrize("tiny", [2.0**-47 - 2.0**-100, 2.0**-47 + 2.0**-99, 2.0**-47, -(2.0**-47), 2.0**-48])
def test_the_next_pair_is_no_middle_that_was_reached(tiny: float) -> None:
    due = float(Fraction(-100) - Fraction(tiny) - Fraction(1, 2**140))

    for format in (FLOAT64, None):
        said = truth("log_softmax", [tiny, -100.0], format=format)
        assert said.decided(FLOAT64)[1]
        assert due == said.rounded(FLOAT64)[1]


@pytest.mark.parametrize("format", [FLOAT64, None], ids=str)
def test_a_difference_that_is_no_number_is_kept_whole(format: Any) -> None:
    """Found by review: of wide rows one lane in eight is half a unit beside a float64, less something, and was undecided."""
    rng = np.random.default_rng(0)
    x = np.c_[rng.uniform(50, 100, 4000), rng.uniform(-1000, -100, (4000, 3)), np.full(4000, -1e4)]
    x[0, 1], x[1, :2] = -np.inf, [37.7, -39.6]
    little = Fraction(1, 2**100)  # log S is smaller, and larger than nothing

    said = truth("log_softmax", x, format=format)

    assert said.decided(FLOAT64).all()
    assert said is said.decisive(FLOAT64)
    due = [[float(Fraction(b) - Fraction(row[0]) - little) for b in row[2:]] for row in x.tolist()]
    assert (np.array(due) == said.rounded(FLOAT64)[:, 2:]).all()
    found = Certificate()
    certify("log_softmax", x[:300], format, into=found)
    for gap in np.linspace(20, 90, 36):
        certify("log_softmax", x[:3, :2] - [[0.0, gap - 80]] * 3, format, into=found)
    assert not found.failures


def test_a_verdict_on_the_boundary_is_computed_again_and_counted() -> None:
    float32 = FORMATS["float32"]
    said = truth("softmax", [[0.0, 0.0], [0.0, 1.0]], format=float32)
    ulp = 2.0**-24

    near, far = [[0.5 + ulp / 2, 0.5 + ulp], [0.27, 0.73]], [[0.5 + ulp, 0.5 + 2 * ulp], [0.0, 0.0]]
    bound = Bound(np.asarray(0.0), np.asarray(ulp))

    assert [True, False] == said.faithful(near, float32)[0].tolist()
    assert [True, False] == said.within(bound, far)[0].tolist()
    once = said.settled(near, float32)
    assert [[True], [False]] == once.wide.tolist()  # the first row alone
    assert [True, False] == once.faithful(near, float32)[0].tolist()
    assert once is once.settled(far, bound)  # and once
    assert [True, False] == once.within(bound, far)[0].tolist()
    assert (0, 1) == (said.escalated, once.escalated)


def test_a_smallest_logit_decides_on_which_side_of_a_tie_the_loser_is() -> None:
    """Found by review: y is -2049 + 2**-1074 less exp(-2049), and float16 has -2048 and -2050."""
    float16 = FORMATS["float16"]

    for row in ([-5e-324, -2049.0, -math.inf], [-5e-324, -2049.0], [-5e-324, -2049.0, -FLOAT64.max]):
        said = truth("log_softmax", row)
        assert not said.decided(float16)[1] or said.rounded(float16)[1] == -2048


@pytest.mark.parametrize("format", [FLOAT64, FORMATS["float32"], None], ids=str)
def test_a_number_beyond_the_format_is_decided(format: Any) -> None:
    largest = FLOAT64.max
    said = truth("log_softmax", [[largest, -largest], [0.0, -1e300], [0.0, -(2.0**128)]], format=format)

    for narrow in (FORMATS["float32"], FLOAT8_FORMATS["float8_e5m2"]):
        assert said.decided(narrow).all()
        assert [-math.inf] * 3 == said.rounded(narrow)[:, 1].tolist()
        assert said is said.decisive(narrow)


def test_infinity_and_nan_are_within_every_bound_where_they_are_right_and_within_none_where_they_are_not() -> None:
    nan, inf = math.nan, math.inf
    x = [[0.0, -inf], [0.0, nan], [0.0, inf], [0.0, 0.0]]
    for op, masked in (("softmax", 0.0), ("log_softmax", -inf)):
        said = truth(op, x, format=FLOAT64)
        half = 0.5 if op == "softmax" else -math.log(2)
        bound = Bound(np.zeros((4, 2)), np.full((4, 2), 1e-9))
        right = [[0.0 + (op == "softmax"), masked], [nan, nan], [nan, nan], [half, half]]
        wrong = [[inf, -masked or 1.0], [0.0, inf], [nan, 0.0], [nan, -inf]]

        for verdict in (lambda got: said.within(bound, got), lambda got: said.faithful(got, FLOAT64)):  # noqa: B023
            assert [True, True, False, True] == verdict(right).all(axis=1).tolist()
            assert not verdict(wrong).any()
        assert np.isnan(said.error_over(bound, right)[2]).all()


@pytest.mark.parametrize("within", [True, False])
def test_a_verdict_is_exact_at_the_very_boundary(within: bool) -> None:
    """Found by review: half a unit and 2**-57.5 was within half a unit."""
    with mp.workprec(300):
        for x in ([0.0, 1.0, 3.0], [0.25, -7.0, 2.5]):
            said = truth("softmax", x)
            for i, due in enumerate(exact("softmax", x)):
                for got in (float(due) * 2, float(due) / 3, float(due) + 2.0**-35):
                    off = abs(mp.mpf(got) - due)
                    # The two float64 beside the error, of which the smaller is not enough.
                    below = float(off) if mp.mpf(float(off)) <= off else np.nextafter(float(off), 0)
                    bound = np.nextafter(below, 1) if within else below
                    assert within == said.within(Bound(np.zeros(3), np.full(3, bound)), np.full(3, got))[i]
                    in_proportion = Bound(np.full(3, float((bound - off / 2) / due)), np.full(3, float(off / 2)))
                    enough = mp.mpf(in_proportion.relative[i]) * due + mp.mpf(in_proportion.absolute[i]) >= off
                    assert enough == said.within(in_proportion, np.full(3, got))[i]


def test_an_answer_exactly_as_far_off_as_is_allowed_is_within_and_not_faithful() -> None:
    said = truth("softmax", [0.0, 0.0], format=FLOAT64)

    assert said.within(Bound(np.zeros(2), np.full(2, 0.25)), [0.75, 0.25]).all()
    assert said.within(Bound(np.full(2, 0.25), np.full(2, 0.125)), [0.75, 0.25]).all()
    assert [True, False] == said.faithful([0.5 + 2.0**-54, 0.5 + 2.0**-53], FLOAT64).tolist()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_faithful_is_what_ball_arithmetic_says(op: str, dtype: str) -> None:
    """Of the two neighbours of the rounded truth, and of the numbers beside a whole unit from the truth."""
    format = FORMATS[dtype]
    rng = np.random.default_rng(0)
    for x in random_rows(format, 200, rng):
        said = truth(op, x, format=format)
        near = said.rounded(format)
        ulp = said.ulp(format)
        for got in (near, near + ulp, near - ulp, said.nearest + ulp, said.nearest - ulp):
            faithful = said.faithful(got, format)
            for i, row in enumerate(x.tolist()):
                if math.isinf(max(row)):
                    continue
                for j, due in enumerate(balls(op, row)):
                    if not math.isfinite(got[i, j]) or row[j] == -math.inf:
                        continue
                    excess = abs(due - got[i, j]) - ulp[i, j]
                    if faithful[i, j]:
                        assert not excess >= 0
                    else:  # or not known to be
                        assert excess + abs(due) * said.error[i, j] >= 0 or excess.contains(0)


def test_float64_roundings_are_decided_by_escalation() -> None:
    x = np.random.default_rng(0).standard_normal((20_000, 50))

    said = truth("softmax", x, format=FLOAT64)

    expected = (2 * said.error * 2.0**53).sum()  # lanes whose error reaches a middle, at most, if they lie anywhere
    assert said.decided(FLOAT64).all()
    assert 0 < said.decisive(FLOAT64).escalated < expected + 10 * math.sqrt(expected)
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


@pytest.mark.parametrize(("error", "decided"), [(2.0**-13.1, True), (2.0**-12.9, True), (2.0**-11.9, False)])
def test_above_a_power_of_two_the_middle_below_it_counts_too(error: float, decided: bool) -> None:
    """Found by review: of 1 + 2**-20 only the middles half a unit away were looked at."""
    one, zero = np.full(1, 1 + 2.0**-20), np.zeros(1)

    said = Truth(one, zero, np.zeros(1, np.int32), np.full(1, error), np.zeros(1, bool))

    assert [decided] == said.decided(FORMATS["float16"]).tolist()


@pytest.mark.parametrize(
    ("op", "row", "dtype"),
    [
        ("softmax", [0.0, -600.0], "float32"), ("softmax", [0.0, -1400.0], "float64"), ("softmax", [0.0, -3e5], "float64"),
        ("softmax", [0.0, -520.0], "float16"), ("log_softmax", [-600.0, 0.0], "float32"),
        ("log_softmax", [-1e300, 0.0], "float64"),
    ],
)  # fmt: skip
def test_the_smallest_number_is_faithful_to_a_truth_far_below_it_of_the_same_sign(
    op: str, row: Any, dtype: str
) -> None:
    format = FORMATS[dtype]
    eta = format.smallest_subnormal * (1 if op == "softmax" else -1)
    said, bound = truth(op, row, format=format), Bound(np.zeros(2), np.full(2, abs(eta)))

    for got, right in ((eta, True), (-eta, False), (0.0, True), (2 * eta, False)):
        assert right == said.faithful([0.0, got], format)[1]
        assert right == said.within(bound, [0.0, got])[1]


@pytest.mark.parametrize(
    ("row", "dtype", "got"), [([0.0, -72.0], "float8_e4m3fn", -80.0), ([0.0, -200.0], "float32", -200 - 2.0**-16)]
)
def test_a_number_a_unit_beyond_a_tie_that_is_broken_is_faithful(row: Any, dtype: str, got: float) -> None:
    """Found by review: y lies beyond the tie, so that the next number is less than a unit away."""
    format = EVERY_FORMAT[dtype]
    said = truth("log_softmax", row, format=format)

    assert said.faithful([-0.0, got], format)[1]
    assert not said.faithful([-0.0, -72 + 8.0 if got == -80 else -200 + 2.0**-16], format)[1]


def test_the_smallest_number_on_the_wrong_side_of_one_is_not_within_one() -> None:
    said, bound = truth("softmax", [0.0], format=FLOAT64), Bound(np.zeros(1), np.ones(1))

    assert [True, False, True] == [said.within(bound, [got])[0] for got in (5e-324, -5e-324, 0.0)]


@pytest.mark.parametrize("name", SPEEDS)
def test_an_array_without_an_axis_is_judged_like_a_row_of_one(name: str) -> None:
    format = SPEEDS[name] or FLOAT64
    for op in ("softmax", "log_softmax"):
        alone, row = truth(op, 0.0, format=SPEEDS[name]), truth(op, [0.0], format=SPEEDS[name])
        for got in (1.0, 1 - format.unit_roundoff, 1 + 3 * format.unit_roundoff, 0.5):
            assert alone.faithful(got, format) == row.faithful([got], format)[0]
            half = Bound(np.asarray(0.0), np.asarray(0.5))
            assert alone.within(half, got) == row.within(half, [got])[0]
        assert alone.ulp(format) == row.ulp(format)[0]
        assert alone.rounded(format) == row.rounded(format)[0]


@pytest.mark.parametrize(
    ("row", "dtype"),
    [([6e4, -6e4], "float16"), ([FLOAT64.max, -FLOAT64.max], "float64"), ([0.0, -447.9], "float8_e4m3fn")],
)
def test_an_overflow_is_faithful_where_the_truth_is_beyond_the_largest_number(row: Any, dtype: str) -> None:
    format = EVERY_FORMAT[dtype]
    for asked in (format, None):
        said = truth("log_softmax", row, format=asked)
        overflows = not np.isfinite(said.rounded(format)[1])
        assert overflows == (dtype != "float8_e4m3fn")
        assert overflows == said.faithful([0.0, -format.overflow], format)[1]
        assert not said.faithful([0.0, math.inf], format)[1]


@pytest.mark.parametrize("dtype", EVERY_FORMAT)
def test_an_overflow_is_faithful_to_no_number_within_the_range(dtype: str) -> None:
    """Found by review: every truth in the last unit of its binade had counted as beyond the largest number."""
    format = EVERY_FORMAT[dtype]
    p = format.precision
    for row in ([2.2, 0.0], [0.0, -(p + 1) * math.log(2)], [0.0, -4.0], [0.0, 0.0]):
        for op in ("softmax", "log_softmax"):
            for asked in (format, None):
                said = truth(op, row, format=asked)
                for wrong in (math.inf, -math.inf, math.nan):
                    assert not said.faithful([wrong] * 2, format).any()


def test_an_overflow_is_judged_by_the_low_part_too() -> None:
    """Found by review: the cheapest speed did not know on which side of the largest number the truth is."""
    format, largest = FORMATS["float32"], FORMATS["float32"].max
    for asked in (format, None):
        for row in ([2.0**78, -largest], [0.0, 0.0, -largest]):
            said = truth("log_softmax", row, format=asked)
            assert said.faithful([0.0, 0.0, -math.inf][-len(row) :], format)[-1]
        below = format.quantise(largest * (1 - 2.0**-23)).item()
        assert not truth("log_softmax", [0.0, -below], format=asked).faithful([0.0, -math.inf], format)[1]


@pytest.mark.parametrize(("op", "lane", "got"), [("softmax", 1, [1.0, 0.0]), ("log_softmax", 0, [-0.0, -690.0])])
def test_what_is_below_every_format_is_looked_up_for_a_bound_that_is_smaller(op: str, lane: int, got: Any) -> None:
    """Found by review: p = 2e-300 was within 1e-310 of zero, as it is no number of float32."""
    small, large = np.full(2, 1.0), np.full(2, 2.0**-900)
    small[lane] = 1e-310  # and of the other lane nothing is in doubt
    said = truth(op, [0.0, -690.0], format=FORMATS["float32"])

    assert said.within(Bound(np.zeros(2), large), got)[lane]
    assert not said.within(Bound(np.zeros(2), small), got)[lane]
    assert 1 == said.settled(got, Bound(np.zeros(2), small)).escalated


@pytest.mark.parametrize(("op", "lane", "got"), [("softmax", 1, [1.0, 0.0]), ("log_softmax", 0, [-0.0, -20_000.0])])
def test_what_is_below_even_the_widest_truth_is_within_any_bound(op: str, lane: int, got: Any) -> None:
    """exp(-20000) is a zero at every speed; of a row that was computed again it is known how much smaller that is."""
    small = np.full(2, 1.0)
    small[lane] = 5e-324
    bound, said = Bound(np.zeros(2), small), truth(op, [0.0, -20_000.0], format=FORMATS["float32"])

    wider = said.settled(got, bound)
    assert 1 == wider.escalated
    assert (0.0, 1.0) == (wider.high[lane], wider.error[lane])
    for one in (said, wider, truth(op, [0.0, -20_000.0])):
        assert one.within(bound, got).all()


def test_what_is_below_every_format_is_within_its_own_size() -> None:
    """Found by review: beside a bound without an absolute part the share was NaN."""
    p, y = truth("softmax", [0.0, -800.0], format=FORMATS["float32"]), truth("log_softmax", [0.0, -800.0])
    bound = Bound(np.array([1.0, 2.0]), np.zeros(2))

    assert p.within(bound, [1.0, 0.0]).all()
    assert 0.5 == p.error_over(bound, [1.0, 0.0])[1]
    assert math.inf > y.error_over(Bound(np.array(0.5), np.zeros(2)), [0.0, -800.0])[0] > 1
    assert not truth("softmax", [0.0, -20_000.0]).within(Bound(np.array(0.5), np.zeros(2)), [1.0, 0.0])[1]


def test_a_narrow_format_of_wide_range_gets_a_speed_that_reaches_as_far() -> None:
    wide = Format("float19", 11, -1022, 1023, "float64")

    for op, lane, due in (("softmax", 1, math.exp(-700)), ("log_softmax", 0, -math.exp(-700))):
        said = truth(op, [0.0, -700.0], format=wide)
        assert wide.quantise(due) == said.rounded(wide)[lane]


def test_minus_infinity_is_a_nan_where_there_is_no_infinity() -> None:
    format = FLOAT8_FORMATS["float8_e4m3fn"]
    said = truth("log_softmax", [0.0, -math.inf], format=format)

    assert said.faithful(said.rounded(format), format).all()
    assert not said.faithful([0.0, -math.inf], format)[1]


def test_an_answer_that_is_no_array_of_floats_is_refused() -> None:
    said = truth("softmax", [0.0, 1.0], format=FLOAT64)

    for got in (["0.3", "0.7"], [None, None], [0, 1], np.ma.array([0.3, 0.7], mask=[0, 1])):
        with pytest.raises(TypeError, match="got: "):
            said.faithful(got, FLOAT64)


def test_an_answer_of_another_shape_is_refused() -> None:
    said, bound = truth("softmax", [0.0, 1.0], format=FLOAT64), Bound(np.zeros(2), np.ones(2))

    for verdict in (lambda got: said.within(bound, got), lambda got: said.faithful(got, FLOAT64)):
        with pytest.raises(ValueError, match=r"got: its shape \(2, 2\) is not that of the question, \(2,\)"):
            verdict([[0.3, 0.7], [0.5, 0.5]])
    for shape in ((3, 2), (3,)):
        with pytest.raises(ValueError, match=r"bound: its shape \(3.* is not that of the question, \(2,\)"):
            said.within(Bound(np.zeros(shape), np.zeros(2)), [0.3, 0.7])
    with pytest.raises(ValueError, match="bound: an error that is allowed is not negative"):
        said.within(Bound(np.zeros(2), np.full(2, -1.0)), [0.3, 0.7])
    with pytest.raises(TypeError, match=r"bound: a reference\.Bound is needed, not None"):
        said.within(None, [0.3, 0.7])  # type: ignore[arg-type]
    assert [False, False] == said.faithful(0.5, FLOAT64).tolist()


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
