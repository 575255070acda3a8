"""``conformance report``: merge records and write one report; asks nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from conformance.cli.options import File, Folder, check_writable, gate, merged
from conformance.cli.status import status_of
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance report reports/partial/torch reports/partial/jax --out reports/merged
  conformance report reports/partial/matrix/* --out reports/matrix --history docs/history.md
  conformance report reports/latest --out reports/ci --junit junit.xml --badges badges
  conformance report reports/latest --ledger known.toml --no-builtin-ledger --out reports/mine
Exit status: 0 nothing unexpected, 1 findings that no ledger knows or stale entries, 2 bad usage, 3 a part is incomplete.
"""


@click.command(epilog=EXAMPLES)
@click.argument("parts", nargs=-1, required=True, type=Folder())
@click.option("--out", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of the report; it is replaced whole.")  # fmt: skip
@click.option("--claims", type=File(), help="Also write the claims table here, as Markdown.")
@click.option("--history", type=File(), help="Also write here what changed between releases, as Markdown.")
@click.option(
    "--subjects", type=File(), help="Also write here who was asked, and who gives the same bits, as Markdown."
)
@click.option("--junit", type=File(), help="Also write here JUnit XML; its failures are what is unexpected.")
@click.option("--badges", type=Folder(), help="Also write into this folder an SVG for each framework and op.")
@gate
def report(
    parts: Sequence[Path],
    out: Path,
    claims: Path | None,
    history: Path | None,
    subjects: Path | None,
    junit: Path | None,
    badges: Path | None,
    ledgers: Sequence[Path],
    no_builtin_ledger: bool,
    fail_on: str,
) -> int:
    """Merge the records of PARTS (folders or Parquet files) and write one report."""
    from conformance import ledger
    from conformance.record.disk import one_line, write_whole
    from conformance.reporting import Reading, check_out, publish, terminal
    from conformance.reporting import badges as badge_pages
    from conformance.reporting import claims as claims_page
    from conformance.reporting import history as history_page
    from conformance.reporting import junit as junit_page
    from conformance.reporting import subjects as subjects_page

    entries = ledger.load(ledgers, builtin=not no_builtin_ledger)
    check_writable(out)
    check_out(out)
    record = merged(parts)
    reading = Reading(record, entries, Severity(fail_on))
    publish(reading, out)
    if claims:
        write_whole(claims, claims_page.markdown(record).encode())
    if history:
        write_whole(history, history_page.markdown(record, entries).encode())
    if subjects:
        write_whole(subjects, subjects_page.markdown(reading).encode())
    if junit:
        write_whole(junit, junit_page.xml(reading).encode())
    if badges:
        with one_line(f"cannot write {badges}"):
            badges.mkdir(parents=True, exist_ok=True)
        for name, picture in badge_pages.badges(reading).items():
            write_whole(badges / name, picture.encode())
    console = Console()
    terminal.summary(reading, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    return status_of(reading)
