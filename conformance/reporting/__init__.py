"""What do people read?  Everything here is made from a record and a ledger when it is read, and from nothing else."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from conformance import record as records
from conformance.record.disk import check_replaceable, one_line, replace_folder, tidy, unfinished
from conformance.record.schema import Footer, Header
from conformance.record.typed import to_json
from conformance.reporting import divergences, summary
from conformance.reporting.reading import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.record import Record

__all__ = ["FILES", "Reading", "check_out", "publish"]

FILES = ("divergences.csv", "environment.json", "index.html", "observations.parquet", "summary.md")
"""The files of a report."""


def check_out(out: Path) -> None:
    """Refuse a folder that a report would replace and that holds something else; call it before hours of asking.

    Raises
    ------
    conformance.record.ForeignFiles
        In one line.
    """
    check_replaceable(out.resolve(), FILES)


def publish(reading: Reading, out: Path) -> None:
    """Write a whole report into a folder: page, summary, divergences, observations, environment.

    It is written beside the folder and put in its place at once: whatever interrupts that, ``out`` is the old report or
    the new one, and no mixture.

    Raises
    ------
    conformance.record.ForeignFiles
        If ``out`` holds a file that is no report's.
    conformance.record.CannotWrite
        If the disk is full, or may not be written.
    """
    from conformance.reporting import page  # noqa: PLC0415 - imports Jinja, which a verdict does not need

    check_out(out)
    with one_line(f"cannot write {out}"):
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
    tidy(out)
    new = unfinished(out)
    try:
        with one_line(f"cannot write {out}"):
            new.mkdir()
            texts = {
                "index.html": page.render(reading),
                "summary.md": summary.markdown(reading),
                "divergences.csv": divergences.table(reading),
                "environment.json": environment(reading.record),
            }
            for name, text in texts.items():
                (new / name).write_text(text, encoding="utf-8")
        records.write(reading.record, new / "observations.parquet")
        replace_folder(new, out, FILES)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def environment(record: Record) -> str:
    """The file ``environment.json``: the header and the footer of every run."""
    parts = [{"header": to_json(Header, part.header), "footer": to_json(Footer, part.footer)} for part in record.parts]
    return json.dumps({"parts": parts}, indent=2) + "\n"
