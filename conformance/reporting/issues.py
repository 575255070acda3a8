"""One finding as a report for the tracker of its framework, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.reporting import escape
from conformance.reporting.scripts import part_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from conformance.record import Record
    from conformance.values import Finding


def markdown(record: Record, row: Mapping[str, Any], finding: Finding, script: str, rule: str) -> str:
    """A title, what comes and what is due, why that is wrong, the script, and where it was seen.

    Parameters
    ----------
    row
        The observation, by its columns.
    script
        That of the finding.
    rule
        The rule that it breaks, in one sentence.
    """
    part, target = part_of(record, row)
    said, machine = escape.markdown, part.header.machine
    subject = next(
        one for one in part.header.subjects
        if (one.framework, one.variant, one.version) == (target.framework, target.variant, target.version)
    )  # fmt: skip
    way = "" if row["way"] == "plain" else f" ({row['way']})"
    versions = {target.framework: target.version, "numpy": subject.numpy, "python": subject.python, **subject.versions}
    lines = [
        f"# {said(row['op'])} of {said(row['dtype'])}{way}, {said(target.mode)}: {said(finding.detail)}",
        "",
        *_figures(finding),
        f"Why this is wrong: {said(finding.detail)}. The rule is: {said(rule)}",
        "",
        "## Script",
        "",
        "It needs nothing but the framework and NumPy, and exits with status 1 while the fault is there.",
        "",
        "```python",
        escape.program(script).rstrip(),
        "```",
        "",
        "## Seen with",
        "",
        *(f"- {said(name)} {said(version)}" for name, version in versions.items() if version),
        f"- {said(target.device)}, {said(machine.cpu)} ({said(machine.platform)}), {said(machine.system)}",
        f"- found by softmax-conformance {said(part.header.suite_version)}, case {said(row['family'])}/{said(row['case'])}",
    ]
    return "\n".join(lines) + "\n"


def _figures(finding: Finding) -> list[str]:
    """What was due and what came, where that is a number."""
    if finding.witness is None:
        return []
    told = finding.witness
    return [
        f"- expected: {told.expected!r} (`{told.expected.hex()}`), within {told.bound!r}",
        f"- got: {told.got!r} (`{told.got.hex()}`)",
        "",
    ]
