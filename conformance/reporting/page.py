"""The page: one HTML file that needs no network, and reads without JavaScript.

First what was asked of whom, the faults, and the matrix of targets and of what can go wrong; then a page in the page for each
fault, with its evidence; then grades by family, policies, pictures of the errors, claims, and the environment.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from conformance.judgement.policies import POLICIES
from conformance.reporting import agreement, blocks, claims, devices, escape, policies, summary, tables
from conformance.reporting.evidence import evidence
from conformance.reporting.faults import ASPECTS, answered, matrix
from conformance.reporting.frames import UNASKED, counted, dicts, percent
from conformance.reporting.questions import packed
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record import Record
    from conformance.reporting.reading import Reading
    from conformance.values import Target


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

SIGNS = {"violation": "✗", "degraded": "△", "fine": "✓", "none": "–"}
"""State of a cell → the sign that print and colour-blind readers see."""

MEANINGS = {
    "violation": "wrong: no reading of the contract allows it",
    "degraded": "legal, and worse than a user would expect",
    "fine": "asked, and nothing is wrong",
    "none": "does not have it, or was not asked",
}
"""State of a cell → what it means."""

_ALSO = 20
"""Places of a choice that are listed."""

_OPEN = 12
"""Faults that stand open; the others are folded, so that the matrix is near."""

_FOLDED = 20
"""Targets of a matrix from which on those of a framework are folded."""

_WORST = 4
"""Frameworks that are named where they are wrong together."""


def render(reading: Reading) -> str:
    """The report as one page."""
    record, found = reading.record, reading.faults
    violated = [fault for fault in found if fault.violated]
    context = {
        "reading": reading,
        "record": record,
        "parts": record.parts,
        "day": min((part.header.started for part in record.parts), default="")[:10],
        "verdict": summary.verdict(reading),
        "faults": [(fault, evidence(reading, fault)) for fault in found],
        "violated": violated,
        "open": _OPEN,
        "counted": counted,
        "degraded": [fault for fault in found if not fault.violated],
        "aspects": ASPECTS,
        "matrix": _matrix(reading, found),
        "signs": SIGNS,
        "meanings": MEANINGS,
        "who": _who(record),
        "releases": Counter(
            framework for framework, _ in {(one.framework, one.version) for one in record.targets if not one.control}
        ),
        "choices": json.dumps(_choices(record)).replace("<", "\\u003c"),
        "answered": json.dumps(_answered(reading), separators=(",", ":")).replace("<", "\\u003c"),
        "grades": _grades(reading),
        "families": record.families,
        "controls": _controls(reading),
        "naive": _naive(record),
        "unanswered": dicts(reading.unanswered),
        "loud": tables.LOUD,
        "said": summary.unanswered,
        "notes_told": _notes(reading),
        "claims": claims.grouped(record),
        "policies": _policies(reading),
        "agreement": _agreement(record),
        "devices": [Markup(blocks.html([said])) for said in devices.page(record)],  # noqa: S704 - escaped there
        "questions": packed(record),
        "libraries": libraries(),
        "modules": _modules(),
        "figures": FIGURES,
    }
    return _ENVIRONMENT.get_template("index.html.jinja").render(context)


def libraries() -> dict[str, Markup]:
    """The libraries for tables and for plots, as they are published: scripts, and a style, each with its licence in front."""
    folder = resources.files("conformance.reporting") / "templates"
    found = {
        name: (folder / path / "LICENSE", folder / path / file)
        for name, path, file in (
            ("tabulator", "tabulator", "tabulator.min.js"), ("style", "tabulator", "tabulator_simple.min.css"),
            ("d3", "d3", "d3.min.js"), ("plot", "plot", "plot.umd.min.js"),
        )
    }  # fmt: skip
    return {
        name: Markup(f"/*\n{licence.read_text('utf-8')}*/\n{file.read_text('utf-8')}")  # noqa: S704 - of this package, not of a record
        for name, (licence, file) in found.items()
    }


_MODULES = ("query.js", "errors.js", "pairs.js", "rows.js", "pictures.js", "two.js", "page.js")
"""The scripts of the page, which stand in it as one module."""


def _modules() -> Markup:
    """The scripts as one: what one imports from another is in it already."""
    folder = resources.files("conformance.reporting") / "templates"
    lines = "".join((folder / name).read_text("utf-8") for name in _MODULES).splitlines(keepends=True)
    return Markup("".join(line for line in lines if not line.startswith("import ")))  # noqa: S704 - of this package


FIGURES = (
    ("gap", "over", "Does the error grow with the logit gap?"),
    ("n", "over", "Does the error grow with the length of a row?"),
    ("gap", "ulp", "How many ulp, against the logit gap?"),
    ("n", "ulp", "How many ulp, against the length of a row?"),
)
"""Of each picture of errors its cause, its error and its question."""


def _who(record: Record) -> str:
    """Of whom was asked, for a heading: frameworks with their versions, the first four of them."""
    found: dict[str, list[str]] = {}
    for target in record.targets:
        if not target.control and target.version not in found.setdefault(target.framework, []):
            found[target.framework].append(target.version)
    told = [f"{name} {' and '.join(versions) if len(versions) < 3 else f'in {len(versions)} releases'}".strip()
            for name, versions in found.items()]  # fmt: skip
    more = [f"{len(told) - 4} more frameworks"] if len(told) > 5 else []
    told = told[: 4 if more else 5] + more
    return f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else "".join(told)


def _notes(reading: Reading) -> str:
    """How much of what nobody may overlook there is: questions by what became of them, stale entries, controls."""
    rows = reading.unanswered[reading.unanswered["outcome"].isin(tables.LOUD)]
    found = [
        f"{count:,} questions {str(outcome).replace('_', ' ')}"
        for outcome, count in rows.groupby("outcome")["questions"].sum().items()
    ]
    controls = int(reading.unexpected["control"].sum())
    found += [f"{len(reading.stale)} stale ledger entries"] if reading.stale else []
    found += [f"{controls} findings about textbook controls"] if controls else []
    return ", ".join(found)


def _choices(record: Record) -> dict[str, list[str]]:
    """What *I use …* offers: the values of each column."""
    own = [target for target in record.targets if not target.control]
    return {
        "framework": list(dict.fromkeys(target.framework for target in own)),
        "release": list(dict.fromkeys(target.version for target in own)),
        "mode": list(dict.fromkeys(target.mode for target in own)),
        "device": list(dict.fromkeys(target.device for target in own)),
        "dtype": list(dict.fromkeys([*record.dtypes, *sorted(set(map(str, record.observations["dtype"])))])),
        "op": list(record.ops),
    }


def _together(record: Record) -> list[tuple[Target, str]]:
    """The targets and their names, in their order, but those of one framework beside each other."""
    order = list(dict.fromkeys(target.framework for target in record.targets))
    return sorted(record.names.items(), key=lambda one: order.index(one[0].framework))


def _matrix(reading: Reading, found: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows of the matrix: a target, and of each aspect its state and how many faults touch it there.

    Of many targets those of a framework that has several stand under a row of the framework: the worst of them.
    """
    table = matrix(reading, found)
    targets = [(target, name) for target, name in _together(reading.record) if not target.control]
    counts = Counter(name for fault in found for name in fault.cells)
    rows = []
    for framework, mine in itertools.groupby(targets, lambda one: one[0].framework):
        own = list(mine)
        several = len(targets) > _FOLDED and len(own) > 1
        if several:
            names = [name for _, name in own]
            worst = {key: min(table.loc[names, key], key=list(SIGNS).index) for key in ASPECTS}
            rows.append({"name": framework, "targets": len(own), "framework": framework, "states": worst})
        rows += [
            {
                "name": name,
                "targets": 0,
                "of": framework if several else "",
                "target": target,
                "framework": framework,
                "states": {key: str(table.loc[name, key]) for key in ASPECTS},
            }
            for target, name in own
        ]
    for row in rows:
        row["cells"] = {
            key: {"state": state, "faults": counts[f"{row['name']}: {key}"]} for key, state in row["states"].items()
        }
    return rows


