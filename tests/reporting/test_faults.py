"""Findings are gathered by cause, told in words, and said of each target by what can go wrong."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace
from typing import Any

import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, record, row, violation

from conformance.judgement.checks import kinds
from conformance.ledger import Entry, Fault
from conformance.reporting import Reading
from conformance.reporting.evidence import evidence
from conformance.reporting.faults import ASPECTS, aspect, faults, generally, matrix, sentence, shown
from conformance.values import Choice, Finding, Severity, Target, Witness

NEXT = Target("f", "eager", "cpu", version="2.0")
ENTRY = Entry(
    id="one", target=("f/eager",), kind="nonfinite", reason="unreported", versions=">=1", platform=("any",),
    seen=dt.date(2026, 1, 1), note="it overflows", reproduce="print(1)  # 1",
)  # fmt: skip


def reading(*rows: Any, entries: tuple[Entry, ...] = ()) -> Reading:
    return Reading(record(*rows), entries)


def test_an_entry_gathers_what_it_knows_and_the_rest_is_gathered_by_what_it_shares() -> None:
    found = faults(
        reading(
            row(EAGER, case="a", findings=[violation()]),
            row(EAGER, case="b", findings=[violation()], op="log_softmax"),
            row(JIT, case="a", findings=[violation()]),
            row(JIT, case="c", findings=[violation("accuracy", "off by 3 ulp")]),
            row(JIT, case="d", findings=[degraded()]),
            row(CONTROL, findings=[violation("range")]),
            entries=(ENTRY,),
        )
    )

    assert [("new", 1), ("new", 1), ("one", 2), ("new", 1)] == [(one.id[:3], one.cases) for one in found]
    assert [False, False, True, False] == [one.known for one in found]
    assert [True, True, True, False] == [one.violated for one in found]
    known = found[2]
    assert ("it overflows", {"softmax", "log_softmax"}) == (known.title, set(known.values("op")))
    assert "print(1)  # 1" == known.reproduce


def test_entries_of_one_fault_are_one_and_it_tells_more_than_a_note() -> None:
    told = Fault(
        "big", "f overflows", "exp of 1000 is infinite", why="no maximum is subtracted", link="https://x.invalid"
    )
    entries = tuple(
        replace(ENTRY, id=name, op=(op,), note=f"note of {op}", fault="big", told=told)
        for name, op in (("one", "softmax"), ("two", "log_softmax"))
    )
    (found,) = faults(
        reading(
            row(EAGER, findings=[violation()]),
            row(EAGER, findings=[violation()], op="log_softmax"),
            entries=entries,
        )
    )

    assert ("big", "f overflows", entries) == (found.id, found.title, found.entries)
    assert "exp of 1000 is infinite" == found.text("what")
    assert ("no maximum is subtracted", "", "https://x.invalid") == tuple(map(found.text, ("why", "whom", "link")))


def test_the_id_of_what_is_new_is_the_same_in_every_run() -> None:
    one, two = (
        faults(reading(*rows))
        for rows in (
            [row(EAGER, case="a", findings=[violation()])],
            [row(EAGER, case="b", findings=[violation()]), row(JIT, case="a", findings=[violation()])],
        )
    )

    assert [fault.id for fault in one] == [fault.id for fault in two]


@pytest.mark.parametrize(
    ("place", "due"),
    [
        ({"op": "softmax_vjp", "family": "masks", "kind": "nonfinite"}, "gradients"),
        ({"op": "softmax", "family": "masks", "kind": "nonfinite"}, "masks"),
        ({"op": "softmax", "family": "axes", "kind": "accuracy"}, "shapes"),
        ({"op": "softmax", "family": "dtypes", "kind": "dtype"}, "dtypes"),
        ({"op": "softmax", "family": "special", "kind": "nonfinite"}, "nan"),
        ({"op": "softmax", "family": "underflow", "kind": "lost_normal"}, "small"),
        ({"op": "softmax", "family": "random", "kind": "row_sum"}, "sums"),
        ({"op": "softmax", "family": "random", "kind": "accuracy"}, "numbers"),
        ({"op": "softmax", "family": "random"}, "numbers"),
    ],
)
def test_what_goes_wrong_follows_from_op_family_and_kind(place: dict[str, str], due: str) -> None:
    assert due == aspect(place)
    assert due in ASPECTS


@pytest.mark.parametrize(
    ("kind", "got", "due", "said"),
    [
        ("nonfinite", -math.inf, -11.7618, "gives −∞ where −11.76 is right"),
        ("lost_normal", 0.0, 1.6458e-38, "gives 0 where 1.646e−38 is right"),
        ("accuracy", 0.70029412, 0.70029101, "gives 0.700294 where 0.700291 is right"),
        ("row_sum", 1.5, 1.0, "gives probabilities that sum to 1.5"),
        ("zero_sum", 0.25, 0.0, "gives a gradient that sums to 0.25, where 0 is right"),
        ("range", 1.5, 1.0, "gives 1.5, which is no probability"),
        ("order", 0.25, 0.5, "gives the larger of two logits the smaller probability"),
        ("ties", 0.25, 0.5, "gives equal logits different probabilities"),
    ],
)
def test_a_finding_is_told_in_words_and_one_number(kind: str, got: float, due: float, said: str) -> None:
    lane = Witness(index=0, logit=0.0, got=got, expected=due, rest=0.0, bound=0.0)

    assert said == sentence({"kind": kind, "op": "softmax", "witness": lane, "detail": "figures"})


def test_every_kind_of_finding_has_a_sentence() -> None:
    for kind in (*kinds(), "raised", "crashed", "timed_out", "no_error", "dtype", "shape", "side_effect"):
        said = sentence({"kind": kind, "op": "softmax", "witness": None, "detail": "raised Error: why"})
        assert kind not in said.split(), said


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [(1.0, 2.0, "1"), (0.12345678, 0.12345679, "0.12345678"), (-1e-40, 0.0, "−1e−40"), (math.nan, 1.0, "NaN")],
)
def test_a_number_has_as_many_digits_as_tell_it_from_the_other(value: float, beside: float, text: str) -> None:
    assert text == shown(value, beside)


def test_the_matrix_tells_what_is_wrong_from_what_is_fine_and_what_there_is_not() -> None:
    made = reading(
        row(EAGER, findings=[violation()]),
        row(EAGER, case="b", family="dominance"),
        row(JIT, findings=[degraded()]),
        row(NEXT, outcome="unsupported", reason="no", grade=""),
        row(CONTROL, findings=[violation("range")]),
    )
    table = matrix(made, faults(made))

    assert ["f/jit/cpu"] == [name for name in table.index if "jit" in name]
    assert not any("definition" in name for name in table.index)
    first, jit, unsupported = (table.loc[name] for name in ("f@1.0/eager/cpu", "f/jit/cpu", "f@2.0/eager/cpu"))
    assert ("violation", "fine", "none") == (first["nan"], first["sums"], first["gradients"])
    assert "degraded" in set(jit)
    assert "violation" not in set(jit)
    assert {"none"} == set(unsupported)


def test_evidence_says_who_else_was_asked_and_in_which_releases() -> None:
    made = reading(
        row(EAGER, case="a", findings=[violation()]),
        row(NEXT, case="a", digest="1"),
        row(JIT, case="a", digest="2", findings=[violation("accuracy", "off")]),
    )
    fault = next(one for one in faults(made) if one.values("mode") == ("eager",))
    found = evidence(made, fault)

    assert (("1.0", True), ("2.0", False)) == found.releases
    assert {"wrong there too": ("f/jit/cpu",), "right there": ("f@2.0/eager/cpu",)} == dict(found.company)


def test_who_raises_where_another_is_wrong_is_not_right() -> None:
    silent = {"digest": "", "grade": "", "case": "a"}
    made = reading(
        row(EAGER, case="a", findings=[violation()]),
        row(JIT, outcome="raised", choices=[Choice("integer", "rejects")], **silent),
        row(
            Target("g", "eager", "cpu", version="1.0"), outcome="timed_out", findings=[violation("timed_out")], **silent
        ),
        row(Target("h", "eager", "cpu", version="1.0"), digest="1", case="a"),
        row(Target("h", "jit", "cpu", version="1.0"), digest="2", case="a", findings=[degraded()]),
        row(Target("i", "eager", "cpu", version="1.0"), outcome="unsupported", reason="no", **silent),
    )
    found = evidence(made, next(one for one in faults(made) if one.framework == "f"))

    assert {
        "wrong there too": ("g/eager/cpu",), "worse than usual there": ("h/jit/cpu",), "right there": ("h/eager/cpu",),
        "raises an error there": ("f/jit/cpu",),
    } == dict(found.company)  # fmt: skip


def test_an_answer_with_two_findings_is_one_answer() -> None:
    (found,) = faults(
        reading(
            row(EAGER, case="a", findings=[violation(), violation("row_sum", "sums to 2")]),
            row(EAGER, case="b", findings=[violation()]),
            entries=(ENTRY, replace(ENTRY, id="two", kind="row_sum")),
        )
    )

    assert (2, 2) == (found.cases, len(found.findings))


def test_what_else_is_wrong_with_the_answers_of_a_known_fault_is_no_other_fault() -> None:
    rows = [row(EAGER, case=case, findings=[violation(), degraded()]) for case in ("a", "b")]
    (found,) = faults(reading(*rows, entries=(ENTRY,)))

    assert ("one", 2, {"nonfinite", "loose"}) == (found.id, found.cases, set(found.values("kind")))
    assert "nonfinite" == found.smallest["kind"]

    both = faults(reading(*rows, row(EAGER, case="c", findings=[degraded()]), entries=(ENTRY,)))
    assert [("one", 2), ("new", 3)] == [(one.id[:3], one.cases) for one in both]


def test_a_generated_title_is_of_the_row_that_is_shown() -> None:
    large = Finding("loose", Severity.DEGRADED, "off", Witness(0, 0.0, 0.125, 0.75, 0.0, 2.0**-24))
    made = reading(
        *(row(EAGER, case=f"longer {i}", findings=[large]) for i in range(3)),
        row(EAGER, case="a", family="dominance", findings=[degraded()]),
    )
    (found,) = faults(made)

    assert (
        "softmax of float32 gives 0.25 where 0.5 is right, 4,194,304 times what a good algorithm may err" == found.title
    )
    assert "dominance/a" in evidence(made, found).smallest.where


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_finding_has_words_for_who_knows_no_codes(kind: str) -> None:
    said = generally(kind)
    assert said != kind
    assert "_" not in said
