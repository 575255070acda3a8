"""Who shares a kernel with whom: which targets give identical bits to the same questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from conformance.reporting.frames import dicts, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record.schema import Record

MANY = 100
"""So many questions in common say something about a pair."""


@dataclass(frozen=True)
class Cluster:
    """Targets of which each pair gives identical bits to every question that both answer.

    Attributes
    ----------
    op, dtype
        What they were asked.
    targets
        Two or more, by their names in the record.
    questions
        The fewest that a pair of them has in common.
    """

    op: str
    dtype: str
    targets: tuple[str, ...]
    questions: int


def shares(record: Record, *, families: Sequence[str] = ()) -> pd.DataFrame:
    """For each pair of targets the share of common questions that both answer with the same bits.

    Parameters
    ----------
    families
        The questions of these; of all where empty.

    Returns
    -------
    pandas.DataFrame
        Columns ``op``, ``dtype``, ``first``, ``second``, ``questions`` and ``equal``, a share in [0, 1]; pairs with fewer
        than :data:`MANY` questions in common are left out.  Controls are no framework's kernels and are left out.
    """
    rows = record.observations
    rows = rows[~rows["control"] & (rows["digest"] != "")]
    if families:
        rows = rows[rows["family"].isin(list(families))]
    rows = rows.assign(name=names(record, rows)).drop_duplicates(["name", "case_id"])
    found = []
    for (op, dtype), group in rows.groupby(["op", "dtype"], sort=True):
        codes, _ = pd.factorize(group["digest"])
        table = group.assign(code=codes + 1.0).pivot_table(index="case_id", columns="name", values="code", fill_value=0)
        numbers, who = table.to_numpy(), list(table.columns)
        answered = numbers > 0
        for i in range(len(who)):
            both = answered[:, i + 1 :] & answered[:, [i]]
            same = both & (numbers[:, i + 1 :] == numbers[:, [i]])
            for j, (asked, equal) in enumerate(zip(both.sum(0), same.sum(0), strict=True), start=i + 1):
                if asked >= MANY:
                    found.append((op, dtype, who[i], who[j], int(asked), float(equal / asked)))
    return pd.DataFrame(found, columns=["op", "dtype", "first", "second", "questions", "equal"])


def clusters(record: Record) -> list[Cluster]:
    """The largest groups first: targets that cannot be told apart by the bits of any answer to an op in a dtype."""
    pairs = shares(record)
    found = []
    for (op, dtype), group in pairs.groupby(["op", "dtype"], sort=True):
        same = {(one["first"], one["second"]): int(one["questions"]) for one in dicts(group) if one["equal"] == 1.0}
        groups: list[list[str]] = []
        for name in sorted(set(group["first"]) | set(group["second"])):
            for members in groups:
                if all(
                    (min(name, one), max(name, one)) in same or (max(name, one), min(name, one)) in same
                    for one in members
                ):
                    members.append(name)
                    break
            else:
                groups.append([name])
        for members in groups:
            if len(members) > 1:
                common = [n for (one, other), n in same.items() if one in members and other in members]
                found.append(Cluster(str(op), str(dtype), tuple(members), min(common)))
    return sorted(found, key=lambda one: (-len(one.targets), one.op, one.dtype, one.targets))


def markdown(record: Record) -> str:
    """A section of a page: groups of targets with identical bits, those of equal members in one row."""
    grouped: dict[tuple[str, ...], list[Cluster]] = {}
    for one in clusters(record):
        grouped.setdefault(one.targets, []).append(one)
    lines = ["| targets | identical in | questions in common, at least |", "|---|---|--:|"]
    for targets, found in sorted(grouped.items(), key=lambda pair: (-len(pair[0]), pair[0])):
        dtypes: dict[str, list[str]] = {}
        for one in found:
            dtypes.setdefault(one.op, []).append(one.dtype)
        where = "; ".join(f"{op} in {', '.join(listed)}" for op, listed in dtypes.items())
        lines.append(f"| {', '.join(targets)} | {where} | {min(one.questions for one in found)} |")
    return "\n".join(lines) + "\n"
