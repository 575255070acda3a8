"""Where no single answer is right each named choice is recognised, and one without a name is a violation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from conformance.judgement import Judge
from conformance.record import Record
from conformance.reporting.tables import policies
from conformance.values import Answered, Batch, Case, Severity
from reference.formats import FORMATS

if TYPE_CHECKING:
    from conformance.values import Judgement

INF, NAN = math.inf, math.nan
NOTHING = [-INF, -INF, -INF, -INF]
ONE, TWO = [0.0, INF, 1.0, -INF], [INF, 0.0, 1.0, INF]


def judge(row: list[float], got: list[float], op: str = "softmax", dtype: str = "float32") -> Judgement:
    format = FORMATS[dtype]
    asked = Batch((Case("family", "row", op, dtype, np.array(row)),))
    stored = format.encode(format.quantise(np.array([got])))
    (judged,) = Judge().judge(asked, Answered(dtype, stored.shape, stored, 0.0))
    return judged


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    ("op", "row", "got", "choice"),
    [
        ("softmax", NOTHING, [NAN] * 4, "all-minus-inf=nan"),
        ("softmax", NOTHING, [0.0] * 4, "all-minus-inf=zeros"),
        ("softmax", NOTHING, [0.25] * 4, "all-minus-inf=uniform"),
        ("log_softmax", NOTHING, [NAN] * 4, "all-minus-inf=nan"),
        ("log_softmax", NOTHING, NOTHING, "all-minus-inf=zeros"),
        ("log_softmax", NOTHING, [-math.log(4)] * 4, "all-minus-inf=uniform"),
        ("softmax", ONE, [NAN] * 4, "plus-inf=all-nan"),
        ("softmax", ONE, [0.0, 1.0, 0.0, 0.0], "plus-inf=one-hot"),
        ("softmax", TWO, [0.5, 0.0, 0.0, 0.5], "plus-inf=one-hot"),
        ("softmax", TWO, [NAN, 0.0, 0.0, NAN], "plus-inf=partial"),
        ("log_softmax", ONE, [-INF, 0.0, -INF, -INF], "plus-inf=one-hot"),
        ("log_softmax", TWO, [-math.log(2), -INF, -INF, -math.log(2)], "plus-inf=one-hot"),
        ("log_softmax", ONE, [-INF, NAN, -INF, -INF], "plus-inf=partial"),
    ],
)
def test_a_named_choice_is_a_policy(op: str, row: list[float], got: list[float], choice: str, dtype: str) -> None:
    judged = judge(row, got, op, dtype)

    assert (Severity.POLICY, choice, ()) == (judged.severity, judged.policy, judged.findings)


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

    assert Severity.VIOLATION is judged.severity
    assert {"unnamed_policy"} == {finding.kind for finding in judged.findings}
    assert "which is none of" in judged.findings[0].detail


def test_subnormals_kept_are_recorded_and_no_policy() -> None:
    kept = judge([0.0, -100.0], [1.0, math.exp(-100)])
    flushed = judge([0.0, -100.0], [1.0, 0.0])

    assert ("subnormals=kept", Severity.NONE) == (kept.policy, kept.severity)
    assert ("subnormals=flushed", Severity.POLICY) == (flushed.policy, flushed.severity)


def test_a_framework_that_chooses_in_several_ways_is_inconsistent(small_record: Record) -> None:
    framework = small_record.header["plan"]["targets"][0]["framework"]
    table = policies(small_record)

    assert {"framework", "question", "choices", "inconsistent"} == set(table.columns)
    for row in table.to_dict("records"):
        assert row["inconsistent"] is (len(row["choices"]) > 1)
    assert framework in set(table["framework"])


@pytest.fixture
def small_record() -> Record:
    targets = [{"target": f"f/{mode}/cpu", "framework": "f", "control": False} for mode in ("eager", "jit")]
    targets.append({"target": "f/definition/cpu", "framework": "f", "control": True})
    rows = [
        ("f/eager/cpu", "softmax", "all-minus-inf=nan subnormals=kept"),
        ("f/jit/cpu", "softmax", "all-minus-inf=zeros"),
        ("f/jit/cpu", "log_softmax", "unsupported: no = here"),
        ("f/definition/cpu", "softmax", "subnormals=flushed"),
    ]
    frame = pd.DataFrame(rows, columns=["target", "op", "policy"]).assign(dtype="float32")
    return Record({"plan": {"targets": targets}}, frame, pd.DataFrame(), {})
