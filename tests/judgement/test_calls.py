"""What is legal behind an operation that a compiler may fuse, and for an array that is not of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conformance.cases import cases
from conformance.execution.batches import batches
from conformance.judgement import Judge
from conformance.producers import MASKS
from conformance.values import Answered, Batch, Case, Judgement, Raised, Severity, Tier
from reference.formats import EVERY_FORMAT, FORMATS
from reference.truth import truth

OPS = pytest.mark.parametrize("op", ["softmax", "log_softmax"])


def asked(dtype: str, op: str, family: str = "producers") -> list[Batch]:
    return batches(cases(FORMATS[dtype], (op,), families=[family], tier=Tier.STANDARD, seed=0))


def judge(batch: Batch, got: np.ndarray) -> list[Judgement]:
    stored = batch.format.encode(got)
    return Judge().judge(batch, Answered(batch.format.name, stored.shape, stored, 0.0))


def answer(batch: Batch, logits: np.ndarray) -> np.ndarray:
    return truth(batch.op, logits, -1, format=batch.format).rounded(batch.format)


def softmax(logits: np.ndarray, shift: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(logits - shift)
        return np.asarray(e / e.sum(-1, keepdims=True))


@OPS
@pytest.mark.parametrize("dtype", FORMATS)
def test_the_truth_of_the_rounded_logits_has_no_finding(op: str, dtype: str) -> None:
    for batch in asked(dtype, op):
        for case, judged in zip(batch.cases, judge(batch, answer(batch, batch.values)), strict=True):
            assert not judged.findings, case.name
            assert "product" not in judged.policy


@OPS
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_unrounded_logits_are_a_choice_where_they_matter(op: str, dtype: str) -> None:
    chosen = []
    for batch in asked(dtype, op):
        exact = batch.values
        if batch.producer not in MASKS:
            exact = np.stack([case.produced.unrounded for case in batch.cases if case.produced])
        judged = judge(batch, answer(batch, exact))
        assert {Severity.NONE, Severity.POLICY} >= {one.severity for one in judged}
        chosen += [one.policy for one in judged if one.policy.startswith("product=unrounded")]

    assert chosen


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_maximum_of_the_rounded_and_a_difference_of_the_unrounded_is_wrong(dtype: str) -> None:
    """The contraction that returns NaN, computed with exact products."""
    kinds: set[str] = set()  # float64 overflows only beyond 1e18
    for batch in asked(dtype, "softmax"):
        if batch.producer != "multiply":
            continue
        x, scale = batch.handed
        wide = np.longdouble(x) * np.longdouble(scale)
        got = softmax(wide, np.longdouble(batch.values).max(-1, keepdims=True)).astype(float)
        for case, judged in zip(batch.cases, judge(batch, batch.format.quantise(got)), strict=True):
            if case.name == "multiply,+1e+14":
                kinds |= {finding.kind for finding in judged.findings}
                assert Severity.VIOLATION is judged.severity

    assert kinds & {"nonfinite", "row_sum"}


def test_a_rounding_of_each_logit_explains_a_float64_answer_but_no_lost_sum() -> None:
    for batch in asked("float64", "softmax"):
        if batch.producer != "multiply":
            continue
        sign = np.where(np.arange(batch.values.shape[-1]) % 2, 1, -1)
        moved = batch.values + sign * np.abs(batch.values) * 2.0**-54
        for factor, legal in ((1.0, True), (1 + 2.0**-30, False)):
            got = softmax(moved, moved.max(-1, keepdims=True)) * factor
            judged = [one for one in judge(batch, got) if one.severity is Severity.VIOLATION]
            assert bool(judged) != legal


@OPS
@pytest.mark.parametrize(("axis", "said"), [(-1, "last"), (0, "first"), (1, "unnamed")])
def test_where_no_axis_is_named_the_answer_says_which_was_meant(op: str, axis: int, said: str) -> None:
    (batch,) = (b for b in asked("float32", op, "arguments") if b.producer == "default" and b.values.ndim == 3)

    (judged,) = judge(batch, truth(op, batch.values, axis, format=batch.format).rounded(batch.format))

    assert f"default-axis={said}" == judged.policy
    assert (said == "unnamed") == (judged.severity is Severity.VIOLATION)


@pytest.mark.parametrize("sent", ["float16", "bfloat16"])
def test_an_answer_converted_behind_the_op_is_not_one_converted_in_front(sent: str) -> None:
    (batch,) = (b for b in asked("float32", "softmax", "arguments") if b.cases[0].name == f"dtype=,from={sent},spread")
    narrow = answer(batch, batch.values)

    (in_front,) = judge(batch, narrow)
    (behind,) = judge(batch, FORMATS[sent].quantise(narrow))
    (unconverted,) = Judge().judge(
        batch, Answered(sent, narrow.shape, FORMATS[sent].encode(FORMATS[sent].quantise(narrow)), 0.0)
    )

    assert Severity.NONE is in_front.severity
    assert Severity.VIOLATION is behind.severity
    assert ["dtype"] == [finding.kind for finding in unconverted.findings]


def case(sent: str, *values: float) -> Batch:
    more: dict[str, Any] = {"alone": True, "policy": "integer", "sent": sent}
    return Batch((Case("dtypes", sent, "softmax", "float32", np.array(values, dtype=float), **more),))


@pytest.mark.parametrize("dtype", EVERY_FORMAT)
def test_integers_may_come_back_in_any_format_and_are_judged_in_it(dtype: str) -> None:
    format, batch = EVERY_FORMAT[dtype], case("int32", 0, 1, -2)
    right = truth("softmax", batch.values, format=format).rounded(format)

    for got, severity in ((right, Severity.POLICY), (right[::-1], Severity.VIOLATION)):
        (judged,) = Judge().judge(batch, Answered(dtype, (3,), format.encode(got), 0.0))
        assert (severity, "integer=returns") == (judged.severity, judged.policy.split()[0])


def test_an_integer_is_no_probability() -> None:
    batch = case("int8", 0, 1, -2)

    (judged,) = Judge().judge(batch, Answered("int8", (3,), np.zeros(3, "int8"), 0.0))

    assert (Severity.VIOLATION, ["dtype"]) == (judged.severity, [finding.kind for finding in judged.findings])


def test_to_reject_integers_is_a_choice_and_to_take_complex_numbers_another() -> None:
    (rejected,) = Judge().judge(case("int8", 0, 1), Raised("TypeError: no kernel"))
    (taken,) = Judge().judge(case("complex64", 0, 1), Answered("complex64", (2,), np.zeros(2, "complex64"), 0.0))

    assert (Severity.POLICY, "integer=rejects") == (rejected.severity, rejected.policy)
    assert (Severity.POLICY, "integer=returns") == (taken.severity, taken.policy)
