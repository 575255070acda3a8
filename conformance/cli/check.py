"""``conformance check``: ask a function of the user's own everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from conformance.asking import plan
from conformance.cli.options import Folder, check_writable, gate, limits, many
from conformance.cli.progress import progress
from conformance.cli.status import FINDINGS, INCOMPLETE, OK, USAGE
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from conformance.ledger import Entry
    from conformance.values import Target

EXAMPLES = """
\b
Examples:
  conformance check my_softmax.py:softmax
  conformance check mypackage.ops:log_softmax --op log_softmax --framework torch --dtype bfloat16
  conformance check my_softmax.py:softmax --tier standard --fail-on degraded --out reports/mine
  conformance check my_softmax.py:softmax --ledger known.toml      known findings, which do not reject it
  conformance check my_softmax.py:softmax --case 'special/*' --skip layout --json
  conformance check my_softmax.py:softmax --watch
  conformance check my_triton.py:softmax --framework torch --axis last --contiguous --lengths 'power-of-two,<=65536'
Exit status: 0 passed, 1 rejected, 2 bad usage, 3 interrupted.
"""


@click.command(epilog=EXAMPLES)
@click.argument("kernel")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="Whose arrays it takes: numpy, torch, jax, tensorflow, ….")  # fmt: skip
@click.option("--op", default="", metavar="OP", help=f"{', '.join(OPS)}; default what its file says, or softmax.")
@click.option("--saved", is_flag=True, help="A vjp is called as fn(y, axis, g): y is what the forward pass returned.")
@many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}, or all: every one that it takes; default float32.")
@many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@many("--case", "case", "GLOB", "Only these cases: family/case, or either.")
@many("--skip", "skip", "GLOB", "Not these cases or families; of a check, its findings count for nothing.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu or cuda:0.")
@click.option("--tier", default="smoke", show_default=True, metavar="TIER", help=f"{' or '.join(plan.TIERS)}.")
@click.option("--axis", default="", metavar="last", help="It promises rows along the last axis alone.")
@click.option("--contiguous", is_flag=True, help="It promises arrays in C order alone.")
@click.option(
    "--rank", type=int, multiple=True, metavar="N", help="It promises arrays of N axes alone.  May be repeated."
)
@click.option("--lengths", default="", metavar="RULES",
              help="It promises such rows alone: power-of-two, '<=65536', multiple-of-8, joined by commas.")  # fmt: skip
@click.option("--masks", default="", metavar="none", help="It promises rows without a lane of -inf alone.")
@click.option("--json", "as_json", is_flag=True, help="Write the verdict as JSON; docs/kernel-authors.md has its keys.")
@click.option("--watch", is_flag=True, help="Check again at each save, until Ctrl-C; needs the package watchfiles.")
@click.option("--out", type=Folder(), help="Also write a report into this folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@limits
@gate
def check(
    kernel: str,
    out: Path | None,
    as_json: bool,
    watch: bool,
    ledgers: Sequence[Path],
    no_builtin_ledger: bool,
    **options: Any,
) -> int:
    """Ask your own KERNEL everything: path/to/file.py:function or package.module:function.

    The function is called as fn(x, axis), or as fn(x, axis, g) for a vjp, and gets and returns arrays of the framework.
    What it does not promise is not asked; its file may say that once, with an attribute or a decorator
    (docs/kernel-authors.md).
    """
    from conformance.reporting import check_out

    if out:
        check_writable(out)
        check_out(out)
    options |= {"ledger": ledgers, "builtin_ledger": not no_builtin_ledger}
    if not watch:
        return _once(kernel, out, as_json, ledgers, options)
    if as_json:
        raise click.UsageError("--json or --watch, not both")
    return _at_each_save(kernel, lambda: _once(kernel, out, as_json, ledgers, options))


def _once(kernel: str, out: Path | None, as_json: bool, ledgers: Sequence[Path], options: Mapping[str, Any]) -> int:
    """Check it, and say the verdict; the exit status."""
    import json

    from conformance import api
    from conformance.reporting import publish, verdict

    bar = progress()
    with bar as watch:
        result = api.check(kernel, watch=watch, first=lambda said: bar.say(f"first finding: {said}"), **options)
    if as_json:
        click.echo(json.dumps(result.verdict.as_json(), indent=2))
    else:
        verdict.show(result.verdict, Console())
    if others := elsewhere(result.entries, ledgers, result.record.targets):
        click.echo(others, err=as_json)
    if out:
        publish(result.reading, out)
        click.echo(f"report: {out / 'index.html'}", err=as_json)
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


def _at_each_save(kernel: str, once: Callable[[], int]) -> int:
    """Check at once and again whenever a Python file beside the kernel is saved, until Ctrl-C; the last exit status.

    This process stays, with the questions and their truths; each check starts a worker of its own, which imports the
    kernel anew.
    """
    try:
        import watchfiles
    except ImportError:
        raise click.UsageError("--watch needs the package watchfiles: pip install watchfiles") from None
    from conformance.frameworks.kernel import BadKernel
    from conformance.record import printable

    place = kernel.rpartition(":")[0]
    folder = Path(place).resolve().parent if place.endswith(".py") else Path.cwd()
    if not folder.is_dir():
        return once()  # which says that there is no such file
    status = INCOMPLETE
    saves = watchfiles.watch(folder, watch_filter=watchfiles.PythonFilter(), yield_on_timeout=True, rust_timeout=200)
    next(saves)  # from now on it notes what is saved, also during a check
    due: object = "at first"
    try:
        while True:
            if due:
                try:
                    status = once()
                except BadKernel as error:  # a file that is being written may hold anything
                    status = USAGE
                    click.echo(f"conformance: {printable(str(error))}", err=True)
                click.echo(f"waiting for a save in {folder}; Ctrl-C ends", err=True)
            due = next(saves)
    except KeyboardInterrupt:
        return status
