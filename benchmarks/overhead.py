"""What does the suite add to the frameworks' own time?

    python benchmarks/overhead.py smoke standard --write docs/overhead.md

Runs each tier twice in one go, with a cold and with a warm compile cache, and asks torch's eager functions the same arrays
in-process and through a worker, in turns.  Prints wall and CPU time, how much of it was judging, and the ratios.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conformance.asking import plan
from conformance.asking.asker import Asker
from conformance.asking.connections import Direct, Limits, Process, worker_command
from conformance.asking.interpreters import invitations
from conformance.asking.plan import Selection
from conformance.record import Memory, this_machine
from conformance.run import Options, Run
from conformance.values import Target, Tier
from reference.ops import SOFTMAX

if TYPE_CHECKING:
    from conformance.asking.connections import Connection

TURNS = 7

AIMS = {"smoke": ("45 s", "45 s"), "standard": ("300 s", "120 s")}
"""Tier → wall time aimed at with a cold and with a warm compile cache, on two idle cores."""


def cpu() -> float:
    """CPU seconds of this process and of the workers that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def one_run(tier: str) -> str:
    """Run a tier in this process; a line of the table."""
    start, before = time.perf_counter(), cpu()
    run = Run(
        Options(tier=Tier[tier.upper()], invitations=invitations(), targets=("torch", "tensorflow", "jax")), Memory()
    )
    record = run.execute()
    if run.failure:
        raise run.failure
    wall, spent = time.perf_counter() - start, cpu() - before
    timing = record.parts[0].footer.timing
    parts = {part: sum(times.get(part, 0.0) for times in timing.values()) for part in ("import", "ask", "judge")}
    return (
        f"{len(record.observations):,} | {wall:.0f} s | {spent:.0f} s | {wall / spent:.2f} | {parts['judge']:.0f} s | "
        + ", ".join(f"{name} {times.get('ask', 0.0):.0f} s" for name, times in sorted(timing.items()))
    )


def worker_over_direct() -> tuple[float, float, float]:
    """Seconds in-process and through a worker, and their ratio, for one pass over a sheet of torch's eager mode."""
    from conformance.frameworks import load  # noqa: PLC0415 - the one place where a framework is in this process

    target = Target("torch", "eager", "cpu")
    batches = plan.sheet(SOFTMAX, "float32", Selection(Tier.STANDARD)).batches
    request = {"framework": "torch", "variant": ""}

    def asker(connection: Connection) -> Asker:
        found = Asker(lambda: connection, request)
        found.start()
        return found

    both = [asker(Direct(load("torch"))), asker(Process(worker_command(), Limits()))]
    times: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for spent, one in zip(times, both, strict=True):
            start = time.perf_counter()
            for batch in batches:
                list(one.ask(target, batch))
            spent.append(time.perf_counter() - start)
    for one in both:
        one.close()
    direct, through = (statistics.median(spent) for spent in times)
    return direct, through, through / direct


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.argument("tiers", nargs=-1)
@click.option("--write", type=click.Path(path_type=Path), help="The page to put the tables into.")
@click.option("--only", hidden=True, help="Run one tier in this process and print its line.")
def main(tiers: tuple[str, ...], write: Path | None, only: str | None) -> None:
    """Measure and print."""
    if only:
        click.echo(one_run(only))
        return
    machine = this_machine()
    lines = [
        f"{machine.cpu}, {machine.cores} cores, {machine.platform}.",
        "",
        "| tier | compile cache | observations | wall | CPU | wall / CPU | judging | asking | aim |",
        "|---|---|--:|--:|--:|--:|--:|---|--:|",
    ]
    for tier in tiers or ("smoke",):
        with tempfile.TemporaryDirectory() as cache:
            for state, aim in zip(("cold", "warm"), AIMS[tier], strict=True):
                environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "XDG_CACHE_HOME": cache}
                command = [sys.executable, __file__, "--only", tier]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
                lines.append(f"| {tier} | {state} | {done.stdout.strip()} | {aim} |")
                click.echo(lines[-1], err=True)
    direct, through, ratio = worker_over_direct()
    lines += [
        "",
        (
            f"One pass over the sheet softmax, float32, of torch/eager/cpu, median of {TURNS} turns: {direct:.2f} s in-process, "
            f"{through:.2f} s through a worker, ratio {ratio:.2f} (aim: at most 1.1)."
        ),
    ]
    text = "\n".join(lines)
    click.echo(text)
    if write:
        section = f"<!-- overhead -->\n\n{text}\n\n<!-- /overhead -->"
        page = re.sub(r"<!-- overhead -->.*<!-- /overhead -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
