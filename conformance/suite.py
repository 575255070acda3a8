"""What does pytest run?  Items of target × op × dtype × family, answered by the same engine as a run.

Items of one target, op and dtype share one task, so that their rows travel in the same few arrays
whether one family is selected or all.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from conformance import cases, engine, ledger
from conformance.execution.environment import this_platform
from conformance.frameworks import controls
from conformance.judgement.checks import severity_of
from conformance.record import frame
from conformance.selection import MissingTarget, matches, wanted_frameworks
from conformance.values import Severity, Target, Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from conformance.ledger import Entry


@dataclass(frozen=True)
class Item:
    """One test."""

    target: Target
    op: str = ""
    dtype: str = ""
    family: str = ""
    absent: str = ""

    def __str__(self) -> str:
        return (
            f"{self.target.framework}-absent"
            if self.absent
            else "-".join((str(self.target), self.op, self.dtype, self.family))
        )


class Suite:
    """The items of one selection; empty sequences mean everything.

    Raises
    ------
    MissingTarget
        If a pattern names a target that is not here.
    """

    def __init__(
        self, targets: Sequence[str], ops: Sequence[str], dtypes: Sequence[str], families: Sequence[str], tier: str
    ) -> None:
        self.ops = tuple(ops) or engine.OPS
        self.dtypes = tuple(dtypes) or tuple(FORMATS)
        self.families = tuple(families) or tuple(cases.families())
        self.tier = tier
        self.selection = engine.Selection(Tier[tier.upper()], seed=0, families=tuple(families))
        self.platform = this_platform()
        self.entries = ledger.read()
        self.introductions = [engine.introduce(name) for name in wanted_frameworks(targets)]
        self.targets = [t for said in self.introductions for t in said.targets() if matches(t, targets)]
        for pattern in targets:
            meant = wanted_frameworks([pattern])
            if not any(matches(target, [pattern]) for target in self.targets):
                why = "; ".join(f"{i.framework}: {i.absent or 'has no such device'}" for i in self.introductions
                                if i.framework in meant)  # fmt: skip
                raise MissingTarget(f"target {pattern!r} is not here ({why})")

    def items(self) -> Iterator[Item]:
        """Every item; an absent framework is one item that says why."""
        for said in self.introductions:
            if said.absent:
                yield Item(Target(said.framework, "", ""), absent=f"{said.framework}: {said.absent}")
        # Every target in turn is asked one op and dtype, since their truth is kept that long.
        for op, dtype, target in itertools.product(self.ops, self.dtypes, self.targets):
            if target.control and controls.CONTROLS[target.mode].get(op) is None:
                continue
            for family in self.families:
                if self._dtypes(op, dtype, family):
                    yield Item(target, op, dtype, family)

    def observations(self, item: Item) -> pd.DataFrame:
        """The record of one item, annotated by the ledger."""
        whole = self._task(item.target, item.op, item.dtype)
        return whole[whole["family"] == item.family]

    @cache  # noqa: B019 - a suite lives as long as its pytest session
    def _task(self, target: Target, op: str, dtype: str) -> pd.DataFrame:
        observations = frame(engine.perform(engine.Task(target, op, dtype, self.selection)).rows)
        ledger.annotate(observations, self.entries, self.platform, self.tier)
        return observations

    def unknown(self, violations: pd.DataFrame) -> pd.DataFrame:
        """Those observations with a violation that no entry knows."""
        return violations[[
            any(not entry and severity_of(kind) is Severity.VIOLATION
                for kind, entry in zip(kinds.split(";"), entries.split(";"), strict=True))
            for kinds, entries in zip(violations["findings"], violations["ledger"], strict=True)
        ]]  # fmt: skip

    def expected(self, item: Item) -> list[Entry]:
        """The ledger entries that say this item is violated."""
        if item.absent:
            return []
        version = next(i.version for i in self.introductions if i.framework == item.target.framework)
        dtypes = self._dtypes(item.op, item.dtype, item.family)
        return [
            entry
            for entry in self.entries
            if severity_of(entry.kind) is Severity.VIOLATION
            and Tier[entry.tier.upper()] <= self.selection.tier
            and any(entry.covers(str(item.target), item.op, dtype, item.family, version) for dtype in dtypes)
        ]

    @cache  # noqa: B019 - a suite lives as long as its pytest session
    def _dtypes(self, op: str, dtype: str, family: str) -> set[str]:
        """The dtypes of the arrays that a family asks with a format: its own, or others that ride with it, or none."""
        asked = engine.questions(op, dtype, self.selection)
        return {case.known_as for batch in asked for case in batch.cases if case.family == family}

    def binds(self, entry: Entry) -> bool:
        """Whether the entry's finding must be there on this platform and tier."""
        return entry.binds_on(self.platform, self.tier)

    @cached_property
    def platform_is_known(self) -> bool:
        """Whether any entry was seen on this platform."""
        return any(entry.platform == self.platform for entry in self.entries)
