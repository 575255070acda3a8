"""``conformance check``: ask a function of the user's own everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from conformance.asking import plan
from conformance.cli.options import Folder, check_writable, gate, limits, many
from conformance.cli.progress import progress
from conformance.cli.status import FINDINGS, INCOMPLETE, OK
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from conformance.ledger import Entry
    from conformance.values import Target

EXAMPLES = """
\b
Examples:
  conformance check my_softmax.py:softmax
  conformance check mypackage.ops:log_softmax --op log_softmax --framework torch --dtype bfloat16
  conformance check my_softmax.py:softmax --tier standard --fail-on degraded --out reports/mine
  conformance check my_softmax.py:softmax --ledger known.toml      known findings, which do not reject it
Exit status: 0 passed, 1 rejected, 2 bad usage, 3 interrupted.
"""


@click.command(epilog=EXAMPLES)
@click.argument("kernel")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="Whose arrays it takes: numpy, torch, jax, tensorflow, ….")  # fmt: skip
@click.option("--op", default="softmax", show_default=True, metavar="OP", help=f"{', '.join(OPS)}.")
@many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}; all that it supports by default.")
@many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu or cuda:0.")
@click.option("--tier", default="smoke", show_default=True, metavar="TIER", help=f"{' or '.join(plan.TIERS)}.")
@click.option("--out", type=Folder(), help="Also write a report into this folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@limits
@gate
def check(kernel: str, out: Path | None, ledgers: Sequence[Path], no_builtin_ledger: bool, **options: Any) -> int:
    """Ask your own KERNEL everything: path/to/file.py:function or package.module:function.

    The function is called as fn(x, axis), or as fn(x, axis, g) for a vjp, and gets and returns arrays of the framework.
    """
    from conformance import api
    from conformance.reporting import check_out, publish, terminal

    if out:
        check_writable(out)
        check_out(out)
    with progress() as watch:
        result = api.check(kernel, watch=watch, ledger=ledgers, builtin_ledger=not no_builtin_ledger, **options)
    console = Console()
    terminal.verdict(result.reading, result.failures, result.unsupported, console)
    if others := elsewhere(result.entries, ledgers, result.record.targets):
        console.print(others, highlight=False, markup=False, soft_wrap=True)
    if out:
        publish(result.reading, out)
        console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    if not result.record.complete:
        return INCOMPLETE
    return OK if result.passed else FINDINGS


def elsewhere(entries: Iterable[Entry], ledgers: Sequence[Path], targets: Sequence[Target]) -> str:
    """A line that counts the entries of somebody's own ledgers that speak of no target of these; empty where none does.

    A ledger may be that of several kernels, whose names nobody can know: a misspelt one shows here.
    """
    mine = [entry for entry in entries if entry.source in map(str, ledgers)]
    others = [entry for entry in mine if not any(entry.names("target", str(target)) for target in targets)]
    names = dict.fromkeys(name for entry in others for name in entry.target)
    return f"ledger: {len(others)} entries speak of other targets: {', '.join(names)}" if others else ""