def _answered(reading: Reading) -> dict[str, Any]:
    """Ops with dtypes, and of each target and aspect the numbers of those of which it has answered a question."""
    found = answered(reading)
    pairs = list(dict.fromkeys(pair for aspects in found.values() for mine in aspects.values() for pair in mine))
    number = {pair: i for i, pair in enumerate(pairs)}
    cells = {
        name: {key: sorted(number[pair] for pair in mine) for key, mine in aspects.items()}
        for name, aspects in found.items()
    }
    return {"pairs": pairs, "cells": cells}


def _grades(reading: Reading) -> list[dict[str, Any]]:
    """Targets and families: the worst grade of each; a framework's controls stand under its own functions."""
    table = tables.matrix(reading)
    rows = []
    for target, name in _together(reading.record):
        if name in table.index:
            cells = table.loc[name].unstack(level=0)
            by_family = {str(family): dict(cells[family]) for family in cells.columns}
            rows.append({"name": name, "framework": target.framework, "control": target.control, "cells": by_family})
    return rows


def _controls(reading: Reading) -> dict[str, Any]:
    """What the textbook controls are caught at, and what they do that their arithmetic does not explain."""
    found = reading.findings[reading.findings["control"] & (reading.findings["severity"] == Severity.VIOLATION)]
    caught = found[found["known"]]
    counts = caught.groupby(["mode", "kind"], sort=False)["cases"].sum().reset_index()
    strange = reading.unexpected[reading.unexpected["control"]]
    answers = len({label for labels in caught["rows"] for label in labels})
    return {"count": len(caught), "answers": answers, "caught": dicts(counts), "strange": dicts(strange)}


