"""``conformance diff``: what changed between two records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.cli.options import merged
from conformance.cli.status import FINDINGS, INCOMPLETE, OK
from conformance.values import GATES, Severity

if TYPE_CHECKING:
    from conformance.record import Record

EXAMPLES = """
\b
Examples:
  conformance diff reports/before reports/latest
  conformance diff reports/before reports/latest --fail-on degraded --format markdown >> "$GITHUB_STEP_SUMMARY"
  conformance diff reports/latest:jax@0.4.30 reports/latest:jax@0.10.2        two releases in one record
Exit status: 0 nothing new at or above the gate, 1 a question shows a finding that it did not show, or more severely,
2 bad usage, 3 one of the records is incomplete.
"""


@click.command(epilog=EXAMPLES)
@click.argument("old")
@click.argument("new")
@click.option("--fail-on", type=click.Choice([str(gate) for gate in GATES]), default="violation", show_default=True,
              help="The mildest new finding that makes the status 1.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["terminal", "markdown", "html"]), default="terminal",
              show_default=True, help="How it is written to the standard output.")  # fmt: skip
def diff(old: str, new: str, fail_on: str, form: str) -> int:
    """Say what changed from the record OLD to the record NEW: what broke, what is gone, what is worse, better or fixed.

    Each is the folder of a report or its Parquet file, and may end with a colon and targets: framework@version, or a
    glob of framework/mode/device.  Targets are compared whatever their versions are.
    """
    from rich.console import Console

    from conformance.reporting import blocks, difference, difference_page

    records = [_read(text) for text in (old, new)]
    found = difference.diff(*records)
    title = f"{old} → {new}"
    what = difference_page.page(found, title)
    questions = {part.header.plan.questions for record in records for part in record.parts}
    if len(questions) > 1:
        what.insert(1, blocks.Said("The two suites ask other questions; those that both ask are compared."))
    complete = all(record.complete for record in records)
    if not complete:
        what.insert(
            1, blocks.Said("Incomplete: a run was interrupted, and what it did not ask is gone here.", loud=True)
        )
    if form == "terminal":
        blocks.terminal(what, Console())
    else:
        click.echo(blocks.markdown(what) if form == "markdown" else difference_page.html(what, title), nl=False)
    if len(found.failing(Severity(fail_on))):
        return FINDINGS
    return OK if complete else INCOMPLETE


def _read(text: str) -> Record:
    """The record of ``PATH`` or ``PATH:TARGETS``, with the targets that are named alone.

    Raises
    ------
    UnknownName
        If it holds no such target.
    """
    from dataclasses import replace

    from conformance.asking import plan
    from conformance.reporting.frames import names

    path, colon, pattern = text.rpartition(":")
    if not colon or Path(text).exists():
        return merged([Path(text)])
    record = merged([Path(path)])
    kept = [target for target in record.targets if plan.matches(target, [pattern])]
    if not kept:
        known = (target.versioned for target in record.targets if not target.control)
        raise plan.UnknownName(f"target of {path}", pattern, dict.fromkeys(one.partition("/")[0] for one in known))
    parts = tuple(
        replace(part, header=replace(part.header, plan=replace(
            part.header.plan, targets=tuple(target for target in part.header.plan.targets if target in kept))))
        for part in record.parts
    )  # fmt: skip
    called = names(record, record.observations)
    rows = record.observations[called.isin([record.names[target] for target in kept])]
    return replace(record, parts=parts, observations=rows)
