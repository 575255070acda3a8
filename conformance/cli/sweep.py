"""``conformance sweep``: every row of a kind, and the worst of each target."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from conformance.asking import plan
from conformance.asking.interpreters import is_kernel
from conformance.cli.options import Folder, check_writable, chosen_limits, limits, many
from conformance.cli.progress import progress
from conformance.cli.status import FINDINGS, INCOMPLETE, OK
from conformance.sweep.rows import KINDS
from reference.formats import EVERY_FORMAT
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance sweep torch --dtype float32 --op softmax     every gap of float32: 283 million rows
  conformance sweep '*' --dtype float16 --dtype bfloat16   every target here, seconds
  conformance sweep torch/eager --dtype bfloat16 --kind pairs   every pair: 4.3 billion rows
  conformance sweep my_softmax.py:softmax                  your own function, on arrays of NumPy
  conformance sweep jax --dtype float64 --rows 1e7         a sample, evenly spread: a lower bound
  conformance sweep --resume '*' --dtype float32           go on with a sweep that was interrupted
  conformance sweep '*' --dtype float16 --cluster tcp://farm:8786   on every machine that has a worker there
  conformance sweep --from reports/torch --from reports/jax --table docs/worst-cases.md   one table of both
Exit status: 0 done, 1 a target crashed, hung or raised, 2 bad usage, 3 incomplete.
"""


class Count(click.ParamType[int]):
    """A number of rows: 1000000 or 1e6."""

    name = "N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            count = int(float(str(value)))
        except (ValueError, OverflowError):
            count = 0
        if count < 1:
            self.fail(f"{value!r} is no number of rows; for example 1e7", param, ctx)
        return count


@click.command(epilog=EXAMPLES)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@many("--python", "pythons", "PATH", "Ask the frameworks of this interpreter; `here` is the one that runs the suite.")
@many("--op", "ops", "OP", f"{', '.join(OPS)}; default all.")
@many("--dtype", "dtypes", "DTYPE", f"{', '.join(EVERY_FORMAT)}; default float32.")
@many(
    "--kind",
    "kinds",
    "KIND",
    "gaps: [0, -d] and [-d, 0] for every d; pairs, of 16 bits; triples, of 8 bits; default gaps.",
)
@many("--device", "devices", "GLOB", "cpu, cuda:0, 'cuda:*', or whatever a framework reports.")
@click.option("--rows", "most", type=Count(), default=None,
              help="At most about so many rows of each kind, evenly spread; default all, and 2^20 of float64.")  # fmt: skip
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="For a kernel of your own: whose arrays it takes.")  # fmt: skip
@click.option("--out", type=Folder(), default=Path("reports/sweep"), show_default=True, help="Folder of the sweep.")
@click.option("--resume", is_flag=True, help="Go on with the sweep into this folder that was interrupted.")
@click.option("--restart", is_flag=True, help="Discard the sweep into this folder that was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Shards worked on at once; default 2.")
@click.option("--cluster", metavar="ADDRESS", default="",
              help="Ask the workers of a scheduler of dask.distributed, tcp://host:8786; or `local`, which starts --jobs of them here.")  # fmt: skip
@many("--from", "finished", "FOLDER", "Ask nothing: the table of these finished sweeps.")
@click.option(
    "--table", type=click.Path(path_type=Path, dir_okay=False), help="Also write the table here, as Markdown."
)
@limits
def sweep(
    targets: Sequence[str],
    pythons: Sequence[str],
    ops: Sequence[str],
    dtypes: Sequence[str],
    kinds: Sequence[str],
    devices: Sequence[str],
    most: int | None,
    framework: str,
    out: Path,
    resume: bool,
    restart: bool,
    jobs: int | None,
    cluster: str,
    finished: Sequence[str],
    table: Path | None,
    timeout: float,
    memory: int | None,
) -> int:
    """Ask TARGETs every row of a kind, and keep the worst of each.

    TARGET is framework/mode/device, or its first parts, or a glob of them; or a kernel, path/to/file.py:function or
    package.module:function; all frameworks that are here, where none is named.
    Modes that lead to the kernels of another one are asked where they are named.
    """
    from conformance import sweeping
    from conformance.reporting import worst_cases
    from conformance.sweep.finished import read

    if resume and restart:
        raise click.UsageError("--resume or --restart, not both")
    if any(map(is_kernel, targets)) and (len(targets) > 1 or len(ops) > 1):
        raise click.UsageError("a kernel alone, and one op of it: --from makes one table of several sweeps")
    if cluster and pythons:
        raise click.UsageError("--cluster and --python: a worker asks the frameworks of its own environment")
    plan.check_names("op", ops, plan.ops())
    plan.check_names("dtype", dtypes, EVERY_FORMAT)
    plan.check_names("kind", kinds, KINDS)
    if table:
        check_writable(table)
    console = Console()
    if finished:
        if targets or resume or restart or ops or dtypes or kinds or devices or pythons or most or cluster:
            raise click.UsageError("--from asks nobody: nothing but --table goes with it")
        sweeps = [read(Path(folder)) for folder in dict.fromkeys(finished)]
    else:
        check_writable(out)
        if out.exists() and not out.is_dir():
            raise click.UsageError(f"{out} is no folder")
        options = sweeping.Options(
            targets=tuple(targets),
            pythons=tuple(pythons),
            ops=tuple(ops),
            dtypes=tuple(dtypes) or ("float32",),
            kinds=tuple(kinds) or ("gaps",),
            devices=tuple(devices),
            most=most,
            framework=framework,
            jobs=jobs or min(2, os.cpu_count() or 1),
            limits=chosen_limits(timeout, memory),
            command=shlex.join(["conformance", *sys.argv[1:]]),
            cluster=cluster,
        )
        with progress() as watch:
            done = sweeping.execute(
                options, out, watch, lambda line: click.echo(f"conformance: not used: {line}", err=True),
                resume=resume, restart=restart,
            )  # fmt: skip
        if done is None:
            console.print("interrupted; go on with it: the same command and --resume", highlight=False, markup=False)
            return INCOMPLETE
        sweeps = [done]
    worst_cases.terminal(sweeps, console)
    if table:
        worst_cases.write(sweeps, table)
        click.echo(f"written: {table}")
    return FINDINGS if any(result.failed for one in sweeps for result in one.results) else OK
