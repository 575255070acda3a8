"""Works on the shards of a sweep: on each core a thread with workers of its own; the truth of a block once for all targets."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.asking.asker import told
from conformance.asking.hello import AbsentSubject
from conformance.sweep.block import Block
from conformance.sweep.shards import Swept
from conformance.sweep.tally import tallied
from conformance.values import Answered, Unsupported
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from conformance.asking.asker import Asker
    from conformance.asking.connections import Limits
    from conformance.asking.pool import Invitation
    from conformance.sweep.block import Question
    from conformance.sweep.plan import Shard
    from conformance.sweep.rows import Placement
    from conformance.sweep.tally import Tally
    from conformance.values import Numbers, Observation, Target


Wanted = tuple["Invitation", "Target"]


class Workers:
    """One thread's workers: one of each subject, started when it is first asked."""

    def __init__(self, limits: Limits, stopped: Callable[[], bool]) -> None:
        self._limits, self._stopped = limits, stopped
        self._askers: dict[Invitation, Asker] = {}

    def asker(self, invitation: Invitation) -> Asker:
        """The one of a subject."""
        if invitation not in self._askers:
            self._askers[invitation] = invitation.asker(self._limits, stopped=self._stopped)
        return self._askers[invitation]

    def version(self, invitation: Invitation) -> str:
        """The version of a subject; empty where it is not there."""
        try:
            return self.asker(invitation).start().version
        except AbsentSubject:
            return ""

    def close(self) -> None:
        """End them."""
        for asker in self._askers.values():
            asker.close()


def swept(shard: Shard, targets: Sequence[Wanted], workers: Workers, plan: str) -> Swept:
    """Ask every target the rows of a shard, in every placement, and tally what they answer."""
    work = _Work(shard, workers)
    for invitation, target in targets:
        work.begin(invitation, target)
    for number in range(shard.first, shard.last):
        block = Block.of(shard.question, shard.asked, number)
        left = [one for one in targets if one[1].versioned not in (work.refused | work.failed)]
        if len(block.numbers) and left:
            with _timed(work.seconds, "truth"):
                prepare(block)
            for invitation, target in left:
                work.ask(invitation, target, block, number)
    return Swept(shard.id, plan, work.tallies, work.refused, work.failed, work.seconds)


class _Work:
    """A shard in hand: the tallies so far, who is out of it, and the seconds; see :class:`Swept`."""

    def __init__(self, shard: Shard, workers: Workers) -> None:
        self.shard, self.workers = shard, workers
        self.tallies: defaultdict[str, dict[str, Tally]] = defaultdict(dict)
        self.refused: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def begin(self, invitation: Invitation, target: Target) -> None:
        """Find out whether a target has the op and the format."""
        name, why = target.versioned, ""
        try:
            why = self.workers.asker(invitation).cannot(target, OPS[self.shard.question.op], self.shard.rows.format)
        except AbsentSubject as absent:
            self.failed[name] = f"its worker did not come back: {absent}"
        if why:
            self.refused[name] = why

    def ask(self, invitation: Invitation, target: Target, block: Block, number: int) -> None:
        """Ask a target a block in every placement; one that does not answer is out of the shard."""
        name, asker = target.versioned, self.workers.asker(invitation)
        for placement in self.shard.rows.placements:
            got = answers(asker, target, self.shard, number, placement, self.seconds)
            if not isinstance(got, np.ndarray):
                (self.refused if isinstance(got, Unsupported) else self.failed)[name] = told(got)
                self.tallies.pop(name, None)
                return
            with _timed(self.seconds, "judge"):
                before = self.tallies[name].get(str(placement))
                best = (
                    [lane.worst.get("over_bound", (0.0,))[0] for lane in before.lanes] if before else [0.0] * len(got)
                )
                found = tallied(block, got[:, block.defined], best)
                found = found if self.shard.around is None else found.errors_alone()
                self.tallies[name][str(placement)] = before + found if before else found


def prepare(block: Block) -> None:
    """Compute what every target needs of the truth."""
    with np.errstate(all="ignore"):
        _ = block.truth.rounded, block.units_over_bound, block.smallest, block.by_binade, block.overflows
        _ = block.cancels


def answers(
    asker: Asker, target: Target, shard: Shard, number: int, placement: Placement, seconds: dict[str, float]
) -> Numbers | Observation:
    """The answers to a block, float64, in the order of the lanes of its rows; or what came instead."""
    rows, (start, count) = shard.asked, shard.asked.block(number)
    storage = {"dtype": rows.dtype, "storage": rows.format.storage}
    asked: list[dict[str, Any]] = [{**storage, "lanes": placement.lanes(rows.lanes)}]
    if cotangent := shard.question.cotangent(len(rows.lanes)):
        bits = rows.format.encode(cotangent)
        constant = tuple((int(one), 0, 0) for one in bits.view(f"uint{8 * bits.dtype.itemsize}"))
        asked.append({**storage, "lanes": placement.lanes(constant)})
    seen = asker.numbered(target, shard.question.op, placement.axis, asked, start, count, rows.step)
    seconds[target.versioned] += seen.seconds
    if not isinstance(seen, Answered):
        return seen
    with np.errstate(invalid="ignore"):
        stored = seen.stored if placement.axis == 0 else seen.stored.T
        stored = stored[::-1] if placement.reverse else stored
        return rows.format.decode(np.ascontiguousarray(stored))


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Add the seconds of a with statement to a part."""
    start = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - start


def failures(target: Target, shard: Shard) -> tuple[str, str, Question]:
    """What a target that has failed once is not asked again: such rows, and such a question about them."""
    return target.versioned, shard.rows.dtype, shard.question


class Sweep:
    """Shards at work, on ``jobs`` threads."""

    def __init__(self, targets: Sequence[Wanted], limits: Limits, jobs: int, plan: str) -> None:
        self.targets, self.limits, self.jobs, self.plan = targets, limits, jobs, plan
        self._failed: dict[tuple[str, str, Question], str] = {}

    def _left(self, shard: Shard) -> list[Wanted]:
        """Who is asked a shard: a target that has failed at such rows once is not ended by each shard of them."""
        return [one for one in self.targets if failures(one[1], shard) not in self._failed]

    def perform(self, shards: Sequence[Shard]) -> Generator[Swept]:
        """What came of each shard, as they are finished; closing the iterator ends the workers."""
        waiting, found = list(reversed(shards)), queue.Queue[Swept | BaseException | None]()
        stop = threading.Event()

        def work() -> None:
            workers = Workers(self.limits, stop.is_set)
            try:
                while not stop.is_set():
                    try:
                        shard = waiting.pop()
                    except IndexError:
                        break
                    one = swept(shard, self._left(shard), workers, self.plan)
                    self._failed |= {
                        failures(target, shard): one.failed[target.versioned]
                        for _, target in self.targets
                        if target.versioned in one.failed
                    }
                    skipped = {
                        target.versioned: why
                        for _, target in self.targets
                        if (why := self._failed.get(failures(target, shard)))
                    }
                    found.put(replace(one, failed={**skipped, **one.failed}))
            except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
                if not stop.is_set():
                    found.put(error)
            finally:
                workers.close()
                found.put(None)

        with ThreadPoolExecutor(self.jobs, thread_name_prefix="sweep") as threads:
            try:
                running = self.jobs
                for _ in range(running):
                    threads.submit(work)
                while running:
                    one = found.get()
                    if one is None:
                        running -= 1
                    elif isinstance(one, BaseException):
                        raise one
                    else:
                        yield one
            finally:
                stop.set()
