"""The tables of a report: findings, the matrix of targets and families, targets, and what was not answered.

Plain pandas, computed from a :class:`~conformance.reporting.Reading`: every page and every printout is made from these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from conformance.record import rows as read
from conformance.reporting.controls import NOT_CAUGHT, unexplained
from conformance.reporting.frames import dicts, names
from conformance.values import Grade, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.record import Record
    from conformance.reporting.reading import Reading

GRADES = tuple(str(grade) for grade in Grade)
"""Best first."""

SEVERITIES = tuple(str(severity) for severity in Severity)
"""Mildest first."""

LOUD = ("not_asked", "out_of_memory", "timed_out", "crashed")
"""Outcomes that nobody may overlook: the first is no answer at all, the others ended a process."""


def known(reading: Reading) -> dict[Any, tuple[tuple[str, bool], ...]]:
    """Index label of each failing observation → (kind, whether it is known) of each of its findings.

    A finding of a framework is known to the ledger, one of a control to its arithmetic; what need not be known is known.
    """
    observations = reading.record.observations
    violated = observations[observations["severity"].isin(list(reading.failing))]
    ids = reading.known.ids
    found = {}
    for label, row in zip(violated.index, dicts(violated[["control", "findings", "expected", "witness"]]), strict=True):
        kinds = row["findings"].split(";")
        if row["control"]:
            strange = unexplained(row)
            verdicts = [kind not in strange for kind in kinds]
        elif all(ids[label]):
            verdicts = [True] * len(kinds)
        else:
            wrong = (finding.severity in reading.failing for finding in read.findings_of(row))
            verdicts = [bool(entry) or not fails for entry, fails in zip(ids[label], wrong, strict=True)]
        found[label] = tuple(zip(kinds, verdicts, strict=True))
    return found


def findings(reading: Reading) -> pd.DataFrame:
    """One row a finding, as :attr:`conformance.ledger.Known.findings` has them, with what is known of it, worst first.

    A further column, ``known``, says whether each of its rows is known: to the ledger, or to the arithmetic of a control.
    Controls come last; violations that are not known come first.
    """
    found = reading.known.findings
    pairs = zip(found["kind"], found["rows"], strict=True)
    found["known"] = pd.Series([_known(reading, kind, rows) for kind, rows in pairs], found.index, dtype=bool)
    found["rank"] = -found["severity"].map(SEVERITIES.index).astype(int)
    # Those of a record are in order already; a stable sort only takes the known ones back.
    order = ["control", "rank", "known"]
    return found.sort_values(order, kind="stable").drop(columns="rank").reset_index(drop=True)


def _known(reading: Reading, kind: str, rows: Sequence[Any]) -> bool:
    """Whether the finding is known on each of its rows."""
    return all(known for row in rows for each, known in reading.verdicts.get(row, ()) if each == kind)


def unexpected(reading: Reading) -> pd.DataFrame:
    """What makes the exit status 1, besides stale entries of the ledger: columns as in :func:`findings`, and ``problem``.

    ``problem`` is ``unknown`` for a finding of a framework that no ledger entry knows and that must be known, ``unexplained`` for one of a
    control that does not follow from its arithmetic, ``not caught`` where a control is right and must not be.
    """
    found = reading.findings[reading.findings["severity"].isin(list(reading.failing)) & ~reading.findings["known"]]
    found = found.assign(problem=found["control"].map({True: "unexplained", False: "unknown"}))
    failures = reading.control_failures
    missed = failures[failures["problem"] == NOT_CAUGHT]
    if missed.empty:
        return found.reset_index(drop=True)
    missed = missed.assign(
        name=names(reading.record, missed),
        control=True,
        severity=str(Severity.VIOLATION),
        known=False,
        ledger="",
        worst=float("nan"),
        size=0,
        detail="must be caught here, and was not",
        witness=None,
    )
    return pd.concat([found, missed], ignore_index=True)[list(found.columns)]


def unexplained_rows(reading: Reading) -> frozenset[Any]:
    """The index labels of the observations that :func:`unexpected` gathers."""
    missed = reading.control_failures
    return frozenset(
        {label for label, found in reading.verdicts.items() if not all(verdict for _, verdict in found)}
        | {label for labels in missed.loc[missed["problem"] == NOT_CAUGHT, "rows"] for label in labels}
    )


def worst(values: Iterable[str], order: Sequence[str]) -> str:
    """The last in the order of those that occur; empty where none does."""
    present = set(values)
    return next((name for name in reversed(order) if name in present), "")


def matrix(reading: Reading, **only: str) -> pd.DataFrame:
    """Targets × families: grade, severity, and counts, for all ops and dtypes or for those named.

    The index is the targets' names.  Columns are a MultiIndex (family, what) with what in ``grade``, ``severity``,
    ``cases``, ``violations``, ``unsupported``, ``not_asked``, ``known`` (whether every finding that must be known is).
    """
    record = reading.record
    rows = record.observations
    for name, value in only.items():
        rows = rows[rows[name] == value]
    unknown = {label for label, found in reading.verdicts.items() if not all(verdict for _, verdict in found)}
    facts = pd.DataFrame(
        {
            "target": names(record, rows),
            "family": rows["family"],
            "grade": rows["grade"].map({name: i for i, name in enumerate(GRADES)}).fillna(-1).astype(int),
            "severity": rows["severity"].map(SEVERITIES.index).astype(int),
            "violations": rows["severity"] == Severity.VIOLATION,
            "unsupported": rows["outcome"] == "unsupported",
            "not_asked": rows["outcome"] == "not_asked",
            "unknown": rows.index.isin(list(unknown)),
        }
    )
    cells = facts.groupby(["target", "family"], sort=False).agg(
        grade=("grade", "max"),
        severity=("severity", "max"),
        cases=("grade", "size"),
        violations=("violations", "sum"),
        unsupported=("unsupported", "sum"),
        not_asked=("not_asked", "sum"),
        unknown=("unknown", "sum"),
    )
    cells["grade"] = cells["grade"].map({-1: "", **dict(enumerate(GRADES))})
    cells["severity"] = cells["severity"].map(dict(enumerate(SEVERITIES)))
    cells["known"] = cells.pop("unknown") == 0
    if cells.empty:
        return pd.DataFrame()
    table = pd.DataFrame(cells.unstack("family")).swaplevel(axis=1)
    order = [name for name in record.names.values() if name in table.index]
    families = [name for name in record.families if name in table.columns.get_level_values(0)]
    return pd.DataFrame(table.loc[order, families])


def targets(reading: Reading) -> pd.DataFrame:
    """One row a target: how many questions it was asked, the worst grade, and how many of them have each severity.

    Columns: ``name``, ``control``, ``cases`` (without those it does not support or was not asked), ``not_asked``,
    ``grade``, one for each severity but none, ``unexpected``, ``error_over_bound`` (the largest that is not divergent).
    """
    record = reading.record
    rows = record.observations.assign(
        name=names(record, record.observations),
        asked=~record.observations["outcome"].isin(["unsupported", "not_asked"]),
    )
    by_name = dict(iter(rows.groupby("name", sort=False)))
    table = []
    for target, name in record.names.items():
        mine = by_name.get(name, rows.iloc[:0])
        counts = mine["severity"].value_counts()
        table.append(
            {
                "name": name,
                "control": target.control,
                "cases": int(mine["asked"].sum()),
                "not_asked": int((mine["outcome"] == "not_asked").sum()),
                "grade": worst(mine["grade"], GRADES),
                **{severity: int(counts.get(severity, 0)) for severity in SEVERITIES[1:]},
                "unexpected": len(reading.unknown(mine)),
                "error_over_bound": mine.loc[mine["grade"] != Grade.DIVERGENT, "error_over_bound"].max(),
            }
        )
    return pd.DataFrame(table)


def unanswered(record: Record) -> pd.DataFrame:
    """One row for each (target, outcome, reason) without an answer: how many questions, the loudest first.

    Columns: ``name``, ``control``, ``outcome``, ``reason``, ``questions``.  An error that was raised is an answer of
    its kind, due where an axis is out of range, and stands among the findings where it is not.
    """
    rows = record.observations[~record.observations["outcome"].isin(["answered", "raised"])]
    facts = rows[["outcome", "reason"]].assign(name=names(record, rows), control=rows["control"].astype(bool))
    table = facts.groupby(["name", "control", "outcome", "reason"], sort=False).size().rename("questions").reset_index()
    order = list(record.names.values())
    table["rank"] = table["outcome"].map({name: i for i, name in enumerate(LOUD)}).fillna(len(LOUD))
    table["place"] = table["name"].map({name: i for i, name in enumerate(order)})
    table = table.sort_values(["rank", "control", "place", "questions"], ascending=[True, True, True, False])
    return table[["name", "control", "outcome", "reason", "questions"]].reset_index(drop=True)
