"""What is said of two targets of one record, and of what the record cannot say."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from called import call
from report_rows import CONTROL, EAGER, HOSTILE, JIT, record, row, violation

from conformance import record as records
from conformance.record import NoSuchTarget, Record
from conformance.reporting.blocks import Sheet, html, markdown
from conformance.reporting.comparison import compare, page
from conformance.values import Choice, Target

if TYPE_CHECKING:
    from pathlib import Path

NEW = Target("f", "eager", "cpu", version="2.0")


def both(case: str, first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of two targets to one question."""
    return [row(EAGER, case=case, **first), row(JIT, case=case, **second)]


def told(*pairs: list[dict[str, Any]]) -> Record:
    return record(*(one for pair in pairs for one in pair))


def test_equal_digests_are_equal_answers_and_lie_nowhere_apart() -> None:
    rows = compare(told(both("a", {"max_ulp": 3.0}, {"max_ulp": 3.0})), "f/eager/cpu", "f/jit/cpu").rows

    assert [(True, 0.0, 0.0)] == list(rows[["same_bits", "at_least", "at_most"]].itertuples(index=False, name=None))


def test_two_answers_lie_apart_at_least_by_the_difference_of_their_errors_and_at_most_by_the_sum() -> None:
    rows = compare(told(both("a", {"max_ulp": 3.0}, {"max_ulp": 0.5, "digest": "1"})), "f/eager/cpu", "f/jit/cpu").rows

    assert [(False, 2.5, 3.5)] == list(rows[["same_bits", "at_least", "at_most"]].itertuples(index=False, name=None))


def test_beside_a_lane_that_is_wrongly_no_number_nothing_bounds_the_distance() -> None:
    wrong = {"max_ulp": 0.5, "digest": "1", "nonfinite_got": 1, "findings": [violation("nonfinite")]}
    compared = compare(told(both("a", {"max_ulp": 3.0}, wrong)), "f/eager/cpu", "f/jit/cpu")

    assert math.isnan(compared.rows["at_most"].iloc[0])
    assert math.isnan(compared.rows["at_least"].iloc[0])


def test_an_answer_that_is_not_finite_is_not_closer_however_right_its_other_lanes_are() -> None:
    wrong = {"error_over_bound": 0.1, "digest": "1", "findings": [violation("nonfinite")]}
    compared = compare(told(both("a", {"error_over_bound": 0.9}, wrong)), "f/eager/cpu", "f/jit/cpu")
    sheet = next(block for block in page(compared) if isinstance(block, Sheet))
    figures = dict(zip(sheet.heads, sheet.rows[0], strict=True))

    assert ("1", "0") == (figures["A closer"], figures["B closer"])


def test_what_one_rejects_and_the_other_answers_is_a_difference() -> None:
    raised = {"outcome": "raised", "digest": "", "grade": "", "choices": [Choice("integer", "rejects")]}
    said = markdown(page(compare(told(both("a", {}, raised)), "f/eager/cpu", "f/jit/cpu")))

    assert "- 1 question of softmax: A is fine; B raises an error, as it may\n  - float32: random" in said


def test_a_target_beside_itself_differs_nowhere() -> None:
    found = told(
        both("a", {"findings": [violation()]}, {}), both("b", {"outcome": "raised", "digest": "", "grade": ""}, {})
    )
    said = markdown(page(compare(found, "f/eager/cpu", "f/eager/cpu")))

    assert "Every verdict is the same." in said
    assert "differ most" not in said


def test_what_one_alone_was_asked_is_no_difference_and_is_said_aloud() -> None:
    found = told(both("a", {}, {}), both("b", {}, {"outcome": "unsupported", "digest": "", "grade": ""}))

    compared = compare(found, "f/eager/cpu", "f/jit/cpu")

    assert (["a"], ["b"], ["first"]) == (
        compared.rows["case_first"].tolist(), compared.alone["case_first"].tolist(), compared.alone["asked"].tolist(),
    )  # fmt: skip
    assert "**A alone was asked, or supports, 1 question: softmax in float32.**" in markdown(page(compared))


