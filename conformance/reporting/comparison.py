"""Where two targets of one record differ: in verdict, in policy, in bits, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from conformance.record.rows import choices_of, findings_of
from conformance.reporting.blocks import Block, Points, Said, Sheet, Title
from conformance.reporting.faults import generally
from conformance.reporting.frames import (
    UNASKED,
    aligned,
    counted,
    dicts,
    listed,
    names,
    nonfinite,
    percent,
    target_named,
)
from conformance.reporting.lanes import SUMS
from conformance.reporting.questions import NONFINITE, codes_of
from conformance.reporting.tables import SEVERITIES
from conformance.values import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from conformance.record import Record

_MOST = 12
"""How many rows of a table are shown."""
_EXAMPLES = 8
_QUANTILES = (("half of them", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("all", 1.0))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two targets of one record.

    Attributes
    ----------
    first, second
        Their names in the record.
    rows
        One row a question that both were asked: ``op``, ``way``, ``dtype``, ``family``, ``case_id``; the columns
        :data:`~conformance.reporting.frames.ANSWER` of both, with ``_first`` and ``_second`` behind their names;
        ``same_bits``; ``at_least`` and ``at_most``: how far the two answers lie apart where they do most, in units of
        the truth's last place, of a vjp over the lanes whose truth does not cancel; NaN where that does not follow.
    alone
        One row a question that one of them alone was asked: the same columns, and ``asked``, ``first`` or ``second``.
    newest
        What is said of the releases that were taken, where a name left them open; empty where it did not.
    """

    first: str
    second: str
    rows: pd.DataFrame
    alone: pd.DataFrame
    newest: str = ""


def compare(record: Record, first: str, second: str) -> Comparison:
    """Compare two targets of a record, named as :func:`conformance.reporting.frames.target_named` says.

    A record holds a hash of each answer and not the answer.  The largest errors a and b of two answers say how far these
    lie apart in the lane where they do most: by |a − b| at least, which is the distance in the lane of the larger error,
    and by a + b at most.

    Raises
    ------
    conformance.record.NoSuchTarget
        If the record does not hold one of them.
    """
    targets = [target_named(record, name) for name in (first, second)]
    called = names(record, record.observations)
    one, other = (record.observations[called == record.names[target]] for target in targets)
    both = aligned(one, other, sides=("_first", "_second"))
    asked = {
        side: both[f"outcome_{side}"].notna() & ~both[f"outcome_{side}"].isin(UNASKED) for side in ("first", "second")
    }
    rows = both[asked["first"] & asked["second"]].drop(columns="_merge").reset_index(drop=True)
    rows["same_bits"] = (rows["digest_first"] == rows["digest_second"]) & (rows["digest_first"] != "")
    a, b = (
        rows[f"max_ulp_{side}"].mask(nonfinite(rows[f"findings_{side}"])).replace(math.inf, math.nan)
        for side in ("first", "second")
    )
    rows["at_least"] = (a - b).abs().mask(rows["same_bits"], 0.0)
    rows["at_most"] = (a + b).mask(rows["same_bits"], 0.0)
    alone = both[asked["first"] != asked["second"]].drop(columns="_merge")
    alone["asked"] = np.where(asked["first"][alone.index], "first", "second")
    a_name, b_name = (record.names[target] for target in targets)
    open_ones = [name for name, target in zip((first, second), targets, strict=True) if name != record.names[target]]
    newest = f" Of several releases of {' and '.join(open_ones)} these are the newest here." if open_ones else ""
    return Comparison(a_name, b_name, rows, alone.reset_index(drop=True), newest)


def page(compared: Comparison) -> list[Block]:
    """All that is said of two targets, A and B."""
    rows = compared.rows
    head: list[Block] = [
        Title(f"{compared.first} and {compared.second}", 1),
        Said(f"A is {compared.first}, B is {compared.second}.{compared.newest}"),
    ]
    head.append(Said(in_common(compared)))
    if rows.empty:
        return [*head, *_alone(compared)]
    return [
        *head,
        *_alone(compared),
        *by_op_and_dtype(compared),
        *_errors(rows),
        *_verdicts(rows),
        *_policies(rows),
        *_examples(rows),
    ]


def in_common(compared: Comparison) -> str:
    """How many questions both were asked and answered, and to how many they give the same bits."""
    rows = compared.rows
    if rows.empty:
        return "No question was asked of both."
    answered, same = int((_both(rows)).sum()), int(rows["same_bits"].sum())
    share = f", {percent(same / answered)}" if answered else ""
    return f"Both were asked {counted(len(rows), 'question')} and answered {answered:,}, with the same bits {same:,}{share}."


