"""Tasks performed: asked of workers, judged here, each turned into what the record keeps of it.

Workers are asked in the threads of a pool; judging happens in the caller's, in one stream of events.  Each batch has one
judge for all targets, so that its truth is computed once.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import claims
from conformance.asking import plan
from conformance.asking.plan import Task
from conformance.asking.pool import Begun, Finished, Told
from conformance.frameworks import controls
from conformance.judgement import Judge, digests
from conformance.record import task_record
from conformance.values import Answered, Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.asking.asker import Asker
    from conformance.asking.plan import Selection, Sheet
    from conformance.asking.pool import Invitation, Pool
    from conformance.claims import ClaimTask
    from conformance.record import TaskRecord
    from conformance.values import Batch, Case, Judgement, Observation

    AnyTask = Task | ClaimTask

_NOTHING = np.empty(0)


@dataclass(frozen=True)
class Judged:
    """One case of a task, answered and judged.

    Attributes
    ----------
    observation
        Without the array of an answer, which is judged and need not be kept.
    digest
        A hash of the answer's bits; empty without one.
    shared
        How many cases travelled with it.
    place
        Which of them it was.
    must, may
        Of a control: the kinds of findings that its formula has to show here, and those that it may.
    """

    case: Case
    observation: Observation
    judgement: Judgement
    digest: str
    shared: int = 1
    place: int = 0
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


class Desk:
    """The sheets in hand and their judges: one for each batch, whoever is asked."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._sheets: dict[tuple[str, str], Sheet] = {}
        self._judges: dict[tuple[str, str], dict[str, Judge]] = {}

    def sheet(self, task: Task) -> Sheet:
        """The questions of a task's op and dtype."""
        return self._sheets.setdefault(task.sheet, plan.sheet(task.op, task.dtype, self._selection))

    def judge(self, task: Task, batch: Batch, observation: Observation) -> Iterator[Judged]:
        """The judgement of every case of a batch, and of every family that asks the same question."""
        target, sheet = task.target, self.sheet(task)
        judges = self._judges.setdefault(task.sheet, _judges(task, self._selection))
        judge = judges.get(batch.id) or judges.setdefault(batch.id, Judge(batch))
        found, hashes = judge.judge(observation), digests(batch, observation)
        if isinstance(observation, Answered):
            observation = replace(observation, stored=_NOTHING, again=None)
        for place, (case, judgement, digest) in enumerate(zip(batch.cases, found, hashes, strict=True)):
            expected = _expected(target.mode, case) if target.control else ()
            for twin in sheet.twins[case.id]:
                yield Judged(twin, observation, judgement, digest, len(batch.cases), place, *expected)

    def clear(self, sheet: tuple[str, str]) -> int:
        """Forget a sheet and its truths; how many rows of it were computed twice."""
        self._sheets.pop(sheet, None)
        judges = self._judges.pop(sheet, {}).values()
        for judge in judges:
            judge.forget_answers()
        return sum(judge.escalated for judge in judges)


def _judges(task: Task, selection: Selection) -> dict[str, Judge]:
    """The judges of a sheet by batch; kept in the smoke tier, whose truths are few, as the sheet itself is."""
    return _kept_judges(task.sheet, selection) if selection.tier is Tier.SMOKE else {}


@lru_cache(maxsize=8)
def _kept_judges(sheet: tuple[str, str], selection: Selection) -> dict[str, Judge]:  # noqa: ARG001 - the key
    return {}


def _expected(control: str, case: Case) -> tuple[frozenset[str], frozenset[str]]:
    """The kinds of findings that a control's formula has to show on a case, and those that it may."""
    with np.errstate(all="ignore"):
        return controls.expected(control, case.op.name, case.logits, case.call.axis, controls.Limits.of(case.format))


Program = tuple[str, str, str, str]


def ask(asker: Asker, sheet: Sheet, task: Task) -> Iterator[tuple[Batch, Observation] | dict[str, Program]]:
    """Every batch of a task with its observation, and at last the programs of its calls."""
    ways = set()
    for batch in sheet.of(task):
        ways.add(batch.call.way)
        yield from asker.ask(task.target, batch)
    if task.target.control:
        return  # a control's formula stands in its module
    found = {way: asker.program(task.op.name, way, task.target) for way in sorted(ways)}
    yield {f"{task.target.versioned} {task.op} {way}": program for way, program in found.items() if program is not None}


def perform(
    pool: Pool,
    tasks: Sequence[tuple[Invitation, AnyTask]],
    desk: Desk,
    watch: Callable[[int, str], None] = lambda *_: None,
    *,
    see: Callable[[Judged], None] = lambda _: None,
    clear: bool = True,
) -> Iterator[TaskRecord]:
    """Ask and judge every task; what each leaves, as they are finished.

    Parameters
    ----------
    tasks
        In the order they should be begun; those of a sheet beside each other, since its truth is forgotten after them.
    watch
        Called with the number of tasks finished and the name of one that has begun.
    see
        Called with each case as soon as it is judged.
    clear
        Whether a sheet is forgotten once no task of it is left.
    """
    left = Counter(task.sheet for _, task in tasks if isinstance(task, Task))
    found: dict[AnyTask, list[Any]] = defaultdict(list)
    programs: dict[AnyTask, dict[str, Program]] = defaultdict(dict)
    judging: defaultdict[AnyTask, float] = defaultdict(float)
    arrays: Counter[AnyTask] = Counter()
    done = 0

    def work(asker: Asker, task: AnyTask) -> Iterator[Any]:
        return ask(asker, desk.sheet(task), task) if isinstance(task, Task) else claims.ask(asker, task)

    for event in pool.perform(tasks, work):
        match event:
            case Begun(task=task):
                watch(done, str(task))
            case Told(task=Task() as task, what=dict() as texts):
                programs[task].update(texts)
            case Told(task=Task() as task, what=(batch, observation)):
                start = time.perf_counter()
                judged = list(desk.judge(task, batch, observation))
                found[task] += judged
                judging[task] += time.perf_counter() - start
                for one in judged:
                    see(one)
                arrays[task] += 1
                watch(done, f"{task}, array {arrays[task]}")
            case Told(task=task, what=row):
                found[task].append(row)
            case Finished(task=task, timing=timing):
                escalated = 0
                if isinstance(task, Task):
                    left[task.sheet] -= 1
                    escalated = 0 if left[task.sheet] or not clear else desk.clear(task.sheet)
                rows = found.pop(task, [])
                asked = isinstance(task, Task)
                yield task_record(
                    task.id,
                    target=task.target,
                    judged=rows if asked else [],
                    claims=[] if asked else rows,
                    programs=programs.pop(task, {}),
                    timing={**timing, "judge": judging.pop(task, 0.0)},
                    escalated=escalated,
                )
                done += 1
                watch(done, str(task))
