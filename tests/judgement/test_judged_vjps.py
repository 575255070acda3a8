"""A vjp is judged by rules that hold of it: by accuracy and places of NaN, never as if it were a probability."""

from __future__ import annotations

import math

import numpy as np
import pytest
from questions import DTYPES, VJPS, batch_of, due, judge, kinds_of

from conformance.judgement import Judge
from conformance.values import Batch, Grade, Severity
from reference.formats import FORMATS
from reference.functions import log_softmax_vjp, softmax_vjp
from reference.ops import LOG_SOFTMAX_VJP, SOFTMAX_VJP, Op

ROWS = [[0.0, 1.0, -2.0, 0.5], [100.0, -100.0, 99.0, 3.0], [3.0, 3.0, 3.0, 3.0], [0.0, -math.inf, 1.0, 0.0]]
COTANGENTS = [[1.0, 4.0, -2.0, 7.0], [0.0, 1.0, 0.0, -2.0], [5.0, -7.0, 2.0, 11.0], [2.0, 100.0, -1.0, -3.0]]


def asked(op: Op, dtype: str = "float32") -> Batch:
    return batch_of(ROWS, op, dtype, cotangents=COTANGENTS)


@DTYPES
@VJPS
def test_the_rounded_truth_has_no_finding(op: Op, dtype: str) -> None:
    judged = judge(asked(op, dtype), due(asked(op, dtype)))

    assert [()] * 4 == [one.findings for one in judged]
    assert {Severity.NONE} == {one.severity for one in judged}
    assert {Grade.EXACT, Grade.FAITHFUL} >= {one.grade for one in judged}
    assert [()] * 4 == [one.choices for one in judged]


@DTYPES
@VJPS
def test_where_all_terms_cancel_the_rounded_truth_has_no_finding(op: Op, dtype: str) -> None:
    question = batch_of([[0.0, 1.0, -2.0], [0.0, 0.0, 0.0]], op, dtype, cotangents=[[1.0, -2.0, 1.0], [3.0, 3.0, 3.0]])

    judged = judge(question, due(question))

    assert [((), Severity.NONE)] * 2 == [(one.findings, one.severity) for one in judged]


@VJPS
def test_numbers_outside_of_a_probability_and_a_row_without_a_sum_are_no_finding(op: Op) -> None:
    question = asked(op)
    right = due(question)

    judged = judge(question, right)

    assert right.min() < 0
    assert right.max() > 1
    assert all(math.isnan(one.row_sum_error) for one in judged)


def test_a_formula_in_float64_is_right_in_float32() -> None:
    x, g = np.array(ROWS[:3]), np.array(COTANGENTS[:3])
    for op, formula in ((SOFTMAX_VJP, softmax_vjp), (LOG_SOFTMAX_VJP, log_softmax_vjp)):
        question = batch_of(ROWS[:3], op, cotangents=COTANGENTS[:3])

        judged = judge(question, question.format.quantise(formula(x, g)))

        assert [set()] * 3 == [kinds_of(one) for one in judged]


@DTYPES
@VJPS
@pytest.mark.parametrize("wrong", ["sign", "no mean", "reversed", "doubled"])
def test_a_wrong_formula_is_a_violation(op: Op, wrong: str, dtype: str) -> None:
    question = batch_of(ROWS[:1], op, dtype, cotangents=COTANGENTS[:1])
    right, x, g = due(question), np.array(ROWS[:1]), np.array(COTANGENTS[:1])
    p = np.exp(x) / np.exp(x).sum()
    got = {
        "sign": -right,
        "no mean": p * g if op is SOFTMAX_VJP else g,
        "reversed": right[:, ::-1],
        "doubled": 2 * right,
    }

    (judged,) = judge(question, question.format.quantise(got[wrong]))

    assert Severity.VIOLATION is judged.severity
    assert "accuracy" in kinds_of(judged)
    assert {"accuracy", "loose", "zero_sum"} >= kinds_of(judged)
    # The others sum to zero as the truth does.
    assert ("zero_sum" in kinds_of(judged)) is (wrong == "no mean")
    assert Grade.DIVERGENT is judged.grade


@VJPS
def test_zeros_for_a_gradient_are_lost_normals(op: Op) -> None:
    judged = judge(asked(op), np.zeros((4, 4)))

    assert all("lost_normal" in kinds_of(one) for one in judged[:1])
    assert {"lost_normal"} >= set().union(*(kinds_of(one) for one in judged))


