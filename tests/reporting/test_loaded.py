"""A record in Python: tables of the caller's own, and a page that shows what they print."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from reading_page import ROOT, computed
from report_rows import CONTROL, EAGER, HOSTILE, JIT, record, row, violation

import conformance
from conformance import record as records
from conformance.values import Choice

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.reporting.loaded import LoadedRecord


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    told = record(
        row(EAGER, case="a", findings=[violation(detail=HOSTILE)], choices=[Choice("0-d", "returns")]),
        row(JIT, case="a", choices=[Choice("0-d", "rejects")], digest="1"),
        row(CONTROL, case="a"),
    )
    records.write(told, tmp_path / "observations.parquet")
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> LoadedRecord:
    return conformance.load(folder)


def test_every_table_is_a_frame(loaded: LoadedRecord) -> None:
    assert list(records.COLUMNS) == list(loaded.observations.columns)
    assert ["nonfinite"] == loaded.findings["kind"].tolist()
    assert [("f", "0-d", "returns", True), ("f", "0-d", "rejects", True)] == list(
        loaded.policies[["framework", "question", "answer", "inconsistent"]].itertuples(index=False, name=None)
    )
    assert [("f", "violation", False, 1, "eager", "softmax", "")] == list(
        loaded.faults[["framework", "severity", "known", "cases", "mode", "op", "link"]].itertuples(
            index=False, name=None
        )
    )
    assert loaded.faults.index.is_unique
    assert "violation" == loaded.matrix(op="softmax").loc["f/eager/cpu", ("random", "severity")]
    assert loaded.matrix(op="log_softmax").empty
    assert [False] == loaded.compare("f/eager/cpu", "f/jit/cpu")["same_bits"].tolist()
    assert loaded.diff(loaded).empty
    assert loaded.claims.empty


def test_a_table_is_the_callers_own(loaded: LoadedRecord) -> None:
    for table, column in ((loaded.observations, "severity"), (loaded.findings, "kind")):
        table[column] = "none"

    assert "violation" in loaded.observations["severity"].tolist()
    assert ["nonfinite"] == loaded.findings["kind"].tolist()


def test_a_file_is_as_good_as_its_folder(folder: Path) -> None:
    pd.testing.assert_frame_equal(
        conformance.load(folder).observations, conformance.load(str(folder / "observations.parquet")).observations
    )


def test_a_notebook_shows_the_verdict_and_the_targets_and_no_markup_of_a_framework(loaded: LoadedRecord) -> None:
    shown = loaded._repr_html_()

    assert "1 of 2 targets violate the contract somewhere" in shown
    assert "<td>f/eager/cpu</td>" in shown
    assert 1 == shown.count("<li>f: ")
    assert "definition" not in shown
    assert "<script>" not in shown
    assert "<record of 3 targets, 3 observations, tier smoke>" == repr(loaded)


def test_what_is_no_record_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(records.UnreadableRecord) as raised:
        conformance.load(tmp_path / "nowhere")

    assert 1 == len(str(raised.value).splitlines())


def test_the_page_shows_what_its_examples_print(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "reports/latest"]
    if subprocess.run(changed, check=False, capture_output=True).returncode == 1:  # noqa: S603
        pytest.skip("reports/latest is not the published run: it was made here and is not committed")
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "reading.md").read_text()

    assert page == computed(page)
