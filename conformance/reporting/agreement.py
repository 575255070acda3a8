"""Who shares a kernel with whom: which targets give identical bits to the same questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from conformance.reporting import blocks
from conformance.reporting.blocks import Block, Said, Sheet, Title
from conformance.reporting.frames import dicts, names, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record.schema import Record

MANY = 100
"""So many questions in common say something about a pair."""

SHEETS = ("op", "dtype")
"""What is compared apart from each other, where nothing else is said."""


@dataclass(frozen=True)
class Cluster:
    """Targets of which each pair gives identical bits to every question that both answer.

    Attributes
    ----------
    place
        What they were asked: a value for each of the columns that were compared apart.
    targets
        Two or more, by their names in the record.
    questions
        The fewest that a pair of them has in common.
    """

    place: tuple[str, ...]
    targets: tuple[str, ...]
    questions: int


def shares(record: Record, *, families: Sequence[str] = (), by: Sequence[str] = SHEETS) -> pd.DataFrame:
    """For each pair of targets the share of common questions that both answer with the same bits.

    Parameters
    ----------
    families
        The questions of these; of all where empty.
    by
        The columns whose values are compared apart from each other; none for all questions together.

    Returns
    -------
    pandas.DataFrame
        The columns ``by``, ``first``, ``second``, ``questions`` and ``equal``, a share in [0, 1]; pairs with fewer than
        :data:`MANY` questions in common are left out.  Controls are no framework's kernels and are left out.
    """
    rows = record.observations
    rows = rows[~rows["control"] & (rows["digest"] != "")]
    if families:
        rows = rows[rows["family"].isin(list(families))]
    question = ["case_id", "family"] if "family" in by else ["case_id"]
    rows = rows.assign(name=names(record, rows)).drop_duplicates(["name", *question])
    who = sorted(set(rows["name"]))
    asked = rows.groupby(question, sort=False).ngroup().to_numpy()
    codes = np.zeros((asked.max(initial=-1) + 1, len(who)), dtype=np.int64)
    codes[asked, pd.Categorical(rows["name"], who).codes] = pd.factorize(rows["digest"])[0] + 1
    places = rows[list(by)].iloc[np.unique(asked, return_index=True)[1]].reset_index(drop=True)
    found = []
    groups = places.groupby(list(by), sort=True).indices if by else {(): np.arange(len(codes))}
    for place, indices in groups.items():
        mine = codes[indices]
        for i, first in enumerate(who):
            both = (mine[:, i + 1 :] > 0) & (mine[:, [i]] > 0)
            same = both & (mine[:, i + 1 :] == mine[:, [i]])
            for second, count, equal in zip(who[i + 1 :], both.sum(0), same.sum(0), strict=True):
                if count >= MANY:
                    named = place if isinstance(place, tuple) else (place,)
                    found.append((*named, first, second, int(count), float(equal / count)))
    return pd.DataFrame(found, columns=[*by, "first", "second", "questions", "equal"])


def clusters(record: Record, *, by: Sequence[str] = SHEETS) -> list[Cluster]:
    """The largest groups first: targets that cannot be told apart by the bits of any answer, in one place of ``by``."""
    pairs = shares(record, by=by)
    found = []
    for place, group in pairs.groupby(list(by), sort=True) if by else [((), pairs)]:
        same = {(one["first"], one["second"]): int(one["questions"]) for one in dicts(group) if one["equal"] == 1.0}
        groups: list[list[str]] = []
        for name in sorted(set(group["first"]) | set(group["second"])):
            for members in groups:
                if all((one, name) in same for one in members):
                    members.append(name)
                    break
            else:
                groups.append([name])
        for members in groups:
            if len(members) > 1:
                common = [n for (one, other), n in same.items() if one in members and other in members]
                found.append(Cluster(tuple(map(str, place)), tuple(members), min(common)))
    return sorted(found, key=lambda one: (-len(one.targets), one.place, one.targets))


def nearest(record: Record) -> pd.DataFrame:
    """For each target the one that most often gives the same bits, over all questions that both answer.

    Columns: ``target``, ``nearest``, ``questions`` and ``equal``, as :func:`shares` has them; a target that has too few
    questions in common with any other is left out.
    """
    pairs = shares(record, by=())
    turned = pairs.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([pairs, turned], ignore_index=True).rename(columns={"first": "target", "second": "nearest"})
    order = both.sort_values(["target", "equal", "questions", "nearest"], ascending=[True, False, False, True])
    found = order.drop_duplicates("target")[["target", "nearest", "questions", "equal"]]
    return found.reset_index(drop=True)


def table(record: Record) -> pd.DataFrame:
    """Targets × targets: the share of common questions that both answer with the same bits, over all of them.

    A share is in [0, 1], and NaN where there are too few questions in common; of a target with itself it is 1.  Targets stand
    in an order in which those that agree are neighbours: that of the leaves of a tree of average distances, 1 − share.
    """
    pairs = shares(record, by=())
    who = sorted({*pairs["first"], *pairs["second"]})
    found = pd.DataFrame(np.nan, index=who, columns=who)
    for pair in dicts(pairs):
        found.loc[pair["first"], pair["second"]] = found.loc[pair["second"], pair["first"]] = pair["equal"]
    np.fill_diagonal(values := found.to_numpy(copy=True), 1.0)
    distances = squareform(1 - np.nan_to_num(values), checks=False)
    order = (
        hierarchy.leaves_list(hierarchy.linkage(distances, "average", optimal_ordering=True)) if len(who) > 1 else []
    )
    return pd.DataFrame(values, index=who, columns=who).iloc[order, order]


def markdown(record: Record) -> str:
    """A section of a page: groups of targets with identical bits, those of equal members in one row."""
    return blocks.markdown([_by_sheet(record, "questions in common, at least")]).rstrip("\n") + "\n"


def page(record: Record) -> list[Block]:
    """All that is said of who shares a kernel with whom: by op and dtype, by family, and the nearest of each target."""
    near = nearest(record)
    if near.empty:
        return [Said(f"No two targets answer {MANY} common questions; equal bits of fewer would say little.")]
    families: dict[tuple[str, ...], list[Cluster]] = {}
    for one in clusters(record, by=("family",)):
        families.setdefault(one.targets, []).append(one)
    by_family = tuple(
        (targets, ", ".join(one.place[0] for one in found), f"{min(one.questions for one in found):,}")
        for targets, found in families.items()
    )
    by_target = tuple(
        (one["target"], one["nearest"], f"{percent(one['equal'])} of {one['questions']:,}") for one in dicts(near)
    )
    return [
        Title("Identical bits, by op and dtype"),
        Said(f"These answer every common question with the same bits, where there are at least {MANY}."),
        _by_sheet(record, "questions"),
        Title("Identical bits, by family"),
        Said("The same over all of these ops and dtypes together, for one family of rows."),
        Sheet(("targets", "families", "questions"), by_family, ("questions",)),
        Title("The nearest of each"),
        Said("Which other target gives the same bits most often. Some questions have one right answer to the bit."),
        Sheet(("target", "nearest", "equal"), by_target, ("equal",)),
    ]


def _by_sheet(record: Record, head: str) -> Sheet:
    grouped: dict[tuple[str, ...], list[Cluster]] = {}
    for one in clusters(record):
        grouped.setdefault(one.targets, []).append(one)
    rows = []
    for targets, found in sorted(grouped.items(), key=lambda pair: (-len(pair[0]), pair[0])):
        dtypes: dict[str, list[str]] = {}
        for one in found:
            op, dtype = one.place
            dtypes.setdefault(op, []).append(dtype)
        where = "; ".join(f"{op} in {', '.join(listed)}" for op, listed in dtypes.items())
        rows.append((targets, where, str(min(one.questions for one in found))))
    return Sheet(("targets", "identical in", head), tuple(rows), (head,))
