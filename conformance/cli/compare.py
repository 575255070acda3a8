"""``conformance compare``: where two targets differ, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.cli.options import File, Folder, merged, narrowed, said, selection
from conformance.cli.status import OK

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance compare torch/eager/cpu torch/compile/cpu
  conformance compare jax@0.4.30/jit/cpu jax@0.10.2/jit/cpu --dtype float32
  conformance compare tensorflow/xla/cpu jax/jit/cpu --record reports/mine --markdown xla.md
Exit status: 0, or 2 for bad usage.
"""


@click.command(epilog=EXAMPLES)
@click.argument("first", metavar="TARGET")
@click.argument("second", metavar="TARGET")
@click.option("--record", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of a report, or its Parquet file.")  # fmt: skip
@selection
@click.option("--markdown", type=File(), help="Write it into this file, as Markdown.")
def compare(
    first: str,
    second: str,
    record: Path,
    ops: Sequence[str],
    dtypes: Sequence[str],
    families: Sequence[str],
    markdown: Path | None,
) -> int:
    """Say where two targets of one record differ: in verdict, in policy, in bits, and by how much.

    A TARGET is framework/mode/device, or framework@version/mode/device where the record has several versions of it.
    """
    from conformance.reporting import comparison

    read = narrowed(merged([record]), ops, dtypes, families)
    said(comparison.page(comparison.compare(read, first, second)), markdown)
    return OK
