"""One framework on two devices: a record of two parts, written and read, and what page and command say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from called import call
from report_rows import CONTROL, EAGER, record, row, violation

from conformance import record as records
from conformance.reporting import Reading, devices, page
from conformance.reporting.blocks import Folded, Sheet
from conformance.values import Target

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Record

CUDA = Target("f", "eager", "cuda:0", version="1.0")
SLOW = Target("f", "jit", "cuda:0", version="1.0")


@pytest.fixture
def both(tmp_path: Path) -> Record:
    """A run on the CPU and one on a GPU, each a file of its own, merged as the command does."""
    cpu = [
        row(EAGER, case="a", digest="1"), row(EAGER, case="b", digest="2", grade="faithful"),
        row(EAGER, case="c", digest="3", grade="faithful"), row(EAGER, case="d", digest="4", dtype="float16"),
        row(CONTROL, case="a"),
    ]  # fmt: skip
    gpu = [
        row(CUDA, case="a", digest="1"), row(CUDA, case="b", digest="5", grade="faithful"),
        row(CUDA, case="c", digest="6", findings=[violation()], grade="divergent", error_over_bound=9.0),
        row(CUDA, case="d", digest="7", dtype="float16"), row(SLOW, case="a", digest="1"),
    ]  # fmt: skip
    parts = []
    for name, rows in (("cpu", cpu), ("gpu", gpu)):
        records.write(record(*rows, run=name), tmp_path / f"{name}.parquet")
        parts.append((name, records.read(tmp_path / f"{name}.parquet")))
    return records.merge(parts)


def test_only_the_device_differs_in_a_pair(both: Record) -> None:
    assert [("f/eager/cpu", "f/eager/cuda:0")] == devices.pairs(both)
    assert [] == devices.page(record(row(EAGER)))


def test_bits_and_grades_are_counted_by_op_and_dtype(both: Record) -> None:
    (pair,) = devices.page(both)
    assert isinstance(pair, Folded)
    sheet = pair.inside[1]
    rows = both.observations
    cpu, gpu = (rows[rows["target"] == name].set_index("case") for name in ("f/eager/cpu", "f/eager/cuda:0"))
    cpu, gpu = cpu.loc[gpu.index.intersection(cpu.index)], gpu.loc[gpu.index.intersection(cpu.index)]
    facts = pd.DataFrame(
        {"dtype": cpu["dtype"], "same": cpu["digest"] == gpu["digest"], "grade": cpu["grade"] == gpu["grade"]}
    )
    due = facts.groupby("dtype").agg(n=("same", "size"), same=("same", "sum"), grade=("grade", "sum"))

    assert isinstance(sheet, Sheet)
    same, n = int(facts["same"].sum()), len(facts)
    assert pair.title == (
        f"A: f/eager/cpu, B: f/eager/cuda:0. Both were asked {n} questions and answered {n}, with the same bits {same}, 25.0%."
    )
    assert ("dtype", "answered", "equal", "same grade", "A wrong", "B wrong") == sheet.heads[:6]
    assert [(dtype, *map(str, counts)) for dtype, *counts in due.itertuples()] == [one[:4] for one in sheet.rows]
    assert [("0", "0"), ("0", "1")] == [one[4:6] for one in sheet.rows]


def test_the_page_has_a_section_where_there_are_two_devices(both: Record) -> None:
    assert "A: f/eager/cpu, B: f/eager/cuda:0" in page.render(Reading(both))
    assert 'id="devices"' not in page.render(Reading(record(row(EAGER), row(SLOW))))


def test_the_command_compares_two_devices(both: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records.write(both, tmp_path / "observations.parquet")

    status, out, _ = call("compare", "f/eager/cpu", "f/eager/cuda:0", "--record", str(tmp_path), capsys=capsys)

    assert 0 == status
    assert "grade" in out
    (line,) = [line for line in out.splitlines() if line.startswith("float32 ")]
    assert ["3", "1", "2", "0", "1"] == line.split()[1:6]
