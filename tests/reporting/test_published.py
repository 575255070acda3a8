"""What is committed is what the code makes of the committed record; nothing is typed by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance.record import Record, read
from conformance.reporting import claims, summary, tables

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def published() -> Record:
    """The committed run; somebody who has just made a report of their own has another one in its place."""
    changed = ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "reports/latest"]
    if subprocess.run(changed, check=False, capture_output=True).returncode == 1:  # noqa: S603
        pytest.skip("reports/latest is not the published run: it was made here and is not committed")
    return read(ROOT / "reports" / "latest" / "observations.parquet")


def test_the_claims_page_is_made_from_the_published_record(published: Record) -> None:
    assert claims.markdown(published) == (ROOT / "docs" / "claims.md").read_text()


def test_the_summary_is_made_from_the_published_record(published: Record) -> None:
    assert summary.markdown(published) == (ROOT / "reports" / "latest" / "summary.md").read_text()


def test_the_published_run_is_whole_and_holds_nothing_unexpected(published: Record) -> None:
    assert published.footer["complete"]
    assert [] == published.footer["stale_ledger"]
    assert tables.unexpected(published).empty


def test_the_published_report_is_small_enough_to_commit() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "reports").rglob("latest/*")) < 2_000_000


def test_the_naive_definition_was_caught_in_every_framework(published: Record) -> None:
    rows = published.observations
    naive = rows[(rows["mode"] == "definition") & (rows["family"] == "magnitude") & (rows["severity"] == "violation")]

    assert {"torch", "tensorflow", "jax"} == set(naive["framework"])
    assert {"float64", "float32", "float16", "bfloat16"} == set(naive["dtype"])