def _policies(reading: Reading) -> dict[str, Any]:
    """The choices of each target, a column a question; and of each framework that chooses in several ways, where it does."""
    chosen, subjects = policies.by_target(reading.record), policies.subjects(reading.record)
    split = {(policy.framework, policy.question): policy for policy in reading.policies if policy.inconsistent}
    rows = []
    for target, name in _together(reading.record):
        if name in chosen.index:
            subject = subjects[str(target), target.version]
            cells = [(answers, (subject, question) in split) for question, answers in chosen.loc[name].items()]
            rows.append({"name": name, "subject": subject, "cells": cells})
    where = [
        {"policy": policy, "places": {answer: _listed(places) for answer, places in policy.answers.items()}}
        for policy in split.values()
    ]
    return {
        "questions": {name: POLICIES[name].question if name in POLICIES else "" for name in chosen.columns},
        "rows": rows,
        "where": where,
    }


def _agreement(record: Record) -> list[tuple[str, list[tuple[str, float, str]]]]:
    """Of each target, of each other one: its name, the share of equal bits, and that in whole per cent, rounded down."""
    table = agreement.table(record)
    return [
        (
            str(name),
            [
                (str(other), share, "" if math.isnan(share) else f"{math.floor(share * 100)}")
                for other, share in row.items()
            ],
        )
        for name, row in table.iterrows()
    ]


def _listed(places: Sequence[str]) -> str:
    more = f"; and {len(places) - _ALSO} more" if len(places) > _ALSO else ""
    return "; ".join(places[:_ALSO]) + more


def _naive(record: Record) -> str:
    """What share of the answers to rows of ±1000 the textbook definition has wrong, beside the frameworks' own functions."""
    rows = record.observations
    hostile = rows[(rows["family"] == "magnitude") & ~rows["outcome"].isin(UNASKED)]
    control = hostile["control"].astype(bool)
    definition, own = hostile[control & (hostile["mode"] == "definition")], hostile[~control]
    if definition.empty or own.empty:
        return ""
    wrong, by = definition["severity"] == Severity.VIOLATION, own["severity"] == Severity.VIOLATION
    whose = own.loc[by, "framework"].value_counts()
    told = ", ".join(f"{name} {count:,}" for name, count in whose.head(_WORST).items())
    told += f", {len(whose) - _WORST} more" if len(whose) > _WORST else ""
    return (
        f"Of the rows of the family magnitude (logits of ±1000) the definition exp(x)/Σexp(x) has {wrong.sum():,} of {len(wrong):,} "
        f"wrong ({percent(wrong.mean())}); the frameworks' own functions {by.sum():,} of {len(by):,} ({percent(by.mean())}"
        + (f": {told})." if told else ").")
    )
