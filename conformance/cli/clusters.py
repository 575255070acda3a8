"""``conformance clusters``: who gives the same bits as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from conformance.cli.options import RECORD, File, narrowed, said, selection
from conformance.cli.status import OK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXAMPLES = """
\b
Examples:
  conformance clusters
  conformance clusters reports/latest --op softmax --dtype float32
  conformance clusters --family underflow --markdown shared.md
Exit status: 0, or 2 for bad usage.
"""


@click.command(epilog=EXAMPLES)
@RECORD
@selection
@click.option("--markdown", type=File(), help="Write it into this file, as Markdown.")
def clusters(
    record: Path, ops: Sequence[str], dtypes: Sequence[str], families: Sequence[str], markdown: Path | None
) -> int:
    """Say which targets of RECORD give identical bits, and so share a kernel: by op and dtype, and by family."""
    from conformance.cli.options import merged
    from conformance.reporting import agreement

    said(agreement.page(narrowed(merged([record]), ops, dtypes, families)), markdown)
    return OK
