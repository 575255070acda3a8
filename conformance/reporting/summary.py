"""What is worth saying in a page of Markdown?  The verdict, the frameworks, and folded behind them all else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.reporting import blocks
from conformance.reporting.blocks import Block, Folded, Points, Said, Sheet, Title
from conformance.reporting.frames import counted, dicts
from conformance.reporting.tables import GRADES, LOUD, worst
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from conformance.record import Part
    from conformance.reporting.faults import Fault
    from conformance.reporting.reading import Reading

_LINES = 5
"""How many lines of a kind stand open; the others are folded."""

_FOLDED = 100
"""How many findings the folded tables hold."""

_OPEN = 10
"""How many faults, and frameworks, do."""


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
        wrong = sum(fault.violated for fault in reading.faults)
        new = int((~found["known"]).sum())
        news = "all of them known to the ledger" if not new else f"{new} of the findings unknown to the ledger"
        said = (
            f"{len(violating)} of {len(targets)} targets violate the contract somewhere: "
            f"{counted(wrong, 'fault')} ({counted(len(found), 'finding')}), {news}."
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
    """The file ``summary.md``: what fits the summary of a pull request, and all else folded behind it."""
    return blocks.markdown(_page(reading)).rstrip("\n") + "\n"


def _page(reading: Reading) -> list[Block]:
    record = reading.record
    said: list[Block] = [Title("softmax conformance", 1), Said(verdict(reading))]
    if not record.complete:
        said.append(Said("Incomplete: the run was interrupted; this is what was done.", loud=True))
    loud = dicts(reading.unanswered[reading.unanswered["outcome"].isin(LOUD)])
    said += [Said(unanswered(row), loud=True) for row in loud[:_LINES]]
    said += [Said(f"stale ledger entry {stale}", loud=True) for stale in reading.stale[:_LINES]]
    strange = reading.unexpected
    if len(strange):
        said += [Title("Unexpected"), _findings(strange.head(_LINES))]
        if len(strange) > _LINES:
            said.append(Said(f"And {len(strange) - _LINES} more."))
    said += _by_cause_and_framework(reading)
    said.append(Folded("Targets", (_targets(reading),)))
    for severity in (Severity.VIOLATION, Severity.DEGRADED):
        found = reading.own[reading.own["severity"] == severity]
        if len(found):
            more = len(found) - _FOLDED
            rest = (Said(f"And {more:,} more in divergences.csv."),) if more > 0 else ()
            folded = (_findings(found.head(_FOLDED)), *rest)
            said.append(Folded(f"{str(severity).capitalize()}: {counted(len(found), 'finding')}", folded))
    controlled = strange[strange["control"]]
    if len(controlled):
        said.append(Folded("Controls that do what their arithmetic does not explain", (_findings(controlled),)))
    if reading.policies:
        said.append(Folded("Policies", (_policies(reading),)))
    if len(reading.unanswered):
        said.append(Folded("Not answered", (_silent(reading),)))
    if len(reading.stale) > _LINES:
        said.append(Folded("Stale ledger entries", (Points(tuple((str(stale),) for stale in reading.stale)),)))
    escalated = sum(part.footer.escalated for part in record.parts)
    runs = [Said(_run(part)) for part in record.parts]
    twice = f"The truth of {escalated:,} rows was computed twice, a verdict having been in doubt."
    return [*said, Folded("The runs", (*runs, Said(twice))), Said(f"Not proved: {reading.proves_not}.")]


def _by_cause_and_framework(reading: Reading) -> list[Block]:
    """The faults, and a table of the frameworks; of either what is too much to stand open is folded."""
    violated = [f"{fault.framework}: {_told(fault)}" for fault in reading.faults if fault.violated]
    said: list[Block] = []
    if violated:
        said += [Title("Faults, worst first"), Points(tuple((line,) for line in violated[:_OPEN]))]
    frameworks = _frameworks(reading)
    said.append(frameworks if len(frameworks.rows) <= _OPEN else Folded("Frameworks", (frameworks,)))
    if more := violated[_OPEN:]:
        said.append(Folded(f"{len(more)} more faults", (Points(tuple((line,) for line in more)),)))
    return said


def _told(fault: Fault) -> str:
    """What happens, in which modes and dtypes, how often."""
    answers = f"{fault.cases:,} answer{'' if fault.cases == 1 else 's'}"
    where = f"{', '.join(fault.values('mode'))}; {', '.join(fault.values('dtype'))}; {answers}"
    return f"{'' if fault.known else 'new: '}{fault.title} ({where})"


def _frameworks(reading: Reading) -> Sheet:
    """A row a framework and version: what its own functions were asked, and what was found."""
    by = ["framework", "variant", "version"]
    rows = reading.record.observations
    rows = rows[~rows["control"]].assign(asked=~rows["outcome"].isin(["unsupported", "not_asked"]))
    found = reading.own[reading.own["severity"] == Severity.VIOLATION]
    lines = []
    for place, mine in rows.groupby(by, sort=True):
        framework, variant, version = map(str, place)
        wrong = found[(found[by] == [framework, variant, version]).all(axis=1)]
        lines.append(
            (f"{framework}:{variant}" if variant else framework, version, f"{mine['asked'].sum():,}",
             worst(mine["grade"], GRADES) or "—", f"{len(wrong):,}", f"{(~wrong['known']).sum():,}",
             f"{(mine['severity'] == Severity.VIOLATION).sum():,}")
        )  # fmt: skip
    heads = ("questions", "violations", "of them new", "questions violated")
    return Sheet(("framework", "version", heads[0], "worst grade", *heads[1:]), tuple(lines), heads)


def _targets(reading: Reading) -> Sheet:
    heads = ("cases", "violated", "degraded", "policy")
    return Sheet(
        ("target", "cases", "worst grade", "violated", "degraded", "policy"),
        tuple(
            (t["name"], str(t["cases"]), t["grade"] or "—", str(t["violation"]), str(t["degraded"]), str(t["policy"]))
            for t in dicts(reading.targets)
        ),
        heads,
    )


def _policies(reading: Reading) -> Sheet:
    return Sheet(
        ("question", "framework", "choices"),
        tuple(
            (p.question, p.framework, " and ".join(p.answers) + (" (inconsistent)" if p.inconsistent else ""))
            for p in sorted(reading.policies, key=lambda p: (p.question, p.framework))
        ),
    )


def _silent(reading: Reading) -> Sheet:
    columns = ("name", "outcome", "reason", "questions")
    rows = tuple(tuple(str(row[name]) for name in columns) for row in dicts(reading.unanswered))
    return Sheet(("target", "outcome", "reason", "questions"), rows, ("questions",))


def _run(part: Part) -> str:
    """What one run was, in a line."""
    header = part.header
    machine = f"{header.machine.cpu} ({header.machine.platform})"
    tier = header.plan.tier.name.lower()
    return f"Tier {tier}, seed {header.plan.seed}, {header.started}, {machine}, suite {header.suite_version}."


def _findings(found: pd.DataFrame) -> Sheet:
    """The table of findings."""

    def known(row: Mapping[str, object]) -> str:
        return str(row["ledger"] or "") or str(row.get("problem", "new"))

    return Sheet(
        ("severity", "target", "op", "way", "dtype", "family", "kind", "cases", "worst ÷ bound", "ledger"),
        tuple(
            (
                *(str(row[name]) for name in ("severity", "name", "op", "way", "dtype", "family", "kind", "cases")),
                "—" if math.isnan(row["worst"]) else f"{row['worst']:.3g}",
                known(row),
            )
            for row in dicts(found)
        ),
        ("cases", "worst ÷ bound"),
    )
