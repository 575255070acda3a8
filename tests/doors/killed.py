"""Runs of the command line that are killed at a moment drawn by chance and resumed, until one is allowed to end by itself.

Called with a folder, a number of kills and a seed.  The command runs once in this process, which imports and caches
what it needs, and each later one is a fork of it, so that a run takes a second; it is killed as the system kills, without a
chance to tidy.  Some moments are drawn
from the length of a run, some are looked for: a task that appears in the journal, the report that is being written beside
its place, a journal that is being discarded.  Prints what was seen, as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import cli
from conformance.record import read

if TYPE_CHECKING:
    from collections.abc import Callable

ARGUMENTS = (
    "run",
    "--target",
    "several",
    "--op",
    "softmax",
    "--dtype",
    "float32",
    "--family",
    "all_equal",
    "--jobs",
    "1",
)
VARY = ["run_id", "seconds"]


def fork(out: Path, *more: str) -> int:
    """Start the command in a fork of this process; its number."""
    child = os.fork()
    if child:
        return child
    try:
        with open(out.parent / "said.txt", "ab", buffering=0) as log:  # noqa: PTH123 - in a child that ends here
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        cli.main([*ARGUMENTS, "--out", str(out), *more])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:  # noqa: BLE001 - a child of a fork must not go on
        os._exit(70)
    os._exit(71)


def finished(out: Path) -> int:
    """How many tasks the journal holds."""
    return sum(1 for _ in (out.with_name(f"{out.name}.journal") / "tasks").glob("[!.]*"))


def moments(chance: random.Random, out: Path, length: float) -> tuple[str, Callable[[], bool]]:
    """A moment: its name, and whether it has come."""
    start, tasks = time.monotonic(), finished(out)
    kind = chance.choice(["time", "time", "task", "publishing", "discarding"])
    wait, more = chance.uniform(0, length), chance.randint(1, 3)
    delay = chance.uniform(0, 0.3 * length) if kind == "publishing" else chance.uniform(0, 0.02)
    seen: list[float] = []

    def come() -> bool:
        if kind == "time":
            return time.monotonic() - start >= wait
        if not seen:
            there = {
                "task": lambda: finished(out) >= tasks + more,
                "publishing": lambda: any(out.parent.glob(f".{out.name}.*.unfinished")),
                "discarding": lambda: any(out.parent.glob(f".{out.name}.journal.*.unfinished")),
            }[kind]()
            if not there:
                return False
            seen.append(time.monotonic())
        return time.monotonic() - seen[0] >= delay

    return kind, come


def attempt(out: Path, come: Callable[[], bool], *more: str) -> int | None:
    """Run the command; its status, or None where it was killed."""
    child = fork(out, *more)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if come():
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            # It may have ended in between.
            return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        time.sleep(0.003)


def compare(whole: Path, out: Path) -> list[str]:
    """What differs between the report of a run that was resumed and that of one in one go."""
    one, other = (read(folder / "observations.parquet") for folder in (whole, out))
    found = []
    if not one.observations.drop(columns=VARY).equals(other.observations.drop(columns=VARY)):
        found.append("observations")
    if not one.claims.drop(columns=["run_id"]).equals(other.claims.drop(columns=["run_id"])):
        found.append("claims")
    if one.parts[0].programs != other.parts[0].programs:
        found.append("programs")
    if one.parts[0].header.plan != other.parts[0].header.plan:
        found.append("plan")
    if not other.complete or 1 != len(other.parts):
        found.append("incomplete")
    if (whole / "divergences.csv").read_bytes() != (out / "divergences.csv").read_bytes():
        found.append("divergences.csv")
    return found + sorted(path.name for path in out.parent.iterdir() if path.name not in (out.name, "said.txt"))


def main(folder: Path, kills: int, seed: int) -> None:
    """See the module."""
    chance = random.Random(seed)  # noqa: S311 - moments, and no secrets
    whole = folder / "whole" / "report"
    whole.parent.mkdir()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main([*ARGUMENTS, "--out", str(whole)])
    start = time.monotonic()
    status = attempt(whole, lambda: False)
    length = time.monotonic() - start
    killed: Counter[str] = Counter()
    runs, wrong, statuses, resumed = 0, [], [status], 0
    while sum(killed.values()) < kills:
        runs += 1
        out = folder / f"run-{runs}" / "report"
        out.parent.mkdir()
        journal = out.with_name("report.journal")
        while True:
            enough = sum(killed.values()) >= kills
            kind, come = ("none", lambda: False) if enough else moments(chance, out, length)
            more = ["--resume"] if journal.is_dir() else []
            resumed += journal.is_dir() and finished(out) > 0
            status = attempt(out, come, *more)
            if status is not None:
                break
            killed[kind] += 1
        statuses.append(status)
        if status != statuses[0]:
            wrong.append(f"run {runs}: {(out.parent / 'said.txt').read_text()[-500:]}")
            break
        wrong += [f"run {runs}: {name}" for name in compare(whole, out)]
    rows = read(whole / "observations.parquet").observations
    print(  # noqa: T201 - for the test that calls this
        json.dumps(
            {
                "kills": dict(killed), "runs": runs, "resumed": resumed, "statuses": sorted(set(statuses)),
                "wrong": wrong, "rows": len(rows), "violated": int((rows["severity"] == "violation").sum()),
                "length": length,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
