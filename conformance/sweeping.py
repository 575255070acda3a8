"""Sweeps behind their door: who is asked, what is done already, and what it comes to."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
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
from conformance.sweep.finished import Finished, finished
from conformance.sweep.plan import Plan, chosen_rows, questions_of
from conformance.sweep.run import Sweep
from conformance.sweep.search import around_the_worst
from conformance.sweep.shards import Shards
from conformance.values import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.asking.connections import Limits
    from conformance.values import Target

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
    NothingToSweep, UnknownName, MissingTarget, RecordError
        Before anything is asked.
    KeyboardInterrupt
        If it is interrupted before anything was finished.
    """
    rows = tuple(
        one
        for dtype in options.dtypes
        for one in chosen_rows((dtype,), options.kinds, options.most or (SAMPLE if dtype == "float64" else 2**62))
    )
    chosen, ops = chosen_targets(options)
    planned = Plan(
        conformance.__version__,
        this_machine(),
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
                with contextlib.closing(
                    Sweep(chosen, options.limits, options.jobs, shards.plan_hash).perform(left)
                ) as found_so_far:
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


def chosen_targets(options: Options) -> tuple[Sequence[tuple[Invitation, Target]], tuple[str, ...]]:
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


def _source(targets: Sequence[str]) -> str:
    """The file of a kernel among the targets, and a hash of it: what a sweep began with is what it goes on with."""
    for name in filter(is_kernel, targets):
        file = Path(name.rpartition(":")[0])
        content = file.read_bytes() if file.is_file() else b""
        return f"{file.name} {hashlib.blake2b(content, digest_size=8).hexdigest()}"
    return ""
