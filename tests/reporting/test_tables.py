"""Tables say what the record says, with the ledger of the day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from report_rows import CONTROL, EAGER, JIT, degraded, record, row, violation

from conformance import record as records
from conformance.ledger import Entry
from conformance.record import exhibit_of
from conformance.reporting import Reading, tables
from conformance.values import Inputs, Target

if TYPE_CHECKING:
    from conformance.record import Record


def entry(id: str = "known", **fields: Any) -> Entry:  # noqa: A002 - the field's name
    plain = {
        "target": ("f",),
        "kind": "nonfinite",
        "reason": "by-design",
        "note": "so it is",
        "versions": ">=0",
        "platform": ("any",),
    }
    return Entry(id=id, seen=dt.date(2026, 11, 23), **(plain | fields))


def test_findings_count_every_violated_row(small: Reading) -> None:
    rows = small.record.observations

    counted = small.findings[small.findings["kind"] == "raised"]["cases"].sum()

    assert counted == (rows["findings"] == "raised").sum() > 0
    assert set(small.findings["target"]) <= set(rows["target"])


def test_a_finding_is_shown_by_its_smallest_array(small: Reading) -> None:
    found = small.findings
    naive = found[(found["target"] == "numpy/definition/cpu") & (found["family"] == "all_equal")].iloc[0]
    rows = small.record.observations
    mine = rows[(rows["target"] == naive["target"]) & (rows["family"] == "all_equal") & (rows["op"] == naive["op"])]
    mine = mine[(mine["dtype"] == naive["dtype"]) & mine["findings"].str.contains(naive["kind"])]

    assert min(int(shape) for shape in mine["shape"]) == handed_over(small, naive).x.size


def handed_over(reading: Reading, finding: Any) -> Inputs:
    exhibit = exhibit_of(reading.record.observations.loc[finding["rows"][0]])
    assert exhibit is not None
    assert exhibit.inputs is not None
    return exhibit.inputs


def test_every_finding_keeps_what_was_handed_over(small: Reading) -> None:
    rows = small.record.observations
    assert len(small.findings)
    for finding in small.findings.to_dict("records"):
        shape = handed_over(small, finding).x.shape
        assert "×".join(map(str, shape)) == rows.loc[finding["rows"][0], "shape"]


def test_unknown_violations_come_first_and_controls_last() -> None:
    made = record(
        row(EAGER, family="magnitude", findings=[violation()], error_over_bound=9.0),
        row(EAGER, findings=[violation("accuracy")], error_over_bound=1.5),
        row(JIT, findings=[degraded()], error_over_bound=99.0),
        row(CONTROL, findings=[violation("range")], error_over_bound=7.0),
        row(CONTROL, findings=[violation()], must=["nonfinite"], error_over_bound=8.0),
    )

    found = Reading(made, (entry(family=("magnitude",)),)).findings

    assert [
        ("f/eager/cpu", "accuracy", False, ""),  # small, and nobody knows it
        ("f/eager/cpu", "nonfinite", True, "known"),  # larger, and known
        ("f/jit/cpu", "loose", True, ""),
        ("f/definition/cpu", "range", False, ""),
        ("f/definition/cpu", "nonfinite", True, ""),
    ] == list(found[["name", "kind", "known", "ledger"]].itertuples(index=False, name=None))


def test_one_row_that_no_entry_knows_makes_a_finding_unexpected() -> None:
    made = record(row(case="a", findings=[violation()]), row(case="b", findings=[violation()]))

    half = Reading(made, (entry(case=("a",)),))
    whole = Reading(made, (entry("first", case=("a",)), entry("second", case=("b",))))

    assert ["unknown"] == list(half.unexpected["problem"])
    assert whole.unexpected.empty
    assert (1, 2) == (half.targets.loc[0, "unexpected"], half.targets.loc[0, "violation"])


def test_the_ledger_of_the_day_is_no_part_of_the_record() -> None:
    made = record(row(findings=[violation()]))
    before = made.observations.copy()

    without, with_one = (
        Reading(made),
        Reading(made, (entry(), entry("gone", kind="raised", dtype=("float32",), family=("random",)))),
    )

    assert (1, 0) == (len(without.unexpected), len(with_one.unexpected))
    assert ["gone"] == [stale.entry.id for stale in with_one.stale]
    assert () == without.stale
    assert before.equals(made.observations)


def test_a_control_is_caught_as_arithmetic_says() -> None:
    explained = record(
        row(CONTROL, findings=[violation()], must=["nonfinite"]),
        row(CONTROL, findings=[violation("accuracy")], may=["accuracy"]),
        row(CONTROL, may=["accuracy"]),
        row(CONTROL, findings=[degraded()]),
        row(CONTROL, must=["nonfinite"], outcome="unsupported", grade=""),
    )

    reading = Reading(explained)

    assert reading.unexpected.empty
    assert reading.control_failures.empty
    assert reading.findings["known"].all()
    assert [0] == list(reading.targets["unexpected"])


def test_a_control_that_does_something_else_is_unexpected() -> None:
    made = record(
        row(CONTROL, case="strange", findings=[violation(), violation("range")], must=["nonfinite"]),
        row(CONTROL, case="missed", family="magnitude", must=["nonfinite"]),
        row(CONTROL, case="missed too", family="magnitude", must=["nonfinite"], findings=[degraded()]),
    )

    # No entry of the ledger excuses a control.
    reading = Reading(made, (entry(kind="range"),))
    found = reading.unexpected.set_index("problem")

    assert {"unexplained": "range", "not caught": "nonfinite"} == found["kind"].to_dict()
    assert {"unexplained": "strange", "not caught": "missed"} == found["case"].to_dict()
    assert {"unexplained": 1, "not caught": 2} == found["cases"].to_dict()
    assert "must be caught here, and was not" == found.loc["not caught", "detail"]
    assert found.loc["not caught", "id"] == records.finding_id(
        framework="f", variant="", mode="definition", device="cpu", op="softmax", way="plain", dtype="float32",
        family="magnitude", kind="nonfinite",
    )  # fmt: skip
    assert [3] == list(reading.targets["unexpected"])
    assert list(Reading(record(row(), targets=[EAGER])).unexpected.columns) == list(reading.unexpected.columns)


def test_the_observations_to_look_at_are_those_of_what_is_unexpected() -> None:
    made = record(
        row(EAGER, case="known", findings=[violation()]),
        row(EAGER, case="new", findings=[degraded(), violation()]),
        row(EAGER, case="degraded", findings=[degraded()]),
        row(CONTROL, case="caught", findings=[violation()], must=["nonfinite"]),
        row(CONTROL, case="strange", findings=[violation("range")], must=["range"], may=[]),
        row(CONTROL, case="stranger", findings=[violation("range")]),
        row(CONTROL, case="missed", must=["range"]),
    )
    reading = Reading(made, (entry(case=("known",)),))
    rows = made.observations

    assert ["missed", "new", "stranger"] == sorted(reading.unknown(rows)["case"])
    assert ["new"] == list(reading.unknown(rows[rows["target"] == str(EAGER)])["case"])


def test_the_matrix_shows_the_worst_of_each_cell(small: Reading) -> None:
    whole = tables.matrix(small)
    rows = small.record.observations

    assert "divergent" == whole.loc["numpy/definition/cpu", ("magnitude", "grade")]
    assert "violation" == whole.loc["numpy/raising/cpu", ("all_equal", "severity")]
    for (target, family), mine in rows.groupby(["target", "family"]):
        assert whole.loc[target, (family, "cases")] == len(mine)
        assert whole.loc[target, (family, "violations")] == (mine["severity"] == "violation").sum()


def test_the_matrix_says_which_cells_hold_something_unknown_or_unasked() -> None:
    made = record(
        row(EAGER, case="a", findings=[violation()]),
        row(EAGER, case="b", findings=[violation()]),
        row(EAGER, family="magnitude", case="a", findings=[violation()]),
        row(JIT, findings=[degraded()]),
        row(JIT, family="magnitude", outcome="not_asked", grade=""),
        row(CONTROL, findings=[violation()], may=["nonfinite"]),
        row(CONTROL, family="magnitude", findings=[violation()]),
    )
    both = [(family, what) for family in ("random", "magnitude") for what in ("known", "not_asked")]

    cells = tables.matrix(Reading(made, (entry(case=("a",)),)))

    assert [False, 0, True, 0] == cells.loc["f/eager/cpu", both].tolist()
    assert [True, 0, True, 1] == cells.loc["f/jit/cpu", both].tolist()
    assert [True, 0, False, 0] == cells.loc["f/definition/cpu", both].tolist()
    assert ["random", "magnitude"] == list(dict.fromkeys(cells.columns.get_level_values(0)))


def test_the_matrix_of_one_op_or_dtype() -> None:
    made = record(row(), row(op="log_softmax", grade="loose"), row(op="log_softmax", dtype="float16", grade="stable"))
    reading = Reading(made)

    assert "loose" == tables.matrix(reading).loc["f/eager/cpu", ("random", "grade")]
    assert "exact" == tables.matrix(reading, op="softmax").loc["f/eager/cpu", ("random", "grade")]
    assert "stable" == tables.matrix(reading, dtype="float16").loc["f/eager/cpu", ("random", "grade")]


def test_a_target_without_an_op_is_counted_without_it(small: Reading) -> None:
    frame = small.targets.set_index("name")
    asked = small.record.observations.query("target == 'numpy/partial/cpu' and outcome == 'not_asked'")

    assert (frame.loc["numpy/partial/cpu", "cases"] + len(asked)) * 2 == frame.loc["numpy/honest/cpu", "cases"]
    assert frame.loc["numpy/partial/cpu", "not_asked"] == len(asked) > 0


def test_what_was_not_answered_is_counted_with_its_reason(small: Reading) -> None:
    rows = small.record.observations
    silent = small.unanswered

    assert ["not_asked", "out_of_memory", "unsupported"] == list(silent["outcome"])
    assert ["it ended 3 processes", "", "no kernel"] == list(silent["reason"])
    for outcome, questions in zip(silent["outcome"], silent["questions"], strict=True):
        assert questions == (rows["outcome"] == outcome).sum() > 0
    assert {"numpy/partial/cpu"} == set(silent["name"])


@pytest.fixture
def merged() -> Record:
    """The same target at two versions, which differ in one finding."""
    new = Target("f", "eager", "cpu", version="2.0")
    one = record(row(EAGER, case="a", findings=[violation()]), run="one")
    other = record(row(new, case="a"), run="two")
    return records.merge([("one", one), ("two", other)])


def test_two_versions_of_a_target_stand_side_by_side(merged: Record) -> None:
    reading = Reading(merged)
    cells = tables.matrix(reading)

    assert ["f@1.0/eager/cpu", "f@2.0/eager/cpu"] == list(reading.targets["name"]) == list(cells.index)
    assert [1, 0] == list(cells[("random", "violations")])
    assert ["f@1.0/eager/cpu"] == list(reading.unexpected["name"])


def test_an_entry_for_one_version_does_not_excuse_another(merged: Record) -> None:
    assert Reading(merged, (entry(versions="<2"),)).unexpected.empty
    assert 1 == len(Reading(merged, (entry(versions=">=2"),)).unexpected)
