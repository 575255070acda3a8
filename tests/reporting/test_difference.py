"""What changed between two records: nothing that broke or is gone is overlooked, and nothing is made up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from called import call
from report_rows import CONTROL, EAGER, HOSTILE, JIT, degraded, record, row, violation

from conformance import record as records
from conformance.reporting.blocks import html, markdown
from conformance.reporting.difference import EVERY, Diff, diff
from conformance.reporting.difference_page import page
from conformance.values import Choice, Severity

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Record

NEW = replace(EAGER, version="2.0")
GONE = {"outcome": "unsupported", "reason": "no such dtype", "digest": "", "grade": ""}


def changed(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Diff:
    return diff(record(*old), record(*new, run="later"))


def of(found: Diff) -> list[tuple[Any, ...]]:
    columns = ["change", "kind", "cases_old", "cases_new", "appeared", "vanished"]
    return list(found.findings[columns].itertuples(index=False, name=None))


def test_the_same_record_has_no_difference() -> None:
    found = changed([row(case="a", findings=[violation()])], [row(case="a", findings=[violation()])])

    assert found.findings.empty
    assert found.lost.empty
    assert found.gained.empty
    assert "No finding is new or worse." in markdown(page(found, "a → b"))


def test_another_release_is_the_same_target() -> None:
    found = changed([row(EAGER, case="a")], [row(NEW, case="a", findings=[violation()])])

    assert [("new", "nonfinite", 0, 1, 1, 0)] == of(found)
    assert ("1.0", "2.0", 1, 1) == tuple(found.targets.loc[0, ["old_version", "new_version", "questions", "same_bits"]])
    assert 1 == len(found.failing(Severity.VIOLATION))


def test_equal_releases_are_compared_before_the_newest_that_are_left() -> None:
    versions = [replace(EAGER, version=version) for version in ("1.0", "2.0", "10.0", "11.0")]
    old, new = versions[:3], [versions[1], versions[3]]

    found = diff(record(*(row(t, case="a") for t in old)), record(*(row(t, case="a") for t in new)))

    pairs = found.targets[["old_version", "new_version"]].itertuples(index=False, name=None)
    assert {("2.0", "2.0"), ("10.0", "11.0")} == set(pairs)
    assert [("1.0", EVERY)] == list(found.lost[["old_version", "dtype"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ([degraded("loose")], [replace(degraded("loose"), severity=Severity.VIOLATION)], "worse"),
        ([replace(degraded("loose"), severity=Severity.VIOLATION)], [degraded("loose")], "better"),
        ([violation()], [], "fixed"),
        ([], [violation()], "new"),
    ],
)
def test_what_becomes_of_a_finding(old: Any, new: Any, change: str) -> None:
    found = changed([row(case="a", findings=old)], [row(case="a", findings=new)])

    assert [change] == found.findings["change"].tolist()


@pytest.mark.parametrize(("worst", "change"), [(9.0, ["worse"]), (2.0, ["better"]), (3.0, [])])
def test_a_larger_error_is_worse(worst: float, change: list[str]) -> None:
    rows = [row(case="a", findings=[violation("accuracy")], error_over_bound=error) for error in (3.0, worst)]

    assert change == changed(rows[:1], rows[1:]).findings["change"].tolist()


def test_of_a_finding_that_is_no_size_a_larger_error_of_its_row_says_nothing() -> None:
    rows = [row(case="a", findings=[violation("ties")], error_over_bound=error) for error in (3.0, 9.0)]

    assert changed(rows[:1], rows[1:]).findings.empty


def test_one_more_question_of_a_known_finding_fails_and_one_that_vanished_does_not_hide_it() -> None:
    bad = {"findings": [violation()]}
    found = changed([row(case="a", **bad), row(case="b")], [row(case="a"), row(case="b", **bad)])

    assert [("worse", "nonfinite", 1, 1, 1, 1)] == of(found)
    assert 1 == len(found.failing(Severity.VIOLATION))


def test_a_degraded_finding_fails_where_the_gate_says_so() -> None:
    found = changed([row(case="a")], [row(case="a", findings=[degraded()])])

    assert (0, 1) == tuple(len(found.failing(gate)) for gate in (Severity.VIOLATION, Severity.DEGRADED))


def test_a_question_that_is_no_longer_answered_is_gone_and_not_fixed() -> None:
    found = changed([row(case="a", findings=[violation()]), row(case="b")], [row(case="a", **GONE), row(case="b")])

    assert found.findings.empty
    assert [("random", "unsupported: no such dtype", 1)] == list(
        found.lost[["family", "why", "questions"]].itertuples(index=False, name=None)
    )
    said = markdown(page(found, "a → b"))
    assert "**1 question, asked or supported before, and not now**" in said
    assert "f/eager/cpu 1.0: 1 question: unsupported: no such dtype" in said


def test_a_target_and_a_dtype_that_are_gone_are_one_line_each() -> None:
    old = [
        row(target, case=case, dtype=dtype)
        for target in (EAGER, JIT)
        for case in "ab"
        for dtype in ("float32", "float16")
    ]
    new = [one for one in old if one["target"] == str(EAGER) and one["dtype"] == "float32"]

    lost = changed(old, new).lost

    assert [(str(JIT), EVERY, 4), (str(EAGER), "float16", 2)] == list(
        lost[["target", "dtype", "questions"]].itertuples(index=False, name=None)
    )
    assert 2 == len(changed(new, old).gained)


def test_a_policy_that_changed_is_said() -> None:
    rows = [row(case="a", choices=[Choice("0-d", answer)]) for answer in ("returns", "rejects")]
    found = changed(rows[:1], rows[1:])

    assert ("0-d", "returns", "rejects", 1) == tuple(found.policies.loc[0, ["question", "old", "new", "questions"]])
    assert "| f/eager/cpu | 0-d | returns | rejects | softmax float32 | 1 |" in markdown(page(found, ""))


def test_grades_without_a_finding_are_counted() -> None:
    old = [row(case=case, grade=grade) for case, grade in (("a", "exact"), ("b", "stable"), ("c", "stable"))]
    new = [row(case=case, grade=grade) for case, grade in (("a", "stable"), ("b", "exact"), ("c", "faithful"))]

    assert (2, 1) == tuple(changed(old, new).grades.loc[0, ["better", "worse"]])


def test_controls_are_no_frameworks_change() -> None:
    found = changed([row(CONTROL, case="a")], [row(CONTROL, case="a", findings=[violation()])])

    assert found.findings.empty
    assert found.targets.empty


def test_what_a_framework_says_is_shown_escaped() -> None:
    found = changed([row(case="a")], [row(case="a", findings=[violation(detail=HOSTILE)])])
    what = page(found, "<script>")

    assert "<script>" not in markdown(what) + html(what)
    assert "\x1b" not in markdown(what) + html(what)


def write(told: Record, folder: Path) -> str:
    folder.mkdir()
    records.write(told, folder / "observations.parquet")
    return str(folder)


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """A record, and a later one with a degraded finding more and a violation less."""
    old, new = ([], [degraded()]), ([violation()], [])
    made = [
        record(row(target, case="a", findings=first), row(target, case="b", findings=second), run=target.version)
        for target, first, second in ((EAGER, new[0], old[0]), (NEW, old[0], old[1]))
    ]
    return write(made[0], tmp_path / "old"), write(made[1], tmp_path / "new")


@pytest.mark.parametrize(
    ("more", "status"),
    [((), 0), (("--fail-on", "degraded"), 1), (("--format", "markdown"), 0), (("--format", "html"), 0)],
)
def test_the_status_is_that_of_the_gate(
    two: tuple[str, str], more: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, _ = call("diff", *two, *more, capsys=capsys)

    assert status == ended
    assert "1 finding that no question shows any more" in out
    assert ("<!doctype html>" in out) == ("html" in more)


@pytest.mark.usefixtures("two")
def test_two_releases_of_one_record_are_told_apart_by_a_colon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merged = records.merge([(path, records.read(tmp_path / path / "observations.parquet")) for path in ("old", "new")])
    both = write(merged, tmp_path / "both")

    status, out, _ = call("diff", f"{both}:f@2.0", f"{both}:f@1.0", "--format", "markdown", capsys=capsys)

    assert 1 == status
    assert "| f/eager/cpu | 2.0 | 1.0 | 2 | 100.0% |" in out


def test_an_incomplete_record_is_status_3(
    two: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = write(record(row(NEW, case="a"), complete=False), tmp_path / "cut")

    status, out, _ = call("diff", two[0], cut, capsys=capsys)

    assert 3 == status
    assert "Incomplete" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{0}", "{0}:g"), "unknown target of"),
        (("{0}", "{0}:f@1.1"), "did you mean 'f@1.0'?"),
        (("{0}", "nowhere"), "nowhere"),
        (("{0}",), "Missing argument 'NEW'"),
        (("{0}", "{1}", "--format", "pdf"), "'pdf' is not one of"),
    ],
)
def test_bad_usage_is_one_line(
    two: tuple[str, str], arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call("diff", *(one.format(*two) for one in arguments), capsys=capsys)

    assert (2, 1) == (status, len(err.splitlines()))
    assert message in err
