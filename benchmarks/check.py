"""How long does a kernel's author wait?

    python benchmarks/check.py --write docs/overhead.md

Runs ``conformance check`` of a NumPy kernel in the smoke tier as a command, and takes it apart: the imports, one check, and
the next one in the same process.  CPU time says what it would take on a machine with nothing else to do.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from conformance.record import this_machine

TURNS = 5

KERNEL = """
import numpy

def softmax(x, axis):
    wide = x.astype(numpy.float32)
    with numpy.errstate(all="ignore"):
        e = numpy.exp(wide - wide.max(axis=axis, keepdims=True))
        return (e / e.sum(axis=axis, keepdims=True)).astype(x.dtype)
"""

INSIDE = """
import json, sys, time

def clock():
    return time.perf_counter(), time.process_time()

def since(start):
    return [now - then for now, then in zip(clock(), start)]

def once():
    start = clock()
    result = api.check(sys.argv[1])
    assert result.passed
    result.verdict
    return since(start)

start = clock()
from conformance import api
from conformance.cli import main
from conformance.reporting import verdict
print(json.dumps([since(start), once(), once()]))
"""

Seconds = tuple[float, float]
"""Of wall time, and of CPU time."""


def command(where: str) -> Seconds:
    """What ``conformance check`` takes, its worker included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "conformance", "check", where], check=True, capture_output=True)  # noqa: S603
    gone, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return gone, sum(after[:2]) - sum(before[:2])


def parts(where: str) -> list[Seconds]:
    """What its imports, a first check and a second one of the same process take there."""
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", INSIDE, where], check=True, capture_output=True, text=True
    )
    found: list[Seconds] = json.loads(done.stdout)
    return found


def table() -> str:
    """The section of the page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.py"
        file.write_text(KERNEL)
        where = f"{file}:softmax"
        commands = [command(where) for _ in range(TURNS)]
        inside = [parts(where) for _ in range(TURNS)]
    rows = {
        "the command, its worker included": (commands, "4 s"),
        "the suite's imports": ([one[0] for one in inside], ""),
        "a check: questions, truths, verdict; the worker beside it": ([one[1] for one in inside], ""),
        "the next check of that process, as under `--watch`": ([one[2] for one in inside], ""),
    }
    lines = [f"{this_machine().cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}.", ""]
    lines += [f"| what (median of {TURNS}) | wall | CPU | aim |", "|---|--:|--:|--:|"]
    for what, (seconds, aim) in rows.items():
        wall, cpu = (statistics.median(one) for one in zip(*seconds, strict=True))
        lines.append(f"| {what} | {wall:.1f} s | {cpu:.1f} s | {aim} |")
    return "\n".join(lines)


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put the table in")
def main(write: Path | None) -> None:
    """See the module."""
    text = table()
    click.echo(text)
    if write:
        section = f"<!-- check -->\n\n{text}\n\n<!-- /check -->"
        page = re.sub(r"<!-- check -->.*<!-- /check -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
