"""The table of worst cases: of finished sweeps, who is how wrong at most, at which row, and who shares it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conformance.record.disk import write_whole
from conformance.reporting import blocks
from conformance.reporting.blocks import Picture, Points, Said, Sheet, Title
from conformance.reporting.worst_plots import error_against_gap
from conformance.sweep.rows import NEAR, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from conformance.reporting.blocks import Block
    from conformance.sweep.finished import Finished, Result, WorstLane, WorstRow
    from conformance.sweep.rows import Rows

CONVENTIONS = (
    (
        "ulp: error in units in the last place of the format at the truth, 2^(clamp(floor(log2 |truth|), emin, emax) - p + 1), where "
        "that is a normal number; a correctly rounded answer is wrong by at most 0.5"
    ),
    (
        "lane, row: where that error is reached, lanes counted from 0: the first row, where several are as bad; with its placement, "
        "where not all of them have it"
    ),
    "all: the same error where the truth may be subnormal too: a flush to zero counts with all the units that it loses",
    (
        "flushed: the same as others' tables have it of platforms that flush, to be read beside JAX's page of numerical accuracy: all "
        "numbers below the smallest normal one are zero, and that is one unit above them"
    ),
    "of bound: error over the stable bound of docs/error-bounds.md, to 0.1%, but of subnormal numbers that were flushed to zero; above 1 it is worse than any good algorithm explains",
    "exact: share of the answers that are the correctly rounded truth",
    "to 0: zeros where the truth rounds to a subnormal number",
    "lost: zeros where the truth rounds to a normal number",
    (
        "disorder: answers that fall from one gap to the next where the truth rises, or rise where it falls; in both lanes and all "
        "placements"
    ),
    "no number: NaN or an infinity where the truth is a number, or a number where it is an infinity",
)
"""What the columns say."""

HEADS = (
    "op",
    "targets",
    "ulp",
    "lane",
    "row",
    "all",
    "flushed",
    "of bound",
    "exact",
    "to 0",
    "lost",
    "disorder",
    "no number",
)
SHORT = ("op", "ulp", "lane", "row", "of bound", "exact", "targets")
"""The columns that a terminal has room for."""

_RIGHT = ("ulp", "lane", "all", "flushed", "of bound", "exact", "to 0", "lost", "disorder", "no number")


@dataclass(frozen=True)
class Line:
    """One row of the table: a target, a question, and all placements of all rows of a kind."""

    target: str
    kind: str
    dtype: str
    question: str
    lanes: tuple[tuple[str, int, WorstLane], ...]
    """(placement, number of the lane, what it has)."""
    rows: Rows
    failed: str

    @staticmethod
    def of(result: Result, rows: Rows) -> Line:
        """Of one result."""
        lanes = tuple(
            (name, k, lane) for name, which in result.placements.items() for k, lane in enumerate(result.lanes[which])
        )
        return Line(
            result.target, result.kind, result.dtype, result.question, lanes, rows, result.refused or result.failed
        )

    def count(self, name: str) -> int:
        """A count over all lanes and placements."""
        return sum(lane.counts.get(name, 0) for _, _, lane in self.lanes)

    def worst(self, measure: str) -> tuple[str, int, WorstRow] | None:
        """Placement, lane and row of the largest error; None where every answer is correctly rounded."""
        found = [(name, k, lane.worst[measure]) for name, k, lane in self.lanes if measure in lane.worst]
        return max(found, key=lambda one: (one[2].error, -one[1])) if found else None

    def error(self, measure: str) -> str:
        """The largest error, written."""
        found = self.worst(measure)
        if found is not None:
            return number(found[2].error)
        return "0.5" if measure.startswith("ulp") and not self.count("cancelled") else ""

    @property
    def where(self) -> tuple[str, str]:
        """Lane and row of the worst error in units in the last place."""
        found = self.worst("ulp_normal")
        if found is None:
            return "", ""
        placement, lane, row = found
        return str(lane), f"{written(self.dtype, row.row)}{'' if self._everywhere(row) else f', {placement}'}"

    def _everywhere(self, row: WorstRow) -> bool:
        """Whether each placement has the same worst row."""
        having = {
            name
            for name, _, lane in self.lanes
            if (found := lane.worst.get("ulp_normal")) and (found.number, found.error) == (row.number, row.error)
        }
        return having == {name for name, _, _ in self.lanes}

    def cells(self) -> tuple[str, ...]:
        """As :data:`HEADS` has them from the third on."""
        asked = self.count("rows")
        return (
            self.error("ulp_normal"),
            *self.where,
            self.error("ulp"),
            self.error("ulp_flushed"),
            self.error("over_bound"),
            f"{100 * self.count('correct') / asked:.4g}%" if asked else "",
            *(f"{n:,}" if (n := self.count(name)) else "" for name in (
                "flushed_subnormals", "flushed_normals", "out_of_order", "nonfinite"
            )),
        )  # fmt: skip


def number(value: float) -> str:
    """An error, to four digits: what it is worth beside others."""
    if not np.isfinite(value):
        return "∞"
    return f"{value:.4g}" if value < 1e5 else f"{value:.2e}"


def lines(sweeps: Iterable[Finished]) -> list[Line]:
    """Every row of the table, those of one format and kind together, the worst first."""
    found = [
        Line.of(result, rows)
        for sweep in sweeps
        for rows in sweep.plan.rows
        for result in sweep.results
        if (result.dtype, result.kind) == (rows.dtype, rows.kind)
        and (result.placements or result.refused or result.failed)
    ]

    def place(line: Line) -> tuple[object, ...]:
        worst = line.worst("ulp_normal")
        return (
            -line.rows.format.precision,
            line.dtype,
            line.kind,
            line.rows.step,
            line.question,
            -(worst[2].error if worst else 0.0),
            line.target,
        )

    return sorted(found, key=place)


def page(sweeps: Sequence[Finished], pictures: Mapping[str, str]) -> list[Block]:
    """The whole page.

    Parameters
    ----------
    pictures
        Dtype → the file of the picture of its gaps.
    """
    found = lines(sweeps)
    said: list[Block] = [
        Title("Worst cases", 1),
        Said(
            "How wrong is each framework's softmax at most, and where? Not of a list of rows, but of every row of a kind, "
            "each in every placement: both orders, along the last and the first axis. The one-hot cotangent is one in lane 0."
        ),
        *_tables(found, pictures=pictures),
        *_shared(found),
        *_changed(found),
        Title("How to read it"),
        Points(tuple((text,) for text in CONVENTIONS)),
        Title("Who was asked, where"),
        Points(tuple((f"{sweep.command}: {sweep.started[:10]}, {sweep.plan.machine.cpu}, {sweep.plan.machine.platform}",)
                     for sweep in sweeps)),
    ]  # fmt: skip
    return said


def _rows(here: Sequence[Line]) -> list[tuple[str | tuple[str, ...], ...]]:
    """The rows of a table: targets that have everything in common stand in one."""
    same: defaultdict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for line in here:
        if not line.failed:
            same[(line.question, *line.cells())][line.target] = None
    return [(question, tuple(targets), *cells) for (question, *cells), targets in same.items()]


def _tables(
    found: Sequence[Line], columns: Sequence[int] = range(len(HEADS)), pictures: Mapping[str, str] | None = None
) -> list[Block]:
    """A table for each format and kind, of some of the columns."""
    said: list[Block] = []
    left = dict(pictures or {})  # a dtype has one, behind its first table
    for rows in dict.fromkeys(line.rows for line in found):
        here, dtype, kind = [line for line in found if line.rows == rows], rows.dtype, rows.kind
        said += [
            Title(f"{dtype}, {kind}" if rows.exhaustive else f"{dtype}, {kind}: a sample"),
            Said(_of(rows)),
            Sheet(
                tuple(HEADS[k] for k in columns), tuple(tuple(row[k] for k in columns) for row in _rows(here)), _RIGHT
            ),
        ]
        if kind == "gaps" and dtype in left:
            said.append(Picture(left.pop(dtype), f"largest error against the gap, {dtype}"))
        if refused := sorted({f"{line.target}, {line.question}: {line.failed}" for line in here if line.failed}):
            said.append(Said(f"Not swept: {'; '.join(refused)}."))
    return said


def _of(rows: Rows) -> str:
    shape = {"gaps": "[0, -d] and [-d, 0]", "pairs": "[a, b]", "triples": "[a, b, c]"}[rows.kind]
    if rows.exhaustive:
        return f"All {rows.total:,} rows {shape} in each placement."
    return (
        f"{rows.count:,} of {rows.total:,} rows {shape} in each placement, evenly spread, and {NEAR:,} rows around each of "
        "the worst of them: a lower bound of the worst of all."
    )


def _shared(found: Sequence[Line]) -> list[Block]:
    """Equal worst rows with equal answers."""
    same: defaultdict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for line in found:
        if (worst := line.worst("ulp_normal")) is not None:
            _, lane, row = worst
            key = (line.dtype, line.kind, line.question, f"lane {lane} of {written(line.dtype, row.row)}")
            same[(*key, number(row.error), row.answer)][line.target] = None
    rows = tuple(
        (dtype, question, where, error, tuple(targets))
        for (dtype, _, question, where, error, _), targets in same.items()
        if len({re.split("[:@]", target)[0] for target in targets}) > 1
    )
    if not rows:
        return []
    return [
        Title("Equal worst rows"),
        Said("Frameworks whose worst row is the same, with the same answer: they share code, or an algorithm."),
        Sheet(("dtype", "op", "worst row", "ulp", "targets"), rows, ("ulp",)),
    ]


def _changed(found: Sequence[Line]) -> list[Block]:
    """What differs between the releases of one target."""
    by: defaultdict[tuple[str, ...], dict[str, Line]] = defaultdict(dict)
    for line in found:
        name, _, rest = line.target.partition("@")
        version, _, mode = rest.partition("/")
        by[name, mode, line.dtype, line.kind, line.question][version] = line
    rows = tuple(
        (
            f"{name}/{mode}",
            dtype,
            question,
            tuple(f"{v}: {line.error('ulp_normal')} ulp, {line.where[1]}" for v, line in of.items()),
        )
        for (name, mode, dtype, _, question), of in by.items()
        if len({(line.error("ulp_normal"), line.where) for line in of.values() if not line.failed}) > 1
    )
    if not rows:
        return []
    return [Title("What changed between releases"), Sheet(("target", "dtype", "op", "worst"), rows)]


def terminal(sweeps: Sequence[Finished], console: Console) -> None:
    """The tables, and what they need to be read."""
    blocks.terminal(_tables(lines(sweeps), [HEADS.index(head) for head in SHORT]), console)


def write(sweeps: Sequence[Finished], path: Path) -> None:
    """The page as Markdown, and its pictures beside it."""
    pictures = {}
    for dtype in dict.fromkeys(line.dtype for line in lines(sweeps) if line.kind == "gaps" and not line.failed):
        file = path.with_name(f"{path.stem}-{dtype}.svg")
        write_whole(
            file,
            error_against_gap([line for line in lines(sweeps) if (line.dtype, line.kind) == (dtype, "gaps")]).encode(),
        )
        pictures[dtype] = file.name
    write_whole(path, blocks.markdown(page(sweeps, pictures)).encode())
