"""The items that pytest runs: one for each target × op × dtype × family, asked through workers as a run asks them.

Items of one target, op and dtype share one task, so that their rows travel in the same few arrays whether one family is
selected or all.  A crash of a framework is an observation, and a red item; the session goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from conformance import cases
from conformance.asking.plan import Task
from conformance.asking.pool import Pool
from conformance.record import Memory, printable, this_platform
from conformance.reporting import Reading
from conformance.run import choose, header, introduce, planned
from conformance.tasks import Desk, perform
from conformance.values import GATES, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.asking.plan import Sheet
    from conformance.ledger import Entry
    from conformance.run import Options


@dataclass(frozen=True)
class Item:
    """One test: a family of a task, or a framework that is absent, and why."""

    task: Task | None
    family: str = ""
    framework: str = ""
    absent: str = ""

    def __str__(self) -> str:
        if self.task is None:
            return f"{self.framework}-absent"
        return "-".join((str(self.task.target), self.task.op.name, self.task.dtype, self.family))


class Suite:
    """The items of a selection, and what they have found so far.

    Attributes
    ----------
    entries
        The known findings.
    fail_on
        The mildest severity of a finding that fails its item where no entry knows it.

    Raises
    ------
    MissingTarget
        If a pattern names a target that is not here.
    """

    def __init__(
        self, options: Options, entries: tuple[Entry, ...] = (), fail_on: Severity = Severity.VIOLATION
    ) -> None:
        self.options = options
        self.platform = this_platform()
        self.entries = entries
        self.fail_on = fail_on
        self.pool = Pool(1, options.limits)
        try:
            self.here = introduce(self.pool, options)
            # Where no framework is installed and none was named, each is an item that says so.
            chosen = choose(options, self.here) if options.targets or self.here.hellos else []
        except BaseException:
            self.pool.close()
            raise
        self._tasks = {task: one for one, task in planned(options, self.here, chosen) if isinstance(task, Task)}
        self._header = header(options, self.here, [target for _, target in chosen])
        self._desk = Desk(options.selection)
        self._sheet: tuple[str, str] | None = None
        self._session = Memory()
        self._session.begin(self._header)
        self._readings: dict[Task, Reading] = {}

    def close(self) -> None:
        """End the workers."""
        self.pool.close()

    def items(self) -> Iterator[Item]:
        """Every item; an absent framework is one item that says why."""
        for invitation, why in self.here.absent.items():
            yield Item(None, framework=invitation.subject, absent=printable(f"{invitation.subject}: {why}"))
        for task in self._tasks:
            asked = {case.family for batch in self._sheet_of(task).of(task) for case in batch.cases}
            for family in self.options.families or cases.families():
                if family in asked:
                    yield Item(task, family)

    def _sheet_of(self, task: Task) -> Sheet:
        """The sheet of a task; the one before it is forgotten, since tasks go sheet by sheet."""
        if self._sheet not in (None, task.sheet):
            self._desk.clear(self._sheet)
        self._sheet = task.sheet
        return self._desk.sheet(task)

    def reading(self, item: Item) -> Reading:
        """What the task of an item has found; asked at the first call."""
        assert item.task is not None
        if item.task not in self._readings:
            self._sheet_of(item.task)
            [found] = perform(self.pool, [(self._tasks[item.task], item.task)], self._desk, clear=False)
            self._session.finish(found)
            alone = Memory()
            alone.begin(self._header)
            alone.finish(found)
            self._readings[item.task] = Reading(alone.record(complete=True), self.entries, self.fail_on)
        return self._readings[item.task]

    def whole(self) -> Reading:
        """What all items of this session have found so far."""
        return Reading(self._session.record(complete=True), self.entries, self.fail_on)

    def expected(self, item: Item) -> list[Entry]:
        """The ledger entries that may know what would fail this item."""
        if item.task is None:
            return []
        task = item.task
        place = {"target": str(task.target), "op": task.op.name, "family": item.family, "version": task.target.version}
        # Arrays of other dtypes ride with a format, and stand in the record under their own.
        asked = self._sheet_of(task).cases
        dtypes = {case.recorded_dtype for case in asked if case.family == item.family}
        return [
            entry
            for entry in self.entries
            if GATES.index(entry.severity) <= GATES.index(self.fail_on)
            and any(entry.covers(dtype=dtype, **place) for dtype in dtypes)
        ]

    @cached_property
    def platform_is_known(self) -> bool:
        """Whether any entry was seen on this platform."""
        return any(self.platform in entry.platform for entry in self.entries)
