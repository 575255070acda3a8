"""The vjps are true, and their bounds right from both sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import algorithms
import mpmath as mp
import numpy as np
import pytest
from arbiter import exact, number
from certification import SPEEDS, Certificate, certify, random_cotangent
from rows import A_FORMAT_A_SPEED, FAMILIES, rows_of

from reference.bounds import bounds
from reference.formats import FORMATS
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference.formats import Format

VJPS = pytest.mark.parametrize("op", ["softmax_vjp", "log_softmax_vjp"])


@pytest.mark.parametrize("dtype", A_FORMAT_A_SPEED)
@VJPS
@pytest.mark.parametrize("family", FAMILIES)
def test_ball_arithmetic_agrees_on_every_family(family: str, op: str, dtype: str) -> None:
    """At the format's own speed and the widest, with cotangents of every size that float64 has."""
    found, rng = Certificate(), np.random.default_rng(0)
    for x in rows_of(family, dtype, longest=300):
        for format in (FORMATS[dtype], None):
            certify(op, x, format, random_cotangent(x.shape, rng), found)

    assert found.lanes
    assert not found.failures


@VJPS
@pytest.mark.parametrize("family", FAMILIES)
def test_mpmath_agrees_on_every_family(family: str, op: str) -> None:
    """Another arbiter with another way to compute, on a few rows of each; its own error is far below the terms' size."""
    rows = [row for x in rows_of(family, "float64", longest=300) for row in x if np.isfinite(row).all()][::7]
    rng = np.random.default_rng(0)

    assert rows
    for row in rows[:20]:
        g = rng.standard_normal(row.shape)
        said = truth(op, row, cotangent=g)
        with mp.workprec(400):
            for i, due in enumerate(exact(op, row, g)):
                off = abs(number(said, i) - due)
                assert off <= abs(number(said, i)) * mp.mpf(float(said.error[i])) + mp.mpf(2) ** -1100


def asked(op: str, format: Format) -> Iterator[tuple[Any, ...]]:
    """Rows of every family beside cotangents of both signs, of one sign, and one far below the maximum."""
    rng = np.random.default_rng(0)
    for family in FAMILIES:
        for some in rows_of(family, format.name, longest=300):
            x = some[np.isfinite(some.max(-1))]
            if not x.size:
                continue
            last = np.eye(x.shape[-1])[x.argmin(-1)]
            for drawn in (rng.standard_normal(x.shape), np.ones_like(x), 100 * last):
                g = format.quantise(drawn)
                yield x, g, truth(op, x, format=format, cotangent=g)


def probabilities(x: Any, format: Format, forward: Any = algorithms.two_pass) -> Iterator[Any]:
    """p as a backward pass has it, in working precision: it was saved, or its logarithm was."""
    work = np.float64 if format.precision > 24 else np.float32
    with np.errstate(all="ignore"):
        yield format.quantise(forward(x, -1, "softmax", work)).astype(work)
        yield np.exp(format.quantise(forward(x, -1, "log_softmax", work)).astype(work))


def worst(
    backward: Callable[..., Any], op: str, format: Format, grade: Any, forward: Any = algorithms.two_pass
) -> float:
    """The largest share of the grade's bound over all families."""
    shares = [0.0]
    for x, g, said in asked(op, format):
        bound = bounds(op, x, format=format, grade=grade, cotangent=g)
        for p in probabilities(x, format, forward):
            with np.errstate(all="ignore"):
                got = format.quantise(backward(op, p, g.astype(p.dtype)))
            shares.append(float(said.error_over(bound, got).max()))
    return max(shares)


@VJPS
@pytest.mark.parametrize("dtype", FORMATS)
def test_honest_backward_passes_are_stable(op: str, dtype: str) -> None:
    assert worst(algorithms.backward, op, FORMATS[dtype], "stable") <= 1


@VJPS
@pytest.mark.parametrize("dtype", FORMATS)
def test_a_backward_pass_by_way_of_powers_of_two_is_loose(op: str, dtype: str) -> None:
    assert worst(algorithms.backward, op, FORMATS[dtype], "loose", algorithms.exp2_based) <= 1


@VJPS
def test_half_precision_throughout_is_loose_in_half_precision(op: str) -> None:
    def throughout(op: str, p: Any, g: Any) -> Any:
        return algorithms.backward(op, p.astype(np.float16), g.astype(np.float16))

    assert worst(throughout, op, FORMATS["float16"], "loose", algorithms.own_precision) <= 1


@VJPS
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("damaged", algorithms.DAMAGED_BACKWARD, ids=lambda f: f.__name__)
def test_damaged_backward_passes_are_divergent(damaged: Callable[..., Any], op: str, dtype: str) -> None:
    assert worst(damaged, op, FORMATS[dtype], "loose") > 1


