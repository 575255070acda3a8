"""Workers at work: tasks are shared out among slots, and what comes back is one stream of events.

A slot takes the next task whose framework has an idle worker, looking ahead over a few sheets, and starts another worker
of a busy framework only where there is none: no core waits while a task is left.  Tasks go sheet by sheet, so that the
truth of a sheet is needed for a short while only.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from conformance.asking.asker import Asker
from conformance.asking.connections import Direct, Limits, Process, worker_command
from conformance.asking.hello import AbsentSubject
from conformance.frameworks.contract import EVERYTHING, Contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from conformance.asking.connections import Connection
    from conformance.asking.hello import Hello

AHEAD = 24
"""Tasks that a slot looks over for one whose framework is idle: about two sheets of three frameworks."""

NOT_INSTALLED = "not installed"
"""Why a subject is absent whose modules are not there."""

_WAITING = 64
"""Events that may wait for the consumer before the slots do."""


@dataclass(frozen=True)
class Invitation:
    """One subject that may be asked.

    Attributes
    ----------
    framework, variant
        Which adapter, and which of its variants.
    python
        The interpreter of its worker.
    kernel
        A function of somebody's own on the arrays of ``framework``: ``file.py:function``, ``module:function``, or the
        function itself, which is called in this process; empty for the framework's functions.
    contract
        What the user says that function promises.
    missing
        A module that is known not to be installed there, so that no worker need be started to find out; or empty.
    label
        How the user calls the interpreter, or the worker program.
    command
        The command line of a worker program, in whatever language, whose framework is called ``framework``; empty for the worker program of this project.
    """

    framework: str
    variant: str = ""
    python: str = sys.executable
    kernel: Any = field(default="", compare=False)
    contract: Contract = EVERYTHING
    command: tuple[str, ...] = ()
    missing: str = field(default="", compare=False)
    label: str = field(default="here", compare=False)

    @property
    def subject(self) -> str:
        """framework, or framework:variant."""
        return f"{self.framework}:{self.variant}" if self.variant else self.framework

    @property
    def direct(self) -> bool:
        """Whether it is called in this process."""
        return callable(self.kernel)

    def asker(self, limits: Limits, *, must: bool = False, stopped: Callable[[], bool] = lambda: False) -> Asker:
        """What asks it, with no worker yet."""
        request: dict[str, Any] = {"framework": self.framework, "variant": self.variant}
        if self.direct:
            return Asker(self._in_process, request, limits, must)
        if self.kernel:
            request |= {"kernel": self.kernel, "contract": self.contract.terms()}
        command = self.command or worker_command(self.python)
        return Asker(lambda: Process(command, limits, stopped=stopped), request, limits, must)

    def _in_process(self) -> Connection:
        from conformance.frameworks.kernel import BadKernel, Kernel  # noqa: PLC0415 - imports its framework

        try:
            return Direct(Kernel(self.kernel, self.framework, self.contract).load())
        except (BadKernel, ImportError) as error:
            raise AbsentSubject(str(error)) from None


@dataclass(frozen=True)
class Begun:
    """A slot has taken this task."""

    task: Any


@dataclass(frozen=True)
class Told:
    """One thing that work on a task has yielded."""

    task: Any
    what: Any


@dataclass(frozen=True)
class Finished:
    """Work on a task is done.

    Attributes
    ----------
    timing
        Part (import, ask) → seconds.
    """

    task: Any
    timing: Mapping[str, float]


Event = Begun | Told | Finished


@dataclass
class Pool:
    """Workers of several subjects; a context manager that ends them all.

    Attributes
    ----------
    jobs
        How many tasks are worked on at once.  Function objects are called in the caller's thread, one after the other.
    """

    jobs: int
    limits: Limits
    must: bool = False
    _idle: dict[Invitation, list[Asker]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # The system ends a worker with the thread that started it, so these threads live as long as the pool.
        self._threads = ThreadPoolExecutor(self.jobs, thread_name_prefix="conformance")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker."""
        self._stop.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for asker in [asker for askers in self._idle.values() for asker in askers]:
            asker.close()

    def _asker(self, invitation: Invitation) -> Asker:
        with self._lock:
            if self._idle[invitation]:
                return self._idle[invitation].pop()
        return invitation.asker(self.limits, must=self.must, stopped=self._stop.is_set)

    def _put_back(self, invitation: Invitation, asker: Asker) -> None:
        with self._lock:
            self._idle[invitation].append(asker)

    def introduce(self, invitations: Sequence[Invitation]) -> Iterator[tuple[Invitation, Hello | str]]:
        """Start a worker of each; its hello, or why it is absent, as they come in."""

        def one(invitation: Invitation) -> tuple[Invitation, Hello | str]:
            if invitation.missing:
                return invitation, NOT_INSTALLED
            asker = self._asker(invitation)
            try:
                hello = asker.start()
            except AbsentSubject as absent:
                return invitation, str(absent)
            self._put_back(invitation, asker)
            return invitation, hello

        if any(invitation.direct for invitation in invitations):
            yield from map(one, invitations)
            return
        waiting = [self._threads.submit(one, invitation) for invitation in invitations]
        for future in waiting:
            yield future.result()

    def perform(
        self, tasks: Sequence[tuple[Invitation, Any]], work: Callable[[Asker, Any], Iterator[Any]]
    ) -> Iterator[Event]:
        """Work on every task: ``work(asker, task)`` yields what it finds, in a thread of the pool.

        Closing the iterator ends the workers.  An exception of ``work`` is raised here.
        """
        if any(invitation.direct for invitation, _ in tasks):
            for invitation, task in tasks:
                yield from self._one(invitation, task, work)
            return
        events: queue.Queue[Event | BaseException | None] = queue.Queue(_WAITING)
        waiting = list(tasks)
        for _ in range(self.jobs):
            self._threads.submit(self._slot, waiting, work, events)
        running = self.jobs
        try:
            while running:
                event = events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            if running:  # the consumer has had enough: end what is asked, and wait until every slot has seen it
                self._stop.set()
                while running:
                    running -= events.get() is None
                self._stop.clear()

    def _slot(
        self,
        waiting: list[tuple[Invitation, Any]],
        work: Callable[[Asker, Any], Iterator[Any]],
        events: queue.Queue[Event | BaseException | None],
    ) -> None:
        """Take tasks and work on them until none is left; ends with None in the queue, whatever happens."""
        try:
            while (taken := self._take(waiting)) is not None and not self._stop.is_set():
                for event in self._one(*taken, work):
                    self._put(event, events)
        except KeyboardInterrupt:
            pass  # the pool was stopped while a reply was awaited
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            events.put(error)
        finally:
            self._put(None, events)

    def _put(self, event: Event | BaseException | None, events: queue.Queue[Event | BaseException | None]) -> None:
        if self._stop.is_set() and event is not None:
            raise KeyboardInterrupt
        events.put(event)  # the consumer takes everything until the end mark of every slot

    def _take(self, waiting: list[tuple[Invitation, Any]]) -> tuple[Invitation, Any] | None:
        """The next task for a slot."""
        with self._lock:
            if not waiting:
                return None
            ahead = range(min(AHEAD, len(waiting)))
            i = next((i for i in ahead if self._idle[waiting[i][0]]), 0)
            taken = waiting.pop(i)
            left = {invitation for invitation, _ in waiting} | {taken[0]}
            over = [asker for one, askers in self._idle.items() if one not in left for asker in askers]
            for one in [one for one in self._idle if one not in left]:
                del self._idle[one]
        for asker in over:
            asker.close()
        return taken

    def _one(self, invitation: Invitation, task: Any, work: Callable[[Asker, Any], Iterator[Any]]) -> Iterator[Event]:
        yield Begun(task)
        asker = self._asker(invitation)
        start, starting = time.perf_counter(), asker.seconds
        try:
            for what in work(asker, task):
                yield Told(task, what)
            asker.forget()
        except BaseException:
            asker.close()
            raise
        importing = asker.seconds - starting
        self._put_back(invitation, asker)
        yield Finished(task, {"import": importing, "ask": time.perf_counter() - start - importing})
