"""What is a run?  Plan, ask in worker processes, judge, match with the ledger, and keep a record.

A run that is interrupted, or whose worker dies, still ends in a record of what was done.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

import conformance
from conformance import cases, claims, engine, ledger
from conformance.engine import Introduction, Result, Selection, Task
from conformance.execution.environment import environment
from conformance.execution.workers import Begun, Done, Lost, drive
from conformance.record import SCHEMA, Record, frame
from conformance.selection import PROVES_NOT, MissingTarget, matches, wanted_frameworks
from conformance.values import Crashed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.values import Target, Tier


@dataclass(frozen=True)
class Options:
    """What to run.  Empty sequences mean everything."""

    tier: Tier
    targets: Sequence[str] = ()
    ops: Sequence[str] = engine.OPS
    dtypes: Sequence[str] = ()
    families: Sequence[str] = ()
    devices: Sequence[str] = ()
    seed: int = 0
    jobs: int = field(default_factory=lambda: min(2, os.cpu_count() or 1))
    timeout: float = 600.0
    command: str = ""


def perform(task: Task | claims.ClaimTask) -> Result | claims.Answers:
    """Perform either kind of task; the function a worker imports."""
    return claims.perform(task) if isinstance(task, claims.ClaimTask) else engine.perform(task)


class Run:
    """One run, from its options to its record."""

    def __init__(self, options: Options, watch: Callable[[int, int, str], None] = lambda *_: None) -> None:
        """``watch`` is called with tasks done, tasks known so far, and the task in hand."""
        self.options = options
        self.watch = watch
        self.introductions: dict[str, Introduction] = {}
        self.targets: list[Target] = []
        self.rows: list[dict[str, Any]] = []
        self.claims: list[dict[str, Any]] = []
        self.timing: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.escalated = 0
        self.complete = False
        self.failure: Exception | None = None
        self._known = self._done = 0
        self._started = datetime.now(UTC)

    def execute(self) -> Record:
        """Run to the end, or until Ctrl-C, or until the suite itself fails; what was done is never lost.

        A failure of the suite is kept in ``failure``, for the caller to raise once the record is safe.

        Raises
        ------
        MissingTarget
            If a target that was asked for by name is not here; nothing was asked then.
        """
        start = time.perf_counter()
        try:
            self._drive()
            self.complete = True
        except KeyboardInterrupt:
            pass  # the record of what was done is marked incomplete, which is the answer to Ctrl-C
        except MissingTarget:
            raise
        except Exception as error:  # noqa: BLE001 - kept, and raised by the caller
            self.failure = error
        return self._record(time.perf_counter() - start)

    def _drive(self) -> None:
        names, introduce = self._roster()
        events = drive(names, introduce, self._plan, perform, jobs=self.options.jobs, timeout=self.options.timeout)
        try:
            for event in events:
                match event:
                    case Begun(key=key, task=task):
                        self.watch(self._done, self._known, f"importing {key}" if task == key else str(task))
                    case Done(result=Introduction()):
                        pass  # planned already, in the worker's own thread
                    case Done(task=task, result=result):
                        self._finish(task, result)
                    case Lost(key=key, task=str()):
                        self._plan(key, Introduction(key, absent=f"its import failed: {event.how}"))
                    case Lost(task=claims.ClaimTask()):
                        self._done += 1
                    case Lost(task=task):
                        seen = TimedOut(event.seconds) if event.seconds else Crashed(event.how)
                        version = self.introductions[event.key].version
                        self._finish(task, Result(engine.lost(task, version, seen), {}, 0))
        finally:
            events.close()
        if not self.targets:
            raise MissingTarget(f"there is no target to ask ({self._sights(list(self.introductions))})")

    def _roster(self) -> tuple[Sequence[str], Callable[[str], Introduction]]:
        """Who is invited, and how each introduces itself in its worker."""
        return wanted_frameworks(self.options.targets), engine.introduce

    def _tasks(self, chosen: Sequence[Target]) -> list[Task | claims.ClaimTask]:
        """What these targets are asked."""
        options = self.options
        selection = Selection(options.tier, options.seed, tuple(options.families))
        asked = [
            Task(target, op, dtype, selection) for dtype in options.dtypes for op in options.ops for target in chosen
        ]
        about = [claims.ClaimTask(target, dtype) for dtype in claims.DTYPES[options.tier] if dtype in options.dtypes
                 for target in chosen if not target.control]  # fmt: skip
        return [*asked, *about]

    def _entries(self) -> Sequence[ledger.Entry]:
        """What is known already."""
        return ledger.read()

    def _plan(self, name: str, introduction: Introduction) -> list[Task | claims.ClaimTask]:
        self.introductions[name] = introduction
        self.timing[name]["import"] += introduction.seconds
        options = self.options
        chosen = [
            target
            for target in introduction.targets()
            if matches(target, options.targets) and matches(target.device, options.devices)
        ]
        self.targets += chosen
        self._refuse_missing()
        tasks = self._tasks(chosen)
        self._known += len(tasks)
        return tasks

    def _finish(self, task: Task | claims.ClaimTask, result: Result | claims.Answers) -> None:
        if isinstance(result, Result):
            self.rows += result.rows
            self.escalated += result.escalated
        else:
            self.claims += result.rows
        for part, seconds in result.timing.items():
            self.timing[task.target.framework][part] += seconds
        self._done += 1
        self.watch(self._done, self._known, str(task))

    def _refuse_missing(self) -> None:
        """Refuse a pattern once every framework it could mean was heard and no target matches it."""
        for pattern in self.options.targets:
            meant = wanted_frameworks([pattern])
            heard = all(name in self.introductions for name in meant)
            if heard and not any(matches(target, [pattern]) for target in self.targets):
                raise MissingTarget(f"target {pattern!r} is not here ({self._sights(meant)})")

    def _sights(self, names: Sequence[str]) -> str:
        """What each framework said of itself, in a line."""
        said = (self.introductions[name] for name in names)
        return "; ".join(
            f"{one.framework}: {one.absent}"
            if one.absent
            else f"{one.framework} {one.version} sees {', '.join(one.devices)}"
            for one in said
        )

    def _record(self, seconds: float) -> Record:
        options, run_id = self.options, uuid.uuid4().hex[:12]
        # Workers finish in any order; the record has one order.
        self.targets.sort(key=lambda target: target.framework)
        place = {str(target): i for i, target in enumerate(self.targets)}
        self.claims.sort(key=lambda row: place[row["target"]])
        observations = frame(self.rows, run_id)
        here = environment()
        stale = ledger.annotate(observations, self._entries(), here["platform"], options.tier.name.lower())
        families = cases.families()
        header = {
            "schema": SCHEMA,
            "run_id": run_id,
            "suite_version": conformance.__version__,
            "started": self._started.isoformat(timespec="seconds"),
            "tier": options.tier.name.lower(),
            "tier_proves_not": PROVES_NOT[options.tier],
            "seed": options.seed,
            "command": options.command,
            "plan": {
                "targets": [
                    {
                        "target": str(target),
                        "framework": target.framework,
                        "mode": target.mode,
                        "device": target.device,
                        "control": target.control,
                        "version": self.introductions[target.framework].version,
                    }
                    for target in self.targets
                ],
                "ops": list(options.ops),
                "dtypes": list(options.dtypes),
                "families": {name: families[name].reason for name in options.families or families},
                "absent": {name: said.absent for name, said in self.introductions.items() if said.absent},
            },
            "environment": here,
        }
        footer = {
            "rows": len(observations),
            "claims": len(self.claims),
            "complete": self.complete,
            "seconds": round(seconds, 3),
            "timing": {name: {part: round(s, 3) for part, s in parts.items()} for name, parts in self.timing.items()},
            "escalated": self.escalated,
            "stale_ledger": stale,
        }
        return Record(
            header, observations, pd.DataFrame(self.claims, columns=list(claims.COLUMNS), dtype="string"), footer
        )
