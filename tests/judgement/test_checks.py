"""Each check passes an answer that must pass and fails one that must fail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from conformance.judgement import Judge
from conformance.judgement.checks import OUTCOME_KINDS, all_checks, kinds
from conformance.values import (
    Answered,
    Batch,
    Case,
    Crashed,
    Grade,
    Judgement,
    Raised,
    Severity,
    TimedOut,
    Unsupported,
)
from reference.formats import FORMATS
from reference.truth import truth


def batch(rows: Any, op: str = "softmax", dtype: str = "float32", **more: Any) -> Batch:
    return Batch(
        tuple(Case("family", str(i), op, dtype, np.array(row, dtype=float), **more) for i, row in enumerate(rows))
    )


def due(asked: Batch) -> np.ndarray:
    """The correctly rounded truth: the answer that must always pass."""
    return truth(asked.op, asked.values, asked.axis, format=asked.format).rounded(asked.format)


def judge(asked: Batch, got: Any, **more: Any) -> list[Judgement]:
    got = np.asarray(got, dtype=float)
    stored = asked.format.encode(got)
    return Judge().judge(asked, Answered(asked.format.name, stored.shape, stored, 0.0, **more))


def kinds_of(judgement: Judgement) -> set[str]:
    return {finding.kind for finding in judgement.findings}


ROWS = [[0.0, 1.0, -2.0], [1000.0, -1000.0, 1000.0], [-1000.0, -1000.0, -1000.0], [3.0, 3.0, 3.0]]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_the_rounded_truth_is_exact_and_without_a_finding(op: str, dtype: str) -> None:
    asked = batch(ROWS, op, dtype)

    judged = judge(asked, due(asked))

    assert [Grade.EXACT] * len(ROWS) == [one.grade for one in judged]
    assert [()] * len(ROWS) == [one.findings for one in judged]
    assert all(one.max_ulp <= 0.5 and one.error_over_bound <= 1 for one in judged)


def test_grades_are_ordered_by_the_size_of_the_error() -> None:
    """One lane moved by a growing number of ulps walks down the whole ladder."""
    asked = batch([np.linspace(-1, 1, 4096)])
    right = due(asked)
    seen = []
    for ulps in (0, 2, 16, 2**9, 2**20):
        got = right.copy()
        got[0, 7] += ulps * FORMATS["float32"].ulp(right[0, 7])
        seen.append(judge(asked, got)[0].grade)

    assert [Grade.EXACT, Grade.STABLE, Grade.STABLE, Grade.LOOSE, Grade.DIVERGENT] == seen


def test_zero_for_a_normal_number_is_a_violation() -> None:
    asked = batch([[0.0, -10.0]])

    [judged] = judge(asked, [[1.0, 0.0]])

    assert "lost_normal" in kinds_of(judged)
    assert Severity.VIOLATION is judged.severity


def test_zero_is_loose_where_steps_in_the_format_itself_could_have_flushed_it() -> None:
    """e**-87 is 1.4 times the smallest normal; a bfloat16 exponent of -87 may be wrong by a third."""
    zero = [[1.0, 0.0]]

    [narrow], [wide] = (judge(batch([[0.0, -87.0]], dtype=dtype), zero) for dtype in ("bfloat16", "float32"))

    assert (Grade.LOOSE, {"loose"}) == (narrow.grade, kinds_of(narrow))
    assert "lost_normal" in kinds_of(wide)


def test_zero_for_a_subnormal_number_is_a_policy() -> None:
    asked = batch([[0.0, -95.0]])  # e**-95 is 5.5e-42, below 2**-126

    [judged] = judge(asked, [[1.0, 0.0]])

    assert set() == kinds_of(judged)
    assert (Severity.POLICY, "subnormals=flushed") == (judged.severity, judged.policy)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nonfinite_where_the_truth_is_finite_is_a_violation(bad: float) -> None:
    asked = batch([[0.0, 1.0], [0.0, 1.0]])
    got = due(asked)
    got[1, 0] = bad

    good, judged = judge(asked, got)

    assert set() == kinds_of(good)
    assert "nonfinite" in kinds_of(judged)
    assert Grade.DIVERGENT is judged.grade
    assert (0, 1) == (judged.nonfinite_expected, judged.nonfinite_got)


def test_minus_infinity_is_right_where_log_softmax_overflows() -> None:
    big = FORMATS["float32"].max
    asked = batch([[big, -big]], "log_softmax")

    [right], [finite] = judge(asked, [[0.0, -math.inf]]), judge(asked, [[0.0, -big]])

    assert (Grade.EXACT, set()) == (right.grade, kinds_of(right))
    assert "nonfinite" in kinds_of(finite)


@pytest.mark.parametrize(
    ("got", "op"), [([-1e-3, 1.0], "softmax"), ([1.5, 0.1], "softmax"), ([0.5, -1.0], "log_softmax")]
)
def test_values_out_of_range(got: list[float], op: str) -> None:
    asked = batch([[0.0, -10.0]], op)

    [judged] = judge(asked, asked.format.quantise([got]))

    assert "range" in kinds_of(judged)


def test_a_log_probability_positive_within_its_bound_is_in_range() -> None:
    asked = batch([[0.0, -40.0]], "log_softmax")
    tiny = FORMATS["float32"].unit_roundoff

    [judged] = judge(asked, [[tiny, -40.0]])

    assert set() == kinds_of(judged)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_a_row_that_lost_its_normaliser_has_a_wrong_sum(op: str) -> None:
    asked = batch([[0.0, 0.0, 0.0, 0.0]], op)
    got = [[1.0] * 4] if op == "softmax" else [[0.0] * 4]

    [judged] = judge(asked, got)

    assert {"row_sum", "accuracy"} <= kinds_of(judged)


def test_equal_logits_with_unequal_answers_are_degraded() -> None:
    asked = batch([[0.0, 0.0, 1.0]])
    got = due(asked)
    got[0, 1] += FORMATS["float32"].ulp(got[0, 1])

    [judged] = judge(asked, got)

    assert {"ties"} == kinds_of(judged)
    assert Severity.DEGRADED is judged.severity


def test_order_flipped_is_degraded() -> None:
    asked = batch([[1.0, 1.0 + 2.0**-23, 0.0]])
    got = due(asked)
    got[0, 0], got[0, 1] = got[0, 1] + 4 * FORMATS["float32"].ulp(got[0, 1]), got[0, 0]

    [judged] = judge(asked, got)

    assert {"order"} == kinds_of(judged)


def test_an_error_between_the_bounds_is_loose() -> None:
    asked = batch([np.zeros(4096)])
    got = due(asked) * (1 + 2.0**-14)  # a sum in a sequential float32 loop may be that wrong: 4095·2**-24

    [judged] = judge(asked, asked.format.quantise(got))

    assert (Grade.LOOSE, {"loose"}) == (judged.grade, kinds_of(judged))


def test_what_happened_instead_of_an_answer() -> None:
    asked = batch([[0.0, 1.0], [1.0, 0.0]])
    stored = asked.stored
    outcomes = {
        "raised": Raised("ValueError: no"),
        "crashed": Crashed("signal 11"),
        "timed_out": TimedOut(9.0),
        "dtype": Answered("float64", stored.shape, stored.astype("float64"), 0.0),
        "shape": Answered("float32", (4,), stored.reshape(4), 0.0),
    }

    assert {kind: [{kind}, {kind}] for kind in outcomes} == {
        kind: [kinds_of(one) for one in Judge().judge(asked, outcome)] for kind, outcome in outcomes.items()
    }
    assert [set(), set()] == [kinds_of(one) for one in Judge().judge(asked, Unsupported("no kernel"))]


def test_where_an_error_is_due_an_answer_is_the_finding() -> None:
    asked = batch([[0.0, 1.0]], axis=1, raises=True)

    [silent] = judge(asked, [0.5, 0.5])
    [loud] = Judge().judge(asked, Raised("IndexError: axis"))

    assert {"no_error"} == kinds_of(silent)
    assert () == loud.findings


def test_a_written_input_is_a_finding_beside_a_right_answer() -> None:
    asked = batch([[0.0, 1.0]])

    [judged] = judge(asked, due(asked), wrote_input=True)

    assert ({"input_written"}, Grade.EXACT) == (kinds_of(judged), judged.grade)


def test_witness_holds_the_row_and_the_worst_lane() -> None:
    asked = batch([[[0.0, 0.0], [1.0, 0.0]]], axis=0)  # one array of shape (2, 2), its columns are the rows
    got = due(asked)
    got[1, 0] = 0.25

    [judged] = judge(asked, got)
    [witness] = [f.witness for f in judged.findings if f.kind == "accuracy"]

    assert [0.0, 1.0] == [float.fromhex(v) for v in witness["input"]]
    assert (1, 0.25) == (witness["index"], float.fromhex(witness["got"]))
    assert float.fromhex(witness["expected"]) == due(asked)[1, 0]


def test_every_kind_has_a_rule_and_a_severity() -> None:
    assert len(set(kinds())) == len(all_checks()) + len(OUTCOME_KINDS)
    assert all(check.rule.endswith((".", ":")) or check.rule for check in all_checks())
    assert all(isinstance(check.severity, Severity) for check in all_checks())


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 100_000, 1_000_000])
def test_all_zeros_is_never_an_answer(op: str, dtype: str, n: int) -> None:
    """The mistake of fixed absolute tolerances: softmax of a long row is small everywhere."""
    asked = batch([np.zeros(n)], op, dtype)

    [judged] = judge(asked, np.zeros((1, n)))

    right = n == 1 and op == "log_softmax"
    assert right == (Severity.VIOLATION is not judged.severity)
