"""Findings are gathered over cases, shown by the smallest, and keep their id from run to run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from parts import JAX, TORCH, WITNESS, record, row, violated

from conformance.record import COLUMNS, finding_id, findings, merge
from conformance.record.findings import PLACE
from conformance.values import Target, Witness

PLACED = dict.fromkeys(PLACE, "x")


def shown(*stored: tuple[str, str, Any]) -> dict[str, Any]:
    """Columns of a row with findings (kind, severity, length of its row or None where no lane shows it)."""
    (plain,) = json.loads(WITNESS)
    listed = [
        plain
        | {"kind": kind, "severity": severity, "detail": f"{kind} {length}"}
        | ({"witness": None} if length is None else {})
        for kind, severity, length in stored
    ]
    lengths = [{"shape": str(length)} for _, _, length in stored if length is not None]
    return {
        **(lengths[0] if lengths else {}),
        "witness": json.dumps(listed), "findings": ";".join(kind for kind, _, _ in stored), "severity": "violation",
    }  # fmt: skip


def test_a_finding_is_counted_once_and_shown_by_its_smallest_row() -> None:
    rows = [
        violated(case=name, case_id=name * 4, error_over_bound=ratio, **shown(("accuracy", "violation", length)))
        for name, ratio, length in (("a", 2.0, 9), ("b", 7.0, 4), ("c", np.nan, 5))
    ]
    told = record(*rows, row(case="d"))

    (got,) = findings(told).to_dict("records")

    assert (3, 7.0, "b", "bbbb", "accuracy 4") == tuple(
        got[name] for name in ("cases", "worst", "case", "case_id", "detail")
    )
    assert isinstance(got["witness"], Witness)
    assert ["b", "c", "a"] == told.observations.loc[list(got["rows"]), "case"].tolist()
    place = {"target": "torch/eager/cpu", "name": "torch/eager/cpu", "version": "2.13.0", "control": False} | {
        "framework": "torch", "variant": "", "mode": "eager", "device": "cpu", "op": "softmax", "way": "plain",
        "dtype": "float32", "family": "underflow", "kind": "accuracy", "severity": "violation",
    }  # fmt: skip
    assert place == {name: got[name] for name in place}
    assert finding_id(**{name: place[name] for name in PLACE}) == got["id"]


def test_of_equal_rows_the_one_that_was_kept_whole_is_shown() -> None:
    """Two families' names for one question stand in two runs, say, of which one kept its array."""
    told = record(violated(case="a", case_id="lost", inputs=""), violated(case="a", case_id="kept"))

    assert ["kept"] == findings(told)["case_id"].tolist()


def test_of_rows_of_one_length_the_first_by_name_is_shown() -> None:
    assert ["a"] == findings(record(violated(case="b"), violated(case="a")))["case"].tolist()


def test_without_numbers_the_smallest_array_is_shown() -> None:
    raised = shown(("raised", "violation", None))
    told = record(
        *(violated(case=case, shape=shape, error_over_bound=np.nan, **raised)
          for case, shape in (("a", "2×300"), ("b", "100"), ("c", "30×4×1")))
    )  # fmt: skip

    (got,) = findings(told).to_dict("records")

    assert ("b", None, 3) == (got["case"], got["witness"], got["cases"])
    assert np.isnan(got["worst"])


def test_of_what_is_no_size_the_error_of_other_lanes_is_not_told() -> None:
    (got,) = findings(record(violated(error_over_bound=0.2, **shown(("nonfinite", "violation", 3))))).to_dict("records")

    assert np.isnan(got["worst"])


def test_a_number_without_axes_is_the_smallest_array() -> None:
    raised = shown(("raised", "violation", None))
    told = record(violated(case="a", shape="2", **raised), violated(case="b", shape="", **raised))

    assert ["b"] == findings(told)["case"].tolist()


def test_a_finding_has_the_worst_severity_of_its_rows() -> None:
    told = record(
        violated(case="a", **shown(("accuracy", "degraded", 2))),
        violated(case="b", **shown(("accuracy", "violation", 9))),
    )

    (got,) = findings(told).to_dict("records")

    assert ("violation", "b", 2) == (got["severity"], got["case"], got["cases"])


@pytest.mark.parametrize("column", ["op", "way", "dtype", "family"])
def test_what_was_asked_tells_findings_apart(column: str) -> None:
    told = record(violated(case="a"), violated(case="b", **{column: "other"}))

    found = findings(told)

    assert 2 == len(set(found["id"]))
    assert [1, 1] == found["cases"].tolist()


def test_kinds_and_targets_tell_findings_apart() -> None:
    two = record(violated(**shown(("order", "degraded", 3), ("accuracy", "violation", 3))))
    merged = merge([("a", two), ("b", record(violated(JAX), target=JAX, run_id="other"))])

    found = findings(merged)

    assert ["accuracy", "accuracy", "order"] == found["kind"].tolist()  # violations first
    assert ["jax/jit/cpu", "torch/eager/cpu", "torch/eager/cpu"] == found["target"].tolist()
    assert 3 == len(set(found["id"]))


def test_an_id_outlives_versions_and_severities() -> None:
    newer = replace(TORCH, version="2.14.0")
    merged = merge(
        [("a", record(violated())), ("b", record(violated(newer, **shown(("accuracy", "degraded", 3))), target=newer,
                                                 run_id="newer"))]
    )  # fmt: skip

    found = findings(merged)

    assert 1 == len(set(found["id"]))
    assert ["2.13.0", "2.14.0"] == found["version"].tolist()
    assert ["torch@2.13.0/eager/cpu", "torch@2.14.0/eager/cpu"] == found["name"].tolist()


def test_ids_never_change() -> None:
    """A pin: scripts, links and ledgers of others hold these ids."""
    assert "5f31771bb021" == finding_id(**PLACED)


@pytest.mark.parametrize("name", PLACE)
def test_every_part_of_the_place_is_in_the_id(name: str) -> None:
    assert finding_id(**PLACED) != finding_id(**PLACED | {name: "y"})


def test_the_parts_of_an_id_do_not_run_together() -> None:
    assert finding_id(**PLACED | {"op": "ab", "way": "c"}) != finding_id(**PLACED | {"op": "a", "way": "bc"})


def test_controls_come_last_and_the_largest_first() -> None:
    control = Target("torch", "definition", "cpu", version="2.13.0", control=True)
    rows = [
        violated(control, case="a", error_over_bound=100.0),
        violated(case="b", family="sizes", error_over_bound=2.0),
        violated(case="c", family="axes", error_over_bound=np.nan),
        violated(case="d", error_over_bound=5.0),
        violated(case="e", family="special", error_over_bound=9.0, **shown(("loose", "degraded", 2))),
    ]

    found = findings(record(*rows))

    assert list("cdbea") == found["case"].tolist()
    assert [False] * 4 + [True] == found["control"].tolist()


def test_no_finding_is_a_table_with_the_same_columns() -> None:
    none, some = findings(record()), findings(record(violated()))

    assert none.empty
    pd.testing.assert_series_equal(none.dtypes, some.dtypes)
    assert {*PLACE, "id", "rows"} < set(none.columns)
    assert "id" not in COLUMNS


def test_whoever_changes_the_table_changes_nobody_elses() -> None:
    told = record(violated())

    mine = findings(told)
    mine["kind"] = "other"
    mine.loc[0, "cases"] = 99

    assert [("accuracy", 1)] == findings(told)[["kind", "cases"]].to_records(index=False).tolist()
