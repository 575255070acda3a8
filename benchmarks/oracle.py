"""How fast is the truth, and how much truer than what others compute?

    python benchmarks/oracle.py --write docs/reference.md

Times every way to compute a row's answers side by side, in turns, and keeps each one's best turn.  Errors are
the largest over some of the same rows, relative, against Arb at 320 bits.  On one core (`taskset -c 0`) it says
what the second thread is worth.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import flint
import mpmath
import numpy as np

from reference.formats import FORMATS
from reference.truth import OPS, truth

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = (2, 128, 4096, 100_000)
NUMBERS = 4_000_000
"""Elements of the arrays of those who take arrays."""
SLOW_NUMBERS = 4_096
"""Elements, or one row if that is longer, for those who take numbers one by one."""
TURNS = 7
ERROR_NUMBERS = 4_096


def plain(op: str, x: np.ndarray) -> np.ndarray:
    """The shifted formula in whatever type x has."""
    t = x - x.max(axis=-1, keepdims=True)
    e = np.exp(t)
    s = e.sum(axis=-1, keepdims=True)
    return e / s if op == "softmax" else t - np.log(s)


def one_by_one(op: str, rows: list[list[float]], number: Any, exp: Any, log: Any) -> list[list[Any]]:
    """The shifted formula in the numbers of a library."""
    answers = []
    for row in rows:
        top = number(max(row))
        t = [number(x) - top for x in row]
        e = [exp(v) for v in t]
        s = sum(e, number(0))
        logarithm = log(s)
        answers.append([v / s for v in e] if op == "softmax" else [v - logarithm for v in t])
    return answers


def arb(op: str, rows: list[list[float]], precision: int = 128) -> list[list[Any]]:
    """Arb's balls."""
    flint.ctx.prec = precision
    return one_by_one(op, rows, flint.arb, lambda v: v.exp(), lambda v: v.log())


def multiple(op: str, rows: list[list[float]]) -> list[list[Any]]:
    """Mpmath's numbers, at as many bits."""
    with mpmath.workprec(128):
        return one_by_one(op, rows, mpmath.mpf, mpmath.exp, mpmath.log)


WAYS: dict[str, Callable[[str, np.ndarray], Any]] = {
    "NumPy float64, no bound": plain,
    "truth for float32 (float64)": lambda op, x: truth(op, x, format=FORMATS["float32"]),
    "truth for float64 (middle)": lambda op, x: truth(op, x, format=FORMATS["float64"]),
    "truth, widest (double-double)": truth,
    "NumPy longdouble, no bound": lambda op, x: plain(op, x.astype(np.longdouble)),
}
SLOW_WAYS: dict[str, Callable[[str, list[list[float]]], Any]] = {
    "Arb, 128 bits": arb,
    "mpmath, 128 bits, no bound": multiple,
}


def as_balls(answer: Any, rows: int) -> list[Any]:
    """The numbers of the first rows, exactly."""
    flint.ctx.prec = 320
    if hasattr(answer, "high"):
        parts = (answer.high[:rows].ravel(), answer.low[:rows].ravel(), answer.exponent[:rows].ravel())
        return [
            (flint.arb(float(h)) + flint.arb(float(v))) * flint.arb(2) ** int(e) for h, v, e in zip(*parts, strict=True)
        ]
    if isinstance(answer, np.ndarray):
        flat = answer[:rows].ravel()
        high = flat.astype(np.float64)
        low = (flat - high).astype(np.float64)
        return [flint.arb(float(h)) + flint.arb(float(v)) for h, v in zip(high, low, strict=True)]
    if isinstance(answer[0][0], flint.arb):
        return [v.mid() for row in answer[:rows] for v in row]
    return [flint.arb(mpmath.nstr(v, 60)) for row in answer[:rows] for v in row]


