"""Policies: how each framework answers a question that has no single right answer, and where it answers differently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from conformance.record import rows as read
from conformance.reporting.frames import dicts, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.ledger import Entry
    from conformance.record import Record
    from conformance.values import Target

_DIMENSIONS = ("target", "op", "dtype", "way", "family", "layout", "shape", "case")
"""What two answers may differ in, what a reader can act on first."""

_UNSAID = {"way": "plain", "layout": "contiguous"}
"""How an empty value is called."""

_SHARES = ("some", "other", "still other")
"""Which rows of an array that shows several answers give the first of them, the second, and further ones."""


@dataclass(frozen=True)
class Policy:
    """The answers of one framework to one policy question.

    Attributes
    ----------
    framework
        Its name, with its variant where it has one, and with its version where it stands here at several.
    answers
        Answer → the places where it is given, named by what tells the answers apart: ``torch/eager/cpu float16`` or
        just ``float16``; where there is one answer, by its targets.
    """

    framework: str
    question: str
    answers: Mapping[str, tuple[str, ...]]

    @property
    def inconsistent(self) -> bool:
        """Whether it answers in several ways."""
        return len(self.answers) > 1


def policies(record: Record, known: Iterable[Entry] = ()) -> tuple[Policy, ...]:
    """The policies of every framework, by framework and question.

    Controls are left out, they are no framework's choice; and so is what a known entry of the question speaks of.
    """
    rows = record.observations
    rows = rows[(rows["choices"] != "") & ~rows["control"].astype(bool)]
    frameworks = subjects(record)
    rows = rows[[*_DIMENSIONS, "version", "framework", "choices"]].drop_duplicates()
    entries = [(entry.kind, entry.region(rows)) for entry in known if entry.policy]
    facts = [
        {
            **{name: row[name] or _UNSAID.get(name, "") for name in _DIMENSIONS},
            "framework": frameworks.get((row["target"], row["version"]), row["framework"]),
            "question": choice.question,
            "answer": choice.answer,
        }
        for label, row in zip(rows.index, dicts(rows), strict=True)
        for choice in read.choices_of(row)
        if not any(kind == choice.question and region[label] for kind, region in entries)
    ]
    if not facts:
        return ()
    grouped = pd.DataFrame(facts).groupby(["framework", "question"])
    return tuple(Policy(str(who), str(question), _places(mine)) for (who, question), mine in grouped)


def by_target(record: Record) -> pd.DataFrame:
    """Targets × questions: which choices a target makes, a tuple, empty where it was not asked; without the controls."""
    rows = record.observations
    rows = rows[~rows["control"].astype(bool)]
    rows = rows.assign(name=names(record, rows))
    made: dict[tuple[str, str], dict[str, None]] = {}
    for row in dicts(rows.loc[rows["choices"] != "", ["name", "choices"]].drop_duplicates()):
        for choice in read.choices_of(row):
            made.setdefault((row["name"], choice.question), {})[choice.answer] = None
    who = [name for target, name in record.names.items() if not target.control]
    questions = sorted({question for _, question in made})
    cells = [[tuple(sorted(made.get((name, question), ()))) for question in questions] for name in who]
    return pd.DataFrame(cells, index=who, columns=questions, dtype=object)


def subjects(record: Record) -> dict[tuple[str, str], str]:
    """(target, version) → the framework's name, with its version where it stands here at several."""

    def name(target: Target) -> str:
        return f"{target.framework}:{target.variant}" if target.variant else target.framework

    versions = Counter(name for name, _ in {(name(t), t.version) for t in record.targets})
    return {(str(t), t.version): f"{name(t)}@{t.version}" if versions[name(t)] > 1 else name(t) for t in record.targets}


def _places(facts: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Answer → where it is given, in as few of the dimensions as tell the answers apart."""
    answers = list(dict.fromkeys(facts["answer"]))
    if len(answers) == 1:
        return {answers[0]: tuple(dict.fromkeys(facts["target"]))}
    codes = facts[list(_DIMENSIONS)].apply(lambda column: pd.factorize(column)[0])
    codes["answer"] = pd.factorize(facts["answer"])[0]
    chosen = list(_telling(codes))
    named = facts[chosen].agg(" ".join, axis=1)
    # An array of several rows can show two answers at once: then no name tells them apart, and it says so.
    shared = facts["answer"].groupby(named).transform("nunique")
    of = facts["answer"].map({answer: _SHARES[min(i, len(_SHARES) - 1)] for i, answer in enumerate(answers)})
    named = named.where(shared == 1, of + " rows of " + named)
    by_answer = pd.DataFrame({"name": named, "answer": facts["answer"], "shared": shared}).sort_values(
        "shared", kind="stable"
    )
    return {answer: tuple(dict.fromkeys(by_answer.loc[by_answer["answer"] == answer, "name"])) for answer in answers}


def _telling(codes: pd.DataFrame) -> Sequence[str]:
    """The dimensions that tell the answers apart: the first few that do, without those that do not help."""
    count = next((n for n in range(1, len(_DIMENSIONS)) if _tells(codes, _DIMENSIONS[:n])), len(_DIMENSIONS))
    chosen = list(_DIMENSIONS[:count])
    if not _tells(codes, chosen):
        return chosen
    for name in reversed(_DIMENSIONS[: count - 1]):
        fewer = [other for other in chosen if other != name]
        if _tells(codes, fewer):
            chosen = fewer
    return chosen


def _tells(codes: pd.DataFrame, dimensions: Sequence[str]) -> bool:
    """Whether no two answers are given at one place."""
    places = codes[[*dimensions, "answer"]].drop_duplicates()
    return not bool(places.duplicated(list(dimensions)).any())
