"""Tables say what the record says, and the files of a report hold together."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rich.console import Console

from conformance.record import read
from conformance.reporting import claims, page, publish, summary, tables, terminal

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Record


def test_findings_count_every_violated_row(small_record: Record) -> None:
    found = tables.findings(small_record)
    rows = small_record.observations

    counted = found[found["kind"] == "raised"]["cases"].sum()

    assert counted == (rows["findings"] == "raised").sum() > 0
    assert set(found["target"]) <= set(rows["target"])


def test_the_witness_of_a_finding_is_its_shortest_row(small_record: Record) -> None:
    found = tables.findings(small_record)
    naive = found[(found["target"] == "numpy/definition/cpu") & (found["family"] == "all_equal")].iloc[0]
    rows = small_record.observations
    mine = rows[(rows["target"] == naive["target"]) & (rows["family"] == "all_equal") & (rows["op"] == naive["op"])]
    mine = mine[(mine["dtype"] == naive["dtype"]) & mine["findings"].str.contains(naive["kind"])]

    assert min(int(shape) for shape in mine["shape"]) == len(naive["witness"]["input"])


def test_unknown_violations_come_first_and_controls_last(small_record: Record) -> None:
    found = tables.findings(small_record)

    assert found["control"].is_monotonic_increasing
    assert "violation" == found.iloc[0]["severity"]
    assert (found["ledger"] == "").all()


def test_the_matrix_shows_the_worst_of_each_cell(small_record: Record) -> None:
    whole = tables.matrix(small_record)
    rows = small_record.observations

    assert "divergent" == whole.loc["numpy/definition/cpu", ("magnitude", "grade")]
    assert "violation" == whole.loc["numpy/raising/cpu", ("all_equal", "severity")]
    for (target, family), mine in rows.groupby(["target", "family"]):
        assert whole.loc[target, (family, "cases")] == len(mine)
        assert whole.loc[target, (family, "violations")] == (mine["severity"] == "violation").sum()


def test_a_target_without_an_op_is_counted_without_it(small_record: Record) -> None:
    frame = tables.targets(small_record).set_index("target")

    assert frame.loc["numpy/partial/cpu", "cases"] * 2 == frame.loc["numpy/honest/cpu", "cases"]


def test_publish_writes_the_whole_report(small_record: Record, tmp_path: Path) -> None:
    publish(small_record, tmp_path)

    names = {"index.html", "summary.md", "divergences.csv", "observations.parquet", "environment.json"}
    divergences = pd.read_csv(tmp_path / "divergences.csv", keep_default_na=False)
    assert names == {path.name for path in tmp_path.iterdir()}
    assert (~tables.findings(small_record)["control"]).sum() == len(divergences) > 0
    assert small_record.header == json.loads((tmp_path / "environment.json").read_text())
    assert small_record.footer == read(tmp_path / "observations.parquet").footer


def test_the_page_is_the_same_text_every_time(small_record: Record) -> None:
    assert page.render(small_record) == page.render(small_record)


def test_the_page_asks_nothing_of_the_network(small_record: Record) -> None:
    text = page.render(small_record)

    for attribute in ('src="', "url(", "@import", '<link rel="stylesheet'):
        assert attribute not in text.replace("url(#", "")
    assert "http" not in text.replace("http://www.w3.org/", "")


def test_hostile_text_is_text(small_record: Record) -> None:
    text = page.render(small_record)

    assert "<script>document.title" not in text
    assert "&lt;script&gt;document.title" in text


def test_an_incomplete_run_says_so_everywhere(small_record: Record) -> None:
    part = dataclasses.replace(small_record, footer=small_record.footer | {"complete": False})
    printed = io.StringIO()
    terminal.summary(part, Console(file=printed, width=80))

    assert 'id="incomplete"' in page.render(part)
    assert "Incomplete" in summary.markdown(part)
    assert "incomplete" in printed.getvalue()
    assert 'id="incomplete"' not in page.render(small_record)


def test_an_empty_run_still_has_a_page(small_record: Record) -> None:
    nothing = dataclasses.replace(
        small_record, observations=small_record.observations.iloc[:0], claims=small_record.claims.iloc[:0]
    )

    assert "No violation" in page.render(nothing)
    assert "| target |" in summary.markdown(nothing)


def test_the_terminal_fits_80_columns(small_record: Record) -> None:
    printed = io.StringIO()

    terminal.summary(small_record, Console(file=printed, width=80))

    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("numpy/definition/cpu" in line for line in lines)
    assert "not asked: jax (not installed)" in lines
    assert "…" not in "".join(line for line in lines if line.startswith(" numpy"))


def test_claims_become_a_markdown_table(small_record: Record) -> None:
    text = claims.markdown(small_record)

    assert "| 1 < 2 & so on | holds for 2 of 4; fails for 1 of 4; not asked for 1 of 4 |" in text
    assert r"\| pipe" in text


@pytest.mark.parametrize("kind", ["raised", "nonfinite"])
def test_a_failing_test_explains_itself(small_record: Record, kind: str) -> None:
    rows = small_record.observations

    text = terminal.explain(rows[rows["findings"].str.contains(kind)])

    assert "worst first" in text
    assert f": {kind} (violation): " in text
    assert "conformance run --tier smoke --target numpy/" in text
    if kind == "nonfinite":
        assert "index" in text
        assert "0x" in text


def test_every_finding_shows_the_row_that_the_record_tells_whole(small_record: Record) -> None:
    found = tables.findings(small_record)

    assert all("script" in witness for witness in found["witness"])
    assert any(isinstance(witness.get("input"), list) for witness in found["witness"])
