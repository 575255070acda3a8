"""What changed between two records: what broke, what is gone, what became worse, better or right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from packaging.version import InvalidVersion, Version

from conformance.record import MEASURED
from conformance.record.rows import choices_of, findings_of
from conformance.reporting.frames import QUESTION, UNASKED, aligned, dicts
from conformance.reporting.tables import GRADES, SEVERITIES
from conformance.values import GATES, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.record import Record

CHANGES = ("new", "worse", "better", "fixed")
"""What can become of a finding, what nobody may overlook first."""

EVERY = "*"
"""In a table of what is gone: all that the target was asked."""

_SHOWS = ("right_only", "both", "left_only")
"""Which record shows a finding of a question: first what appeared."""

_PAIR = ("target", "old_version", "new_version")
_FINDING = (*_PAIR, "op", "way", "dtype", "family", "kind")
_FOUND = (
    "change", *_FINDING, "severity_old", "severity_new", "cases_old", "cases_new", "appeared", "vanished", "worst_old",
    "worst_new", "case", "detail",
)  # fmt: skip
_ASKED = (*_PAIR, "op", "way", "dtype", "family", "why", "questions")


@dataclass(frozen=True, eq=False)
class Diff:
    """What changed between two records, the textbook controls left out.

    Rows are aligned by target without its version, op, way, dtype, family and question; a finding is compared over the
    questions that both records asked.

    Attributes
    ----------
    targets
        ``target``, ``old_version``, ``new_version`` of each target that stands in both records, how many ``questions``
        both were asked, and to how many the answers have the ``same_bits``.
    findings
        One row a finding that changed: ``change`` (one of :data:`CHANGES`), its place, ``kind``, ``severity_old`` and
        ``severity_new`` (empty for none), ``cases_old`` and ``cases_new``, how many questions ``appeared`` or
        ``vanished`` among them, ``worst_old`` and ``worst_new`` (errors over the stable bound, NaN for none), and
        ``case`` and ``detail`` of the first question that appeared, or else of one that shows or showed it.
    grades
        For each target, op and dtype how many answers to questions without a changed finding are of a ``better`` grade
        and of a ``worse`` one.
    policies
        ``question``, ``old`` and ``new`` answer, for each target, op and dtype, and how many ``questions``.
    lost, gained
        What one record alone asked: place, ``why`` (gone, or how the other answered) and how many ``questions``. Where
        all of a target is gone, or of one of its dtypes, the names below are :data:`EVERY`.
    """

    targets: pd.DataFrame
    findings: pd.DataFrame
    grades: pd.DataFrame
    policies: pd.DataFrame
    lost: pd.DataFrame
    gained: pd.DataFrame

    def failing(self, fail_on: Severity) -> pd.DataFrame:
        """The findings at or above a gate that questions show which did not show them before, or not so severely."""
        gates = [str(one) for one in GATES[: GATES.index(fail_on) + 1]]
        before, now = (self.findings[f"severity_{side}"].map(_rank).astype(int) for side in ("old", "new"))
        return self.findings[
            ((self.findings["appeared"] > 0) | (before < now)) & self.findings["severity_new"].isin(gates)
        ]


def diff(old: Record, new: Record) -> Diff:
    """What changed from one record to another.

    A target of one version in each is compared whatever the versions are; of several, equal versions are compared, and
    then the newest that are left.
    """
    pairs = _pairs(old, new)
    was, now = (_side(record, {(pair[0], pair[i + 1]): pair for pair in pairs}) for i, record in enumerate((old, new)))
    rows = aligned(was, now, more=_PAIR, sides=("_old", "_new"))
    asked = {side: rows[f"outcome_{side}"].notna() & ~rows[f"outcome_{side}"].isin(UNASKED) for side in ("old", "new")}
    both = rows[asked["old"] & asked["new"]]
    return Diff(
        _targets(pairs, both),
        _findings(both),
        _grades(both),
        _policies(both),
        _alone(rows[asked["old"] & ~asked["new"]], rows[asked["old"]], "new"),
        _alone(rows[asked["new"] & ~asked["old"]], rows[asked["new"]], "old"),
    )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity else -1


def _age(version: str) -> tuple[bool, Any]:
    try:
        return True, Version(version)
    except InvalidVersion:
        return False, version


def _pairs(old: Record, new: Record) -> list[tuple[str, str, str]]:
    """(target, its version in the one, its version in the other), an empty version where it is not there."""
    versions: list[dict[str, list[str]]] = [{}, {}]
    for record, mine in zip((old, new), versions, strict=True):
        for target in record.targets:
            if not target.control:
                mine.setdefault(str(target), []).append(target.version)
    pairs = []
    for name in dict.fromkeys([*versions[0], *versions[1]]):
        before, after = (sorted(mine.get(name, ()), key=_age, reverse=True) for mine in versions)
        equal = [version for version in before if version in after]
        before, after = ([version for version in mine if version not in equal] for mine in (before, after))
        pairs += [(name, version, version) for version in equal]
        for i in range(max(len(before), len(after))):
            was, now = (mine[i] if i < len(mine) else "" for mine in (before, after))
            pairs.append((name, was, now))
    return pairs


def _side(record: Record, pairs: dict[tuple[str, str], tuple[str, str, str]]) -> pd.DataFrame:
    """The observations of a record with the pair that each belongs to."""
    rows = record.observations[~record.observations["control"]]
    of = [pairs[place] for place in zip(rows["target"], rows["version"], strict=True)]
    versions = pd.DataFrame(of, index=rows.index, columns=list(_PAIR))
    return rows.assign(old_version=versions["old_version"], new_version=versions["new_version"])


def _targets(pairs: list[tuple[str, str, str]], both: pd.DataFrame) -> pd.DataFrame:
    answered = both.assign(
        questions=1, same_bits=(both["digest_old"] == both["digest_new"]) & (both["digest_old"] != "")
    )
    sums = answered.groupby(list(_PAIR))[["questions", "same_bits"]].sum()
    here = [pair for pair in pairs if pair[1] and pair[2]]
    told: dict[Any, tuple[int, ...]] = {
        pair: tuple(map(int, row)) for pair, row in zip(sums.index, sums.to_numpy(), strict=True)
    }
    counts = [told.get(pair, (0, 0)) for pair in here]
    return pd.DataFrame(
        [(*pair, *count) for pair, count in zip(here, counts, strict=True)], columns=[*_PAIR, "questions", "same_bits"]
    )


def _shown(both: pd.DataFrame, side: str) -> pd.DataFrame:
    """One row a finding of a question, as one record shows it."""
    rows = both[both[f"findings_{side}"] != ""]
    listed = [
        (*(row[name] for name in (*_PAIR, *QUESTION)), finding.kind, str(finding.severity), row[f"error_over_bound_{side}"],
         row[f"case_{side}"], finding.detail)
        for row in dicts(rows)
        for finding in findings_of({"witness": row[f"witness_{side}"]})
    ]  # fmt: skip
    columns = [*_PAIR, *QUESTION, "kind", "severity", "worst", "case", "detail"]
    return pd.DataFrame(listed, columns=columns).astype({"worst": "float64"})


def _findings(both: pd.DataFrame) -> pd.DataFrame:
    key = [*_PAIR, *QUESTION, "kind"]
    shown = _shown(both, "old").merge(
        _shown(both, "new"), on=key, how="outer", suffixes=("_old", "_new"), indicator=True
    )
    found = []
    for place, mine in shown.groupby(list(_FINDING), sort=True):
        appeared, vanished = (int((mine["_merge"] == side).sum()) for side in ("right_only", "left_only"))
        old, new = (mine[mine["_merge"] != side] for side in ("right_only", "left_only"))
        severity = [max(rows.dropna(), key=_rank, default="") for rows in (mine["severity_old"], mine["severity_new"])]
        worst = [float(rows.max()) for rows in (mine["worst_old"], mine["worst_new"])]
        larger = ((worst[1] > worst[0]) - (worst[1] < worst[0])) * (place[-1] in MEASURED)
        # Questions that show it now and did not are worse, however many others do not show it any more.
        change = _change(len(old), len(new), (_rank(severity[1]) - _rank(severity[0]), appeared, -vanished, larger))
        if change:
            shows = mine.assign(place=mine["_merge"].astype(str).map(_SHOWS.index))
            told = dicts(shows.sort_values(["place", "case_new", "case_old"]))[0]
            side = "old" if told["_merge"] == _SHOWS[-1] else "new"
            found.append(
                (change, *place, *severity, len(old), len(new), appeared, vanished, *worst, told[f"case_{side}"],
                 told[f"detail_{side}"])
            )  # fmt: skip
    table = pd.DataFrame(found, columns=list(_FOUND))
    order = table.assign(
        first=table["change"].map(CHANGES.index).astype(int),
        second=-table[["severity_old", "severity_new"]].map(_rank).astype(int).max(axis=1),
    ).sort_values(["first", "second", *_FINDING], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def _change(old: int, new: int, grew: Sequence[int]) -> str:
    """What became of a finding; empty where nothing did.

    Parameters
    ----------
    old, new
        How many questions show it.
    grew
        Above zero for what is worse, below for what is better, what weighs most first.
    """
    if not old or not new:
        return "new" if new else "fixed"
    return next(("worse" if one > 0 else "better" for one in grew if one), "")


def _grades(both: pd.DataFrame) -> pd.DataFrame:
    ranks = [both[f"grade_{side}"].map(("", *GRADES).index) for side in ("old", "new")]
    graded = (ranks[0] > 0) & (ranks[1] > 0) & (both["findings_old"] == both["findings_new"])
    facts = both.assign(better=graded & (ranks[1] < ranks[0]), worse=graded & (ranks[1] > ranks[0]))
    sums = facts.groupby([*_PAIR, "op", "dtype"], sort=True)[["better", "worse"]].sum().reset_index()
    return sums[(sums["better"] > 0) | (sums["worse"] > 0)].reset_index(drop=True)


def _policies(both: pd.DataFrame) -> pd.DataFrame:
    counts: Counter[tuple[str, ...]] = Counter()
    for row in dicts(both[both["choices_old"] != both["choices_new"]]):
        old, new = (
            {one.question: one.answer for one in choices_of({"choices": row[f"choices_{side}"]})}
            for side in ("old", "new")
        )
        for question in sorted(old.keys() & new.keys()):
            if old[question] != new[question]:
                counts[(*(row[name] for name in (*_PAIR, "op", "dtype")), question, old[question], new[question])] += 1
    return pd.DataFrame(
        [(*place, count) for place, count in sorted(counts.items())],
        columns=[*_PAIR, "op", "dtype", "question", "old", "new", "questions"],
    )


def _alone(alone: pd.DataFrame, asked: pd.DataFrame, other: str) -> pd.DataFrame:
    """What one record alone asked, said of as much at once as is gone in the same way."""
    outcome = alone[f"outcome_{other}"].astype(object)
    reason = alone[f"reason_{other}"].fillna("").astype(str)
    why = outcome.where(outcome.notna(), "gone").str.replace("_", " ") + reason.where(reason == "", ": " + reason)
    left = alone.assign(why=why)
    told = []
    for depth in (0, 2, 3, 4):  # the whole target, then a dtype of it, an op of that, and a family
        of = [*_PAIR, *("dtype", "op", "way", "family")[:depth]]
        totals: dict[Any, int] = asked.groupby(of).size().to_dict()
        for key, mine in left.groupby([*of, "why"], sort=True):
            *place, said = list(key)
            if depth == 4 or len(mine) == totals[tuple(place)]:
                named: dict[str, Any] = dict(zip(of, place, strict=True)) | {"why": said, "questions": len(mine)}
                told.append(tuple(named.get(name, EVERY) for name in _ASKED))
                left = left.drop(mine.index)
    return pd.DataFrame(told, columns=list(_ASKED))
