"""What is worth saying in a page of Markdown?  The verdict, the targets, and the findings by family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.reporting.escape import markdown as text
from conformance.reporting.frames import dicts
from conformance.reporting.tables import LOUD
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from conformance.record import Part
    from conformance.reporting.reading import Reading


def verdict(reading: Reading) -> str:
    """What was found, in a sentence or two."""
    found = reading.own
    found = found[found["severity"] == Severity.VIOLATION]
    targets = [name for target, name in reading.record.names.items() if not target.control]
    violating = set(found["name"])
    clean = [name for name in targets if name not in violating]
    missing = int((reading.record.observations["outcome"] == "not_asked").sum())
    asked = f"{reading.rows - missing:,} questions"
    if found.empty:
        said = f"None of {len(targets)} targets violates the contract on {asked}."
    else:
        new = int((~found["known"]).sum())
        news = "all of them known to the ledger" if not new else f"{new} of them unknown to the ledger"
        said = (
            f"{len(violating)} of {len(targets)} targets violate the contract somewhere: {len(found)} findings, {news}."
        )
        said += f" Without a violation: {', '.join(clean)}." if clean else ""
    if missing:
        said += f" {missing:,} more questions were NOT ASKED, and nothing is said of them."
    return said + controls(reading)


def controls(reading: Reading) -> str:
    """A sentence on controls that do what arithmetic does not explain; empty where none does."""
    found = reading.unexpected
    count = int(found["control"].sum())
    return f" {count} findings about textbook controls are unexpected." if count else ""


def unanswered(row: Mapping[str, object]) -> str:
    """One row of :func:`conformance.reporting.tables.unanswered` as a sentence."""
    outcome = str(row["outcome"]).replace("_", " ")
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"{row['name']}: {row['questions']:,} questions {outcome}{reason}"


def markdown(reading: Reading) -> str:
    """The file ``summary.md``."""
    record = reading.record
    lines = ["# softmax conformance", "", text(verdict(reading)), ""]
    lines += [_run(part) for part in record.parts]
    escalated = sum(part.footer.escalated for part in record.parts)
    lines += [
        f"The truth of {escalated:,} rows was computed twice, a verdict having been in doubt.",
        text(f"Not proved: {reading.proves_not}."),
        "",
    ]
    if not record.complete:
        lines += ["**Incomplete: the run was interrupted; this is what was done.**", ""]
    loud = dicts(reading.unanswered[reading.unanswered["outcome"].isin(LOUD)])
    lines += [f"- **{row['outcome'].replace('_', ' ')}** {text(unanswered(row))}" for row in loud] + [""] * bool(loud)
    lines += [f"- **stale** ledger entry {text(str(stale))}" for stale in reading.stale] + [""] * bool(reading.stale)
    lines += _table(
        ("target", "cases", "worst grade", "violated", "degraded", "policy"),
        "lrlrrr",
        (
            (t["name"], str(t["cases"]), t["grade"] or "—", str(t["violation"]), str(t["degraded"]), str(t["policy"]))
            for t in dicts(reading.targets)
        ),
    )
    found = reading.own
    found = found[found["severity"].isin([Severity.VIOLATION, Severity.DEGRADED])]
    lines += ["", "## Findings, the textbook controls left out", "", *_findings(found)]
    strange = reading.unexpected[reading.unexpected["control"]]
    if len(strange):
        lines += ["", "## Controls that do what their arithmetic does not explain", "", *_findings(strange)]
    lines += ["", "## Policies", ""]
    lines += _table(
        ("question", "framework", "choices"),
        "lll",
        (
            (p.question, p.framework, " and ".join(p.answers) + (" (inconsistent)" if p.inconsistent else ""))
            for p in sorted(reading.policies, key=lambda p: (p.question, p.framework))
        ),
    )
    silent = reading.unanswered
    if len(silent):
        columns = ("name", "outcome", "reason", "questions")
        lines += ["", "## Not answered", ""]
        lines += _table(
            ("target", "outcome", "reason", "questions"),
            "lllr",
            (tuple(str(row[name]) for name in columns) for row in dicts(silent)),
        )
    return "\n".join(lines) + "\n"


def _run(part: Part) -> str:
    """What one run was, in a line."""
    header = part.header
    machine = f"{header.machine.cpu} ({header.machine.platform})"
    tier = header.plan.tier.name.lower()
    return text(f"Tier {tier}, seed {header.plan.seed}, {header.started}, {machine}, suite {header.suite_version}.")


def _findings(found: pd.DataFrame) -> list[str]:
    """The table of findings."""

    def known(row: Mapping[str, object]) -> str:
        return str(row["ledger"] or "") or str(row.get("problem", "new"))

    return _table(
        ("severity", "target", "op", "way", "dtype", "family", "kind", "cases", "worst ÷ bound", "ledger"),
        "lllllllrrl",
        (
            (
                *(str(row[name]) for name in ("severity", "name", "op", "way", "dtype", "family", "kind", "cases")),
                "—" if math.isnan(row["worst"]) else f"{row['worst']:.3g}",
                known(row),
            )
            for row in dicts(found)
        ),
    )


def _table(heads: tuple[str, ...], aligned: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines of a table; ``aligned`` has a letter a column, l or r."""
    rule = "|".join("---:" if side == "r" else "---" for side in aligned)
    return [
        f"| {' | '.join(heads)} |",
        f"|{rule}|",
        *(f"| {' | '.join(map(text, row))} |" for row in rows),
    ]
