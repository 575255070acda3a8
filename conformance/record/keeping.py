"""Keepers: where a run puts its finished tasks, and the record that they are together."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from conformance.record.rows import claims_frame, frame, in_order, observation_row, smallest
from conformance.record.schema import Footer, Header, Part, Record
from conformance.record.tasks import TaskRecord
from conformance.record.typed import from_json, to_json
from conformance.values import Exhibit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.values import Case, Judgement, Observation


class JudgedCase(Protocol):
    """One case of a task, answered and judged; see :class:`conformance.tasks.Judged`."""

    @property
    def case(self) -> Case: ...  # noqa: D102
    @property
    def observation(self) -> Observation: ...  # noqa: D102
    @property
    def judgement(self) -> Judgement: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def shared(self) -> int: ...  # noqa: D102
    @property
    def place(self) -> int: ...  # noqa: D102
    @property
    def must(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def may(self) -> frozenset[str]: ...  # noqa: D102


class Keeper(Protocol):
    """Takes what a run finds, task by task; a :class:`conformance.record.Journal` on the disk, or :class:`Memory`."""

    @property
    def begun(self) -> bool:
        """Whether the plan of the run is known."""

    def begin(self, header: Header) -> Header:
        """Take the plan; the header of the run, whose first sitting this need not be."""

    def finished(self) -> frozenset[str]:
        """The ids of the tasks that are done."""

    def finish(self, task: TaskRecord) -> None:
        """Take a finished task."""

    def record(self, *, complete: bool) -> Record:
        """What the finished tasks are together."""


class Memory:
    """A keeper that ends with its process."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self._tasks: dict[str, TaskRecord] = {}
        self._start = time.monotonic()

    @property
    def begun(self) -> bool:
        """See :class:`Keeper`."""
        return self.header is not None

    def begin(self, header: Header) -> Header:
        """See :class:`Keeper`."""
        self.header = from_json(Header, to_json(Header, header))  # as it would come back from the disk
        return self.header

    def finished(self) -> frozenset[str]:
        """See :class:`Keeper`."""
        return frozenset(self._tasks)

    def finish(self, task: TaskRecord) -> None:
        """See :class:`Keeper`."""
        self._tasks[task.task_id] = task

    def record(self, *, complete: bool) -> Record:
        """See :class:`Keeper`."""
        assert self.header is not None
        seconds = time.monotonic() - self._start
        return assemble(
            self.header, [self._tasks[name] for name in sorted(self._tasks)], complete=complete, seconds=seconds
        )


def task_record(
    task_id: str,
    *,
    judged: Sequence[JudgedCase] = (),
    claims: Iterable[Mapping[str, Any]] = (),
    target: Any,
    programs: Mapping[str, tuple[str, str, str, str]],
    timing: Mapping[str, float],
    escalated: int,
) -> TaskRecord:
    """What a finished task leaves: of each of its findings the smallest array is kept whole."""
    kept = smallest([(one.case, one.judgement) for one in judged])
    rows = [
        observation_row(
            target,
            one.case,
            one.observation,
            one.judgement,
            digest=one.digest,
            shared=one.shared,
            must=one.must,
            may=one.may,
            exhibit=Exhibit(one.case.inputs, one.shared if one.case.stacks else 0, one.place) if i in kept else None,
        )
        for i, one in enumerate(judged)
    ]
    told = list(claims)
    return TaskRecord(task_id, frame(rows), timing, escalated, programs, claims_frame(told) if told else None)


def assemble(
    header: Header,
    tasks: Sequence[TaskRecord],
    *,
    complete: bool,
    seconds: float,
    imports: Iterable[tuple[str, Mapping[str, float]]] = (),
) -> Record:
    """The record of one run, the same whatever order its tasks were finished in, but for seconds.

    Parameters
    ----------
    tasks
        In the order of their ids.
    seconds
        Wall time.
    imports
        (framework, part → seconds) of what belongs to no task.
    """
    timing: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, parts in [*imports, *((task.subject, task.timing) for task in tasks)]:
        for part, spent in parts.items():
            timing[name][part] += spent
    observations = in_order(pd.concat([frame([]), *(task.rows for task in tasks)]).assign(run_id=header.run_id))
    claims = pd.concat([claims_frame([]), *(task.claims for task in tasks if task.claims is not None)])
    place = {str(target): i for i, target in enumerate(header.plan.targets)}
    claims = claims.assign(run_id=header.run_id).sort_values(
        "target", key=lambda names: names.map(place), kind="stable", ignore_index=True
    )
    footer = Footer(
        rows=len(observations),
        claims=len(claims),
        complete=complete,
        seconds=round(seconds, 3),
        timing={
            name: {part: round(spent, 3) for part, spent in sorted(parts.items())}
            for name, parts in sorted(timing.items())
        },
        escalated=sum(task.escalated for task in tasks),
    )
    programs = {name: texts for task in tasks for name, texts in sorted(task.programs.items())}
    run = Part(header, footer, programs)
    return Record((run,), observations.astype({"run_id": "string"}), claims.astype("string"))
