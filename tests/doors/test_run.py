"""A run loses nothing that it has recorded, and its record has one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance import engine, run
from conformance.engine import Introduction
from conformance.execution.workers import Done, Lost
from conformance.selection import MissingTarget
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPTIONS = run.Options(tier=Tier.SMOKE, dtypes=("float32",), ops=("softmax",), families=("single",), jobs=1)


def scripted(
    monkeypatch: pytest.MonkeyPatch, *, then_fail: bool = False, die: str = "", order: Callable[..., Any] = reversed
) -> None:
    """Workers that never start: every task is lost with the words ``die``, or the suite fails half way."""

    def drive(keys: Any, first: Any, then: Any, perform: Any, **_: Any) -> Iterator[Any]:
        del first, perform
        for key in order(keys):
            tasks = then(key, Introduction(key, "1.0", ("eager",), ("cpu",)))
            for task in tasks:
                if isinstance(task, engine.Task):
                    yield Lost(key, task, die)
            if then_fail:
                raise ZeroDivisionError("a mistake of the suite")
            yield Done(key, key, Introduction(key))

    monkeypatch.setattr(run, "drive", drive)


def test_a_failure_of_the_suite_keeps_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, then_fail=True, die="gone")
    failed = run.Run(OPTIONS)

    record = failed.execute()

    assert isinstance(failed.failure, ZeroDivisionError)
    assert not record.footer["complete"]
    assert len(record.observations) == record.footer["rows"] > 0


def test_a_lost_worker_is_an_observation_of_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, die="exit status -11")

    record = run.Run(OPTIONS).execute()

    assert record.footer["complete"]
    assert {"crashed"} == set(record.observations["outcome"])
    assert record.observations["witness"].str.contains("exit status -11").all()


def test_the_order_of_the_record_is_not_that_of_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = []
    for order in (reversed, list):
        scripted(monkeypatch, die="gone", order=order)
        observations = run.Run(OPTIONS).execute().observations
        orders.append(observations["target"].tolist())

    assert len(set(orders[0])) > 1
    assert orders[0] == orders[1]


def test_progress_counts_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, die="gone")
    seen: list[tuple[int, int]] = []

    run.Run(OPTIONS, lambda done, known, _: seen.append((done, known))).execute()

    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == len(seen)


def test_a_target_that_is_not_here_ends_the_run_before_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, die="gone")

    with pytest.raises(MissingTarget, match=r"'jax/eager/cuda:3' is not here \(jax 1.0 sees cpu\)"):
        run.Run(run.Options(tier=Tier.SMOKE, targets=("jax/eager/cuda:3",), dtypes=("float32",))).execute()
