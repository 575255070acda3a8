"""``conformance hunt``: search for the row where a target is worst."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from conformance.asking import plan
from conformance.cli.options import File, Seconds, check_writable
from conformance.cli.progress import progress
from conformance.cli.status import FINDINGS, OK
from reference.formats import FORMATS
from reference.ops import OPS

EXAMPLES = """
\b
Examples:
  conformance hunt torch/eager/cpu --op log_softmax --dtype bfloat16 --seconds 60
  conformance hunt my_softmax.py:softmax --length 64 --out worst.json
  conformance hunt my_backward.py:softmax_grad --op softmax_vjp --saved
  conformance hunt --replay worst.json
Exit status: 0 no violation found, 1 one found, 2 bad usage.
"""


@click.command(epilog=EXAMPLES)
@click.argument("target", required=False, metavar="[TARGET]")
@click.option(
    "--op", default="", metavar="OP", help=f"{', '.join(OPS)}; default what a kernel's file says, or softmax."
)
@click.option(
    "--saved", is_flag=True, help="A vjp of your own is called as fn(y, axis, g): y is what the forward pass returned."
)
@click.option("--dtype", default="float32", show_default=True, metavar="DTYPE", help=f"{', '.join(FORMATS)}.")
@click.option("--length", type=click.IntRange(min=1, max=4096), default=8, show_default=True, help="Logits in a row.")
@click.option("--seconds", type=Seconds(0.1), default=30.0, show_default=True, help="How long to search.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the search.")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="For a kernel of your own: whose arrays it takes.")  # fmt: skip
@click.option("--timeout", type=Seconds(1), default=120.0, show_default=True,
              help="Seconds that one array of questions may take.")  # fmt: skip
@click.option("--out", type=File(), help="Keep the worst row here, as JSON.")
@click.option("--replay", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Ask a kept row again, of the target it was kept for or of TARGET.")  # fmt: skip
def hunt(
    target: str | None,
    op: str,
    saved: bool,
    dtype: str,
    length: int,
    seconds: float,
    seed: int,
    framework: str,
    timeout: float,
    out: Path | None,
    replay: Path | None,
) -> int:
    """Search for the row where TARGET has the largest error over its bound, and keep it.

    TARGET is framework/mode/device, or a kernel: path/to/file.py:function or package.module:function.
    """
    import contextlib
    import json

    from conformance import hunting
    from conformance.record.disk import write_whole
    from conformance.reporting import terminal

    kept = hunting.read_case(replay) if replay else {}
    op, dtype, saved = kept.get("op", op), kept.get("dtype", dtype), kept.get("saved", saved)
    if not target:
        target, framework = kept.get("target"), kept.get("framework", framework)
    if not target:
        raise click.UsageError("what to search? a target, or --replay FILE")
    if out:
        check_writable(out.parent)
    plan.check_names("op", [op] if op else [], plan.ops())
    plan.check_names("dtype", [dtype], FORMATS)
    search = hunting.hunter(target, op, dtype, length, saved=saved, framework=framework, timeout=timeout)
    with contextlib.closing(search.asker):
        if kept:
            found = search.again(kept["row"], kept["cotangent"])
        else:
            with progress() as watch:
                found = search.run(
                    seconds,
                    seed,
                    lambda gone, best: watch(int(gone), int(seconds), f"worst so far {best:.3g} × its bound"),
                )
    terminal.worst_row(
        Console(),
        where=f"{found.name} {found.op} {found.dtype}",
        asked=found.asked,
        length=found.row.size,
        judgement=found.judgement,
        script=found.script,
    )
    if out:
        write_whole(out, (json.dumps(found.as_json(), indent=2) + "\n").encode())
        click.echo(f"kept: {out}")
    return FINDINGS if found.violated else OK
