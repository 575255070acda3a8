"""``conformance ledger``: check a ledger of one's own, and bring it up to date with a record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.cli.options import File, Folder, gate, merged
from conformance.cli.status import OK
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance ledger check known.toml
  conformance ledger update known.toml reports/latest
"""

CHECK = """
\b
Examples:
  conformance ledger check known.toml
  conformance ledger check kernels/*.toml --no-builtin-ledger
Exit status: 0 every entry can match something, 2 one cannot, said in one line.
"""

UPDATE = """
\b
Examples:
  conformance run --target torch --ledger known.toml; conformance ledger update known.toml
  conformance check my_softmax.py:softmax --out reports/mine; conformance ledger update known.toml reports/mine
  conformance ledger update known.toml reports/old reports/new --fail-on degraded
Exit status: 0 the ledger is up to date, 2 bad usage or a bad ledger, which is left as it is.
"""


@click.group(epilog=EXAMPLES)
def ledger() -> None:
    """Check a ledger, a list of known findings, or bring it up to date with a record."""


@ledger.command(epilog=CHECK)
@click.argument("ledgers", nargs=-1, required=True, type=File(), metavar="FILE...")
@click.option("--no-builtin-ledger", is_flag=True, help="Leave out the project's own list of known findings.")
def check(ledgers: Sequence[Path], no_builtin_ledger: bool) -> int:
    """Check that every entry of each FILE is understood and can match something, and that ids are unique."""
    from conformance.ledger import load

    entries = load(ledgers, builtin=not no_builtin_ledger)
    for path in map(str, ledgers):
        mine = [entry for entry in entries if entry.source == path]
        unexplained = [entry.id for entry in mine if entry.reason == "unexplained"]
        click.echo(f"{path}: {len(mine)} entries" + (f"; unexplained: {', '.join(unexplained)}" if unexplained else ""))
    return OK


@ledger.command(epilog=UPDATE)
@click.argument("file", type=File())
@click.argument("records", nargs=-1, type=Folder(), metavar="[RECORD]...")
@gate
def update(file: Path, records: Sequence[Path], ledgers: Sequence[Path], no_builtin_ledger: bool, fail_on: str) -> int:
    """Write entries into FILE for what is new in each RECORD (reports/latest by default), and drop what is gone.

    What other ledgers know is not written.  Something is gone where a record asked all that its entry names and shows it
    nowhere, and only on the platform and for the versions of that record.  Comments and order stay.
    Each new entry says that it is unexplained: look at it, and say why it is so.
    """
    from conformance import ledger as known
    from conformance.ledger.update import update
    from conformance.record.disk import write_whole
    from conformance.reporting import Reading

    sources = [*ledgers, *([file] if file.exists() else [])]
    entries = known.load(sources, builtin=not no_builtin_ledger)
    reading = Reading(merged(records or [Path("reports/latest")]), entries, Severity(fail_on))
    inconsistent = reading.inconsistent if Severity.DEGRADED in reading.failing else ()
    done = update(
        known.files([file])[str(file)] if file.exists() else "",
        str(file),
        reading.known,
        reading.failing,
        [(policy.framework.partition("@")[0], policy.question) for policy in inconsistent],
    )
    known.check(known.read({str(file): done.text}), known.known_names())
    write_whole(file, done.text.encode())
    for what, ids in (("written", done.written), ("narrowed", done.narrowed), ("dropped", done.dropped)):
        for name in ids:
            click.echo(f"{what} {name}")
    click.echo(f"{file}: {len(done.written)} written, {len(done.narrowed)} narrowed, {len(done.dropped)} dropped")
    return OK
