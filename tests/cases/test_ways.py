"""What the op is taken of, for each way to call it."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from conformance.calls import ARGUMENTS, ARITHMETIC, BEHIND, DERIVATIVES, MASKS, ORDERS, WAYS, logits
from conformance.cases import cases, families
from conformance.values import Case, Tier
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX_VJP, OPS, SOFTMAX, SOFTMAX_VJP
from reference.truth import truth


def ask(family: str, format: str = "float32") -> list[Case]:
    return cases(FORMATS[format], [SOFTMAX], families=[family], tier=Tier.STANDARD, seed=0)


def test_plain_is_the_first_way_and_no_way_has_two_kinds() -> None:
    assert "plain" == WAYS[0]
    kinds = (("plain",), tuple(ARITHMETIC), MASKS, ARGUMENTS, BEHIND, DERIVATIVES)
    assert len(set(WAYS)) == len(WAYS) == sum(map(len, kinds))


def test_an_unknown_way_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'subtract'; known: plain, multiply, divide, add, fill, where, cast, out"):
        logits("subtract", np.ones(2), np.ones(2))


@pytest.mark.parametrize("way", [*ARITHMETIC, *MASKS, *ORDERS])
def test_an_operation_without_its_operand_is_refused(way: str) -> None:
    with pytest.raises(ValueError, match=f"'{way}' needs an operand"):
        logits(way, np.ones(2))


@pytest.mark.parametrize("way", ["plain", *ARGUMENTS, *DERIVATIVES, "then-scale", "then-sum"])
def test_other_ways_leave_the_numbers_as_they_are(way: str) -> None:
    x = np.array([1.0, np.nan, -np.inf])
    assert logits(way, x, np.zeros(1)) is x
    assert logits(way, x) is x


@pytest.mark.parametrize("way", MASKS)
def test_a_lane_whose_operand_is_zero_is_masked(way: str) -> None:
    found = logits(way, np.array([1.0, np.nan, np.inf, 2.0]), np.array([1.0, 0.0, -0.0, np.nan]))
    np.testing.assert_array_equal(found, [1.0, -np.inf, -np.inf, 2.0])


@pytest.mark.parametrize("way", ORDERS)
def test_the_answer_in_another_order_is_that_of_logits_in_this_order(way: str) -> None:
    x, order = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[2.0, 0.0, 1.0], [1.0, 0.0, 2.0]])
    assert logits(way, x, order).tolist() == [[3.0, 1.0, 2.0], [5.0, 4.0, 6.0]]


@pytest.mark.parametrize("format", FORMATS)
def test_what_stands_behind_changes_no_number_of_the_truth(format: str) -> None:
    asked = ask("consumers", format)
    assert {case.call.way for case in asked} == set(BEHIND)
    for case in asked:
        assert case.unrounded is None
        assert case.stacks
        assert np.isfinite(case.logits).all()
        # A sum of the answers, which 0 multiplies, is finite too.
        assert np.ptp(case.logits) * case.logits.size < FORMATS[format].max
        operand = case.inputs.operand
        assert operand is not None
        if case.call.way in ORDERS:
            assert sorted(operand.tolist()) == list(range(case.logits.size))
            np.testing.assert_array_equal(np.sort(case.logits), np.sort(case.inputs.x))
        else:
            np.testing.assert_array_equal(case.logits, case.inputs.x)
            assert operand.tolist() == [1.0 if case.call.way == "then-scale" else 0.0]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("way", ARITHMETIC)
def test_logits_behind_an_operation_are_rounded_once(way: str, format: str) -> None:
    """By exact rational arithmetic: the nearest number of the format, or as near as the other."""
    format_ = FORMATS[format]
    rng = np.random.default_rng(3)
    size = 2.0 ** rng.uniform(-6, 6, (2, 400))
    x, operand = format_.quantise(rng.choice([-1, 1], (2, 400)) * size)
    found = format_.quantise(logits(way, x, operand))
    for a, b, c in zip(x.tolist(), operand.tolist(), found.tolist(), strict=True):
        left, right = Fraction(a), Fraction(b)
        due = {"multiply": left * right, "divide": left / right, "add": left + right}[way]
        assert abs(Fraction(c) - due) <= Fraction(float(format_.ulp(c))) / 2


@pytest.mark.parametrize("way", ARITHMETIC)
def test_cases_behind_an_operation_have_rounded_and_unrounded_logits(way: str) -> None:
    asked = [case for case in ask("producers") if case.call.way == way]
    assert asked
    for case in asked:
        assert case.inputs.operand is not None
        assert case.unrounded is not None
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(case.logits, np.float32(case.unrounded))
        np.testing.assert_array_equal(case.unrounded, logits(way, case.inputs.x, case.inputs.operand))
    assert any((case.logits != case.unrounded).any() for case in asked)


@pytest.mark.parametrize("way", MASKS)
def test_nothing_leaks_from_under_a_mask(way: str) -> None:
    asked = [case for case in ask("producers") if case.call.way == way]

    assert any(np.isnan(case.inputs.x).any() for case in asked)
    assert not any(np.isnan(case.logits).any() for case in asked)
    assert all(case.unrounded is None for case in asked)


def test_each_integer_type_is_asked_a_difference_that_leaves_it() -> None:
    wraps = [case for case in ask("dtypes") if case.name.endswith(",wraps")]

    assert 8 == len({case.inputs.dtype for case in wraps}) == len(wraps)
    for case in wraps:
        kind = np.iinfo(case.inputs.dtype)
        exact = [int(value) for value in case.logits]
        assert min(exact) - max(exact) < kind.min
        assert exact == [int(value) for value in case.logits.astype(case.inputs.dtype)]
        np.testing.assert_array_equal(case.logits, case.logits.astype("float32"))
        assert case.recorded_dtype == case.inputs.dtype


def test_other_derivatives_are_asked_of_the_vjp_of_softmax_alone() -> None:
    family = families()["vjp_derivatives"]
    asked = cases(FORMATS["float32"], list(OPS.values()), families=["vjp_derivatives"], tier=Tier.STANDARD, seed=0)

    assert [SOFTMAX_VJP] == [op for op in OPS.values() if family.asks(op)]
    assert {SOFTMAX_VJP} == {case.op for case in asked}
    assert set(DERIVATIVES) == {case.call.way for case in asked}
    assert [] == cases(FORMATS["float32"], [LOG_SOFTMAX_VJP], families=["vjp_derivatives"], tier=Tier.STANDARD, seed=0)


def test_a_hessian_of_a_cross_entropy_times_a_vector_is_the_vjp_of_softmax() -> None:
    """In 50 digits, by second differences of the loss itself, whatever the lane: it is what the ways rest on."""
    x, g = [0.5, -1.25, 3.0], [2.0, -0.5, 0.25]
    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -12

        def loss(row: list[mpmath.mpf], lane: int) -> mpmath.mpf:
            return mpmath.log(sum(map(mpmath.exp, row))) - row[lane]

        def moved(i: int, a: int, b: int) -> list[mpmath.mpf]:
            return [mpmath.mpf(x[j]) + h * (a * (i == j) + b * g[j]) for j in range(3)]

        for lane in range(3):
            second = [
                sum(a * b * loss(moved(i, a, b), lane) for a in (-1, 1) for b in (-1, 1)) / (4 * h * h)
                for i in range(3)
            ]
            due = truth("softmax_vjp", np.array(x), cotangent=np.array(g)).nearest
            assert max(abs(one - two) for one, two in zip(second, due, strict=True)) < 1e-16
