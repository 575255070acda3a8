"""What a reader of one fault is shown: its smallest and its worst row, who else was asked the same, and in which releases.

Everything is of the record, but the truth and the bound of the other lanes of a row, which are computed again.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conformance.record import MEASURED, exhibit_of, findings_of
from conformance.record.exhibit import runs_of
from conformance.reporting import escape, lanes
from conformance.reporting.faults import shown
from conformance.reporting.frames import UNASKED, age, dicts, names, nonfinite
from conformance.reporting.scripts import script_of
from conformance.values import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.reporting.faults import Fault
    from conformance.reporting.reading import Reading
    from conformance.values import Exhibit, Numbers, Witness

LONGEST = 4000
"""Characters of a row or of a program; a longer one is told by its length, and stands in the record."""

COMPANY = ("same bits", "wrong there too", "worse than usual there", "right there", "raises an error there")
"""What another target can do with the smallest row of a fault."""

MOST = 20
"""Lines of a table of places; the CSV holds them all."""


@dataclass(frozen=True)
class Lane:
    """One answer beside its truth, as text: decimal and hexadecimal.

    Attributes
    ----------
    where
        What was asked: target, op, dtype, family and case.
    index
        Of the lane in its array, in C order; None of the sum of a row.
    figures
        (name, decimal, hexadecimal) of logit, answer, truth and the error that is allowed; of a sum there is no logit.
    over
        The error over the bound; empty where there are no numbers.
    """

    where: str
    index: int | None
    figures: tuple[tuple[str, str, str], ...]
    over: str


@dataclass(frozen=True)
class Evidence:
    """See the module.

    Attributes
    ----------
    row
        What was handed over at the smallest case, as text; empty where the record does not hold it.
    smallest, worst
        The lanes; the second is None where it is the same row, or where there are no numbers.
    lanes
        :func:`conformance.reporting.lanes.lanes` of the smallest, as JSON; empty where there is nothing to draw.
    script
        A program that shows the smallest again, or the command that prints it.
    detail
        What the check says of the smallest.
    reason
        Why the rows of that family are hard.
    company
        Of the other targets that were asked the smallest case: who does what of :data:`COMPANY`; none of what nobody does.
    releases
        (version, sign) of the framework, oldest first: whether the fault shows there; None where it was not asked.
    places
        The findings, as dictionaries, up to :data:`MOST`.
    """

    row: str
    smallest: Lane | None
    worst: Lane | None
    lanes: str
    script: str
    detail: str
    reason: str
    company: Mapping[str, tuple[str, ...]]
    releases: tuple[tuple[str, bool | None], ...]
    places: tuple[Mapping[Any, Any], ...]


def evidence(reading: Reading, fault: Fault) -> Evidence:
    """The evidence of one fault."""
    record = reading.record
    first = fault.smallest
    observation = record.observations.loc[first["rows"][0]].to_dict()
    exhibit = exhibit_of(observation)
    x = exhibit.inputs.x if exhibit and exhibit.inputs else None
    text = script_of(
        record, observation, Finding(first["kind"], Severity(first["severity"]), first["detail"], first["witness"])
    )
    if x is None or not text or len(text) > LONGEST:
        text = f"conformance reproduce {first['id']}@{first['version']}\n"
    return Evidence(
        row=_handed_over(x),
        smallest=_lane(first["name"], observation, first["kind"], first["witness"]),
        worst=_worst(reading, fault, first["rows"][0]),
        lanes=_drawn(observation, first, exhibit),
        script=text,
        detail=first["detail"],
        reason=record.families.get(first["family"], ""),
        company=_company(reading, observation),
        releases=_releases(reading, fault),
        places=tuple(dicts(fault.findings.head(MOST))),
    )


def _drawn(observation: Mapping[Any, Any], first: Mapping[Any, Any], exhibit: Exhibit | None) -> str:
    """The lanes of the smallest row, as JSON."""
    if exhibit is None or exhibit.inputs is None or first["witness"] is None:
        return ""
    drawn = lanes.lanes(observation, first["kind"], exhibit.inputs, first["witness"])
    return "" if drawn is None else json.dumps(drawn, separators=(",", ":"))


def _worst(reading: Reading, fault: Fault, but: Any) -> Lane | None:
    """The lane whose error is the largest multiple of its bound; None where it is that of the row that is shown anyway."""
    rows = reading.record.observations
    measured = fault.findings[fault.findings["kind"].isin(MEASURED)]
    mine = rows.loc[list(dict.fromkeys(label for labels in measured["rows"] for label in labels))]
    mine = mine[~nonfinite(mine["findings"])]
    sized = mine["error_over_bound"].fillna(-1.0)
    if mine.empty or sized.max() < 0 or sized.max() == rows.loc[but, "error_over_bound"]:
        return None
    row = mine[sized == sized.max()].head(1)
    observation = dicts(row)[0]
    told = next((one for one in findings_of(observation) if one.kind in MEASURED), None)
    return (
        None if told is None else _lane(str(names(reading.record, row).iloc[0]), observation, told.kind, told.witness)
    )


def _lane(name: str, observation: Mapping[Any, Any], kind: str, told: Witness | None) -> Lane | None:
    if told is None:
        return None
    way = "" if observation["way"] == "plain" else f" ({observation['way']})"
    lane = kind not in lanes.SUMS
    answer = ("answer" if lane else "sum of the row", told.got)
    logit = (("logit", told.logit),) if lane else ()
    figures = (*logit, answer, ("right is", told.expected), ("allowed error", told.bound))
    over = observation["error_over_bound"]
    return Lane(
        f"{name}: {observation['op']}{way} of {observation['dtype']}, {observation['family']}/{observation['case']}",
        told.index if lane else None,
        tuple((label, f"{value:.9g}", value.hex()) for label, value in figures),
        shown(over) if kind in MEASURED and not math.isnan(over) else "",
    )


def _company(reading: Reading, observation: Mapping[Any, Any]) -> dict[str, tuple[str, ...]]:
    """What the others that were asked the same do there, in the order of :data:`COMPANY`."""
    rows = reading.record.observations
    asked = rows[(rows["case_id"] == observation["case_id"]) & ~rows["control"].astype(bool)]
    asked = asked[~asked["outcome"].isin(UNASKED)]
    asked = asked.assign(name=names(reading.record, asked))
    found: dict[str, list[str]] = {what: [] for what in COMPANY}
    for other in dicts(asked.drop_duplicates(["target", "version"])):
        if (other["target"], other["version"]) == (observation["target"], observation["version"]):
            continue
        if other["digest"] and other["digest"] == observation["digest"]:
            what = "same bits"
        elif other["severity"] == Severity.VIOLATION:
            what = "wrong there too"
        elif other["outcome"] != "answered":
            what = "raises an error there"
        else:
            what = "worse than usual there" if other["severity"] == Severity.DEGRADED else "right there"
        found[what].append(other["name"])
    return {what: tuple(who) for what, who in found.items() if who}


def _releases(reading: Reading, fault: Fault) -> tuple[tuple[str, bool | None], ...]:
    """Each release of the framework in the record; none where there is only one."""
    versions = {target.version for target in reading.record.targets if target.framework == fault.framework}
    if len(versions) < 2:
        return ()
    rows = reading.record.observations
    mine = rows[rows["op"].isin(fault.values("op")) & rows["dtype"].isin(fault.values("dtype"))]
    mine = mine[mine["family"].isin(fault.values("family")) & mine["mode"].isin(fault.values("mode"))]
    mine = mine[(mine["framework"] == fault.framework) & ~mine["outcome"].isin(UNASKED)]
    asked, shows = set(mine["version"]), set(fault.findings["version"])
    return tuple((one, one in shows if one in asked else None) for one in sorted(versions, key=age))


def _handed_over(x: Numbers | None) -> str:
    """What was handed over as x, runs of equal numbers folded: ``[0, −10 × 16]``; its shape where it has many runs."""
    if x is None:
        return ""
    shape = "×".join(map(str, x.shape))
    text = "[" + ", ".join(f"{value:.9g}" + (f" × {n}" if n > 1 else "") for value, n in runs_of(x)) + "]"
    if x.size and (not runs_of(x) or len(text) > LONGEST):
        return f"{shape} numbers"
    return escape.printable(text + (f" of shape {shape}" if x.ndim > 1 else ""))
