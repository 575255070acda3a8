"""The truth is true: against mpmath and ball arithmetic on every family, by exact identities, and at every speed."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from arbiter import exact, number
from certification import SLACK, SPEEDS, Certificate, certify, certify_random
from hypothesis import given, target
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.cases import cases, families
from conformance.values import Tier
from reference.arguments import FlushesSubnormals
from reference.bounds import Bound, bounds
from reference.formats import FLOAT8_FORMATS, FORMATS
from reference.truth import OPS, Truth, truth

FLOAT64 = FORMATS["float64"]
FORWARD = pytest.mark.parametrize("op", ["softmax", "log_softmax"])
FAMILIES = sorted(set(families()) - {"dtypes"})  # whose rows of four integers stand beside float32 alone
SPREAD = 2**14  # beyond, the arbiter would need millions of digits; every format is far below its zero there


def rows_of(family: str, dtype: str, longest: int) -> list[np.ndarray]:
    """The rows of a family as matrices, along the asked axis; of a long row's matrix the first alone."""
    found = []
    for case in cases(FORMATS[dtype], ("softmax",), families=[family], tier=Tier.STANDARD, seed=0):
        n = case.values.shape[case.axis] if case.values.ndim and not case.raises else 0
        if 0 < n <= longest:
            found.append(np.moveaxis(case.values, case.axis, -1).reshape(-1, n)[:4])
    return found


@pytest.mark.parametrize("dtype", FORMATS)
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
    rows = [x[0] for x in rows_of(family, "float64", longest=300) if x.size and np.isfinite(x[0]).all()][::7]

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

    assert not found.failures
    assert found.worst_ratio >= 1 / SLACK


@FORWARD
@pytest.mark.parametrize(
    ("format", "promised"), [(FORMATS["float32"], 2.0**-43), (FLOAT64, 2.0**-64), (None, 2.0**-99)], ids=str
)
def test_the_promised_width_is_carried(op: str, format: Any, promised: float) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4096)) * 3

    assert (truth(op, x, format=format).error <= promised).all()


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


@pytest.mark.parametrize("op", OPS)
def test_memory_is_bounded_by_the_answer_and_a_block(op: str) -> None:
    x = np.random.default_rng(0).standard_normal(2_000_000)
    tracemalloc.start()
    try:
        truth(op, x, cotangent=np.ones_like(x) if op.endswith("vjp") else None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    answer = x.size * (3 * 8 + 4 + 1)
    blocks = 2 * 40 * 8 * 2**17  # two threads, each some forty arrays of a block
    assert peak < answer + 3 * x.nbytes + blocks


rows = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e4, 1e4, allow_nan=False, allow_subnormal=True))


@given(rows)
def test_log_softmax_is_relatively_right_for_the_winner(row: np.ndarray) -> None:
    found = certify("log_softmax", row[None], None)
    target(found.worst_ratio)

    assert not found.failures


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


@pytest.mark.parametrize("axis", range(-3, 3))
def test_every_axis_is_the_same_question_moved(axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4))

    got = truth("log_softmax", x, axis, format=FLOAT64).rounded(FLOAT64)

    last = truth("log_softmax", np.moveaxis(x, axis, -1), format=FLOAT64).rounded(FLOAT64)
    assert np.moveaxis(last, -1, axis).tolist() == got.tolist()


def test_special_values_follow_the_written_rules() -> None:
    nan, inf = math.nan, math.inf
    x = np.array([[0.0, nan], [0.0, -inf], [-inf, -inf], [inf, 0.0], [inf, nan]])

    p, y = truth("softmax", x, format=FLOAT64), truth("log_softmax", x, format=FLOAT64)

    assert np.isnan(p.high[[0, 2, 3, 4]]).all()
    assert [1.0, 0.0] == p.rounded(FLOAT64)[1].tolist()
    assert [0.0, -inf] == y.rounded(FLOAT64)[1].tolist()
    assert [False, False, True, True, False] == p.undefined.all(axis=1).tolist()
    assert (p.undefined == y.undefined).all()


def test_shapes_without_elements_or_axes() -> None:
    assert (0,) == truth("softmax", np.zeros(0), format=FLOAT64).high.shape
    assert (2, 0) == truth("softmax", np.zeros((2, 0)), format=FLOAT64).high.shape
    assert (0, 2) == truth("log_softmax", np.zeros((0, 2)), format=FLOAT64).high.shape
    assert 1.0 == truth("softmax", np.float64(3.0), format=FLOAT64).rounded(FLOAT64)


