"""What does a person read first?  One HTML file that needs no network, and reads without JavaScript."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from conformance.reporting import claims, plots, summary, tables

if TYPE_CHECKING:
    from conformance.record import Record

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("conformance.reporting"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_CARD = ["severity", "framework", "family", "kind", "ledger"]
"""Findings that share a card: a framework's fault in its modes, ops and dtypes."""

_CONTROL_CARD = ["mode", "kind"]
"""The same for controls, which are there to be caught: a textbook formula's fault wherever it shows."""

_ALSO = 20
"""Lines of a card's table of other places; the CSV holds them all."""


def render(record: Record) -> str:
    """The report as one page."""
    found = tables.findings(record)
    own = found[~found["control"]]
    controls = found[found["control"] & (found["severity"] == "violation")]
    context = {
        "header": record.header,
        "footer": record.footer,
        "verdict": summary.verdict(record),
        "grades": tables.GRADES,
        "matrix": _matrix(record),
        "cells": _cells(record),
        "families": record.header["plan"]["families"],
        "findings": _cards(own, _CARD),
        "control_findings": _cards(controls, _CONTROL_CARD),
        "control_count": len(controls),
        "naive": _naive(record),
        "counts": {name: int((own["severity"] == name).sum()) for name in tables.SEVERITIES},
        "new": int(((own["severity"] == "violation") & (own["ledger"] == "")).sum()),
        "targets": tables.targets(record).to_dict("records"),
        "claims": claims.grouped(record),
        "policies": _policies(record),
        "plot": plots.error_against_gap(record),
    }
    return _ENVIRONMENT.get_template("index.html.jinja").render(context)


def _matrix(record: Record) -> list[dict[str, Any]]:
    """The rows of the matrix; a framework's controls stand under its own functions."""
    table = tables.matrix(record)
    rows = []
    for target in record.header["plan"]["targets"]:
        if target["target"] in table.index:
            cells = table.loc[target["target"]].unstack(level=0)
            by_family = {str(family): dict(cells[family]) for family in cells.columns}
            rows.append({**target, "cells": by_family})
    return rows


def _policies(record: Record) -> list[dict[str, Any]]:
    """One row a question, with each framework's choices; a choice that is not the only one says where it is made."""
    table = tables.policies(record)
    rows = []
    for question in dict.fromkeys(table["question"]):
        mine = table[table["question"] == question].set_index("framework")
        answers = mine[["choices", "inconsistent"]].to_dict("index")
        for answer in answers.values():
            answer["choices"] = {choice: _folded(places) for choice, places in answer["choices"].items()}
        rows.append({"question": question, "answers": answers})
    return rows


def _folded(places: list[str]) -> str:
    """Places that share target and op, with their dtypes in one list."""
    dtypes: dict[str, list[str]] = {}
    for place in places:
        where, _, dtype = place.rpartition(" ")
        dtypes.setdefault(where, []).append(dtype)
    return "; ".join(f"{where}: {', '.join(names)}" for where, names in dtypes.items())


def _cells(record: Record) -> str:
    """Names, then grade and counts of each target × family × op × dtype by their numbers; JSON safe inside HTML."""
    rows = record.observations
    keys = ["target", "family", "op", "dtype"]
    names = [pd.factorize(rows[key])[1].tolist() for key in keys]
    facts: dict[str, pd.Series] = {key: pd.Series(pd.factorize(rows[key])[0], rows.index) for key in keys}
    facts["grade"] = rows["grade"].map({name: i for i, name in enumerate(tables.GRADES)}).fillna(-1).astype(int)
    facts["violated"] = rows["severity"] == "violation"
    cells = pd.DataFrame(facts).groupby(keys, sort=False).agg(
        grade=("grade", "max"), cases=("grade", "size"), violations=("violated", "sum")
    )  # fmt: skip
    listed = cells.reset_index().astype(int).to_numpy().tolist()
    return json.dumps([names, listed], separators=(",", ":")).replace("<", "\\u003c")


def _cards(found: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """A card for each fault: its first finding in full, and where else it shows."""
    cards = []
    parts = found["target"].str.split("/")
    for _, mine in found.assign(framework=parts.str[0], mode=parts.str[1]).groupby(by, sort=False):
        first, *others = mine.to_dict("records")
        everywhere = {f"in_{name}": sorted(set(mine[name])) for name in ("target", "op", "dtype", "family")}
        cards.append({**_card(first), **everywhere, "also": others[:_ALSO], "more": len(others)})
    return cards


def _card(row: dict[Any, Any]) -> dict[str, Any]:
    """A finding as the page shows it: numbers in decimal beside hex."""
    witness = row["witness"]
    logits = witness.get("input")
    shown = {"script": witness.get("script", ""), "row": "", "lanes": []}
    if isinstance(logits, list):
        shown["row"] = _row([float.fromhex(v) for v in logits])
    elif logits:
        shown["row"] = f"{logits['omitted']:,} logits, case {row['case']}"
    if "index" in witness:
        at = witness["index"]
        pairs = {"logit": logits[at]} if isinstance(logits, list) else {}
        pairs |= {"got": witness["got"], "true, rounded": witness["expected"], "allowed error": witness["bound"]}
        shown["lanes"] = [(name, _decimal(value), value) for name, value in pairs.items()]
        shown["index"] = at
    return {**row, **shown}


def _row(values: list[float]) -> str:
    """A row as text, runs of equal logits folded: ``[0, −10 × 16]``."""
    parts: list[tuple[float, int]] = []
    for value in values:
        if parts and parts[-1][0] == value:
            parts[-1] = (value, parts[-1][1] + 1)
        else:
            parts.append((value, 1))
    return "[" + ", ".join(f"{v:.9g}" + (f" × {n}" if n > 1 else "") for v, n in parts) + "]"


def _decimal(text: str) -> str:
    return f"{float.fromhex(text):.9g}"


def _naive(record: Record) -> dict[str, int]:
    """How many rows of ±1000 the textbook definition violates, beside the frameworks' own functions."""
    rows = record.observations
    hostile = rows[(rows["family"] == "magnitude") & (rows["severity"] == "violation")]
    controls = [target["target"] for target in record.header["plan"]["targets"] if target["control"]]
    return {
        "definition": int((hostile["mode"] == "definition").sum()),
        "own": int((~hostile["target"].isin(controls)).sum()),
    }
