"""What machines and passers-by read of a report: JUnit XML, badges, and the summary of a pull request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from report_rows import CONTROL, EAGER, HOSTILE, JIT, degraded, record, row, violation

from conformance import cli, load
from conformance import record as records
from conformance.reporting import Reading, summary
from conformance.reporting.badges import badges
from conformance.reporting.junit import xml
from conformance.values import Severity

ROOT = Path(__file__).parents[2]
NEW = replace(EAGER, version="2.0")


def suite(reading: Reading) -> ET.Element:
    return ET.fromstring(xml(reading))  # noqa: S314 - made here


def test_a_case_for_each_target_op_dtype_and_family() -> None:
    told = suite(Reading(record(row(), row(), row(family="magnitude"), row(JIT), row(dtype="float16"))))

    assert {"tests": "4", "failures": "0", "errors": "0", "skipped": "0"}.items() <= told.attrib.items()
    times = {(one.get("classname"), one.get("name")): one.get("time") for one in told}
    assert "0.002" == times["f/eager/cpu", "softmax float32 random"]
    assert "0.001" == times["f/jit/cpu", "softmax float32 random"]


def test_what_is_unexpected_fails_and_what_the_gate_lets_pass_does_not() -> None:
    rows = [row(findings=[violation()], case="a"), row(JIT, findings=[degraded()])]

    told = suite(Reading(record(*rows)))
    stricter = suite(Reading(record(*rows), fail_on=Severity.DEGRADED))

    [failure] = told.findall("testcase/failure")
    assert "nonfinite (violation): random/a: returned nan" == failure.get("message") == failure.text
    assert ("1", "2") == (told.get("failures"), stricter.get("failures"))


def test_what_was_not_asked_is_an_error_and_what_is_unsupported_is_skipped() -> None:
    told = suite(
        Reading(
            record(
                row(outcome="not_asked", reason="it ended 3 processes", grade="", digest=""),
                row(JIT, outcome="unsupported", reason="no float32", grade="", digest=""),
            )
        )
    )

    assert ["1 question not asked: it ended 3 processes"] == [
        one.get("message") for one in told.findall("testcase/error")
    ]
    assert ["no float32"] == [one.get("message") for one in told.findall("testcase/skipped")]


def test_a_control_that_was_not_caught_fails() -> None:
    [failure] = suite(Reading(record(row(CONTROL, must=["nonfinite"])))).findall("testcase/failure")

    assert "not caught: nonfinite" in str(failure.text)


def test_xml_holds_whatever_a_framework_says() -> None:
    [failure] = suite(Reading(record(row(findings=[violation(detail=HOSTILE)])))).findall("testcase/failure")

    assert "<script>" in str(failure.text)
    assert "\x1b" not in str(failure.text)


def test_a_badge_counts_kinds_of_violation_and_no_degraded_ones() -> None:
    rows = [row(findings=[violation(kind), degraded()]) for kind in ("nonfinite", "nonfinite", "range")]
    made = badges(Reading(record(*rows, row(JIT, op="log_softmax"), row(CONTROL, findings=[violation("order")]))))

    assert ["f-log_softmax.svg", "f-softmax.svg"] == sorted(made)
    assert 'aria-label="f softmax: 2 wrong"' in made["f-softmax.svg"]
    assert 'aria-label="f log_softmax: right"' in made["f-log_softmax.svg"]
    assert all(ET.fromstring(picture).tag.endswith("svg") for picture in made.values())  # noqa: S314 - made here


def test_two_releases_have_a_badge_each() -> None:
    both = records.merge(
        [("one", record(row(EAGER, case="a"), run="one")), ("two", record(row(NEW, case="a"), run="two"))]
    )

    assert {"f-1.0-softmax.svg", "f-2.0-softmax.svg"} == set(badges(Reading(both)))


def test_a_summary_names_the_faults_of_the_published_run() -> None:
    """Before anything is unfolded: whose, what happens, and where."""
    reading = load(ROOT / "reports" / "latest")
    shown, _, _ = summary.markdown(reading.reading).partition("<details>")
    lines = [line for line in shown.splitlines() if line.startswith("- ")]
    due = [fault for fault in reading.reading.faults if fault.violated][: len(lines)]

    assert len(lines) == 10
    assert all(f"{fault.framework}: {fault.title} (" in line for fault, line in zip(due, lines, strict=True))
    assert 30 >= len(shown.splitlines())


@pytest.mark.parametrize("count", [1, 300])
def test_a_summary_stands_open_for_thirty_lines_and_folds_the_rest(count: int) -> None:
    rows = [row(findings=[violation()], case=f"c{i}", family=f"family{i}") for i in range(count)]

    text = summary.markdown(Reading(record(*rows)))

    shown, _, folded = text.partition("<details>")
    assert 30 >= len(shown.splitlines())
    assert ("family0 " in folded, "more in divergences.csv" in folded) == (True, count > 100)
    assert text.count("<details>") == text.count("</details>")


def test_the_command_writes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source.parquet"
    records.write(record(row(findings=[violation()])), source)
    junit, pictures = tmp_path / "junit.xml", tmp_path / "badges"

    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["report", str(source), "--out", str(tmp_path / "out"), "--junit", str(junit), "--badges", str(pictures)]
        )

    assert (1, "") == (ended.value.code, capsys.readouterr().err)
    assert "1" == ET.parse(junit).getroot().get("failures")  # noqa: S314 - made here
    assert ["f-softmax.svg"] == [path.name for path in pictures.iterdir()]
