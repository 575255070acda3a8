"""What does a person read first?  One HTML file that needs no network, and reads without JavaScript."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from conformance.record import exhibit_of
from conformance.record.exhibit import runs_of
from conformance.reporting import claims, escape, plots, summary, tables
from conformance.reporting.frames import dicts, names
from conformance.reporting.scripts import script_of
from conformance.values import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record import Record
    from conformance.reporting.reading import Reading
    from conformance.values import Numbers


def _shown(value: Any) -> Any:
    """Whatever stands in the page, but for programs and texts made here, without characters that do not show."""
    return escape.program(value) if type(value) is str else value


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("conformance.reporting"),
    autoescape=True,
    finalize=_shown,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_CARD = ["severity", "framework", "version", "family", "kind", "known", "ledger"]
"""Findings that share a card: a framework's fault in its modes, ops, dtypes and ways."""

_CONTROL_CARD = ["mode", "kind", "known"]
"""The same for controls, which are there to be caught: a textbook formula's fault wherever it shows."""

_ALSO = 20
"""Lines of a card's table of other places; the CSV holds them all."""

_LONGEST = 4000
"""Characters of a row or of a program; a longer one is told by its length, and stands in the record."""


def render(reading: Reading) -> str:
    """The report as one page."""
    record = reading.record
    own, unexpected = reading.own, reading.unexpected
    controls = reading.findings[reading.findings["control"] & (reading.findings["severity"] == Severity.VIOLATION)]
    context = {
        "reading": reading,
        "record": record,
        "parts": record.parts,
        "day": min((part.header.started for part in record.parts), default="")[:10],
        "verdict": summary.verdict(reading),
        "matrix": _matrix(reading),
        "cells": _cells(record),
        "families": record.families,
        "findings": _cards(record, own, _CARD),
        "control_findings": _cards(record, controls[controls["known"]], _CONTROL_CARD),
        "control_failures": _cards(record, unexpected[unexpected["control"]], [*_CONTROL_CARD, "problem"]),
        "control_count": int(controls["known"].sum()),
        "naive": _naive(record),
        "counts": {name: int((own["severity"] == name).sum()) for name in tables.SEVERITIES},
        "new": int((own["severity"].eq(Severity.VIOLATION) & ~own["known"]).sum()),
        "unanswered": dicts(reading.unanswered),
        "loud": tables.LOUD,
        "said": summary.unanswered,
        "claims": claims.grouped(record),
        "policies": _policies(reading),
        "plot": plots.error_against_gap(record),
    }
    return _ENVIRONMENT.get_template("index.html.jinja").render(context)


def _matrix(reading: Reading) -> list[dict[str, Any]]:
    """The rows of the matrix; a framework's controls stand under its own functions."""
    table = tables.matrix(reading)
    rows = []
    for target, name in reading.record.names.items():
        if name in table.index:
            cells = table.loc[name].unstack(level=0)
            by_family = {str(family): dict(cells[family]) for family in cells.columns}
            rows.append({"name": name, "framework": target.framework, "control": target.control, "cells": by_family})
    return rows


def _policies(reading: Reading) -> list[dict[str, Any]]:
    """One row a question, with each framework's policy; a choice that is not the only one says where it is made."""
    by_question = sorted(reading.policies, key=lambda policy: (policy.question, policy.framework))
    return [
        {
            "question": question,
            "policies": [
                {"policy": policy, "places": {answer: _listed(places) for answer, places in policy.answers.items()}}
                for policy in mine
            ],
        }
        for question, mine in groupby(by_question, lambda policy: policy.question)
    ]


def _listed(places: Sequence[str]) -> str:
    more = f"; and {len(places) - _ALSO} more" if len(places) > _ALSO else ""
    return "; ".join(places[:_ALSO]) + more


def _cells(record: Record) -> str:
    """JSON for the script: the grades, names, and grade and counts of each target × family × op × dtype by their numbers."""
    rows = record.observations.assign(target=names(record, record.observations))
    keys = ["target", "family", "op", "dtype"]
    texts = [list(map(escape.printable, pd.factorize(rows[key])[1].tolist())) for key in keys]
    facts: dict[str, pd.Series] = {key: pd.Series(pd.factorize(rows[key])[0], rows.index) for key in keys}
    facts["grade"] = rows["grade"].map({name: i for i, name in enumerate(tables.GRADES)}).fillna(-1).astype(int)
    facts["violated"] = rows["severity"] == Severity.VIOLATION
    facts["missing"] = rows["outcome"] == "not_asked"
    cells = (
        pd.DataFrame(facts)
        .groupby(keys, sort=False)
        .agg(
            grade=("grade", "max"),
            cases=("grade", "size"),
            violations=("violated", "sum"),
            missing=("missing", "sum"),
        )
    )
    listed = cells.reset_index().astype(int).to_numpy().tolist()
    # A script ends where its text says so, in a string of JSON too.
    return json.dumps([tables.GRADES, texts, listed], separators=(",", ":")).replace("<", "\\u003c")


def _cards(record: Record, found: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """A card for each fault: its first finding in full, and where else it shows."""
    cards = []
    for _, mine in found.groupby(by, sort=False):
        first, *others = dicts(mine)
        everywhere = {f"in_{key}": json.dumps(sorted(set(mine[key]))) for key in ("name", "op", "dtype", "family")}
        cards.append({**_card(record, first), **everywhere, "also": others[:_ALSO], "more": len(others)})
    return cards


def _card(record: Record, row: dict[Any, Any]) -> dict[str, Any]:
    """A finding as the page shows it: numbers in decimal beside hex."""
    witness = row["witness"]
    observation = record.observations.loc[row["rows"][0]].to_dict()
    exhibit = exhibit_of(observation)
    x = exhibit.inputs.x if exhibit and exhibit.inputs else None
    text = script_of(record, observation, Finding(row["kind"], Severity(row["severity"]), row["detail"], witness))
    if len(text) > _LONGEST or (x is None and not row["control"]):
        text = f"conformance reproduce {row['id']}@{row['version']}\n"
    shown: dict[str, Any] = {
        "row": _handed_over(x, row["case"]),
        "script": text,
        "lanes": [],
        "index": 0,
    }
    if witness is not None:
        figures = {
            "logit": witness.logit, "got": witness.got, "true, rounded": witness.expected, "allowed error": witness.bound
        }  # fmt: skip
        shown["lanes"] = [(name, f"{value:.9g}", value.hex()) for name, value in figures.items()]
        shown["index"] = witness.index
    return {**row, **shown}


def _handed_over(x: Numbers | None, case: str) -> str:
    """What was handed over as x, runs of equal numbers folded: ``[0, −10 × 16]``; the case where it has many runs."""
    if x is None:
        return f"that of case {case}"
    shape = "×".join(map(str, x.shape))
    text = "[" + ", ".join(f"{value:.9g}" + (f" × {n}" if n > 1 else "") for value, n in runs_of(x)) + "]"
    if x.size and (not runs_of(x) or len(text) > _LONGEST):
        return f"{shape} numbers, case {case}"
    return text + (f" of shape {shape}" if x.ndim > 1 else "")


def _naive(record: Record) -> dict[str, int]:
    """How many rows of ±1000 the textbook definition violates, beside the frameworks' own functions."""
    rows = record.observations
    hostile = rows[(rows["family"] == "magnitude") & (rows["severity"] == Severity.VIOLATION)]
    control = hostile["control"].astype(bool)
    return {"definition": int((control & (hostile["mode"] == "definition")).sum()), "own": int((~control).sum())}
