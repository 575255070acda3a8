"""``conformance export`` and ``conformance judge``: questions for a machine without this suite, and its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from conformance.asking import plan
from conformance.cli.options import Folder, gate, selection
from conformance.cli.status import OK, status_of
from conformance.values import Severity, Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPORT = """
\b
Examples:
  conformance export vectors
  conformance export vectors --op softmax --dtype float32 --dtype bfloat16 --tier standard
docs/vectors.md says what is in the files, and how they are answered with NumPy alone.
Exit status: 0, or 2 for bad usage.
"""

JUDGE = """
\b
Examples:
  conformance judge answers --vectors vectors
  conformance judge answers --vectors vectors --name my-npu --out reports/my-npu
Exit status: 0 nothing unexpected, 1 findings that no ledger knows, 2 bad usage, 3 a question has no answer.
"""


@click.command(epilog=EXPORT)
@click.argument("folder", type=Folder(), metavar="DIR")
@selection
@click.option("--tier", default="smoke", show_default=True, metavar="TIER", help=f"{' or '.join(plan.TIERS)}.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
def export(
    folder: Path, ops: Sequence[str], dtypes: Sequence[str], families: Sequence[str], tier: str, seed: int
) -> int:
    """Write questions, their truths and bounds into DIR, as .npz and JSON."""
    from conformance import vectors

    plan.check_names("op", ops, plan.ops())
    plan.check_names("dtype", dtypes, FORMATS)
    plan.check_families(families)
    plan.check_names("tier", [tier], plan.TIERS)
    index = vectors.export(folder, ops or plan.ops(), dtypes or tuple(FORMATS), families, Tier[tier.upper()], seed)
    questions = sum(len(entry.cases) for entry in index.entries)
    click.echo(f"{folder}: {questions:,} questions in {len(index.entries):,} arrays")
    return OK


@click.command(epilog=JUDGE)
@click.argument("answers", type=Folder())
@click.option("--vectors", "folder", type=Folder(), required=True, help="The folder that was exported.")
@click.option("--name", default="answers", show_default=True, help="How whoever answered is called in the report.")
@click.option("--out", type=Folder(), help="Also write a report into this folder.")
@gate
def judge(
    answers: Path,
    folder: Path,
    name: str,
    out: Path | None,
    ledgers: Sequence[Path],
    no_builtin_ledger: bool,
    fail_on: str,
) -> int:
    """Judge ANSWERS, a folder of .npz files, to the questions that `conformance export` wrote."""
    from rich.console import Console

    from conformance import ledger, vectors
    from conformance.reporting import Reading, check_out, publish, terminal

    if not name.strip() or not name.isprintable() or set(name) & set("/:@"):
        raise click.UsageError(f"--name {name!r}: a name without / : @ is wanted")
    entries = ledger.load(ledgers, builtin=not no_builtin_ledger)
    if out:
        check_out(out)
    reading = Reading(vectors.judge(answers, folder, name), entries, Severity(fail_on))
    terminal.summary(reading, Console())
    if out:
        publish(reading, out)
        click.echo(f"report: {out / 'index.html'}")
    return status_of(reading)
