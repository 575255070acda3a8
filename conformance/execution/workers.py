"""How do we survive what we ask?

Every framework runs in a worker process of its own, with one import for its whole life; a worker
that dies or hangs costs the task in hand, is restarted, and the run goes on.  Pebble's pools give
what the standard library's do not: a timeout that kills, and a named error when a process expires.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import tempfile
import threading
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pebble

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence


@dataclass(frozen=True)
class Begun:
    """A worker has been given this task."""

    key: str
    task: Any


@dataclass(frozen=True)
class Done:
    """A worker finished this task with this result."""

    key: str
    task: Any
    result: Any


@dataclass(frozen=True)
class Lost:
    """The worker died (``how``) or was stopped after ``seconds`` without an answer."""

    key: str
    task: Any
    how: str
    seconds: float | None = None


Event = Begun | Done | Lost


def _quiet(log: str) -> None:
    """Frameworks write to both streams as they please; a progress bar cannot share them.

    Ctrl-C belongs to the parent, which stops the workers itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:200] if lines else ""


class _Stopped(Exception):
    """The consumer went away."""


class _Crew:
    """The threads that each look after one worker, and the queue they report to."""

    def __init__(self, perform: Callable[[Any], Any], jobs: int, timeout: float) -> None:
        self.perform = perform
        self.timeout = timeout
        self.events: queue.Queue[Event | BaseException | None] = queue.Queue()
        self.stop = threading.Event()
        self.gate = threading.Semaphore(jobs)

    def look_after(
        self, key: str, first: Callable[[str], Any], then: Callable[[str, Any], Sequence[Any]], log: Path
    ) -> None:
        """The whole life of one worker; ends with None in the queue, whatever happens."""
        try:
            with self.gate:
                self._work(key, first, then, log)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            self.events.put(error)
        finally:
            self.events.put(None)

    def _work(
        self, key: str, first: Callable[[str], Any], then: Callable[[str, Any], Sequence[Any]], log: Path
    ) -> None:
        if self.stop.is_set():
            return
        context = multiprocessing.get_context("spawn")
        pool = pebble.ProcessPool(max_workers=1, context=context, initializer=_quiet, initargs=(str(log),))
        try:
            introduction = self._one(pool, key, key, first, log)
            # Plan before the consumer hears of it: a plan that is refused must not look like progress.
            tasks = then(key, introduction.result) if isinstance(introduction, Done) else ()
            self.events.put(introduction)
            for task in tasks:
                self.events.put(self._one(pool, key, task, self.perform, log))
        finally:
            pool.stop()  # type: ignore[no-untyped-call]  # pebble annotates it only in part
            pool.join()

    def _one(self, pool: pebble.ProcessPool, key: str, task: Any, call: Callable[[Any], Any], log: Path) -> Done | Lost:
        self.events.put(Begun(key, task))
        future = pool.schedule(call, args=(task,), timeout=self.timeout)
        while not futures.wait([future], timeout=0.2).done:
            if self.stop.is_set():
                raise _Stopped
        try:
            return Done(key, task, future.result())
        except TimeoutError:
            return Lost(key, task, f"no answer within {self.timeout:g} s", self.timeout)
        except pebble.ProcessExpired as error:
            how, said = f"the process ended with exit status {error.exitcode}", _last_words(log)
            return Lost(key, task, f"{how}; last words: {said}" if said else how)


def drive(
    keys: Sequence[str],
    first: Callable[[str], Any],
    then: Callable[[str, Any], Sequence[Any]],
    perform: Callable[[Any], Any],
    *,
    jobs: int,
    timeout: float,
) -> Generator[Event, None, None]:
    """Run ``first(key)``, then ``perform(task)`` for each task of ``then(key, result)``, a worker a key.

    ``first`` and ``perform`` run in the worker and must be importable; ``then`` runs here.  At most
    ``jobs`` workers live at once.  The event of ``first`` has its key as its task.  Closing the
    iterator stops every worker.
    """
    crew = _Crew(perform, jobs, timeout)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        threads = [
            threading.Thread(target=crew.look_after, args=(key, first, then, Path(folder, f"{key}.log")), daemon=True)
            for key in keys
        ]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                event = crew.events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            crew.stop.set()
            for thread in threads:
                thread.join()
