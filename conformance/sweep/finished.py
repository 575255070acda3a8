"""A finished sweep: the shards added up, the order checked where they meet, and the worst rows certified by the reference."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping  # noqa: TC003 - the reader of JSON looks at annotations while it runs
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.record.disk import one_line, write_whole
from conformance.record.errors import RecordError
from conformance.record.typed import WrongData, from_json, to_json
from conformance.sweep.plan import Plan  # noqa: TC001
from conformance.sweep.tally import Tally, order_at_ends
from reference.bounds import bounds
from reference.truth import truth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conformance.sweep.block import Question
    from conformance.sweep.rows import Rows
    from conformance.sweep.shards import Swept

SCHEMA = 1
"""Of the file."""

NAME = "sweep.json"


class BadSweep(RecordError):
    """A file that holds no finished sweep; the message says why in one line."""


@dataclass(frozen=True)
class WorstRow:
    """The row where a lane is worst by one measure.

    Attributes
    ----------
    error
        By that measure; of an error in units in the last place or over the bound, as the reference has it.
    number
        Of the row.
    row, answer
        Its logits, and what the lane got, as hex floats.
    """

    error: float
    number: int
    row: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class WorstLane:
    """One lane over all rows; see :class:`conformance.sweep.tally.Lane`."""

    counts: Mapping[str, int]
    worst: Mapping[str, WorstRow]
    histogram: Mapping[int, tuple[int, ...]]
    peaks: Mapping[int, float]


@dataclass(frozen=True)
class Result:
    """One target's answers to one question about all rows of a kind.

    Attributes
    ----------
    target
        With its version.
    kind, dtype, question
        Which rows, and what was asked.
    lanes
        What there is to say of the lanes, where that is the same in several placements once.
    placements
        Placement → which of these; none where it failed.
    refused
        Why it cannot be asked; else empty.
    failed
        What ended it; else empty.
    """

    target: str
    kind: str
    dtype: str
    question: str
    lanes: tuple[tuple[WorstLane, ...], ...]
    placements: Mapping[str, int]
    refused: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Finished:
    """A sweep that is done.

    Attributes
    ----------
    seconds
        Part (a target, ``truth``, ``judge``) → how long it took, added up over all threads.
    """

    plan: Plan
    command: str
    started: str
    results: tuple[Result, ...]
    seconds: Mapping[str, float]

    def write(self, folder: Path) -> None:
        """Write it into a folder, which is made where it is not there.

        Raises
        ------
        CannotWrite
            If the disk refuses.
        """
        with one_line(f"cannot write {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / NAME, _text({"schema": SCHEMA, **to_json(Finished, self)}).encode())


def _text(data: dict[str, Any]) -> str:
    """JSON with a line for each result."""
    results = ",\n".join(json.dumps(one, separators=(",", ":")) for one in data["results"])
    rest = json.dumps({name: value for name, value in data.items() if name != "results"})
    return f'{rest[:-1]}, "results": [\n{results}\n]}}\n'


def read(path: Path) -> Finished:
    """A finished sweep, of its folder or its file.

    Raises
    ------
    BadSweep
        If there is none, or it was written by another version.
    """
    file = path / NAME if path.is_dir() else path
    try:
        data = json.loads(file.read_bytes())
        if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
            raise BadSweep(f"{file} holds no sweep of this version of the suite")
        found: Finished = from_json(Finished, data, defaults=True)
    except OSError as error:
        raise BadSweep(f"{file}: {error.strerror}: a finished sweep is wanted") from None
    except (WrongData, ValueError, RecursionError) as error:
        raise BadSweep(f"{file}: {error if isinstance(error, WrongData) else 'no JSON'}") from None
    return found


def finished(plan: Plan, shards: Iterable[Swept], *, command: str, started: str) -> Finished:
    """Add the shards up, in whatever order they come."""
    tallies: dict[tuple[str, Rows, Question], dict[str, Tally]] = {}
    refused: dict[tuple[str, Rows, Question], str] = {}
    failed: dict[tuple[str, Rows, Question], str] = {}
    seconds: dict[str, float] = {}
    for one in sorted(shards, key=lambda one: one.shard):
        shard = plan.shard(one.shard)
        assert shard is not None, one.shard
        for target, placements in one.tallies.items():
            found = tallies.setdefault((target, shard.rows, shard.question), {})
            for placement, tally in placements.items():
                found[placement] = found[placement] + tally if placement in found else tally
        for whys, said in ((refused, one.refused), (failed, one.failed)):
            for target, why in said.items():
                whys.setdefault((target, shard.rows, shard.question), why)
        for part, more in one.seconds.items():
            seconds[part] = seconds.get(part, 0.0) + more
    results = []
    for target, rows, question in itertools.product(
        (target.versioned for target in plan.targets), plan.rows, plan.questions
    ):
        key = (target, rows, question)
        gone = key in refused or key in failed
        lanes = {
            name: _certified(tally, rows, question) for name, tally in ({} if gone else tallies.get(key, {})).items()
        }
        unique = [one for k, one in enumerate(lanes.values()) if one not in list(lanes.values())[:k]]
        which = {name: unique.index(one) for name, one in lanes.items()}
        whys_not = refused.get(key, ""), failed.get(key, "")
        results.append(Result(target, rows.kind, rows.dtype, str(question), tuple(unique), which, *whys_not))
    return Finished(plan, command, started, tuple(results), seconds)


def _certified(tally: Tally, rows: Rows, question: Question) -> tuple[WorstLane, ...]:
    """The lanes, with the worst errors as the reference has them."""
    rising = question.rising if rows.kind == "gaps" else (0,) * len(tally.lanes)
    broken = order_at_ends(tally, rising, rows.step)
    found = []
    for k, lane in enumerate(tally.lanes):
        worst = {}
        for name, (error, number, answer) in lane.worst.items():
            row = rows.row(number)
            exact = _error(name, rows, question, np.array(row), k, answer)
            worst[name] = WorstRow(
                error if exact is None else exact, number, tuple(value.hex() for value in row), answer.hex()
            )
        counts = {**lane.counts, "out_of_order": lane.counts.get("out_of_order", 0) + broken[k]}
        trimmed = {binade: _trimmed(counts_) for binade, counts_ in sorted(lane.histogram.items())}
        found.append(
            WorstLane(
                {name: n for name, n in counts.items() if n},
                worst,
                trimmed,
                {binade: float(f"{peak:.6g}") for binade, peak in sorted(lane.peaks.items()) if peak},
            )
        )
    return tuple(found)


def _trimmed(counts: tuple[int, ...]) -> tuple[int, ...]:
    last = max((i for i, count in enumerate(counts) if count), default=-1)
    return counts[: last + 1]


def _error(name: str, rows: Rows, question: Question, x: Any, lane: int, answer: float) -> float | None:
    """An error as the reference has it; None for a measure that it does not have, or where its truth is no number."""
    if name == "ulp_flushed":
        return None
    g = np.array(question.cotangent(len(x))) if question.cotangent(len(x)) else None
    said = truth(question.op, x, format=rows.format, cotangent=g)
    got = said.rounded(rows.format).copy()
    got[lane] = answer
    if name == "over_bound":
        errors = said.error_over(bounds(question.op, x, format=rows.format, cotangent=g), got)
    elif said.decided(rows.format)[lane]:
        errors = said.error_ulps(got, rows.format)
    else:
        return None
    return float(errors[lane])
