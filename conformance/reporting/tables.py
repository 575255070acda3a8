"""Which tables does a record hold?  Plain pandas: every page and every printout is made from these."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from conformance.record import Record

GRADES = ("exact", "faithful", "stable", "loose", "divergent")
"""Best first."""

SEVERITIES = ("none", "policy", "degraded", "violation")
"""Mildest first."""

FINDING = ["target", "op", "dtype", "family", "kind", "severity"]
"""What makes two findings the same finding."""


@lru_cache(maxsize=1)
def findings(record: Record) -> pd.DataFrame:
    """One row a finding: target, op, dtype, family, kind, severity, and what stands behind it.

    Further columns: ``control``, ``cases`` (how many rows show it), ``worst`` (largest error over the
    stable bound among them), ``detail``, ``witness`` (that of the shortest row that shows it), ``case``,
    ``ledger`` (an entry's id, empty where no entry knows it).  Violations that no entry knows come first.
    """
    rows = [
        {
            **{name: row[name] for name in ("target", "op", "dtype", "family", "case")},
            "kind": said["kind"],
            "severity": said["severity"],
            "ratio": row["error_over_bound"],
            "detail": said["detail"],
            "witness": said,
            "length": _length(said),
            "retold": "script" not in said,
            "ledger": ledger,
        }
        for row in record.observations[record.observations["witness"] != ""].to_dict("records")
        for said, ledger in zip(json.loads(row["witness"]), row["ledger"].split(";"), strict=True)
    ]
    if not rows:
        nothing = pd.DataFrame(columns=[*FINDING, "case", "control", "cases", "worst", "detail", "witness", "ledger"])
        return nothing.astype({"control": bool, "cases": int, "worst": float})
    # Of the shortest rows the record tells one whole, with its script.
    frame = pd.DataFrame(rows).sort_values(["length", "retold"], kind="stable")
    grouped = frame.groupby(FINDING, sort=False)
    found = grouped.agg(
        cases=("case", "size"),
        worst=("ratio", "max"),
        case=("case", "first"),
        detail=("detail", "first"),
        witness=("witness", "first"),
        # Unknown wins: one unexplained row makes the finding one to look at.
        ledger=("ledger", "min"),
    ).reset_index()
    controls = {target["target"] for target in record.header["plan"]["targets"] if target["control"]}
    found["control"] = found["target"].isin(controls)
    found["rank"] = -found["severity"].map(SEVERITIES.index)
    found["known"] = found["ledger"] != ""
    found["size"] = -found["worst"].fillna(float("inf"))
    order = ["control", "rank", "known", "size", "target", "op", "dtype", "family", "kind"]
    return found.sort_values(order).drop(columns=["rank", "known", "size"]).reset_index(drop=True)


def _length(said: dict[str, Any]) -> int:
    row = said.get("input", [])
    return len(row) if isinstance(row, list) else int(row["omitted"])


def unexpected(record: Record) -> pd.DataFrame:
    """The violations that no ledger entry knows: what makes the exit status 1."""
    found = findings(record)
    return found[(found["severity"] == "violation") & (found["ledger"] == "")]


def worst(values: pd.Series, order: tuple[str, ...]) -> str:
    """The last in the order of those that occur; empty where none does."""
    present = set(values)
    return next((name for name in reversed(order) if name in present), "")


def matrix(record: Record, **only: str) -> pd.DataFrame:
    """Targets × families: grade, severity, and counts, for all ops and dtypes or for those named.

    Columns are a MultiIndex (family, what) with what in ``grade``, ``severity``, ``cases``,
    ``violations``, ``unsupported``, ``known`` (whether the ledger knows every violation).
    """
    rows = record.observations
    for name, value in only.items():
        rows = rows[rows[name] == value]
    facts = pd.DataFrame(
        {
            "target": rows["target"],
            "family": rows["family"],
            "grade": rows["grade"].map({name: i for i, name in enumerate(GRADES)}).fillna(-1).astype(int),
            "severity": rows["severity"].map(SEVERITIES.index),
            "violations": rows["severity"] == "violation",
            "unsupported": rows["outcome"] == "unsupported",
            "unknown": unknown(record)[rows.index],
        }
    )
    cells = facts.groupby(["target", "family"], sort=False).agg(
        grade=("grade", "max"),
        severity=("severity", "max"),
        cases=("grade", "size"),
        violations=("violations", "sum"),
        unsupported=("unsupported", "sum"),
        unknown=("unknown", "sum"),
    )
    cells["grade"] = cells["grade"].map({-1: "", **dict(enumerate(GRADES))})
    cells["severity"] = cells["severity"].map(dict(enumerate(SEVERITIES)))
    cells["known"] = cells.pop("unknown") == 0
    if cells.empty:
        return pd.DataFrame()
    table = pd.DataFrame(cells.unstack("family")).swaplevel(axis=1)
    order = [t["target"] for t in record.header["plan"]["targets"] if t["target"] in table.index]
    families = [name for name in record.header["plan"]["families"] if name in table.columns.get_level_values(0)]
    return pd.DataFrame(table.loc[order, families])


def unknown(record: Record) -> pd.Series:
    """Whether each observation is violated in a way that no ledger entry knows."""
    found = findings(record)
    violations = set(found.loc[found["severity"] == "violation", "kind"])
    # Many rows share few combinations of kinds and entries: each combination is looked at once.
    combined = record.observations["findings"] + "|" + record.observations["ledger"]
    verdicts = {}
    for text in combined.unique():
        kinds, _, ids = text.partition("|")
        pairs = zip(kinds.split(";"), ids.split(";"), strict=False)
        verdicts[text] = any(kind in violations and not entry for kind, entry in pairs)
    return combined.map(verdicts).astype(bool)


def targets(record: Record) -> pd.DataFrame:
    """One row a target: cases asked, the worst grade, and how many cases have each severity."""
    rows, new = [], unknown(record)
    for target in record.header["plan"]["targets"]:
        mine = record.observations[record.observations["target"] == target["target"]]
        counts = mine["severity"].value_counts()
        rows.append(
            {
                "target": target["target"],
                "control": target["control"],
                "cases": int((mine["outcome"] != "unsupported").sum()),
                "grade": worst(mine["grade"], GRADES),
                **{name: int(counts.get(name, 0)) for name in SEVERITIES[1:]},
                "unexpected": int(new[mine.index].sum()),
                "error_over_bound": mine.loc[mine["grade"] != "divergent", "error_over_bound"].max(),
            }
        )
    return pd.DataFrame(rows)


def policies(record: Record) -> pd.DataFrame:
    """One row a framework and question: the choices, which targets, ops and dtypes make each, and whether they differ.

    Columns: ``framework``, ``question``, ``choices`` (choice → a list of ``target op dtype``), ``inconsistent``.
    Controls are left out: they are no framework's choice.
    """
    own = {t["target"]: t["framework"] for t in record.header["plan"]["targets"] if not t["control"]}
    rows = record.observations[
        record.observations["target"].isin(own) & record.observations["policy"].str.contains("=")
    ]
    where = ["target", "op", "dtype"]
    said = rows[[*where, "policy"]].drop_duplicates()
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in said.to_dict("records"):
        for choice in row["policy"].split():
            question, _, answer = choice.partition("=")
            by = found.setdefault((own[row["target"]], question), {}).setdefault(answer, [])
            place = " ".join(row[name] for name in where)
            if place not in by:
                by.append(place)
    return pd.DataFrame(
        [
            {"framework": framework, "question": question, "choices": choices, "inconsistent": len(choices) > 1}
            for (framework, question), choices in sorted(found.items())
        ],
        columns=["framework", "question", "choices", "inconsistent"],
    )