def _alone(compared: Comparison) -> list[Block]:
    said: list[Block] = []
    for side, name in (("first", "A"), ("second", "B")):
        mine = compared.alone[compared.alone["asked"] == side]
        if len(mine):
            places = listed([f"{op} in {dtype}" for op, dtype in mine[["op", "dtype"]].drop_duplicates().to_numpy()], 4)
            said.append(
                Said(f"{name} alone was asked, or supports, {counted(len(mine), 'question')}: {places}.", loud=True)
            )
    return said


def _both(rows: pd.DataFrame) -> pd.Series:
    """Whether both answered."""
    return (rows["digest_first"] != "") & (rows["digest_second"] != "")


def by_op_and_dtype(compared: Comparison) -> list[Block]:
    """How many answers of both are equal to the bit or at least of one grade, and whose are wrong or nearer to the truth."""
    rows = compared.rows
    a, b = (codes_of(rows[f"error_over_bound_{side}"], rows[f"findings_{side}"]) for side in ("first", "second"))
    facts = rows[["op", "dtype"]].assign(
        answered=_both(rows),
        equal=rows["same_bits"],
        graded=_both(rows) & (rows["grade_first"] == rows["grade_second"]),
        wrong_a=rows["severity_first"] == Severity.VIOLATION,
        wrong_b=rows["severity_second"] == Severity.VIOLATION,
        closer_a=closer(a, b),
        closer_b=closer(b, a),
    )
    sums = facts.groupby(["op", "dtype"], sort=True).sum().reset_index()
    silent = sums[sums[["answered", "wrong_a", "wrong_b"]].sum(axis=1) == 0]
    sums = sums.drop(silent.index)
    heads = ("answered", "equal", "same grade", "A wrong", "B wrong", "A closer", "B closer")
    said: list[Block] = []
    for op, mine in sums.groupby("op", sort=True):
        lines = tuple((one[1], *(f"{n:,}" for n in one[2:])) for one in mine.itertuples(index=False))
        said += [Title(str(op), 3), Sheet(("dtype", *heads), lines, heads)]
    if len(silent):
        where = "; ".join(f"{op} in {listed(mine['dtype'], 20)}" for op, mine in silent.groupby("op"))
        said.append(Said(f"Not answered by both, and no violation of either: {where}."))
    return said


