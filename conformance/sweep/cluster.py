"""A sweep on several machines: each shard is a task of dask.distributed, and those of a lost worker run on another one.

``dask worker ADDRESS --nthreads 1 --preload conformance.sweep.cluster`` starts a worker in an environment with this project
and the frameworks to ask there.  What it can be asked it says by its resources: ``cpu``, or ``gpu`` beside it, and the name
of each subject, as many of each as it has threads.  A task wants one of the resources of its targets, so that it runs where
they are all there; targets that the same workers have are asked together, for which the truth of a block is computed once.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import logging
import os
import re
import sys
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import conformance
from conformance.asking.interpreters import invitations
from conformance.record import this_machine
from conformance.sweep.run import Workers, failures, swept
from conformance.sweep.shards import Swept

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from conformance.asking.connections import Limits
    from conformance.asking.pool import Invitation
    from conformance.sweep.plan import Plan, Shard
    from conformance.sweep.run import Wanted
    from conformance.values import Target

_PRELOAD = "conformance.sweep.cluster"

_AHEAD = 2
"""Tasks that wait for each thread of the cluster: none is idle while one result travels."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _KEPT = -1, -3, 32 * 2**20
"""Parameters of glibc's ``mallopt``, and the bytes to which it lets them grow by itself where nobody sets one."""

_here = threading.local()
"""The subjects' workers of a thread of a dask worker, which it keeps from shard to shard."""


class NoCluster(Exception):
    """A cluster that cannot be used, in one line."""


class ForeignWorker(NoCluster):
    """A worker of another version of the suite, of a framework, or on another kind of processor than the sweep's."""


def dask_setup(worker: Any) -> None:
    """What a worker can be asked, as resources; dask calls it with a worker that preloads this module."""
    # A nanny holds the threads of OpenMP, MKL and OpenBLAS to one, where nothing else is said; frameworks choose by themselves.
    # It also has each freed array given back to the system at once, by which truths would take three times as long.
    with suppress(OSError, AttributeError):  # no glibc
        allocator = ctypes.CDLL(None)
        allocator.mallopt(_TRIM_THRESHOLD, 2 * _KEPT)
        allocator.mallopt(_MMAP_THRESHOLD, _KEPT)
    for name in importlib.import_module("dask").config.get("distributed.nanny.pre-spawn-environ", {}):
        if os.environ.get(name) == "1":
            del os.environ[name]
    subjects = {one.subject for one in invitations(()) if not one.missing}
    tags = {"cpu", *subjects, *(["gpu"] if this_machine().gpus else [])}
    more = {tag: float(worker.state.nthreads) for tag in tags if tag not in worker.state.total_resources}
    worker.state.total_resources.update(more)
    worker.state.available_resources.update(more)


def work(shard: Shard, targets: Sequence[Wanted], limits: Limits, plan: str, made_for: tuple[str, str]) -> Swept:
    """Sweep a shard in a thread of a worker.

    Parameters
    ----------
    made_for
        The version of the suite, and the platform, that the sweep is of.

    Raises
    ------
    ForeignWorker
        If this is another one.
    """
    here = conformance.__version__, this_machine().platform
    if here != made_for:
        raise ForeignWorker(f"a worker is {' on '.join(here)}, and the sweep is of {' on '.join(made_for)}")
    workers: Workers | None = getattr(_here, "workers", None)
    if workers is None or _here.limits != limits:
        if workers is not None:
            workers.close()
        workers, _here.limits = Workers(limits, lambda: False), limits
        _here.workers = workers
    own = [(_local(invitation), target) for invitation, target in targets]
    for invitation, target in own:
        if (found := workers.version(invitation)) not in ("", target.version):
            raise ForeignWorker(f"a worker has {invitation.subject} {found}, and the sweep is of {target.version}")
    return swept(shard, own, workers, plan)


def _local(invitation: Invitation) -> Invitation:
    """The same subject in the environment of this worker."""
    return replace(invitation, python=sys.executable)


