"""A row of the file says what was asked, what came and what was judged, and is read back as the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.record import COLUMNS, Subject, choices_of, expected_of, findings_of, frame, printable
from conformance.record.rows import exhibit_of, observation_row, smallest
from conformance.record.typed import WrongData
from conformance.values import (
    Answered,
    Call,
    Case,
    Choice,
    Crashed,
    Exhibit,
    Finding,
    Grade,
    Inputs,
    Judgement,
    NotAsked,
    OutOfMemory,
    Raised,
    Severity,
    Target,
    Tier,
    TimedOut,
    Unsupported,
    Witness,
)
from reference.formats import FORMATS
from reference.ops import LOG_SOFTMAX, SOFTMAX

TARGET = Target("keras", "jit", "cuda:0", "jax", "3.15", control=True)
WITNESS = Witness(1, 3.0, 0.5, 0.25, 2.0**-60, 2.0**-30, 2)
FINDING = Finding("accuracy", Severity.VIOLATION, "wrong", WITNESS)
JUDGEMENT = Judgement(
    Grade.LOOSE, Severity.VIOLATION, (FINDING, Finding("raised", Severity.VIOLATION, "no")),
    (Choice("nan", "all"), Choice("product", "unrounded")), 3.5, 2, 0.75, 0.125, 1, 2,
)  # fmt: skip


def case(
    values: Any = (0.0, 3.0, -1.0), name: str = "a", *, op: Any = SOFTMAX, family: str = "underflow", **how: Any
) -> Case:
    x, call = np.array(values), Call(**{k: v for k, v in how.items() if k in ("way", "axis", "layout")})
    rest = {k: v for k, v in how.items() if k not in ("way", "axis", "layout")}
    return Case(op, FORMATS["float32"], family, name, Inputs(x, "float32"), call, x, **rest)


def answered(*rows: Any) -> Answered:
    stored = np.array(rows, np.float32)
    return Answered("float32", stored.shape, stored, 0.123456)


def told(**changes: Any) -> dict[str, Any]:
    whole = {"target": TARGET, "case": case(), "observation": answered([0.0, 0.5, 0.5]), "judgement": JUDGEMENT}
    return observation_row(**whole | changes)


def test_a_row_has_every_column_and_says_what_it_is_given() -> None:
    asked = case([[0.0, 3.0], [np.nan, -np.inf]], "b", op=LOG_SOFTMAX, axis=0, layout="step", tier=Tier.STANDARD)

    got = told(case=asked, digest="abcd", shared=3, must=("range", "accuracy"), may=("accuracy", "order"))

    assert set(COLUMNS) - {"run_id"} == set(got)
    wanted = {
        "target": "keras:jax/jit/cuda:0", "framework": "keras", "variant": "jax", "version": "3.15", "mode": "jit",
        "device": "cuda:0", "control": True, "op": "log_softmax", "dtype": "float32", "family": "underflow",
        "case": "b", "case_id": asked.id, "tier": "standard", "axis": 0, "shape": "2×2", "layout": "step", "cotangent_layout": "",
        "way": "plain", "outcome": "answered", "reason": "", "seconds": 0.041, "digest": "abcd",
        "choices": "nan=all product=unrounded", "grade": "loose", "severity": "violation",
        "findings": "accuracy;raised", "expected": "accuracy!;range!;order?", "max_ulp": 3.5, "max_ulp_at": 2,
        "error_over_bound": 0.75, "row_sum_error": 0.125, "logit_gap": 3.0, "nonfinite_expected": 1,
        "nonfinite_got": 2, "inputs": "",
    }  # fmt: skip
    assert wanted == {name: value for name, value in got.items() if name != "witness"}
    (framed,) = frame([got], "run").to_dict("records")
    assert {**wanted, "run_id": "run"} == {
        k: pytest.approx(v) if isinstance(v, float) else v for k, v in framed.items() if k != "witness"
    }


@pytest.mark.parametrize("variant", ["", "jax"])
def test_a_subject_is_called_as_its_targets_begin(variant: str) -> None:
    target = Target("keras", "eager", "cpu", variant)

    assert str(target).partition("/")[0] == Subject("keras", variant).name


@pytest.mark.parametrize(
    ("values", "gap"),
    [([1.0, 4.5, -2.0], 6.5), ([np.inf, 7.0], 0.0), ([2.0**127, -(2.0**127)], np.inf), ([np.nan], np.nan)],
)
def test_the_gap_is_of_the_finite_logits(values: list[float], gap: float) -> None:
    np.testing.assert_equal(told(case=case(values))["logit_gap"], gap)


@pytest.mark.parametrize(
    ("observation", "outcome", "reason"),
    [
        (Unsupported("a=b: no kernel here"), "unsupported", "a=b: no kernel here"),
        (NotAsked("gave up"), "not_asked", "gave up"),
        (Raised("ValueError: x"), "raised", ""),
        (Crashed("signal 11"), "crashed", ""),
        (TimedOut(2.0), "timed_out", ""),
        (OutOfMemory(2**30), "out_of_memory", ""),
    ],
)
def test_a_reason_is_no_choice(observation: Any, outcome: str, reason: str) -> None:
    row = told(observation=observation, judgement=Judgement(None, Severity.NONE))

    assert (outcome, reason, "", "") == (row["outcome"], row["reason"], row["choices"], row["grade"])
    assert () == choices_of(row)


def test_values_come_back_as_they_were() -> None:
    row = told(must=["a"], may=["b"])

    assert JUDGEMENT.findings == findings_of(row)
    assert JUDGEMENT.choices == choices_of(row)
    assert (frozenset("a"), frozenset("b")) == expected_of(row)
    assert ((), (), (frozenset(), frozenset())) == (
        findings_of({"witness": ""}), choices_of({"choices": ""}), expected_of({"expected": ""}),
    )  # fmt: skip


def test_a_witness_that_is_not_a_number_comes_back() -> None:
    nan = replace(WITNESS, got=float("nan"), logit=float("nan"))

    (got,) = findings_of(told(judgement=replace(JUDGEMENT, findings=(replace(FINDING, witness=nan),))))

    assert np.isnan(got.witness.got)
    assert np.isnan(got.witness.logit)


@pytest.mark.parametrize("text", ["a", "=b", "a=", "a=b c"])
def test_a_choice_has_two_sides(text: str) -> None:
    with pytest.raises(WrongData, match="question=answer is wanted"):
        choices_of({"choices": text})


def violated(*kinds: str, severity: Severity = Severity.VIOLATION) -> Judgement:
    return Judgement(Grade.DIVERGENT, severity, tuple(Finding(kind, severity, "so") for kind in kinds or ("accuracy",)))


def test_of_each_finding_the_smallest_array_is_kept() -> None:
    shapes = {"e": (9,), "d": (2, 2), "c": (4,), "b": (7,), "a": (5, 1)}
    judged = [(case(np.zeros(shape), name), violated()) for name, shape in shapes.items()]

    assert {2} == smallest(judged)  # of two with four numbers the first by name
    assert {1} == smallest(judged[:2])


@pytest.mark.parametrize(
    "other",
    [
        (case(family="axes"), violated()),
        (case(op=LOG_SOFTMAX), violated()),
        (case(way="scale"), violated()),
        (case(), violated("order")),
        (case(), violated("raised")),
        (case(), violated(severity=Severity.DEGRADED)),
    ],
)
def test_another_finding_keeps_an_array_of_its_own(other: tuple[Case, Judgement]) -> None:
    assert {0, 1} == smallest([(case((1.0,)), violated()), other])


def test_what_shows_nothing_keeps_nothing() -> None:
    fine = Judgement(Grade.EXACT, Severity.NONE)

    assert {1, 2} == smallest(
        [(case(name="a"), fine), (case(name="b"), violated("order", "ties")), (case((0.0,)), violated("ties"))]
    )
    assert "" == told(judgement=fine)["inputs"]
    assert exhibit_of(told(judgement=fine)) is None


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain text – ×, ü, Σ, 中", "plain text – ×, ü, Σ, 中"),
        ("a\ud800", r"a\ud800"),
        ("\x00\x1b[31m\x7f\x9b", r"\x00\x1b[31m\x7f\x9b"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("a\u2028b\u202e", r"a\u2028b\u202e"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, escaped: str) -> None:
    assert escaped == printable(text) == printable(printable(text))
    assert printable(text).isprintable()
    printable(text).encode()


def test_hostile_text_is_escaped_wherever_it_enters() -> None:
    hostile = "\x1b[31m\ud800\x00\n"
    target = Target(hostile, hostile, hostile, hostile, hostile)
    finding = replace(FINDING, detail=hostile)
    handed = Exhibit(Inputs(np.zeros(2), hostile))

    row = told(target=target, observation=Unsupported(hostile), judgement=replace(JUDGEMENT, findings=(finding,)),
               exhibit=handed)  # fmt: skip
    framed = frame([row])

    escaped = r"\x1b[31m\ud800\x00\n"
    assert [escaped] * 6 == framed.loc[0, ["framework", "variant", "version", "mode", "device", "reason"]].tolist()
    assert (escaped, escaped) == (
        findings_of(framed.loc[0])[0].detail, exhibit_of(framed.loc[0]).inputs.dtype,
    )  # fmt: skip
    assert all(text.isprintable() for text in framed.select_dtypes("string").to_numpy().ravel())
    json.dumps(framed.loc[0, "witness"]).encode()
