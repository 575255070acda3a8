"""Where no single answer is right each named choice is recognised, and one without a name is a violation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from questions import DTYPES, batch_of, choices_of, kinds_of
from questions import judge as judge_batch

from conformance.judgement import Judge
from conformance.judgement.policies import POLICIES
from conformance.values import Choice, Crashed, Judgement, NotAsked, Raised, Severity, Unsupported
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX, SOFTMAX, Op

INF, NAN = math.inf, math.nan
NOTHING = [-INF, -INF, -INF, -INF]
ONE, TWO = [0.0, INF, 1.0, -INF], [INF, 0.0, 1.0, INF]


def judge(row: list[float], got: list[float], op: Op = SOFTMAX, dtype: str = "float32") -> Judgement:
    (judged,) = judge_batch(batch_of([row], op, dtype), FORMATS[dtype].quantise(np.array([got])))
    return judged


@DTYPES
@pytest.mark.parametrize(
    ("op", "row", "got", "question", "answer"),
    [
        (SOFTMAX, NOTHING, [NAN] * 4, "all-minus-inf", "nan"),
        (SOFTMAX, NOTHING, [0.0] * 4, "all-minus-inf", "zeros"),
        (SOFTMAX, NOTHING, [0.25] * 4, "all-minus-inf", "uniform"),
        (LOG_SOFTMAX, NOTHING, [NAN] * 4, "all-minus-inf", "nan"),
        (LOG_SOFTMAX, NOTHING, NOTHING, "all-minus-inf", "zeros"),
        (LOG_SOFTMAX, NOTHING, [-math.log(4)] * 4, "all-minus-inf", "uniform"),
        (SOFTMAX, ONE, [NAN] * 4, "plus-inf", "all-nan"),
        (SOFTMAX, ONE, [0.0, 1.0, 0.0, 0.0], "plus-inf", "one-hot"),
        (SOFTMAX, TWO, [0.5, 0.0, 0.0, 0.5], "plus-inf", "one-hot"),
        (SOFTMAX, TWO, [NAN, 0.0, 0.0, NAN], "plus-inf", "partial"),
        (LOG_SOFTMAX, ONE, [-INF, 0.0, -INF, -INF], "plus-inf", "one-hot"),
        (LOG_SOFTMAX, TWO, [-math.log(2), -INF, -INF, -math.log(2)], "plus-inf", "one-hot"),
        (LOG_SOFTMAX, ONE, [-INF, NAN, -INF, -INF], "plus-inf", "partial"),
    ],
)
def test_a_named_choice_is_a_policy(
    op: Op, row: list[float], got: list[float], question: str, answer: str, dtype: str
) -> None:
    judged = judge(row, got, op, dtype)

    assert (Severity.POLICY, (Choice(question, answer),), ()) == (judged.severity, judged.choices, judged.findings)
    assert answer in POLICIES[question].choices


@pytest.mark.parametrize(
    ("row", "got"),
    [
        (NOTHING, [1.0, 0.0, 0.0, 0.0]),
        (NOTHING, [0.0, NAN, 0.0, 0.0]),
        (NOTHING, [0.2] * 4),
        (ONE, [0.25] * 4),
        (ONE, [1.0, 0.0, 0.0, 0.0]),
        (TWO, [1.0, 0.0, 0.0, 0.0]),
        (ONE, [0.0, NAN, NAN, 0.0]),
    ],
)
def test_a_choice_without_a_name_is_a_violation(row: list[float], got: list[float]) -> None:
    judged = judge(row, got)
    question = "all-minus-inf" if row is NOTHING else "plus-inf"

    assert Severity.VIOLATION is judged.severity
    assert (Choice(question, "unnamed"),) == judged.choices
    assert {"unnamed_policy"} == kinds_of(judged)
    assert f"none of {', '.join(POLICIES[question].choices)}" in judged.findings[0].detail
    assert POLICIES[question].question in judged.findings[0].detail


@pytest.mark.parametrize(("row", "got"), [(NOTHING, [-1.0] * 4), (ONE, [-1.0, 1.0, 0.0, 0.0])])
def test_less_than_nothing_is_no_choice_either(row: list[float], got: list[float]) -> None:
    judged = judge(row, got)

    assert {"unnamed_policy", "range"} == kinds_of(judged)
    assert ["unnamed"] == [choice.answer for choice in judged.choices]


def test_each_row_of_a_batch_makes_its_own_choice() -> None:
    rows = [NOTHING, [0.0, 0.0, 0.0, 0.0], ONE, NOTHING]

    judged = judge_batch(batch_of(rows), [[NAN] * 4, [0.25] * 4, [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])

    assert [["all-minus-inf=nan"], [], ["plus-inf=one-hot"], ["all-minus-inf=unnamed"]] == [*map(choices_of, judged)]
    assert [set(), set(), set(), {"unnamed_policy"}] == [*map(kinds_of, judged)]
    assert "a row of nothing but -inf" in judged[3].findings[0].detail


def test_one_case_of_several_rows_makes_all_their_choices_in_order() -> None:
    rows = batch_of([[ONE, NOTHING]], alone=True)

    (judged,) = judge_batch(rows, [[0.0, 1.0, 0.0, 0.0], [0.0] * 4])

    assert ["all-minus-inf=zeros", "plus-inf=one-hot"] == choices_of(judged)


def test_zero_for_a_subnormal_number_is_a_policy() -> None:
    judged = judge([0.0, -95.0], [1.0, 0.0])  # e**-95 is 5.5e-42, below 2**-126

    assert set() == kinds_of(judged)
    assert (Severity.POLICY, (Choice("subnormals", "flushed"),)) == (judged.severity, judged.choices)


def test_subnormals_kept_are_recorded_and_no_policy() -> None:
    kept = judge([0.0, -100.0], [1.0, math.exp(-100)])
    flushed = judge([0.0, -100.0], [1.0, 0.0])
    mixed = judge([0.0, -100.0, -99.0], [1.0, 0.0, math.exp(-99)])

    assert (["subnormals=kept"], Severity.NONE) == (choices_of(kept), kept.severity)
    assert (["subnormals=flushed"], Severity.POLICY) == (choices_of(flushed), flushed.severity)
    assert (["subnormals=mixed"], Severity.POLICY) == (choices_of(mixed), mixed.severity)
    assert {"kept", "flushed", "mixed"} == set(POLICIES["subnormals"].choices)


def test_a_zero_that_is_a_rounding_is_no_flush() -> None:
    """e**-103 is 1.3 times the smallest subnormal of float32, and a zero is within the stable bound."""
    judged = judge([0.0, -103.0], [1.0, 0.0])

    assert ((), (), Severity.NONE) == (judged.choices, judged.findings, judged.severity)


def test_a_log_probability_makes_no_choice_of_subnormals() -> None:
    judged = judge([0.0, -100.0], [0.0, -100.0], LOG_SOFTMAX)

    assert ((), Severity.NONE) == (judged.choices, judged.severity)


@pytest.mark.parametrize(
    "outcome",
    [
        Unsupported("unsupported: no = here, a=b all-minus-inf=nan"),
        NotAsked("plus-inf=one-hot"),
        Raised("ValueError: all-minus-inf=nan"),
        Crashed("signal=11"),
    ],
)
def test_a_reason_is_never_a_choice(outcome: Unsupported | NotAsked | Raised | Crashed) -> None:
    judged = Judge(batch_of([NOTHING, ONE])).judge(outcome)

    assert [(), ()] == [one.choices for one in judged]


def test_to_refuse_a_policy_question_is_a_choice_and_no_finding() -> None:
    asked = batch_of([5.0], policy="0-d")

    (refused,) = Judge(asked).judge(Raised("IndexError: a=b"))
    (crashed,) = Judge(asked).judge(Crashed("signal 11"))

    assert (Severity.POLICY, (Choice("0-d", "rejects"),), ()) == (refused.severity, refused.choices, refused.findings)
    assert (Severity.VIOLATION, ()) == (crashed.severity, crashed.choices)
