"""A prepared ruler says what the truth itself says, of answers near the bound, of any size, and of NaN and infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from questions import DTYPES

from conformance.judgement import Question
from conformance.judgement.rulers import Pair, Ruler
from reference.comparison import Bound
from reference.formats import FORMATS
from reference.ops import OPS, SOFTMAX, Op
from reference.sentinels import SIGN_UNKNOWN, UNDERFLOWED
from reference.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reference.formats import Format

EVERY_OP = pytest.mark.parametrize("op", OPS.values(), ids=str)

INF = np.inf


def questions(op: Op, format: Format) -> Iterator[Question]:
    """Rows whose probabilities are exact, tiny, subnormal, lost, equal or undefined."""
    rng, big = np.random.default_rng(7), format.max
    reach = -np.log(format.smallest_subnormal)
    rows = [
        rng.normal(0, 4, (5, 40)),
        np.zeros((2, 256)),
        np.linspace(-1.1 * reach, 0, 60)[None],
        np.array([[0.0, -big, big], [0.0, -1e4, -2e4], [-INF, 0.0, 1.0], [0.0, INF, 0.0], [np.nan, 0.0, 1.0]]),
        np.array([[0.0, -big], [0.0, -big / 2], [0.0, -17.328679513998632]]),
    ]
    for row in rows:
        x = format.quantise(np.clip(row, -INF, INF))
        g = format.quantise(rng.normal(0, 2, x.shape)) if op.takes_cotangent else None
        yield Question(op, x, -1, format, g)


def answers(question: Question) -> Iterator[np.ndarray]:
    """The rounded truth, its neighbours, the ends of both bounds, gross errors, zeros, and what is not finite."""
    format, expected, rng = question.format, question.expected, np.random.default_rng(11)
    ulp = format.ulp(np.where(np.isfinite(expected), expected, 0.0))
    with np.errstate(all="ignore"):
        yield expected
        for step in (-2, -1, 1, 2):
            yield format.quantise(expected + step * ulp)
        for bound in (question.stable, question.loose):
            for sign in (-1, 1):
                yield format.quantise(expected + sign * (bound.relative * np.abs(expected) + bound.absolute))
        yield format.quantise(expected * (1 + rng.normal(0, 0.01, expected.shape)))
        yield np.zeros_like(expected)
        odd = rng.choice([np.nan, INF, -INF, 0.0], expected.shape)
        yield np.where(rng.random(expected.shape) < 0.2, odd, expected)
        yield np.full_like(expected, format.smallest_subnormal)
        yield np.full_like(expected, -format.max)


@DTYPES
@EVERY_OP
def test_verdicts_are_those_of_the_truth(op: Op, dtype: str) -> None:
    format, compared = FORMATS[dtype], 0
    for question in questions(op, format):
        truth = op.truth(question.x, -1, format=format, cotangent=question.cotangent).decisive(format)
        for got in answers(question):
            for quick, careful in (
                (question.error_over_stable(got), truth.error_over(question.stable, got)),
                (question.error_over_loose(got), truth.error_over(question.loose, got)),
                (question.error_ulps(got), truth.error_ulps(got, format)),
            ):
                np.testing.assert_array_equal(quick <= 1, careful <= 1)
                np.testing.assert_array_equal(quick < 1, careful < 1)
                np.testing.assert_array_equal(np.isnan(quick), np.isnan(careful))
                # As far as the record keeps it, 24 bits; of an error far below its bound, in units of the bound.
                np.testing.assert_allclose(quick, careful, rtol=2.0**-24, atol=2.0**-24)
                compared += 1

    assert compared > 150


def test_a_ruler_is_prepared_for_rows_of_every_size() -> None:
    """So that what is compared above is not the truth with itself."""
    for dtype in FORMATS:
        prepared = [question for question in questions(SOFTMAX, FORMATS[dtype]) if question._stable_ruler]
        assert len(prepared) == len(list(questions(SOFTMAX, FORMATS[dtype])))


def test_no_ruler_is_prepared_beside_a_truth_without_a_known_sign() -> None:
    format, one = FORMATS["float32"], np.ones(1)
    bound = Bound(one * 0, one)

    def ruler(high: float, error: float) -> Ruler | None:
        truth = Truth(one * high, one * 0, np.zeros(1, np.int32), one * error, np.zeros(1, np.bool_))
        return Ruler.of(truth, Pair.of(truth, format), bound, format)

    assert ruler(0.0, UNDERFLOWED) is not None
    assert ruler(0.0, SIGN_UNKNOWN) is None
    assert ruler(2.0**-30, SIGN_UNKNOWN) is not None  # beside a bound that makes it nothing
    assert ruler(0.5, SIGN_UNKNOWN) is None


def test_an_error_of_exactly_one_unit_is_not_below_one() -> None:
    """2**-8 is a probability itself; its neighbour above is one unit in the last place away."""
    format = FORMATS["float32"]
    question = Question(SOFTMAX, np.zeros((1, 256)), -1, format)
    got = np.full((1, 256), 2.0**-8)
    got[0, 3] += 2.0**-31

    assert question.error_ulps(got)[0, 3] == 1
    assert question.error_ulps(got)[0, 4] == 0


@given(
    st.sampled_from(sorted(FORMATS)),
    hnp.arrays(np.float64, (2, 6), elements=st.floats(-800, 800)),
    hnp.arrays(np.float64, (2, 6), elements=st.floats(-4, 4)),
)
def test_no_answer_changes_side(dtype: str, x: np.ndarray, off: np.ndarray) -> None:
    format = FORMATS[dtype]
    question = Question(SOFTMAX, format.quantise(x), -1, format)
    with np.errstate(under="ignore"):
        got = format.quantise(question.expected + off * format.ulp(question.expected))
    careful = SOFTMAX.truth(question.x, -1, format=format).decisive(format)

    assert (question.error_ulps(got) < 1).tolist() == careful.faithful(got, format).tolist()
    assert (question.error_over_stable(got) <= 1).tolist() == careful.within(question.stable, got).tolist()
