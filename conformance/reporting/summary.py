"""What is worth saying in a page of Markdown?  The verdict, the targets, and the findings by family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.reporting import tables

if TYPE_CHECKING:
    from conformance.record import Record


def verdict(record: Record) -> str:
    """The run in one sentence."""
    found = tables.findings(record)
    own = found[~found["control"] & (found["severity"] == "violation")]
    targets = [t for t in record.header["plan"]["targets"] if not t["control"]]
    clean = [t["target"] for t in targets if t["target"] not in set(own["target"])]
    if own.empty:
        return f"None of {len(targets)} targets violates the contract on {record.footer['rows']:,} questions."
    new = int((own["ledger"] == "").sum())
    news = "all of them known to the ledger" if not new else f"{new} of them unknown to the ledger"
    said = (
        f"{len(targets) - len(clean)} of {len(targets)} targets violate the contract somewhere: "
        f"{len(own)} findings, {news}."
    )
    return said + (f" Without a violation: {', '.join(clean)}." if clean else "")


def markdown(record: Record) -> str:
    """The file ``summary.md``."""
    header = record.header
    machine = f"{header['environment']['cpu']} ({header['environment']['platform']})"
    asked = f"Tier {header['tier']}, seed {header['seed']}, {header['started']}, {machine}"
    lines = [
        "# softmax conformance",
        "",
        verdict(record),
        "",
        f"{asked}, suite {header['suite_version']}.",
        f"The truth of {record.footer['escalated']:,} rows was computed twice, a verdict having been in doubt.",
        f"Not proved: {header['tier_proves_not']}.",
        "",
    ]
    if not record.footer["complete"]:
        lines += ["**Incomplete: the run was interrupted; this is what was done.**", ""]
    lines += ["| target | cases | worst grade | violated | degraded | policy |", "|---|---:|---|---:|---:|---:|"]
    lines += [
        f"| {t['target']} | {t['cases']} | {t['grade'] or '—'} | {t['violation']} | {t['degraded']} | {t['policy']} |"
        for t in tables.targets(record).to_dict("records")
    ]
    found = tables.findings(record)
    found = found[~found["control"] & found["severity"].isin(["violation", "degraded"])]
    lines += ["", "## Findings, the textbook controls left out", ""]
    lines += ["| severity | target | op | dtype | family | kind | cases | worst ÷ bound | ledger |"]
    lines += ["|---|---|---|---|---|---|---:|---:|---|"]
    lines += [
        f"| {f['severity']} | {f['target']} | {f['op']} | {f['dtype']} | {f['family']} | {f['kind']} | {f['cases']} | "
        f"{f['worst']:.3g} | {f['ledger'] or '**new**'} |"
        for f in found.to_dict("records")
    ]
    lines += ["", "## Policies", "", "| question | framework | choices |", "|---|---|---|"]
    lines += [
        f"| {row['question']} | {row['framework']} | {' and '.join(row['choices'])}"
        f"{' (inconsistent)' if row['inconsistent'] else ''} |"
        for row in tables.policies(record).sort_values(["question", "framework"]).to_dict("records")
    ]
    return "\n".join(lines) + "\n"