def flushing(op: Op, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """A vjp in float32 that takes every subnormal operand and result for zero."""

    def kept(array: np.ndarray) -> np.ndarray:
        return np.where(np.abs(array) < np.finfo(np.float32).tiny, np.float32(0), array)

    p, g = kept(np.exp(kept(x - x.max(axis=-1, keepdims=True)))), kept(g)
    p = kept(p / p.sum(axis=-1, keepdims=True))
    if op is SOFTMAX_VJP:
        total = np.zeros_like(p[:, :1])
        for term in kept(p * g).T:
            total = kept(total + term[:, None])
        return kept(p * kept(g - total))
    return kept(g - kept(p * g.sum(axis=-1, keepdims=True)))


@VJPS
@pytest.mark.parametrize("n", [2, 17, 257])
def test_what_flushing_on_the_way_loses_of_tiny_cotangents_is_a_policy(op: Op, n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(0, 3, (50, n)).astype(np.float32)
    x[::2, 0] -= 86  # a probability that is nearly subnormal
    g = (rng.normal(0, 8, (50, n)) * np.finfo(np.float32).tiny).astype(np.float32)
    question = batch_of(x, op, cotangents=g)

    judged = judge(question, flushing(op, x, g))

    assert not {"accuracy", "lost_normal"} & set().union(*map(kinds_of, judged))
    assert ["subnormals=flushed"] in [[str(choice) for choice in one.choices] for one in judged]


@VJPS
def test_more_than_flushing_loses_is_a_violation(op: Op) -> None:
    tiny = FORMATS["float32"].smallest_normal
    question = batch_of([[0.0, 1.0, 2.0]], op, cotangents=[[3 * tiny, -4 * tiny, 5 * tiny]])

    (judged,) = judge(question, question.format.quantise(due(question) + 40 * tiny * np.array([[1.0, -1.0, 0.0]])))

    assert {"accuracy"} == kinds_of(judged)


def test_flushing_in_float16_explains_nothing() -> None:
    """Its smallest normal number is no rounding error of float32, in which an implementation may work."""
    tiny = FORMATS["float16"].smallest_normal
    question = batch_of([[0.0, 0.0]], SOFTMAX_VJP, "float16", cotangents=[[16 * tiny, 0.0]])

    (judged,) = judge(question, np.array([[5 * tiny, -3 * tiny]]))

    assert "accuracy" in kinds_of(judged)


@VJPS
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nonfinite_where_the_truth_is_finite(op: Op, bad: float) -> None:
    question = asked(op)
    got = due(question)
    got[2, 1] = bad

    judged = judge(question, got)

    assert [set(), set(), {"nonfinite"}, set()] == [kinds_of(one) for one in judged]
    assert 1 == judged[2].nonfinite_got


@VJPS
def test_an_error_between_the_bounds_is_loose(op: Op) -> None:
    n = 4096
    rng = np.random.default_rng(0)
    g = FORMATS["float32"].quantise(rng.normal(0, 1, n))
    question = batch_of([np.zeros(n)], op, cotangents=[g])
    bounds, got = Judge(question).question, due(question)
    lane = int(np.argmax(np.abs(got)))
    got[0, lane] += (bounds.stable.absolute[0, lane] + bounds.loose.absolute[0, lane]) / 2

    (judged,) = judge(question, question.format.quantise(got))

    assert (Grade.LOOSE, {"loose"}, Severity.DEGRADED) == (judged.grade, kinds_of(judged), judged.severity)


@VJPS
def test_equal_logits_may_have_other_cotangents_and_larger_ones_smaller(op: Op) -> None:
    """Neither ties nor order hold of a vjp."""
    question = batch_of([[0.0, 0.0, 1.0]], op, cotangents=[[3.0, 1.0, -4.0]])

    (judged,) = judge(question, due(question))

    assert () == judged.findings


@VJPS
@pytest.mark.parametrize(
    ("row", "cotangent"),
    [
        ([0.0, math.inf, 1.0], [1.0, 2.0, 3.0]),
        ([-math.inf] * 3, [1.0, 2.0, 3.0]),
        ([0.0, 1.0, 2.0], [0.0, math.inf, 1.0]),
    ],
)
def test_a_row_without_a_right_answer_has_no_choice_with_a_name_and_no_finding(
    op: Op, row: list[float], cotangent: list[float]
) -> None:
    question = batch_of([row], op, cotangents=[cotangent])

    for got in ([math.nan] * 3, [0.0] * 3, [0.5, -1.0, 7.0]):
        (judged,) = judge(question, [got])
        assert ((), (), Severity.NONE) == (judged.findings, judged.choices, judged.severity)


@VJPS
def test_a_nan_among_the_cotangents_fills_its_row(op: Op) -> None:
    question = batch_of([[0.0, 1.0]], op, cotangents=[[math.nan, 1.0]])

    (right,), (wrong,) = judge(question, [[math.nan, math.nan]]), judge(question, [[math.nan, 0.0]])

    assert [set(), {"nonfinite"}] == [kinds_of(right), kinds_of(wrong)]


@VJPS
def test_an_array_without_an_axis(op: Op) -> None:
    question = batch_of([5.0], op, cotangents=[3.0], alone=True)

    (right,), (wrong,) = judge(question, 0.0), judge(question, 3.0)

    assert [Severity.NONE, Severity.VIOLATION] == [right.severity, wrong.severity]


@VJPS
def test_an_axis_that_is_not_the_last(op: Op) -> None:
    rows, cotangents = np.array(ROWS[:3]).T, np.array(COTANGENTS[:3]).T
    along = batch_of([rows], op, cotangents=[cotangents], axis=0)

    (judged,) = judge(along, due(batch_of(ROWS[:3], op, cotangents=COTANGENTS[:3])).T)
    (wrong,) = judge(along, due(batch_of([rows], op, cotangents=[cotangents], axis=1)))

    assert () == judged.findings
    assert "accuracy" in kinds_of(wrong)


@DTYPES
def test_what_cancels_has_no_last_place_and_what_stands_beside_it_has(dtype: str) -> None:
    """A cotangent of ones has the gradient zero, of which 2**-140 is no number of ulps; the next row is wrong by one."""
    format = FORMATS[dtype]
    question = batch_of([[0.0, 1.0], [0.0, 0.0]], SOFTMAX_VJP, dtype, cotangents=[[1.0, 1.0], [0.75, 0.0]])
    answer = due(question)
    answer[0, 0] = format.quantise(np.array(format.unit_roundoff / 8))
    answer[1, 0] += format.ulp(answer[1, 0])

    cancelled, plain = judge(question, answer)

    assert (True, -1) == (math.isnan(cancelled.max_ulp), cancelled.max_ulp_at)
    assert 0 < cancelled.error_over_bound < 1
    assert (pytest.approx(1.0), 0) == (plain.max_ulp, plain.max_ulp_at)