def closer(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Where the first of two errors is smaller, by their codes: by more than one part in 512, as the page tells them apart.

    Any error is smaller than an answer that is not finite where the truth is, or the reverse.
    """
    return (one < other) & (other <= NONFINITE)


def _errors(rows: pd.DataFrame) -> list[Block]:
    """The distribution of errors, where the bits differ."""
    rows = rows[~rows["same_bits"] & _both(rows)]
    without = int(rows["at_least"].isna().sum())
    rows = rows[rows["at_least"].notna()]
    if rows.empty:
        return []
    columns = (
        "error_over_bound_first", "error_over_bound_second", "max_ulp_first", "max_ulp_second", "at_least", "at_most",
    )  # fmt: skip
    lines = tuple(
        (name, *(_short(float(rows[column].quantile(q, interpolation="higher"))) for column in columns))
        for name, q in _QUANTILES
    )
    heads = ("A ÷ bound", "B ÷ bound", "A, ulp", "B, ulp", "at least", "at most")
    return [
        Title("How far apart, where the bits differ"),
        Said(
            f"The largest error of each answer to {len(rows):,} questions, over the stable bound and in units of the truth's "
            "last place (ulp), which is tiny where the truth is near zero. The record has hashes of answers and no answers: "
            "that two of them lie at least and at most so many ulp apart, in the lane where they do most, follows from their "
            "errors; of a vjp, over the lanes whose truth does not cancel. So many of the questions do not exceed a figure."
            + (
                f" Left out are {without:,} with an answer that has no such error: not finite, of another dtype, or where each makes a choice."
                if without
                else ""
            )
        ),
        Sheet(("questions", *heads), lines, heads),
    ]


def _short(size: float) -> str:
    """In two digits, as the page has it."""
    return f"{float(f'{size:.2g}'):,g}"


def _shows(rows: pd.DataFrame, side: str) -> pd.Series:
    """What an answer shows: the kinds of its findings; that it is rejected, where that is no finding."""
    rejected = (rows[f"outcome_{side}"] == "raised") & (rows[f"findings_{side}"] == "")
    return rows[f"findings_{side}"].mask(rejected, "rejected")


def _verdicts(rows: pd.DataFrame) -> list[Block]:
    rows = rows.assign(a=_shows(rows, "first"), b=_shows(rows, "second"))
    other = rows[rows["a"] != rows["b"]]
    if other.empty:
        return [Title("Verdicts"), Said("Every verdict is the same.")]
    gathered = [
        (
            f"of {op}: A {_worded(str(first))}; B {_worded(str(second))}",
            f"{listed(mine['dtype'])}: {listed(mine['family'], 8)}",
            len(mine),
        )
        for (first, second, op), mine in other.groupby(["a", "b", "op"], sort=False)
    ]
    return [Title("Verdicts that differ"), *_cut(gathered)]


def _worded(shows: str) -> str:
    """What an answer shows, as the end of a sentence whose subject is a target."""
    if shows in ("", "rejected"):
        return "raises an error, as it may" if shows else "is fine"
    return " and ".join(generally(kind) for kind in shows.split(";"))


def _policies(rows: pd.DataFrame) -> list[Block]:
    either = rows[(rows["choices_first"] != rows["choices_second"])]
    facts = []
    for row in dicts(either):
        a, b = (
            {c.question: c.answer for c in choices_of({"choices": row[f"choices_{side}"]})}
            for side in ("first", "second")
        )
        facts += [
            (question, a[question], b[question], row["op"], row["dtype"])
            for question in a.keys() & b.keys()
            if a[question] != b[question]
        ]
    if not facts:
        return []
    frame = pd.DataFrame(facts, columns=["question", "a", "b", "op", "dtype"])
    gathered = [
        (f"about {question}, in {op}: A {a}, B {b}", listed(mine["dtype"]), len(mine))
        for (question, a, b, op), mine in frame.groupby(["question", "a", "b", "op"], sort=True)
    ]
    return [Title("Policies that differ"), *_cut(gathered)]


def _cut(gathered: list[tuple[str, str, int]]) -> list[Block]:
    """The largest of some groups: of each what it is, where it shows, and how many questions it is."""
    ordered = sorted(gathered, key=lambda one: -one[-1])
    points = tuple((f"{counted(count, 'question')} {what}", where) for what, where, count in ordered[:_MOST])
    more = len(ordered) - _MOST
    return [Points(points), *([Said(f"And {counted(more, 'smaller group')}.")] if more > 0 else [])]


def _examples(rows: pd.DataFrame) -> list[Block]:
    """The questions on which the two differ most: in severity, then in ulp; one of each op, dtype and family."""
    other = rows[(rows["digest_first"] != rows["digest_second"]) | (_shows(rows, "first") != _shows(rows, "second"))]
    ranks = (_places(other["severity_first"], SEVERITIES) - _places(other["severity_second"], SEVERITIES)).abs()
    other = other.assign(by_severity=ranks)
    other = other[(other["by_severity"] > 0) | (other["at_least"] > 0)]
    order = ["by_severity", "at_least", "case_first"]
    other = other.sort_values(order, ascending=[False, False, True], na_position="last")
    other = other.drop_duplicates(["op", "dtype", "family"]).head(_EXAMPLES)
    if other.empty:
        return []
    points = []
    for row in dicts(other):
        way = "" if row["way"] == "plain" else f" {row['way']}"
        head = f"{row['op']}{way} {row['dtype']} {row['family']}/{row['case_first']}"
        points.append((head, *(f"{name}: {_answer(row, side)}" for name, side in (("A", "first"), ("B", "second")))))
    return [Title("Where they differ most"), Points(tuple(points))]


def _places(words: pd.Series, order: Sequence[str]) -> pd.Series:
    return words.map({word: i for i, word in enumerate(order)}).astype(int)


def _answer(row: Mapping[str, Any], side: str) -> str:
    """An answer in a line: its grade and errors, and of each finding what is seen."""
    found = findings_of({"witness": row[f"witness_{side}"]})
    grade = row[f"grade_{side}"] or row[f"outcome_{side}"]
    wrong = any(finding.severity is Severity.VIOLATION for finding in found)  # a grade is of the lanes that have one
    said = [] if wrong or grade in [finding.kind for finding in found] else [grade]
    if row[f"max_ulp_{side}"] >= 0 and not found:
        said.append(f"{row[f'max_ulp_{side}']:.3g} ulp, {row[f'error_over_bound_{side}']:.3g} × the stable bound")
    for finding in found:
        lane = finding.witness
        place = "the sum" if finding.kind in SUMS else f"lane {lane.index}" if lane else ""
        seen = f" ({place}: got {lane.got:.6g}, true {lane.expected:.6g}, allowed {lane.bound:.3g})" if lane else ""
        kind = "" if finding.detail.startswith(finding.kind) else f"{finding.kind}: "
        said.append(f"{kind}{finding.detail}{seen}")
    return "; ".join(said)
