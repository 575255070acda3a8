"""Each check passes an answer that must pass and fails one that must fail."""

from __future__ import annotations

import dataclasses
import math
import re

import mpmath
import numpy as np
import pytest
from questions import DTYPES, FORWARD_OPS, answered, batch_of, due, judge, kinds_of

from conformance.judgement import Judge
from conformance.judgement.checks import OUTCOME_KINDS, all_checks, checks_of, kinds, rule_of, severity_of
from conformance.values import (
    Answered,
    Crashed,
    Grade,
    NotAsked,
    OutOfMemory,
    Raised,
    Severity,
    TimedOut,
    Unsupported,
)
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX, LOG_SOFTMAX_VJP, SOFTMAX, SOFTMAX_VJP, Op

ROWS = [[0.0, 1.0, -2.0], [1000.0, -1000.0, 1000.0], [-1000.0, -1000.0, -1000.0], [3.0, 3.0, 3.0]]


@DTYPES
@FORWARD_OPS
def test_the_rounded_truth_is_exact_and_without_a_finding(op: Op, dtype: str) -> None:
    asked = batch_of(ROWS, op, dtype)

    judged = judge(asked, due(asked))

    assert [Grade.EXACT] * len(ROWS) == [one.grade for one in judged]
    assert [()] * len(ROWS) == [one.findings for one in judged]
    assert all(one.max_ulp <= 0.5 and one.error_over_bound <= 1 for one in judged)
    assert all(0 <= one.max_ulp_at < 3 and one.row_sum_error < 8 * asked.format.unit_roundoff for one in judged)


def test_grades_are_ordered_by_the_size_of_the_error() -> None:
    """One lane moved by a growing number of ulps walks down the whole ladder."""
    asked = batch_of([np.linspace(-1, 1, 4096)])
    right = due(asked)
    seen = []
    for ulps in (0, 2, 16, 2**9, 2**20):
        got = right.copy()
        got[0, 7] += ulps * FORMATS["float32"].ulp(right[0, 7])
        seen.append(judge(asked, got)[0].grade)

    assert [Grade.EXACT, Grade.STABLE, Grade.STABLE, Grade.LOOSE, Grade.DIVERGENT] == seen


def test_the_worst_lane_of_each_case_is_measured() -> None:
    asked = batch_of([np.linspace(-1, 1, 64), np.linspace(-2, 2, 64)])
    got = due(asked)
    ulp = FORMATS["float32"].ulp(got)
    got[0, 5] += 3 * ulp[0, 5]
    got[1, 40] += 6 * ulp[1, 40]
    got[1, 41] -= 4 * ulp[1, 41]

    first, second = judge(asked, got)

    assert (5, 40) == (first.max_ulp_at, second.max_ulp_at)
    assert abs(first.max_ulp - 3) <= 0.5
    assert abs(second.max_ulp - 6) <= 0.5
    assert first.error_over_bound < second.error_over_bound
    due_sums = [abs(math.fsum(row) - 1) for row in got]
    assert due_sums == pytest.approx([first.row_sum_error, second.row_sum_error], rel=1e-6)


def test_zero_for_a_normal_number_is_a_violation() -> None:
    asked = batch_of([[0.0, -10.0]])

    [judged] = judge(asked, [[due(asked)[0, 0], 0.0]])

    assert {"lost_normal", "row_sum"} == kinds_of(judged)
    assert Severity.VIOLATION is judged.severity