def test_differences_beyond_float64_overflow_to_minus_infinity() -> None:
    big = FLOAT64.max

    said = truth("log_softmax", np.array([big, -big]), format=FLOAT64)

    assert [0.0, -math.inf] == said.rounded(FLOAT64).tolist()
    with mp.workprec(100):
        assert abs(number(said, 1) + 2 * mp.mpf(big)) <= mp.mpf(float(said.error[1])) * 2 * mp.mpf(big)


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


@given(rows, st.sampled_from(sorted(FORMATS)), st.sampled_from(["softmax", "log_softmax"]))
def test_no_row_is_found_where_a_speed_breaks_its_word(row: np.ndarray, name: str, op: str) -> None:
    format = FORMATS[name]
    found = certify(op, format.quantise(row)[None], format)
    target(found.worst_ratio)

    assert not found.failures


def test_neither_the_input_nor_errstate_is_touched() -> None:
    x = np.array([[1e308, -1e308], [0.0, -750.0]])
    kept = x.copy()
    x.setflags(write=False)

    def answers() -> list[Any]:
        asked = [(op, np.ones_like(x) if op.endswith("vjp") else None) for op in OPS]
        return [truth(op, x, format=FLOAT64, cotangent=g).rounded(FLOAT64).tolist() for op, g in asked]

    with np.errstate(all="raise"):
        loud = answers()
    quiet = answers()

    assert quiet == loud
    assert (kept == x).all()


def test_flush_to_zero_mode_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is the one that can set the mode")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    torch.set_flush_denormal(False)
    said = truth("softmax", [0.0, -740.0], format=FLOAT64)
    assert torch.set_flush_denormal(True)
    try:
        for ask in (
            lambda: truth("softmax", [0.0, 1.0], format=FLOAT64),
            lambda: said.rounded(FLOAT64),
            lambda: said.faithful([1.0, 0.0], FLOAT64),
            lambda: said.nearest,
            lambda: bounds("softmax", [0.0, 1.0], format=FLOAT64),
        ):
            with pytest.raises(FlushesSubnormals, match="subnormal numbers are flushed"):
                ask()
    finally:
        torch.set_flush_denormal(False)

    assert 0.5 == truth("softmax", [0.0, 0.0], format=FLOAT64).rounded(FLOAT64)[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("softmin", [0.0]), ValueError, "op: unknown 'softmin'; known: softmax"),
        (("softmax", [1, 2]), TypeError, "x: floating numbers are needed, not int64"),
        (("softmax", np.array([None])), TypeError, "x: floating"),
        (("softmax", np.array([1.0, 2.0], dtype=object)), TypeError, "x: floating numbers are needed, not object"),
        (("softmax", [1j]), TypeError, "x: floating numbers are needed, not complex128"),
        (("softmax", [True]), TypeError, "x: floating numbers are needed, not bool"),
        (("softmax", np.zeros(2, np.longdouble)), TypeError, "x: .* holds more than float64"),
        (("softmax_vjp", [0.0]), ValueError, "cotangent: softmax_vjp needs one"),
        (("softmax", [0.0], 1), np.exceptions.AxisError, "axis 1 is out of bounds"),
        (("softmax", [0.0], None), TypeError, "axis: an integer is needed, not None"),
    ],
)
def test_bad_input_is_named(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        truth(*arguments, format=FLOAT64)


@pytest.mark.parametrize(
    ("op", "g", "error", "message"),
    [
        ("softmax_vjp", [1.0, 2.0, 3.0], ValueError, r"cotangent: its shape \(3,\) is not that of x, \(2,\)"),
        ("softmax_vjp", [1, 2], TypeError, "cotangent: floating numbers"),
        ("softmax", [1.0, 2.0], ValueError, "cotangent: softmax takes none"),
    ],
)
def test_a_bad_cotangent_is_named(op: str, g: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        truth(op, [0.0, 1.0], cotangent=g)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("format", [FORMATS["float32"], FLOAT64, None], ids=str)
@pytest.mark.parametrize("n", [5, 300])
def test_memory_layout_changes_no_bit(op: str, format: Any, n: int) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 6, n)), rng.standard_normal((2, 6, n))

    def bits(x: np.ndarray, g: np.ndarray, axis: int = -1) -> list[bytes]:
        said = truth(op, x, axis, format=format, cotangent=g if op.endswith("vjp") else None)
        parts = (said.high, said.low, said.exponent, said.error)
        return [np.moveaxis(part, axis, -1).tobytes() for part in parts]

    due = bits(x, g)
    spread_x, spread_g = np.zeros((2, 6, 2 * n)), np.zeros((2, 6, 2 * n))
    spread_x[..., ::2], spread_g[..., ::2] = x, g
    assert due == bits(np.asfortranarray(x), np.asfortranarray(g))
    assert due == bits(spread_x[..., ::2], spread_g[..., ::2])
    assert due == bits(x[..., ::-1].copy()[..., ::-1], g)
    assert due == bits(np.moveaxis(x, -1, 0).copy(), np.moveaxis(g, -1, 0).copy(), 0)


