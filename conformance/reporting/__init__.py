"""What do people read?  Everything here is made from the record and from nothing else."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from conformance import record as records
from conformance.reporting import page, summary, tables

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Record

__all__ = ["publish"]


def publish(record: Record, out: Path) -> None:
    """Write the whole report into a folder: page, summary, divergences, observations, environment.

    Each file appears whole or not at all; an interrupted publish leaves the old one.
    """
    out.mkdir(parents=True, exist_ok=True)
    records.write(record, out / "observations.parquet")
    found = tables.findings(record)
    # What a control is there to show is in the observations.
    divergences = found[~found["control"]].drop(columns=["witness", "control"])
    texts = {
        "index.html": page.render(record),
        "summary.md": summary.markdown(record),
        "divergences.csv": divergences.to_csv(index=False, float_format="%.6g"),
        "environment.json": json.dumps(record.header, indent=2, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        unfinished = out / f".{name}.{os.getpid()}"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(out / name)