def test_zero_is_loose_where_steps_in_the_format_itself_could_have_flushed_it() -> None:
    """e**-87 is 1.4 times the smallest normal; a bfloat16 exponent of -87 may be wrong by a third."""
    zero = [[1.0, 0.0]]

    [narrow], [wide] = (judge(batch_of([[0.0, -87.0]], dtype=dtype), zero) for dtype in ("bfloat16", "float32"))

    assert (Grade.LOOSE, {"loose"}) == (narrow.grade, kinds_of(narrow))
    assert "lost_normal" in kinds_of(wide)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nonfinite_where_the_truth_is_finite_is_a_violation(bad: float) -> None:
    asked = batch_of([[0.0, 1.0], [0.0, 1.0]])
    got = due(asked)
    got[1, 0] = bad

    good, judged = judge(asked, got)

    assert set() == kinds_of(good)
    assert "nonfinite" in kinds_of(judged)
    assert Grade.DIVERGENT is judged.grade
    assert (0, 1) == (judged.nonfinite_expected, judged.nonfinite_got)
    assert (0, 0) == (good.nonfinite_expected, good.nonfinite_got)


def test_a_finite_number_in_a_row_with_a_nan_is_a_violation() -> None:
    asked = batch_of([[0.0, math.nan, 1.0]])

    [right], [wrong] = judge(asked, [[math.nan] * 3]), judge(asked, [[0.0, math.nan, 1.0]])

    assert (set(), 3, 3) == (kinds_of(right), right.nonfinite_expected, right.nonfinite_got)
    assert ({"nonfinite"}, Grade.DIVERGENT) == (kinds_of(wrong), wrong.grade)


def test_minus_infinity_is_right_where_log_softmax_overflows() -> None:
    big = FORMATS["float32"].max
    asked = batch_of([[big, -big]], LOG_SOFTMAX)

    [right], [finite] = judge(asked, [[0.0, -math.inf]]), judge(asked, [[0.0, -big]])

    assert (Grade.EXACT, set()) == (right.grade, kinds_of(right))
    assert "nonfinite" in kinds_of(finite)


def test_an_infinity_is_legal_only_within_reach_of_the_largest_number() -> None:
    format = FORMATS["float32"]
    near, far = -format.max, -format.max / 2
    answers = [judge(batch_of([[0.0, x]], LOG_SOFTMAX), [[0.0, -math.inf]])[0] for x in (near, far)]

    assert [set(), {"nonfinite"}] == [kinds_of(one) - {"accuracy"} for one in answers]


def test_an_infinity_of_the_wrong_sign_is_never_legal() -> None:
    asked = batch_of([[0.0, -FORMATS["float32"].max]], LOG_SOFTMAX)

    assert "nonfinite" in kinds_of(judge(asked, [[0.0, math.inf]])[0])


def test_the_largest_number_is_legal_only_where_the_truth_hardly_overflows() -> None:
    """In float16, -65536 rounds to -inf, and is half a unit from the largest number; -66504 is far from it."""
    lowest = -FORMATS["float16"].max
    near, far = batch_of([[32.0, lowest]], LOG_SOFTMAX, "float16"), batch_of([[1000.0, lowest]], LOG_SOFTMAX, "float16")

    assert due(near)[0, 1] == due(far)[0, 1] == -math.inf
    assert [set(), {"nonfinite"}] == [kinds_of(judge(asked, [[0.0, lowest]])[0]) for asked in (near, far)]


@pytest.mark.parametrize(
    ("got", "op"), [([-1e-3, 1.0], SOFTMAX), ([1.5, 0.1], SOFTMAX), ([0.5, -1.0], LOG_SOFTMAX)], ids=str
)
def test_values_out_of_range(got: list[float], op: Op) -> None:
    asked = batch_of([[0.0, -10.0]], op)

    [judged] = judge(asked, asked.format.quantise([got]))

    assert "range" in kinds_of(judged)


def test_a_log_probability_positive_within_its_bound_is_in_range() -> None:
    asked = batch_of([[0.0, -40.0]], LOG_SOFTMAX)
    tiny = FORMATS["float32"].unit_roundoff

    [judged] = judge(asked, [[tiny, -40.0]])

    assert set() == kinds_of(judged)


def test_a_probability_above_one_is_out_of_range_by_any_amount() -> None:
    asked = batch_of([[0.0, -40.0]])

    [judged] = judge(asked, [[1 + 2.0**-23, due(asked)[0, 1]]])

    assert "range" in kinds_of(judged)


