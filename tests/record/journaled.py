"""A run of three tasks in a process of its own, which may be killed at any operation on the disk.

Called with a folder for the report, it first makes the whole run in one go, elsewhere, and then, for each number of
operations, one that is killed after so many of them and is then resumed; it prints how many kills there were.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parts import JAX, TORCH, claim, header, row, violated

from conformance.record import Journal, Record, TaskRecord, claims_frame, findings, frame, write
from conformance.record.disk import replace_folder, unfinished
from conformance.record.errors import NothingToResume

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = {
    f"{target} softmax {dtype}": (target, dtype)
    for target, dtype in ((TORCH, "float32"), (TORCH, "float16"), (JAX, "float32"))
}


@cache
def task(name: str) -> TaskRecord:
    target, dtype = TASKS[name]
    rows = [row(target, dtype=dtype, case=case) for case in "cab"] + [violated(target, dtype=dtype, case="d")]
    claims = claims_frame([claim(target) | {"dtype": dtype}]) if dtype == "float32" else None
    programs = {f"{target} softmax plain": ("import numpy\n", "{values}", "def f(x): ...", "print()")}
    return TaskRecord(name, frame(rows), {"ask": 0.5, "judge": 0.25}, 2, programs, claims)


def publish(record: Record, out: Path) -> None:
    new = unfinished(out)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    write(record, new / "observations.parquet")
    (new / "divergences.csv").write_text(findings(record).drop(columns="rows").to_csv(index=False))
    replace_folder(new, out)


def run(out: Path, run_id: str, *, resume: bool = False) -> None:
    """Ask what is not done yet, publish it, and discard the journal."""
    with Journal.open(out, resume=resume) as journal:
        journal.begin(header(TORCH, JAX, run_id=run_id, dtypes=("float32", "float16")))
        assert journal.header is not None
        assert journal.header.run_id == "first" or not journal.finished()
        for name in TASKS.keys() - journal.finished():
            journal.finish(task(name))
        publish(journal.record(complete=journal.finished() == TASKS.keys()), out)
        journal.discard()


def killed_after(operations: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed when it has done so many operations; whether it was."""
    child = os.fork()
    if child == 0:
        try:
            _count(operations)
            work()
        except BaseException:  # noqa: BLE001 - a child of a fork must not go on
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(1)
    return os.WIFSIGNALED(status)


def _count(operations: int) -> None:
    left = operations

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for name in ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir", "write"):
        setattr(os, name, counted(getattr(os, name)))


def main(folder: Path) -> None:
    out, kills = folder / "out", 0
    run(folder / "whole", "first")
    for operations in range(10_000):
        out.mkdir()
        (out / "divergences.csv").write_text("an old report")
        if not killed_after(operations, lambda: run(out, "first")):
            break
        kills += 1
        seen = (out / "divergences.csv").read_bytes()
        assert seen in (b"an old report", (folder / "whole" / "divergences.csv").read_bytes()), seen
        try:
            run(out, "second", resume=True)
        except NothingToResume:
            if seen == b"an old report":  # it ended before it had a folder
                run(out, "first")
        compare(folder, operations)
        shutil.rmtree(out)
    print(kills)  # noqa: T201 - for the test that calls this


def compare(folder: Path, operations: int) -> None:
    from conformance.record import read  # noqa: PLC0415 - as a reader would

    whole, got = read(folder / "whole" / "observations.parquet"), read(folder / "out" / "observations.parquet")
    assert got.complete, operations
    assert whole.observations.drop(columns="run_id").equals(got.observations.drop(columns="run_id")), operations
    assert whole.claims.drop(columns="run_id").equals(got.claims.drop(columns="run_id")), operations
    assert whole.parts[0].programs == got.parts[0].programs, operations
    assert whole.parts[0].footer.timing == got.parts[0].footer.timing, operations
    csv = [(folder / name / "divergences.csv").read_bytes() for name in ("whole", "out")]
    assert csv[0] == csv[1], operations
    left = sorted(path.name for path in folder.iterdir())
    assert ["out", "whole"] == left, (operations, left)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
