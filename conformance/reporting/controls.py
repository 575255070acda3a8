"""Controls: what a textbook formula is caught at, and whether arithmetic explains it.

What a formula gets wrong follows from its arithmetic, so each observation of a control carries which kinds of finding it
*must* show and which it *may* show.  A violation that it may or must show is *caught as expected*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from conformance.record import finding_id
from conformance.record import rows as read
from conformance.record.findings import PLACE
from conformance.reporting.frames import dicts
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.record import Record

UNEXPLAINED, NOT_CAUGHT = "unexplained", "not caught"


def unexplained(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of the violations of one observation of a control that its arithmetic does not explain."""
    must, may = read.expected_of(row)
    if must | may >= set(row["findings"].split(";")):
        return ()
    found = (finding for finding in read.findings_of(row) if finding.severity is Severity.VIOLATION)
    return tuple(finding.kind for finding in found if finding.kind not in must | may)


def not_caught(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that one answer of a control must have been caught at, and was not."""
    if row["outcome"] != "answered":
        return ()
    must, _ = read.expected_of(row)
    return tuple(sorted(must - set(row["findings"].split(";"))))


def control_failures(record: Record) -> pd.DataFrame:
    """One row for each thing about a control that arithmetic does not explain.

    Columns
    -------
    id, target, version, framework, variant, mode, device, op, way, dtype, family, kind
        As in :func:`conformance.record.findings`.
    problem
        ``unexplained``: a violation that the formula cannot be blamed for; the framework's own exp, log, sum or max is.
        ``not caught``: a violation that must be there and is not, so the suite overlooks it.
    cases, case, case_id
        How many observations show it, and which the first is.
    rows
        Their index labels, a tuple.
    """
    observations = record.observations
    mine = observations[observations["control"].astype(bool)]
    # Most observations of a control are right and must not be anything else.
    mine = mine[(mine["findings"] != "") | (mine["expected"] != "")]
    places = ["target", "version", *PLACE[:-1], "case", "case_id"]
    needed = [*places, "outcome", "findings", "expected", "witness"]
    same = ["target", "version", *PLACE, "problem"]
    columns = ["id", *same, "cases", "case", "case_id", "rows"]
    problems = [
        {**{name: row[name] for name in places}, "row": label} | {"kind": kind, "problem": problem}
        for label, row in zip(mine.index, dicts(mine[needed]), strict=True)
        for problem, kinds in ((UNEXPLAINED, unexplained(row)), (NOT_CAUGHT, not_caught(row)))
        for kind in kinds
    ]
    if not problems:
        return pd.DataFrame(columns=columns).astype({"cases": int})
    failures = pd.DataFrame(problems).groupby(same, sort=False).agg(
        cases=("case", "size"), case=("case", "first"), case_id=("case_id", "first"), rows=("row", tuple)
    ).reset_index()  # fmt: skip
    failures["id"] = [finding_id(**place) for place in dicts(failures[list(PLACE)])]
    return failures[columns]
