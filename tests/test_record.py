"""A record survives the disk, a broken one says how it is broken, and only parts that fit are merged."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conformance import record as records
from conformance.record import COLUMNS, Record, frame, merge, read, write

if TYPE_CHECKING:
    from pathlib import Path


def row(**columns: Any) -> dict[str, Any]:
    plain = {name: {"string": "", "int64": 0}.get(kind, 0.5) for name, kind in COLUMNS.items() if name != "run_id"}
    return plain | {"target": "torch/eager/cpu", "op": "softmax", "dtype": "float32", "case_id": "a"} | columns


def record(*rows: dict[str, Any], target: str = "torch/eager/cpu", **header: Any) -> Record:
    observations = frame(rows or [row(target=target)], "run")
    plan = {
        "targets": [
            {"target": target, "framework": target.split("/", maxsplit=1)[0], "version": "1", "control": False}
        ],
        "ops": ["softmax"],
        "dtypes": ["float32"],
        "families": {"underflow": "why"},
        "absent": {"jax": "not installed"},
    }
    whole = {
        "schema": records.SCHEMA, "run_id": "run", "suite_version": "1", "started": "2026-11-23T00:00:00+00:00",
        "tier": "smoke", "seed": 0, "command": "conformance run", "plan": plan, "environment": {"versions": {}},
    }  # fmt: skip
    columns = ["claim", "statement", "target", "dtype", "verdict", "evidence"]
    claims = pd.DataFrame([["a", "b", target, "float32", "holds", "because"]], columns=columns, dtype="string")
    footer = {
        "rows": len(observations),
        "claims": 1,
        "complete": True,
        "seconds": 1.0,
        "timing": {},
        "escalated": 0,
        "stale_ledger": [],
    }
    return Record(whole | header, observations, claims, footer)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    wrote = record(row(witness='[{"kind": "accuracy"}]', max_ulp=float("nan")), row(case_id="b"))

    write(wrote, tmp_path / "r.parquet")
    got = read(tmp_path / "r.parquet")

    pd.testing.assert_frame_equal(wrote.observations, got.observations)
    pd.testing.assert_frame_equal(wrote.claims, got.claims)
    assert (wrote.header, wrote.footer) == (got.header, got.footer)
    assert ["r.parquet"] == [path.name for path in tmp_path.iterdir()]


def test_absurd_figures_are_kept() -> None:
    largest = np.finfo(np.float64).max

    (kept,) = frame([row(max_ulp=largest, error_over_bound=np.inf, row_sum_error=largest)], "run").to_dict("records")

    assert largest * (1 - 2.0**-23) <= kept["max_ulp"] <= largest
    assert np.inf == kept["error_over_bound"] == kept["row_sum_error"]


def test_merging_keeps_every_row_and_target() -> None:
    a, b = record(), record(target="jax/jit/cpu")

    merged = merge([("a", a), ("b", b)])

    assert ["torch/eager/cpu", "jax/jit/cpu"] == [t["target"] for t in merged.header["plan"]["targets"]]
    assert (2, 2, True) == (merged.footer["rows"], merged.footer["claims"], merged.footer["complete"])
    assert {} == merged.header["plan"]["absent"]  # what one part lacked, another part asked
    assert ["jax/jit/cpu", "torch/eager/cpu"] == merged.observations["target"].tolist()  # the order of one run


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (
            record(target="jax/jit/cpu", suite_version="2"),
            records.DifferentSuiteVersion,
            "a has suite_version 1, b has 2",
        ),
        (record(target="jax/jit/cpu", tier="standard"), records.DifferentSelection, "a has tier smoke, b has standard"),
        (record(target="jax/jit/cpu", seed=1), records.DifferentSelection, "a has seed 0, b has 1"),
        (record(), records.DuplicateTarget, "a and b both hold torch/eager/cpu"),
        (
            record(row(case_id="x"), target="jax/jit/cpu"),
            records.DifferentCases,
            "a and b asked other cases of softmax",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(other: Record, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        merge([("a", record()), ("b", other)])


def test_an_interrupted_part_may_have_asked_less() -> None:
    part = record(row(case_id="x"), target="jax/jit/cpu")
    part = dataclasses.replace(part, footer=part.footer | {"complete": False})

    assert merge([("a", record()), ("b", part)]).footer["complete"] is False


@pytest.mark.parametrize(
    ("footer", "header", "error", "message"),
    [
        ({}, {}, records.MissingFooter, "no footer"),
        ({"rows": 7}, {}, records.TruncatedRecord, "1 rows, its footer counts 7"),
        ({"rows": 1}, {"schema": 99}, records.DifferentSchema, "schema 99"),
    ],
)
def test_a_broken_record_says_how(
    tmp_path: Path, footer: dict[str, Any], header: dict[str, Any], error: type[Exception], message: str
) -> None:
    good = record()
    write(dataclasses.replace(good, header=good.header | header, footer=footer), tmp_path / "r.parquet")

    with pytest.raises(error, match=message) as caught:
        read(tmp_path / "r.parquet")

    assert "r.parquet" in str(caught.value)


def test_other_files_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    whole = tmp_path / "cut.parquet"
    write(record(), whole)
    whole.write_bytes(whole.read_bytes()[:-20])

    for name in ("text", "other.parquet", "cut.parquet", "absent"):
        with pytest.raises(records.UnreadableRecord, match=name) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)
