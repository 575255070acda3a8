"""A record in Python: tables for pandas, and a picture of itself in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from conformance import ledger
from conformance import record as records
from conformance.reporting import blocks, comparison, difference, tables
from conformance.reporting import summary as sentences
from conformance.reporting.blocks import Points, Said, Sheet, Title
from conformance.reporting.frames import dicts
from conformance.reporting.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False, repr=False)
class LoadedRecord:
    """A record, read with a ledger; every table is a :class:`pandas.DataFrame` of the caller's own.

    Attributes
    ----------
    reading
        The same for the functions of :mod:`conformance.reporting`.
    """

    reading: Reading

    @property
    def observations(self) -> pd.DataFrame:
        """One row for each target × op × dtype × case; ``docs/record.md`` lists the columns."""
        return self.reading.record.observations.copy()

    @property
    def claims(self) -> pd.DataFrame:
        """One row for each claim × target × dtype."""
        return self.reading.record.claims.copy()

    @property
    def faults(self) -> pd.DataFrame:
        """One row a fault, a cause with a name, worst first, by its ``id``.

        ``framework``, ``title`` and ``severity`` of the worst of its findings, whether it is ``known`` to the ledger, how
        many ``cases`` show it, the different ``version``, ``mode``, ``op`` and ``dtype`` that do, in one text each, what to
        do ``instead``, and a ``link`` to where it is reported; empty where the ledger does not say.
        """
        rows = {
            fault.id: {
                "framework": fault.framework,
                "title": fault.title,
                "severity": fault.severity,
                "known": fault.known,
                "cases": fault.cases,
                **{name: ", ".join(fault.values(name)) for name in ("version", "mode", "op", "dtype")},
                **{name: fault.text(name) for name in ("instead", "link")},
            }
            for fault in self.reading.faults
        }
        columns = (
            "framework",
            "title",
            "severity",
            "known",
            "cases",
            "version",
            "mode",
            "op",
            "dtype",
            "instead",
            "link",
        )
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns)).rename_axis("id")

    @property
    def findings(self) -> pd.DataFrame:
        """One row a finding, worst first, with its ``id``, and ``known`` and ``ledger``: what the ledger says of it."""
        return self.reading.findings.copy()

    @property
    def policies(self) -> pd.DataFrame:
        """One row for each ``framework``, ``question`` and ``answer``: where it is given, and whether there are others."""
        rows = [
            (one.framework, one.question, answer, places, one.inconsistent)
            for one in self.reading.policies
            for answer, places in one.answers.items()
        ]
        return pd.DataFrame(rows, columns=["framework", "question", "answer", "places", "inconsistent"])

    def matrix(self, *, op: str = "", dtype: str = "") -> pd.DataFrame:
        """Targets × families, of all ops and dtypes or of one: :func:`conformance.reporting.tables.matrix`."""
        chosen = {name: value for name, value in (("op", op), ("dtype", dtype)) if value}
        return tables.matrix(self.reading, **chosen)

    def compare(self, first: str, second: str) -> pd.DataFrame:
        """One row a question that both targets were asked: :class:`conformance.reporting.comparison.Comparison`.

        Raises
        ------
        conformance.record.NoSuchTarget
            If the record does not hold one of them.
        """
        return comparison.compare(self.reading.record, first, second).rows

    def diff(self, other: LoadedRecord) -> pd.DataFrame:
        """The findings that are other in a later record: :class:`conformance.reporting.difference.Diff`."""
        return difference.diff(self.reading.record, other.reading.record).findings

    def __repr__(self) -> str:
        record = self.reading.record
        return (
            f"<record of {len(record.targets)} targets, {self.reading.rows:,} observations, tier {self.reading.tiers}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, the faults that are wrong, and a row a target."""
        heads = ("cases", "violated", "degraded", "policy")
        rows = tuple(
            (
                one["name"],
                one["grade"] or "—",
                *(f"{one[name]:,}" for name in ("cases", "violation", "degraded", "policy")),
            )
            for one in dicts(self.reading.targets)
            if not one["control"]
        )
        return blocks.html(
            [
                Title("softmax conformance", 3),
                Said(sentences.verdict(self.reading)),
                Points(
                    tuple((f"{fault.framework}: {fault.title}",) for fault in self.reading.faults if fault.violated)
                ),
                Sheet(("target", "worst grade", *heads), rows, heads),
            ]
        )


def load(path: str | Path, *, ledgers: Sequence[str | Path] = ()) -> LoadedRecord:
    """Read a record.

    Parameters
    ----------
    path
        The folder of a report, or its Parquet file.
    ledgers
        Known findings of your own, as TOML, beside the project's.

    Raises
    ------
    conformance.record.RecordError, conformance.ledger.BadLedger
        In one line that names the file and what is wrong.
    """
    record = records.read(records.record_file(Path(path)))
    return LoadedRecord(Reading(record, ledger.load([Path(one) for one in ledgers])))
