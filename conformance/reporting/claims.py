"""Which claims hold?  The claims table of a record, as data for the page and as ``docs/claims.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.record import Record


def grouped(record: Record) -> list[dict[str, Any]]:
    """One dictionary a claim: slug, statement, verdict in a line, answers (target, dtype, verdict, evidence)."""
    found = []
    for (slug, statement), rows in record.claims.groupby(["claim", "statement"], sort=False):
        counts = rows["verdict"].value_counts()
        verdict = "; ".join(f"{name} for {n} of {len(rows)}" for name, n in counts.items())
        if len(counts) == 1:
            verdict = f"{counts.index[0]} everywhere"
        answers = rows[["target", "dtype", "verdict", "evidence"]].to_dict("records")
        found.append({"slug": slug, "statement": statement, "verdict": verdict, "answers": answers})
    return found


def markdown(record: Record) -> str:
    """The page ``docs/claims.md``."""
    versions = {t["framework"]: t["version"] for t in record.header["plan"]["targets"]}
    asked = f"Asked on {record.header['started'][:10]} of {', '.join(f'{k} {v}' for k, v in versions.items())}"
    lines = [
        "# Claims about softmax, asked of every target",
        "",
        "<!-- Made by `conformance report reports/latest --claims docs/claims.md`; do not edit. -->",
        "",
        f"{asked} on {record.header['environment']['platform']}.",
        "A claim can be false of a target that conforms; the evidence says why.",
        "",
        "| claim | verdict |",
        "|---|---|",
    ]
    claims = grouped(record)
    lines += [f"| {claim['statement']} | {claim['verdict']} |" for claim in claims]
    for claim in claims:
        lines += ["", f"## {claim['statement']}", "", "| target | dtype | verdict | evidence |", "|---|---|---|---|"]
        lines += [
            f"| {a['target']} | {a['dtype']} | {a['verdict']} | {a['evidence'].replace('|', chr(92) + '|')} |"
            for a in claim["answers"]
        ]
    return "\n".join(lines) + "\n"
