"""How long does a kernel's author wait?

    python benchmarks/check.py --write docs/overhead.md

Runs ``conformance check`` of a NumPy kernel in the smoke tier as a command, and takes one such check apart: what is imported,
what the worker takes to start, to answer, and the judge to judge; and how long the next one takes in the same process, as
under ``--watch``.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

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
start = time.perf_counter()
from conformance import api
from conformance.cli import main
from conformance.reporting import verdict
imported = time.perf_counter() - start

def once():
    start = time.perf_counter()
    result = api.check(sys.argv[1])
    gone = time.perf_counter() - start
    assert result.passed
    [timing] = result.record.parts[0].footer.timing.values()
    told = time.perf_counter()
    result.verdict
    return {"check": gone, "judge": timing["judge"], "ask": timing["ask"], "tell": time.perf_counter() - told}

first = once()
print(json.dumps({"imports": imported, "first": first, "second": once()}))
"""


def median(measured: list[float]) -> str:
    """In seconds."""
    return f"{statistics.median(measured):.1f} s"


def wall(arguments: list[str]) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603 - this interpreter
    return time.perf_counter() - start


def table() -> str:
    """The section of the page."""
    import json  # noqa: PLC0415 - beside its only use

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.py"
        file.write_text(KERNEL)
        where = f"{file}:softmax"
        commands = [wall(["-m", "conformance", "check", where]) for _ in range(TURNS)]
        parts = []
        for _ in range(TURNS):
            done = subprocess.run(  # noqa: S603 - this interpreter
                [sys.executable, "-c", INSIDE, where], check=True, capture_output=True, text=True
            )
            parts.append(json.loads(done.stdout))
    first, second = ([part[name] for part in parts] for name in ("first", "second"))
    return "\n".join(
        [
            f"| what | median of {TURNS} | aim |",
            "|---|--:|--:|",
            f"| the command, from its start to its end | {median(commands)} | 4 s |",
            f"| the suite's imports | {median([part['imports'] for part in parts])} | |",
            f"| a check: its questions, truths, worker and verdict | {median([one['check'] for one in first])} | |",
            f"| of that, judging: the truths, mostly | {median([one['judge'] for one in first])} | |",
            f"| the next check of the same process | {median([one['check'] for one in second])} | |",
            f"| of that, judging | {median([one['judge'] for one in second])} | |",
        ]
    )


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put the table in")
def main(write: Path | None) -> None:
    text = table()
    click.echo(text)
    if write:
        section = f"<!-- check -->\n\n{text}\n\n<!-- /check -->"
        page = re.sub(r"<!-- check -->.*<!-- /check -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
