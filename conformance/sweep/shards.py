"""The files of a sweep in progress: a folder beside its own, with the plan and one file for each finished shard.

Every file appears whole or not at all, and says which plan it belongs to: shards of another plan, version or machine are
refused, and never mixed in.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from conformance.record.disk import one_line, tidy, unfinished, write_whole
from conformance.record.errors import DifferentPlan, NothingToResume, UnfinishedRun, UnreadableJournal
from conformance.record.journal import journal_folder, locked, remove
from conformance.record.typed import from_json, to_json
from conformance.sweep.plan import Plan
from conformance.sweep.tally import Tally  # noqa: TC001

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Swept:
    """What came of one shard.

    Attributes
    ----------
    shard
        Its id.
    plan
        A hash of the plan it belongs to.
    tallies
        Target, with its version → placement → tally.
    refused
        Target → why it has none: it has no such op or format.
    failed
        Target → why it has none: an exception, a crash, a limit ended it; a sweep that is resumed asks again.
    seconds
        Part (a target, ``truth``, ``judge``) → how long it took.
    """

    shard: str
    plan: str
    tallies: Mapping[str, Mapping[str, Tally]]
    refused: Mapping[str, str]
    failed: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)


def plan_hash(plan: Plan) -> str:
    """16 hex digits."""
    return hashlib.blake2b(json.dumps(to_json(Plan, plan), sort_keys=True).encode(), digest_size=8).hexdigest()


class Shards:
    """The folder, open for one process; a context manager.

    Attributes
    ----------
    damaged
        Files that could not be read, a line each: their shards count as not done.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        """Use :meth:`open`."""
        self.folder, self._lock = folder, lock
        self.damaged: list[str] = []
        self.done: dict[str, Swept] = {}
        self.plan_hash = ""
        self._discarded = False

    @classmethod
    def open(cls, out: Path, *, resume: bool = False, restart: bool = False) -> Self:
        """Open the folder beside ``out``.

        Raises
        ------
        JournalInUse
            If another process writes it.
        UnfinishedRun
            If a sweep stands there that was interrupted, and neither of the two is said.
        NothingToResume
            If none stands there and ``resume`` is said.
        """
        folder = journal_folder(out)
        tidy(folder)
        if resume and not (folder / "plan.json").exists():
            raise NothingToResume(f"there is no sweep to resume at {folder}")
        shards = cls(folder, locked(folder))
        for half in folder.rglob(".*.unfinished"):  # of this sweep, whose only process this one is
            remove(half)
        if restart:
            remove(folder / "plan.json")
        if (folder / "plan.json").exists() and not resume:
            count = len(list((folder / "shards").glob("[!.]*.json")))
            shards.close()
            raise UnfinishedRun(
                f"{folder} holds a sweep that was interrupted after {count} shards: resume it, restart, or name another folder"
            )
        return shards

    def begin(self, plan: Plan) -> None:
        """Write down the plan, or compare it with that of the sweep that is resumed, and read what is done.

        Raises
        ------
        DifferentPlan
            Naming what differs.
        UnreadableJournal
            If the plan there cannot be read.
        """
        self.plan_hash, path = plan_hash(plan), self.folder / "plan.json"
        told = to_json(Plan, plan)
        if not path.exists():
            remove(self.folder / "shards")
            write_whole(path, json.dumps(told, indent=1).encode())
        else:
            before = _read(path)
            if not isinstance(before, dict):
                raise UnreadableJournal(f"{path}: it holds no plan")
            for name, value in told.items():
                if before.get(name) != value:
                    raise DifferentPlan(f"{self.folder} was begun with other {name}: --restart discards what it holds")
        (self.folder / "shards").mkdir(exist_ok=True)
        for file in sorted((self.folder / "shards").glob("[!.]*")):
            try:
                swept: Swept = from_json(Swept, _read(file))
                if swept.plan != self.plan_hash or plan.shard(swept.shard) is None:
                    raise UnreadableJournal("it belongs to another sweep")  # noqa: TRY301
                if not swept.failed:
                    self.done[swept.shard] = swept
            except (UnreadableJournal, ValueError) as error:
                self.damaged.append(f"{file}: {error}")

    def finish(self, swept: Swept) -> None:
        """Write down a finished shard.

        Raises
        ------
        CannotWrite
            If the disk is full; every other finished shard is still there.
        """
        write_whole(self.folder / "shards" / f"{swept.shard}.json", json.dumps(to_json(Swept, swept)).encode())
        self.done[swept.shard] = swept

    def discard(self) -> None:
        """Remove the folder, once the sweep is published."""
        gone = unfinished(self.folder)  # under this name, it is removed by the next sweep where this one ends here
        with one_line(f"cannot remove {self.folder}"):
            self.folder.rename(gone)
        remove(gone)
        self._discarded = True

    def close(self) -> None:
        """Let other processes have it; what is finished stays."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            if not self._discarded and not (self.folder / "plan.json").exists():
                remove(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise UnreadableJournal(f"{path}: no JSON, or not to be read") from None
