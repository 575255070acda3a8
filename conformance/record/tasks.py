"""One finished task, and its file in a journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conformance.record.files import observations_of, read_table, table_bytes
from conformance.record.rows import claims_frame
from conformance.record.schema import SCHEMA
from conformance.record.typed import Source, WrongData, from_json, to_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class TaskRecord:
    """What one finished task leaves.

    Attributes
    ----------
    task_id
        Equal for the same task in every sitting.
    rows
        Its observations, as :func:`conformance.record.frame` makes them; the column ``run_id`` is empty.
    timing
        Part (ask, judge, …) → seconds.
    escalated
        How many rows' truths were computed twice.
    programs
        ``target op way`` → the four texts of its program.
    claims
        As :func:`conformance.record.claims_frame` makes them; None where it asked none.
    """

    task_id: str
    rows: pd.DataFrame
    timing: Mapping[str, float] = field(default_factory=dict)
    escalated: int = 0
    programs: Mapping[str, tuple[str, str, str, str]] = field(default_factory=dict)
    claims: pd.DataFrame | None = None

    @property
    def subject(self) -> str:
        """The framework it asked, with its variant; empty where it left no row."""
        for rows in (self.rows, self.claims):
            if rows is not None and len(rows):
                return str(rows["target"].iloc[0]).partition("/")[0]
        return ""


@dataclass(frozen=True)
class _Facts:
    """What stands in the metadata of a task's file."""

    schema: int
    task_id: str
    plan: str
    timing: Mapping[str, float]
    escalated: int
    programs: Mapping[str, tuple[Source, Source, Source, Source]]
    claims: tuple[Mapping[str, str], ...]


def task_bytes(task: TaskRecord, plan: str) -> bytes:
    """The file of a finished task of the plan with that hash."""
    claims = [] if task.claims is None else task.claims.to_dict("records")
    facts = _Facts(
        SCHEMA,
        task.task_id,
        plan,
        task.timing,
        task.escalated,
        task.programs,
        tuple({str(name): value for name, value in row.items()} for row in claims),
    )
    return table_bytes(task.rows, to_json(_Facts, facts))


def file_name(task_id: str, content: bytes) -> str:
    """The name of a task's file, which says what bytes it has."""
    return f"{digest(task_id.encode())}.{digest(content)}.parquet"


def digest(content: bytes) -> str:
    """16 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def id_of(path: Path, plan: str) -> str:
    """The id of a finished task.

    Raises
    ------
    WrongData, RecordError, OSError
        If the file is not what was written, or belongs to another plan.
    """
    return _read(path, plan)[0].task_id


def read_task(path: Path, plan: str) -> TaskRecord:
    """A finished task; raises what :func:`id_of` does."""
    facts, table = _read(path, plan)
    claims = claims_frame(facts.claims) if facts.claims else None
    return TaskRecord(facts.task_id, observations_of(table), facts.timing, facts.escalated, facts.programs, claims)


def _read(path: Path, plan: str) -> tuple[_Facts, pa.Table]:
    if path.name.split(".")[1:] != [digest(path.read_bytes()), "parquet"]:
        raise WrongData("its bytes are not those that were written")
    table, told = read_table(path)
    facts: _Facts = from_json(_Facts, told, "task")
    if facts.plan != plan:
        raise WrongData("it belongs to another plan")
    return facts, table
