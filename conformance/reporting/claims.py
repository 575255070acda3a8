"""Which claims hold?  The claims table of a record, as data for the page and as ``docs/claims.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.reporting.escape import markdown as text
from conformance.reporting.frames import dicts, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.record import Record


def grouped(record: Record) -> list[dict[str, Any]]:
    """One dictionary a claim: slug, statement, verdict in a line, answers (target, dtype, verdict, evidence)."""
    found = []
    claims = record.claims.assign(target=names(record, record.claims))
    for (slug, statement), rows in claims.groupby(["claim", "statement"], sort=False):
        counts = rows["verdict"].value_counts()
        verdict = "; ".join(f"{name} for {n} of {len(rows)}" for name, n in counts.items())
        if len(counts) == 1:
            verdict = f"{counts.index[0]} everywhere"
        answers = dicts(rows[["target", "dtype", "verdict", "evidence"]])
        found.append({"slug": slug, "statement": statement, "verdict": verdict, "answers": answers})
    return found


def markdown(record: Record) -> str:
    """The page ``docs/claims.md``."""
    headers = [part.header for part in record.parts]
    days = _listed(header.started[:10] for header in headers)
    whom = _listed(f"{target.framework} {target.version}" for target in record.targets)
    where = _listed(header.machine.platform for header in headers)
    lines = [
        "# Claims about softmax, asked of every target",
        "",
        "<!-- Made by `conformance report reports/latest --claims docs/claims.md`; do not edit. -->",
        "",
        text(f"Asked on {days} of {whom} on {where}."),
        "A claim can be false of a target that conforms; the evidence says why.",
        "",
        "| claim | verdict |",
        "|---|---|",
    ]
    claims = grouped(record)
    lines += [f"| {text(claim['statement'])} | {text(claim['verdict'])} |" for claim in claims]
    for claim in claims:
        lines += ["", f"## {text(claim['statement'])}", ""]
        lines += ["| target | dtype | verdict | evidence |", "|---|---|---|---|"]
        lines += [
            "| " + " | ".join(text(answer[name]) for name in ("target", "dtype", "verdict", "evidence")) + " |"
            for answer in claim["answers"]
        ]
    return "\n".join(lines) + "\n"


def _listed(texts: Iterable[str]) -> str:
    """Each once, in their order."""
    return ", ".join(dict.fromkeys(texts))