@FORWARD_OPS
def test_a_row_that_lost_its_normaliser_has_a_wrong_sum(op: Op) -> None:
    asked = batch_of([[0.0, 0.0, 0.0, 0.0]], op)
    got = [[0.0] * 4] if op.log else [[1.0] * 4]

    [judged] = judge(asked, got)

    assert {"row_sum", "accuracy"} <= kinds_of(judged)
    assert judged.row_sum_error == 3
    [detail] = [finding.detail for finding in judged.findings if finding.kind == "row_sum"]
    assert re.search(r"sums? to 4, off by 3 where \d", detail)


def test_the_sum_of_a_row_of_zeros_is_called_zero() -> None:
    [judged] = judge(batch_of([[0.0, 0.0]]), [[0.0, 0.0]])

    [detail] = [finding.detail for finding in judged.findings if finding.kind == "row_sum"]
    assert detail.startswith("the row sums to 0, off by 1 ")


def test_only_the_row_with_the_wrong_sum_is_named() -> None:
    asked = batch_of([np.zeros((3, 4)).tolist()], alone=True)  # one case of three rows
    got = due(asked)
    got[1] *= 2

    [judged] = judge(asked, got)
    [finding] = [finding for finding in judged.findings if finding.kind == "row_sum"]

    assert finding.detail.startswith("the row sums to 2, off by 1 ")
    assert finding.witness is not None
    assert (2.0, 1.0, 4) == (finding.witness.got, finding.witness.expected, finding.witness.index)


def test_equal_logits_with_unequal_answers_are_degraded() -> None:
    asked = batch_of([[0.0, 0.0, 1.0]])
    got = due(asked)
    got[0, 1] += FORMATS["float32"].ulp(got[0, 1])

    [judged] = judge(asked, got)

    assert {"ties"} == kinds_of(judged)
    assert Severity.DEGRADED is judged.severity


def test_order_flipped_is_degraded() -> None:
    asked = batch_of([[1.0, 1.0 + 2.0**-23, 0.0]])
    got = due(asked)
    got[0, 0], got[0, 1] = got[0, 1] + 4 * FORMATS["float32"].ulp(got[0, 1]), got[0, 0]

    [judged] = judge(asked, got)

    assert {"order"} == kinds_of(judged)
    assert Severity.DEGRADED is judged.severity


def test_a_zero_is_measured_where_the_bound_is_larger_than_the_truth() -> None:
    """A log-probability of -2.98e-8 is a normal number: 0 is within its bound, and is not how it rounds."""
    asked = batch_of([[17.32868, 0.0]], LOG_SOFTMAX)
    right = due(asked)
    closer, zero = right.copy(), right.copy()
    closer[0, 0], zero[0, 0] = asked.format.quantise(-2.9e-8), 0.0

    judged = [judge(asked, got)[0] for got in (right, closer, zero)]

    assert [Grade.EXACT, Grade.STABLE, Grade.STABLE] == [one.grade for one in judged]
    assert judged[0].max_ulp <= 0.5
    assert 1e4 < judged[1].max_ulp < judged[2].max_ulp
    assert judged[2].max_ulp == pytest.approx(abs(right[0, 0]) / asked.format.ulp(right[0, 0]), rel=1e-6)
    assert [0, 0] == [one.max_ulp_at for one in judged[1:]]
    assert {Severity.NONE} == {one.severity for one in judged}


def test_a_zero_for_one_smallest_subnormal_is_faithful_and_not_exact() -> None:
    asked = batch_of([[0.0, -103.3]])
    assert due(asked)[0, 1] == asked.format.smallest_subnormal

    [judged] = judge(asked, [[1.0, 0.0]])

    assert (Grade.FAITHFUL, Severity.NONE) == (judged.grade, judged.severity)


def test_an_error_between_the_bounds_is_loose() -> None:
    asked = batch_of([np.zeros(4096)])
    got = due(asked) * (1 + 2.0**-14)  # a sum in a sequential float32 loop may be that wrong: 4095·2**-24

    [judged] = judge(asked, asked.format.quantise(got))

    assert (Grade.LOOSE, {"loose"}) == (judged.grade, kinds_of(judged))


