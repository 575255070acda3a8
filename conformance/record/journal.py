"""The journal of a run in progress: a folder beside the report's, with one file for each finished task.

::

    <out>.journal/
        lock               the number of the process that writes it
        plan.json          the header of the run: what is asked, of which frameworks, on which machine
        tasks/<task>.<content>.parquet    one finished task: hashes of its id and of the file's bytes
        sittings/<n>.json  seconds of each time that the run was worked on

Every file appears whole or not at all, so that whatever ends the process, the tasks that were finished are there when
the run is resumed, and each has the content that its name says.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from conformance.record.disk import one_line, tidy, unfinished, write_whole
from conformance.record.errors import (
    DifferentPlan,
    JournalInUse,
    NothingToResume,
    RecordError,
    UnfinishedRun,
    UnreadableJournal,
)
from conformance.record.keeping import assemble
from conformance.record.schema import SCHEMA, Header
from conformance.record.tasks import TaskRecord, digest, file_name, id_of, read_task, task_bytes
from conformance.record.typed import WrongData, from_json, shown, to_json

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from conformance.record.schema import Record

_VARY = ("run_id", "started", "command")
"""Fields of a header in which two sittings of one run may differ."""


def journal_folder(out: Path) -> Path:
    """Where the journal of the run stands whose report will be the folder ``out``."""
    out = out.resolve()
    return out.with_name(f"{out.name}.journal")


@dataclass(frozen=True)
class _Sitting:
    """One time that a run was worked on; ``timing`` is of what belongs to no task, the imports."""

    seconds: float
    timing: Mapping[str, Mapping[str, float]]


class Journal:
    """The journal of one run, open for one process; a context manager.

    Attributes
    ----------
    folder
        Where it stands.
    header
        Of the run, from its first sitting; None until :meth:`begin`.
    damaged
        Files that could not be read, a line each: their tasks count as not done.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        """Use :meth:`open`."""
        self.folder = folder
        self.header: Header | None = None
        self.damaged: list[str] = []
        self._lock = lock
        self._start = time.monotonic()
        self._timing: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._tasks: dict[str, Path] = {}
        self._earlier: list[_Sitting] = []

    @classmethod
    def open(cls, out: Path, *, resume: bool = False, restart: bool = False) -> Self:
        """Open the journal beside the folder ``out``, for this process alone.

        Parameters
        ----------
        resume
            Continue the run that stands there; it may have been interrupted before its plan was known.
        restart
            Discard what stands there.

        Raises
        ------
        JournalInUse
            If another process writes it.
        UnfinishedRun
            If a run stands there that was interrupted, and neither of the two is said.
        NothingToResume
            If none stands there and ``resume`` is said.
        UnreadableJournal
            If its plan cannot be read, unless ``restart`` is said.
        CannotWrite
            If the disk is full, or may not be written.
        """
        folder = journal_folder(out)
        tidy(out)
        tidy(folder)
        if resume and not folder.is_dir():
            raise NothingToResume(f"there is no journal to resume at {folder}")
        lock = locked(folder)
        journal = cls(folder, lock)
        try:
            for half in folder.rglob(".*.unfinished"):  # of this run, whose only process this one is
                remove(half)
            if restart:
                for name in ("plan.json", "tasks", "sittings"):  # without its plan, the rest is nothing
                    remove(folder / name)
            journal._load()
            journal._refuse_unfinished(resume=resume)
        except BaseException:
            os.close(lock)
            raise
        return journal

    def _refuse_unfinished(self, *, resume: bool) -> None:
        if self.header and not resume:
            raise UnfinishedRun(
                f"{self.folder} holds a run of {self.header.started} that was interrupted after {len(self._tasks)} "
                "tasks: resume it, restart, or name another folder"
            )

    def begin(self, header: Header) -> Header:
        """Write down the plan, or compare it with that of the run that is resumed.

        Returns
        -------
        Header
            Of the run: where it is resumed, with the ``run_id``, ``started`` and ``command`` of its first sitting.

        Raises
        ------
        DifferentPlan
            Naming what differs; nothing is lost.
        CannotWrite
            If the disk is full.
        """
        told = to_json(Header, header)
        if self.header is None:
            for name in ("tasks", "sittings"):
                remove(self.folder / name)
            write_whole(self.folder / "plan.json", json.dumps({"schema": SCHEMA, "header": told}, indent=2).encode())
            self.header = from_json(Header, told)
        elif difference := _difference(to_json(Header, self.header), told):
            raise DifferentPlan(f"{self.folder} was begun with another plan: {difference}")
        with one_line(f"cannot write {self.folder}"):
            for name in ("tasks", "sittings"):
                (self.folder / name).mkdir(exist_ok=True)
        return self._header

    @property
    def begun(self) -> bool:
        """Whether the plan of the run is known."""
        return self.header is not None

    @property
    def _header(self) -> Header:
        if self.header is None:
            raise RuntimeError("the journal has no plan yet")
        return self.header

    def finished(self) -> frozenset[str]:
        """The ids of the tasks that are done."""
        return frozenset(self._tasks)

    def finish(self, task: TaskRecord) -> None:
        """Write down a finished task.

        Raises
        ------
        CannotWrite
            If the disk is full; every other finished task is still there.
        """
        content = task_bytes(task, self._plan)
        path = self.folder / "tasks" / file_name(task.task_id, content)
        write_whole(path, content)
        self._tasks[task.task_id] = path
        self._note_seconds()

    def note_timing(self, subject: str, part: str, seconds: float) -> None:
        """Add seconds that belong to no task: of an import, say."""
        self._timing[subject][part] += seconds

    def read(self) -> list[TaskRecord]:
        """Every finished task, by its id.

        Raises
        ------
        UnreadableJournal
            If one that could be read before cannot be any more.
        """
        try:
            return [read_task(self._tasks[name], self._plan) for name in sorted(self._tasks)]
        except (RecordError, WrongData, OSError) as error:
            raise UnreadableJournal(f"{self.folder}: {error}") from None

    def record(self, *, complete: bool) -> Record:
        """What the finished tasks are together: the same whatever order they were finished in, but for seconds."""
        sittings = [*self._earlier, self._sitting()]
        return assemble(
            self._header,
            self.read(),
            complete=complete,
            seconds=sum(sitting.seconds for sitting in sittings),
            imports=[shares for sitting in sittings for shares in sitting.timing.items()],
        )

    def discard(self) -> None:
        """Remove the journal, once its report is published."""
        gone = unfinished(self.folder)  # under this name, it is removed by the next run where this one ends here
        with one_line(f"cannot remove {self.folder}"):
            self.folder.rename(gone)
        self._tasks, self.header = {}, None
        remove(gone)

    def close(self) -> None:
        """Let other processes have it; what is finished stays."""
        if self._lock < 0:
            return
        try:
            if self.header is not None:
                self._note_seconds()
        finally:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except RecordError:
            if error is None:
                raise

    @cached_property
    def _plan(self) -> str:
        """A hash of what every sitting of the run has in common."""
        told = to_json(Header, self._header)
        return digest(json.dumps(_common(told)).encode())

    def _load(self) -> None:
        """Read the plan and see which tasks are finished."""
        path = self.folder / "plan.json"
        if not path.exists():
            return
        try:
            told = json.loads(path.read_bytes())
            if not isinstance(told, dict) or told.get("schema") != SCHEMA:
                raise DifferentPlan(f"{path}: it was not written by this version of the suite")
            self.header = from_json(Header, told.get("header"), "header")
        except (OSError, ValueError, RecursionError) as error:
            why = error if isinstance(error, WrongData) else "no JSON, or not to be read"
            raise UnreadableJournal(f"{path}: {why}; its finished tasks are still there") from None
        for task in sorted((self.folder / "tasks").glob("[!.]*")):
            try:
                self._tasks.setdefault(id_of(task, self._plan), task)
            except (RecordError, WrongData, OSError) as error:
                self.damaged.append(f"{task}: {str(error).removeprefix(f'{task}: ')}")
        for sitting in sorted((self.folder / "sittings").glob("[!.]*")):
            try:
                self._earlier.append(from_json(_Sitting, json.loads(sitting.read_bytes()), "sitting"))
            except (OSError, ValueError, RecursionError):
                self.damaged.append(f"{sitting}: no seconds can be read")

    @cached_property
    def _sitting_path(self) -> Path:
        """The first free name: a sitting that was ended keeps its file."""
        folder = self.folder / "sittings"
        return next(path for i in range(10**6) if not (path := folder / f"{i}.json").exists())

    def _sitting(self) -> _Sitting:
        timing = {name: dict(parts) for name, parts in self._timing.items()}
        return _Sitting(time.monotonic() - self._start, timing)

    def _note_seconds(self) -> None:
        write_whole(self._sitting_path, json.dumps(to_json(_Sitting, self._sitting())).encode())


