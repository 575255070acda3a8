"""Sweeps behind their door: who is asked, what is done already, and what it comes to."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import conformance
from conformance.asking import plan
from conformance.asking.interpreters import invitations, is_kernel
from conformance.asking.plan import MissingTarget
from conformance.asking.pool import Invitation, Pool
from conformance.frameworks.contract import Contract
from conformance.record import this_machine
from conformance.run import Options as RunOptions
from conformance.run import choose, introduce
from conformance.sweep.cluster import Cluster, NoCluster
from conformance.sweep.finished import Finished, finished
from conformance.sweep.plan import Plan, chosen_rows, questions_of
from conformance.sweep.run import Sweep
from conformance.sweep.search import around_the_worst
from conformance.sweep.shards import Shards
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.asking.connections import Limits
    from conformance.record import Machine
    from conformance.sweep.rows import Rows
    from conformance.values import Target

Chosen = tuple["Sequence[tuple[Invitation, Target]]", tuple[str, ...]]
"""The targets that are meant, each with its subject; and their ops."""

SAMPLE = 2**20
"""Rows of float64 that are asked where nothing else is said."""


@dataclass(frozen=True)
class Options:
    """What to sweep; see the options of ``conformance sweep``.  No ops: those that a kernel promises, or all."""

    targets: tuple[str, ...]
    pythons: tuple[str, ...]
    ops: tuple[str, ...]
    dtypes: tuple[str, ...]
    kinds: tuple[str, ...]
    devices: tuple[str, ...]
    most: int | None
    framework: str
    jobs: int
    limits: Limits
    command: str = ""
    cluster: str = ""
    """The scheduler's address, or ``local``; empty: this machine alone."""


def execute(
    options: Options,
    out: Path,
    watch: Callable[[int, int, str], None],
    warn: Callable[[str], None],
    *,
    resume: bool = False,
    restart: bool = False,
) -> Finished | None:
    """Sweep to the end; None where it was interrupted, and what was finished is kept.

    Parameters
    ----------
    watch
        Called with shards done, shards planned, and the last one.
    warn
        Called with a line for each file of an earlier sitting that cannot be used.

    Raises
    ------
    NothingToSweep, UnknownName, MissingTarget, RecordError, NoCluster
        Before anything is asked.
    ForeignWorker
        If a worker that has come since is of another version or machine; what was finished is kept.
    KeyboardInterrupt
        If it is interrupted before anything was finished.
    """
    rows = tuple(
        one
        for dtype in options.dtypes
        for one in chosen_rows((dtype,), options.kinds, options.most or (SAMPLE if dtype == "float64" else 2**62))
    )
    with Cluster(options.cluster, options.jobs) if options.cluster else contextlib.nullcontext() as cluster:
        return _execute(options, rows, cluster, out, watch, warn, resume=resume, restart=restart)


def _execute(
    options: Options,
    rows: tuple[Rows, ...],
    cluster: Cluster | None,
    out: Path,
    watch: Callable[[int, int, str], None],
    warn: Callable[[str], None],
    *,
    resume: bool,
    restart: bool,
) -> Finished | None:
    machine, (chosen, ops) = (this_machine(), chosen_targets(options)) if cluster is None else _there(options, cluster)
    planned = Plan(
        conformance.__version__,
        machine,
        tuple(target for _, target in chosen),
        rows,
        questions_of(ops),
        _source(options.targets),
    )
    with Shards.open(out, resume=resume, restart=restart) as shards:
        shards.begin(planned)
        for line in shards.damaged:
            warn(line)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        watch(0, len(planned.shards), "starting the workers")
        try:
            for stage in (lambda: planned.shards, lambda: around_the_worst(planned, shards.done.values())):
                wanted = stage()
                left = [shard for shard in wanted if shard.id not in shards.done]
                if cluster is None:
                    performed = Sweep(chosen, options.limits, options.jobs, shards.plan_hash).perform(left)
                else:
                    performed = cluster.perform(planned, chosen, options.limits, shards.plan_hash, left)
                with contextlib.closing(performed) as found_so_far:
                    for number, one in enumerate(found_so_far, len(wanted) - len(left) + 1):
                        shards.finish(one)
                        watch(number, len(wanted), one.shard)
        except KeyboardInterrupt:
            if not shards.done:
                raise
            return None
        found = finished(planned, shards.done.values(), command=options.command, started=started)
        found.write(out)
        shards.discard()
    return found


def chosen_targets(options: Options) -> Chosen:
    """The targets that are meant, and their ops: of a kernel, what its file promises.

    The modes that lead to the kernels of another one are meant where they are named.
    """
    kernels = [name for name in options.targets if is_kernel(name)]
    patterns = [name for name in options.targets if name not in kernels]
    invited = invitations(options.pythons) if patterns or not kernels else []
    plan.check_targets(patterns, sorted({one.framework for one in invited}))
    for name in kernels:
        plan.check_names("framework", [options.framework], ("numpy", *plan.known_frameworks()))
        promised = Contract.of({"op": options.ops[0]} if options.ops else {})
        invited.append(Invitation(options.framework, kernel=name, contract=promised))
    asked = RunOptions(
        Tier.SMOKE,
        invited,
        patterns,
        options.ops or plan.ops(),
        devices=options.devices,
        controls=False,
        limits=options.limits,
    )
    with Pool(options.jobs, options.limits) as pool:
        here = introduce(pool, asked)
        chosen = choose(asked, here)

    def named(target: Target) -> bool:
        return any(
            pattern.count("/") and "*" not in pattern.split("/")[1] and fnmatchcase(target.mode, pattern.split("/")[1])
            for pattern in patterns
        )

    kept = [(one, target) for one, target in chosen if target.mode not in here.hellos[one].further or named(target)]
    if not kept:
        raise MissingTarget(f"there is no target to sweep ({here.told('*')})")
    ops = tuple(hello.contract.settled().op for hello in here.hellos.values() if hello.watched)
    return kept, ops or options.ops or plan.ops()


def _there(options: Options, cluster: Cluster) -> tuple[Machine, Chosen]:
    """The kind of machine that the workers of a cluster are, and the targets that they have together.

    Raises
    ------
    NoCluster
        If they are of several kinds, or have a target at several versions.
    MissingTarget
        If none has one.
    """
    found = cluster.everywhere(partial(_chosen, options))
    machines = {machine.platform: machine for machine, _ in found}
    if len(machines) > 1:
        raise NoCluster(f"the workers are of several kinds, which no sweep mixes: {', '.join(sorted(machines))}")
    there = [told for _, told in found if not isinstance(told, str)]
    if not there:
        raise MissingTarget(found[0][1])
    targets = {str(target): (one, target) for chosen, _ in there for one, target in chosen}
    for _, target in (one for chosen, _ in there for one in chosen):
        if (other := targets[str(target)][1]) != target:
            raise NoCluster(f"the workers have {target} at {target.version} and at {other.version}")
    return next(iter(machines.values())), (list(targets.values()), there[0][1])


def _chosen(options: Options) -> Chosen | str:
    """:func:`chosen_targets` of a worker; where it has none, why."""
    try:
        return chosen_targets(options)
    except MissingTarget as missing:
        return str(missing)


def _source(targets: Sequence[str]) -> str:
    """The file of a kernel among the targets, and a hash of it: what a sweep began with is what it goes on with."""
    for name in filter(is_kernel, targets):
        file = Path(name.rpartition(":")[0])
        content = file.read_bytes() if file.is_file() else b""
        return f"{file.name} {hashlib.blake2b(content, digest_size=8).hexdigest()}"
    return ""
