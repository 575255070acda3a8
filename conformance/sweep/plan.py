"""What a sweep asks: which rows, which questions about them, of which targets, and the shards that this is cut into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from conformance.record.schema import Machine  # noqa: TC001 - the reader of JSON looks at annotations while it runs
from conformance.sweep.block import QUESTIONS, Question
from conformance.sweep.rows import BLOCK, KINDS, Rows, rows_of
from conformance.values import Target  # noqa: TC001

SHARD = 16
"""Blocks of a shard: a few seconds of work, which is what an interruption may cost."""


NEAR_ID = "near-"
"""In the id of a shard of a search, before the number of the row."""


class NothingToSweep(Exception):
    """There are no such rows; the message says which there are."""


@dataclass(frozen=True)
class Shard:
    """Consecutive blocks of rows, and one question about them.

    Attributes
    ----------
    first, last
        Numbers of blocks; the last one is not among them.
    around
        Of a search: the number of the row whose neighbours are asked, in one block; else None.
    """

    rows: Rows
    question: Question
    first: int
    last: int
    around: int | None = None

    @property
    def asked(self) -> Rows:
        """The rows whose blocks these are."""
        return self.rows if self.around is None else self.rows.around(self.around)

    @property
    def id(self) -> str:
        """Its name, and that of its file."""
        question = str(self.question).replace(", ", "-")
        part = self.first if self.around is None else f"{NEAR_ID}{self.around}"
        return f"{self.rows.dtype}.{self.rows.kind}.{question}.{part}"

    def __str__(self) -> str:
        if self.around is not None:
            return f"{self.question} {self.rows.dtype} {self.rows.kind}, around row {self.around}"
        part = f", blocks {self.first + 1} to {self.last} of {self.rows.blocks}" if self.rows.blocks > 1 else ""
        return f"{self.question} {self.rows.dtype} {self.rows.kind}{part}"


@dataclass(frozen=True)
class Plan:
    """All of a sweep; two with equal plans add up to one.

    Attributes
    ----------
    suite
        Its version.
    kernel
        Of a function of somebody's own: the name of its file, and a hash of what stands there; else empty.
    block
        Rows of a block.
    """

    suite: str
    machine: Machine
    targets: tuple[Target, ...]
    rows: tuple[Rows, ...]
    questions: tuple[Question, ...]
    kernel: str = ""
    block: int = BLOCK

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """Everything, cut into pieces of a few seconds."""
        return tuple(
            Shard(rows, question, first, min(first + SHARD, rows.blocks))
            for rows in self.rows
            for question in self.questions
            for first in range(0, rows.blocks, SHARD)
        )

    @cached_property
    def _by_id(self) -> dict[str, Shard]:
        return {shard.id: shard for shard in self.shards}

    def shard(self, name: str) -> Shard | None:
        """A shard by its id, one of a search among them; None where it is of another plan."""
        known = self._by_id
        whose, _, part = name.rpartition(".")
        number = part.removeprefix(NEAR_ID)
        if part == number or not number.isdecimal() or (first := known.get(f"{whose}.0")) is None:
            return known.get(name)
        return Shard(first.rows, first.question, 0, 1, int(number)) if not first.rows.exhaustive else None


def questions_of(ops: tuple[str, ...]) -> tuple[Question, ...]:
    """What is asked of these ops."""
    return tuple(question for question in QUESTIONS if question.op in ops)


def chosen_rows(dtypes: tuple[str, ...], kinds: tuple[str, ...], most: int) -> tuple[Rows, ...]:
    """The rows of these kinds in these formats.

    Parameters
    ----------
    most
        At most about so many of each.

    Raises
    ------
    NothingToSweep
        If a format has no rows of any of the kinds.
    """
    found = []
    for dtype in dtypes:
        here = [rows for kind in kinds if (rows := rows_of(kind, dtype, most)) is not None]
        if not here:
            has = ", ".join(kind for kind in KINDS if rows_of(kind, dtype, most))
            raise NothingToSweep(f"{dtype} has no {' or '.join(kinds)}; it has {has}")
        found += here
    return tuple(found)
