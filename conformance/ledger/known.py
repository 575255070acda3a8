"""What a ledger says of a record: computed when it is read, and never written into the record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from conformance import cases
from conformance import record as records
from conformance.ledger.entry import REGION, is_named
from reference.formats import FORMATS
from reference.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.ledger.entry import Entry
    from conformance.record import Part, Record

SILENT = ("unsupported", "not_asked")
"""Outcomes that say nothing about a finding."""


@dataclass(frozen=True)
class Stale:
    """An entry whose finding was looked for and is gone.

    Attributes
    ----------
    asked
        How many observations of its region there are.
    targets
        The targets that were asked there.
    places
        The (platform, version) pairs that were asked there.
    """

    entry: Entry
    asked: int
    targets: tuple[str, ...]
    places: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        place = f"{self.asked} answers of {', '.join(self.targets)}"
        return f"{self.entry.id}: no {self.entry.kind} in {place}; delete it, or narrow it ({self.entry.source})"


@dataclass(frozen=True, eq=False)
class Known:
    """A record, seen with a ledger.

    Attributes
    ----------
    record
        One run or several merged: staleness is a matter of all of them together.
    entries
        In the order in which they are looked at: of two that know a finding, the first is named.
    """

    record: Record
    entries: tuple[Entry, ...]

    @cached_property
    def ids(self) -> pd.Series:
        """For each observation a tuple, as long as its findings and in their order: the id of an entry, or ``""``."""
        shown = self._shown
        ids = pd.Series("", index=shown.index, dtype="object")
        for entry in self._concerned:
            ids[(ids == "") & (shown["kind"] == entry.kind) & entry.region(shown)] = entry.id
        known = {label: tuple(mine) for label, mine in ids.groupby(shown["label"], sort=False)}
        return pd.Series([known.get(label, ()) for label in self._rows.index], self._rows.index, dtype="object")

    @cached_property
    def findings(self) -> pd.DataFrame:
        """:func:`conformance.record.findings` with a column ``ledger``.

        It names the entries that know the finding, joined by ``;``, and is empty where one of its observations is known
        to none: that makes the finding one to look at.
        """
        found = records.findings(self.record)
        kinds = self._rows["findings"]
        names = []
        for kind, rows in zip(found["kind"], found["rows"], strict=True):
            mine = [
                name
                for label in rows
                for shown, name in zip(kinds[label].split(";"), self.ids[label], strict=True)
                if shown == kind
            ]
            names.append(";".join(sorted(set(mine))) if all(mine) else "")
        return found.assign(ledger=pd.Series(names, index=found.index, dtype="str"))

    @cached_property
    def stale(self) -> tuple[Stale, ...]:
        """The entries whose region was asked and shows their finding nowhere.

        The region is looked at over all parts of the entry's platform whose tier reaches it.  What an interrupted part has
        not asked may still show it, and so may an op, a format or a family that was left out, and what only another name
        of a list means: an entry is stale only where its whole region was asked of the targets that were there.
        """
        return tuple(found for entry in self._concerned if (found := self._stale(entry)) is not None)

    @cached_property
    def unasked(self) -> tuple[Entry, ...]:
        """The entries of these platforms and tiers of whose region nothing was asked at all."""
        asked = self._rows[~self._rows["outcome"].isin(SILENT)]
        return tuple(
            entry
            for entry in self.entries
            if (runs := self._runs(self._parts(entry))) and not entry.region(asked[asked["run_id"].isin(runs)]).any()
        )

    @cached_property
    def _concerned(self) -> tuple[Entry, ...]:
        """The entries that speak of a target of this record."""
        targets = [str(target) for target in self.record.targets]
        return tuple(entry for entry in self.entries if any(entry.names("target", target) for target in targets))

    def _stale(self, entry: Entry) -> Stale | None:
        parts = self._parts(entry)
        parts = [part for part in parts if entry.binds_on(part.header.machine.platform, part.header.plan.tier)]
        rows = self._rows[self._rows["run_id"].isin(self._runs(parts))]
        rows = rows[entry.region(rows)]
        shown = self._shown
        if (shown["label"].isin(rows.index) & (shown["kind"] == entry.kind)).any():
            return None
        if any(not part.footer.complete and _concerns(entry, part) for part in parts) or not _whole(entry, parts):
            return None
        asked = rows[~rows["outcome"].isin(SILENT)]
        for column in REGION:
            values = asked[column].unique()
            if not all(any(is_named(column, value, name) for value in values) for name in getattr(entry, column)):
                return None
        platforms = {part.header.run_id: part.header.machine.platform for part in parts}
        places = zip(asked["run_id"].map(platforms), asked["version"], strict=True)
        return Stale(entry, len(asked), tuple(asked["target"].unique()), tuple(dict.fromkeys(places)))

    def _parts(self, entry: Entry) -> list[Part]:
        """Those of its platform whose tier reaches it."""
        return [
            part
            for part in self.record.parts
            if entry.seen_on(part.header.machine.platform) and entry.tier <= part.header.plan.tier
        ]

    @staticmethod
    def _runs(parts: Iterable[Part]) -> set[str]:
        return {part.header.run_id for part in parts}

    @property
    def _rows(self) -> pd.DataFrame:
        return self.record.observations

    @cached_property
    def _shown(self) -> pd.DataFrame:
        """One row a finding: what an entry looks at, its kind, and the label of its observation."""
        rows = self._rows[self._rows["findings"] != ""]
        shown = rows[[*REGION, "version"]].assign(label=rows.index, kind=rows["findings"].str.split(";"))
        return shown.explode("kind")


def _whole(entry: Entry, parts: list[Part]) -> bool:
    """Whether the parts were going to ask every op, format and family that the entry speaks of."""
    plans = [part.header.plan for part in parts if _concerns(entry, part)]
    named = [family for name, family in cases.families().items() if entry.names("family", name)]
    ops = [name for name, op in OPS.items() if any(family.asks(op) for family in named)]
    everything = (
        ("op", ops, {op for plan in plans for op in plan.ops}),
        ("dtype", FORMATS, {dtype for plan in plans for dtype in plan.dtypes}),
        ("family", cases.families(), {family for plan in plans for family in plan.families}),
    )
    return all(name in asked for column, known, asked in everything for name in known if entry.names(column, name))


def _concerns(entry: Entry, part: Part) -> bool:
    """Whether a part was going to ask a target that the entry speaks of."""
    return any(entry.names("target", str(target)) for target in part.header.plan.targets)
