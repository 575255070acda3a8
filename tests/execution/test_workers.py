"""A worker that dies or hangs costs its task and nothing else."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest

from conformance.execution.workers import Begun, Done, Lost, drive


def first(key: str) -> tuple[str, int]:
    return key, os.getpid()


def perform(task: str) -> Any:
    if task == "exit":
        sys.stderr.write("famous last words\n")
        sys.stderr.flush()
        os._exit(7)
    if task == "hang":
        time.sleep(3600)
    if task == "bug":
        raise ZeroDivisionError("the suite's own mistake")
    return task, os.getpid()


def run(tasks: list[str], keys: tuple[str, ...] = ("a",), timeout: float = 60.0) -> list[Any]:
    return [
        e for e in drive(keys, first, lambda *_: tasks, perform, jobs=2, timeout=timeout) if not isinstance(e, Begun)
    ]


def test_one_process_a_key_does_all_its_tasks() -> None:
    events = run(["x", "y"], ("a", "b"))

    processes = {key: {e.result[1] for e in events if e.key == key} for key in ("a", "b")}
    assert [1, 1] == [len(found) for found in processes.values()]
    assert processes["a"].isdisjoint(processes["b"])


def test_a_dead_worker_is_named_and_the_next_task_still_runs() -> None:
    introduction, lost, done = run(["exit", "after"])

    assert isinstance(introduction, Done)
    assert isinstance(lost, Lost)
    assert "exit status 7" in lost.how
    assert "famous last words" in lost.how
    assert "after" == done.result[0]


def test_a_hanging_worker_is_stopped_and_the_next_task_still_runs() -> None:
    _, lost, done = run(["hang", "after"], timeout=3.0)

    assert 3.0 == lost.seconds
    assert "after" == done.result[0]


def test_a_mistake_of_the_suite_is_not_an_observation() -> None:
    with pytest.raises(ZeroDivisionError, match="own mistake"):
        run(["bug"])


def test_closing_the_events_stops_the_workers() -> None:
    events = drive(("a",), first, lambda *_: ["hang"], perform, jobs=1, timeout=600.0)
    process = next(e.result[1] for e in events if isinstance(e, Done))

    start = time.monotonic()
    events.close()

    assert time.monotonic() - start < 60  # not the hour it sleeps
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
