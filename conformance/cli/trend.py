"""``conformance trend``: every kind of finding over the releases of a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from conformance.cli.options import File, Folder, merged, narrowed, said, selection
from conformance.cli.status import OK
from conformance.values import GATES, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXAMPLES = """
\b
Examples:
  conformance trend reports/latest
  conformance trend reports/torch-2.9 reports/torch-2.10 reports/torch-2.13
  conformance trend reports/matrix --severity degraded --op softmax --markdown trend.md
Exit status: 0, or 2 for bad usage.
"""


@click.command(epilog=EXAMPLES)
@click.argument("records", nargs=-1, required=True, type=Folder(), metavar="DIR...")
@selection
@click.option("--severity", type=click.Choice([str(gate) for gate in GATES]), default="violation", show_default=True,
              help="The mildest findings that are shown.")  # fmt: skip
@click.option("--markdown", type=File(), help="Write it into this file, as Markdown.")
def trend(
    records: Sequence[Path],
    ops: Sequence[str],
    dtypes: Sequence[str],
    families: Sequence[str],
    severity: str,
    markdown: Path | None,
) -> int:
    """Say which releases of a framework show which finding: its worst error, the first bad release, the first good one.

    Each DIR is the folder of a report, or its Parquet file; a release may be in one of them only.
    """
    from conformance import ledger
    from conformance.reporting import history

    shown = GATES[: GATES.index(Severity(severity)) + 1]
    said(history.page(narrowed(merged(records), ops, dtypes, families), shown, ledger.load()), markdown)
    return OK
