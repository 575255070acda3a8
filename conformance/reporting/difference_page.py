"""What people read of two records: what broke and what is gone first, as blocks for each format."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from conformance.record import MEASURED
from conformance.reporting import blocks
from conformance.reporting.blocks import Block, Points, Said, Sheet, Title
from conformance.reporting.difference import EVERY
from conformance.reporting.escape import printable
from conformance.reporting.faults import generally
from conformance.reporting.frames import counted, dicts, listed, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from conformance.reporting.difference import Diff

_HEADS = {
    "new": "New: {n} that no question showed before",
    "worse": "Worse: {n} on questions that did not show it, of a worse severity, or with a larger error",
    "fixed": "Fixed: {n} that no question shows any more",
    "better": "Better: {n} on fewer questions, of a milder severity, or with a smaller error",
}
_LOUD = ("new", "worse")


def page(diff: Diff, title: str) -> list[Block]:
    """All that is said of a diff, what nobody may overlook first."""
    said: list[Block] = [Title(title, 1), *_targets(diff.targets)]
    for change in _LOUD:
        said += _findings(diff, change)
    if not (diff.findings["change"].isin(list(_LOUD))).any():
        said.append(Said("No finding is new or worse."))
    said += _alone(diff.lost, "Gone: {n}, asked or supported before, and not now", loud=True)
    if len(diff.policies):
        rows = tuple(
            (
                one["target"],
                one["question"],
                one["old"],
                one["new"],
                f"{one['op']} {one['dtype']}",
                f"{one['questions']:,}",
            )
            for one in dicts(diff.policies)
        )
        said += [
            Title("Policies that changed"),
            Sheet(("target", "question", "old", "new", "op, dtype", "questions"), rows, ("questions",)),
        ]
    for change in ("fixed", "better"):
        said += _findings(diff, change)
    return [
        *said,
        *_alone(diff.gained, "Gained: {n}, not asked or supported before"),
        *_grades(diff),
    ]


def html(what: Iterable[Block], title: str) -> str:
    """A whole page of HTML, which needs no network."""
    body, head = blocks.html(what), escape(printable(title))
    style = (
        "body{font:1rem/1.5 system-ui;max-width:70rem;margin:auto;padding:1rem}td,th{padding:0 .6rem;text-align:left}"
    )
    return f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{head}</title><style>{style}</style></head><body>\n{body}</body></html>\n'


def _targets(targets: pd.DataFrame) -> list[Block]:
    if targets.empty:
        return [Said("No target stands in both records.", loud=True)]
    heads = ("old", "new", "asked of both", "equal bits")
    rows = tuple(
        (one["target"], one["old_version"], one["new_version"], f"{one['questions']:,}",
         percent(one["same_bits"] / one["questions"]) if one["questions"] else "—")
        for one in dicts(targets)
    )  # fmt: skip
    return [Sheet(("target", *heads), rows, heads[2:])]


def _findings(diff: Diff, change: str) -> list[Block]:
    """The findings of one kind of change: a point for each framework, op and check, over modes, dtypes and families."""
    found = diff.findings[diff.findings["change"] == change]
    if found.empty:
        return []
    by = ["subject", "op", "kind", "severity_old", "severity_new"]
    grouped = found.assign(subject=found["target"].str.partition("/")[0]).groupby(by, sort=False)
    points = tuple(_point(dict(zip(by, map(str, place), strict=True)), mine) for place, mine in grouped)
    return [*_headed(_HEADS[change].format(n=counted(len(found), "finding")), loud=change in _LOUD), Points(points)]


def _headed(text: str, *, loud: bool) -> list[Block]:
    head, _, rest = text.partition(": ")
    return [Title(head), Said(rest, loud=loud)]


def _point(place: dict[str, str], mine: pd.DataFrame) -> tuple[str, ...]:
    severity = " → ".join(dict.fromkeys(one for one in (place["severity_old"], place["severity_new"]) if one))
    cases = f"{mine['cases_old'].sum():,} → {counted(int(mine['cases_new'].sum()), 'question')}"
    if mine["appeared"].sum() and mine["vanished"].sum():
        cases += f" ({mine['appeared'].sum():,} appeared, {mine['vanished'].sum():,} vanished)"
    modes = mine["target"].str.partition("/")[2]
    under = [f"{listed(modes)} in {listed(mine['dtype'])}: {listed(mine['family'])}"]
    worst = [float(mine[f"worst_{side}"].max()) for side in ("old", "new")]
    if place["kind"] in MEASURED and not all(map(math.isnan, worst)):
        told = ("none" if math.isnan(one) else f"{one:.3g}" for one in worst)
        under.append(f"error over the stable bound: {' → '.join(told)}")
    first = dicts(mine)[0]
    way = "" if first["way"] == "plain" else f"{first['way']} "
    under.append(f"{way}{first['dtype']} {first['family']}/{first['case']}: {first['detail']}")
    return (f"{place['subject']}: {place['op']} {generally(place['kind'])}: {severity}, {cases}", *under)


def _alone(rows: pd.DataFrame, head: str, *, loud: bool = False) -> list[Block]:
    if rows.empty:
        return []
    lines: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in dicts(rows):
        lines.setdefault((one["target"], one["old_version"], one["new_version"], one["why"]), []).append(one)
    points = []
    for (target, old, new, why), mine in lines.items():
        count = sum(one["questions"] for one in mine)
        places = ["everything" if one["dtype"] == EVERY else _place(one) for one in mine]
        releases = " → ".join(dict.fromkeys(filter(None, (old, new))))
        points.append((f"{target} {releases}: {counted(count, 'question')}: {why}", listed(places, 8)))
    return [
        *_headed(head.format(n=counted(int(rows["questions"].sum()), "question")), loud=loud),
        Points(tuple(points)),
    ]


def _place(one: dict[str, Any]) -> str:
    """op, way, dtype and family, as far as they are named."""
    named = [one[name] for name in ("op", "way", "dtype", "family") if one[name] not in (EVERY, "plain")]
    return " ".join(map(str, named))


def _grades(diff: Diff) -> list[Block]:
    if diff.grades.empty:
        return []
    rows = tuple(
        (one["target"], one["op"], one["dtype"], f"{one['better']:,}", f"{one['worse']:,}")
        for one in dicts(diff.grades)
    )
    heads = ("better", "worse")
    return [
        Title("Grades of the other questions"),
        Said("How many answers are of a better or of a worse grade, and show the same findings as before."),
        Sheet(("target", "op", "dtype", *heads), rows, heads),
    ]