OUTCOMES = {
    "raised": Raised("ValueError: no"),
    "crashed": Crashed("signal 11"),
    "timed_out": TimedOut(9.0, seconds=9.5),
    "out_of_memory": OutOfMemory(8 * 2**30),
    "dtype": Answered("float64", (2, 2), np.zeros((2, 2)), 0.0),
    "shape": Answered("float32", (4,), np.zeros(4, "float32"), 0.0),
}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_what_happened_instead_of_an_answer(kind: str) -> None:
    asked = batch_of([[0.0, 1.0], [1.0, 0.0]])

    judged = Judge(asked).judge(OUTCOMES[kind])

    assert [{kind}, {kind}] == [kinds_of(one) for one in judged]
    assert {Severity.VIOLATION} == {one.severity for one in judged}
    assert {None} == {one.grade for one in judged}


@pytest.mark.parametrize(
    ("kind", "figure"), [("timed_out", "9 s"), ("out_of_memory", "8 GiB"), ("raised", "ValueError: no")]
)
def test_the_sentence_says_which_limit_or_error_it_was(kind: str, figure: str) -> None:
    [judged, _] = Judge(batch_of([[0.0, 1.0], [1.0, 0.0]])).judge(OUTCOMES[kind])

    assert figure in judged.findings[0].detail


@pytest.mark.parametrize("nothing", [Unsupported("no kernel"), NotAsked("too many crashes")])
def test_what_was_not_answered_for_a_reason_has_no_finding(nothing: Unsupported | NotAsked) -> None:
    judged = Judge(batch_of([[0.0, 1.0], [1.0, 0.0]])).judge(nothing)

    assert [((), Severity.NONE)] * 2 == [(one.findings, one.severity) for one in judged]


def test_where_an_error_is_due_an_answer_is_the_finding() -> None:
    asked = batch_of([[0.0, 1.0]], axis=1, raises=True)

    [silent] = judge(asked, [0.5, 0.5])
    [loud] = Judge(asked).judge(Raised("IndexError: axis"))

    assert {"no_error"} == kinds_of(silent)
    assert ((), Severity.NONE) == (loud.findings, loud.severity)


def test_a_written_input_is_a_finding_beside_a_right_answer() -> None:
    asked = batch_of([[0.0, 1.0]])

    [judged] = judge(asked, due(asked), wrote_input=True)

    assert ({"input_written"}, Grade.EXACT) == (kinds_of(judged), judged.grade)
    assert Severity.VIOLATION is judged.severity


def test_side_effects_and_other_bits_the_second_time_are_findings_beside_a_right_answer() -> None:
    asked = batch_of([[0.0, 1.0]])

    [changed] = judge(asked, due(asked), side_effects=("set the default dtype", "printed a line"))
    [other] = judge(asked, due(asked), again=answered(asked, np.nextafter(due(asked).astype(np.float32), 0)))

    assert ["set the default dtype", "printed a line"] == [finding.detail for finding in changed.findings]
    assert {("side_effect", Severity.VIOLATION)} == {(finding.kind, finding.severity) for finding in changed.findings}
    assert ({"unrepeatable"}, Severity.DEGRADED) == (kinds_of(other), other.severity)


def test_an_empty_array_of_the_right_shape_has_nothing_to_be_wrong() -> None:
    asked = batch_of([np.zeros((2, 0)).tolist()], alone=True)
    policy = batch_of([np.zeros((2, 0)).tolist()], policy="empty-axis")

    [plain], [chosen], [wrote] = (
        judge(asked, np.zeros((2, 0))),
        judge(policy, np.zeros((2, 0))),
        judge(asked, np.zeros((2, 0)), wrote_input=True),
    )
    [shape] = judge(asked, np.zeros((0, 2)))

    assert (Severity.NONE, ()) == (plain.severity, plain.choices)
    assert (Severity.POLICY, ["empty-axis=returns"]) == (chosen.severity, [str(choice) for choice in chosen.choices])
    assert ({"input_written"}, {"shape"}) == (kinds_of(wrote), kinds_of(shape))