class Cluster:
    """A connection to a scheduler, or an embedded one; a context manager."""

    def __init__(self, address: str, jobs: int) -> None:
        """Connect.

        Parameters
        ----------
        address
            Of the scheduler, ``tcp://host:8786``; or ``local``, which starts one and ``jobs`` workers of one thread here.

        Raises
        ------
        NoCluster
            If dask.distributed is not installed, nobody answers there, or no worker has come.
        """
        try:
            distributed: Any = importlib.import_module("distributed")  # optional, and without types
        except ImportError:
            raise NoCluster("--cluster needs dask.distributed: pip install 'softmax-conformance[cluster]'") from None
        if address != "local" and not re.fullmatch(r"\w+://.+:\d+", address):
            raise NoCluster(f"{address!r} is no scheduler's address, tcp://host:8786 say, nor local")
        self._dask, self._local = distributed, None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters comes as an exception
        try:
            if address == "local":
                self._local = distributed.LocalCluster(
                    n_workers=jobs, threads_per_worker=1, dashboard_address=None, preload=[_PRELOAD]
                )
            self.client = distributed.Client(self._local or address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise NoCluster(f"no scheduler answers at {address} ({first}); dask scheduler starts one") from None
        self.address = address
        if not self.workers():
            self.close()
            raise NoCluster(f"{address} has no workers; start one: dask worker {address} --preload {_PRELOAD}")

    def workers(self) -> Mapping[str, Any]:
        """What the scheduler says of each worker, by address."""
        found: Mapping[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        return found

    def offers(self) -> dict[frozenset[str], str]:
        """Each set of resources that a worker has, and one that has it."""
        return {frozenset(told["resources"]): address for address, told in self.workers().items()}

    def everywhere(self, found: Callable[[], Any]) -> list[Any]:
        """What a function returns on one worker of each set of resources, with the worker's machine."""
        asked = [
            self.client.submit(_with_machine, found, workers=[address], pure=False)
            for address in self.offers().values()
        ]
        return list(self.client.gather(asked))

    def perform(
        self, plan: Plan, targets: Sequence[Wanted], limits: Limits, plan_hash: str, shards: Sequence[Shard]
    ) -> Generator[Swept]:
        """What came of each shard, as they are finished; closing the iterator takes back what was not begun.

        Raises
        ------
        NoCluster
            If no worker has one of the targets.
        ForeignWorker
            If a worker is not what the sweep is of.
        """
        groups = self._groups(targets)
        made_for = plan.suite, plan.machine.platform
        sitting = uuid.uuid4().hex[:8]
        failed: dict[Any, str] = {}
        running = self._dask.as_completed(loop=self.client.loop, raise_errors=False, with_results=True)
        parts: dict[str, list[Swept]] = {}
        whose: dict[Any, tuple[Shard, int]] = {}
        waiting = iter(shards)
        try:
            while True:
                slots = sum(told["nthreads"] for told in self.workers().values())
                for shard in itertools.islice(waiting, max(0, _AHEAD * max(slots, 1) - len(whose))):
                    for number, (wants, group) in enumerate(groups):
                        left = [one for one in group if failures(one[1], shard) not in failed]
                        task = self.client.submit(
                            work, shard, left, limits, plan_hash, made_for, resources=dict.fromkeys(wants, 1),
                            key=f"{shard.id}-{number}-{sitting}", pure=False,
                        )  # fmt: skip
                        whose[task] = shard, number
                        running.add(task)
                if not whose:
                    return
                task, result = next(running)
                shard, number = whose.pop(task)
                one = self._came(task, result, shard, groups[number][1], plan_hash)
                for _, target in groups[number][1]:
                    if why := one.failed.get(target.versioned):
                        failed.setdefault(failures(target, shard), why)
                mine = parts.setdefault(shard.id, [])
                mine.append(one)
                if len(mine) == len(groups):
                    skipped = {
                        target.versioned: why for _, target in targets if (why := failed.get(failures(target, shard)))
                    }
                    yield together(parts.pop(shard.id), skipped)
        finally:
            self.client.cancel(list(whose))

    def _came(self, task: Any, result: Any, shard: Shard, group: Sequence[Wanted], plan: str) -> Swept:
        """What a task came to: its result; or who of it failed, where each worker that began it was lost."""
        if task.status == "finished":
            done: Swept = result
            return done
        error = result[1] if isinstance(result, tuple) else result
        if isinstance(error, self._dask.KilledWorker):
            why = f"each of the workers that asked it was lost: {str(error).splitlines()[0]}"
            return Swept(shard.id, plan, {}, {}, {target.versioned: why for _, target in group})
        raise error

    def _groups(self, targets: Sequence[Wanted]) -> list[tuple[frozenset[str], list[Wanted]]]:
        """The targets that the same workers have together, and the resources that their tasks want."""
        offers = list(self.offers())
        groups: dict[frozenset[int], list[Wanted]] = {}
        for invitation, target in targets:
            wants = tags(invitation, target)
            where = frozenset(i for i, offered in enumerate(offers) if wants <= offered)
            if not where:
                there = ", ".join(sorted(set().union(*offers)))
                raise NoCluster(f"no worker at {self.address} has {' and '.join(sorted(wants))}; they have {there}")
            groups.setdefault(where, []).append((invitation, target))
        return [(frozenset().union(*(tags(*one) for one in group)), group) for group in groups.values()]

    def close(self) -> None:
        """End the connection, and an embedded cluster."""
        with suppress(Exception):  # a scheduler that is gone has nothing to close
            self.client.close()
        if self._local is not None:
            self._local.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _with_machine(found: Callable[[], Any]) -> tuple[Any, Any]:
    return this_machine(), found()


def tags(invitation: Invitation, target: Target) -> frozenset[str]:
    """The resources that a worker must have to be asked a target: its kind of device, and its subject; of a kernel the first alone."""
    device = "cpu" if target.device == "cpu" else "gpu"
    return frozenset({device} if invitation.kernel else {device, invitation.subject})


def together(parts: Iterable[Swept], skipped: Mapping[str, str]) -> Swept:
    """One shard, of which each part was asked other targets."""
    parts = list(parts)
    seconds: dict[str, float] = {}
    for part in parts:
        for name, more in part.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + more
    return Swept(
        parts[0].shard,
        parts[0].plan,
        {name: told for part in parts for name, told in part.tallies.items()},
        {name: why for part in parts for name, why in part.refused.items()},
        {**skipped, **{name: why for part in parts for name, why in part.failed.items()}},
        seconds,
    )