def test_a_saved_bfloat16_logarithm_needs_more_than_the_first_order() -> None:
    """y = -64.25 is rounded to -64, and exp(¼) - 1 is more than ¼."""
    format = FORMATS["bfloat16"]
    x, g = np.array([[0.0, -1.265625, -64.0]]), np.array([[0.0, 0.0, 1.0]])
    recomputed = list(probabilities(x, format))[1]
    got = format.quantise(algorithms.backward("softmax_vjp", recomputed, g.astype(np.float32)))
    said = truth("softmax_vjp", x, format=format, cotangent=g)

    first_order = 0.3 * format.unit_roundoff + format.unit_roundoff * (64.25 + 2)
    assert np.abs(got / said.nearest - 1)[0, 2] > first_order
    assert said.within(bounds("softmax_vjp", x, format=format, cotangent=g), got).all()


@VJPS
@pytest.mark.parametrize("name", SPEEDS)
def test_special_cotangents_follow_the_written_rules(op: str, name: str) -> None:
    nan, inf = math.nan, math.inf
    x = [[0.0, 1.0], [0.0, 1.0], [0.0, -inf], [0.0, nan], [inf, 0.0], [-inf, -inf], [0.0, 1.0]]
    g = [[1.0, nan], [1.0, -inf], [nan, inf], [inf, 1.0], [1.0, 1.0], [1.0, 2.0], [1.0, 2.0]]

    said = truth(op, x, format=SPEEDS[name], cotangent=g)

    assert np.isnan(said.high[:6]).all()
    assert not np.isnan(said.high[6]).any()
    assert [False, True, False, False, True, True, False] == said.undefined.all(axis=1).tolist()
    assert (said.undefined.any(axis=1) == said.undefined.all(axis=1)).all()


@pytest.mark.parametrize("name", SPEEDS)
def test_equal_cotangents_cancel_exactly(name: str) -> None:
    """Of softmax always, whatever stands under a mask; of log_softmax where the logits are equal too."""
    format, tenth = SPEEDS[name], 0.1
    rounding = format or FORMATS["float64"]
    for x, g in (([0.5, -3.0, 2.0], [tenth] * 3), ([1.0, -math.inf, 0.0], [tenth, 5.0, tenth]), ([4.0], [1e300])):
        said = truth("softmax_vjp", x, format=format, cotangent=g)
        assert [0.0] * len(x) == said.rounded(rounding).tolist()
        assert said.decided(rounding).all()
        assert not np.signbit(said.high).any()
    assert [0.0] * 3 == truth("log_softmax_vjp", [7.0] * 3, format=format, cotangent=[tenth] * 3).high.tolist()


@VJPS
def test_what_cancels_to_nothing_is_judged_by_its_bound_and_not_by_its_last_place(op: str) -> None:
    """Three equal logits: the mean of 1, 2 and 3 is the second, and p = 1/3 is no number."""
    format = FORMATS["float64"]
    g = [1.0, 2.0, 3.0] if op == "softmax_vjp" else [0.0, 1.0, 2.0]
    said = truth(op, [0.0] * 3, format=format, cotangent=g)
    bound = bounds(op, [0.0] * 3, format=format, cotangent=g)

    assert said.error[1] > 1
    assert not said.decided(format)[1]
    for answer, within in ((0.0, True), (2.0**-54, True), (1e-12, False)):
        got = said.rounded(format)
        got[1] = answer
        assert within == said.within(bound, got)[1]
        assert not said.faithful(got, format)[1]


@VJPS
@pytest.mark.parametrize("name", SPEEDS)
def test_a_cotangent_beyond_reach_is_no_exact_zero(op: str, name: str) -> None:
    """Found by review: p is below exp(-reach) in one lane, and the whole cotangent stands there."""
    found = Certificate()
    for x in ([0.0, -5568.0], [0.0, -1200.0, -3.0], [0.0, -17000.0], [0.0, 1.0, -1104.0]):
        for g in ([0.0, 6.4e-232, 0.0], [1e-200, 1e300, 0.0], [0.0, 0.0, 1e280], [1e-300, 1.0, 1e-300]):
            certify(op, np.array([x]), SPEEDS[name], np.array([g[: len(x)]]), found)
    for x in ([0.0, -np.inf, -3.0], [0.0, -1.0, -900.0]):
        for g in (
            [1e300, 1e-300, 5e-324],
            [1e-300, 1e300, 3e-300],
            [1e308, -1e308, 3e-324],
            [5e-324, 1e-323, 0.0],
            [1e-310, -1e-310, 1e-316],
        ):
            certify(op, np.array([x]), SPEEDS[name], np.array([g]), found)

    assert found.lanes
    assert not found.failures