def measure(op: str) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds per number, by way and length; and the worst relative error of each way."""
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {way: [] for way in (*WAYS, *SLOW_WAYS)}
    errors = dict.fromkeys(times, 0.0)
    for n in LENGTHS:
        x = rng.standard_normal((max(1, NUMBERS // n), n)) * 5
        few = x[: max(1, SLOW_NUMBERS // n)]
        listed = few.tolist()
        best = dict.fromkeys(times, float("inf"))
        answers: dict[str, Any] = {}
        for _ in range(TURNS):
            for way, compute in WAYS.items():
                start = time.perf_counter()
                answers[way] = compute(op, x)
                best[way] = min(best[way], (time.perf_counter() - start) / x.size)
            for way, compute_slowly in SLOW_WAYS.items():
                start = time.perf_counter()
                answers[way] = compute_slowly(op, listed)
                best[way] = min(best[way], (time.perf_counter() - start) / few.size)
        rows = max(1, ERROR_NUMBERS // n)
        due = [v for row in arb(op, listed[:rows], precision=320) for v in row]
        for way, answer in answers.items():
            times[way].append(best[way])
            got = as_balls(answer, rows)
            worst = max(float((abs(a - b) / abs(b)).mid()) for a, b in zip(got, due, strict=True))
            errors[way] = max(errors[way], worst)
    return times, errors


def tables(op: str) -> str:
    """Markdown: speed and error of each way, and the ratios that matter."""
    times, errors = measure(op)
    head = " | ".join(f"n = {n:,}" for n in LENGTHS)
    lines = [f"| {op}, million numbers a second | {head} | worst error |", "|---|" + "--:|" * (len(LENGTHS) + 1)]
    for way, seconds in times.items():
        cells = " | ".join(f"{1e-6 / s:.3g}" for s in seconds)
        lines.append(f"| {way} | {cells} | 2^{np.log2(errors[way]):.1f} |")
    numpy, narrow, middle, wide, long = (times[way] for way in WAYS)
    ball = times["Arb, 128 bits"]
    ratios = {
        "time of float64 speed / NumPy float64": (narrow, numpy, "at most 2"),
        "time of Arb / middle": (ball, middle, "at least 25"),
        "time of longdouble / middle": (long, middle, "at least 1"),
        "time of Arb / double-double": (ball, wide, "at least 8"),
    }
    lines += ["", f"| {op}, ratio | {head} | aim |", "|---|" + "--:|" * len(LENGTHS) + "---|"]
    for name, (above, below, aim) in ratios.items():
        cells = " | ".join(f"{a / b:.2f}" for a, b in zip(above, below, strict=True))
        lines.append(f"| {name} | {cells} | {aim} |")
    return "\n".join(lines)


ONE_ROW = """
import re, sys
import numpy as np
from reference import FORMATS, Bound, truth
x = np.random.default_rng(0).standard_normal(10_000_000)
op, format = sys.argv[1], FORMATS.get(sys.argv[2])
said = truth(op, x, format=format, cotangent=np.cos(x) if op.endswith("_vjp") else None)
judged, near = format or FORMATS["float64"], said.nearest[0]
bound = Bound(np.zeros(()), abs(near))  # at its very boundary is twice the number, and the row is computed again
said = said.decisive(judged).settled(2 * near, bound)
said.faithful(said.rounded(judged), judged)
said.within(bound, 2 * near)
assert said.escalated or format is None or (op.endswith("_vjp") and sys.argv[2] == "float64")
# ru_maxrss would still know the process that this one was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) // 1024)
"""


def memory() -> str:
    """The largest resident size of a process that asks for one long row, at each speed, and for verdicts."""
    lines = [
        "| one row of 10,000,000 logits, largest resident size in MiB | float32 | float64 | the widest |",
        "|---|--:|--:|--:|",
    ]
    for op in OPS:
        sizes = []
        for name in ("float32", "float64", "the widest"):
            command = [sys.executable, "-c", ONE_ROW, op, name]
            sizes.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())  # noqa: S603
        lines.append(f"| {op}, rounded, compared, and computed again | {' | '.join(sizes)} |")
    return "\n".join(lines)


def machine() -> str:
    """Where the figures come from."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = re.search(r"model name\s*: (.*)", info.read_text()).group(1)  # type: ignore[union-attr]
    return f"{cpu}, {os.cpu_count()} cores, NumPy {np.__version__}, python-flint {flint.__version__}, mpmath {mpmath.__version__}"


@click.command(help=__doc__.replace("\n\n    python", "\n\n\b\n    python"))
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="page to put the tables in")
def main(write: Path | None) -> None:
    """Measure, print, and write."""
    text = "\n\n".join([f"Measured on {machine()}.", *(tables(op) for op in ("softmax", "log_softmax")), memory()])
    click.echo(text)
    if write:
        section = f"<!-- speed -->\n\n{text}\n\n<!-- /speed -->"
        page = re.sub(r"<!-- speed -->.*<!-- /speed -->", lambda _: section, write.read_text(), flags=re.DOTALL)
        write.write_text(page)


if __name__ == "__main__":
    main()