def test_verdicts_policies_and_the_worst_row_are_shown() -> None:
    found = told(
        both("a", {"findings": [violation()], "grade": "divergent"}, {"digest": "1"}),
        both("b", {"choices": [Choice("0-d", "returns")]}, {"choices": [Choice("0-d", "rejects")], "digest": "1"}),
        both("c", {}, {}),
    )

    said = markdown(page(compare(found, "f/eager/cpu", "f/jit/cpu")))

    assert "Both were asked 3 questions and answered 3, with the same bits 1, 33.3%." in said
    assert (
        "- 1 question of softmax: A gives NaN or ±∞ where a number is right, or a number where one of them is; B is fine\n  - float32: random"
        in said
    )
    assert "- 1 question about 0-d, in softmax: A returns, B rejects\n  - float32" in said
    assert (
        "- softmax float32 random/a\n  - A: nonfinite: returned nan (lane 1: got nan, true 0.5, allowed 5.96e-08)"
        in said
    )
    assert "  - B: exact; 0.5 ulp, 0.25 × the stable bound" in said


def test_two_releases_of_one_target_are_two_targets() -> None:
    found = records.merge(
        [("one", record(row(EAGER, case="a"), run="one")), ("two", record(row(NEW, case="a"), run="two"))]
    )

    assert 1 == len(compare(found, "f@1.0/eager/cpu", "f@2.0/eager/cpu").rows)
    newest = compare(found, "f@1.0/eager/cpu", "f/eager/cpu")
    assert ("f@1.0/eager/cpu", "f@2.0/eager/cpu") == (newest.first, newest.second)
    assert "Of several releases of f/eager/cpu these are the newest here." in markdown(page(newest))
    with pytest.raises(NoSuchTarget, match=r"the record holds no target 'f@3\.0/eager/cpu'"):
        compare(found, "f@3.0/eager/cpu", "f/eager/cpu")


def test_what_a_framework_says_is_shown_escaped() -> None:
    found = told(both("a", {"findings": [violation(detail=HOSTILE)]}, {"digest": "1"}))
    what = page(compare(found, "f/eager/cpu", "f/jit/cpu"))

    assert "<script>" not in markdown(what) + html(what)
    assert "\x1b" not in markdown(what) + html(what)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    found = told(both("a", {"findings": [violation()]}, {"digest": "1"}), [row(CONTROL, case="a")])
    records.write(found, tmp_path / "observations.parquet")
    return str(tmp_path)


def test_the_command_prints_it_in_eighty_columns(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    status, out, _ = call("compare", "f/eager/cpu", "f/jit/cpu", "--record", folder, capsys=capsys)

    assert 0 == status
    assert "A is f/eager/cpu, B is f/jit/cpu." in out
    assert 80 >= max(map(len, out.splitlines()))
    assert {"A closer", "B closer"} <= set(
        re.split(r"\s{2,}", next(line for line in out.splitlines() if "answered" in line and "equal" in line))
    )
    assert "1 question of softmax: A gives NaN" in out


def test_the_command_writes_markdown(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"

    status, out, _ = call(
        "compare", "f/eager/cpu", "f/jit/cpu", "--record", folder, "--markdown", str(page), capsys=capsys
    )

    assert (0, f"written: {page}\n") == (status, out)
    assert page.read_text().startswith("# f/eager/cpu and f/jit/cpu\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f/eagre/cpu", "f/jit/cpu"), "no target 'f/eagre/cpu'; did you mean 'f/eager/cpu'?"),
        (("f", "f/jit/cpu"), "'f' is the name of several targets; name one of f/"),
        (("f/eager/cpu", "f/jit/cpu", "--op", "softmx"), "unknown op 'softmx'; did you mean 'softmax'?"),
        (("f/eager/cpu", "f/jit/cpu", "--dtype", "flaot32"), "unknown dtype 'flaot32'; did you mean 'float32'?"),
        (("f/eager/cpu", "f/jit/cpu", "--family", "randm"), "unknown family 'randm'; did you mean 'random'?"),
        (("f/eager/cpu",), "Missing argument 'TARGET'"),
    ],
)
def test_bad_usage_is_one_line(
    folder: str, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call("compare", *arguments, "--record", folder, capsys=capsys)

    assert (2, 1) == (status, len(err.splitlines()))
    assert message in err