@pytest.mark.parametrize("name", SPEEDS)
def test_a_cotangent_under_a_mask_hides_no_other(name: str) -> None:
    """It was taken for the largest of its row, beside which those that count were lost."""
    x, g = [0.0, -1.0, -math.inf], [1e-300, 2e-300, 1e300]
    found = Certificate()

    certify("softmax_vjp", np.array([x]), SPEEDS[name], np.array([g]), found)

    assert not found.failures
    masked, alone = (truth("softmax_vjp", x[:n], format=SPEEDS[name], cotangent=g[:n]) for n in (3, 2))
    assert (masked.error[:2] < 2 * alone.error).all()


@pytest.mark.parametrize("name", ["float64", "the widest"])
def test_the_roundings_after_p_are_charged(name: str) -> None:
    """Equal logits, whose number is a power of two: p has no error, and all there is comes from sums and products.

    In softmax_vjp and at the middle speed p is charged as if it had one, which covers them.
    """
    op, found, rng = "log_softmax_vjp", Certificate(), np.random.default_rng(0)
    for n in (2, 8, 64):
        g = rng.standard_normal((50, n)) * 2.0 ** rng.uniform(-60, 0, (50, n))
        certify(op, np.zeros((50, n)), SPEEDS[name], g, found)

    assert not found.failures
    assert found.worst_error > 0


@pytest.mark.parametrize("name", SPEEDS)
def test_a_zero_has_the_sign_of_what_it_stands_for(name: str) -> None:
    """Found by review: beyond reach it was +0, before it -0."""
    for gap in (600.0, 1000.0, 1200.0, 20_000.0):
        for g in ([1.0, 0.25, 0.0], [1.0, 0.25, 2.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]):
            for op in ("softmax_vjp", "log_softmax_vjp"):
                found = Certificate()
                certify(op, np.array([[0.0, -1.0, -gap]]), SPEEDS[name], np.array([g]), found)
                assert not found.failures
                said = truth(op, [0.0, -1.0, -gap], format=SPEEDS[name], cotangent=g)
                # Lanes that nothing but a lost one flows to have no sign that is known.
                assert said.decided(SPEEDS[name] or FORMATS["float64"])[2]


@pytest.mark.parametrize("name", SPEEDS)
def test_cotangents_of_zero_flow_nowhere(name: str) -> None:
    for op in ("softmax_vjp", "log_softmax_vjp"):
        said = truth(op, [0.0, -20_000.0, 1.0, -1e300], format=SPEEDS[name], cotangent=[0.0, -0.0, 0.0, 0.0])

        assert [0.0] * 4 == said.error.tolist()
        assert not np.signbit(said.high).any()


@pytest.mark.parametrize("name", SPEEDS)
def test_what_flows_to_a_masked_logit_is_its_own_cotangent(name: str) -> None:
    said = truth("log_softmax_vjp", [0.0, -math.inf, -1.0], format=SPEEDS[name], cotangent=[3.0, 0.1, 1e300])

    assert [0.1, 0.0, 0.0] == [said.nearest[1], said.low[1], said.error[1]]


@pytest.mark.parametrize(("dtype", "n"), [("float64", 1024), ("float32", 1024), ("float32", 64)])
@pytest.mark.parametrize("grade", ["stable", "loose"])
def test_products_of_a_vjp_may_underflow(dtype: str, n: int, grade: Any) -> None:
    """Half of the probability in one lane, and cotangents of a few of the smallest numbers whose mean is zero."""
    format = FORMATS[dtype]
    x = format.quantise(np.r_[np.log(n - 1.0), np.zeros(n - 1)])
    g = np.r_[-2.0 * (n - 1), np.full(n - 1, n - 1.0)] * format.smallest_subnormal
    e = format.quantise(np.exp(x - x.max()))
    p = format.quantise(e / format.quantise(e.sum()))
    got = format.quantise(p * (g - format.quantise(p * g).sum()))

    share = truth("softmax_vjp", x, format=format, cotangent=g).error_over(
        bounds("softmax_vjp", x, format=format, grade=grade, cotangent=g), got
    )

    assert (share <= 1).all()


def test_the_largest_cotangents_have_a_finite_bound() -> None:
    for op in ("softmax_vjp", "log_softmax_vjp"):
        bound = bounds(op, [0.0, 1.0], format=FORMATS["float64"], cotangent=[1e308, 1.7e308])
        assert np.isfinite(bound.absolute).all()
