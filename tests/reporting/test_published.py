"""What is committed is what the code makes of the committed record; nothing is typed by hand."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

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


def test_the_lines_of_the_readme_for_pandas_answer(published: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    [text] = [block for block in blocks if "read_parquet" in block]
    begin = [one for one in ast.parse(text).body if not isinstance(one, ast.Expr)]
    space: dict[str, Any] = {}
    exec(compile(ast.Module(begin, []), "README.md", "exec"), space)  # noqa: S102 - our own page

    wrong, lost, half = (
        eval(compile(ast.Expression(one.value), "README.md", "eval"), space)  # noqa: S307
        for one in ast.parse(text).body if isinstance(one, ast.Expr)
    )  # fmt: skip

    own = published.record.observations[~published.record.observations["control"]]
    assert (own["severity"] == "violation").sum() == wrong.sum()
    assert sum("lost_normal" in kinds.split(";") for kinds in own["findings"]) == lost.sum()
    assert {"torch/eager/cpu", "jax/jit/cpu"} <= set(half.columns)
    assert len(half) == own[["op", "dtype"]].drop_duplicates().shape[0]


def test_what_the_readme_says_of_two_releases_stands_in_the_record(published: Reading) -> None:
    rows = published.record.observations
    jax = rows[(rows["framework"] == "jax") & ~rows["control"]]
    kinds = {"nonfinite", "lost_normal", "accuracy", "row_sum", "raised", "dtype"}  # of violations
    asked, shown = {}, {}
    for release in ("0.4.30", "0.10.2"):
        mine = jax[(jax["version"] == release) & ~jax["outcome"].isin(["unsupported", "not_asked"])]
        keys = list(
            zip(mine["target"], mine["op"], mine["way"], mine["dtype"], mine["family"], mine["case_id"], strict=True)
        )
        asked[release] = set(keys)
        shown[release] = {
            (key, kind)
            for key, found in zip(keys, mine["findings"], strict=True)
            for kind in found.split(";")
            if kind in kinds
        }
    both = asked["0.4.30"] & asked["0.10.2"]
    old, new = ({one for one in shown[release] if one[0] in both} for release in ("0.4.30", "0.10.2"))
    told = re.search(
        r"From JAX 0.4.30 to 0.10.2, (\d+) violated questions became right .* and (\d+) others wrong",
        (ROOT / "README.md").read_text(),
    )

    assert told
    assert (len({key for key, _ in old - new}), len({key for key, _ in new - old})) == tuple(map(int, told.groups()))


def test_the_trend_in_the_readme_is_that_of_the_published_matrix() -> None:
    """Which releases of ONNX Runtime are wrong in float64, and by how much, from the observations themselves."""
    told = re.search(
        r"over (\w+) releases of ONNX Runtime, softmax of float64 is wrong from ([\d.]+) to ([\d.]+), "
        r"by up to ([\d.]+)·10¹⁴ times the bound, and right before and after \(`([○●]+)`\)",
        (ROOT / "README.md").read_text(),
    )
    rows = read(ROOT / "reports" / "matrix" / "observations.parquet").observations
    rows = rows[(rows["framework"] == "onnxruntime") & (rows["op"] == "softmax") & (rows["dtype"] == "float64")]
    wrong = {version: mine["findings"].str.contains("accuracy") for version, mine in rows.groupby("version")}
    ordered = sorted(wrong, key=Version)
    bad = [version for version in ordered if wrong[version].any()]

    assert told
    assert len(ordered) == {"eight": 8}[told[1]]
    assert (bad[0], bad[-1]) == (told[2], told[3])
    assert f"{rows['error_over_bound'].max() / 1e14:.1f}" == told[4]
    assert "".join("●" if version in bad else "○" for version in ordered) == told[5]
