"""The truth is true: against mpmath on every family, against ball arithmetic, and by exact identities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.cases import cases, families
from conformance.values import Tier
from reference.formats import FORMATS
from reference.truth import OPS, FlushesSubnormals, truth

mp = pytest.importorskip("mpmath", reason="mpmath is the arbiter of these tests")
from arbiter import exact, number  # noqa: E402 - needs mpmath

FLOAT64 = FORMATS["float64"]
SPREAD = 2**14  # beyond, the arbiter would need millions of digits; every format is far below its zero there


def rows_of(family: str, dtype: str) -> list[np.ndarray]:
    """The short rows of a family; of a larger array, one row along the asked axis."""
    found = []
    for case in cases(FORMATS[dtype], ("softmax",), families=[family], tier=Tier.STANDARD, seed=0):
        if case.raises:
            continue
        rows = np.moveaxis(case.values, case.axis, -1).reshape(-1, case.values.shape[case.axis])
        if rows.shape[1] <= 64:
            found.append(rows[0])
    return found


def worst_over_carried(op: str, rows: list[np.ndarray]) -> float:
    """The largest relative error of the truth, divided by the bound it carries."""
    worst = 0.0
    for row in rows:
        said = truth(op, row, format=FLOAT64)
        for i, due in enumerate(exact(op, row)):
            if abs(due) < mp.mpf(2) ** -SPREAD:
                assert abs(number(said, i)) < mp.mpf(2) ** -1100
            else:
                worst = max(worst, float(abs(number(said, i) - due) / abs(due) / said.error[i]))
    return worst


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("family", families())
def test_error_is_within_the_carried_bound(family: str, op: str, dtype: str) -> None:
    rows = rows_of(family, dtype)[::3]

    assert rows
    assert worst_over_carried(op, rows) <= 1


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_error_is_below_what_issue_readers_are_promised(op: str) -> None:
    """2**-60 relative is the promise to float64 targets; the carried bound is far below it."""
    assert (truth(op, np.linspace(-5, 5, 9), format=FLOAT64).error <= 2.0**-60).all()


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_ball_arithmetic_agrees(op: str) -> None:
    flint = pytest.importorskip("flint", reason="python-flint is not installed")
    rng = np.random.default_rng(0)
    old = flint.ctx.prec
    flint.ctx.prec = 2000
    try:
        for scale in (1e-3, 1.0, 30.0, 400.0):
            row = rng.standard_normal(40) * scale
            said = truth(op, row, format=FLOAT64)
            t = [flint.arb(float(x)) - flint.arb(float(row.max())) for x in row]
            total = sum((v.exp() for v in t), flint.arb(0))
            for i, v in enumerate(t):
                due = v.exp() / total if op == "softmax" else v - total.log()
                got = (flint.arb(said.high[i]) + flint.arb(said.low[i])) * flint.arb(2) ** int(said.exponent[i])
                assert abs(got - due) <= abs(due) * flint.arb(float(said.error[i]))
    finally:
        flint.ctx.prec = old


rows = hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e4, 1e4, allow_nan=False, allow_subnormal=True))


@given(rows)
def test_log_softmax_is_relatively_right_for_the_winner(row: np.ndarray) -> None:
    assert worst_over_carried("log_softmax", [row]) <= 1


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
        assert number(said, 1) == -2 * mp.mpf(big)


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


@pytest.mark.parametrize("op", ["softmax_vjp", "log_softmax_vjp"])
def test_vjps_are_the_jacobian_times_the_cotangent(op: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, g = rng.standard_normal(5) * 3, rng.standard_normal(5)
        said = truth(op, x, format=FLOAT64, cotangent=g)
        with mp.workprec(300):
            p = exact("softmax", x)
            mean = mp.fsum(mp.mpf(float(b)) * a for a, b in zip(p, g, strict=True))
            total = mp.fsum(mp.mpf(float(b)) for b in g)
            for i, own in enumerate(g):
                own_g = mp.mpf(float(own))
                due = p[i] * (own_g - mean) if op == "softmax_vjp" else own_g - p[i] * total
                assert abs(number(said, i) - due) <= abs(due) * mp.mpf(float(said.error[i]))


def test_neither_the_input_nor_errstate_is_touched() -> None:
    x = np.array([[1e308, -1e308], [0.0, -750.0]])
    kept = x.copy()
    x.setflags(write=False)

    with np.errstate(all="raise"):
        loud = [truth(op, x, format=FLOAT64, cotangent=np.ones_like(x)).rounded(FLOAT64).tolist() for op in OPS]
    quiet = [truth(op, x, format=FLOAT64, cotangent=np.ones_like(x)).rounded(FLOAT64).tolist() for op in OPS]

    assert quiet == loud
    assert (kept == x).all()


def test_flush_to_zero_mode_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is the one that can set the mode")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    try:
        with pytest.raises(FlushesSubnormals, match="subnormal numbers are flushed"):
            truth("softmax", [0.0, 1.0], format=FLOAT64)
    finally:
        torch.set_flush_denormal(False)

    assert 0.5 == truth("softmax", [0.0, 0.0], format=FLOAT64).rounded(FLOAT64)[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("softmin", [0.0]), ValueError, "op: unknown 'softmin'; known: softmax"),
        (("softmax", [1, 2]), TypeError, "x: floating numbers are needed, not int64"),
        (("softmax", np.array([None])), TypeError, "x: floating"),
        (("softmax_vjp", [0.0]), ValueError, "cotangent: softmax_vjp needs one"),
        (("softmax", [0.0], 1), np.exceptions.AxisError, "axis 1 is out of bounds"),
    ],
)
def test_bad_input_is_named(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        truth(*arguments, format=FLOAT64)
