"""The command line: thin, because everything it does the rooms behind it do.

Exit status: 0 nothing unexpected; 1 violations that the ledger does not know, or ledger entries that
no longer hold; 2 bad usage, said in one line; 3 the run is incomplete; 70 a mistake of the suite, with its traceback.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

import conformance
from conformance.asking import plan
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.asking.connections import Limits
    from conformance.reporting import Reading

OK, FINDINGS, USAGE, INCOMPLETE, MISTAKE = 0, 1, 2, 3, 70

EXAMPLES = """
\b
Examples:
  conformance run                                   every target, standard tier
  conformance run --tier smoke --target torch       one framework, under a minute
  conformance run --target 'jax/jit/*' --dtype bfloat16 --family underflow
  conformance run --resume                          go on with a run that was interrupted
  conformance check my_softmax.py:softmax           your own function, a few seconds
  conformance list families
  conformance report reports/partial/* --out reports/latest
"""


RUN_EXAMPLES = """
\b
Examples:
  conformance run --tier smoke --target torch
  conformance run --target 'jax/jit/*' --dtype bfloat16 --family underflow
  conformance run --python here --python venvs/tf-2.16/bin/python   two interpreters in one run
  conformance run --resume                          go on with the run that was interrupted
Exit status: 0 nothing unexpected, 1 findings that the ledger does not know or stale entries, 2 bad usage, 3 incomplete.
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

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Seconds(click.ParamType[float]):
    """A finite number of seconds, at least ``least``."""

    name = "SECONDS"

    def __init__(self, least: float) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds) or seconds < self.least:
            self.fail(f"{value!r} is no number of seconds from {self.least:g} on", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """An amount of memory: 8G, 512M, or bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        text = str(value).strip().lower().removesuffix("ib").removesuffix("b")
        number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
        try:
            size = float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            size = math.nan
        if not math.isfinite(size) or size < 2**26:
            self.fail(f"{value!r} is no amount of memory from 64M on; for example 8G", param, ctx)
        return int(size)


class Folder(click.Path):
    """A folder to be written; the empty name is none."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not str(value).strip():
            self.fail("a folder has a name", param, ctx)
        return super().convert(value, param, ctx)


class File(Folder):
    """A file to be written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if not str(value).strip():
            self.fail("a file has a name", param, ctx)
        path = super().convert(value, param, ctx)
        if path.is_dir():
            self.fail(f"{path} is a folder", param, ctx)
        return path


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@click.version_option(conformance.__version__, prog_name="conformance")
def cli() -> None:
    """Ask frameworks for softmax of adversarial rows, and compare their answers with the truth."""


def _many(flag: str, name: str, metavar: str, text: str) -> Callable[..., Any]:
    return click.option(flag, name, multiple=True, metavar=metavar, help=f"{text}  May be repeated.")


def _limits(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--memory", type=Size(), default=None, help="Memory that a worker may take, 8G say; "
                            "40% of the machine's by default.")(function)  # fmt: skip
    return click.option("--timeout", type=Seconds(1), default=120.0, show_default=True,
                        help="Seconds that one array of questions may take.")(function)  # fmt: skip


@cli.command(epilog=RUN_EXAMPLES)
@_many("--target", "targets", "GLOB", "Targets: framework/mode/device, or its first parts; framework@version too.")
@_many("--python", "pythons", "PATH", "Ask the frameworks of this interpreter; `here` is the one that runs the suite.")
@_many("--op", "ops", "OP", "softmax or log_softmax.")
@_many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}.")
@_many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@_many("--device", "devices", "GLOB", "cpu, cuda:0, 'cuda:*', or whatever a framework reports.")
@click.option("--tier", default="standard", metavar="TIER", help=f"{' or '.join(plan.TIERS)}; default standard.")
@click.option("--out", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of the report; it is replaced whole.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the run into this folder that was interrupted.")
@click.option("--restart", is_flag=True, help="Discard the run into this folder that was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Tasks worked on at once; default 2.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@_limits
def run(
    targets: Sequence[str],
    pythons: Sequence[str],
    ops: Sequence[str],
    dtypes: Sequence[str],
    families: Sequence[str],
    devices: Sequence[str],
    tier: str,
    out: Path,
    resume: bool,
    restart: bool,
    jobs: int | None,
    seed: int,
    timeout: float,
    memory: int | None,
) -> int:
    """Ask the frameworks, judge the answers, write a report."""
    from conformance import ledger
    from conformance.asking.interpreters import invitations
    from conformance.record import Journal
    from conformance.reporting import Reading, check_out, publish, terminal
    from conformance.run import Options, Run

    if resume and restart:
        raise click.UsageError("--resume or --restart, not both")
    plan.check_names("op", ops, plan.forward_ops())
    plan.check_names("dtype", dtypes, FORMATS)
    plan.check_families(families)
    plan.check_names("tier", [tier], plan.TIERS)
    invited = invitations(pythons)
    plan.check_targets(targets, sorted({invitation.framework for invitation in invited}))
    entries = ledger.load()
    _check_writable(out)
    check_out(out)
    options = Options(
        tier=Tier[tier.upper()],
        invitations=invited,
        targets=targets,
        ops=ops or plan.forward_ops(),
        dtypes=dtypes or tuple(FORMATS),
        families=families,
        devices=devices,
        seed=seed,
        jobs=jobs or min(2, os.cpu_count() or 1),
        limits=_chosen_limits(timeout, memory),
        command=" ".join(["conformance", *sys.argv[1:]]),
    )
    console = Console()
    with Journal.open(out, resume=resume, restart=restart) as journal:
        for line in journal.damaged:
            click.echo(f"conformance: not used: {line}", err=True)
        with _progress() as watch:
            asked = Run(options, journal, watch)
            try:
                record = asked.execute()
            except BaseException:
                if not journal.begun:
                    journal.discard()
                raise
        reading = Reading(record, entries)
        try:
            publish(reading, out)
        except KeyboardInterrupt:
            click.echo(
                "conformance: interrupted while the report was written; what was asked is kept: --resume", err=True
            )
            return INCOMPLETE
        if record.complete:
            journal.discard()
    if asked.failure:
        raise asked.failure
    terminal.summary(reading, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    if not record.complete:
        console.print("go on with it: the same command and --resume", highlight=False, markup=False)
    return _status(reading)


def _chosen_limits(timeout: float, memory: int | None) -> Limits:
    from conformance.asking.connections import Limits, default_memory

    return Limits(seconds=timeout, memory=memory or default_memory())


@cli.command(epilog=CHECK_EXAMPLES)
@click.argument("kernel")
@click.option("--framework", default="numpy", show_default=True, metavar="NAME",
              help="Whose arrays it takes: numpy, torch, jax, tensorflow, ….")  # fmt: skip
@click.option("--op", default="softmax", show_default=True, metavar="OP", help="softmax or log_softmax.")
@_many("--dtype", "dtypes", "DTYPE", f"{', '.join(FORMATS)}; all that it supports by default.")
@_many("--family", "families", "FAMILY", "Which adversarial rows; see `conformance list families`.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu or cuda:0.")
@click.option("--tier", default="smoke", show_default=True, metavar="TIER", help=f"{' or '.join(plan.TIERS)}.")
@click.option("--out", type=Folder(), help="Also write a report into this folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random families.")
@_limits
@click.option("--strict", is_flag=True, help="Let degraded findings fail too.")
def check(kernel: str, out: Path | None, **options: Any) -> int:
    """Ask your own KERNEL everything: path/to/file.py:function or package.module:function.

    The function is called as fn(x, axis), and gets and returns arrays of the framework.
    """
    from conformance import api
    from conformance.reporting import check_out, publish, terminal

    if out:
        _check_writable(out)
        check_out(out)
    with _progress() as watch:
        result = api.check(kernel, watch=watch, **options)
    console = Console()
    terminal.verdict(result.reading, result.failures, result.unsupported, console)
    if out:
        publish(result.reading, out)
        console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    if not result.record.complete:
        return INCOMPLETE
    return OK if result.passed else FINDINGS


@cli.command(epilog=HUNT_EXAMPLES)
@click.argument("target", required=False, metavar="[TARGET]")
@click.option("--op", default="softmax", show_default=True, metavar="OP", help="softmax or log_softmax.")
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
    op, dtype = kept.get("op", op), kept.get("dtype", dtype)
    if not target:
        target, framework = kept.get("target"), kept.get("framework", framework)
    if not target:
        raise click.UsageError("what to search? a target, or --replay FILE")
    if out:
        _check_writable(out.parent)
    plan.check_names("op", [op], plan.forward_ops())
    plan.check_names("dtype", [dtype], FORMATS)
    search = hunting.hunter(target, op, dtype, length, framework=framework, timeout=timeout)
    with contextlib.closing(search.asker):
        if kept:
            found = search.again(kept["row"])
        else:
            with _progress() as watch:
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
        "ledger": lambda: [f"{e.id:40} {', '.join(e.target)} {e.kind}: {e.note}" for e in ledger.load()],
        "dtypes": lambda: list(FORMATS),
    }
    plan.check_names("list", [what], lists)
    for line in lists[what]():
        click.echo(line)
    return OK


def _targets_here() -> list[str]:
    from conformance.asking.interpreters import invitations
    from conformance.asking.pool import Pool
    from conformance.record import printable
    from conformance.run import Options, introduce

    options = Options(tier=Tier.SMOKE, invitations=invitations())
    with Pool(options.jobs, options.limits) as pool:
        here = introduce(pool, options)
    lines = [f"{printable(str(target)):34} {printable(target.version)}" for _, target in here.targets()]
    return lines + [f"{one.framework:34} absent: {printable(why)}" for one, why in here.absent.items()]


@cli.command()
@click.argument("parts", nargs=-1, required=True, type=Folder())
@click.option("--out", type=Folder(), default=Path("reports/latest"), show_default=True,
              help="Folder of the report; it is replaced whole.")  # fmt: skip
@click.option("--claims", type=File(), help="Also write the claims table here, as Markdown.")
def report(parts: Sequence[Path], out: Path, claims: Path | None) -> int:
    """Merge the records of PARTS (folders or Parquet files) and write one report."""
    from conformance import ledger
    from conformance import record as records
    from conformance.record.disk import write_whole
    from conformance.reporting import Reading, check_out, publish, terminal
    from conformance.reporting.claims import markdown

    files = [part / "observations.parquet" if part.is_dir() else part for part in parts]
    entries = ledger.load()
    _check_writable(out)
    check_out(out)
    merged = records.merge([(str(file), records.read(file)) for file in files])
    reading = Reading(merged, entries)
    publish(reading, out)
    if claims:
        write_whole(claims, markdown(merged).encode())
    console = Console()
    terminal.summary(reading, console)
    console.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    return _status(reading)


def _status(reading: Reading) -> int:
    if not reading.record.complete or (reading.record.observations["outcome"] == "not_asked").any():
        return INCOMPLETE
    return FINDINGS if len(reading.unexpected) or reading.stale else OK


def _check_writable(out: Path) -> None:
    """Find out before a run of minutes, and not after it."""
    try:
        out.resolve().parent.mkdir(parents=True, exist_ok=True)
        probe = out.resolve().parent / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise click.UsageError(f"cannot write to {out}: {error.strerror}") from None


class _progress:  # noqa: N801 - used as a function in a with statement
    """A bar with what is being asked, on stderr; where that is no terminal, a line now and then."""

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
        start = told = time.monotonic()

        def watch(done: int, known: int, now: str) -> None:
            nonlocal told
            self.bar.update(row, completed=done, total=known or None, description=now)
            if not console.is_terminal and time.monotonic() - told > _NOW_AND_THEN:
                told = time.monotonic()
                click.echo(f"{told - start:4.0f} s: {done} of {known} tasks done, now {now}", err=True)

        return watch

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


_NOW_AND_THEN = 30.0
"""Seconds between two lines of progress in a log."""


def _interrupt(number: int, _frame: object) -> None:
    """SIGTERM and SIGHUP are Ctrl-C: what was done is kept."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; every error a user can cause is one line on stderr."""
    from conformance.asking.interpreters import BadInterpreter
    from conformance.cases import BrokenFamily
    from conformance.frameworks import BrokenPlugin
    from conformance.frameworks.kernel import BadKernel
    from conformance.hunting import BadCase
    from conformance.ledger import BadLedger
    from conformance.record import RecordError, printable

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        status = cli.main(arguments, prog_name="conformance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(USAGE)
    except click.ClickException as error:
        message = error.format_message()
    except (
        plan.UnknownName, plan.MissingTarget, RecordError, BadLedger, BadCase, BadInterpreter, BadKernel, BrokenFamily,
        BrokenPlugin,
    ) as error:  # fmt: skip
        message = str(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("conformance: interrupted; nothing was written", err=True)
        sys.exit(INCOMPLETE)
    except Exception:  # noqa: BLE001 - a mistake of the suite is no finding, which status 1 would say it is
        traceback.print_exc()
        sys.exit(MISTAKE)
    else:
        sys.exit(status)
    click.echo(f"conformance: {printable(message)}", err=True)
    sys.exit(USAGE)


if __name__ == "__main__":
    main()