@pytest.mark.parametrize(
    ("format", "reach"), [(FORMATS["bfloat16"], 700), (FLOAT64, 1100), (None, 2**14)], ids=["narrow", "middle", "wide"]
)
def test_what_lies_beyond_reach_is_counted_as_an_error(format: Any, reach: int) -> None:
    """Found by the certification: the winner's log-probability is the sum of lanes at both sides of the reach."""
    for inside, outside in ((1, 1), (8, 8), (20, 1), (60, 40), (200, 1)):
        row = np.array([[0.0, inside - reach, -reach - outside, -reach - outside]])

        assert not certify("log_softmax", row, format).failures
        assert not certify("softmax", row, format).failures


@pytest.mark.parametrize("op", ["softmax_vjp", "log_softmax_vjp"])
@pytest.mark.parametrize("name", SPEEDS)
def test_a_cotangent_beyond_reach_is_no_exact_zero(op: str, name: str) -> None:
    """Found by review: p is below exp(-reach) in one lane, and the whole cotangent stands there."""
    found = Certificate()
    for x in ([0.0, -5568.0], [0.0, -1200.0, -3.0], [0.0, -17000.0], [0.0, 1.0, -1104.0]):
        for g in ([0.0, 6.4e-232, 0.0], [1e-200, 1e300, 0.0], [0.0, 0.0, 1e280], [1e-300, 1.0, 1e-300]):
            certify(op, np.array([x]), SPEEDS[name], np.array([g[: len(x)]]), found)
    for x in ([0.0, -np.inf, -3.0], [0.0, -1.0, -900.0]):
        for g in ([1e300, 1e-300, 5e-324], [1e308, -1e308, 3e-324], [5e-324, 1e-323, 0.0], [1e-310, -1e-310, 1e-316]):
            certify(op, np.array([x]), SPEEDS[name], np.array([g]), found)

    assert found.lanes
    assert not found.failures


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


def test_the_callers_array_may_change_afterwards() -> None:
    format = FLOAT8_FORMATS["float8_e4m3fn"]
    x = np.zeros((1, 1024))
    said = truth("softmax", x, format=format)

    x[0, 0] = 5.0

    assert not said.rounded(format).any()


def test_smallest_numbers_beside_a_mask_are_no_ties() -> None:
    """p of the first is above 2**-10, the tie of float8_e4m3fn that equal logits would be."""
    x = np.zeros(1025)
    x[0], x[-1] = 5e-324, -np.inf
    format = FLOAT8_FORMATS["float8_e4m3fn"]

    said = truth("softmax", x)

    assert said.error[0] > 0
    assert not said.decided(format)[0] or said.rounded(format)[0] == 2.0**-9


@pytest.mark.parametrize("dtype", FORMATS)
@FORWARD
def test_a_difference_that_overflows_is_no_mask(op: str, dtype: str) -> None:
    largest = np.finfo(np.float64).max

    said = truth(op, [largest, -largest], format=FORMATS[dtype])

    assert said.error[1] > 0
    assert said.rounded(FORMATS[dtype])[1] == (0.0 if op == "softmax" else -np.inf)
    if op == "log_softmax":
        due = 2 * mp.mpf(float(largest))
        assert abs(number(said, 1) + due) <= due * mp.mpf(float(said.error[1]))


@pytest.mark.parametrize(
    ("error", "decided"), [(2.0**-14, True), (2.0**-12.5, True), (2.0**-11.5, False), (1.5, False)]
)
def test_below_a_power_of_two_the_middle_is_half_as_far(error: float, decided: bool) -> None:
    one, zero = np.ones(1), np.zeros(1)

    said = Truth(one, zero, np.zeros(1, np.int32), np.full(1, error), np.zeros(1, bool))

    assert [decided] == said.decided(FORMATS["float16"]).tolist()