@FORWARD_OPS
def test_an_array_without_an_axis_is_one_row_of_one_logit(op: Op) -> None:
    asked = batch_of([5.0], op, policy="0-d")
    right = 0.0 if op.log else 1.0

    [judged], [wrong] = judge(asked, right), judge(asked, 0.5)

    assert (Grade.EXACT, Severity.POLICY) == (judged.grade, judged.severity)
    assert ["0-d=returns"] == [str(choice) for choice in judged.choices]
    assert Severity.VIOLATION is wrong.severity
    assert wrong.findings[0].witness is not None
    assert (0, 5.0, 0.5) == (
        wrong.findings[0].witness.index,
        wrong.findings[0].witness.logit,
        wrong.findings[0].witness.got,
    )
    assert {"shape"} == kinds_of(judge(asked, [right])[0])


def test_a_witness_holds_the_worst_lane_beside_the_bound_of_its_rule() -> None:
    asked = batch_of([[[0.0, 0.0], [1.0, 0.0]]], axis=0)  # one array of shape (2, 2), its columns are the rows
    got = due(asked)
    got[1, 0] = 0.25

    [judged] = judge(asked, got)
    [witness] = [f.witness for f in judged.findings if f.kind == "accuracy"]

    assert witness is not None
    assert (2, 1.0, 0.25, -1) == (witness.index, witness.logit, witness.got, witness.beside)
    assert witness.expected == due(asked)[1, 0]
    with mpmath.workdps(40):
        assert witness.expected + mpmath.mpf(witness.rest) == pytest.approx(1 / (1 + mpmath.exp(-1)), rel=1e-22)
    question = Judge(asked).question
    bound = question.loose.relative[1, 0] * witness.expected + question.loose.absolute[1, 0]
    assert witness.bound == pytest.approx(bound, rel=1e-6)


def test_the_witness_of_what_is_degraded_has_the_stable_bound() -> None:
    asked = batch_of([np.zeros(4096)])

    [judged] = judge(asked, asked.format.quantise(due(asked) * (1 + 2.0**-14)))

    [witness] = [finding.witness for finding in judged.findings]
    stable = Judge(asked).question.stable
    assert witness is not None
    assert witness.bound == pytest.approx(stable.relative[0, 0] * 2.0**-12 + stable.absolute[0, 0], rel=1e-12)
    assert witness.rest == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_the_witness_of_an_order_names_both_lanes(axis: int) -> None:
    """Arrays of shape (4, 2) and (2, 4) whose second row falls: the larger logit has the smaller answer."""
    x = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 3.0], [0.0, 1.0]])
    got = np.array([[0.25, 0.05], [0.25, 0.15], [0.25, 0.10], [0.25, 0.70]])
    asked = batch_of([x if axis == 0 else x.T], axis=axis)

    [judged] = judge(asked, asked.format.quantise(got if axis == 0 else got.T))

    witnesses = [finding.witness for finding in judged.findings if finding.kind == "order"]
    at = [np.unravel_index(place, (4, 2) if axis == 0 else (2, 4)) for one in witnesses if one
          for place in (one.index, one.beside)]  # fmt: skip
    logits = [float((x if axis == 0 else x.T)[place]) for place in at]
    assert logits in ([2.0, 1.0], [3.0, 2.0])


def test_the_witness_of_equal_logits_names_both_lanes() -> None:
    asked = batch_of([[0.0, 1.0, 0.0]])
    got = due(asked)
    got[0, 2] += FORMATS["float32"].ulp(got[0, 2])

    [judged] = judge(asked, got)

    assert [(2, 0)] == [(one.witness.index, one.witness.beside) for one in judged.findings if one.witness]