def locked(folder: Path) -> int:
    """A descriptor that holds the lock of a journal, whose folder is made where it is not there."""
    path = folder / "lock"
    with one_line(f"cannot write {folder}"):
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:  # discarded by another process this very moment
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 20).decode("ascii", "replace").strip()
                os.close(lock)
                raise JournalInUse(f"{folder} is written by process {holder or 'unknown'}") from None
            # The file may have been discarded between opening and locking it: then the lock is of nothing.
            if path.exists() and os.fstat(lock).st_ino == path.stat().st_ino:
                os.ftruncate(lock, 0)
                os.write(lock, str(os.getpid()).encode())
                return lock
            os.close(lock)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    with one_line(f"cannot remove {path}"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _common(header: dict[str, Any]) -> dict[str, Any]:
    """What every sitting of a run has in common; why a framework is absent may be told in other words."""
    plan = header["plan"] | {"absent": sorted(header["plan"]["absent"])}
    return {name: value for name, value in header.items() if name not in _VARY} | {"plan": plan}


def _difference(was: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing in which two headers differ that one run may not differ in; empty where there is none."""
    return _first(_common(was), _common(now), "")


def _first(was: Any, now: Any, where: str) -> str:
    if was == now:
        return ""
    if isinstance(was, dict) and isinstance(now, dict):
        names = [*was, *(name for name in now if name not in was)]
        return next(filter(None, (_first(was.get(n), now.get(n), f"{where}.{n}".strip(".")) for n in names)))
    if isinstance(was, list) and isinstance(now, list):
        for i, (one, other) in enumerate(zip(was, now, strict=False)):
            if one != other:
                return _first(one, other, f"{where}[{i}]")
        more, which = (was, "no longer") if len(was) > len(now) else (now, "not before")
        return f"{where} has {shown(more[min(len(was), len(now))])}, {which}"
    return f"{where} was {shown(was)} and is {shown(now)}"
