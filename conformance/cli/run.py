"""``conformance run``: ask the frameworks, judge the answers, write a report."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from conformance.asking import plan
from conformance.cli.options import Folder, WorkerProgram, check_writable, chosen_limits, gate, limits, many
from conformance.cli.progress import progress
from conformance.cli.status import INCOMPLETE, status_of
from conformance.values import Severity, Tier
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance run --tier smoke --target torch
  conformance run --target 'jax/jit/*' --dtype bfloat16 --family underflow
  conformance run --python here --python venvs/tf-2.16/bin/python   two interpreters in one run
  conformance run --worker 'tfjs=node examples/node-worker/worker.js'   a worker in another language
  conformance run --resume                          go on with the run that was interrupted
  conformance run --target torch --ledger known.toml   with a list of known findings of your own
Exit status: 0 nothing unexpected, 1 findings that no ledger knows or stale entries, 2 bad usage, 3 incomplete.
"""


@click.command(epilog=EXAMPLES)
@many("--target", "targets", "GLOB", "Targets: framework/mode/device, or its first parts; framework@version too.")
@many("--python", "pythons", "PATH", "Ask the frameworks of this interpreter; `here` is the one that runs the suite.")
@click.option("--worker", "workers", type=WorkerProgram(), multiple=True,
              help="Ask the framework NAME through this program, which speaks docs/protocol.md; with --python, the "
                   "frameworks of those interpreters too.  May be repeated.")  # fmt: skip
@many("--op", "ops", "OP", f"{', '.join(OPS)}.")
@many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}.")
@many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@many("--device", "devices", "GLOB", "cpu, cuda:0, 'cuda:*', or whatever a framework reports.")
@click.option("--tier", default="standard", metavar="TIER", help=f"{' or '.join(plan.TIERS)}; default standard.")
@click.option("--out", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of the report; it is replaced whole.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the run into this folder that was interrupted.")
@click.option("--restart", is_flag=True, help="Discard the run into this folder that was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Tasks worked on at once; default 2.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@limits
@gate
def run(
    targets: Sequence[str],
    pythons: Sequence[str],
    workers: Sequence[tuple[str, tuple[str, ...]]],
    ops: Sequence[str],
    dtypes: Sequence[str],
    families: Sequence[str],
    devices: Sequence[str],
    tier: str,
    out: Path,
    resume: bool,
    restart: bool,
    jobs: int | None,
    seed: int,
    timeout: float,
    memory: int | None,
    ledgers: Sequence[Path],
    no_builtin_ledger: bool,
    fail_on: str,
) -> int:
    """Ask the frameworks, judge the answers, write a report."""
    from conformance import ledger
    from conformance.asking.interpreters import invitations
    from conformance.record import Journal
    from conformance.reporting import Reading, check_out, publish, terminal
    from conformance.run import Options, Run

    if resume and restart:
        raise click.UsageError("--resume or --restart, not both")
    plan.check_names("op", ops, plan.ops())
    plan.check_names("dtype", dtypes, FORMATS)
    plan.check_families(families)
    plan.check_names("tier", [tier], plan.TIERS)
    invited = invitations(pythons, workers)
    plan.check_targets(targets, sorted({invitation.framework for invitation in invited}))
    entries = ledger.load(ledgers, builtin=not no_builtin_ledger)
    check_writable(out)
    check_out(out)
    options = Options(
        tier=Tier[tier.upper()],
        invitations=invited,
        targets=targets,
        ops=ops or plan.ops(),
        dtypes=dtypes or tuple(FORMATS),
        families=families,
        devices=devices,
        seed=seed,
        jobs=jobs or min(2, os.cpu_count() or 1),
        limits=chosen_limits(timeout, memory),
        command=shlex.join(["conformance", *sys.argv[1:]]),
    )
    console = Console()
    with Journal.open(out, resume=resume, restart=restart) as journal:
        for line in journal.damaged:
            click.echo(f"conformance: not used: {line}", err=True)
        with progress() as watch:
            asked = Run(options, journal, watch)
            try:
                record = asked.execute()
            except BaseException:
                if not journal.begun:
                    journal.discard()
                raise
        reading = Reading(record, entries, Severity(fail_on))
        try:
            publish(reading, out)
        except KeyboardInterrupt:
            click.echo(
                "conformance: interrupted while the report was written; what was asked is kept: --resume", err=True
            )
            return INCOMPLETE
        if record.complete:
            journal.discard()
    if asked.failure:
        raise asked.failure
    terminal.summary(reading, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    if not record.complete:
        console.print("go on with it: the same command and --resume", highlight=False, markup=False)
    return status_of(reading)
