"""Tasks are shared out, a pool outlives what goes wrong in one of them, and it stops when it is told to."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from conformance.asking.connections import Limits
from conformance.asking.pool import Begun, Finished, Invitation, Pool, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.asking.asker import Asker

ONE, OTHER = Invitation("one"), Invitation("other")


class Idle:
    """What asks a subject that has nothing to be asked."""

    def __init__(self, invitation: Invitation, log: list[Invitation]) -> None:
        log.append(invitation)
        self.seconds = 0.0
        self.closed = False

    def start(self) -> threading.Thread:
        """In place of a hello, the thread it is said in."""
        return threading.current_thread()

    def forget(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Invitation]:
    """Every asker that was made; none of them has a worker."""
    log: list[Invitation] = []
    monkeypatch.setattr(Invitation, "asker", lambda self, *_, **__: Idle(self, log))
    return log


def doubled(_: Asker, task: Any) -> Iterator[int]:
    yield task
    yield 2 * task


def test_every_task_begins_tells_and_finishes_once(opened: list[Invitation]) -> None:
    tasks = [(ONE if i % 3 else OTHER, i) for i in range(40)]
    with Pool(2, Limits()) as pool:
        events = list(pool.perform(tasks, doubled))

    assert list(range(40)) == sorted(e.task for e in events if isinstance(e, Begun))
    assert list(range(40)) == sorted(e.task for e in events if isinstance(e, Finished))
    assert sorted([*range(40), *(2 * i for i in range(40))]) == sorted(e.what for e in events if isinstance(e, Told))
    assert len(opened) <= 4  # at most one a slot and subject


def test_a_busy_subject_gets_a_second_worker_only_where_no_other_is_idle(opened: list[Invitation]) -> None:
    both = threading.Barrier(2, timeout=10)

    def together(_: Asker, task: int) -> Iterator[int]:
        both.wait()
        yield task

    with Pool(2, Limits()) as pool:
        list(pool.perform([(ONE, i) for i in range(4)], together))

    assert [ONE, ONE] == opened


@pytest.mark.usefixtures("opened")
def test_an_exception_of_the_work_is_raised_and_the_pool_goes_on() -> None:
    def failing(_: Asker, task: int) -> Iterator[int]:
        if task == 3:
            raise ZeroDivisionError("a mistake of the suite")
        yield task

    with Pool(2, Limits()) as pool:
        with pytest.raises(ZeroDivisionError):
            list(pool.perform([(ONE, i) for i in range(8)], failing))

        assert 3 == len(list(pool.perform([(ONE, 9)], failing)))


@pytest.mark.usefixtures("opened")
def test_a_consumer_that_fails_leaves_the_pool_usable() -> None:
    with Pool(2, Limits()) as pool:
        events = pool.perform([(ONE, i) for i in range(500)], doubled)
        next(events)
        events.close()

        assert 4 == len(list(pool.perform([(ONE, 9)], doubled)))


@pytest.mark.usefixtures("opened")
def test_closing_stops_work_that_never_waits() -> None:
    def endless(_: Asker, task: int) -> Iterator[int]:
        while True:
            time.sleep(0.001)
            yield task

    with Pool(2, Limits()) as pool:
        events = pool.perform([(ONE, 1), (OTHER, 2)], endless)
        next(events)
        events.close()  # or this test has no end

        assert 4 == len(list(pool.perform([(ONE, 9)], doubled)))


def test_an_unhashable_function_can_be_invited() -> None:
    class Kernel:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x: Any, axis: int) -> Any:
            del axis
            return x

    assert {Invitation("numpy", kernel=Kernel()): 1}


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(("kernel", "here"), [("", False), (len, True)])
def test_only_a_function_object_is_called_in_the_callers_thread(kernel: Any, here: bool) -> None:
    """It may need the main thread; a worker ends with the thread that started it, which has to be one of the pool's."""
    invited = [Invitation("numpy", kernel=kernel), ONE] if here else [ONE, OTHER]

    with Pool(2, Limits()) as pool:
        threads = [thread for _, thread in pool.introduce(invited)]

    assert [here, here] == [thread is threading.current_thread() for thread in threads]


def test_an_op_must_be_there_only_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bool] = []
    monkeypatch.setattr(Invitation, "asker", lambda self, *_, must, **__: said.append(must) or Idle(self, []))

    for options in ({}, {"must": True}):
        with Pool(1, Limits(), **options) as pool:
            list(pool.perform([(ONE, 1)], doubled))

    assert [False, True] == said


def test_whoever_leaves_a_pool_ends_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Idle] = []

    def asker(invitation: Invitation, *_: Any, **__: Any) -> Idle:
        made.append(Idle(invitation, []))
        return made[-1]

    monkeypatch.setattr(Invitation, "asker", asker)
    with Pool(2, Limits()) as pool:
        list(pool.introduce([ONE, OTHER]))
        assert [False, False] == [one.closed for one in made]

    assert [True, True] == [one.closed for one in made]