SEVERITIES = {
    "accuracy": Severity.VIOLATION,
    "loose": Severity.DEGRADED,
    "lost_normal": Severity.VIOLATION,
    "nonfinite": Severity.VIOLATION,
    "order": Severity.DEGRADED,
    "range": Severity.VIOLATION,
    "row_sum": Severity.VIOLATION,
    "ties": Severity.DEGRADED,
    "unnamed_policy": Severity.VIOLATION,
    "zero_sum": Severity.VIOLATION,
    "raised": Severity.VIOLATION,
    "crashed": Severity.VIOLATION,
    "timed_out": Severity.VIOLATION,
    "out_of_memory": Severity.VIOLATION,
    "no_error": Severity.VIOLATION,
    "dtype": Severity.VIOLATION,
    "shape": Severity.VIOLATION,
    "input_written": Severity.VIOLATION,
    "side_effect": Severity.VIOLATION,
    "unrepeatable": Severity.DEGRADED,
}


def test_every_kind_has_a_rule_and_a_severity() -> None:
    assert len(set(kinds())) == len(kinds()) == len(all_checks()) + len(OUTCOME_KINDS)
    assert {kind: severity_of(kind) for kind in kinds()} == SEVERITIES
    rules = [rule_of(kind) for kind in kinds()]
    assert len(set(rules)) == len(rules)
    # A sentence: a capital, at least four words, a full stop.
    assert [] == [rule for rule in rules if not re.fullmatch(r"[A-Z]\S*( \S+){3,}\.", rule)]
    assert {check.kind: check.rule for check in all_checks()}.items() <= {k: rule_of(k) for k in kinds()}.items()


def test_a_finding_has_the_severity_of_its_kind() -> None:
    asked = batch_of([[0.0, 0.0, 1.0]])
    found = [
        finding
        for got in ([2.0, 0.0, math.nan], [0.2, 0.3, 0.1])
        for finding in judge(asked, asked.format.quantise([got]))[0].findings
    ]

    assert {"accuracy", "lost_normal", "nonfinite", "order", "range", "row_sum", "ties"} == {f.kind for f in found}
    assert all(finding.severity is severity_of(finding.kind) for finding in found)


EVERY_OP = {"accuracy", "loose", "nonfinite"}


@pytest.mark.parametrize(
    ("op", "also"),
    [
        (SOFTMAX, {"lost_normal", "order", "range", "row_sum", "ties", "unnamed_policy"}),
        (LOG_SOFTMAX, {"order", "range", "row_sum", "ties", "unnamed_policy"}),
        (SOFTMAX_VJP, {"lost_normal", "zero_sum"}),
        (LOG_SOFTMAX_VJP, {"lost_normal", "zero_sum"}),
    ],
    ids=("softmax", "log_softmax", "softmax_vjp", "log_softmax_vjp"),
)
def test_a_rule_applies_where_it_makes_sense(op: Op, also: set[str]) -> None:
    assert EVERY_OP | also == {check.kind for check in checks_of(op)}


def test_a_check_is_frozen_and_typed() -> None:
    check = all_checks()[0]

    assert check.rule.startswith("The error is within the loose bound")
    with pytest.raises(dataclasses.FrozenInstanceError):
        check.kind = "other"  # type: ignore[misc]


@FORWARD_OPS
@DTYPES
@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 100_000, 1_000_000])
def test_all_zeros_is_never_an_answer(op: Op, dtype: str, n: int) -> None:
    """The mistake of fixed absolute tolerances: softmax of a long row is small everywhere."""
    asked = batch_of([np.zeros(n)], op, dtype)

    [judged] = judge(asked, np.zeros((1, n)))

    right = n == 1 and op.log
    assert right == (Severity.VIOLATION is not judged.severity)


def test_answers_of_another_dtype_or_shape_are_judged_whole() -> None:
    asked = batch_of([[0.0, 1.0], [1.0, 0.0]])

    [first, second] = Judge(asked).judge(answered(asked, np.zeros((2, 2)), "float64"))

    assert "float32 was asked, float64 came back" == first.findings[0].detail == second.findings[0].detail
