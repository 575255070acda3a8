"""What is committed is what the code makes of the committed record; nothing is typed by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance import ledger
from conformance.record import read
from conformance.reporting import FILES, Reading, claims, divergences, environment, summary

ROOT = Path(__file__).parents[2]
LATEST = ROOT / "reports" / "latest"


@pytest.fixture(scope="module")
def published() -> Reading:
    """The committed run; somebody who has just made a report of their own has another one in its place."""
    changed = ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "reports/latest"]
    if subprocess.run(changed, check=False, capture_output=True).returncode == 1:  # noqa: S603
        pytest.skip("reports/latest is not the published run: it was made here and is not committed")
    return Reading(read(LATEST / "observations.parquet"), ledger.load())


def test_the_claims_page_is_made_from_the_published_record(published: Reading) -> None:
    assert claims.markdown(published.record) == (ROOT / "docs" / "claims.md").read_text()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("summary.md", summary.markdown),
        ("divergences.csv", divergences.table),
        ("environment.json", lambda reading: environment(reading.record)),
    ],
)
def test_a_file_is_made_from_the_published_record(published: Reading, name: str, make: object) -> None:
    assert callable(make)
    assert make(published) == (LATEST / name).read_text()


def test_the_published_run_is_whole_and_holds_nothing_unexpected(published: Reading) -> None:
    assert published.record.complete
    assert () == published.stale
    assert published.unexpected.empty
    assert not (published.record.observations["outcome"] == "not_asked").any()


def test_the_published_report_is_small_enough_to_commit() -> None:
    assert set(FILES) == {path.name for path in LATEST.iterdir()}
    assert sum(path.stat().st_size for path in LATEST.iterdir()) < 5_000_000


def test_the_naive_definition_was_caught_in_every_framework(published: Reading) -> None:
    rows = published.record.observations
    naive = rows[(rows["mode"] == "definition") & (rows["family"] == "magnitude") & (rows["severity"] == "violation")]
    asked = {target.framework for target in published.record.targets if target.control}

    assert {"torch", "tensorflow", "jax"} <= asked
    assert asked == set(naive["framework"])
    assert {"float64", "float32", "float16", "bfloat16"} == set(naive["dtype"])
