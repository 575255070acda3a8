"""The command line: thin, because everything it does the rooms behind it do.

Exit status: 0 nothing unexpected; 1 violations that the ledger does not know, or ledger entries that
no longer hold; 2 bad usage, said in one line; 3 the run is incomplete.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

import conformance
from conformance import selection
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.record import Record

OK, FINDINGS, USAGE, INCOMPLETE = 0, 1, 2, 3

EXAMPLES = """
\b
Examples:
  conformance run                                   every target, standard tier
  conformance run --tier smoke --target torch       one framework, a few seconds
  conformance run --target 'jax/jit/*' --dtype bfloat16 --family underflow
  conformance check my_softmax.py:softmax           your own function, a few seconds
  conformance list families
  conformance report reports/partial/* --out reports/latest
"""


CHECK_EXAMPLES = """
\b
Examples:
  conformance check my_softmax.py:softmax
  conformance check mypackage.ops:log_softmax --op log_softmax --framework torch --dtype bfloat16
  conformance check my_softmax.py:softmax --tier standard --strict --out reports/mine
Exit status: 0 passed, 1 rejected, 2 bad usage, 3 interrupted.
"""


HUNT_EXAMPLES = """
\b
Examples:
  conformance hunt torch/eager/cpu --op log_softmax --dtype bfloat16 --seconds 60
  conformance hunt my_softmax.py:softmax --length 64 --out worst.json
  conformance hunt --replay worst.json
Exit status: 0 no violation found, 1 one found, 2 bad usage.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@click.version_option(conformance.__version__, prog_name="conformance")
def cli() -> None:
    """Does a framework's softmax say what is true?"""


def _many(flag: str, name: str, metavar: str, text: str) -> Callable[..., Any]:
    return click.option(flag, name, multiple=True, metavar=metavar, help=f"{text}  May be repeated.")


@cli.command()
@_many("--target", "targets", "GLOB", "Whom to ask: framework/mode/device, or its first parts.")
@_many("--op", "ops", "OP", "softmax or log_softmax.")
@_many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}.")
@_many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@_many("--device", "devices", "GLOB", "cpu, cuda:0, 'cuda:*'.")
@click.option("--tier", default="standard", metavar="TIER", help=f"{' or '.join(selection.TIERS)}; default standard.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/latest"), show_default=True,
              help="Folder of the report.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Frameworks at work at once; default 2.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@click.option("--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True,
              help="Seconds that one target may take over one op and dtype.")  # fmt: skip
def run(
    targets: Sequence[str],
    ops: Sequence[str],
    dtypes: Sequence[str],
    families: Sequence[str],
    devices: Sequence[str],
    tier: str,
    out: Path,
    jobs: int | None,
    seed: int,
    timeout: float,
) -> int:
    """Ask the frameworks, judge the answers, write a report."""
    from conformance.engine import OPS
    from conformance.reporting import publish, terminal
    from conformance.run import Options, Run

    selection.check_targets(targets)
    selection.check_names("op", ops, OPS)
    selection.check_names("dtype", dtypes, FORMATS)
    selection.check_families(families)
    selection.check_names("tier", [tier], selection.TIERS)
    _check_writable(out)
    chosen = Options(
        tier=Tier[tier.upper()],
        targets=targets,
        ops=ops or OPS,
        dtypes=dtypes or tuple(FORMATS),
        families=families,
        devices=devices,
        seed=seed,
        timeout=timeout,
        command=" ".join(["conformance", *sys.argv[1:]]),
        **({"jobs": jobs} if jobs else {}),
    )
    console = Console()
    with _progress() as watch:
        asked = Run(chosen, watch)
        record = asked.execute()
    publish(record, out)
    if asked.failure:
        raise asked.failure
    terminal.summary(record, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, soft_wrap=True)
    return _status(record)


@cli.command(epilog=CHECK_EXAMPLES)
@click.argument("kernel")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="Whose arrays it takes: numpy, torch, jax or tensorflow.")  # fmt: skip
@click.option("--op", default="softmax", show_default=True, metavar="OP", help="softmax or log_softmax.")
@_many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}; all that it supports by default.")
@_many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu or cuda:0.")
@click.option("--tier", default="smoke", show_default=True, metavar="TIER", help=f"{' or '.join(selection.TIERS)}.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write a report into this folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@click.option("--timeout", type=click.FloatRange(min=1), default=120.0, show_default=True,
              help="Seconds that it may take over one dtype.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Let degraded findings fail too.")
def check(kernel: str, out: Path | None, **options: Any) -> int:
    """Ask your own KERNEL everything: path/to/file.py:function or package.module:function.

    The function is called as fn(x, axis), and gets and returns arrays of the framework.
    """
    from conformance import checking
    from conformance.reporting import publish, terminal

    if out:
        _check_writable(out)
    with _progress() as watch:
        result = checking.check(kernel, watch=watch, **options)
    console = Console()
    terminal.verdict(result.record, result.failures, result.unsupported, console)
    if out:
        publish(result.record, out)
        console.print(f"report: {out / 'index.html'}", highlight=False, soft_wrap=True)
    if not result.record.footer["complete"]:
        return INCOMPLETE
    return OK if result.passed else FINDINGS


@cli.command(epilog=HUNT_EXAMPLES)
@click.argument("target", required=False, metavar="[TARGET]")
@click.option("--op", default="softmax", show_default=True, metavar="OP", help="softmax or log_softmax.")
@click.option("--dtype", default="float32", show_default=True, metavar="DTYPE", help=f"{', '.join(FORMATS)}.")
@click.option("--length", type=click.IntRange(min=1, max=4096), default=8, show_default=True, help="Logits in a row.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="The budget.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the search.")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="For a kernel of your own: whose arrays it takes.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Keep the worst row here, as JSON.")
@click.option("--replay", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Ask a kept row again, of the target it was kept for or of TARGET.")  # fmt: skip
def hunt(
    target: str | None,
    op: str,
    dtype: str,
    length: int,
    seconds: float,
    seed: int,
    framework: str,
    out: Path | None,
    replay: Path | None,
) -> int:
    """Search for the row where TARGET has the largest error over its bound, and keep it.

    TARGET is framework/mode/device, or a kernel: path/to/file.py:function or package.module:function.
    """
    import json

    from conformance import hunting
    from conformance.engine import OPS
    from conformance.reporting import terminal

    kept = hunting.read_case(replay) if replay else {}
    op, dtype = kept.get("op", op), kept.get("dtype", dtype)
    if not target:
        target, framework = kept.get("target"), kept.get("framework", framework)
    if not target:
        raise click.UsageError("whom to hunt? a target, or --replay FILE")
    if out:
        _check_writable(out.parent)
    selection.check_names("op", [op], OPS)
    selection.check_names("dtype", [dtype], FORMATS)
    respondent = hunting.respondent(target, op, dtype, framework)
    search = hunting.Hunt(respondent, op, dtype, length)
    if kept:
        found = search.again(kept)
    else:
        with _progress() as watch:
            found = search.run(
                seconds, seed, lambda gone, best: watch(int(gone), int(seconds), f"worst so far {best:.3g} × its bound")
            )
    terminal.quarry(found.as_json(), Console())
    if out:
        out.write_text(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n")
        click.echo(f"kept: {out}")
    return FINDINGS if found.violated else OK


@cli.command(name="list")
@click.argument("what", type=str, metavar="[targets|families|checks|policies|ledger|dtypes]")
def list_(what: str) -> int:
    """List what there is to ask for: targets, families, checks, policies, the ledger, dtypes."""
    from conformance import cases, ledger
    from conformance.judgement.checks import all_checks
    from conformance.judgement.policies import POLICIES

    lists: dict[str, Callable[[], list[str]]] = {
        "targets": _targets_here,
        "families": lambda: [f"{name:14} {family.reason}" for name, family in cases.families().items()],
        "checks": lambda: [f"{check.kind:14} {check.severity:10} {check.rule}" for check in all_checks()],
        "policies": lambda: [f"{name:14} {p.question}: {', '.join(p.choices)}" for name, p in POLICIES.items()],
        "ledger": lambda: [f"{entry.id:40} {entry.target} {entry.kind}: {entry.note}" for entry in ledger.read()],
        "dtypes": lambda: list(FORMATS),
    }
    selection.check_names("list", [what], lists)
    for line in lists[what]():
        click.echo(line)
    return OK


def _targets_here() -> list[str]:
    from conformance import engine, frameworks

    lines = []
    for name in frameworks.names():
        said = engine.introduce(name)
        lines += [f"{target!s:34} {said.version}" for target in said.targets()]
        if said.absent:
            lines.append(f"{name:34} absent: {said.absent}")
    return lines


@cli.command()
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("reports/latest"), show_default=True,
              help="Folder of the report.")  # fmt: skip
@click.option("--claims", type=click.Path(path_type=Path), help="Also write the claims table here, as Markdown.")
def report(parts: Sequence[Path], out: Path, claims: Path | None) -> int:
    """Merge the records of PARTS (folders or Parquet files) and write one report."""
    from conformance import record as records
    from conformance.reporting import publish, terminal
    from conformance.reporting.claims import markdown

    files = [part / "observations.parquet" if part.is_dir() else part for part in parts]
    _check_writable(out)
    merged = records.merge([(str(file), records.read(file)) for file in files])
    publish(merged, out)
    if claims:
        claims.write_text(markdown(merged))
    console = Console()
    terminal.summary(merged, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, soft_wrap=True)
    return _status(merged)


def _status(record: Record) -> int:
    from conformance.reporting.tables import unexpected

    if not record.footer["complete"]:
        return INCOMPLETE
    return FINDINGS if len(unexpected(record)) or record.footer["stale_ledger"] else OK


def _check_writable(out: Path) -> None:
    """Find out before a run of minutes, and not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise click.UsageError(f"cannot write to {out}: {error.strerror}") from None


class _progress:  # noqa: N801 - used as a function in a with statement
    """A bar with what is being asked, on stderr; nothing where stderr is not a terminal."""

    def __enter__(self) -> Callable[[int, int, str], None]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self.bar = Progress(
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.bar.start()
        row = self.bar.add_task("starting the workers", total=None)

        def watch(done: int, known: int, now: str) -> None:
            self.bar.update(row, completed=done, total=known or None, description=now)

        return watch

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; every error a user can cause is one line on stderr."""
    from conformance.cases import BrokenFamily
    from conformance.execution.kernel import BadKernel
    from conformance.frameworks import BrokenPlugin
    from conformance.hunting import BadCase
    from conformance.ledger import BadLedger
    from conformance.record import RecordError

    try:
        status = cli.main(arguments, prog_name="conformance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(USAGE)
    except click.ClickException as error:
        message = error.format_message()
    except (
        selection.UnknownName, selection.MissingTarget, RecordError, BadLedger, BadCase, BadKernel, BrokenFamily,
        BrokenPlugin,
    ) as error:  # fmt: skip
        message = str(error)
    except click.Abort:
        message = "interrupted before anything was asked"
    else:
        sys.exit(status)
    click.echo(f"conformance: {message}", err=True)
    sys.exit(USAGE)


if __name__ == "__main__":
    main()
