"""The schema and the page of a record's columns are made from the code and from the list in reports/README.md."""

from __future__ import annotations

from typing import Any

import pytest
from parts import record, row, violated
from record_page import files, meanings, schema

from conformance.record import COLUMNS

PYTHON = {"string": str, "boolean": bool, "integer": int, "number": float}


def test_every_column_and_nothing_else_has_a_meaning() -> None:
    assert set(COLUMNS) == set(meanings())


def test_what_is_committed_is_what_is_made() -> None:
    assert {path: path.read_text() for path in files()} == files()


@pytest.mark.parametrize("rows", [[row()], [violated(max_ulp=float("nan"))]])
def test_a_row_is_what_the_schema_says(rows: list[dict[str, Any]]) -> None:
    told = schema()
    [written] = record(*rows).observations.to_dict("records")

    assert set(told["required"]) == set(written)
    for name, value in written.items():
        said = told["properties"][name]
        assert isinstance(value, PYTHON[said["type"]]), name
        assert value in said.get("enum", [value]), name


def test_a_word_that_no_run_writes_is_in_no_list() -> None:
    assert "none such" not in schema()["properties"]["grade"]["enum"]
    assert {"", "exact"} <= set(schema()["properties"]["grade"]["enum"])
