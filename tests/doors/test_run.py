"""A run loses nothing that it has recorded, and its record has one order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from conformance import tasks
from conformance.asking.connections import Limits
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation
from conformance.record import Memory, TaskRecord
from conformance.run import Options, Run
from conformance.values import Tier

if TYPE_CHECKING:
    from pathlib import Path

    from commands import Bench

    from conformance.record import Record

SEVERAL = Invitation("several")
VARY = ["run_id", "seconds"]


def options(*invitations: Invitation, **more: Any) -> Options:
    return Options(
        **{
            "tier": Tier.STANDARD,
            "invitations": invitations,
            "ops": ("softmax",),
            "dtypes": ("float32",),
            "families": ("all_equal",),
            "limits": Limits(seconds=20, start=20),
            "jobs": 1,
            **more,
        }
    )


@pytest.fixture(autouse=True)
def _plugins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", bench.environment["PYTHONPATH"])


def same(one: Record, other: Record) -> bool:
    rows = [record.observations.drop(columns=VARY) for record in (one, other)]
    claims = [record.claims.drop(columns="run_id") for record in (one, other)]
    return rows[0].equals(rows[1]) and claims[0].equals(claims[1])


class Backwards(Memory):
    """Keeps what is finished, and is told of it in the other order at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[TaskRecord] = []

    def finish(self, task: TaskRecord) -> None:
        self.kept.append(task)

    def record(self, *, complete: bool) -> Record:
        for task in reversed(self.kept):
            super().finish(task)
        return super().record(complete=complete)


class Full(Memory):
    """Takes two tasks."""

    def finish(self, task: TaskRecord) -> None:
        if len(self.finished()) == 2:
            raise ZeroDivisionError("a mistake of the suite")
        super().finish(task)


def test_a_failure_of_the_suite_keeps_what_was_recorded() -> None:
    failed = Run(options(SEVERAL), Full())

    record = failed.execute()

    assert isinstance(failed.failure, ZeroDivisionError)
    assert not record.complete
    assert len(record.observations) == record.parts[0].footer.rows > 0
    assert len(set(record.observations["target"])) < 3


def test_a_failure_where_answers_are_judged_keeps_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge works in the caller's thread while workers are asked in others."""

    def judge(self: Any, task: Any, *rest: Any) -> Any:
        if task.target.mode == "wrong":
            raise ZeroDivisionError("a mistake of the suite")
        return before(self, task, *rest)

    before = tasks.Desk.judge
    monkeypatch.setattr(tasks.Desk, "judge", judge)
    failed = Run(options(SEVERAL, jobs=2, claims=False), Memory())

    record = failed.execute()

    assert isinstance(failed.failure, ZeroDivisionError)
    assert not record.complete
    assert {"several/one/cpu"} <= set(record.observations["target"]) <= {"several/one/cpu", "several/two/cpu"}


def test_the_order_of_the_record_is_not_that_of_the_workers() -> None:
    orders = []
    for keeper, jobs in ((Memory(), 1), (Backwards(), 1), (Memory(), 3)):
        run = Run(options(SEVERAL, jobs=jobs), keeper)
        orders.append(run.execute())
        assert run.failure is None

    assert 3 == len(set(orders[0].observations["target"]))
    assert len(orders[0].claims)
    assert same(orders[0], orders[1])
    assert same(orders[0], orders[2])


def test_progress_counts_every_task() -> None:
    seen: list[tuple[int, int, str]] = []

    Run(options(SEVERAL), Memory(), lambda *now: seen.append(now)).execute()

    done = [count for count, known, _ in seen if known]
    assert (0, 0, "starting the workers") == seen[0]
    assert done == sorted(done)
    assert set(range(7)) == set(done)  # three modes, each with its claims
    assert {6} == {known for _, known, _ in seen if known}
    assert {"several/one/cpu softmax float32", "several/wrong/cpu claims float32"} <= {what for _, _, what in seen}


def test_what_is_finished_is_not_asked_again() -> None:
    """What a resumed run has is counted as done."""
    keeper, seen = Memory(), []
    first = Run(options(SEVERAL), keeper).execute()

    again = Run(options(SEVERAL), keeper, lambda done, known, what: seen.append((done, known, what))).execute()

    assert [(0, 0, "starting the workers")] == seen
    assert same(first, again)


def test_a_target_that_is_not_here_ends_the_run_before_a_record() -> None:
    keeper = Memory()
    with pytest.raises(MissingTarget, match=r"'honest/eager/cuda:3' is not here \(honest 1 has honest/eager/cpu\)"):
        Run(options(Invitation("honest"), targets=("honest/eager/cuda:3",)), keeper).execute()

    assert not keeper.begun


def test_one_that_is_absent_is_recorded_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILL", "raises at import")

    record = Run(options(Invitation("drill"), Invitation("honest"), claims=False), Memory()).execute()

    assert {"drill": "ImportError: its library is broken"} == dict(record.absent)
    assert {"honest/eager/cpu"} == set(record.observations["target"])


def test_only_what_may_be_meant_is_started(bench: Bench) -> None:
    """A worker that would hang is not even started for a run that names another framework."""
    note = bench.folder / "started"
    other = Invitation("drill", command=("/bin/sh", "-c", f"touch {note}; exec sleep 600"))

    record = Run(options(other, Invitation("honest"), targets=("hon*/eager",), claims=False), Memory()).execute()

    assert {"honest/eager/cpu"} == set(record.observations["target"])
    assert not note.exists()


ONCE = """
import json, os, pathlib, sys, time
note = pathlib.Path(sys.argv[1])
if note.exists():
    sys.exit("no second time")
note.touch()

def reply(request, **more):
    os.write(1, (json.dumps({"id": request.get("id"), **more}) + "\\n").encode())

for line in iter(sys.stdin.buffer.readline, b""):
    request = json.loads(line)
    for array in request["arrays"]:
        sys.stdin.buffer.read(array["bytes"])
    if request["type"] == "hello":
        reply(request, type="hello", protocol=1, framework="once", version="1", modes=["eager"], devices=["cpu"],
              ways=["plain"], layouts=[], controls={}, variants=[""], watched=False)
    else:
        os._exit(5)
"""


def test_a_worker_that_does_not_come_back_ends_neither_the_run_nor_its_neighbour(tmp_path: Path) -> None:
    """It ends over the first probe, and cannot be started again, neither for the cases nor for the claims."""
    program = tmp_path / "once.py"
    program.write_text(ONCE)
    once = Invitation("once", command=(sys.executable, str(program), str(tmp_path / "note")))
    run = Run(options(once, Invitation("honest")), Memory())

    record = run.execute()

    assert run.failure is None
    assert record.complete
    rows = record.observations
    mine, honest = (rows[rows["framework"] == name] for name in ("once", "honest"))
    assert {"not_asked"} == set(mine["outcome"])
    assert mine["reason"].str.contains("its worker did not come back").all()
    assert {"answered"} == set(honest["outcome"])
    claims = record.claims[record.claims["target"] == "once/eager/cpu"]
    assert {"not asked"} == set(claims["verdict"])
    assert claims["evidence"].str.contains("no second time").all()
